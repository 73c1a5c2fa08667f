"""The feed: what has changed, in short rows, for a page that asks again and for programs that listen.

A row shows its job, call, delivery or account as it is when the row is read. Instants are ms since the epoch
by the gateway's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from understudy_mock.domain.clock import first_of
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.changes import Change, Changed, Kind
from understudy_mock.gateway.inbox import Inbox
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.har.write import known_keys
from understudy_mock.redaction import Redactor
from understudy_mock.web.admin.accounts import describe_account
from understudy_mock.web.admin.answers import encode, stream
from understudy_mock.web.admin.asking import AdminError, number_of, page_size
from understudy_mock.web.admin.inbox import describe
from understudy_mock.web.protocol import connection_of
from understudy_mock.webhooks import Sender

MOST_FOLLOWERS = 16
"""Streams of changes that are open at a time."""

_PAGE = 500
_PIECE = 64 * 1024
"""Bytes of rows that are sent at a time."""

_PAUSE = 0.05
"""Real seconds between two looks of a follower: what happens meanwhile is one look."""

_CLEANERS = 64
"""Cleaners kept for keys that only their own rows are about."""

_TURN = 0.0003
"""Real seconds of work on rows until others have their turn: open pages ask for them all the time."""

_CALLS = 2_000
"""Rows of calls that are kept."""

_LONGEST_TEXT = 500
"""Characters of an error in a row."""

_TEXTS = 5
"""Warnings in a row."""

Row = dict[str, Any]


class Feed:
    """What the admin API says of changes."""

    def __init__(self, world: World, sender: Sender) -> None:
        self._world = world
        self._sender = sender
        self.followers = 0
        self._cleaners = _Cleaners([])
        self._calls: dict[int, bytes] = {}
        """Rows of calls, by number: what is shown of a call never changes, and each open page asks for it."""
        self._kinds: Mapping[Kind, Callable[[str | int, _Cleaners], Awaitable[Row | None]]] = {
            "job": self._job,
            "call": self._call,
            "delivery": self._delivery,
            "account": self._account,
            "server": self._server,
            "clock": _nothing_more,
            "reset": _reset,
            "inbox": self._inbox,
        }

    async def listing(self, request: Request) -> Response:
        """Show what has changed since the last answer's `next`."""
        since, limit = number_of(request, "since", "the `next` of an answer"), page_size(request, _PAGE)
        if request.query_params.get("follow", "") not in ("", "0"):
            if self.followers >= MOST_FOLLOWERS:
                raise AdminError(503, f"{MOST_FOLLOWERS} programs follow the changes already", "follow")
            return _Following(self, self.follow(since, limit))
        read = await self._world.changes.since(since, limit)
        settings = self._world.settings
        head = {
            "run": self._world.changes.run,
            "now": self._world.clock.now(),
            "speed": settings.speed,
            "pace": settings.pace,
            "next": read.next,
            "gone": read.gone,
        }
        if since > read.next:
            read = await self._world.changes.since(0, limit)
            head |= {"restarted": True, "next": read.next}
        return stream({**head, "changes": []}, self._rows(read))

    async def follow(self, since: int, limit: int) -> AsyncIterator[bytes]:
        """Give the rows from number `since` on as lines, for ever."""
        changes = self._world.changes
        while True:
            read = await changes.since(since, limit)
            if since > read.next:
                since = 0
                continue
            lines = [encode({"kind": "gone", "gone": read.gone})] if since < read.gone else []
            size = 0
            async for row in self._rows(read):
                lines.append(row)
                size += len(row)
                if size > _PIECE:
                    yield b"\n".join([*lines, b""])
                    lines, size = [], 0
            if lines:
                yield b"\n".join([*lines, b""])
            since = read.next
            if not read.changes:
                await changes.after(since)
                await asyncio.sleep(_PAUSE)

    async def _rows(self, read: Changed) -> AsyncIterator[bytes]:
        """Write some changes; of those with one name, which would show the same, the last."""
        last = {(change.kind, change.name): change.n for change in read.changes}
        if (keys := known_keys(self._world)) != self._cleaners.keys:
            self._cleaners = _Cleaners(keys)  # to make one takes as long as some rows
            self._calls.clear()
        cleaners = self._cleaners
        async for change in in_turns(read.changes, _TURN):
            if last[change.kind, change.name] != change.n:
                continue
            row = self._calls.get(change.n)
            if row is None:
                row = await self._row(change, cleaners)
                if row is not None and change.kind == "call" and cleaners is self._cleaners:
                    if len(self._calls) >= _CALLS:
                        del self._calls[next(iter(self._calls))]
                    self._calls[change.n] = row
            if row is not None:
                yield row

    async def _row(self, change: Change, cleaners: _Cleaners) -> bytes | None:
        """Write a change; None where nothing is left to show of it."""
        row = await self._kinds[change.kind](change.name, cleaners)
        if row is None:
            return None
        filled = {name: value for name, value in row.items() if value not in (None, "", [], ())}
        return encode({"n": change.n, "kind": change.kind, **filled})

    async def _job(self, name: str | int, cleaners: _Cleaners) -> Row | None:
        job = await self._world.store.get(str(name))
        if job is None:
            return {"id": name, "gone": True}
        end = job.timeline.end
        row: Row = {
            "id": job.id,
            "account": job.account,
            "provider": job.model.provider,
            "model": job.model.id,
            "scenario": job.scenario.name if job.scenario is not None else None,
            "created": job.created,
            "steps": [[step.at, step.state] for step in job.timeline.steps],
            "price": usd(job.price),
            "files": job.outputs if end is not None and end.state is State.COMPLETED else None,
        }
        if job.by_polls:
            row |= {"by": "polls", "at": await self._world.store.age(job, self._world.clock.now())}
        if job.timeline.error:
            row["error"] = cleaners.general.text(job.timeline.error[:_LONGEST_TEXT])
        return row

    async def _call(self, name: str | int, cleaners: _Cleaners) -> Row | None:
        entry = self._world.journal.get(int(name))
        if entry is None:
            return None
        clean = cleaners.of(entry.key)
        # The id of a job, which may look like a key, is in the address of a call about it.
        shown = clean.url if entry.job else clean.suspicious_url
        return {
            "call": entry.number,
            "at": entry.at,
            "ms": round(entry.duration, 1),
            "method": entry.method,
            "path": shown(entry.url[:_LONGEST_TEXT]),
            "operation": entry.operation,
            "provider": entry.provider,
            "status": entry.status,
            "job": entry.job,
            "account": entry.account,
            "scenario": entry.scenario,
            "fault": entry.fault,
            "error": clean.text(entry.error),
            "why": clean.text(entry.why),
            "warnings": [clean.text(warning[:_LONGEST_TEXT]) for warning in entry.warnings[:_TEXTS]],
        }

    async def _delivery(self, name: str | int, cleaners: _Cleaners) -> Row | None:
        delivery = self._sender.find(str(name))
        if delivery is None:
            return None
        account = self._world.accounts.named(delivery.job.account)
        clean = cleaners.of(account.key if account is not None else "")
        row: Row = {
            "id": delivery.id,
            "job": delivery.job.id,
            "account": delivery.job.account,
            "event": delivery.callback.event,
            "url": clean.suspicious_url(delivery.url[:_LONGEST_TEXT]),
            "state": delivery.state,
            "due": delivery.due,
            "attempts": len(delivery.attempts) or None,
        }
        if delivery.attempts:
            last = delivery.attempts[-1]
            row |= {
                "status": last.status,
                "ms": round(last.latency, 1),
                "error": clean.text(last.error),
                "call": last.call or None,
            }
        return row

    async def _account(self, name: str | int, cleaners: _Cleaners) -> Row | None:
        account = self._world.accounts.named(str(name))
        return describe_account(self._world, account) if account is not None else None

    async def _server(self, name: str | int, cleaners: _Cleaners) -> Row | None:
        scenario = self._world.scenario
        return {"scenario": scenario.name if scenario is not None else None}

    async def _inbox(self, name: str | int, cleaners: _Cleaners) -> Row | None:
        return describe(self._world.inboxes.find(str(name)) or Inbox(str(name)))


async def _nothing_more(name: str | int, cleaners: _Cleaners) -> Row | None:
    return {}


async def _reset(name: str | int, cleaners: _Cleaners) -> Row | None:
    return {"account": name}


class _Cleaners:
    """What takes secrets out of rows, one for each key that rows are about."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.general = Redactor(keys)
        self._own: dict[str, Redactor] = {}

    def of(self, key: str) -> Redactor:
        """Return the one for a call with this key."""
        if key in self.keys or not key:
            return self.general
        own = self._own.get(key)
        if own is None:
            if len(self._own) >= _CLEANERS:
                self._own.clear()
            own = self._own[key] = Redactor([key, *self.keys])
        return own


class _Following(Response):
    """Lines as they come, until the caller leaves or the server ends."""

    def __init__(self, feed: Feed, lines: AsyncIterator[bytes]) -> None:
        super().__init__(media_type="application/x-ndjson", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._feed = feed
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send lines, each when the one before has left: a slow reader skips what is dropped meanwhile."""

        async def send_all() -> None:
            async for lines in self._lines:
                await send({"type": "http.response.body", "body": lines, "more_body": True})

        async def leave() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        connection = connection_of(scope)
        ends = [connection.ending.wait()] if connection is not None else []
        sending = asyncio.ensure_future(send_all())
        self._feed.followers += 1
        try:
            await first_of(sending, leave(), *ends)
        finally:
            self._feed.followers -= 1
        if sending.done():
            sending.result()  # it sends for ever: this raises what went wrong
        await send({"type": "http.response.body", "body": b"", "more_body": False})
