"""Other mock servers, at the same two requests: Prism and WireMock, where somebody has installed them.

Neither writes a log. Prism serves the bundled document and validates. WireMock has a stub for each request,
which asks for the key, and a journal as long as the gateway's; it looks at no body.
"""

from __future__ import annotations

import json
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path

from tests.bench.machine import CannotMeasureError
from tests.bench.servers import KEY, Server, Submit, running
from understudy_mock.catalog import open_catalog
from understudy_mock.settings import Settings

_PATIENCE = 60.0
"""Seconds that a rival may take to start: one is a JVM, and there is one core."""


@dataclass(frozen=True)
class Answers:
    """What the gateway answered to the two requests, for rivals that have to be told."""

    submit: Submit
    submitted: bytes
    poll_path: str
    polled: bytes


@dataclass(frozen=True)
class Rival:
    """Another mock server. `start` takes a core, a folder for its files, and what it is to answer."""

    name: str
    start: Callable[[int, Path, Answers], AbstractContextManager[Server]]


def rivals(prism: str, wiremock: str) -> tuple[Rival, ...]:
    """Name the rivals to measure: Prism by its command, WireMock by the path of its jar; "" for neither."""
    named = []
    if prism:
        named.append(Rival("Prism", partial(_prism, shlex.split(prism))))
    if wiremock:
        named.append(Rival("WireMock", partial(_wiremock, Path(wiremock).resolve())))
    return tuple(named)


@contextmanager
def _prism(command: list[str], core: int, folder: Path, answers: Answers) -> Iterator[Server]:
    document = folder / "pixazo.json"
    document.write_text(json.dumps(open_catalog(()).documents["pixazo"]), encoding="utf-8")
    port = _free_port()
    options = ["mock", "--host", "127.0.0.1", "--port", str(port), "--verboseLevel", "silent", str(document)]
    with _listening(core, [*command, *options], folder, port, answers) as server:
        yield server


@contextmanager
def _wiremock(jar: Path, core: int, folder: Path, answers: Answers) -> Iterator[Server]:
    stubs = folder / "wiremock" / "mappings"
    stubs.mkdir(parents=True)
    for name, method, path, status, body in (
        ("submit", "POST", answers.submit.path, 202, answers.submitted),
        ("poll", "GET", answers.poll_path, 200, answers.polled),
    ):
        headers = {"Ocp-Apim-Subscription-Key": {"equalTo": KEY}}
        answer = {"status": status, "body": body.decode(), "headers": {"Content-Type": "application/json"}}
        stub = {"request": {"method": method, "urlPath": path, "headers": headers}, "response": answer}
        (stubs / f"{name}.json").write_text(json.dumps(stub), encoding="utf-8")
    port = _free_port()
    quiet = ["--disable-request-logging", "--disable-gzip", "--disable-banner"]
    journal = ["--max-request-journal-entries", str(Settings().journal)]
    place = ["--port", str(port), "--bind-address", "127.0.0.1", "--root-dir", str(stubs.parent)]
    options = [*place, *quiet, *journal]
    with _listening(core, ["java", "-jar", str(jar), *options], folder, port, answers) as server:
        yield server


@contextmanager
def _listening(
    core: int, arguments: list[str], folder: Path, port: int, answers: Answers
) -> Iterator[Server]:
    """Run a server until it gives both answers."""
    with running(core, arguments, str(folder)) as (process, said):
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                server.call("GET", answers.poll_path)
                server.call("POST", answers.submit.path, answers.submit.body, 202)
                break
            except (OSError, HTTPException) as error:
                if process.poll() is not None or time.monotonic() > ends:
                    raise CannotMeasureError(f"{arguments[0]} did not start: {said() or error}") from None
                time.sleep(0.1)
        yield server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
