"""Make a gateway appear under the providers' real names while a context is open."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory, gettempdir

from starlette.types import ASGIApp

from understudy_mock.intercept.authority import Authority
from understudy_mock.intercept.callers import Callers, telling
from understudy_mock.intercept.handshakes import Handshakes, watch
from understudy_mock.intercept.outer import WayOut
from understudy_mock.intercept.proxy import Proxy, Tally
from understudy_mock.intercept.trust import unusable_bundles, write_trust
from understudy_mock.intercept.variables import child_variables, hosts_to_intercept
from understudy_mock.web.server import Listening, bind, serving

_LOOPBACK = "127.0.0.1"
_PREFIX = "understudy-run-"
_YOUNG_S = 60
"""Seconds in which a folder may be new and not locked yet."""


@dataclass(frozen=True, slots=True)
class Intercepted:
    """The environment for a child, and what became of its calls to other hosts."""

    variables: dict[str, str]
    added: dict[str, str]
    """Those of `variables` that are new or changed."""
    tally: Tally
    handshakes: Handshakes
    trusting: dict[str, str]
    """The variables about certificates, for a program that comes here by the hosts file."""
    left_out: list[str]
    """Hosts that NO_PROXY excludes."""
    nothing: bool
    """Whether NO_PROXY excludes every host."""
    warnings: list[str]
    """What in the environment cannot be used."""


@asynccontextmanager
async def intercepting(
    app: ASGIApp,
    hosts: Sequence[str],
    environment: Mapping[str, str],
    *,
    offline: bool,
    proxy_port: int = 0,
    tls_port: int = 0,
) -> AsyncIterator[Intercepted]:
    """Serve the app under the names `hosts`. Ports, files and certificates are removed afterwards.

    A port of 0 is chosen by the system. Raises OSError if a port is taken.
    """
    inside, left_out = hosts_to_intercept(environment, hosts)
    authority, way_out = Authority(hosts), WayOut(environment)
    sockets = bind(_LOOPBACK, 0), bind(_LOOPBACK, tls_port), bind(_LOOPBACK, proxy_port)
    plain, tls, front = sockets
    plain_port, tls_port, proxy_port = (listener.getsockname()[1] for listener in sockets)
    ways = {"tls_port": tls_port, "plain_port": plain_port, "offline": offline}
    callers = Callers((plain_port, tls_port, proxy_port))
    proxy = Proxy(inside, trust=authority.client_context(), way_out=way_out, callers=callers, **ways)
    context = authority.server_context()
    handshakes = watch(context, hosts)
    with own_folder(Path(gettempdir())) as folder:
        address = f"http://{_LOOPBACK}:{proxy_port}"
        trusting = write_trust(folder, authority, environment, address)
        notes = folder / "notes"
        notes.touch()
        variables = child_variables(environment, address, trusting, inside, notes=notes, **ways)
        intercepted = Intercepted(
            variables=variables,
            added={name: value for name, value in variables.items() if environment.get(name) != value},
            tally=proxy.tally,
            handshakes=handshakes,
            trusting=trusting,
            left_out=left_out,
            nothing=not inside,
            warnings=unusable_bundles(environment) + ([] if offline else way_out.problems),
        )
        try:
            async with (
                serving(telling(app, callers), plain, Listening(tls, context)),
                _accepting(proxy, front),
            ):
                yield intercepted
        finally:
            proxy.tally.read_notes(notes)


@asynccontextmanager
async def _accepting(proxy: Proxy, listener: socket) -> AsyncIterator[None]:
    """Accept connections for the proxy, and cancel those that are open at the end."""
    connections: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(proxy(reader, writer))
        connections.add(connection)
        connection.add_done_callback(connections.discard)

    # We end these tasks ourselves: asyncio would log the end of its own ones to stderr.
    server = await asyncio.start_server(take, sock=listener)
    try:
        yield
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


@contextmanager
def own_folder(place: Path) -> Iterator[Path]:
    """Make a private folder in `place`, locked while in use, and remove those of runs that were killed."""
    _sweep(place)
    with TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
        lock = os.open(folder, os.O_RDONLY)
        try:
            with suppress(
                OSError
            ):  # a file system without locks, where no other run can lock it and remove it either
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(folder)
        finally:
            os.close(lock)


def _sweep(place: Path) -> None:
    for path in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, in use, or removed
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                about = os.fstat(folder)
                if about.st_uid == os.getuid() and about.st_mtime < time.time() - _YOUNG_S:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a lock ends with its process
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(folder)
