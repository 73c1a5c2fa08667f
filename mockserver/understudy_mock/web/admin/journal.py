"""The journal: what went in and out, as HAR."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import encode, json_of, stream
from understudy_mock.web.admin.asking import (
    AdminError,
    account_name_in,
    number_in_path,
    number_of,
    page_size,
)

_STATUS = re.compile(r"0|[1-5](xx|[0-9]{2})")

HarWriter = Callable[[Iterable[JournalEntry]], tuple[dict[str, Any], Iterator[dict[str, Any]]]]
"""Writes a HAR document that has no entries yet, and its entries one by one, their secrets removed."""


class Journal:
    """What the admin API says of the journal."""

    def __init__(self, world: World, write_har: HarWriter) -> None:
        self._world = world
        self._write_har = write_har

    async def listing(self, request: Request) -> Response:
        """List entries, oldest first."""
        limit = page_size(request)
        entries = await self._entries(request)
        page = entries[:limit]
        following = page[-1].number + 1 if len(entries) > limit else None
        _, made = self._write_har(page)

        async def parts() -> AsyncIterator[bytes]:
            async for entry, written in in_turns(zip(page, made, strict=True)):
                yield encode({"id": entry.number, **written})

        return stream({"entries": []}, parts(), {"next": following})

    async def one(self, request: Request) -> Response:
        """Show one entry."""
        number = number_in_path(request, "number")
        entry = self._world.journal.get(number) if number is not None else None
        if entry is None:
            raise AdminError(404, "there is no such entry, or it is not kept any more")
        _, made = self._write_har([entry])
        return json_of({"id": entry.number, **next(made)})

    async def har(self, request: Request) -> Response:
        """Show entries as a HAR document."""
        document, made = self._write_har(await self._entries(request))

        async def parts() -> AsyncIterator[bytes]:
            async for written in in_turns(made):
                yield encode(written)

        return stream(document, parts())

    async def _entries(self, request: Request) -> list[JournalEntry]:
        wanted = request.query_params
        account = account_name_in(self._world, request)
        since = number_of(request, "since", "the id of an entry")
        operation, job = wanted.get("operation"), wanted.get("job")
        status = _statuses(wanted.get("status"))
        text = wanted.get("text", "").lower()
        return [
            entry
            async for entry in in_turns(self._world.journal.since(since))
            if account in (None, entry.account)
            and operation in (None, entry.operation)
            and job in (None, entry.job)
            and entry.status in status
            and (not text or _holds(entry, text, text.encode("utf-8", "replace")))
        ]


def _statuses(wanted: str | None) -> range:
    """Return the statuses that `404`, or `4xx`, means; all for None. 0 is no answer. Raises AdminError."""
    if wanted is None:
        return range(1000)
    if not _STATUS.fullmatch(wanted):
        raise AdminError(400, "must be an HTTP status, as in 404 or 4xx", "status")
    if wanted.endswith("xx"):
        return range(int(wanted[0]) * 100, int(wanted[0]) * 100 + 100)
    return range(int(wanted), int(wanted) + 1)


def _holds(entry: JournalEntry, text: str, octets: bytes) -> bool:
    """Return whether an address, a body or a remark of an entry has a text, whatever its case."""
    remarks = (entry.url, entry.job, entry.operation, entry.error, entry.why, *entry.warnings)
    if any(text in remark.lower() for remark in remarks):
        return True
    return octets in entry.request_body.lower() or octets in entry.response_body.lower()
