"""The form of the admin API's one table: routes, index and OpenAPI document are all made from its lines."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

ROOT = "/_mock/"

_CONVERTOR = re.compile(r":\w+}")

Schema = dict[str, Any]
"""A JSON Schema (2020-12, as OpenAPI 3.1 has it)."""

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}


def record(**members: Schema) -> Schema:
    """Return the schema of an object with these members."""
    return {"type": "object", "properties": members}


def list_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


@dataclass(frozen=True, slots=True)
class AdminCall:
    """One line of the table: a method below `/_mock/`, what it does in a few words, and who answers.

    `path` is Starlette's, after `/_mock/`. `query` are the parameters of the query, `body` is the body's
    schema (None: there is no body), and `answers` that of the answer in JSON. `refuses` are the statuses
    besides the answer's, and `media` are types of the answer besides JSON. Where a token is needed, the call
    needs none if it is `open`.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Request], Awaitable[Response]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    answers: Schema = field(default_factory=lambda: {"type": "object"})
    refuses: tuple[int, ...] = ()
    media: tuple[str, ...] = ()
    open: bool = False

    @property
    def shown_path(self) -> str:
        """The whole path as people and OpenAPI write it."""
        return ROOT + _CONVERTOR.sub("}", self.path)


def routes_of(calls: Iterable[AdminCall]) -> list[Route]:
    """Return the routes of some calls, in their order; those with one path are one route."""
    paths: dict[str, dict[str, Callable[[Request], Awaitable[Response]]]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = call.answer
    return [Route(ROOT + path, _answering(own), methods=list(own)) for path, own in paths.items()]


def _answering(
    methods: Mapping[str, Callable[[Request], Awaitable[Response]]],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return answer


def opened(calls: Iterable[AdminCall]) -> Callable[[Scope], bool]:
    """Return what tells whether a request is to one of the calls that are `open`."""
    routes = routes_of(call for call in calls if call.open)
    return lambda scope: any(route.matches(scope)[0] is Match.FULL for route in routes)


def index(calls: Iterable[AdminCall]) -> list[dict[str, str]]:
    """Return where the calls are and what they do."""
    return [{"method": call.method, "path": call.shown_path, "summary": call.summary} for call in calls]
