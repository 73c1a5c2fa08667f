"""What a request to the admin API asks for, or the `AdminError` that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request

from understudy_mock.catalog.notation import escape
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.world import World

LARGEST_PAGE = 10_000

_PAGE = 100
_MOST_BYTES = 1024 * 1024
"""Bytes of a body; the largest is a scenario."""

_DIGITS = 18
"""More of them are no number that could be meant."""


class AdminError(Exception):
    """A request that the admin API refuses, with a JSON pointer into its body or a parameter's name."""

    def __init__(self, status: int, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.pointer = pointer


async def read_body(request: Request, known: set[str]) -> dict[str, Any]:
    """Return the JSON object in a body, whose members are `known`. Raises AdminError."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BYTES:
            raise AdminError(413, f"the body is too large: at most {_MOST_BYTES:,} bytes")
    try:
        body = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise AdminError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise AdminError(400, "the body is not a JSON object")
    for name in body:
        if known and name not in known:
            raise AdminError(400, f"unknown field; known are {', '.join(sorted(known))}", f"/{escape(name)}")
    return body


def text_in(body: dict[str, Any], field: str) -> str | None:
    """Return a text of a body; None where it is left out, or null. Raises AdminError."""
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise AdminError(400, "must be a text", f"/{field}")
    return value


def one_of(body: dict[str, Any], field: str, known: list[str]) -> str:
    """Return a text of a body that must be one of those `known`. Raises AdminError."""
    value = body.get(field)
    if value not in known:
        raise AdminError(400, f"must be one of {', '.join(sorted(known))}", f"/{field}")
    return str(value)


def names_in(body: dict[str, Any], field: str, known: set[str]) -> frozenset[str]:
    """Return a list of names, each of them `known`; none where it is left out, or null. Raises AdminError."""
    given = body.get(field) or []
    if not isinstance(given, list):
        raise AdminError(400, "must be a list", f"/{field}")
    for index, name in enumerate(given):
        if not isinstance(name, str) or name not in known:
            raise AdminError(400, f"unknown; known are {', '.join(sorted(known))}", f"/{field}/{index}")
    return frozenset(given)


def page_size(request: Request, usual: int = _PAGE) -> int:
    """Return how many things a page shall have. Raises AdminError."""
    text = request.query_params.get("limit", str(usual))
    if not _is_number(text) or not 1 <= int(text) <= LARGEST_PAGE:
        raise AdminError(400, f"must be between 1 and {LARGEST_PAGE}", "limit")
    return int(text)


def number_of(request: Request, name: str, what: str) -> int:
    """Return a whole number in the query, 0 where it is left out. Raises AdminError."""
    text = request.query_params.get(name, "0")
    if not _is_number(text):
        raise AdminError(400, f"must be {what}", name)
    return int(text)


def number_in_path(request: Request, name: str) -> int | None:
    """Return a whole number in the path; None for what is none."""
    text = request.path_params[name]
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def account_of(world: World, text: str, find: Callable[[str], Account]) -> Account:
    """Return the account of a key, as `find` has it, or of a name `acct_…`. Raises AdminError."""
    named = world.accounts.named(text) if text.startswith("acct_") else None
    if named is not None:
        return named
    if text.startswith("acct_"):
        raise AdminError(404, "no account has this name; one appears with its first call")
    return find(text)


def account_name_in(world: World, request: Request) -> str | None:
    """Return the name of the account that the query's `account` means, a key or a name; None for none."""
    text = request.query_params.get("account")
    if text is None or text.startswith("acct_"):
        return text
    return world.accounts.peek(text).name


def refuse_in_a_replay(world: World, pointer: str) -> None:
    """Refuse what would change the course of a replay. Raises AdminError."""
    if world.is_recorded:
        raise AdminError(409, "a replay takes its course from the recording", pointer)
