"""A gateway on a real port, and a page of it in a real browser that notices every complaint."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.gateway.asking import BODIES, SUBMITS
from tests.support import key_headers
from understudy_contracts.live import LiveJudge
from understudy_contracts.served import Served
from understudy_contracts.testing.running import Running
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog
from understudy_mock.settings import Settings
from understudy_mock.web.server import Listening, bind

MakeRunning = Callable[..., Running]


@contextmanager
def running_at(catalog: Catalog, port: int, **options: Any) -> Iterator[Running]:
    """Run a gateway at a port, its files among it; keywords are its settings."""
    options = {"media": "small", "allow_http_webhooks": True, **options}
    with bind("127.0.0.1", port) as listener, bind("127.0.0.1", 0) as files:
        world = create_world(Settings(**options), catalog=catalog)
        served = Served(create_app(world=world, judge=LiveJudge), listener, Listening(files))
        gateway = Running(world.settings, world, served)
        served.start()
        try:
            yield gateway
        finally:
            served.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def submit(
    gateway: Running,
    key: str = "page-key-1",
    provider: str = "pixazo",
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> httpx.Response:
    """Submit the provider's smallest job, with `changes` to its body."""
    return httpx.post(
        gateway.url + SUBMITS[provider],
        json={**BODIES[provider], **changes},
        headers={**key_headers(provider, key), **(headers or {})},
    )


def poll(gateway: Running, job: str, key: str = "page-key-1") -> httpx.Response:
    """Ask for a Pixazo job's status."""
    return httpx.get(f"{gateway.url}/v2/requests/status/{job}", headers=key_headers("pixazo", key))


@dataclass
class Window:
    """One page in a browser. `complaints` are console errors, exceptions and requests off the origin."""

    page: Any
    gateway: Running
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._note(said.type in ("error", "warning"), said.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on(
            "request",
            lambda asked: self._note(not asked.url.startswith((self.gateway.url, "about:")), asked.url),
        )

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.complaints.append(text)

    def show(self, address: str = "") -> Any:
        """Open the page at an address such as `#calls`, and return it."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.gateway.url}/_mock/{address}")
        return self.page
