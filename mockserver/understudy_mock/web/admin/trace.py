"""What the admin API says of what has happened, as a trace."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import stream
from understudy_mock.web.trace import trace_in_parts


class Trace:
    """The trace of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def whole(self, request: Request) -> Response:
        """Return the trace as it is now."""
        return stream(*await trace_in_parts(self._world))
