"""Whoever is killed by SIGKILL leaves nobody behind: a watchdog ends what it has started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment

pytestmark = pytest.mark.e2e


def start(cwd: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=clean_environment(TMPDIR=str(cwd)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def kill(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Kill it when its child is watched, which says `begun`, and `watched` at SIGUSR1; give its stdout.

    Signals are handed on to a child that is watched already.
    """
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"watched\n"
    process.kill()
    return process.stdout


@pytest.mark.parametrize("begin", [("run",), ("record", "--out", "run.har")], ids=["run", "record"])
def test_a_killed_run_takes_its_child_and_what_that_has_started_along(
    tmp_path: Path, begin: tuple[str, ...]
) -> None:
    """Nor does the watchdog hold the standard files open."""
    script = "trap 'echo watched' USR1; sleep 600 & echo begun; wait; wait"
    with start(tmp_path, UNDERSTUDY, *begin, "--", "sh", "-c", script) as process:
        assert kill(process).read() == b""  # as long as anybody has it open, this waits


def test_a_child_that_does_not_end_when_it_is_asked_to_is_ended_by_force(tmp_path: Path) -> None:
    script = "trap 'echo watched' USR1; trap 'echo asked' TERM; echo begun; while :; do sleep 0.05; done"
    with start(tmp_path, UNDERSTUDY, "run", "--", "sh", "-c", script) as process:
        assert kill(process).read() == b"asked\n"


CLIENT = """
import json, socket, sys, time
for line in sys.stdin:
    told = json.loads(line)
    if told["type"] != "hello":
        line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        line.sendall(b"runs")
        time.sleep(600)
    answer = {"id": told["id"], "type": "hello", "protocol": 1, "providers": ["pixazo"]}
    print(json.dumps(answer), flush=True)
"""


def test_a_killed_check_takes_its_clients_along(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        client = (sys.executable, "client.py", str(listener.getsockname()[1]))
        options = ("--case", "lifecycle", "--jobs", "1")
        with (
            start(tmp_path, UNDERSTUDY, "check", "client", *options, "--", *client) as process,
            listener.accept()[0] as line,
        ):
            line.settimeout(PATIENCE)
            assert line.recv(4) == b"runs"
            process.kill()
            assert line.recv(1) == b""


FORGETS = """
import os, signal, subprocess, sys
from understudy_mock.watchdog import Watchdog
watchdog = Watchdog()
watched = subprocess.Popen(["sleep", "600"])
forgotten = subprocess.Popen(["cat"], stdin=int(sys.argv[1]), stdout=int(sys.argv[2]))
for process in (watched, forgotten):
    watchdog.watch(process.pid)
watchdog.forget(forgotten.pid)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_who_is_forgotten_stays() -> None:
    reading, its_output = os.pipe()
    its_input, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", FORGETS, str(its_input), str(its_output)],
        stdout=subprocess.PIPE,
        pass_fds=(its_input, its_output),
    ) as process:
        os.close(its_input)
        os.close(its_output)
        assert process.stdout is not None
        assert process.stdout.read() == b""  # which the watched one has open
        assert process.wait(PATIENCE) == -signal.SIGKILL
        os.write(writing, b"here")
        assert os.read(reading, 4) == b"here"
        os.close(writing)
        os.close(reading)
