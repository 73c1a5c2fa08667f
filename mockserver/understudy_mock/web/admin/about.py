"""What this gateway is: its version, and the documents of the providers that it simulates."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.gateway.world import World
from understudy_mock.version import __version__
from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.admin.asking import AdminError


class About:
    """What the admin API says of the gateway itself."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def health(self, request: Request) -> Response:
        """Say that the gateway is there, and what it is."""
        world, settings = self._world, self._world.settings
        return json_of(
            {
                "name": "understudy",
                "version": __version__,
                "providers": len(world.catalog.providers),
                "models": len(world.catalog.models),
                "operations": sum(not operation.alias for operation in world.catalog.operations),
                "seed": settings.seed,
                "pace": settings.pace,
                "speed": settings.speed,
            }
        )

    async def openapi(self, request: Request) -> Response:
        """Show the OpenAPI document of a provider."""
        document = self._world.catalog.documents.get(request.path_params["provider"])
        if document is None:
            known = ", ".join(self._world.catalog.providers)
            raise AdminError(404, f"there is no such provider; known are {known}")
        return json_of(document)
