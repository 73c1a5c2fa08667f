"""What is said to a client under test: one JSON object a line. PROTOCOL.md tells it to people.

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
    "webhook-signature": "checks WaveSpeed's signatures",
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
    """What is said first."""

    protocol: int = VERSION


class Name(msgspec.Struct, frozen=True):
    """What a client calls itself."""

    name: str = "client"
    version: str = ""


class Timing(msgspec.Struct, frozen=True):
    """What a client says of its own pace; 0 where it does not say.

    `start_ms` is how long its program takes to start, where each case starts it; it is measured, too.
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
    """One case: submit this, wait for it, say what came of it."""

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
    """A client has let go of what it kept open; `handled` is the final count."""

    handled: int | None = None


def write(message_id: str, kind: str, fields: msgspec.Struct | None = None) -> bytes:
    """Make a line."""
    told = msgspec.to_builtins(fields) if fields is not None else {}
    return msgspec.json.encode({"id": message_id, "type": kind, **told}) + b"\n"


def write_input(given: dict[str, Any]) -> bytes:
    """Make the one line that a process of a single case reads."""
    return msgspec.json.encode(given) + b"\n"


def read(line: bytes) -> dict[str, Any] | None:
    """Read a line that is a message; None for anything else that a program prints.

    Raises ProtocolError with the reason for a line that looks like a message and cannot be read.
    """
    # Some shells put a byte order mark before the first line that they write.
    line = line.removeprefix(codecs.BOM_UTF8)
    try:
        told = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if not _MESSAGE.match(line):
            return None
        told = _read_leniently(line)
    return told if isinstance(told, dict) else None


def _read_leniently(line: bytes) -> Any:
    """Read what encoders write beyond JSON: half a surrogate pair as U+FFFD, NaN and Infinity as null."""
    try:
        return _without_halves(json.loads(line, parse_constant=lambda _: None))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line that looks like a message cannot be read ({error})") from None


def _without_halves(told: Any) -> Any:
    if isinstance(told, str):
        return _LONE.sub("\N{REPLACEMENT CHARACTER}", told)
    if isinstance(told, dict):
        return {_without_halves(name): _without_halves(value) for name, value in told.items()}
    return [_without_halves(value) for value in told] if isinstance(told, list) else told


def convert(told: dict[str, Any], kind: type[_Message]) -> _Message:
    """Make a message of what was read; null is as good as left out. Raises ProtocolError with the place."""
    try:
        return msgspec.convert(_without_nulls(told), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProtocolError(f"{kind.__name__.lower()}: {error}{_allowed(str(error))}") from None


def _allowed(error: str) -> str:
    for place, words in (("`$.outcome`", Outcome), ("`$.error.kind`", Kind)):
        if error.startswith("Invalid enum") and place in error:
            return f"; known are {', '.join(get_args(words))}"
    return ""


def _without_nulls(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _without_nulls(value) for name, value in told.items() if value is not None}
    return [_without_nulls(value) for value in told] if isinstance(told, list) else told
