"""What the sender keeps of receivers and jobs: turns, and which callbacks were taken."""

from __future__ import annotations

import asyncio

from understudy_mock.webhooks.lanes import Turnstile


async def test_a_turn_of_the_loop_lets_only_so_many_pass() -> None:
    """In their order; one who does not wait any more takes no place."""
    turnstile = Turnstile(2)
    passed: list[int] = []

    async def pass_one(number: int) -> None:
        await turnstile.passed()
        passed.append(number)

    tasks = [asyncio.ensure_future(pass_one(number)) for number in range(7)]
    seen: list[int] = []
    while len(passed) < 6:
        await asyncio.sleep(0)
        if passed[2:3] and not tasks[5].done():
            tasks[5].cancel()
        seen.append(len(passed))
    assert passed == [0, 1, 2, 3, 4, 6]
    assert all(later - before <= 2 for before, later in zip([0, *seen], seen, strict=False))
