"""Run a child process: its stdin, stdout, exit status and signals are its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child ended: its exit status, 128 + n for the signal n."""

    status: int


async def run_child(command: Sequence[str], variables: Mapping[str, str]) -> Ended:
    """Run a command to its end. Raises OSError when it cannot be started."""
    loop = asyncio.get_running_loop()
    child: asyncio.subprocess.Process | None = None
    early: list[int] = []

    def forward(number: int) -> None:
        if child is None:
            early.append(number)  # the child may be there before we hear of it
        elif child.returncode is None:
            child.send_signal(number)

    for number in _FORWARDED:
        loop.add_signal_handler(number, forward, number)
    # A terminal sends Ctrl-C to both; the child decides what it means, and we wait for it.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    try:
        child = await asyncio.create_subprocess_exec(*command, env=dict(variables))
        for missed in early:
            child.send_signal(missed)
        status = await child.wait()
    finally:
        for number in (*_FORWARDED, signal.SIGINT):
            loop.remove_signal_handler(number)
    return Ended(128 - status if status < 0 else status)
