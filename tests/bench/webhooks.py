"""How fast callbacks go out: 1,000 jobs that end in the same second, beside a bare httpx loop.

Both post the same bodies to the same receiver with the same number at once, from this process on one core;
the receiver answers at once from a process on another. `python -m tests.bench.webhooks` runs it alone.
`--receive` is that process: the first line on its stdout is its base URL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import pstats
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import cast

import httpx
import uvloop

from tests.bench.machine import CannotMeasureError, pinned, two_cores
from tests.bench.servers import Submit, documented_submit
from understudy_mock.app import create_app, create_world
from understudy_mock.domain.clock import SystemClock
from understudy_mock.gateway.world import World
from understudy_mock.settings import Settings
from understudy_mock.webhooks import DeliveryState, Sender

TARGET = 0.7
"""What the sender's rate must be of that of the bare loop."""

_JOBS = 1_000
_AT_ONCE = 32
"""Deliveries that one receiver gets at a time, from the sender and so from the bare loop."""

_ROOT = Path(__file__).parents[2]
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LONGEST = 60.0
"""Seconds that 1,000 deliveries may take."""


@dataclass(frozen=True)
class Sent:
    """One round: callbacks a second from the bare loop and from the sender."""

    bare: float
    sender: float


@dataclass(frozen=True)
class Webhooks:
    """What was measured: the medians of the rounds. `ratio` is the median of their ratios."""

    bare: float
    sender: float
    ratio: float


def measure_webhooks(core: int, other: int, rounds: int, say: Callable[[str], None]) -> Webhooks:
    """Measure on `core`, with the receiver on `other`. Raises CannotMeasureError for a lost callback."""
    submit = documented_submit()
    found = []
    with _receiver(other) as url, pinned(core):
        for number in range(-1, rounds):  # the first one warms up
            say(f"webhooks, round {number + 1} of {rounds}" if number >= 0 else "webhooks, warming up")
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                sent = runner.run(_round(url, submit))
            if number >= 0:
                found.append(sent)
    return Webhooks(
        median(sent.bare for sent in found),
        median(sent.sender for sent in found),
        median(sent.sender / sent.bare for sent in found),
    )


async def _round(url: str, submit: Submit) -> Sent:
    seconds, bodies = await _send(url, submit)
    bare = await _post(url, bodies)
    return Sent(len(bodies) / bare, len(bodies) / seconds)


class _Held(SystemClock):
    """Real time that stands still until it is let go, so that all jobs are made at one instant."""

    def __init__(self) -> None:
        super().__init__()
        self._instant: int | None = super().now()

    def now(self) -> int:
        return super().now() if self._instant is None else self._instant

    def let_go(self) -> None:
        self._instant = None


async def _send(
    url: str, submit: Submit, profile: cProfile.Profile | None = None
) -> tuple[float, list[bytes]]:
    """Let 1,000 jobs end at one instant; tell the seconds from the first attempt to the last answer."""
    clock = _Held()
    settings = Settings(speed=300, seed=1, media="small", allow_http_webhooks=True)
    world = create_world(settings, clock=clock)
    sender = await _make_jobs(world, url, submit)
    clock.let_go()
    if profile is not None:
        profile.enable()
    try:
        async with asyncio.timeout(_LONGEST):
            while not _done(sender):  # noqa: ASYNC110 (waiting must cost the sender nothing)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise CannotMeasureError(f"not all of {_JOBS} callbacks were sent in {_LONGEST:.0f} s") from None
    finally:
        if profile is not None:
            profile.disable()
        await sender.close()
        world.files.close()
    attempts = [attempt for delivery in sender.log for attempt in delivery.attempts]
    if len(attempts) != _JOBS or any(d.state is not DeliveryState.DELIVERED for d in sender.log):
        raise CannotMeasureError(f"{len(attempts)} attempts for {_JOBS} jobs, or not all of them received")
    began = min(attempt.at for attempt in attempts)
    ended = max(attempt.at + attempt.latency for attempt in attempts)
    bodies = [e.request_body for e in world.journal.since(0) if e.kind == "delivery"]
    return (ended - began) / 1000, bodies


async def _make_jobs(world: World, url: str, submit: Submit) -> Sender:
    transport = httpx.ASGITransport(create_app(world=world))
    headers = {"Ocp-Apim-Subscription-Key": "bench-key", "X-Webhook-URL": f"{url}/hook"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        for _ in range(_JOBS):
            answer = await client.post(submit.path, content=submit.body, headers=headers)
            if answer.status_code != 202:
                raise CannotMeasureError(f"a submit answered {answer.status_code}: {answer.text[:200]}")
    sender = world.announcer
    assert isinstance(sender, Sender)  # create_app made it
    return sender


def _done(sender: Sender) -> bool:
    finished = (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP, DeliveryState.PAUSED, DeliveryState.REFUSED)
    return sum(delivery.state in finished for delivery in sender.log) == _JOBS


async def _post(url: str, bodies: list[bytes]) -> float:
    """Post bodies as a short script would, with one client; tell the seconds."""
    headers = {"Content-Type": "application/json"}
    left = iter(bodies)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def work() -> None:
            for body in left:
                answer = await client.post(f"{url}/hook", content=body, headers=headers)
                answer.raise_for_status()

        began = perf_counter()
        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        return perf_counter() - began


def rows(found: Webhooks) -> Iterator[str]:
    """Give the table, line by line."""
    verdict = f">= {TARGET:.2f}  {'met' if found.ratio >= TARGET else 'MISSED'}"
    yield f"{'':<26}{'callbacks/s':>12}{'of bare':>10}   target"
    yield f"{'webhooks, bare httpx loop':<26}{found.bare:>12,.0f}"
    yield f"{'webhooks, sender':<26}{found.sender:>12,.0f}{found.ratio:>10.2f}   {verdict}"


# -- the receiver's process


class _Answering(asyncio.Protocol):
    """Answers 200 to each request as soon as its body is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while True:
            head, found, rest = self._read.partition(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) if found else 0
            if not found or len(rest) < size:
                return
            self._read = rest[size:]
            self._transport.write(_ANSWER)


async def _receive() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def _receiver(core: int) -> Iterator[str]:
    with (
        pinned(core),
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.webhooks", "--receive"],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None  # it is a pipe
            url = process.stdout.readline().strip()
            if not url:
                raise CannotMeasureError("the receiver of webhooks did not start")
            yield url
        finally:
            process.terminate()


# -- alone


def main() -> int:
    """Measure and print; `--profile` tells where the sender's time goes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.webhooks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="profile one round of the sender instead")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.receive:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(_receive())
        return 0
    try:
        core, other = two_cores()
        if asked.profile:
            _profile(core, other)
        else:
            found = measure_webhooks(
                core, other, asked.rounds, lambda what: print(what, file=sys.stderr, flush=True)
            )
            print("\n".join(rows(found)), flush=True)
    except CannotMeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _profile(core: int, other: int) -> None:
    profile = cProfile.Profile()
    with _receiver(other) as url, pinned(core):
        uvloop.run(_send(url, documented_submit(), profile))
    pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    sys.exit(main())
