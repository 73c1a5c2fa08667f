"""Run a child process: its stdin, stdout, terminal, exit status and signals are its own.

Where this process is killed, a watchdog ends the child, too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, Thread

from understudy_mock.watchdog import Watchdog

_FROM_A_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_FORWARDED = frozenset((*_FROM_A_TERMINAL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))

_SI_KERNEL = 0x80
"""Linux's word for a signal that no process sent (sigaction(2), si_code): a terminal's Ctrl-C, for one."""

_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""What Python ignores at its start, and a child must not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child ended: its exit status, or -n for the signal n."""

    code: int

    @property
    def status(self) -> int:
        """What a shell makes of it: 128 + n for the signal n."""
        return 128 - self.code if self.code < 0 else self.code


class Signals:
    """Takes this process's signals, from its making to the end of the process, and hands them to a child.

    Before the child starts they wait, after its end they vanish: none of them ends this process, which has
    to clean up behind the child. But a second SIGINT or SIGTERM without a child ends it at once: it is stuck.
    Signals within `one_keystroke` seconds are one. Make it before any other thread: threads take over who
    blocks what.
    """

    def __init__(self, one_keystroke: float) -> None:
        self._one_keystroke = one_keystroke
        self._first: float | None = None
        self._lock = Lock()
        self._child: int | None = None
        self._early: list[int] | None = []
        # With SIGTTOU blocked the summary can be written also when the child took the terminal and died.
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGTTOU})
        """The mask that the child shall start with."""
        # Blocked signals have to be asked for; that tells who sent them, which a handler would not.
        Thread(target=self._listen, name="signals", daemon=True).start()

    def begin(self, child: int) -> None:
        """Hand on to this process what came, and what comes."""
        with self._lock:
            early, self._child, self._early, self._first = self._early or [], child, None, None
            for number in early:
                os.kill(child, number)

    def end(self) -> None:
        """Hand on nothing any more. To be called before the child's number can be another process's."""
        with self._lock:
            self._child = None

    def _listen(self) -> None:
        while True:
            number, by_terminal = _next(_FORWARDED)
            with self._lock:
                if self._child is not None:
                    # A terminal sends to all of its foreground group. The child decides what it means.
                    if not (by_terminal and os.getpgid(self._child) == os.getpgrp()):
                        os.kill(self._child, number)
                    continue
                if self._early is not None:
                    self._early.append(number)
                self._give_up(number)

    def _give_up(self, number: int) -> None:
        """End this process at the second signal that there is no child for."""
        if number not in (signal.SIGINT, signal.SIGTERM):
            return
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first > self._one_keystroke:
            os.write(2, b"understudy: ended at once by a second signal\n")
            os._exit(128 + number)


async def run_child(command: Sequence[str], variables: Mapping[str, str], signals: Signals) -> Ended:
    """Run a command to its end. Raises OSError when it cannot be started."""
    return Ended(await asyncio.to_thread(_run, list(command), variables, signals))


def _run(command: list[str], variables: Mapping[str, str], signals: Signals) -> int:
    watchdog = Watchdog()
    try:
        # Neither subprocess nor uvloop sets a child's signal mask, and uvloop forgets what nohup had ignored.
        child = os.posix_spawnp(
            command[0], command, variables, setsigmask=signals.before, setsigdef=_PYTHONS_OWN
        )
        watchdog.watch(child)
        signals.begin(child)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        signals.end()
    finally:
        watchdog.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _next(numbers: Iterable[int]) -> tuple[int, bool]:
    """Wait for a signal; tell it, and whether it came from a terminal."""
    if sys.platform == "linux":
        told = signal.sigwaitinfo(numbers)
        return told.si_signo, told.si_code == _SI_KERNEL
    else:
        number = signal.sigwait(numbers)
        return number, number in _FROM_A_TERMINAL and _in_foreground()


def _in_foreground() -> bool:
    """Guess, where nobody tells, whether a terminal's signals come to this process."""
    for number in range(3):
        try:
            if os.tcgetpgrp(number) == os.getpgrp():
                return True
        except OSError:
            continue  # no terminal, or not ours
    return False
