"""What several commands need: errors of one line, listening, a child's signals, files that can be written."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from understudy_mock.app import create_world
from understudy_mock.catalog import SpecError
from understudy_mock.gateway.scenario_files import ScenarioFileError
from understudy_mock.gateway.world import World
from understudy_mock.options import read_settings
from understudy_mock.printing import printable
from understudy_mock.web.server import ONE_KEYSTROKE, bind

if TYPE_CHECKING:
    from understudy_mock.intercept import Signals


class CannotRun(click.ClickException):
    """Something that keeps a command from running at all: one line, exit status 2."""

    exit_code = 2

    def format_message(self) -> str:
        """Give the line; what it tells of a file may come from anywhere."""
        return printable(self.message)


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address. Raises CannotRun."""
    try:
        return bind(host, port)
    except OSError as error:
        hint = "; try --port 0" if error.errno == errno.EADDRINUSE else ""
        raise CannotRun(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None


def warn_of_network(listener: socket.socket) -> list[str]:
    """Tell in a line that others can come in, where they can."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_loopback:
        return []
    return [
        f"warning: open to the network: whoever reaches this machine can call port {port} "
        "(--host 127.0.0.1 keeps it to this machine)"
    ]


def make_world(options: dict[str, Any]) -> World:
    """Make a gateway's world of parsed options. Raises CannotRun for what is not understood."""
    try:
        return create_world(read_settings(options))
    except (SpecError, ScenarioFileError) as error:
        raise CannotRun(str(error)) from None


def hold_signals() -> Signals:
    """Keep signals for a child that is about to start: before any thread does."""
    from understudy_mock.intercept import Signals

    return Signals(ONE_KEYSTROKE)


_TOLD_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
"""What people end programs with. A shell stops its loop when a command dies of Ctrl-C, not when it ends 130.
"""


def leave(code: int) -> NoReturn:
    """End this process as a child has ended: with its status or, for -n, by its signal n."""
    if sys.platform != "win32" and -code in [getattr(signal, name) for name in _TOLD_ON]:
        import resource  # Windows has none

        sys.stdout.flush()
        sys.stderr.flush()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        signal.raise_signal(-code)  # to this thread: another one may be waiting for signals to the process
    sys.exit(128 - code if code < 0 else code)


def why_not_writable(file: Path) -> str:
    """Tell what will keep a file from being written; nothing if nothing will, as far as one can know."""
    folder = file.parent
    if file.is_dir():
        return "it is a folder"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(file if file.exists() else folder, os.W_OK):
        return "it is not writable" if file.exists() else f"the folder {folder} is not writable"
    return ""


def check_directory(option: str, directory: Path | None) -> None:
    """Refuse a directory into which nothing could be written, before work is put into that. Raises CannotRun.

    Nothing is made: it appears with what is written.
    """
    if directory is None:
        return
    there = directory
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        problem = f"{there} is no folder"
    elif not os.access(there, os.W_OK | os.X_OK) or os.statvfs(there).f_blocks == 0:
        # What the kernel makes up (/proc, /sys) has no blocks, and takes no files whatever its mode says.
        problem = f"nothing can be written in {there}"
    else:
        return
    raise CannotRun(f"{option} {directory} cannot be written: {problem}")


def open_standard_files() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed: else the next socket would be taken for it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
