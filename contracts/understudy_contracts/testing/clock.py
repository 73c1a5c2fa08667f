"""Time in tests: waiting until callbacks have arrived, and moving a clock that stands still."""

from __future__ import annotations

import asyncio
from time import monotonic

from understudy_contracts.testing.running import Running
from understudy_mock.domain.clock import LAST, ManualClock, iso_ms
from understudy_mock.webhooks import Sender

_LONGEST = 1e9
"""Seconds that time moves on by at most."""

_SETTLED = 2.0
"""Real seconds that due callbacks have to arrive before the test looks at them."""

_STEPPING = 10.0
"""Real seconds that `advance` goes from callback to callback; a job that never ends can have any number."""


def advance(gateway: Running, seconds: float) -> None:
    """Move time on, from one due callback to the next. Raises ValueError where the clock runs by itself."""
    __tracebackhide__ = True
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(f"time moves on by a number of seconds from 0 to {_LONGEST:g}, not by {seconds!r}")
    if gateway.world.settings.pace != "manual":
        marker = '@pytest.mark.understudy(pace="manual")'
        raise ValueError(f"time runs by itself here; ask for a clock of your own: {marker}")
    below = _awaited(gateway)
    gateway.do(lambda: _advance(gateway, seconds, below))


async def _advance(gateway: Running, seconds: float, below: str) -> None:
    clock, sender = gateway.world.clock, gateway.world.announcer
    assert isinstance(clock, ManualClock)
    assert isinstance(sender, Sender)
    target = clock.now() + round(seconds * 1000)
    if target > LAST:
        raise ValueError(f"time ends at {iso_ms(LAST)} here")
    ends = monotonic() + _STEPPING
    await sender.settled(_SETTLED, below)
    # In steps, time would run out for receivers that cannot answer in between.
    if not sender.goes_elsewhere(below):
        while (moment := sender.next_moment()) is not None and clock.now() < moment <= target:
            if monotonic() > ends:
                break
            clock.move_to(moment)
            await sender.settled(_SETTLED, below)
    clock.move_to(target)
    await sender.settled(_SETTLED, below)


def settle(gateway: Running) -> None:
    """Let due callbacks arrive, where time stands still; not for ever, as a receiver may hang."""
    sender = gateway.world.announcer
    if gateway.world.settings.pace == "manual" and isinstance(sender, Sender):
        below = _awaited(gateway)
        gateway.do(lambda: sender.settled(_SETTLED, below))


def _awaited(gateway: Running) -> str:
    """Return how the addresses begin whose callbacks can be awaited here.

    A receiver in the caller's own event loop cannot answer while the caller waits. The one at `webhook_url`
    always can.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ""
    return f"{gateway.inbox.url}/"
