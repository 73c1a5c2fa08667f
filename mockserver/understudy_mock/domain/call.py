"""One call, as decisions see it, and its answer, before it is bytes on a wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from understudy_mock.domain.scenario import Entry, Scenario

Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html; charset=utf-8")
TEXT = (b"content-type", b"text/plain; charset=utf-8")

_encode = msgspec.json.encode


class Answer(msgspec.Struct):
    """What a call is answered. `headers` lack Content-Length. `fault` is done to the wire while sending."""

    status: int
    body: bytes
    headers: Headers
    fault: Entry | None = None


def json_answer(status: int, value: Any, *headers: tuple[bytes, bytes]) -> Answer:
    """Answer `value` as compact JSON."""
    return Answer(status, _encode(value), [JSON, *headers])


def _always() -> bool:
    return True


class Call(msgspec.Struct):
    """One request to a documented operation.

    `headers` holds the last value of each name, in lower case. `params` are the path parameters.
    `oversize` means that the body was too large to be read; `body` is then empty. `size` is that of the
    body as it came, in bytes: once it was read, `body` may be cut.
    `is_heard` returns, in any thread, whether the caller still waits for its answer.
    `origin` and `media_origin` begin the absolute addresses in answers to this caller. What the
    decisions learn on their way (`key`, `account`, `job`, `scenario`, `warnings`) is kept for the journal;
    `quirks` are those of the account and the scenario, `price` is in micro-USD. `why` says why the call was
    refused.
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    origin: str
    media_origin: str
    params: Mapping[str, str]
    oversize: bool = False
    size: int = 0
    is_heard: Callable[[], bool] = _always
    key: str = ""
    account: str = ""
    job: str = ""
    scenario: str = ""
    quirks: frozenset[str] = frozenset()
    price: int = 0
    warnings: list[str] = []
    why: str = ""

    def under(self, scenario: Scenario) -> None:
        """Note the scenario that the call is under."""
        self.scenario = scenario.name
        if scenario.quirks:
            self.quirks |= frozenset(scenario.quirks)
