"""Callbacks to post to a receiver: those of real jobs, others like them, and ones that no provider sends.

All of them derive from what the gateway sent, so that valid ones can really come: they have files if and only
if the job is completed, a reason if it has failed, and real timestamps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from random import Random
from types import MappingProxyType
from typing import Any

from understudy_contracts.callback_inbox import Callback
from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.dialect import Dialect

Body = dict[str, Any]

RECEIVED = "the provider's callbacks, in its OpenAPI document: any 2xx within a few seconds is received"
"""The source of what a receiver has to answer, and how soon."""

_NAMES = ("request_id", "id")
_FILES = ("output", "outputs")
_SIGNATURE = ("webhook-id", "webhook-timestamp", "webhook-signature")
_HOPS = frozenset({"host", "content-length", "connection", "transfer-encoding"})
_MOST_FILES = 4
_ERRORS = (
    "The prompt was refused.",
    'It said "no", and then\nno more.\t\\o/',
    "Das Modell ist überlastet – 画像を読み込めません 🙈",
    "<b>500</b> & so on; %s {0} ${HOME}",
    "CUDA out of memory. " * 100,
)
_ODD: tuple[Any, ...] = (None, 7, "", [], {}, "text", ["text"], True)
"""Values of a wrong type."""


class Wanted(Enum):
    """What the receiver should do with a callback."""

    TAKEN = "accepted with a 2xx"
    REFUSED = "refused with a 4xx"
    SURVIVED = "accepted or refused, as the receiver likes"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of callback. `id` is the id of the finding, `promise` what a receiver should do with it."""

    id: str
    words: str
    promise: str
    wanted: Wanted
    severity: Severity = Severity.SHOULD
    source: str | Topic = "the provider's callbacks, in its OpenAPI document: what each of them holds"


@dataclass(frozen=True, slots=True)
class Post:
    """One callback to post."""

    kind: Kind
    headers: Mapping[str, str]
    body: bytes


AS_SENT = Kind(
    "receiver-as-sent",
    "a callback as it is really sent",
    "The receiver accepts callbacks as they are really sent, with a 2xx.",
    Wanted.TAKEN,
    Severity.MUST,
    RECEIVED,
)
VALID = Kind(
    "receiver-refuses-valid",
    "a valid callback",
    "The receiver accepts callbacks with other job ids, files and reasons, with a 2xx.",
    Wanted.TAKEN,
    Severity.MUST,
    RECEIVED,
)
NAMELESS = Kind(
    "receiver-takes-nameless",
    "a callback without a job id",
    "The receiver refuses a callback without a job id.",
    Wanted.REFUSED,
)
STATELESS = Kind(
    "receiver-takes-stateless",
    "a callback without a status",
    "The receiver refuses a callback without a status.",
    Wanted.REFUSED,
)
EMPTY_HANDED = Kind(
    "receiver-takes-no-files",
    "a completed job without files",
    "The receiver refuses a callback about a completed job without its files.",
    Wanted.REFUSED,
)
UNSIGNED = Kind(
    "receiver-takes-unsigned",
    "a callback without a signature",
    "The receiver refuses a callback without a signature.",
    Wanted.REFUSED,
    source=Topic("signature"),
)
# To accept these does no harm: they name no job, or nobody may read the field.
NO_JOB = Kind("receiver-no-job", "a body that is not a JSON object", "", Wanted.SURVIVED)
ODD = Kind("receiver-odd", "a callback with a field of another type", "", Wanted.SURVIVED)
KINDS = (AS_SENT, VALID, NAMELESS, STATELESS, EMPTY_HANDED, UNSIGNED, NO_JOB, ODD)


def as_sent(callbacks: Sequence[Callback]) -> list[Post]:
    """Return callbacks as they came."""
    return [Post(AS_SENT, _headers(one), one.body) for one in callbacks]


def drawn(callbacks: Sequence[Callback], dialect: Dialect, random: Random) -> Iterator[Post]:
    """Make valid callbacks from those that came, without end."""
    while True:
        callback = random.choice(callbacks)
        body = _decoded(callback)
        name = _name(body)
        body[name] = f"{body[name].rpartition('_')[0] or 'job'}_{random.getrandbits(128):032x}"
        if dialect.states.get(body["status"]) == "COMPLETED":
            _give_files(body, random.randint(1, _MOST_FILES))
        elif body.get("error"):
            body["error"] = random.choice(_ERRORS)
        yield Post(VALID, _signed_anew(_headers(callback), random), _encoded(body))


def spoiled(callbacks: Sequence[Callback], dialect: Dialect, random: Random) -> Iterator[Post]:
    """Make callbacks that no provider sends from those that came; one of each kind comes first."""
    completed = [one for one in callbacks if dialect.states.get(_decoded(one)["status"]) == "COMPLETED"]
    rounds = zip_longest(
        *(_spoiled_so(kind, completed if kind is EMPTY_HANDED else callbacks, random) for kind in _WAYS),
        _unsigned(completed) if dialect.signs else (),
        _no_jobs(callbacks[0]),
        _odd(completed[0], random),
    )
    return (post for posts in rounds for post in posts if post is not None)


def _spoiled_so(kind: Kind, callbacks: Sequence[Callback], random: Random) -> Iterator[Post]:
    for change in _WAYS[kind]:
        callback = random.choice(callbacks)
        body = _decoded(callback)
        change(body)
        yield Post(kind, _headers(callback), _encoded(body))


def _unsigned(callbacks: Sequence[Callback]) -> Iterator[Post]:
    for callback in callbacks:
        bare = {name: value for name, value in _headers(callback).items() if name not in _SIGNATURE}
        yield Post(UNSIGNED, bare, callback.body)


def _no_jobs(callback: Callback) -> Iterator[Post]:
    for body in (b"{", b"", b"null", b"[]", b'"text"', b"7", b"\xff\xfe", callback.body[:-2]):
        yield Post(NO_JOB, _headers(callback), body)


def _odd(callback: Callback, random: Random) -> Iterator[Post]:
    for field in _decoded(callback):
        for odd in random.sample(_ODD, 3):
            body = _decoded(callback)
            body[field] = odd
            yield Post(ODD, _headers(callback), _encoded(body))


_Change = Callable[[Body], None]


def _without(field: Callable[[Body], str]) -> _Change:
    def change(body: Body) -> None:
        body.pop(field(body))

    return change


def _with(field: Callable[[Body], str], *values: Any) -> list[_Change]:
    def put(value: Any) -> _Change:
        def change(body: Body) -> None:
            body[field(body)] = value

        return change

    return [put(value) for value in values]


def _emptied(body: Body) -> None:
    _files_of(body).clear()


def _give_files(body: Body, number: int) -> None:
    """Put this many files into a body, all named after its own."""
    files = _files_of(body)
    stem, dot, ending = files[0].rpartition(".")
    files[:] = [files[0], *(f"{stem}-{index}{dot}{ending}" for index in range(2, number + 1))]
    if "has_nsfw_contents" in body:
        body["has_nsfw_contents"] = [False] * number


def _files_of(body: Body) -> list[str]:
    held = body[_files(body)]
    files: list[str] = held["media_url"] if isinstance(held, dict) else held
    return files


def _name(body: Body) -> str:
    return next(name for name in _NAMES if name in body)


def _files(body: Body) -> str:
    return next(name for name in _FILES if name in body)


def _status(body: Body) -> str:
    return "status"


def _decoded(callback: Callback) -> Body:
    body: Body = json.loads(callback.body)
    return body


def _encoded(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(callback: Callback) -> dict[str, str]:
    return {name: value for name, value in callback.headers.items() if name not in _HOPS}


def _signed_anew(headers: dict[str, str], random: Random) -> dict[str, str]:
    """Return the headers with another event id and signature, made up: the receiver's secret is unknown."""
    if _SIGNATURE[0] not in headers:
        return headers
    event, signature = f"{random.getrandbits(128):032x}", f"v3,{random.getrandbits(256):064x}"
    return {**headers, "webhook-id": event, "webhook-signature": signature}


_WAYS: Mapping[Kind, Sequence[_Change]] = MappingProxyType(
    {
        NAMELESS: [_without(_name), *_with(_name, None, "", 7)],
        STATELESS: [_without(_status), *_with(_status, None, "", 7)],
        EMPTY_HANDED: [_with(_files, None)[0], _without(_files), _emptied],
    }
)
"""The changes to a callback that a receiver has to notice."""
