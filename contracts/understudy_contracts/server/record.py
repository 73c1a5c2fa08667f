"""The calls of a check as journal entries, like those that the gateway keeps."""

from __future__ import annotations

from collections.abc import Iterable

from understudy_contracts.server.spec import Api
from understudy_contracts.server.wire import Exchange
from understudy_mock.gateway.journal import JournalEntry, cut

_MOST = 500


def record(exchanges: Iterable[Exchange], api: Api, base_url: str, key: str) -> tuple[JournalEntry, ...]:
    """Return the first 500 exchanges as a journal; whoever writes a journal takes `key` out."""
    calls = [one for one in exchanges if one.url.startswith(base_url) and "/_mock/" not in one.url]
    return tuple(_entry(number, one, api, base_url, key) for number, one in enumerate(calls[:_MOST], 1))


def _entry(number: int, one: Exchange, api: Api, base_url: str, key: str) -> JournalEntry:
    path = one.url.removeprefix(base_url)
    operation = api.operation_of(one.method, path)
    is_text = one.kind.startswith(("application/json", "text/"))  # as the gateway: no part of a file is kept
    return JournalEntry(
        number=number,
        at=one.at,
        duration=one.took,
        key=key,
        provider=api.provider,
        operation=operation.id if operation is not None else "",
        method=one.method,
        url=one.url,
        request_headers=_headers(one.headers.items()),
        request_body=cut(one.body),
        request_size=len(one.body),
        status=one.status,
        response_headers=_headers(one.answered.items()),
        response_body=cut(one.content) if is_text else b"",
        response_size=len(one.content),
    )


def _headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers
    ]
