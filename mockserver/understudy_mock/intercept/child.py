"""Run a child process with its own stdin, stdout, terminal, exit status and signals.

If this process is killed, a watchdog ends the child, too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread

from understudy_mock.watchdog import Watchdog

_FROM_A_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_FORWARDED = frozenset((*_FROM_A_TERMINAL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))

_SI_KERNEL = 0x80
"""The si_code of a signal that no process sent, such as a terminal's Ctrl-C (Linux, sigaction(2))."""

_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores from its start. A child must not inherit that."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child ended: its exit status, or -n for the signal n."""

    code: int

    @property
    def status(self) -> int:
        """The exit status as a shell has it: 128 + n for the signal n."""
        return 128 - self.code if self.code < 0 else self.code


class Signals:
    """Takes this process's signals from now on, and passes them to a child.

    Signals before the child starts wait, and signals after its end are dropped. So none of them ends this
    process, which has to clean up after the child. But a second SIGINT or SIGTERM without a child ends it at
    once, because it seems stuck. Signals within `one_keystroke` seconds count as one. Make this object before
    any other thread, because threads inherit the mask of blocked signals.
    """

    def __init__(self, one_keystroke: float) -> None:
        self._one_keystroke = one_keystroke
        self._first: float | None = None
        self._lock = Lock()
        self._child: int | None = None
        self._early: list[int] | None = []
        # With SIGTTOU blocked the summary can be written even if the child took the terminal and died.
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGTTOU})
        """The signal mask for the child."""
        # Waiting for blocked signals tells who sent them; a handler would not learn it.
        Thread(target=self._listen, name="signals", daemon=True).start()

    def start(self, spawn: Callable[[], int]) -> int:
        """Start a child, pass it the waiting signals and those to come, and return its number."""
        # Locked, so that no signal counts as waiting that a terminal has sent to the child, too.
        with self._lock:
            child = spawn()
            early, self._child, self._early, self._first = self._early or [], child, None, None
            for number in early:
                os.kill(child, number)
        return child

    def end(self) -> None:
        """Pass on no more signals. Call this before the child's number can belong to another process."""
        with self._lock:
            self._child = None

    def _listen(self) -> None:
        while True:
            number, by_terminal = _next(_FORWARDED)
            with self._lock:
                if self._child is not None:
                    # A terminal sends to its whole foreground group, so the child already has the signal.
                    if not (by_terminal and os.getpgid(self._child) == os.getpgrp()):
                        os.kill(self._child, number)
                    continue
                if self._early is not None:
                    self._early.append(number)
                self._give_up(number)

    def _give_up(self, number: int) -> None:
        """End this process at the second signal without a child."""
        if number not in (signal.SIGINT, signal.SIGTERM):
            return
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first > self._one_keystroke:
            os.write(2, b"understudy: ended at once by a second signal\n")
            os._exit(128 + number)


async def run_child(command: Sequence[str], variables: Mapping[str, str], signals: Signals) -> Ended:
    """Run a command to its end. Raises OSError if it cannot be started."""
    return Ended(await asyncio.to_thread(_run, list(command), variables, signals))


def _run(command: list[str], variables: Mapping[str, str], signals: Signals) -> int:
    watchdog = Watchdog()
    try:
        # Neither subprocess nor uvloop sets a child's signal mask, and uvloop resets what nohup ignores.
        spawn = partial(
            os.posix_spawnp,
            command[0],
            command,
            variables,
            setsigmask=signals.before,
            setsigdef=_PYTHONS_OWN,
        )
        child = signals.start(spawn)
        watchdog.watch(child)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        signals.end()
    finally:
        watchdog.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _next(numbers: Iterable[int]) -> tuple[int, bool]:
    """Wait for a signal. Return it, and whether a terminal sent it."""
    if sys.platform == "linux":
        info = signal.sigwaitinfo(numbers)
        return info.si_signo, info.si_code == _SI_KERNEL
    else:
        number = signal.sigwait(numbers)
        return number, number in _FROM_A_TERMINAL and _in_foreground()


def _in_foreground() -> bool:
    """Return whether a terminal's signals likely come to this process, where the system does not tell."""
    for number in range(3):
        try:
            if os.tcgetpgrp(number) == os.getpgrp():
                return True
        except OSError:
            continue  # no terminal, or not ours
    return False
