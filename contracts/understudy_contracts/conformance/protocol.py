"""The messages between the check and a client: one JSON object a line. PROTOCOL.md explains them.

Fields that are not known are ignored in both directions, so that either side can be newer.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

VERSION = 1

Mode = Literal["poll", "webhook", "sync"]
Outcome = Literal["completed", "failed", "timeout", "rejected", "unsupported", "adapter_error"]
Kind = Literal[
    "job_failed",
    "insufficient_balance",
    "rate_limited",
    "auth",
    "validation",
    "not_found",
    "server",
    "network",
]

CAPABILITIES = {
    "webhook": "takes callbacks on a receiver of its own",
    "webhook-signature": "checks the signatures of callbacks",
    "webhook-poll-fallback": "polls when a callback is overdue",
    "sync": "waits for an answer that is the result",
    "direct": "takes the result in the place of a queued job (quirk direct-video)",
    "download": "fetches the files and tells their SHA-256",
}

_Message = TypeVar("_Message", bound=msgspec.Struct)

_MESSAGE = re.compile(rb'\s*\{\s*"')
"""How each message begins, and few other lines."""

_LONE = re.compile("[\ud800-\udfff]")

_Ms = Annotated[int, msgspec.Meta(ge=0)]


class ProtocolError(Exception):
    """A client's line that the protocol does not allow."""


class Greeting(msgspec.Struct, frozen=True):
    """The first message."""

    protocol: int = VERSION


class Name(msgspec.Struct, frozen=True):
    """What a client calls itself."""

    name: str = "client"
    version: str = ""


class Timing(msgspec.Struct, frozen=True):
    """What a client declares about its own pace; 0 where it does not.

    `start_ms` is how long its program takes to start, where each case starts it. It is measured, too.
    """

    min_poll_ms: _Ms = 0
    max_attempts: _Ms = 0
    request_timeout_ms: _Ms = 0
    start_ms: _Ms = 0


class Hello(msgspec.Struct, frozen=True):
    """What a client can do."""

    client: Name = Name()
    providers: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    timing: Timing = Timing()


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """One case: submit this, wait for it, and return the result."""

    case: str
    provider: str
    model: str
    base_url: str
    api_key: str
    mode: Mode
    input: dict[str, Any]
    budget_ms: int
    webhook_secret: str = ""
    webhook_mode: Literal["terminal", "sync"] = "terminal"


class File(msgspec.Struct, frozen=True):
    """One file of a result."""

    url: str = ""
    sha256: str = ""


class Error(msgspec.Struct, frozen=True):
    """Why there is no result."""

    kind: Kind | None = None
    http_status: int | None = None
    message: str = ""


class Result(msgspec.Struct, frozen=True):
    """What a client concluded."""

    outcome: Outcome
    job_id: str | None = None
    media: tuple[File, ...] = ()
    error: Error | None = None
    handled: int | None = None


class Released(msgspec.Struct, frozen=True):
    """A client has closed what the case kept open; `handled` is the final count."""

    handled: int | None = None


def write(message_id: str, kind: str, fields: msgspec.Struct | None = None) -> bytes:
    """Return a message as a line."""
    body = msgspec.to_builtins(fields) if fields is not None else {}
    return msgspec.json.encode({"id": message_id, "type": kind, **body}) + b"\n"


def write_input(given: dict[str, Any]) -> bytes:
    """Return the one line that a process of a single case reads."""
    return msgspec.json.encode(given) + b"\n"


def read(line: bytes) -> dict[str, Any] | None:
    """Return the message in a line; None for anything else that a program prints.

    Raises ProtocolError for a line that looks like a message and cannot be read.
    """
    # Some shells put a byte order mark before the first line that they write.
    line = line.removeprefix(codecs.BOM_UTF8)
    try:
        message = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if not _MESSAGE.match(line):
            return None
        message = _read_leniently(line)
    return message if isinstance(message, dict) else None


def _read_leniently(line: bytes) -> Any:
    """Read what encoders write beyond JSON: half a surrogate pair as U+FFFD, NaN and Infinity as null."""
    try:
        return _without_halves(json.loads(line, parse_constant=lambda _: None))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line that looks like a message cannot be read ({error})") from None


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(member) for name, member in value.items()}
    return [_without_halves(item) for item in value] if isinstance(value, list) else value


def convert(message: dict[str, Any], kind: type[_Message]) -> _Message:
    """Convert a message; null counts as left out. Raises ProtocolError with the place."""
    try:
        return msgspec.convert(_without_nulls(message), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProtocolError(f"{kind.__name__.lower()}: {error}{_allowed(str(error))}") from None


def _allowed(error: str) -> str:
    for place, words in (("`$.outcome`", Outcome), ("`$.error.kind`", Kind)):
        if error.startswith("Invalid enum") and place in error:
            return f"; known: {', '.join(get_args(words))}"
    return ""


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
