"""Listen: bind first so that a taken port is one clear line, tell when ready, end cleanly on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

from understudy_mock.web.heap import keep_large_blocks_apart
from understudy_mock.web.protocol import GatewayProtocol

Result = TypeVar("Result")

_LAST_ANSWERS = 3
"""Real seconds that calls in progress get to end after a signal."""

_BACKLOG = 2048

_COLLECTIONS = (20_000, 20, 50)
"""When to look for garbage. Jobs and journal make no cycles, and Python's defaults walk them all the time."""


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free one. Raises OSError."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """Tell the base URL of a listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Listening:
    """One socket to serve on, with TLS where there is a context."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None


class _Server(uvicorn.Server):
    """uvicorn, but it leaves signals alone, can listen on more sockets, and tells when it is ready."""

    def __init__(self, config: uvicorn.Config, also: Sequence[Listening], ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._also = also
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: whoever runs the server decides what they mean."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        loop = asyncio.get_running_loop()
        for listening in self._also:
            made = await loop.create_server(self._protocol, sock=listening.listener, ssl=listening.tls)
            self.servers.append(made)
        # What was made until now stays: collections need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTIONS)
        keep_large_blocks_apart()
        self._ready()

    def _protocol(self) -> GatewayProtocol:
        return GatewayProtocol(self.config, self.server_state, self.lifespan.state)


@asynccontextmanager
async def serving(app: ASGIApp, plain: socket.socket, *also: Listening) -> AsyncIterator[None]:
    """Serve inside the running loop; what is inside begins when the first request can come."""
    config = uvicorn.Config(
        app,
        http=GatewayProtocol,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LAST_ANSWERS,
        backlog=_BACKLOG,
    )
    is_ready = asyncio.Event()
    server = _Server(config, also, is_ready.set)
    task = asyncio.ensure_future(server.serve(sockets=[plain]))
    waiting = asyncio.ensure_future(is_ready.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        # Again, as that may have been cancelled: told to end while it begins, uvicorn leaves things open.
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.should_exit = True
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})  # the server ends in its own time, whoever waits for it
            raise


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the fastest loop there is."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(main)


@contextlib.contextmanager
def signals() -> Iterator[asyncio.Event]:
    """Catch SIGINT and SIGTERM: the event is set by the first. Enter before telling anybody of the server."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    caught = (signal.SIGINT, signal.SIGTERM)
    for number in caught:
        loop.add_signal_handler(number, asked.set)
    try:
        yield asked
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
