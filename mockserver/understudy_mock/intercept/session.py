"""A gateway that appears under the providers' real names, for as long as the context lasts."""

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
from tempfile import TemporaryDirectory, gettempdir

from starlette.types import ASGIApp

from understudy_mock.intercept.authority import Authority
from understudy_mock.intercept.handshakes import Handshakes, watch
from understudy_mock.intercept.outer import WayOut
from understudy_mock.intercept.proxy import Proxy, Tally
from understudy_mock.intercept.variables import (
    Trust,
    child_variables,
    hosts_to_intercept,
    php_ini,
    trust_variables,
    trusted_before,
    trusted_by_wget,
    unusable_bundles,
    wgetrc,
)
from understudy_mock.web.server import Listening, bind, serving

_LOOPBACK = "127.0.0.1"
_PREFIX = "understudy-run-"
_YOUNG_S = 60
"""Seconds for which a folder may be one that is being made, and has no lock yet."""


@dataclass(frozen=True, slots=True)
class Intercepted:
    """What a child needs, and what became of calls to other hosts.

    `left_out` NO_PROXY keeps from us; `nothing` tells that those are all.
    """

    variables: dict[str, str]
    added: dict[str, str]
    tally: Tally
    handshakes: Handshakes
    trusting: dict[str, str]
    """The variables that say whom to trust, for a program that comes by the hosts file."""
    left_out: tuple[str, ...]
    nothing: bool
    warnings: tuple[str, ...] = ()
    """What of the environment is of no use, in sentences."""


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
    """Serve the app under the names `hosts`. Ports, files and certificates are gone afterwards.

    Ports of 0 are picked. Raises OSError when one is taken.
    """
    inside, left_out = hosts_to_intercept(environment, hosts)
    authority = Authority(hosts)
    plain, tls, front = bind(_LOOPBACK, 0), bind(_LOOPBACK, tls_port), bind(_LOOPBACK, proxy_port)
    tls_port = tls.getsockname()[1]
    way_out = WayOut(environment)
    warnings = (*unusable_bundles(environment), *(() if offline else way_out.problems))
    proxy = Proxy(
        inside,
        tls_port=tls_port,
        plain_port=plain.getsockname()[1],
        trust=authority.client_context(),
        way_out=way_out,
        offline=offline,
    )
    with own_folder(Path(gettempdir())) as folder:
        address = f"http://{_LOOPBACK}:{front.getsockname()[1]}"
        trust = _write_trust(folder, authority, environment, address)
        notes = folder / "notes"
        notes.touch()
        variables = child_variables(
            environment,
            address,
            trust,
            inside,
            tls_port=tls_port,
            plain_port=plain.getsockname()[1],
            offline=offline,
            notes=notes,
        )
        added = {name: value for name, value in variables.items() if environment.get(name) != value}
        context = authority.server_context()
        handshakes = watch(context, hosts)
        async with serving(app, plain, Listening(tls, context)):
            connections: set[asyncio.Task[None]] = set()

            def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connection = asyncio.ensure_future(proxy(reader, writer))
                connections.add(connection)
                connection.add_done_callback(connections.discard)

            # The tasks are ours to end: those that asyncio makes itself tell of it on stderr.
            server = await asyncio.start_server(take, sock=front)
            try:
                yield Intercepted(
                    variables,
                    added,
                    proxy.tally,
                    handshakes,
                    trust_variables(environment, trust),
                    tuple(left_out),
                    not inside,
                    warnings,
                )
            finally:
                server.close()
                for connection in connections:
                    connection.cancel()
                await asyncio.gather(*connections, return_exceptions=True)
                proxy.tally.read_notes(notes)


@contextmanager
def own_folder(place: Path) -> Iterator[Path]:
    """Give a private folder in `place`, locked while it is in use; remove those of runs that were killed."""
    _sweep(place)
    with TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
        lock = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks: then nobody can take it for left, either
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(folder)
        finally:
            os.close(lock)


def _sweep(place: Path) -> None:
    for path in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another's, in use, or gone
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                about = os.fstat(folder)
                if about.st_uid == os.getuid() and about.st_mtime < time.time() - _YOUNG_S:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a lock ends with its process
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(folder)


def _write_trust(folder: Path, authority: Authority, environment: Mapping[str, str], proxy: str) -> Trust:
    before = trusted_before(environment)
    bundles = {name: folder / f"{name.lower()}.pem" for name in before}
    for name, file in bundles.items():
        file.write_bytes(before[name] + authority.certificate)
    trust = Trust(
        bundles,
        extra=bundles["NODE_EXTRA_CA_CERTS"],
        java=folder / "trust.p12",
        php=folder / "php",
        wget=folder / "wgetrc",
    )
    authority.write_java_truststore(trust.java, b"".join(before.values()))
    trust.php.mkdir()
    (trust.php / "understudy.ini").write_text(php_ini(bundles), encoding="utf-8")
    by_wget = folder / "wget.pem"
    by_wget.write_bytes(trusted_by_wget(environment) + authority.certificate)
    trust.wget.write_bytes(wgetrc(environment, proxy, by_wget))
    return trust
