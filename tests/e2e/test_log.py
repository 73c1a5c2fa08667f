"""What `--log` and `--trace` do in real processes: lines on stderr, a file at the end, silence elsewhere."""

from __future__ import annotations

import json
import signal
import stat
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import UNDERSTUDY, run, serving

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]


def test_serve_logs_each_call_and_writes_its_trace_when_ctrl_c_ends_it(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    with serving(tmp_path, "--trace", str(trace)) as gateway:
        httpx.get(f"{gateway.url}/nowhere", trust_env=False)
        status, errors = gateway.stop(signal.SIGINT)
    assert status == 0
    [line] = [line for line in errors.splitlines() if "/nowhere" in line]
    assert "  404  GET /nowhere " in line
    assert "\x1b" not in errors
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert [event["ph"] for event in json.loads(trace.read_text("utf-8"))["traceEvents"]] == ["M", "M", "i"]


@pytest.mark.parametrize(("form", "logged"), [("off", False), ("json", True)])
def test_serve_logs_as_it_is_asked(tmp_path: Path, form: str, *, logged: bool) -> None:
    with serving(tmp_path, "--log", form) as gateway:
        httpx.get(f"{gateway.url}/nowhere", trust_env=False)
        _, errors = gateway.stop()
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert [line["path"] for line in lines] == (["/nowhere"] if logged else [])
    assert ("/nowhere" in errors) is logged


CHILD = """
import urllib.error, urllib.request
try:
    urllib.request.urlopen("https://api.wavespeed.ai/nowhere")
except urllib.error.HTTPError as error:
    assert error.code == 404
"""


@pytest.mark.parametrize(("options", "logged"), [((), False), (("--log", "lines"), True)])
def test_run_logs_only_if_it_is_asked(tmp_path: Path, options: tuple[str, ...], *, logged: bool) -> None:
    trace = tmp_path / "trace.json"
    command = [UNDERSTUDY, "run", *options, "--trace", str(trace), "--", sys.executable, "-c", CHILD]
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("  404  GET " in done.stderr) is logged
    assert json.loads(trace.read_text("utf-8"))["otherData"]["exchanges"] == {"shown": 1, "made": 1}


@pytest.mark.parametrize(("command", "child"), [("serve", ()), ("run", ("--", "true"))])
def test_a_trace_that_cannot_be_written_is_refused_before_anything_starts(
    tmp_path: Path, command: str, child: tuple[str, ...]
) -> None:
    done = run([UNDERSTUDY, command, "--trace", "no/such/folder.json", *child], tmp_path)
    assert done.returncode == 2
    assert "--trace no/such/folder.json cannot be written: there is no folder no/such" in done.stderr
