"""Ends what this process has started when this process is killed; SIGKILL lets nobody clean up after itself.

A second process reads from a pipe that this one alone can write to. It is told whom to watch; when the pipe
ends it ends those who are still watched, and what they have started: by SIGTERM, and by SIGKILL 2 seconds
later. That holds on Linux and macOS; Linux's PR_SET_PDEATHSIG would look after the child alone, and take the
end of a thread for that of the process. Run as a script, this file is the second process: it imports nothing
of ours.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_GRACE_S = 2.0
"""Seconds that a process has to end by itself."""

_LOOK_S = 0.05

_PASSED_ON = ("LD_", "DYLD_")
"""Variables that an interpreter may need to start. It gets no others: there may be secrets in them."""


class Watchdog:
    """A process that outlives this one for a moment. Those who are watched when this one ends are ended."""

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
                setpgroup=0,  # what ends our group by force leaves it alone
                setsigmask=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(reading)

    def watch(self, process: int) -> None:
        """End this process, and what it has started, if ours ends first. From now on, not from its start."""
        self._say(f"+{process}\n")

    def forget(self, process: int) -> None:
        """Watch it no more. To be called before its number can be another process's."""
        self._say(f"-{process}\n")

    def close(self) -> None:
        """End the watchdog; it ends nobody."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._pipe)

    def _say(self, line: str) -> None:
        with suppress(BrokenPipeError):  # somebody has ended the watchdog: then nobody watches
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
    while any(map(_is_there, ended)) and time.monotonic() < until:
        time.sleep(_LOOK_S)
    _signal(ended | _family(watched), signal.SIGKILL)


def _family(processes: set[int]) -> set[int]:
    """Give those that are there, and all that descend from them or are in the group of one."""
    found = {process for process in processes if _is_there(process)}
    members = _processes()
    while more := {one for one, (parent, group) in members.items() if {parent, group} & found} - found:
        found |= more
    return found - {os.getpid()}


def _processes() -> dict[int, tuple[int, int]]:
    """By process, its parent and its group."""
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
                    # What stands in brackets is a name, which may hold anything: proc(5).
                    rest = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()
                    rows.append([place.name, rest[1], rest[2]])
    return {int(process): (int(parent), int(group)) for process, parent, group in rows}


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's by now
    return True


if __name__ == "__main__":
    _watch()
