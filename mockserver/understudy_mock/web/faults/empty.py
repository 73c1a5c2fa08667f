"""The status and headers of a good answer, without its body."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Send no body, and say so in Content-Length."""
    bare = Answer(answer.status, b"", answer.headers, answer.fault)
    await wire.send(bare)
    return bare
