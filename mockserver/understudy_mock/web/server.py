"""Bind, serve, and end cleanly on a signal. The port is bound first, so that a taken one is a clear error."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

from understudy_mock.web.heap import keep_large_blocks_apart
from understudy_mock.web.protocol import MAX_CONNECTIONS, GatewayProtocol, InPieces, Shared

Result = TypeVar("Result")

_LAST_ANSWERS = 3
"""Real seconds that calls in progress get to end after a signal."""

_BACKLOG = 2048

_OTHER_FILES = 128
"""Open files that connections leave to everything else, where the system allows few."""

ONE_KEYSTROKE = 0.5
"""Seconds in which a second signal is the first one once more: a terminal and a process manager both send."""

_COLLECTIONS = (2_000, 100, 50)
"""When to look for garbage. Jobs and journal make no cycles, and Python's defaults walk them all the time.

The youngest are walked often, so that each pause is short: there are few of them.
"""


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


OTHER_NAME = "localhost"
"""Another name of 127.0.0.1, for files: a client that compares hosts sees that they are not the API's."""


def address_of(listener: socket.socket, name: str = "") -> str:
    """Return the base URL of a listener, under another `name` of its host if one is given."""
    host, port = listener.getsockname()[:2]
    host = name or {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Listening:
    """One socket to serve on, with TLS where there is a context."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None


class Server(uvicorn.Server):
    """uvicorn, but it leaves signals alone, can listen on more sockets, and calls `ready`.

    Made inside the loop that it runs on.
    """

    server_state: Shared

    def __init__(self, config: uvicorn.Config, also: Sequence[Listening], ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.server_state = Shared(asyncio.get_running_loop(), _room())
        self._also = also
        self._ready = ready

    async def on_tick(self, counter: int) -> bool:
        """Do what is done ten times a second."""
        if counter % 10 == 0:
            self.tick()
        return await super().on_tick(counter)

    def tick(self) -> None:
        """Let a second pass for all connections: those whose peers keep them waiting for too long end."""
        for connection in list(self.server_state.connections):
            assert isinstance(connection, GatewayProtocol)  # this server makes no others
            connection.tick()

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


def _room() -> int:
    """Return how many connections there may be: each is an open file."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource  # Windows has none

    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, allowed - _OTHER_FILES))


@asynccontextmanager
async def serving(app: ASGIApp, plain: socket.socket, *also: Listening) -> AsyncIterator[Server]:
    """Serve inside the running loop; what is inside begins when the first request can come."""
    config = uvicorn.Config(
        InPieces(app),
        http=GatewayProtocol,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_LAST_ANSWERS,
        backlog=_BACKLOG,
    )
    is_ready = asyncio.Event()
    server = Server(config, also, is_ready.set)
    task = asyncio.ensure_future(server.serve(sockets=[plain]))
    waiting = asyncio.ensure_future(is_ready.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        yield server
    finally:
        # Again, as that may have been cancelled: ended while it begins, uvicorn leaves sockets open.
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
    """Catch SIGINT and SIGTERM: the first sets the event, the second ends the process, whatever it is at.

    Enter before the address of the server is printed.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    first: float | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        # Called by Python and not by the loop, which may be stuck; a matching engine looks for signals,
        # too. Nor is it enough to raise, as a server catches whatever a request raises.
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            loop.call_soon_threadsafe(asked.set)
        elif now - first > ONE_KEYSTROKE:
            os.write(2, b"understudy: ended at once by a second signal\n")
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
