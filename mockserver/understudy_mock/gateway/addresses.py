"""Where the files of a job are told to be."""

from __future__ import annotations

import base64

from understudy_mock.domain.job import Job
from understudy_mock.domain.timeline import Step
from understudy_mock.gateway.world import World
from understudy_mock.media import Wanted, always


async def urls_of(world: World, job: Job, step: Step, wanted: Wanted = always) -> list[str]:
    """Tell where the files are, or give the files themselves where the job was asked to.

    `wanted` tells whether whoever is to be told still waits.

    Under the quirk `data-uri` with sync_mode they are inside their addresses.
    """
    urls = job.media_urls(step)
    if not urls or not (job.inline or ("data-uri" in job.quirks and job.values.get("sync_mode"))):
        return urls
    files = [await world.files.file(job.rendition(index), wanted) for index in range(job.outputs)]
    begins = "" if job.inline else f"data:{job.media_type};base64,"
    return [begins + base64.b64encode(file).decode() for file in files]
