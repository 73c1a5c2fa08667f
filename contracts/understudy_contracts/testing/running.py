"""A gateway in a thread of its own, on a free port: a test's own event loop has nothing to do with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.types import ASGIApp

from understudy_contracts.receiver import Receiver
from understudy_mock.app import create_app, create_world
from understudy_mock.gateway.world import World
from understudy_mock.settings import Settings
from understudy_mock.web.server import address_of, bind, serving

Result = TypeVar("Result")


class Running:
    """A gateway that serves at `url`, its world, and a receiver for its callbacks. Made by `running`."""

    def __init__(self, world: World, app: ASGIApp) -> None:
        self.world = world
        self._app = app
        self._listener = bind("127.0.0.1", 0)
        self.url = address_of(self._listener)
        self.receiver = Receiver()
        self.accounts: dict[str, str] = {}
        """The accounts of keys that were given out here, with the keys: what carries one is nobody else's."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="understudy", daemon=True)

    def do(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Do some work where the gateway runs, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def start(self) -> None:
        """Start, and return when the first call can come."""
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            self._thread.join()
            raise self._failed

    def stop(self) -> None:
        """Stop, and leave nothing behind."""
        self._loop.call_soon_threadsafe(self._asked.set)
        self._thread.join()
        self.receiver.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failed = error
            self._ready.set()
            raise

    async def _serve(self) -> None:
        self._asked = asyncio.Event()
        async with serving(self._app, self._listener):
            self._ready.set()
            await self._asked.wait()


@contextmanager
def running(settings: Settings | None = None, *, world: World | None = None) -> Iterator[Running]:
    """Run a gateway as long as the `with` lasts. Give `world` to keep hold of what it was made with."""
    if world is None:
        world = create_world(settings or Settings(allow_http_webhooks=True))
    gateway = Running(world, create_app(world=world))
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
