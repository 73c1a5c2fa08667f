"""The processes that are measured: the gateway as people start it, and the bare server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.bench.machine import CannotMeasureError, pinned
from understudy_mock.catalog import open_catalog
from understudy_mock.catalog.describe import example

KEY = "bench-key"
SUBMIT = "submit-hunyuan-video"
"""The operation that is submitted to: Pixazo's text to video."""

_ROOT = Path(__file__).parents[2]
_SLOWLY = ("--speed", "0.001")
"""No job moves while it is measured: the shortest queue takes 50 minutes."""

_STAYS = {"name": "bench-processing", "job": {"queued": 0, "processing": 86_400}}


@dataclass(frozen=True)
class Submit:
    """The documented request that makes a job."""

    path: str
    body: bytes


def documented_submit() -> Submit:
    """Find the request in the specs."""
    catalog = open_catalog(())
    operation = next(o for o in catalog.operations if o.id == SUBMIT)
    return Submit(operation.path, json.dumps(example(catalog, operation)).encode())


@dataclass(frozen=True)
class Server:
    """A server that answers. `url` is its base URL."""

    url: str
    pid: int

    def call(self, method: str, path: str, body: bytes | None = None, status: int = 200) -> bytes:
        """Make a call on a connection of its own; any other answer than `status` ends the bench."""
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        try:
            headers = {"Ocp-Apim-Subscription-Key": KEY, "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != status:
            raise CannotMeasureError(f"{method} {path} answered {response.status}: {answer[:200]!r}")
        return answer

    def submit(self, submit: Submit) -> str:
        """Make a job and tell the path that it is polled at."""
        accepted: dict[str, str] = json.loads(self.call("POST", submit.path, submit.body, 202))
        return accepted["polling_url"].removeprefix(self.url)

    def submit_processing(self, submit: Submit) -> str:
        """Make a job that is PROCESSING for as long as the bench lasts."""
        self._choose(_STAYS)
        path = self.submit(submit)
        self._choose(None)
        return path

    def _choose(self, scenario: dict[str, Any] | None) -> None:
        self.call("PUT", f"/_mock/accounts/{KEY}", json.dumps({"scenario": scenario}).encode())


@contextmanager
def gateway(core: int, *options: str) -> Iterator[Server]:
    """Run `understudy serve` with everything on: a key required, a wallet, a rate limit, the journal.

    It logs nothing, as the bare server does; `options` may say otherwise. What it logs goes into a file.
    """
    command = Path(sys.executable).with_name("understudy")
    if not command.exists():
        raise CannotMeasureError(f"there is no {command.name} beside {sys.executable}: run `make bench`")
    everything = ("--api-key", KEY, "--balance", "1e9", "--rate-limit", "1000000/1", "--seed", "1")
    with tempfile.TemporaryDirectory() as nowhere:  # no understudy.toml is there
        arguments = [str(command), "serve", "--port", "0", "--log", "off", *_SLOWLY, *everything, *options]
        with _running(core, arguments, nowhere) as server:
            yield server


@contextmanager
def bare(core: int, polled: bytes, submitted: bytes) -> Iterator[Server]:
    """Run the bare server with the bodies that the gateway answered."""
    answers = json.dumps({"GET": (200, polled.decode()), "POST": (202, submitted.decode())})
    with _running(core, [sys.executable, "-m", "tests.bench.bare", answers], str(_ROOT)) as server:
        yield server


@contextmanager
def _running(core: int, arguments: Sequence[str], directory: str) -> Iterator[Server]:
    """Run a server whose first word on stdout is its base URL."""
    with running(core, arguments, directory) as (process, said):
        assert process.stdout is not None  # it is a pipe
        url = process.stdout.readline().strip()
        if not url:
            process.wait()
            raise CannotMeasureError(f"{Path(arguments[0]).name} did not start: {said()}")
        yield Server(url, process.pid)


@contextmanager
def running(
    core: int, arguments: Sequence[str], directory: str
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """Run a process on a core; gives it, and what tells its last word on stderr."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
    with tempfile.TemporaryFile() as stderr:

        def said() -> str:
            stderr.seek(0)
            return stderr.read().decode(errors="replace").strip().rpartition("\n")[2]

        with pinned(core):
            process = subprocess.Popen(
                arguments, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        try:
            yield process, said
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
