"""No answer at all: the connection stays open and silent, then closes."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire

_PATIENCE = 300.0
"""Real seconds of silence where the entry names none."""


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Stay silent for the entry's seconds, or until the caller gives up."""
    if not await wire.gone_within(_PATIENCE if entry.seconds is None else entry.seconds):
        await wire.close()
    return Answer(0, b"", [], answer.fault)
