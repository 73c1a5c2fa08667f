"""`understudy spec PROVIDER --render OPERATION`: what a gateway would send, made by really calling one.

The gateway is in this process, on a clock that is moved by hand. It is called at the provider's own address
with the documented example, so that the answer has the addresses that callers see under `understudy run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.describe import example
from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import ManualClock
from understudy_mock.domain.conditions import CallError, Condition
from understudy_mock.domain.draw import account_name
from understudy_mock.domain.facts import Upload
from understudy_mock.domain.model import Model, Operation
from understudy_mock.domain.scenario import Course, Entry, Scenario
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.domain.webhook import TICK
from understudy_mock.gateway.choose import holds_everywhere
from understudy_mock.gateway.inbox import SITE
from understudy_mock.gateway.world import World
from understudy_mock.settings import MAX_BODY, MAX_HEADERS, Settings

CALLBACK = "callback"
"""What stands in the place of an operation for the callback that a job brings."""

CONDITIONS = (*Condition, *CallError)

_MET = (Condition.NOT_FOUND, Condition.INVALID_REQUEST)
"""Conditions that the call really meets: a scenario that forces them knows no job and no parameter."""

_KEY = "your-key"
_FILE = b"\x89PNG\r\n\x1a\n"
_TICKET = "ticket"
_NOBODYS = "nobody-s-job"
_INBOX = "render"
_PATIENCE = 5
"""Real seconds until a callback must have come."""

_LONG = 3600.0
"""Provider seconds that a job stays in a state that is not its last."""


class NotRendered(Exception):
    """What was asked for cannot be answered. The text says why, and what can."""


class Rendered(NamedTuple):
    """What would be sent: the first line, the headers and the body."""

    line: str
    headers: Headers
    body: bytes


def render(
    catalog: Catalog,
    provider: str,
    name: str,
    state: State | None = None,
    quirks: tuple[str, ...] = (),
    condition: Condition | CallError | None = None,
    specs: tuple[Path, ...] = (),
) -> Rendered:
    """Return what a provider's operation, or its callback, sends. Raises NotRendered, or SpecError.

    `state` is where the job is that the call is about. `condition` is what is wrong with the call. `specs`
    are folders of further providers, which the catalog has, too.
    """
    settings = Settings(pace="manual", speed=1, media="small", quirks=quirks, specs=specs)
    return asyncio.run(_Stage.of(catalog, provider, name, state, settings, condition).play())


@dataclass
class _Request:
    """One call as httpx takes it: `body` are the options that hold it."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class _Stage:
    """One gateway, and the one call that is shown. `submit` makes the job that it is about."""

    world: World
    server: str
    client: httpx.AsyncClient
    operation: Operation | None
    submit: Operation | None
    state: State | None
    condition: Condition | CallError | None

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        provider: str,
        name: str,
        state: State | None,
        settings: Settings,
        condition: Condition | CallError | None,
    ) -> _Stage:
        operation = catalog.operation(provider, name)
        if operation is None and name != CALLBACK:
            names = [one.id for one in catalog.operations if one.provider == provider]
            if any(one.webhook_query or one.webhook_header for one in _submits(catalog, provider)):
                names.append(CALLBACK)
            raise NotRendered(f"{provider} has no operation {name!r}; known are {', '.join(names)}")
        submit = _submit_for(catalog, provider, operation)
        world = create_world(settings, catalog=catalog, clock=ManualClock())
        server = _server(catalog, operation or submit, provider)
        transport = httpx.ASGITransport(create_app(world=world))
        client = httpx.AsyncClient(transport=transport, base_url=server)
        return cls(world, server, client, operation, submit, state, condition)

    async def play(self) -> Rendered:
        """Do what comes before the call, make it, and return its answer."""
        self.world.stage(self._scenario())
        if self.operation is None:
            return await self._callback()
        job = ""
        if self.operation.role in ("status", "result"):
            job = await self._job()
        answer = await self._call(self.operation, job)
        phrase = HTTPStatus(answer.status_code).phrase
        headers = [(name.lower(), value) for name, value in answer.headers.raw]
        return Rendered(f"HTTP/1.1 {answer.status_code} {phrase}", headers, answer.content)

    def _scenario(self) -> Scenario:
        """Return the scenario that leads the job into its state, and the call into its condition."""
        operation, state = self.operation, self.state
        waits = operation is not None and operation.role == "submit"
        if waits and state is not None and not self._can_wait:
            raise NotRendered(f"{self._name} answers before the job has moved; leave --state out")
        entries: dict[str, Any] = {}
        if isinstance(self.condition, Condition) and self.condition not in _MET:
            entry = Entry(condition=self.condition, times="always")
            if operation is None:
                raise NotRendered("a callback is not refused; leave --condition out")
            if operation.role in ("status", "result"):
                entries["poll"] = (entry,)
            elif waits or holds_everywhere(self.world.provider(operation.provider), entry):
                entries["submit"] = (entry,)
            else:
                raise NotRendered(f"{self._name} is about a key alone; it does not meet {self.condition}")
        return Scenario(name="render", job=self._course(), **entries)

    def _course(self) -> Course:
        match self.state:
            case State.QUEUED:
                return Course(queued=_LONG)
            case State.PROCESSING:
                return Course(end="never")
            case State.FAILED | State.ERROR:
                return Course(end=self.state.value, error="The model could not make this")  # type: ignore[arg-type]
        return Course()

    @property
    def _name(self) -> str:
        return self.operation.id if self.operation is not None else CALLBACK

    @property
    def _can_wait(self) -> bool:
        operation = self.operation
        assert operation is not None  # asked of submits alone
        return (
            operation.answers == "media"
            or bool(operation.wait)
            or ("direct-video" in self.world.quirks and operation.model in self.world.direct_models)
        )

    async def _job(self) -> str:
        """Submit a job, lead it into its state, and return its id."""
        if self.submit is None:
            raise NotRendered(f"{self._name} is about a job, and no submit makes one to ask for")
        await self._call(self.submit, "")
        job = next(iter(self.world.store.of_account(account_name(_KEY))), None)
        if job is None:
            raise NotRendered(f"{self.submit.id} did not accept its documented example")
        self._advance(self.state, job.model)
        return job.id

    @property
    def _clock(self) -> ManualClock:
        clock = self.world.clock
        assert isinstance(clock, ManualClock)  # made so
        return clock

    def _advance(self, state: State | None, model: Model) -> None:
        """Move time on until a job that was submitted just now is in a state."""
        queued, processing = model.durations.queued, model.durations.processing
        waits = 0 if state in (None, State.QUEUED) else queued
        self._clock.advance(waits + processing if state in TERMINAL else waits)

    async def _call(self, operation: Operation, job: str) -> httpx.Response:
        """Call an operation with its documented example, and with what is to be wrong with the call."""
        error = self.condition if operation is self.operation else None
        if error is Condition.NOT_FOUND:
            if not operation.job:
                raise NotRendered(f"{operation.id} is about no job; it does not meet {error}")
            job = _NOBODYS
        path = operation.path
        if operation.job and f"{{{operation.job}}}" in path:
            path = path.replace(f"{{{operation.job}}}", job or self._promised())
        request = _Request(
            operation.method,
            path,
            dict(_key(operation, "query")),
            dict(_key(operation, "header")),
            _body(self.world.catalog, operation, job),
        )
        if operation is self.operation and operation.wait and self.state is not None:
            request.body["json"][operation.wait] = True
        if error is not None:
            self._spoil(request, operation, error)
        return await self._send(request)

    def _spoil(self, request: _Request, operation: Operation, error: Condition | CallError) -> None:
        """Make a call wrong in the way that it is to be refused for; what a scenario does needs nothing."""
        headers = request.headers
        match error:
            case Condition.INVALID_REQUEST:
                if operation.body is None or operation.body.allows({}):
                    raise NotRendered(f"{operation.id} takes an empty body; it does not meet {error}")
                request.body = {"json": {}}
            case CallError.NO_ROUTE:
                request.path += "/no/such/route"
            case CallError.WRONG_METHOD:
                request.method = "PATCH"
            case CallError.NOT_JSON:
                request.body, headers["content-type"] = {"content": b"{"}, "application/json"
            case CallError.WRONG_CONTENT_TYPE:
                request.body, headers["content-type"] = {"content": b"{}"}, "text/plain"
            case CallError.BODY_TOO_LARGE:
                request.body, headers["content-length"] = {"content": b"{}"}, str(MAX_BODY + 1)
            case CallError.HEADERS_TOO_LARGE:
                headers["x-large"] = "x" * MAX_HEADERS
            case CallError.UNKNOWN_CHOICE:
                headers["prefer"] = "scenario=no-such-scenario"
            case CallError.WEBHOOK_URL:
                _ask_for_callbacks(request, operation, "ftp://receiver.example.com")
            case CallError.WEBHOOK_INLINE:
                _ask_for_callbacks(request, operation, self._inbox)
                if not operation.inline:
                    raise NotRendered(f"{operation.id} answers with no files; it does not meet {error}")
                request.body["json"][operation.inline] = True

    async def _send(self, request: _Request) -> httpx.Response:
        return await self.client.request(
            request.method, request.path, params=request.params, headers=request.headers, **request.body
        )

    @property
    def _inbox(self) -> str:
        return f"{self.server}{SITE}/{_INBOX}"

    def _promised(self) -> str:
        """Promise a file a place, and return the ticket."""
        upload = Upload("file", "", "cat.png", "image/png", "", ticket=_TICKET, promised=len(_FILE))
        self.world.uploads.put(upload)
        return _TICKET

    async def _callback(self) -> Rendered:
        """Submit a job that calls back into an inbox of the gateway's own, and return what came."""
        submit = self.submit
        if submit is None or not (submit.webhook_query or submit.webhook_header):
            raise NotRendered("this provider has no callbacks")
        is_final = self.state is None or self.state in TERMINAL
        if not (is_final or submit.webhook_header):
            raise NotRendered(f"callbacks come when the job has ended, not when it is {self.state}")
        request = _Request(
            submit.method,
            submit.path,
            dict(_key(submit, "query")),
            dict(_key(submit, "header")),
            _body(self.world.catalog, submit, ""),
        )
        _ask_for_callbacks(request, submit, self._inbox, mode="terminal" if is_final else "sync")
        await self._send(request)
        assert submit.model is not None  # the catalog compiles no submit without one
        self._advance(self.state or State.COMPLETED, submit.model)
        if not is_final:
            self._clock.advance(TICK)
        async with asyncio.timeout(_PATIENCE):
            await self.world.inboxes.wait(_INBOX, 1)
        received = self.world.inboxes.callbacks(_INBOX)[-1]
        await self.world.announcer.clear(None)  # nothing more of it is wanted
        await self.world.announcer.close()
        return Rendered(f"POST {self._inbox}", received.headers, received.body)


def _submits(catalog: Catalog, provider: str) -> list[Operation]:
    return [one for one in catalog.operations if one.provider == provider and one.role == "submit"]


def _submit_for(catalog: Catalog, provider: str, operation: Operation | None) -> Operation | None:
    """Return the submit that makes the jobs of an operation; one that can call back for None."""
    submits = [one for one in _submits(catalog, provider) if one.answers == "job"]
    if operation is None:
        submits = [one for one in submits if one.webhook_query or one.webhook_header]
    elif operation.model is not None:
        submits = [one for one in submits if one.model is operation.model]
    return next(iter(submits), None)


def _server(catalog: Catalog, operation: Operation | None, provider: str) -> str:
    servers = catalog.declared(operation).get("servers") if operation is not None else None
    [first, *_] = servers or catalog.documents[provider]["servers"]
    return str(first["url"])


def _key(operation: Operation, place: str) -> Iterator[tuple[str, str]]:
    """Yield the key where the operation wants it first, if that is in the query or in a header."""
    for credential in operation.credentials[:1]:
        name = credential.name.decode()
        if credential.place == "query" and place == "query":
            yield name, _KEY
        elif credential.place != "query" and place == "header":
            yield name, f"Bearer {_KEY}" if credential.place == "bearer" else _KEY


def _ask_for_callbacks(request: _Request, operation: Operation, url: str, mode: str = "terminal") -> None:
    if operation.webhook_header:
        request.headers |= {"x-webhook-url": url, "x-webhook-mode": mode}
    elif operation.webhook_query:
        request.params[operation.webhook_query] = url
    else:
        raise NotRendered(f"{operation.id} takes no webhook")


def _body(catalog: Catalog, operation: Operation, job: str) -> dict[str, Any]:
    """Return the documented body of a call, as httpx's options."""
    if operation.form:
        return {"files": {operation.file: ("cat.png", _FILE, "image/png")}}
    if operation.role == "keep":
        return {"content": _FILE}
    if operation.body is None:
        return {}
    body = example(catalog, operation)
    if not body and operation.model is not None and operation.role == "submit":
        others = (one for one in _submits(catalog, operation.provider) if one.model is operation.model)
        body = next((found for one in others if (found := example(catalog, one))), {})
    if operation.job:
        body = {**body, operation.job: job}
    elif operation.role == "ticket" and not body:
        body = {"filename": "cat.png", "size": len(_FILE)}
    return {"json": dict(body)}
