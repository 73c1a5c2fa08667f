"""Where jobs are kept. Jobs are put once and read; a store on another machine would fit behind `Store`."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Protocol

from understudy_mock.domain.job import Job
from understudy_mock.gateway.turns import in_turns, let_go

_SLACK = 1000
"""Entries beyond twice the jobs kept that are worth no clean-up."""

_LOOKED_AT = 8
"""Jobs that a put notices to have ended: more than it forgets, and not all that ended since the last one."""


class Store(Protocol):
    """Everything about jobs that changes. Instants are ms since the epoch."""

    async def put(self, job: Job, now: int) -> list[Job]:
        """Keep a new job and tell which ones were forgotten for it."""

    async def get(self, job_id: str) -> Job | None:
        """Find a job."""

    async def replace(self, job: Job) -> None:
        """Put a job that has ended by hand in the place of the one with its id."""

    async def age(self, job: Job, now: int) -> int:
        """Tell how old the job is, in ms of its timeline."""

    async def step_on(self, job: Job) -> None:
        """Move a job that polls move to the next instant of its timeline."""

    async def count(self, job_id: str, surface: str) -> int:
        """Tell which call (from 0) to this surface of the job comes next."""

    async def counted(self, job_id: str, surface: str) -> None:
        """Count a call to a surface of the job."""

    async def clear(self, account: str | None) -> int:
        """Forget the jobs of an account, or all, and tell how many they were."""

    def of_account(self, account: str) -> Iterator[Job]:
        """Walk the jobs of an account as they are now, newest first."""

    def __iter__(self) -> Iterator[Job]:
        """Walk the jobs as they are now, newest first."""

    def __len__(self) -> int:
        """Tell how many jobs are kept."""


class MemoryStore:
    """Jobs in this process, at most `keep`: the oldest finished go first, then the oldest unfinished."""

    def __init__(self, keep: int) -> None:
        self._keep = max(1, keep)
        # Not a dict: finding the first key of one whose first keys were deleted walks over all the gaps.
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._of_account: dict[str, dict[str, Job]] = {}
        self._ending: list[tuple[int, str]] = []
        self._finished: deque[str] = deque()
        self._cursors: dict[str, int] = {}
        self._counts: dict[tuple[str, str], int] = {}

    async def put(self, job: Job, now: int) -> list[Job]:
        """Keep a new job and tell which ones were forgotten for it."""
        self._jobs[job.id] = job
        self._of_account.setdefault(job.account, {})[job.id] = job
        end = job.timeline.end
        if end is not None and not job.by_polls:
            heappush(self._ending, (job.created + end.at, job.id))
            if len(self._ending) > 2 * self._keep + _SLACK:
                # Jobs forgotten before their end are still on the list; now they go.
                self._ending = [entry for entry in self._ending if entry[1] in self._jobs]
                heapify(self._ending)
        return self._trim(now) if len(self._jobs) > self._keep else []

    async def get(self, job_id: str) -> Job | None:
        """Find a job."""
        return self._jobs.get(job_id)

    async def replace(self, job: Job) -> None:
        """Put a job that has ended by hand in the place of the one with its id."""
        if job.id in self._jobs:
            self._jobs[job.id] = self._of_account[job.account][job.id] = job
            end = job.timeline.end
            if end is not None and not job.by_polls:
                heappush(self._ending, (job.created + end.at, job.id))
            else:
                self._finished.append(job.id)

    async def age(self, job: Job, now: int) -> int:
        """Tell how old the job is, in ms of its timeline."""
        return self._cursors.get(job.id, 0) if job.by_polls else now - job.created

    async def step_on(self, job: Job) -> None:
        """Move a job that polls move to the next instant of its timeline."""
        following = job.timeline.after(self._cursors.get(job.id, 0))
        if following is not None:
            self._cursors[job.id] = following
            end = job.timeline.end
            if end is not None and following >= end.at:
                self._finished.append(job.id)

    async def count(self, job_id: str, surface: str) -> int:
        """Tell which call (from 0) to this surface of the job comes next."""
        return self._counts.get((job_id, surface), 0)

    async def counted(self, job_id: str, surface: str) -> None:
        """Count a call to a surface of the job."""
        self._counts[job_id, surface] = self._counts.get((job_id, surface), 0) + 1

    async def clear(self, account: str | None) -> int:
        """Forget the jobs of an account, or all, and tell how many they were."""
        if account is not None:
            gone = list(self._of_account.get(account, {}).values())
            forgotten = len(gone)
            async for job in in_turns(gone):
                self._forget(job.id)
            await let_go(gone)
            return forgotten
        gone, ending = list(self._jobs.values()), self._ending
        forgotten = len(gone)
        self._jobs, self._of_account = OrderedDict(), {}
        self._ending, self._finished = [], deque()
        self._cursors, self._counts = {}, {}
        await let_go(gone, ending)
        return forgotten

    def of_account(self, account: str) -> Iterator[Job]:
        """Walk the jobs of an account as they are now, newest first."""
        return reversed(list(self._of_account.get(account, {}).values()))

    def __iter__(self) -> Iterator[Job]:
        """Walk the jobs as they are now, newest first."""
        return reversed(list(self._jobs.values()))

    def __len__(self) -> int:
        """Tell how many jobs are kept."""
        return len(self._jobs)

    def _trim(self, now: int) -> list[Job]:
        forgotten = []
        while len(self._jobs) > self._keep:
            for _ in range(_LOOKED_AT):
                if self._ending and self._ending[0][0] <= now:
                    self._finished.append(heappop(self._ending)[1])
            oldest = self._finished.popleft() if self._finished else next(iter(self._jobs))
            job = self._forget(oldest)
            if job is not None:
                forgotten.append(job)
        return forgotten

    def _forget(self, job_id: str) -> Job | None:
        self._cursors.pop(job_id, None)
        for surface in ("poll", "media"):
            self._counts.pop((job_id, surface), None)
        job = self._jobs.pop(job_id, None)
        if job is not None:
            mine = self._of_account[job.account]
            del mine[job_id]
            if not mine:
                del self._of_account[job.account]
        return job
