"""The connection is reset before the answer, in the middle of its body, or after it."""

from __future__ import annotations

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Reset `where` the entry says; before the answer where it does not."""
    sent = {"middle": len(answer.body) // 2, "after": len(answer.body)}.get(entry.where or "before")
    if sent is None:
        await wire.reset()
        return Answer(0, b"", [], answer.fault)
    await wire.send_raw(answer, sent)
    await wire.flush()
    await wire.reset()
    return Answer(answer.status, answer.body[:sent], answer.headers, answer.fault)
