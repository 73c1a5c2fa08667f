"""A machine that slept: what others compare to their clock follows the wall clock, lives go on as they were.

The clock is made of two fakes, of which only the wall clock goes on while the machine sleeps.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.driving import Gateway, id_of, open_gateway, poll, state, submit
from tests.rules.story import Story
from tests.webhooks.receiving import WAVESPEED
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import ManualClock, SystemClock
from understudy_mock.domain.job import Job
from understudy_mock.domain.scenario import Webhook, read_scenario
from understudy_mock.domain.webhook import Receiver, callbacks
from understudy_mock.har.write import write_har
from understudy_mock.webhooks import Delivery, Poster, Sender

_NIGHT = 8 * 3_600_000


class _Machine:
    """A machine's two clocks, in ms."""

    def __init__(self) -> None:
        self.wall = 1_790_000_000_000
        self.steady = 5_000

    def works(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def sleeps(self, ms: int) -> None:
        self.wall += ms

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall * 1_000_000, lambda: self.steady * 1_000_000)


@pytest.fixture
def machine() -> _Machine:
    return _Machine()


def _open(catalog: Catalog, machine: _Machine, **settings: Any) -> Gateway:
    return open_gateway(catalog, clock=machine.clock(), pace="clock", **settings)


@pytest.mark.parametrize("slept", [_NIGHT, -_NIGHT])
def test_lives_do_not_jump_and_the_wall_is_followed(machine: _Machine, slept: int) -> None:
    clock = machine.clock()
    before = clock.now()
    machine.sleeps(slept)
    machine.works(1_500)
    assert (clock.now(), clock.wall(), clock.drift()) == (before + 1_500, machine.wall, slept)


def test_what_clocks_differ_by_anyway_is_no_drift(machine: _Machine) -> None:
    clock = machine.clock()
    machine.sleeps(999)
    assert (clock.drift(), clock.wall()) == (0, clock.now())


def test_by_hand_there_is_one_clock() -> None:
    clock = ManualClock()
    clock.advance(1e6)
    assert (clock.wall(), clock.drift()) == (clock.now(), 0)


async def test_a_job_is_as_old_as_its_machine_was_awake(catalog: Catalog, machine: _Machine) -> None:
    gateway = _open(catalog, machine, speed=1.0)
    job = id_of(await submit(gateway))
    machine.sleeps(_NIGHT)
    assert await state(gateway, job) == "QUEUED"
    machine.works(111_000)
    assert await state(gateway, job) == "COMPLETED"


async def test_stamps_of_a_job_are_those_of_its_submit(catalog: Catalog, machine: _Machine) -> None:
    """They follow the wall clock when the job is made, and stay."""
    gateway = _open(catalog, machine, speed=1.0)
    machine.sleeps(_NIGHT)
    job = id_of(await submit(gateway))
    made = machine.wall
    for _ in range(2):
        told = (await poll(gateway, job)).json()
        assert datetime.fromisoformat(told["created_at"]).timestamp() * 1000 == made
        machine.sleeps(_NIGHT)
    (listed,) = (await gateway.admin("GET", "jobs")).json()["jobs"]
    assert datetime.fromisoformat(listed["created_at"]).timestamp() * 1000 == made


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
async def test_the_instant_to_come_back_at_is_on_the_callers_clock(
    catalog: Catalog, machine: _Machine, provider: str
) -> None:
    """By an HTTP date, or by Segmind's own header; from a scenario, or from a rate limit."""
    gateway = _open(catalog, machine, rate_limit="1/60")
    entry = {"condition": "rate_limited", "retry_after": "http-date"}
    gateway.world.scenario = read_scenario({"name": "x", "submit": [entry]})
    machine.sleeps(_NIGHT)
    refused = [await submit(gateway, provider)]
    if provider == "segmind":
        gateway.world.scenario = None
        await submit(gateway, provider)
        refused.append(await submit(gateway, provider))
    now = datetime.fromtimestamp(machine.wall / 1000, UTC)
    for answer in refused:
        assert answer.status_code == 429
        if provider == "segmind":
            when = datetime.fromisoformat(answer.headers["x-rate-limit-reset-at-utc"])
        else:
            when = parsedate_to_datetime(answer.headers["retry-after"])
        assert 1 <= (when - now).total_seconds() <= 60


class _Mailbox(Poster):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__((), None)
        self.headers: list[dict[bytes, bytes]] = []

    async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        self.headers.append(dict(headers))
        return 200, [], b""


@pytest.mark.parametrize(("wish", "age"), [("good", 0), ("bad", 0), ("stale", 600)])
async def test_a_callback_is_signed_at_the_moment_of_sending(
    catalog: Catalog, machine: _Machine, wish: Any, age: int
) -> None:
    """A receiver that refuses what is older than five minutes takes it, or not, as the scenario wishes."""
    gateway = _open(catalog, machine)
    gateway.world.scenario = read_scenario({"name": "x", "webhook": {"signature": wish}})
    poster = _Mailbox()
    sender = Sender(gateway.world, poster)
    await submit(gateway, "wavespeed")
    (job,) = gateway.world.store
    delivery = _last_delivery(job)
    for _ in range(2):
        machine.sleeps(_NIGHT)
        machine.works(777)
        await sender.redeliver(delivery)
        assert int(poster.headers[-1][b"webhook-timestamp"]) == machine.wall // 1000 - age


def _last_delivery(job: Job) -> Delivery:
    url = "http://127.0.0.1:9/hook"
    planned = list(callbacks(job.timeline, Receiver(url).mode, Webhook(), 30.0))
    return Delivery(job, planned[-1], url, job.created + planned[-1].at)


async def test_the_journal_is_dated_by_the_wall_clock(catalog: Catalog, machine: _Machine) -> None:
    gateway = _open(catalog, machine)
    machine.sleeps(_NIGHT)
    await gateway.call("POST", WAVESPEED)
    (entry,) = write_har(gateway.world.journal.since(0))["log"]["entries"]
    assert datetime.fromisoformat(entry["startedDateTime"]).timestamp() * 1000 == machine.wall


@pytest.mark.parametrize(
    ("provider", "name", "as_date"),
    [("pixazo", b"retry-after", True), ("segmind", b"x-rate-limit-reset-at-utc", False)],
)
def test_a_client_that_waited_is_not_blamed_for_our_drift(
    catalog: Catalog, provider: str, name: bytes, as_date: bool
) -> None:
    """The journal's clock is eight hours behind the date that the answer named."""
    due = datetime.fromtimestamp((10_000 + _NIGHT) / 1000, UTC)
    told = due.strftime("%a, %d %b %Y %H:%M:%S GMT") if as_date else due.isoformat()
    for waited, blamed in ((10_000, False), (5_000, True)):
        story = Story(catalog)
        story.submit(0, 429, headers=[(name, told.encode())], drift=_NIGHT, provider=provider)
        story.submit(waited, provider=provider)
        assert ("ignored-retry-after" in story.found()) is blamed
