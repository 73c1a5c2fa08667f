"""What holds the event loop: each costly call against full stores, with a well-behaved poll beside it.

The gateway runs here, on asyncio's own loop, whose callbacks are timed one by one: in CPU time of the loop's
thread, without the collection of garbage, which is told apart. The calls come from a process of their own.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec

from understudy_contracts.live import LiveJudge
from understudy_mock.app import create_app, create_world
from understudy_mock.domain.call import Call
from understudy_mock.domain.draw import account_name
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.submit import submit
from understudy_mock.gateway.world import World
from understudy_mock.settings import Settings
from understudy_mock.web.server import address_of, bind, serving

LONGEST = 20.0
"""CPU ms that one callback may take."""

_JOBS = 100_000
_ENTRIES = 10_000
_BODY = 20_000
"""Bytes of each body in the journal, so that it is nearly full."""

_LARGE = 9_900_000
_KEY = "bench-key"
_HEADERS = {
    "Ocp-Apim-Subscription-Key": _KEY,
    "Authorization": f"Bearer {_KEY}",
    "x-api-key": _KEY,
    "Content-Type": "application/json",
}
_PIXAZO = "/hunyuan-video/v1/hunyuan-video-request"
_WAVESPEED = "/api/v3/wavespeed-ai/hunyuan-video/i2v"
_HOOK = "https://127.0.0.1:9/hook"


@dataclass(frozen=True)
class Case:
    """One costly call. `{job}` in its path is a job that the call before it made.

    An answer without end is read for `lines` lines.
    """

    name: str
    method: str
    path: str
    body: Callable[[], bytes] = bytes
    headers: dict[str, str] = field(default_factory=dict)
    lines: int = 0


def _prompt(text: str) -> bytes:
    return json.dumps({"prompt": text}).encode()


CASES = (
    Case("admin: jobs, 10,000", "GET", "/_mock/jobs?limit=10000"),
    Case("admin: jobs, none found", "GET", "/_mock/jobs?status=FAILED"),
    Case("admin: jobs of nobody", "GET", "/_mock/jobs?account=nobody"),
    Case("admin: journal, 10,000", "GET", "/_mock/journal?limit=10000"),
    Case("admin: journal.har", "GET", "/_mock/journal.har"),
    Case("admin: journal, a text", "GET", "/_mock/journal?text=nobody+said+this"),
    Case("admin: journal, one entry", "GET", "/_mock/journal/9000"),
    Case("admin: changes, 10,000", "GET", "/_mock/changes?limit=10000"),
    Case("admin: changes, the latest", "GET", "/_mock/changes?since=110000&limit=10000"),
    Case("admin: changes, followed", "GET", "/_mock/changes?follow=1&limit=10000", lines=90_000),
    Case("admin: findings", "GET", "/_mock/findings"),
    Case("admin: trace", "GET", "/_mock/trace.json"),
    Case("admin: accounts", "GET", "/_mock/accounts"),
    Case("admin: models", "GET", "/_mock/models"),
    Case("admin: its own OpenAPI", "GET", "/_mock/openapi.json"),
    Case("admin: webhooks", "GET", "/_mock/webhooks"),
    Case("admin: webhooks of a job", "GET", "/_mock/webhooks?job=nobody"),
    Case("admin: a scenario of 1 MB", "PUT", "/_mock/accounts/x", lambda: _scenario(1_000_000)),
    Case("admin: a scenario of 10 MB", "PUT", "/_mock/accounts/x", lambda: _scenario(_LARGE)),
    Case("admin: a long query", "GET", "/_mock/jobs?" + "a&" * 30_000),
    Case("list of predictions", "POST", "/api/v3/predictions", lambda: b'{"page_size": 100}'),
    Case("list of one state", "POST", "/api/v3/predictions", lambda: b'{"status": "failed"}'),
    Case("a prompt of 9.9 MB", "POST", _PIXAZO, lambda: _prompt("a" * _LARGE)),
    Case("its status", "GET", "/v2/requests/status/{job}"),
    Case("admin: its conversation", "GET", "/_mock/jobs/{job}/conversation"),
    Case("admin: to what is next", "POST", "/_mock/clock/advance", lambda: b'{"to": "next"}'),
    Case("a prompt of marks", "POST", _PIXAZO, lambda: _prompt("[scenario:" * (_LARGE // 10))),
    Case("700,000 parameters", "POST", _PIXAZO, lambda: _parameters(700_000)),
    Case("a number in its place", "POST", _PIXAZO, lambda: json.dumps({"prompt": ["a" * _LARGE]}).encode()),
    Case("1,000,000 inputs", "POST", _WAVESPEED, lambda: _inputs(1_000_000)),
    Case("an upload of data URLs", "POST", "/upload-asset", lambda: _assets(100_000)),
    Case("a large upload", "POST", "/upload-asset", lambda: _assets(1)),
    Case(
        "a form of line ends",
        "POST",
        "/api/v3/media/upload/binary",
        lambda: _form(),
        {"Content-Type": "multipart/form-data; boundary=b"},
    ),
    Case("a query of pairs", "POST", _WAVESPEED + "?" + "a=b&" * 15_000, lambda: _prompt("x")),
    Case("Prefer of commas", "POST", _PIXAZO, lambda: _prompt("x"), {"Prefer": "," * 60_000}),
    Case("10,000 callbacks due", "POST", "/_mock/clock/advance", lambda: b'{"seconds": 100000000}'),
    Case("admin: all sent again", "POST", "/_mock/webhooks/redeliver", lambda: b"{}"),
    Case("its file", "GET", "/v1/{job}/output.mp4"),
    Case("the submit after that", "POST", _PIXAZO, lambda: _prompt("x")),
    Case("admin: reset of a key", "POST", f"/_mock/reset?account={_KEY}"),
    Case("admin: reset", "POST", "/_mock/reset"),
)


def _scenario(size: int) -> bytes:
    entry = b'{"status":500},'
    return b'{"scenario":{"name":"big","submit":[' + entry * (size // len(entry)) + b'{"status":500}]}}'


def _parameters(count: int) -> bytes:
    return json.dumps({"prompt": "x", **{f"p{number}": 1 for number in range(count)}}).encode()


def _inputs(count: int) -> bytes:
    return json.dumps({"image": [1] * count, "prompt": "x"}).encode()


def _assets(count: int) -> bytes:
    content = base64.b64encode(b"a" * (7_000_000 // count)).decode()
    return json.dumps({"data_urls": [f"data:image/png;base64,{content}"] * count}).encode()


def _form() -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    return head + b"\r\n--" * (_LARGE // 4) + b"\r\n--b--\r\n"


# -- the gateway's side


class Stopwatch:
    """Times every callback of an event loop. CPU times are in ms."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.what = ""
        self.collecting = 0.0
        self._collected = 0
        self._began = 0

    def reset(self) -> None:
        """Begin anew."""
        self.longest, self.what, self.collecting = 0.0, "", 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what loops of asyncio run meanwhile."""
        handles: Any = asyncio.Handle
        original = handles._run

        def run(handle: Any) -> None:
            collected, began = self._collected, time.thread_time_ns()
            original(handle)
            took = (time.thread_time_ns() - began - (self._collected - collected)) / 1e6
            if took > self.longest:
                self.longest, self.what = took, _describe(handle)

        handles._run = run
        gc.callbacks.append(self._collect)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collect)
            handles._run = original

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time_ns()
        else:
            took = time.thread_time_ns() - self._began
            self._collected += took
            self.collecting = max(self.collecting, took / 1e6)


def _describe(handle: Any) -> str:
    owner = getattr(handle._callback, "__self__", None)
    coroutine = owner.get_coro() if isinstance(owner, asyncio.Task) else None
    return str(getattr(coroutine, "__qualname__", None) or getattr(handle._callback, "__qualname__", owner))


async def fill(world: World) -> None:
    """Make the stores full: jobs with and without callbacks, and a journal."""
    operations = {operation.path: operation for operation in world.catalog.operations}
    texts = {_PIXAZO: b'{"prompt": "a cat"}', _WAVESPEED: b'{"image": "https://example.com/cat.png"}'}
    for number in range(_JOBS):
        path = _WAVESPEED if number % 2 else _PIXAZO
        headers = {name.lower().encode(): value.encode() for name, value in _HEADERS.items()}
        if number % 10 == 0:
            headers[b"x-webhook-url"] = _HOOK.encode()
        here = "http://127.0.0.1"
        await submit(world, operations[path], Call("POST", path, b"", headers, texts[path], here, here, {}))
    entry = msgspec.convert(
        {
            "number": 0,
            "kind": "call",
            "at": world.clock.now(),
            "duration": 1.0,
            "key": _KEY,
            "account": account_name(_KEY),
            "provider": "pixazo",
            "operation": "submit-hunyuan-video",
            "method": "POST",
            "url": _PIXAZO,
            "http_version": "1.1",
            "request_headers": [],
            "request_body": b"",
            "request_size": _BODY,
            "status": 202,
            "response_headers": [],
            "response_body": b"",
            "response_size": 2,
            "kept": _BODY,
        },
        JournalEntry,
    )
    body = _prompt("a cat " * (_BODY // 6))[:_BODY]
    shown = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
    for number in range(1, _ENTRIES + 1):
        world.journal.append(
            msgspec.structs.replace(
                entry, number=number, request_headers=list(shown), request_body=body + b"%d" % number
            )
        )


async def probe(say: Callable[[str], None]) -> AsyncIterator[tuple[str, Stopwatch, dict[str, Any]]]:
    """Make one call after the other; gives the name of each, what its callbacks took, and what polls saw."""
    world = create_world(
        Settings(pace="manual", speed=0.001, media="small", seed=1, allow_http_webhooks=True)
    )
    app = create_app(world=world, judge=LiveJudge)
    say(f"making {_JOBS:,} jobs and {_ENTRIES:,} entries of the journal")
    await fill(world)
    listener = bind("127.0.0.1", 0)
    stopwatch = Stopwatch()
    async with serving(app, listener):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.loop",
            address_of(listener),
            cwd=Path(__file__).parents[2],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            for number, case in enumerate(CASES):
                say(case.name)
                with stopwatch.running():
                    stopwatch.reset()
                    child.stdin.write(b"%d\n" % number)
                    told = await child.stdout.readline()
                if not told:
                    return
                yield case.name, stopwatch, json.loads(told)
        finally:
            child.stdin.close()
            await child.wait()


# -- the callers' side


def call(url: str) -> None:
    """Make the calls whose numbers come on stdin, and tell on stdout how each went, as JSON."""
    host = url.removeprefix("http://")
    polled = json.loads(_ask(host, "POST", _PIXAZO, _prompt("a poll"), {})[1])["polling_url"].partition(host)[
        2
    ]
    made = ""
    for line in sys.stdin:
        case = CASES[int(line)]
        body = case.body()
        ends = threading.Event()
        took: list[float] = []
        poller = threading.Thread(target=_poll, args=(host, polled, ends, took))
        poller.start()
        began = time.perf_counter()
        path = case.path.format(job=made)
        status, answer = _ask(host, case.method, path, body, case.headers, case.lines)
        whole = (time.perf_counter() - began) * 1000
        ends.set()
        poller.join()
        if b"polling_url" in answer[:1000] and len(body) > 1_000_000:
            made = json.loads(answer)["request_id"]
        told = {"status": status, "bytes": len(answer), "ms": whole, "polls": len(took), "worst": max(took)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _poll(host: str, path: str, ends: threading.Event, took: list[float]) -> None:
    """Poll as a well-behaved client does, and note the ms that each poll took."""
    connection = HTTPConnection(host, timeout=120)
    while not took or not ends.is_set():
        began = time.perf_counter()
        connection.request("GET", path, headers=_HEADERS)
        connection.getresponse().read()
        took.append((time.perf_counter() - began) * 1000)
        ends.wait(0.002)
    connection.close()


def _ask(
    host: str, method: str, path: str, body: bytes, headers: dict[str, str], lines: int = 0
) -> tuple[int, bytes]:
    connection = HTTPConnection(host, timeout=120)
    try:
        connection.request(method, path, body, {**_HEADERS, **headers})
        response = connection.getresponse()
        if lines:
            return response.status, b"".join(response.readline() for _ in range(lines))
        return response.status, response.read()
    finally:
        connection.close()


async def report(say: Callable[[str], None]) -> list[str]:
    """Measure, and give the rows of a table."""
    rows = [
        f"{'call':<26}{'status':>7}{'whole ms':>10}{'callback ms':>12}{'poll ms':>9}{'gc ms':>7}   target"
    ]
    async for name, found, told in probe(say):
        verdict = "met" if found.longest <= LONGEST else f"MISSED {found.what}"
        rows.append(
            f"{name:<26}{told['status']:>7}{told['ms']:>10,.0f}{found.longest:>12.1f}{told['worst']:>9.1f}"
            f"{found.collecting:>7.1f}   <= {LONGEST:.0f} {verdict}"
        )
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        call(sys.argv[1])
    else:
        print("\n".join(asyncio.run(report(lambda what: print(what, file=sys.stderr, flush=True)))))
