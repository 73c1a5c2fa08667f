"""Fifty connections that do their worst, and what a well-behaved client notices of it.

`make bench` runs it for a minute, `make bench ARGS=--full` for five. Traffic goes to loopback alone, and
stops with the time that was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from tests.bench.machine import CannotMeasureError
from tests.bench.servers import Submit, running

CONNECTIONS = 50
_PAUSE = 0.05
"""Seconds between two calls of the well-behaved client."""

_SECRET = "attacker-key"
_GIVE_UP = 60.0
"""Seconds that an attacker waits for an answer before he tries something else."""

_ENDS_WITHIN = 30.0

_VIDEO = b'{"prompt":"%s","resolution":"720p","num_frames":129}'


@dataclass(frozen=True)
class Endured:
    """What the client saw, in ms; what the gateway held at the most, in bytes; how it ended, in s."""

    calls: int
    failed: int
    p50: float
    p99: float
    longest: float
    resident: int
    ended: float


def measure_attack(core: int, load_core: int, submit: Submit, seconds: int) -> Endured:
    """Attack a gateway for some seconds, and poll and submit beside the attackers."""
    command = [str(Path(sys.executable).with_name("understudy")), "serve", "--port", "0"]
    options = ["--speed", "300", "--allow-http-webhooks", "--seed", "1"]
    with running(core, [*command, *options], "/") as (process, said):
        assert process.stdout is not None  # it is a pipe
        url = process.stdout.readline().strip()
        if not url:
            raise CannotMeasureError(f"the gateway did not start: {said()}")
        context = multiprocessing.get_context("spawn")
        attackers = context.Process(target=_attack, args=(url, submit, seconds, load_core), daemon=True)
        attackers.start()
        try:
            waits, failed, resident = _behave(url, submit, seconds, process.pid)
        finally:
            attackers.terminate()
            attackers.join()
        began = time.perf_counter()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_WITHIN)
        ended = time.perf_counter() - began
        process.kill()
    p99 = quantiles(waits, n=100)[98]
    return Endured(len(waits), failed, median(waits), p99, max(waits), resident, ended)


def _behave(url: str, submit: Submit, seconds: int, pid: int) -> tuple[list[float], int, int]:
    """Submit and poll as a good client does; return the waits in ms, how many calls failed, and memory."""
    host = url.removeprefix("http://")
    waits: list[float] = []
    failed = resident = 0
    headers = {"Ocp-Apim-Subscription-Key": "good-client", "Content-Type": "application/json"}
    connection = HTTPConnection(host, timeout=_GIVE_UP)
    until = time.perf_counter() + seconds
    path = ""
    for number in itertools.count():
        if time.perf_counter() >= until:
            break
        began = time.perf_counter()
        try:
            if number % 4 == 0 or not path:
                connection.request("POST", submit.path, submit.body, headers)
                path = json.loads(connection.getresponse().read())["polling_url"].removeprefix(url)
            else:
                connection.request("GET", path, headers=headers)
                json.loads(connection.getresponse().read())["status"]
        except (OSError, ValueError, KeyError):
            failed += 1
            connection.close()
        waits.append((time.perf_counter() - began) * 1000)
        resident = max(resident, _resident(pid))
        time.sleep(_PAUSE)
    connection.close()
    return waits, failed, resident


def _resident(pid: int) -> int:
    rows = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    row = next((row for row in rows if row.startswith("VmRSS:")), "VmRSS: 0 kB")
    return int(row.split()[1]) * 1024


def _attack(url: str, submit: Submit, seconds: int, core: int) -> None:
    """Attack from this process, at a lower priority: the client is to wait for the gateway, not for us."""
    os.sched_setaffinity(0, {core})
    os.nice(5)
    asyncio.run(_all(url, submit, seconds))


async def _all(url: str, submit: Submit, seconds: int) -> None:
    silent = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    attacker = _Attacker(urlsplit(url).hostname or "", urlsplit(url).port or 0, submit, port)
    async with silent:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(attacker.go_on(number) for number in range(CONNECTIONS)))


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Receive a callback and never answer."""
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass
    writer.close()


class _Attacker:
    """One who sends what hurts most. Each attack has a connection of its own."""

    def __init__(self, host: str, port: int, submit: Submit, silent: int) -> None:
        self.host, self.port, self.submit, self.silent = host, port, submit, silent

    async def go_on(self, number: int) -> None:
        """Attack until cancelled, each connection from another place of the list."""
        attacks = self.attacks()
        for attack in itertools.islice(itertools.cycle(attacks), number % len(attacks), None):
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_GIVE_UP):
                    await attack()

    def attacks(self) -> list[Callable[[], Awaitable[None]]]:
        """Return the attacks."""
        path = self.submit.path
        prompt = self.prompt

        def post(body: bytes, **headers: str) -> Callable[[], Awaitable[None]]:
            return lambda: self.send("POST", path, body, **headers)

        def get(target: str, **headers: str) -> Callable[[], Awaitable[None]]:
            return lambda: self.send("GET", target, b"", **headers)

        return [
            post(prompt(b"a cat"), Prefer="scenario=" + " " * 8000 + 'a"b'),
            post(prompt(b"\\\\" * 32_000)),
            post(prompt(b"\\\\" * 500_000)),
            post(prompt(b"%5c\\n" * 16_000)),
            post(prompt(b"".join(b'\\"token\\":\\"secret-%06d\\"' % n for n in range(300)))),
            get("/v2/requests/status/%41", Cookie="a=" + "b%;" * 20_000),
            post(b'{"prompt":"a cat","image":"charset"}', **{"Content-Type": "text/plain; charset=punycode"}),
            get("/_mock/journal.har"),
            get("/_mock/jobs?limit=10000"),
            get("/_mock/journal?limit=10000"),
            get("/_mock/webhooks"),
            post(prompt(b"[scenario:" * 1_000_000)),
            post(b'{"prompt":"a cat",' + b",".join(b'"p%d":1' % n for n in range(700_000)) + b"}"),
            post(prompt(b"a cat " * 1_600_000)),
            post(b"[" * 5_000_000),
            lambda: self.trailers(path),
            lambda: self.half(path),
            lambda: self.pipeline(path),
            self.unread,
            lambda: self.callbacks(path),
        ]

    @staticmethod
    def prompt(text: bytes) -> bytes:
        """Return the body of a submit with this text, escaped for JSON, as its prompt."""
        return _VIDEO % text

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection(self.host, self.port)

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """Return a request's head."""
        lines = {"Host": "gateway", "Ocp-Apim-Subscription-Key": _SECRET, **headers}
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        return text.encode("latin-1") + b"\r\n"

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Make a call, and read its answer to the end."""
        reader, writer = await self.open()
        try:
            headers = {"Content-Type": "application/json", **headers, "Connection": "close"}
            writer.write(self.head(method, path, **headers, **{"Content-Length": str(len(body))}) + body)
            await writer.drain()
            while await reader.read(1 << 20):
                pass
        finally:
            writer.close()

    async def trailers(self, path: str) -> None:
        """Send trailers for as long as they are taken, 30 MB at most."""
        reader, writer = await self.open()
        try:
            writer.write(self.head("POST", path, **{"Transfer-Encoding": "chunked"}) + b"2\r\n{}\r\n0\r\n")
            for number in range(3000):
                writer.write(b"x-trailer-%d: " % number + b"t" * 10_000 + b"\r\n")
                await writer.drain()
            writer.write(b"\r\n")
            await reader.read(65536)
        finally:
            writer.close()

    async def half(self, path: str) -> None:
        """Send most of a large body, and wait."""
        _, writer = await self.open()
        try:
            writer.write(self.head("POST", path, **{"Content-Length": "9900000"}) + b" " * 9_800_000)
            await writer.drain()
            await asyncio.sleep(20)
        finally:
            writer.close()

    async def pipeline(self, path: str) -> None:
        """Send two thousand calls at once on one connection and read what comes."""
        reader, writer = await self.open()
        try:
            body = self.submit.body
            one = self.head("POST", path, **{"Content-Length": str(len(body))}) + body
            writer.write(one * 2000)
            await writer.drain()
            async with asyncio.timeout(10):
                while await reader.read(1 << 20):
                    pass
        finally:
            writer.close()

    async def unread(self) -> None:
        """Ask again and again for all that is kept, with a small window, and read nothing."""
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, (self.host, self.port))
            await asyncio.get_running_loop().sock_sendall(plug, self.head("GET", "/_mock/journal.har") * 20)
            await asyncio.sleep(20)
        finally:
            plug.close()

    async def callbacks(self, path: str) -> None:
        """Make a hundred jobs whose receiver accepts connections and says nothing."""
        receiver = f"http://127.0.0.1:{self.silent}/done"
        for _ in range(100):
            await self.send("POST", path, self.submit.body, **{"X-Webhook-URL": receiver})


def rows(endured: Endured) -> Iterator[tuple[str, str, bool, str]]:
    """Return what is printed: name, value, whether the target is met, and the target."""
    yield "under attack, p50", f"{endured.p50:.1f} ms", endured.p50 <= 100, "<= 100"
    yield "under attack, p99", f"{endured.p99:.1f} ms", endured.p99 <= 300, "<= 300"
    yield "longest wait", f"{endured.longest:.0f} ms", True, ""
    yield "failed calls", f"{endured.failed} of {endured.calls}", endured.failed == 0, "0"
    yield "memory, most", f"{endured.resident / 2**20:,.0f} MB", True, ""
    yield "SIGTERM ends it", f"{endured.ended:.2f} s", endured.ended <= 5, "<= 5.00"
