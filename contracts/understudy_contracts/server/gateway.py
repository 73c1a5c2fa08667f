"""The gateway as a target: in this process, in a world of its own."""

from __future__ import annotations

from dataclasses import replace

from starlette.types import ASGIApp

from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import Inside
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.world import World
from understudy_mock.settings import Pace, Settings


def gateway_settings(pace: Pace = "manual", seed: int = 0) -> Settings:
    """The settings of a gateway that is checked."""
    # `http://` receivers: the one that the checks listen with is on this machine.
    return Settings(pace=pace, seed=seed, media="small", allow_http_webhooks=True, journal=0)


def open_gateway(
    pace: Pace = "manual",
    *,
    seed: int = 0,
    catalog: Catalog | None = None,
    world: World | None = None,
    mount: str = "",
) -> Target:
    """Make a gateway and a way to it, without sockets. Close the target when done.

    `mount` is where the provider that is checked answers.
    """
    if world is None:
        world = create_world(gateway_settings(pace, seed), catalog=catalog)
    return open_app(create_app(world=world), seed=seed, mount=mount)


def open_fast_gateway(*, seed: int = 0, catalog: Catalog | None = None, mount: str = "") -> Target:
    """Make a gateway for generated calls: polls move its jobs, it takes one key, and waits for nothing."""
    key = "check-generated"
    settings = replace(gateway_settings("polls", seed), api_keys=(key,), speed=1e6)
    app = create_app(world=create_world(settings, catalog=catalog))
    return open_app(app, seed=seed, key=key, mount=mount)


def open_app(app: ASGIApp, *, seed: int = 0, key: str | None = None, mount: str = "") -> Target:
    """Make a way to any ASGI app in this process, whose provider answers below `mount`."""
    return Target(Inside(app, mount=mount), seed=seed, key=key)
