"""The state of one gateway: everything that changes. A factory makes it, and it is passed in."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Protocol

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import Clock, ManualClock, first_of
from understudy_mock.domain.conditions import Condition, Refusal
from understudy_mock.domain.job import Job
from understudy_mock.domain.money import Wallet
from understudy_mock.domain.rendition import Rendition
from understudy_mock.domain.scenario import Scenario
from understudy_mock.domain.timeline import State, Step
from understudy_mock.gateway.accounts import UNKEPT_BALANCE, Accounts
from understudy_mock.gateway.changes import Changes, MemoryChanges
from understudy_mock.gateway.inbox import Inboxes
from understudy_mock.gateway.journal import Journal
from understudy_mock.gateway.store import MemoryStore, Store
from understudy_mock.gateway.turns import let_go
from understudy_mock.gateway.upload_store import UploadStore
from understudy_mock.media import Wanted, always
from understudy_mock.settings import Settings
from understudy_mock.wording import Wording, Wordings, shipped

_PATIENCE = 600
"""Provider seconds that a synchronous call waits for a job that never ends."""


class Files(Protocol):
    """What makes result files."""

    async def file(self, rendition: Rendition, wanted: Wanted = always) -> bytes:
        """Return the file, made or from the cache. The work is given up when no caller wants it any more."""

    def close(self) -> None:
        """Let go of what it holds."""


class Announcer(Protocol):
    """What sends callbacks."""

    def plan(self, job: Job) -> None:
        """Send the job's callbacks when they are due; for a job ended by hand, those of its new timeline."""

    async def first_attempt(self, job: Job, seconds: float) -> None:
        """Return when a callback of the job has been tried, or after `seconds` of real time."""

    def forget(self, job_id: str) -> None:
        """Send nothing more of a job that is kept no longer, and drop what the log holds of it."""

    async def clear(self, account: str | None) -> None:
        """Forget what is planned for an account, or all, and the log of it."""

    async def close(self) -> None:
        """End what is being sent, and say what was not."""


class Silence(Announcer):
    """An announcer that sends nothing."""

    def plan(self, job: Job) -> None:
        return

    async def first_attempt(self, job: Job, seconds: float) -> None:
        return

    def forget(self, job_id: str) -> None:
        return

    async def clear(self, account: str | None) -> None:
        return

    async def close(self) -> None:
        return


@dataclass(eq=False)
class World:
    """One gateway's settings, time, knowledge and memory."""

    is_recorded: ClassVar[bool] = False
    """Whether a recording decides what happens, and no scenario, balance or rate limit does."""

    settings: Settings
    catalog: Catalog
    clock: Clock
    files: Files
    wordings: Wordings = field(default_factory=shipped)
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    scenario: Scenario | None = None
    """The server's own scenario: holds where nothing nearer to the call names one."""

    def __post_init__(self) -> None:
        self._at_start = (dict(self.scenarios), self.scenario)
        self.quirks = frozenset(self.settings.quirks)
        self.changes: Changes = MemoryChanges()
        self.journal = Journal(self.settings.journal, self.changes)
        self.accounts = Accounts(self.settings.balance, self.settings.rate_limit, self.changes)
        if isinstance(self.clock, ManualClock):
            self.clock.when_moved = partial(self.changes.note, "clock")
        self.store: Store = MemoryStore(self.settings.keep_jobs)
        self.announcer: Announcer = Silence()
        self.uploads = UploadStore()
        self.inboxes = Inboxes(self.changes)
        self.direct_models = frozenset(
            operation.model for operation in self.catalog.operations if operation.role == "result"
        )
        self._traces = 0
        self._ended_by_hand: dict[str, asyncio.Event] = {}

    def provider(self, name: str) -> Wording:
        """Return the wording of a provider."""
        return self.wordings[name]

    def stage(self, scenario: Scenario | None) -> None:
        """Make a scenario the server's own, and known by its name; None lets all go well."""
        self.scenario = scenario
        if scenario is not None:
            self.learn(scenario)
        self.journal.mark()
        self.changes.note("server")

    def learn(self, scenario: Scenario) -> None:
        """Make a scenario known by its name; one known since the start keeps its meaning."""
        if scenario.name not in self._at_start[0]:
            self.scenarios[scenario.name] = scenario

    async def step(self, job: Job) -> Step:
        """Return where the job is now."""
        return job.timeline.at(await self.store.age(job, self.clock.now()))

    async def visible_job(self, job_id: str, account: str) -> Job | None:
        """Return a job; that of another account does not exist for this one."""
        job = await self.store.get(job_id)
        return job if job is not None and job.account == account else None

    async def put(self, job: Job) -> None:
        """Keep a new job, and plan its refund where its end gives one."""
        if job.held and job.refunded and (wallet := self.wallet_of(job)) is not None:
            end = job.timeline.end
            assert end is not None  # only a job that ends is refunded
            wallet.expect_refund(job.id, job.price, None if job.by_polls else job.created + end.at)
        forgotten = await self.store.put(job, self.clock.now())
        self.changes.note("job", job.id)
        if job.receiver is not None:
            self.announcer.plan(job)
        for gone in forgotten:
            self._let_go(gone)

    def _let_go(self, job: Job) -> None:
        """Drop what is due of a job that was forgotten for others."""
        # Nobody can move it to its end any more, so what it would give back comes now.
        if job.by_polls and job.held and (wallet := self.wallet_of(job)) is not None:
            wallet.refund(job.id)
            self.changes.note("account", job.account)
        self.announcer.forget(job.id)
        self.changes.note("job", job.id)
        if job.id in self._ended_by_hand:
            self._ended_by_hand[job.id].set()

    def wallet_of(self, job: Job) -> Wallet | None:
        """Return the wallet that paid for the job, if its account is still in use."""
        account = self.accounts.named(job.account)
        return account.wallet if account is not None else None

    async def end(self, job: Job, state: State, error: str | None) -> Job:
        """End a job now, by hand. Raises ValueError when it has ended already."""
        age = await self.store.age(job, self.clock.now())
        ended = msgspec.structs.replace(job, timeline=job.timeline.ended(age, state, error))
        await self.store.replace(ended)
        self.changes.note("job", job.id)
        if ended.receiver is not None:
            self.announcer.plan(ended)
        if job.id in self._ended_by_hand:
            self._ended_by_hand[job.id].set()
        if job.held and (wallet := self.wallet_of(job)) is not None:
            wallet.keep(job.id)
            self.changes.note("account", job.account)
            if ended.refunded:
                wallet.expect_refund(job.id, job.price, None)
                wallet.refund(job.id)
        return ended

    def balance_of(self, job: Job) -> int:
        """Return the balance of the job's account, in micro-USD, as answers show it."""
        account = self.accounts.named(job.account)
        return UNKEPT_BALANCE if account is None else account.balance(self.clock.now())

    async def ended(self, job: Job, seconds: float | None = None) -> Job:
        """Wait until the job has ended, by plan or by hand, and return it as it then is.

        After `seconds` of provider time it is returned as it is, ended or not. Raises Refusal: TIMEOUT,
        without `seconds`, for a job that has not ended after ten provider minutes (assumed); UNAVAILABLE for
        one that was forgotten for others before it ended.
        """
        end = job.timeline.end
        patience = round((_PATIENCE if seconds is None else seconds) * 1000 / self.settings.speed)
        wait = patience if end is None else end.at if seconds is None else min(end.at, patience)
        event = self._ended_by_hand.setdefault(job.id, asyncio.Event())
        try:
            await first_of(self.clock.sleep_until(job.created + wait), event.wait())
        finally:
            self._ended_by_hand.pop(job.id, None)
        kept = await self.store.get(job.id)
        if kept is None and self.clock.now() < job.created + wait:
            raise Refusal(Condition.UNAVAILABLE)
        job = kept or job
        if job.timeline.end is None and seconds is None:
            # Nobody can ask for it any more, so it is over, and its price comes back.
            await self.end(job, State.ERROR, "timed out")
            raise Refusal(Condition.TIMEOUT)
        return job

    async def polled(self, job: Job) -> None:
        """Move a job on that polls move, after its poll was answered."""
        await self.store.step_on(job)
        self.changes.note("job", job.id)
        if job.held and (await self.step(job)).state in job.model.price.refunds:
            wallet = self.wallet_of(job)
            if wallet is not None:
                wallet.refund(job.id)
                self.changes.note("account", job.account)

    async def reset(self, account: str | None) -> int:
        """Forget jobs, journal, money and limits of one account, or of all.

        With all of them go the scenarios that came since the start.
        """
        if account is None:
            known, self.scenario = self._at_start
            self.scenarios = dict(known)
        forgotten = await self.store.clear(account)
        entries, accounts = self.journal.clear(account), self.accounts.clear(account)
        self.uploads.clear(account)
        self.inboxes.clear(account)
        await self.announcer.clear(account)
        self.changes.note("reset", account or "")
        await let_go(entries, accounts)
        return forgotten

    def trace(self) -> str:
        """Return a UUID for an error that carries one."""
        self._traces += 1
        digest = hashlib.blake2b(f"{self.settings.seed}\0{self._traces}".encode(), digest_size=16).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"
