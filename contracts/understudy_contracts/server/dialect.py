"""How each provider tells a job, read back. The reverse of `providers`, and on purpose not it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from understudy_contracts.server.stamps import read_stamp
from understudy_contracts.server.wire import Exchange

RANK: Mapping[str, int] = MappingProxyType(
    {"QUEUED": 0, "PROCESSING": 1, "COMPLETED": 2, "FAILED": 2, "ERROR": 2}
)
"""How far along a job is. States of rank 2 are final."""


class Unreadable(Exception):
    """An answer does not have the documented form."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submit answered: the job's name, and where to ask for it ("" when that is not body)."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class View:
    """A job as an answer or a callback tells it.

    `word` is the provider's own status and `state` what it stands for, "" for a word that is not
    documented. `stamps` are those of the provider, by name, in the order in which they happen.
    """

    id: str
    word: str
    state: str
    outputs: tuple[str, ...] = ()
    media_type: str = ""
    error: str = ""
    stamps: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return RANK.get(self.state, 0) == 2

    @property
    def content(self) -> tuple[object, ...]:
        """Everything but the stamps, and what comes after an address's ?: signed anew for each who asks."""
        outputs = tuple(one.partition("?")[0] for one in self.outputs)
        return self.id, self.word, outputs, self.media_type, self.error


class Dialect(Protocol):
    """What is known of one provider's answers."""

    states: Mapping[str, str]
    """Documented status words, and the state each stands for."""

    retry_header: str
    """The header of a 429 that tells when to come back."""

    signs: bool
    """Whether callbacks are signed."""

    stamped: bool
    """Whether polls tell when things happened."""

    def accepted(self, body: Any) -> Accepted:
        """Read the answer to a submit. Raises Unreadable."""

    def view(self, body: Any, *, callback: bool = False) -> View:
        """Read the answer to a poll, or a callback. Raises Unreadable."""

    def wait(self, exchange: Exchange, now: float) -> float:
        """Return how many seconds a 429 asks to wait. Raises Unreadable."""


def _text(body: Any, *path: str) -> str:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    if not isinstance(body, str) or not body:
        raise Unreadable(f"/{'/'.join(path)} is {body!r}, not a text")
    return body


def _texts(body: Any, name: str) -> tuple[str, ...]:
    if body is None:
        return ()
    if not isinstance(body, list) or not all(isinstance(one, str) for one in body):
        raise Unreadable(f"{name} is {body!r}, not a list of texts")
    return tuple(body)


def _whole_seconds(exchange: Exchange, name: str) -> float:
    given = exchange.answered.get(name)
    if given is None:
        raise Unreadable(f"the answer has no {name}")
    if not given.isdecimal() or int(given) < 1:
        raise Unreadable(f"{name} is {given!r}, not a number of seconds")
    return float(given)


class Pixazo(Dialect):
    """Pixazo Hunyuan Video, Response (Completed) and Response Fields."""

    states = MappingProxyType({state: state for state in RANK})
    retry_header = "retry-after"
    signs = False
    stamped = True

    def accepted(self, body: Any) -> Accepted:
        """Read `request_id` and `polling_url`."""
        return Accepted(_text(body, "request_id"), _text(body, "polling_url"))

    def view(self, body: Any, *, callback: bool = False) -> View:
        """Read a job; callbacks have the same fields."""
        word = _text(body, "status")
        output = body.get("output") or {}
        if not isinstance(output, dict):
            raise Unreadable(f"/output is {output!r}")
        return View(
            id=_text(body, "request_id"),
            word=word,
            state=self.states.get(word, ""),
            outputs=_texts(output.get("media_url"), "/output/media_url"),
            media_type=output.get("media_type") or "",
            error=body.get("error") or "",
            stamps={name: body.get(name) for name in ("created_at", "updated_at", "completed_at")},
        )

    def wait(self, exchange: Exchange, now: float) -> float:
        """Read Retry-After."""
        return _whole_seconds(exchange, self.retry_header)


class Segmind(Dialect):
    """The v2 queue: https://docs.segmind.com/docs/serverless-api/async-inference."""

    states = MappingProxyType({name: name for name in ("QUEUED", "PROCESSING", "COMPLETED", "FAILED")})
    retry_header = "x-rate-limit-reset-at-utc"
    signs = False
    stamped = False

    def accepted(self, body: Any) -> Accepted:
        """Read `request_id` and `status_url`."""
        return Accepted(_text(body, "request_id"), _text(body, "status_url"))

    def view(self, body: Any, *, callback: bool = False) -> View:
        """Read a job. Its result alone tells the file."""
        word = _text(body, "status")
        video = body.get("video") or {}
        return View(
            id=_text(body, "request_id"),
            word=word,
            state=self.states.get(word, ""),
            outputs=(video["url"],) if video else (),
            media_type=video.get("content_type") or "",
            error=body.get("error") or "",
        )

    def wait(self, exchange: Exchange, now: float) -> float:
        """Read when the window ends; there is no Retry-After."""
        given = exchange.answered.get(self.retry_header)
        if given is None:
            raise Unreadable(f"the answer has no {self.retry_header}")
        try:
            return read_stamp(given) - now
        except ValueError as problem:
            raise Unreadable(f"{self.retry_header}: {problem}") from None


class WaveSpeed(Dialect):
    """WaveSpeed Hunyuan Video I2V, Response Parameters and Result Response Parameters."""

    states = MappingProxyType(
        {"created": "QUEUED", "processing": "PROCESSING", "completed": "COMPLETED", "failed": "FAILED"}
    )
    retry_header = "retry-after"
    signs = True
    stamped = True

    def accepted(self, body: Any) -> Accepted:
        """Read the prediction's `id` and `urls.get`."""
        return Accepted(_text(body, "data", "id"), _text(body, "data", "urls", "get"))

    def view(self, body: Any, *, callback: bool = False) -> View:
        """Read a prediction: in the envelope, or bare in a callback."""
        data = body if callback else body.get("data") if isinstance(body, dict) else None
        word = _text(data, "status")
        assert isinstance(data, dict)  # else there was no status
        return View(
            id=_text(data, "id"),
            word=word,
            state=self.states.get(word, ""),
            outputs=_texts(data.get("outputs"), "/outputs"),
            error=data.get("error") or "",
            stamps={"created_at": data.get("created_at")},
        )

    def wait(self, exchange: Exchange, now: float) -> float:
        """Read Retry-After."""
        return _whole_seconds(exchange, self.retry_header)


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {"pixazo": Pixazo(), "segmind": Segmind(), "wavespeed": WaveSpeed()}
)
