"""Half the body, under a Content-Length that promised all of it; then the connection closes in good order."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Send the first half and close."""
    kept = len(answer.body) // 2
    await wire.send_raw(answer, kept)
    await wire.close()
    return Answer(answer.status, answer.body[:kept], answer.headers, answer.fault)
