"""Which process a call comes from, where the system says so: two programs are not one that tries again.

Linux lists the connections of this machine, and the files that each process has open, in /proc. Elsewhere,
and for processes of other users, nothing is known.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from understudy_mock.web.protocol import PROCESS, connection_of

_PROC = Path("/proc")
_REMEMBERED = 4_096
"""Connections whose process is remembered; the oldest is forgotten first, and looked for again."""

_CONNECTIONS = (_PROC / "self/net/tcp", _PROC / "self/net/tcp6")


@dataclass(slots=True)
class Callers:
    """Knows the processes that are connected to the ports `listeners` of this machine."""

    listeners: Collection[int]
    _origins: dict[int, int] = field(default_factory=dict)
    """The caller's port by the port from which our proxy goes on to the gateway."""
    _latest: int = 0

    def pass_on(self, port: int, origin: int) -> None:
        """Note that our proxy goes on from a port, with what comes from the port `origin`."""
        self._origins[port] = origin

    def forget(self, port: int) -> None:
        """Forget a connection of our proxy."""
        self._origins.pop(port, None)

    def process_of(self, port: int) -> int:
        """Return the id of the process whose connection comes from a port; 0 where it is not known."""
        inode = _inode(self._origins.get(port, port), self.listeners)
        if inode:
            link = f"socket:[{inode}]"
            self._latest = next((pid for pid in _processes(self._latest) if _has_open(pid, link)), 0)
            return self._latest
        return 0


def telling(app: ASGIApp, callers: Callers) -> ASGIApp:
    """Return the app, which learns the process behind each call. It is looked for once a connection."""
    known: dict[int, int] = {}

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        if connection is not None and scope.get("client"):
            process = known.get(connection.number)
            if process is None:
                if len(known) >= _REMEMBERED:
                    del known[next(iter(known))]
                process = known[connection.number] = callers.process_of(scope["client"][1])
            scope["extensions"][PROCESS] = process
        await app(scope, receive, send)

    return tell


def _inode(port: int, listeners: Collection[int]) -> str:
    """Return the inode of the socket that is connected from a port to one of ours; "" where none is."""
    for file in _CONNECTIONS:
        with suppress(OSError), file.open(encoding="ascii") as lines:  # no Linux, or no IPv6
            next(lines, None)
            for line in lines:
                _, ours, theirs, *more = line.split()
                if _port(ours) == port and _port(theirs) in listeners:
                    return more[6]
    return ""


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _processes(first: int) -> Iterator[int]:
    """Walk the processes but this one: the `first`, then the youngest."""
    if first:
        yield first
    with suppress(OSError):
        pids = (int(folder.name) for folder in _PROC.iterdir() if folder.name.isdigit())
        yield from sorted((pid for pid in pids if pid not in (first, os.getpid())), reverse=True)


def _has_open(pid: int, link: str) -> bool:
    """Return whether a process has a file open, by what its link in /proc shows."""
    with suppress(OSError):  # another user's, or it has ended
        for file in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):  # closed in between
                if str(file.readlink()) == link:
                    return True
    return False
