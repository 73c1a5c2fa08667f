"""A good answer whose body dribbles in over seconds."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire

_SECONDS = 3.0
_PARTS = 20


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Send the body in equal parts, spread over the entry's seconds."""
    pause = round((_SECONDS if entry.seconds is None else entry.seconds) * 1000 / _PARTS)
    size = max(1, -(-len(answer.body) // _PARTS))
    await wire.begin(answer, len(answer.body))
    for start in range(0, len(answer.body), size):
        await wire.clock.sleep_until(wire.clock.now() + pause)
        await wire.part(answer.body[start : start + size], last=start + size >= len(answer.body))
    if not answer.body:
        await wire.part(b"", last=True)
    return answer
