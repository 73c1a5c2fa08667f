"""A gateway in a thread of its own, on free ports, apart from a test's own event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from starlette.types import ASGIApp

from understudy_contracts.callback_inbox import CallbackInbox
from understudy_contracts.live import LiveJudge
from understudy_mock.app import create_app, create_world
from understudy_mock.gateway.world import World
from understudy_mock.settings import Settings
from understudy_mock.web.server import OTHER_NAME, Listening, address_of, bind, serving

Result = TypeVar("Result")


class Running:
    """A gateway that serves at `url`, its world, and a receiver for its callbacks. Made by `running`.

    `settings` are those that the caller asked for.
    """

    def __init__(
        self,
        settings: Settings,
        world: World,
        app: ASGIApp,
        listener: socket.socket,
        files: socket.socket,
        receiver: CallbackInbox,
    ) -> None:
        self.settings = settings
        self.world = world
        self._app = app
        self._listener = listener
        self._files = files
        self.url = address_of(listener)
        self.receiver = receiver
        self.accounts: dict[str, str] = {}
        """By account, the keys that were given out here."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="understudy", daemon=True)

    def do(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Do some work in the gateway's own event loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def start(self) -> None:
        """Start, and return when the gateway accepts calls."""
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
        async with serving(self._app, self._listener, Listening(self._files)):
            self._ready.set()
            await self._asked.wait()


@contextmanager
def running(
    settings: Settings | None = None, make: Callable[[Settings], World] = create_world
) -> Iterator[Running]:
    """Run a gateway as long as the `with` lasts; `make` makes its world.

    Files have an origin of their own, unless the settings name an address. That shows whether a client sends
    the key only to the API's origin, or everywhere.
    """
    settings = settings or Settings(allow_http_webhooks=True)
    with bind("127.0.0.1", 0) as listener, bind("127.0.0.1", 0) as files:
        known = settings.media_url or settings.public_url
        world = make(settings if known else replace(settings, media_url=address_of(files, OTHER_NAME)))
        receiver = CallbackInbox()
        app = create_app(world=world, judge=partial(LiveJudge, receiver=receiver.url))
        gateway = Running(settings, world, app, listener, files, receiver)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()
