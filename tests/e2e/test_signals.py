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

import pytest

from tests.e2e.processes import PATIENCE, process
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


def _wait_until_stuck(started: subprocess.Popen[str]) -> None:
    assert started.stderr is not None
    while started.stderr.readline() != "stuck\n":
        assert started.poll() is None


@contextmanager
def _stuck(cwd: Path, command: list[str], path: str) -> Iterator[subprocess.Popen[str]]:
    """A process of which the event loop stands still."""
    with process([sys.executable, "-c", _STUCK, *command], cwd) as started:
        assert started.stdout is not None
        host, _, port = started.stdout.readline().strip().removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            _wait_until_stuck(started)
            yield started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("path", ["/matching", "/looping"])
def test_a_second_signal_ends_a_process_that_is_stuck(
    tmp_path: Path, path: str, number: signal.Signals
) -> None:
    with _stuck(tmp_path, _COMMANDS["serve"], path) as stuck:
        stuck.send_signal(number)
        time.sleep(ONE_KEYSTROKE + 0.2)
        assert stuck.poll() is None
        stuck.send_signal(number)
        _, errors = stuck.communicate(timeout=PATIENCE)
    assert stuck.returncode == -number
    assert errors.splitlines()[-1] == "understudy: ended at once by a second signal"


@pytest.mark.parametrize("command", ["replay", "record"])
def test_so_it_does_in_every_command_that_serves(tmp_path: Path, command: str) -> None:
    with _stuck(tmp_path, _COMMANDS[command], "/matching") as stuck:
        stuck.send_signal(signal.SIGTERM)
        time.sleep(ONE_KEYSTROKE + 0.2)
        stuck.send_signal(signal.SIGINT)
        stuck.communicate(timeout=PATIENCE)
    assert stuck.returncode == -signal.SIGINT


def test_two_signals_of_one_keystroke_are_one(tmp_path: Path) -> None:
    """A terminal sends to the whole group, and a process manager once more: the end is still a good one."""
    with process([sys.executable, "-c", _STUCK, *_COMMANDS["serve"]], tmp_path) as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.send_signal(signal.SIGINT)
        started.send_signal(signal.SIGTERM)
        _, errors = started.communicate(timeout=PATIENCE)
    assert started.returncode == 0
    assert "Traceback" not in errors


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
    with process([sys.executable, "-c", stuck, "run", "--", "true"], tmp_path) as started:
        _wait_until_stuck(started)
        started.send_signal(signal.SIGTERM)
        time.sleep(ONE_KEYSTROKE + 0.2)
        assert started.poll() is None
        started.send_signal(signal.SIGTERM)
        _, errors = started.communicate(timeout=PATIENCE)
    assert (started.returncode, errors) == (
        128 + signal.SIGTERM,
        "understudy: ended at once by a second signal\n",
    )
