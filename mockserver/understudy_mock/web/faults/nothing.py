"""No fault: the answer as it should be. The one to copy for a new fault."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Send the answer."""
    await wire.send(answer)
    return answer
