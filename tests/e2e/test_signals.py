"""Ctrl-C and SIGTERM end a serving process also when it is stuck: the second one, whatever is in the way.

The child of these tests is the command itself, with a route in front of it on which it gets stuck.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from tests.e2e.processes import PATIENCE, clean_environment
from understudy_mock.web.server import ONE_KEYSTROKE

pytestmark = pytest.mark.e2e

_STUCK = """
import re, sys
from understudy_mock.web import server

WAYS = {
    b"/matching": lambda: re.match(r"(a|aa)+$", "a" * 200 + "b"),
    b"/looping": lambda: [None for _ in iter(int, 1)],
}

class Sticky:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope.get("raw_path") in WAYS:
            print("stuck", file=sys.stderr, flush=True)
            while True:
                try:
                    WAYS[scope["raw_path"]]()
                except BaseException:  # as a server does that lets no request end it
                    pass
        await self.app(scope, receive, send)

serving = server.serving
for name in ("serve", "replay", "record"):
    module = __import__(f"understudy_mock.commands.{name}", fromlist=["serving"])
    module.serving = lambda app, *more: serving(Sticky(app), *more)

from understudy_mock.cli import main
main()
"""

_RECORDING = Path(__file__).parents[2] / "fixtures" / "recordings" / "three-providers.har"
_COMMANDS = {
    "serve": ["serve", "--port", "0"],
    "replay": ["replay", str(_RECORDING), "--port", "0"],
    "record": ["record", "--out", "run.har", "--port", "0"],
}


@contextmanager
def _stuck(cwd: Path, command: list[str], path: str) -> Iterator[subprocess.Popen[str]]:
    """A process of which the event loop stands still."""
    with subprocess.Popen(
        [sys.executable, "-c", _STUCK, *command],
        cwd=cwd,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        guard = Timer(PATIENCE, process.kill)
        guard.start()
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            host, _, port = process.stdout.readline().strip().removeprefix("http://").partition(":")
            with socket.create_connection((host, int(port))) as caller:
                caller.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                while process.stderr.readline() != "stuck\n":
                    assert process.poll() is None
                yield process
        finally:
            process.kill()
            guard.cancel()
            guard.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("path", ["/matching", "/looping"])
def test_a_second_signal_ends_a_process_that_is_stuck(
    tmp_path: Path, path: str, number: signal.Signals
) -> None:
    with _stuck(tmp_path, _COMMANDS["serve"], path) as process:
        process.send_signal(number)
        time.sleep(ONE_KEYSTROKE + 0.2)
        assert process.poll() is None
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert told.splitlines()[-1] == "understudy: ended at once by a second signal"


@pytest.mark.parametrize("command", ["replay", "record"])
def test_so_it_does_in_every_command_that_serves(tmp_path: Path, command: str) -> None:
    with _stuck(tmp_path, _COMMANDS[command], "/matching") as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(ONE_KEYSTROKE + 0.2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT


def test_two_signals_of_one_keystroke_are_one(tmp_path: Path) -> None:
    """A terminal sends to the whole group, and a process manager once more: the end is still a good one."""
    with subprocess.Popen(
        [sys.executable, "-c", _STUCK, *_COMMANDS["serve"]],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in told


def test_a_command_that_has_ended_does_not_keep_a_stuck_run(tmp_path: Path) -> None:
    """Signals are the child's as long as there is one; then the second ends `run`, too."""
    stuck = """
import sys

def summarise(*told):
    print("stuck", file=sys.stderr, flush=True)
    while True:
        pass

import understudy_mock.intercept
understudy_mock.intercept.summarise = summarise

from understudy_mock.cli import main
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", stuck, "run", "--", "true"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        guard = Timer(PATIENCE, process.kill)
        guard.start()
        assert process.stderr is not None
        while process.stderr.readline() != "stuck\n":
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        time.sleep(ONE_KEYSTROKE + 0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=PATIENCE)
        guard.cancel()
    assert (process.returncode, told) == (
        128 + signal.SIGTERM,
        "understudy: ended at once by a second signal\n",
    )
