"""What several commands share: one-line errors, listening, a child's signals, checks of output files."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from understudy_mock.app import create_world
from understudy_mock.catalog import SpecError
from understudy_mock.gateway.scenario_files import ScenarioFileError
from understudy_mock.gateway.world import World
from understudy_mock.options import environment, read_settings
from understudy_mock.printing import printable
from understudy_mock.web.call_log import Form, call_log
from understudy_mock.web.server import ONE_KEYSTROKE, bind
from understudy_mock.web.trace import save_trace

if TYPE_CHECKING:
    from understudy_mock.intercept import Signals


class CannotRun(click.ClickException):
    """A command cannot run at all. Shown as one line; the exit status is 2."""

    exit_code = 2

    def format_message(self) -> str:
        """Return the line, printable: it may quote a file, which may hold any character."""
        return printable(self.message)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address. Raises CannotRun."""
    try:
        return bind(host, port)
    except OSError as error:
        hint = "; try --port 0" if error.errno == errno.EADDRINUSE else ""
        raise CannotRun(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None


def warn_of_network(listener: socket.socket) -> list[str]:
    """Return a warning if other machines can reach the listener, else nothing."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_loopback:
        return []
    return [
        f"warning: open to the network: other machines can call port {port} "
        "(--host 127.0.0.1 allows only this machine)"
    ]


def make_world(options: dict[str, Any]) -> World:
    """Return the gateway's world that parsed options describe. Raises CannotRun."""
    try:
        return create_world(read_settings(options))
    except (SpecError, ScenarioFileError) as error:
        raise CannotRun(str(error)) from None


def hold_signals() -> Signals:
    """Hold back signals for a child that will start. Call this before any thread starts."""
    from understudy_mock.intercept import Signals

    return Signals(ONE_KEYSTROKE)


_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
"""Signals that this process dies of if its child did: a shell stops its loop when a command dies of Ctrl-C,
but not when the command exits with 130."""


def leave(code: int) -> NoReturn:
    """End this process as its child ended: with exit status `code` or, for -n, by the signal n."""
    if sys.platform != "win32" and -code in [getattr(signal, name) for name in _PASSED_ON]:
        import resource  # Windows has none

        sys.stdout.flush()
        sys.stderr.flush()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        signal.raise_signal(-code)  # not to the process: another thread may be waiting for its signals
    sys.exit(128 - code if code < 0 else code)


def why_not_writable(file: Path) -> str:
    """Return why a file cannot be written, or "" if nothing is known to prevent it."""
    folder = file.parent
    if file.is_dir():
        return "it is a folder"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(file if file.exists() else folder, os.W_OK):
        return "it is not writable" if file.exists() else f"the folder {folder} is not writable"
    return ""


def check_directory(option: str, directory: Path | None) -> None:
    """Refuse a directory that cannot be written to, before the work starts. Raises CannotRun.

    The directory is not made here, but when its first file is written.
    """
    if directory is None:
        return
    nearest = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not nearest.is_dir():
        problem = f"{nearest} is not a folder"
    elif not os.access(nearest, os.W_OK | os.X_OK) or os.statvfs(nearest).f_blocks == 0:
        # The kernel's own file systems (/proc, /sys) have no blocks and take no files, whatever their mode.
        problem = f"{nearest} is not writable"
    else:
        return
    raise CannotRun(f"{option} {directory} cannot be written: {problem}")


@asynccontextmanager
async def observed(world: World, log: Form, trace: Path | None) -> AsyncIterator[None]:
    """Log the calls of a world on stderr while inside, and write its trace into a file at the end.

    Enter before the world is served, so that the callbacks that it sends at its end are there, too.
    """
    with call_log(world, log, colour=takes_colours(sys.stderr)):
        yield
    if trace is not None:
        try:
            await save_trace(trace, world)
        except OSError as error:
            click.echo(f"understudy: {trace} cannot be written: {error.strerror}", err=True)


def check_file(option: str, file: Path | None) -> None:
    """Refuse a file that cannot be written to, before the work starts. Raises CannotRun."""
    if file is not None and (problem := why_not_writable(file)):
        raise CannotRun(f"{option} {file} cannot be written: {problem}")


def takes_colours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours, and nobody has asked for none (no-color.org)."""
    given = environment()
    plain = given.get("NO_COLOR") or given.get("TERM") == "dumb" or sys.platform == "win32"
    return not plain and stream.isatty()


def open_standard_files() -> None:
    """Open /dev/null for a closed stdin, stdout or stderr: else the next socket gets that number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
