"""Callbacks to post to a receiver: those of real jobs, others like them, and ones that no provider sends.

All of them derive from what the gateway sent, so that valid ones can really come: they have files if and only
if the job is completed, a reason if it has failed, and real timestamps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import zip_longest
from random import Random
from typing import Any

from understudy_contracts.callback_inbox import Callback
from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_mock.wording import Wording

Body = dict[str, Any]

RECEIVED = "the provider's callbacks, in its OpenAPI document: any 2xx within a few seconds is received"
"""The source of what a receiver has to answer, and how soon."""

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


def drawn(callbacks: Sequence[Callback], wording: Wording, random: Random) -> Iterator[Post]:
    """Make valid callbacks from those that came, without end."""
    while True:
        callback = random.choice(callbacks)
        body, places = _decoded(callback), _Places(wording)
        job = places.job.get(body)
        places.job.put(body, f"{job.rpartition('_')[0] or 'job'}_{random.getrandbits(128):032x}")
        if _is_completed(callback, wording):
            _give_files(body, places, random.randint(1, _MOST_FILES))
        elif places.error.get(body):
            places.error.put(body, random.choice(_ERRORS))
        encoded = _encoded(body)
        yield Post(VALID, _signed_anew(_headers(callback), wording, encoded, random), encoded)


def spoiled(callbacks: Sequence[Callback], wording: Wording, random: Random) -> Iterator[Post]:
    """Make callbacks that no provider sends from those that came; one of each kind comes first."""
    completed = [one for one in callbacks if _is_completed(one, wording)]
    places = _Places(wording)
    ways = {
        NAMELESS: [places.job.remove, *_puts(places.job, None, "", 7)],
        STATELESS: [places.state.remove, *_puts(places.state, None, "", 7)],
        EMPTY_HANDED: [*_puts(places.held, None), places.held.remove, *_puts(places.files, [])],
    }
    rounds = zip_longest(
        *(
            _spoiled_so(kind, changes, completed if kind is EMPTY_HANDED else callbacks, random)
            for kind, changes in ways.items()
        ),
        _unsigned(completed, wording) if wording.signs else (),
        _no_jobs(callbacks[0]),
        _odd(completed[0], random),
    )
    return (post for posts in rounds for post in posts if post is not None)


def _is_completed(callback: Callback, wording: Wording) -> bool:
    told = wording.reads.told(_decoded(callback))
    return told is not None and told.end == "COMPLETED"


def _spoiled_so(
    kind: Kind, changes: Iterable[_Change], callbacks: Sequence[Callback], random: Random
) -> Iterator[Post]:
    for change in changes:
        callback = random.choice(callbacks)
        body = _decoded(callback)
        change(body)
        yield Post(kind, _headers(callback), _encoded(body))


def _unsigned(callbacks: Sequence[Callback], wording: Wording) -> Iterator[Post]:
    for callback in callbacks:
        signed = wording.signature_headers
        bare = {name: value for name, value in _headers(callback).items() if name not in signed}
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


class _Place:
    """Where something stands in a callback: the first of some places, written as in `reads`, that it has."""

    def __init__(self, places: Iterable[str]) -> None:
        self._places = [place.split(".") for place in places]

    def get(self, body: Body) -> Any:
        """Return what stands there, None where no place is there."""
        found = self._find(body)
        return found[0][found[1]] if found is not None else None

    def put(self, body: Body, value: Any) -> None:
        """Put a value there, if a place is there."""
        if (found := self._find(body)) is not None:
            found[0][found[1]] = value

    def remove(self, body: Body) -> None:
        """Remove what stands there."""
        if (found := self._find(body)) is not None:
            del found[0][found[1]]

    def _find(self, body: Body) -> tuple[Body, str] | None:
        for *path, name in self._places:
            part: Any = body
            for step in path:
                part = part.get(step) if isinstance(part, dict) else None
            if isinstance(part, dict) and name in part:
                return part, name
        return None


class _Places:
    """The places of a callback that a receiver has to look at. `held` is what the files stand in."""

    def __init__(self, wording: Wording) -> None:
        places = wording.reads.places
        self.job = _Place(places("id"))
        self.state = _Place(places("state"))
        self.error = _Place(places("error"))
        self.files = _Place(places("outputs"))
        self.held = _Place(place.partition(".")[0] for place in places("outputs"))
        self.flags = _Place(places("flagged"))


def _puts(place: _Place, *values: Any) -> list[_Change]:
    return [partial(place.put, value=value) for value in values]


def _give_files(body: Body, places: _Places, number: int) -> None:
    """Put this many files into a body, all named after its own, where it has a list of them."""
    files = places.files.get(body)
    if not isinstance(files, list):
        return
    stem, dot, ending = files[0].rpartition(".")
    places.files.put(body, [files[0], *(f"{stem}-{at}{dot}{ending}" for at in range(2, number + 1))])
    places.flags.put(body, [False] * number)


def _decoded(callback: Callback) -> Body:
    body: Body = json.loads(callback.body)
    return body


def _encoded(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(callback: Callback) -> dict[str, str]:
    return {name: value for name, value in callback.headers.items() if name not in _HOPS}


def _signed_anew(headers: dict[str, str], wording: Wording, body: bytes, random: Random) -> dict[str, str]:
    """Return the headers with another signature, made with a made-up secret: the receiver's is unknown."""
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    instant = wording.stamped(sent)
    if instant is None:
        return headers
    event, secret = f"{random.getrandbits(128):032x}", f"{random.getrandbits(256):064x}"
    signed = wording.sign(secret, event, instant, body)
    return {**headers, **{name.decode(): value.decode("latin-1") for name, value in signed}}
