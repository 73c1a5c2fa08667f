"""End the children of this process when it is killed: after SIGKILL it cannot clean up itself.

A second process, the watchdog, reads from a pipe that only this process can write to: the numbers of the
processes to watch. When the pipe ends, the watchdog ends those that are still watched and their descendants,
by SIGTERM and 2 seconds later by SIGKILL. This works on Linux and macOS. Linux's PR_SET_PDEATHSIG is no
replacement: it covers only the child itself, and it fires when the thread that started the child ends.
Run as a script, this file is the watchdog. It imports nothing else of this package.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_GRACE_S = 2.0
"""Seconds that a process gets to end after SIGTERM."""

_LOOK_S = 0.05
"""Seconds between two looks at who has ended."""

_PASSED_ON = ("LD_", "DYLD_")
"""Variables that an interpreter may need to start. The watchdog gets no others: they may hold secrets."""


class Watchdog:
    """A process that outlives this one for a moment, to end the processes that it watches."""

    def __init__(self) -> None:
        """Start it. Raises OSError."""
        reading, self._pipe = os.pipe()
        try:
            self._process = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", __file__],
                {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setpgroup=0,  # a signal to our group must not end it
                setsigmask=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(reading)

    def watch(self, process: int) -> None:
        """From now on, end this process and its descendants if ours ends first."""
        self._send(f"+{process}\n")

    def forget(self, process: int) -> None:
        """Stop watching a process. Call this before its number can belong to another process."""
        self._send(f"-{process}\n")

    def close(self) -> None:
        """End the watchdog, and no other process."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._pipe)

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # something else has ended the watchdog
            os.write(self._pipe, line.encode())


def _watch() -> None:
    watched: set[int] = set()
    for line in sys.stdin.buffer:
        process = int(line[1:])
        if line.startswith(b"+"):
            watched.add(process)
        else:
            watched.discard(process)
    ended = _family(watched)
    _signal(ended, signal.SIGTERM)
    until = time.monotonic() + _GRACE_S
    while any(map(_is_running, ended)) and time.monotonic() < until:
        time.sleep(_LOOK_S)
    _signal(ended | _family(watched), signal.SIGKILL)


def _family(processes: set[int]) -> set[int]:
    """Return those that are running, with all descendants and all members of their groups."""
    family = {process for process in processes if _is_running(process)}
    running = _processes()
    while more := {child for child, (parent, group) in running.items() if {parent, group} & family} - family:
        family |= more
    return family - {os.getpid()}


def _processes() -> dict[int, tuple[int, int]]:
    """Return the parent and the group of each process."""
    if sys.platform != "linux":
        import subprocess  # slow to import

        listed = subprocess.run(
            ["/bin/ps", "-A", "-o", "pid=,ppid=,pgid="], capture_output=True, text=True, check=False
        )
        rows = [line.split() for line in listed.stdout.splitlines()]
    else:
        rows = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with suppress(OSError):  # it has ended
                    # The name in brackets may hold any character, brackets included: proc(5).
                    rest = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()
                    rows.append([place.name, rest[1], rest[2]])
    return {int(process): (int(parent), int(group)) for process, parent, group in rows}


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it belongs to another user
    return True


if __name__ == "__main__":
    _watch()
