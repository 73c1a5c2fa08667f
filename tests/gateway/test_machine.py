"""Whatever several clients do in whatever order, the gateway agrees with a model of a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from tests.driving import SPEED, balance, end, id_of, open_gateway, poll, submit
from understudy_mock.catalog import Catalog, open_catalog

_T = TypeVar("_T")
_CATALOG: list[Catalog] = []

KEYS = st.sampled_from(["ann", "ben", "cat"])
CALLS, SECONDS, BALANCE = 4, 3, 3_000_000
WORDS = {
    "pixazo": {"QUEUED": "QUEUED", "PROCESSING": "PROCESSING"},
    "wavespeed": {
        "QUEUED": "created",
        "PROCESSING": "processing",
        "COMPLETED": "completed",
        "FAILED": "failed",
        "ERROR": "failed",
    },
}
# When a job leaves the queue and when it ends, ms after its submit at the default speed.
COURSE = {
    "pixazo": (round(11_000 / SPEED), round(11_000 / SPEED) + round(100_000 / SPEED)),
    "wavespeed": (round(5_000 / SPEED), round(5_000 / SPEED) + round(60_000 / SPEED)),
}


@dataclass
class Job:
    """The model of a job: when it was made, and how it ends."""

    id: str
    owner: str
    provider: str
    price: int
    made: int
    ends: int
    end: str = "COMPLETED"

    def state(self, now: int) -> str:
        if now >= self.ends:
            return self.end
        return "QUEUED" if now < self.made + COURSE[self.provider][0] else "PROCESSING"

    def cost(self, now: int) -> int:
        refunded = self.end == "ERROR" or (self.end == "FAILED" and self.provider == "wavespeed")
        return 0 if refunded and now >= self.ends else self.price


@dataclass
class Account:
    """The model of an account: what it began with, what it made, when it submitted."""

    jobs: list[Job] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    opens: int = 0
    spent: int = 0


class Clients(RuleBasedStateMachine):
    """Three accounts at two providers, and somebody at the admin API."""

    jobs: Bundle[Job] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        if not _CATALOG:
            _CATALOG.append(open_catalog())
        self.gateway = open_gateway(
            _CATALOG[0], balance=BALANCE / 1e6, rate_limit=f"{CALLS}/{SECONDS}", keep_jobs=1000
        )
        self.accounts = {key: Account() for key in ("ann", "ben", "cat")}
        self.ids: set[str] = set()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.runner.close()

    @property
    def now(self) -> int:
        return self.gateway.world.clock.now()

    def left(self, key: str) -> int:
        return BALANCE - sum(job.cost(self.now) for job in self.accounts[key].jobs)

    @rule(target=jobs, key=KEYS, provider=st.sampled_from(["pixazo", "wavespeed"]), dear=st.booleans())
    def submit(self, key: str, provider: str, dear: bool) -> Any:
        changes: dict[str, Any] = {"pro_mode": True} if dear and provider == "pixazo" else {}
        price = 800_000 if changes else 400_000
        account, now = self.accounts[key], self.now
        full = sum(at > now - SECONDS * 1000 for at in account.passed) >= CALLS
        shut = now < account.opens
        answer: httpx.Response = self.run(submit(self.gateway, provider, key, **changes))
        if shut or full:
            assert answer.status_code == 429
            if not shut:
                account.opens = now + int(answer.headers["retry-after"]) * 1000
            return multiple()
        account.passed.append(now)
        if self.left(key) < price:
            assert answer.status_code == 402
            return multiple()
        assert answer.status_code == (202 if provider == "pixazo" else 200)
        job = Job(id_of(answer), key, provider, price, now, now + COURSE[provider][1])
        assert job.id not in self.ids
        self.ids.add(job.id)
        account.jobs.append(job)
        return job

    @rule(job=jobs, times=st.integers(1, 3))
    def poll(self, job: Job, times: int) -> None:
        word = job.state(self.now)
        told = [self.run(poll(self.gateway, job.id, job.provider, job.owner)) for _ in range(times)]
        assert len({answer.content for answer in told}) == 1
        body = told[0].json().get("data", told[0].json())
        assert body["status"] == WORDS[job.provider].get(word, word)

    @rule(job=jobs, key=KEYS)
    def peek(self, job: Job, key: str) -> None:
        if key != job.owner:
            assert self.run(poll(self.gateway, job.id, job.provider, key)).status_code == 404

    @rule(ms=st.integers(0, 1_500) | st.sampled_from([166, 167, 366, 367, 2_000, 3_700, 5_000]))
    def wait(self, ms: int) -> None:
        self.gateway.advance(ms / 1000)

    @rule(job=jobs, how=st.sampled_from(["COMPLETED", "FAILED", "ERROR"]))
    def end(self, job: Job, how: str) -> None:
        answer = self.run(end(self.gateway, job.id, how))
        assert answer.status_code == (409 if self.now >= job.ends else 200)
        if self.now < job.ends:
            job.ends, job.end = self.now, how

    @rule(job=consumes(jobs))
    def lose_sight(self, job: Job) -> None:
        """A client that never comes back changes nothing; its money still does what it must."""

    @invariant()
    def money_adds_up(self) -> None:
        for key in self.accounts:
            left = self.run(balance(self.gateway, key))
            assert left is not None
            assert round(left * 1e6) == self.left(key) >= 0

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        assert {job.id for job in self.gateway.world.store} == self.ids


TestClients = Clients.TestCase
TestClients.settings = settings(stateful_step_count=30, deadline=None)
