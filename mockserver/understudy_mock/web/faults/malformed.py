"""Half the body under a Content-Length that is right: a complete answer that does not parse."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Send the first half as if it were all."""
    cut = Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers, answer.fault)
    await wire.send(cut)
    return cut
