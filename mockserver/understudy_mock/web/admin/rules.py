"""What clients did wrong: rules that they broke until now, and conversations with the broken rules in them.

The journal of each account is judged anew when something was added to it, in a thread, one after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.judging import Broken, Judge
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.admin.asking import AdminError, account_name_in
from understudy_mock.web.admin.jobs import find_job

MOST_JUDGED = 2_000
"""Entries of one account that are judged together: the latest. A thousand take about a tenth of a second."""

_PATIENCE = 0.25
"""Real seconds that an answer waits for the judge: for a short journal it is done by then."""

_REST = 4
"""How many times longer than it worked the judge rests: threads that work take time from the loop's."""

_thread = ThreadPoolExecutor(1, "rules")


class _Judged(NamedTuple):
    """What was found in some entries of one account: in `number` of them, from `first` to `last`."""

    first: int
    last: int
    number: int
    changes: int
    broken: list[Broken]


class Rules:
    """What the admin API says of rules."""

    def __init__(self, world: World, open_judge: Callable[[], Judge | None]) -> None:
        self._world = world
        self._open_judge = open_judge
        self._judge: Judge | None = None
        self._judged: dict[str, _Judged] = {}
        """By account."""
        self._state = self._now()
        self._round: asyncio.Task[None] | None = None
        self._rests_until = 0.0

    async def findings(self, request: Request) -> Response:
        """List the rules that were broken, as far as the journal still shows it."""
        judge = await self._given()
        account = account_name_in(self._world, request)
        if self._round is None and self._state != self._now() and perf_counter() >= self._rests_until:
            self._round = asyncio.get_running_loop().create_task(self._judge_all(judge))
        if self._round is not None:
            await asyncio.wait({self._round}, timeout=_PATIENCE)
        judged = {name: found for name, found in self._judged.items() if account in (None, name)}
        return json_of(
            {
                "calls": sum(found.number for found in judged.values()),
                "findings": [
                    self._describe(name, broken) for name, found in judged.items() for broken in found.broken
                ],
                "judging": self._state != self._now(),
            }
        )

    async def conversation(self, request: Request) -> Response:
        """Tell what was said about one job."""
        judge = await self._given()
        job = await find_job(self._world, request)
        entries: list[JournalEntry] = []
        async for entry in in_turns(self._world.journal.since(0)):
            if entry.job == job.id or (entries and entry.account == job.account):
                entries.append(entry)
        entries = entries[:MOST_JUDGED]
        own = [entry for entry in entries if entry.job == job.id]
        numbers = {entry.number for entry in own}
        broken = await self._judge_entries(judge, entries)
        about = [one for one in broken if numbers.intersection(one.calls)]
        told = await asyncio.get_running_loop().run_in_executor(_thread, judge.tell, own, about)
        return json_of(told)

    async def _given(self) -> Judge:
        if self._judge is None:  # in the thread, since it may have much to import
            loop = asyncio.get_running_loop()
            self._judge = await loop.run_in_executor(_thread, self._open_judge)
        if self._judge is None:
            raise AdminError(501, "this needs the rules, which are in the package understudy_contracts")
        return self._judge

    def _now(self) -> tuple[int, int, int]:
        """Return what is another whenever there is something new to judge."""
        journal = self._world.journal
        return journal.next_number, len(journal), len(journal.marks)

    async def _judge_all(self, judge: Judge) -> None:
        """Judge the accounts that something was added to."""
        began, state, judged = perf_counter(), self._now(), {}
        accounts: dict[str, list[JournalEntry]] = {}
        try:
            async for entry in in_turns(self._world.journal.since(0)):
                accounts.setdefault(entry.account, []).append(entry)
            async for name, entries in in_turns(accounts.items()):
                latest = entries[-MOST_JUDGED:]
                own = (latest[0].number, latest[-1].number, len(latest), state[2])
                known = self._judged.get(name)
                if known is None or known[:-1] != own:
                    known = _Judged(*own, await self._judge_entries(judge, latest))
                judged[name] = known
            self._judged, self._state = judged, state
        finally:
            self._round = None
            self._rests_until = perf_counter() + _REST * (perf_counter() - began)

    async def _judge_entries(self, judge: Judge, entries: Sequence[JournalEntry]) -> list[Broken]:
        kept: dict[str, bool] = {}
        async for job_id in in_turns({entry.job for entry in entries if entry.job}):
            job = await self._world.store.get(job_id)
            if job is not None:
                kept[job_id] = not job.refunded
        changes = tuple(self._world.journal.marks)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_thread, judge.judge, entries, kept, changes)

    def _describe(self, account: str, broken: Broken) -> dict[str, Any]:
        proofs = [self._world.journal.get(number) for number in broken.calls]
        return {
            "rule": broken.rule,
            "severity": broken.severity,
            "summary": broken.seen,
            "text": "\n".join(broken.evidence),
            "advice": broken.advice,
            "source": broken.source,
            "account": account,
            "job": next((entry.job for entry in reversed(proofs) if entry is not None and entry.job), None),
            "calls": broken.calls,
        }
