"""Time: what it is, and how it is moved; and back to the beginning of it all."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.domain.clock import LAST, ManualClock, iso_ms
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.admin.asking import AdminError, account_name_in, one_of, read_body
from understudy_mock.webhooks import Sender


class Clock:
    """What the admin API says of time and does to it."""

    def __init__(self, world: World, sender: Sender) -> None:
        self._world = world
        self._sender = sender

    async def now(self, request: Request) -> Response:
        """Show what time it is here."""
        return json_of(self._describe())

    async def advance(self, request: Request) -> Response:
        """Move time on."""
        body = await read_body(request, {"seconds", "to"})
        seconds = body.get("seconds")
        clock = self._world.clock
        if not isinstance(clock, ManualClock):
            raise AdminError(409, "time moves by itself; start with --pace manual to move it by hand")
        if "to" in body:
            one_of(body, "to", ["next"])
            if "seconds" in body:
                raise AdminError(400, "goes without seconds", "/to")
            following = await self._next()
            if following is None:
                raise AdminError(409, "nothing is planned", "/to")
            clock.move_to(following)
            return json_of(self._describe())
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 1e9:
            raise AdminError(400, "must be a number of seconds, at least 0 and at most 1e9", "/seconds")
        try:
            clock.advance(seconds)
        except ValueError as error:
            raise AdminError(400, str(error), "/seconds") from None
        return json_of(self._describe())

    async def _next(self) -> int | None:
        """Return the next instant at which a job or a callback moves on; None where none does."""
        now = self._world.clock.now()
        nearest = LAST + 1
        async for job in in_turns(self._world.store):
            if not job.by_polls and (after := job.timeline.after(now - job.created)) is not None:
                nearest = min(nearest, job.created + after)
        async for moment in in_turns(self._sender.moments()):
            if moment > now:
                nearest = min(nearest, moment)
        # Where nothing else is planned, an attempt that hangs goes on: it is given up.
        return nearest if nearest <= LAST else self._sender.next_moment()

    def _describe(self) -> dict[str, Any]:
        settings = self._world.settings
        return {"now": iso_ms(self._world.clock.now()), "pace": settings.pace, "speed": settings.speed}

    async def reset(self, request: Request) -> Response:
        """Forget jobs, journal, money and limits of an account, or of all."""
        return json_of({"jobs": await self._world.reset(account_name_in(self._world, request))})
