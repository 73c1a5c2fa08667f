"""Run a program under `understudy run`, and keep what it and the summary said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from _pytest.mark.structures import ParameterSet

from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment

QUICK = ("--speed", "2000", "--media", "small")
PYTHON = sys.executable


def slow(value: object) -> ParameterSet:
    """One more of a kind, which only `make test-all` runs."""
    return pytest.param(value, marks=pytest.mark.slow)


def understudy_run(
    cwd: Path, *command: str, options: Sequence[str] = (), stdin: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command under a private gateway, to its end."""
    return subprocess.run(
        [UNDERSTUDY, "run", *QUICK, *options, "--", *command],
        cwd=cwd,
        env=clean_environment(**variables),
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


class StandIn:
    """Another host's server on this machine: says hello, and what it was asked."""

    def __init__(self, host: str) -> None:
        self.asked: list[str] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer((host, 0), Handler)
        self.port = self.server.server_address[1]


@contextmanager
def stand_in(host: str = "127.0.0.1") -> Iterator[StandIn]:
    """Serve as another host, for as long as the context lasts."""
    made = StandIn(host)
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()
