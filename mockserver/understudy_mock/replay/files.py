"""A result file: the recorded failures in their order, then the recorded content."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import Condition, Refusal
from understudy_mock.domain.rendition import MEDIA_TYPES, Rendition
from understudy_mock.domain.timeline import State
from understudy_mock.replay.wording import recorded_answer
from understudy_mock.replay.world import ReplayWorld
from understudy_mock.web.files import answer_file

_log = logging.getLogger("understudy")


async def fetch(world: ReplayWorld, call: Call) -> Answer | None:
    """Answer a call for a recorded file; None where the path leads to none. Raises Refusal before the end."""
    if call.method not in ("GET", "HEAD"):
        return None
    path = world.jobs.with_recorded_names(call.path.encode("latin-1", "replace")).decode("latin-1")
    file = world.recorded.files.get(path)
    if file is None:
        return None
    replayed = world.jobs.named_in(call.path)
    job = await world.store.get(replayed.id) if replayed is not None else None
    if job is not None:
        call.job, call.account = job.id, job.account
        if (await world.step(job)).state is not State.COMPLETED:
            raise Refusal(Condition.NOT_FOUND)
    if call.method == "GET":  # a HEAD downloads nothing
        downloads = replayed.downloads if replayed is not None else world.counts
        nth = downloads[path]
        downloads[path] += 1
        if file.failures and (nth < len(file.failures) or file.answer is None):
            failure = file.failures[min(nth, len(file.failures) - 1)]
            return recorded_answer(world, failure, call, call.account, replayed)
    if file.is_whole and file.answer is not None:
        content: bytes | None = file.answer.response_body
        if file.path is not None:
            content = await read_beside(file.path)
        if content is not None:
            kind = dict(file.answer.response_headers).get(b"content-type", b"application/octet-stream")
            return answer_file(content, f"{path} {file.answer.number}", kind.decode("latin-1"), call)
    if world.settings.media == "small":
        format = job.format if job is not None else "mp4"
        return answer_file(
            await world.files.file(Rendition(format)), f"small {format}", MEDIA_TYPES[format], call
        )
    return world.file_not_recorded(call)


async def read_beside(path: Path) -> bytes | None:
    """Return a file that is kept beside a recording; None, and a warning, where it cannot be read."""
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        _log.warning("%s cannot be read: %s", path, error.strerror)
        return None
