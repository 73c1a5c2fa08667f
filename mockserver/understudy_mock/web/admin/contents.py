"""What the admin API has to offer: the index at `/_mock/`, its OpenAPI document, and the page for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from understudy_mock.gateway.world import World
from understudy_mock.version import __version__
from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.admin.document import openapi
from understudy_mock.web.admin.table import ROOT, AdminCall, index

Page = Callable[[Request], Awaitable[Response]]
"""Answers a browser: with the page, or with the file of it that `path_params["name"]` names."""


class Contents:
    """Shows the table. `calls` are its lines, these here among them."""

    def __init__(self, world: World, page: Page | None) -> None:
        self._world = world
        self._page = page
        self.calls: Sequence[AdminCall] = ()

    async def index(self, request: Request) -> Response:
        """List the calls for programs, or show the page to whoever takes HTML."""
        if self._page is not None and "text/html" in request.headers.get("accept", ""):
            return await self._page(request)
        links = index(self.calls)
        found = {"name": "understudy", "version": __version__, "run": self._world.changes.run, "links": links}
        answer = json_of(found)
        answer.headers["vary"] = "accept"
        return answer

    async def document(self, request: Request) -> Response:
        """Show the OpenAPI document of the admin API itself."""
        return json_of(openapi(self.calls, token=self._world.settings.admin_token is not None))


async def to_the_index(request: Request) -> Response:
    """Lead from `/_mock` to `/_mock/`."""
    return RedirectResponse(ROOT)
