"""The answers that scenarios force, and refusals of files, which no provider words."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType

from understudy_mock.domain.call import HTML, JSON, TEXT, Answer, json_answer
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal
from understudy_mock.domain.scenario import Entry
from understudy_mock.gateway.world import World
from understudy_mock.wording import Place, Wording

_DATE_WAIT = 2
"""Seconds until an HTTP date that a scenario asks for; dates have whole seconds, so up to one more."""

_DEFAULT_WAIT = {Condition.RATE_LIMITED: 1, Condition.QUOTA_EXCEEDED: 1802}
"""Seconds to wait that a forced refusal names where its entry names none (assumed)."""

_CALL_ERRORS = {413: CallError.BODY_TOO_LARGE, 431: CallError.HEADERS_TOO_LARGE}
"""Statuses that are no condition, and that every provider words."""

_OF_FILES: Mapping[Condition | CallError, int] = MappingProxyType(
    {
        Condition.MISSING_KEY: 401,
        Condition.INVALID_KEY: 401,
        Condition.FORBIDDEN: 403,
        Condition.QUOTA_EXCEEDED: 403,
        Condition.RATE_LIMITED: 429,
        Condition.INVALID_REQUEST: 400,
        Condition.INSUFFICIENT_BALANCE: 402,
        Condition.INTERNAL_ERROR: 500,
        Condition.BAD_GATEWAY: 502,
        Condition.UNAVAILABLE: 503,
        Condition.TIMEOUT: 504,
        CallError.WRONG_METHOD: 405,
        CallError.BODY_TOO_LARGE: 413,
        CallError.HEADERS_TOO_LARGE: 431,
    }
)
"""Statuses of refused downloads (assumed); for everything else the file is not there."""


def refuse_file(refusal: Refusal) -> Answer:
    """Return the refusal of a file. Files are on another host, which knows no key and no quota of the API."""
    answer = _plain(_OF_FILES.get(refusal.what, 404))
    if refusal.what is CallError.WRONG_METHOD:
        answer.headers.append((b"allow", ", ".join(refusal.detail.allowed).encode()))
    return answer


def force_file_answer(world: World, entry: Entry) -> Answer:
    """Return the answer to a download that meets an entry: only what the entry says."""
    if entry.condition is not None:
        answer = refuse_file(Refusal(entry.condition))
    else:
        answer = _plain(entry.status or 500)
    _put_body(answer, entry)
    answer.headers += _wait(world, entry)
    return answer


def _plain(status: int) -> Answer:
    if status < 400:
        return Answer(status, b"", [])
    return Answer(status, f"{status} {_phrase(status)}\n".encode(), [TEXT])


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"


def force_answer(
    world: World,
    provider: Wording,
    entry: Entry,
    place: Place,
    quirks: frozenset[str],
    model: str,
    price: int,
) -> Answer:
    """Return the answer that an entry with a condition or a status stands for, as the provider words it."""
    now = world.clock.wall()
    wait = _DEFAULT_WAIT.get(entry.condition) if entry.condition is not None else None
    if isinstance(entry.retry_after, int):
        wait = entry.retry_after
    elif entry.retry_after == "http-date":
        wait = _date(now) - now // 1000
    resets_at = now + (1 if wait is None else wait) * 1000
    detail = Detail(retry_after=wait, resets_at=resets_at, model=model, balance=0, price=price)
    answer = _worded(provider, entry, detail, place, quirks)
    _put_body(answer, entry)
    if entry.retry_after is not None:
        others = [pair for pair in answer.headers if pair[0] != provider.retry_header]
        own = [pair for pair in answer.headers if pair[0] == provider.retry_header]
        answer.headers = others + _retry_header(world, provider, entry, own)
    return answer


def _worded(provider: Wording, entry: Entry, detail: Detail, place: Place, quirks: frozenset[str]) -> Answer:
    condition = entry.condition or provider.conditions.get(entry.status or 0)
    if condition is not None:
        answer = provider.refusal(Refusal(condition, detail), place, quirks)
        answer.status = entry.status or answer.status
        return answer
    status = entry.status or 500
    if (error := _CALL_ERRORS.get(status)) is not None:
        return provider.refusal(Refusal(error, detail), place, quirks)
    if (documented := provider.unconditioned(status)) is not None:
        return documented
    return json_answer(status, {"error": _phrase(status)}) if status >= 400 else Answer(status, b"", [])


def _put_body(answer: Answer, entry: Entry) -> None:
    """Give the answer the body that the entry names, if it names one."""
    if entry.body is not None:
        answer.body = entry.body.encode()
        kind = _type_of(entry.body)
        answer.headers = [kind, *(pair for pair in answer.headers if pair[0] != b"content-type")]


def _retry_header(
    world: World, provider: Wording, entry: Entry, own: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    if entry.retry_after != "none" and provider.retry_header != b"retry-after":
        return own  # it already names an instant
    return _wait(world, entry)


def _wait(world: World, entry: Entry) -> list[tuple[bytes, bytes]]:
    """Return the Retry-After that the entry names, if it names one."""
    if entry.retry_after in (None, "none"):
        return []
    if entry.retry_after == "http-date":
        return [(b"retry-after", formatdate(_date(world.clock.wall()), usegmt=True).encode())]
    return [(b"retry-after", str(entry.retry_after).encode())]


def _date(now: int) -> int:
    """Return the instant that the HTTP date names, in seconds since the epoch."""
    return -(-now // 1000) + _DATE_WAIT


def _type_of(body: str) -> tuple[bytes, bytes]:
    """Return the Content-Type that a text looks like."""
    if body.lstrip().startswith("<"):
        return HTML
    return JSON if body.lstrip().startswith(("{", "[", '"')) else TEXT
