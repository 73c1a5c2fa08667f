"""The addresses of a job's files."""

from __future__ import annotations

import base64

from understudy_mock.domain.job import Job
from understudy_mock.domain.rendition import Rendition
from understudy_mock.domain.timeline import Step
from understudy_mock.gateway.turns import apart
from understudy_mock.gateway.world import World
from understudy_mock.media import Wanted, always


async def urls_of(world: World, job: Job, step: Step, wanted: Wanted = always) -> list[str]:
    """Return the addresses of the files, or the files themselves in base64 where the job asks for that.

    Under the quirk `data-uri` with sync_mode they are data URLs. `wanted` returns whether the caller still
    waits.
    """
    urls = job.media_urls(step)
    if not urls or not (job.inline or ("data-uri" in job.quirks and await apart(job.weight, _waited, job))):
        return urls
    files = [await world.files.file(await rendition_of(job, index), wanted) for index in range(job.outputs)]
    begins = "" if job.inline else f"data:{job.media_type};base64,"
    return [begins + await apart(len(file), _in_base64, file) for file in files]


async def rendition_of(job: Job, index: int) -> Rendition:
    """Return what output number `index` (from 0) of a job is, however large its body."""
    return await apart(job.weight, job.rendition, index)


def _waited(job: Job) -> bool:
    return bool(job.values.get("sync_mode"))


def _in_base64(file: bytes) -> str:
    return base64.b64encode(file).decode()
