"""An app that is served in a thread of its own, apart from the caller's event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.types import ASGIApp

from understudy_mock.web.server import Listening, address_of, serving

Result = TypeVar("Result")


class Served:
    """An app at `url`, between `start` and `stop`; also at the sockets `also`."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *also: Listening) -> None:
        self._app = app
        self._listener = listener
        self._also = also
        self.url = address_of(listener)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="understudy", daemon=True)

    def do(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Do some work in the app's own event loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def start(self) -> None:
        """Start, and return when the app accepts calls."""
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            self._thread.join()
            raise self._failed

    def stop(self) -> None:
        """Stop, and leave nothing behind."""
        self._loop.call_soon_threadsafe(self._asked.set)
        self._thread.join()

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
        async with serving(self._app, self._listener, *self._also):
            self._ready.set()
            await self._asked.wait()
