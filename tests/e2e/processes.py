"""Real processes: a gateway that has told its address, and what a finished command said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

import pytest

BIN = Path(sys.executable).parent
UNDERSTUDY = str(BIN / "understudy")

PATIENCE = 90.0
"""Seconds until a process that hangs is killed; nothing waits this long otherwise."""


@dataclass
class Serving:
    """A gateway in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    rest: str = ""
    """What stood on stdout after the address; known when it has stopped."""

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; tell the exit status and what stood on stderr."""
        self.process.send_signal(number)
        self.rest, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would change the command."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UNDERSTUDY_", "PYTHON", "COV"))}
    return kept | more


def run(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    return subprocess.run(
        arguments,
        cwd=cwd,
        env=clean_environment() if environment is None else environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def process(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """Start a command; it is killed when it hangs, and when the block ends."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=clean_environment() if environment is None else environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as started:
        guard = Timer(PATIENCE, started.kill)
        guard.start()
        try:
            yield started
        finally:
            started.kill()
            guard.cancel()
            guard.join()


@contextmanager
def serving(
    cwd: Path,
    *options: str,
    command: Sequence[str] = (UNDERSTUDY,),
    environment: Mapping[str, str] | None = None,
    does: str = "serve",
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> Iterator[Serving]:
    """Start a gateway on a free port; it is ready when this yields, and gone afterwards."""
    with process([*command, does, "--port", "0", *options], cwd, environment, stderr) as started:
        assert started.stdout is not None
        line = started.stdout.readline().rstrip("\n")
        if not line.startswith("http://"):
            started.kill()
            errors = started.stderr.read() if started.stderr else "(not read)"
            pytest.fail(f"no address on stdout but {line!r}; on stderr: {errors}")
        yield Serving(started, line)
