"""Where jobs are kept. A job is put once and then only read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from understudy_mock.domain.job import LARGE, Job
from understudy_mock.gateway.turns import in_turns, let_go

KEPT_INPUTS = 256 * 1024 * 1024
"""Bytes kept of the inputs of jobs that weigh `LARGE` and more; smaller ones are bounded by their number.

When there are more, the oldest finished one of these jobs goes first, then the oldest unfinished one: large
inputs never push out small ones.
"""

_SLACK = 1000
"""Entries beyond twice the jobs kept that are worth no clean-up."""

_LOOKED_AT = 8
"""Jobs that a put notices to have ended: more than it forgets, and not all that ended since the last one."""


class Store(Protocol):
    """Everything about jobs that changes. Instants are ms since the epoch."""

    async def put(self, job: Job, now: int) -> list[Job]:
        """Keep a new job and return the jobs that were forgotten for it."""

    def shared(self, asked: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return a job's input with parts that are kept already in the place of equal ones."""

    async def get(self, job_id: str) -> Job | None:
        """Find a job."""

    async def replace(self, job: Job) -> None:
        """Put a job that has ended by hand in the place of the one with its id."""

    async def age(self, job: Job, now: int) -> int:
        """Return how old the job is, in ms of its timeline."""

    async def step_on(self, job: Job) -> None:
        """Move a job that polls move to the next instant of its timeline."""

    async def count(self, job_id: str, surface: str) -> int:
        """Return which call (from 0) to this surface of the job comes next."""

    async def counted(self, job_id: str, surface: str) -> None:
        """Count a call to a surface of the job."""

    async def clear(self, account: str | None) -> int:
        """Forget the jobs of an account, or all, and return how many there were."""

    def of_account(self, account: str) -> Iterator[Job]:
        """Iterate over the jobs of an account as they are now, newest first."""

    def by_account(self) -> dict[str, int]:
        """Return how many jobs each account has, without those that have none."""

    def __iter__(self) -> Iterator[Job]:
        """Iterate over the jobs as they are now, newest first."""

    def __len__(self) -> int:
        """Return how many jobs are kept."""


class _Inputs:
    """The large inputs of jobs, in bytes. A part that several jobs have is kept, and counted, once."""

    def __init__(self) -> None:
        self.held = 0
        self._parts: dict[bytes, list[Any]] = {}
        """Each large part, and how many jobs have it: [part, jobs]."""

    def shared(self, asked: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Put known parts in the place of equal ones."""
        return tuple(self._parts[part][0] if part in self._parts else part for part in asked)

    def add(self, job: Job) -> None:
        """Count what a job holds."""
        self.held += job.weight
        for part in job.asked:
            if len(part) >= LARGE:
                kept = self._parts.setdefault(part, [part, 0])
                kept[1] += 1
                if kept[1] > 1:
                    self.held -= len(part)

    def drop(self, job: Job) -> None:
        """Count what a job holds no longer."""
        self.held -= job.weight
        for part in job.asked:
            if len(part) >= LARGE:
                kept = self._parts[part]
                kept[1] -= 1
                if kept[1]:
                    self.held += len(part)
                else:
                    del self._parts[part]


class _Leaving:
    """The order in which jobs are forgotten: the oldest finished first, then the oldest unfinished."""

    def __init__(self, jobs: dict[str, Job]) -> None:
        self._jobs = jobs
        self._arrived: deque[str] = deque()
        """All jobs, oldest first, and some that are forgotten already.

        The jobs themselves have this order, too; but to find the first key of a dict whose first keys were
        deleted, Python walks over all the gaps.
        """
        self._ending: list[tuple[int, str]] = []
        self._finished: deque[str] = deque()

    @property
    def planned(self) -> list[tuple[int, str]]:
        """The instants at which jobs end, and those jobs: to be let go of with them."""
        return self._ending

    def arrive(self, job: Job) -> None:
        """Note a new job, and when it ends."""
        self._arrived.append(job.id)
        if len(self._arrived) > 2 * len(self._jobs) + _SLACK:
            self._arrived = deque(job_id for job_id in self._arrived if job_id in self._jobs)
        self.plan(job)

    def plan(self, job: Job) -> None:
        """Note when a job ends, where time ends it."""
        end = job.timeline.end
        if end is not None and not job.by_polls:
            heappush(self._ending, (job.created + end.at, job.id))
            if len(self._ending) > 2 * len(self._jobs) + _SLACK:
                # Jobs forgotten before their end are still on the list; now they go.
                self._ending = [entry for entry in self._ending if entry[1] in self._jobs]
                heapify(self._ending)

    def finish(self, job_id: str) -> None:
        """Note that a job has ended."""
        self._finished.append(job_id)
        if len(self._finished) > 2 * len(self._jobs) + _SLACK:
            self._finished = deque(job_id for job_id in self._finished if job_id in self._jobs)

    def first(self, now: int) -> str:
        """Return the id of the job that goes first; there is at least one."""
        while True:
            for _ in range(_LOOKED_AT):
                if self._ending and self._ending[0][0] <= now:
                    self._finished.append(heappop(self._ending)[1])
            job_id = (self._finished or self._arrived).popleft()
            if job_id in self._jobs:
                return job_id


class MemoryStore(Store):
    """Jobs in this process, at most `keep`, and `keep_inputs` bytes of large inputs.

    The oldest finished jobs go first, then the oldest unfinished.
    """

    def __init__(self, keep: int, keep_inputs: int = KEPT_INPUTS) -> None:
        self._keep = max(1, keep)
        self._keep_inputs = keep_inputs
        self._empty()

    def _empty(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._large: dict[str, Job] = {}
        self._of_account: dict[str, dict[str, Job]] = {}
        self._inputs = _Inputs()
        self._leaving = _Leaving(self._jobs)
        self._leaving_large = _Leaving(self._large)
        self._cursors: dict[str, int] = {}
        self._counts: dict[tuple[str, str], int] = {}

    async def put(self, job: Job, now: int) -> list[Job]:
        self._jobs[job.id] = job
        self._leaving.arrive(job)
        self._of_account.setdefault(job.account, {})[job.id] = job
        if job.weight >= LARGE:
            self._large[job.id] = job
            self._leaving_large.arrive(job)
            self._inputs.add(job)
        if len(self._jobs) > self._keep or self._inputs.held > self._keep_inputs:
            return self._trim(now)
        return []

    def shared(self, asked: tuple[bytes, ...]) -> tuple[bytes, ...]:
        return self._inputs.shared(asked)

    @property
    def held(self) -> int:
        """Bytes of large inputs kept now."""
        return self._inputs.held

    async def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    async def replace(self, job: Job) -> None:
        if job.id not in self._jobs:
            return
        self._jobs[job.id] = self._of_account[job.account][job.id] = job
        leaving = [self._leaving]
        if job.id in self._large:
            self._large[job.id] = job
            leaving.append(self._leaving_large)
        for order in leaving:
            if job.timeline.end is not None and not job.by_polls:
                order.plan(job)
            else:
                order.finish(job.id)

    async def age(self, job: Job, now: int) -> int:
        return self._cursors.get(job.id, 0) if job.by_polls else now - job.created

    async def step_on(self, job: Job) -> None:
        following = job.timeline.after(self._cursors.get(job.id, 0))
        if following is not None:
            self._cursors[job.id] = following
            end = job.timeline.end
            if end is not None and following >= end.at:
                self._leaving.finish(job.id)
                if job.id in self._large:
                    self._leaving_large.finish(job.id)

    async def count(self, job_id: str, surface: str) -> int:
        return self._counts.get((job_id, surface), 0)

    async def counted(self, job_id: str, surface: str) -> None:
        self._counts[job_id, surface] = self._counts.get((job_id, surface), 0) + 1

    async def clear(self, account: str | None) -> int:
        if account is not None:
            gone = list(self._of_account.get(account, {}).values())
            forgotten = len(gone)
            async for job in in_turns(gone):
                if job.id in self._jobs:  # it may have made room for others meanwhile
                    self._forget(job.id)
            await let_go(gone)
            return forgotten
        gone = list(self._jobs.values())
        planned = [*self._leaving.planned, *self._leaving_large.planned]
        forgotten = len(gone)
        self._empty()
        await let_go(gone, planned)
        return forgotten

    def of_account(self, account: str) -> Iterator[Job]:
        return reversed(list(self._of_account.get(account, {}).values()))

    def by_account(self) -> dict[str, int]:
        return {account: len(jobs) for account, jobs in self._of_account.items()}

    def __iter__(self) -> Iterator[Job]:
        return reversed(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def _trim(self, now: int) -> list[Job]:
        forgotten = []
        while len(self._jobs) > self._keep:
            forgotten.append(self._forget(self._leaving.first(now)))
        while self._inputs.held > self._keep_inputs:
            forgotten.append(self._forget(self._leaving_large.first(now)))
        return forgotten

    def _forget(self, job_id: str) -> Job:
        self._cursors.pop(job_id, None)
        for surface in ("poll", "media"):
            self._counts.pop((job_id, surface), None)
        large = self._large.pop(job_id, None)
        if large is not None:
            self._inputs.drop(large)
        job = self._jobs.pop(job_id)
        mine = self._of_account[job.account]
        del mine[job_id]
        if not mine:
            del self._of_account[job.account]
        return job
