"""Read the JSON body of a call and check it against the spec: for submits, polls, lists and uploads alike."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from understudy_mock.domain.call import Call
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Violation
from understudy_mock.domain.job import LARGE as LARGE_PART
from understudy_mock.domain.job import canonical
from understudy_mock.domain.model import Model, Operation
from understudy_mock.gateway.turns import LARGE

_decode = msgspec.json.decode
_encode = msgspec.json.Encoder(order="sorted").encode

MOST_MEMBERS = 50_000
"""Members that a body may have, nested ones too. To decode more holds the interpreter, even in a thread."""


def read_body(operation: Operation, call: Call) -> dict[str, Any]:
    """Decode a JSON object, whatever its Content-Type says unless the spec asks for JSON. Raises Refusal."""
    if operation.needs_json_type:
        declared = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if declared != b"application/json":
            raise Refusal(CallError.WRONG_CONTENT_TYPE)
    if call.oversize:
        raise Refusal(CallError.BODY_TOO_LARGE)
    if len(call.body) > MOST_MEMBERS and _members(call.body) > MOST_MEMBERS:
        raise invalid("", f"has more than {MOST_MEMBERS:,} members")
    try:
        body = _decode(call.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise Refusal(CallError.NOT_JSON) from None
    if not isinstance(body, dict):
        raise invalid("", "is not a JSON object")
    return body


def read_valid_body(operation: Operation, call: Call) -> dict[str, Any]:
    """Decode a JSON object that the spec allows. Raises Refusal."""
    body = read_body(operation, call)
    check = operation.body
    if check is None:
        return body
    try:
        if check.allows(body):
            return body
        violations = check.violations(body)
    except ValueError:  # nested deeper than the validator goes
        raise Refusal(CallError.NOT_JSON) from None
    raise Refusal(Condition.INVALID_REQUEST, Detail(violations=violations))


def invalid(name: str, reason: str, *, missing: bool = False) -> Refusal:
    """Return the refusal of a body for one thing; `name` is the parameter, "" for the body as a whole."""
    violation = Violation(name, missing=missing, reason=reason)
    return Refusal(Condition.INVALID_REQUEST, Detail(violations=(violation,)))


class Asked(msgspec.Struct):
    """What the body of a submit asks for, or why it is refused.

    `parts` are its canonical JSON in parts, `name` what stands for it where equal bodies are counted,
    `values` the parameters that the spec knows over their documented defaults.
    """

    refusal: Refusal | None = None
    advice: tuple[str, ...] = ()
    parts: tuple[bytes, ...] = ()
    name: bytes = b""
    values: dict[str, Any] = {}
    waits: bool = False
    inline: bool = False


def read_submit(operation: Operation, model: Model, call: Call) -> Asked:
    """Read a submit's body and find everything that the spec does not allow, in one pass."""
    check = operation.body
    try:
        body = read_valid_body(operation, call)
    except Refusal as refusal:
        return Asked(refusal)
    parts = (_encode(body),) if len(call.body) < LARGE_PART else canonical(body)
    known = body if check is None or check.names.issuperset(body) else check.known(body)
    return Asked(
        advice=tuple(check.advice(body)) if check is not None else (),
        parts=parts,
        name=_name(parts),
        values=model.values(known),
        waits=operation.wait != "" and body.get(operation.wait) is True,
        inline=operation.inline != "" and body.get(operation.inline) is True,
    )


def _members(body: bytes) -> int:
    """Estimate how many members a JSON text has, without decoding it; ten nested lists count as one.

    A quotation mark inside a string is escaped, so no string looks like a member. Brackets may stand in one.
    """
    members = body.count(b'":') - body.count(b'\\":')
    return members + body.count(b"],[") // 10


def _name(parts: tuple[bytes, ...]) -> bytes:
    """Return what stands for a body: itself, or a hash of a large one."""
    if sum(map(len, parts)) < LARGE:
        return b"".join(parts)
    hash(parts)  # a part keeps its hash: the store looks for equal ones by it, and not in this thread
    digest = blake2b(digest_size=32, usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.digest()
