"""What this gateway is: its version, and the documents of the providers that it simulates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.catalog import Catalog
from understudy_mock.catalog.describe import example
from understudy_mock.domain.model import Model, Operation
from understudy_mock.domain.money import usd
from understudy_mock.gateway.webhook_urls import asked_address
from understudy_mock.gateway.world import World
from understudy_mock.version import __version__
from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.admin.asking import AdminError
from understudy_mock.wording import quirks_of


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

    async def settings(self, request: Request) -> Response:
        """Show the settings; of keys only how many there are, and of the token whether there is one."""
        settings = self._world.settings
        shown = {name: _plain(getattr(settings, name)) for name in settings.__dataclass_fields__}
        shown["api_keys"] = len(settings.api_keys)
        shown["admin_token"] = settings.admin_token is not None
        return json_of(shown)

    async def models(self, request: Request) -> Response:
        """List the models, with what a submit needs."""
        catalog = self._world.catalog
        submits = [one for one in catalog.operations if one.role == "submit" and not one.alias]
        return json_of({"models": [_describe_model(catalog, one, one.model) for one in submits if one.model]})

    async def quirks(self, request: Request) -> Response:
        """List the quirks that can be switched on."""
        return json_of({"quirks": [asdict(quirk) for quirk in quirks_of(self._world.wordings).values()]})

    async def openapi(self, request: Request) -> Response:
        """Show the OpenAPI document of a provider."""
        document = self._world.catalog.documents.get(request.path_params["provider"])
        if document is None:
            known = ", ".join(self._world.catalog.providers)
            raise AdminError(404, f"there is no such provider; known are {known}")
        return json_of(document)


def _plain(value: Any) -> Any:
    """Return a setting in JSON's types."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _describe_model(catalog: Catalog, operation: Operation, model: Model) -> dict[str, Any]:
    body = example(catalog, operation)
    return {
        "id": model.id,
        "provider": model.provider,
        "summary": model.summary,
        "operation": operation.id,
        "method": operation.method,
        "path": catalog.mount(operation.provider) + operation.path,
        "keys": [{"place": one.place, "name": one.name.decode()} for one in operation.credentials],
        "webhook": _webhook(operation),
        "example": body,
        "price_usd": usd(model.price.of(model.values(body))),
        "seconds": [model.durations.queued, model.durations.processing],
    }


def _webhook(operation: Operation) -> dict[str, str] | None:
    """Return where a submit names the address of callbacks; None where it can name none."""
    name, _ = asked_address(operation, b"", b"")
    if not name:
        return None
    return {"place": "header" if operation.webhook_header else "query", "name": name}
