"""The world that plays a recording: it answers calls in the gateway's place, and words its callbacks.

Read `decide` first. Bodies are the recorded ones; only for a moment that the recording does not show, the
provider's wording fills in. Nothing here can reach a provider: only what sends callbacks connects anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.webhook import Callback
from understudy_mock.gateway import lookups
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.body import read_body
from understudy_mock.gateway.keys import authenticate
from understudy_mock.replay import callbacks, files
from understudy_mock.replay.jobs import lookup_key
from understudy_mock.replay.miss import explain
from understudy_mock.replay.polls import poll
from understudy_mock.replay.submits import submit
from understudy_mock.replay.wording import recorded_answer
from understudy_mock.replay.world import ReplayWorld
from understudy_mock.web.routes import Found

_CHOICE = re.compile(r"\s*(?:code|scenario)\s*=")
_IN_A_PROMPT = b"[scenario:"


class Replay(ReplayWorld):
    """The world of one replay, as the web and the sender of callbacks use it."""

    async def decide(self, found: Found, call: Call) -> Answer:
        """Answer a call from the recording. Raises Refusal where the rules of keys and addresses say so."""
        if (file := await files.fetch(self, call)) is not None:
            return file
        operation = found.operation
        if operation is None or operation.role == "keep":
            return await self._look_up(operation, found, call, None)
        account = authenticate(self, operation.credentials, call)
        _warn_of_choices(call)
        if call.oversize:
            raise Refusal(CallError.BODY_TOO_LARGE)
        match operation.role:
            case "submit":
                return await submit(self, operation, found, call, account)
            case "status" | "result":
                job = await self.store.get(_job_id(operation, call))
                if job is None:
                    return await self._look_up(None, found, call, account)
                return await poll(self, operation, call, account, job)
            case "secret":
                return await lookups.secret(self, operation, call)  # callbacks are signed anew
            case _:
                return await self._look_up(operation, found, call, account)

    async def _look_up(
        self, operation: Operation | None, found: Found, call: Call, account: Account | None
    ) -> Answer:
        """Answer a call that is about no job here as the recording did, in its order."""
        name = self.recorded.call_name(operation) if operation is not None else ""
        query = call.query.decode("latin-1")
        path = self.jobs.with_recorded_names(call.path.encode("latin-1", "replace")).decode("latin-1")
        url = f"{path}?{query}" if query else path
        body = self.jobs.with_recorded_names(call.body)
        key = lookup_key(operation, name, call.method, url, body, self.hosts(call))
        entries = self.recorded.lookups.get(key)
        if entries is None:
            about = found.operation
            text = explain(self.recorded, about, call, None, call.body, found.provider)
            is_poll = about is not None and about.role in ("status", "result")
            return self.miss(found, call, text, Condition.NOT_FOUND if is_poll else None)
        if account is not None:
            nth = account.nth(hash(key))
        else:
            nth = self.counts[key]
            self.counts[key] += 1
        entry = entries[min(nth, len(entries) - 1)]
        await self.take_as_long(entry)
        return recorded_answer(self, entry, call, account.name if account is not None else "")

    def callbacks(self, job: Job) -> Iterator[Callback]:
        """Walk the callbacks of a job, in the order in which they are sent."""
        return callbacks.plan(self, job)

    async def word(self, job: Job, callback: Callback) -> bytes:
        """Return the body of a callback."""
        return await callbacks.word(self, job, callback)


def _job_id(operation: Operation, call: Call) -> str:
    job_id = call.params.get(operation.job)
    if job_id is None:
        job_id = read_body(operation, call).get(operation.job)
    return job_id if isinstance(job_id, str) else ""


def _warn_of_choices(call: Call) -> None:
    """Note in the journal what would choose a scenario from a gateway, and does nothing here."""
    wishes = call.headers.get(b"prefer", b"").decode("latin-1").lower()
    chosen = [f"Prefer: {wish.strip()}" for wish in wishes.split(",") if _CHOICE.match(wish)]
    if call.key.startswith("scenario:"):
        chosen.append("a key of the form scenario:NAME")
    if _IN_A_PROMPT in call.body:
        chosen.append("a prompt with [scenario:NAME]")
    call.warnings += [
        f"{choice} is ignored: a replay takes its course from the recording" for choice in chosen
    ]
