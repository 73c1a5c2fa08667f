"""Inboxes: they receive callbacks, show what came, and answer as they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from understudy_mock.domain.clock import Clock, first_of
from understudy_mock.gateway.inbox import SITE, Inbox, Inboxes, Manner, Received, is_name
from understudy_mock.gateway.journal import KEPT_OF_A_BODY, JournalEntry, cut
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.har.write import known_keys
from understudy_mock.redaction import redactor
from understudy_mock.settings import MAX_BODY
from understudy_mock.web.admin.answers import encode, json_of, render_error, stream
from understudy_mock.web.admin.asking import AdminError, read_body
from understudy_mock.web.faults import Wire
from understudy_mock.web.protocol import connection_of

MAX_BODIES = 64 * 1024 * 1024
"""Most bytes of callbacks that are being read at a time; beyond that, one of more than 64 KB gets 503."""

_SMALL_BODY = 64 * 1024

_MANNERS: dict[str, Manner] = {"slow": "slow", "closes": "closes"}


class Receiving:
    """Takes the callbacks of whoever may call the admin API; those that the gateway sends itself are let in
    without a call."""

    def __init__(self, inboxes: Inboxes, clock: Clock) -> None:
        self._inboxes = inboxes
        self._clock = clock
        self._reading = 0

    async def receive(self, request: Request) -> Response:
        """Keep a callback, and answer it as the inbox is told to."""
        name = name_in(request)
        body = await self._read(request)
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        inbox = self._inboxes.take(name, Received(at=self._clock.now(), headers=headers, body=body))
        return _Reply(inbox, self._clock)

    async def _read(self, request: Request) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async for part in request.stream():
                size += len(part)
                self._reading += len(part)
                if size > MAX_BODY:
                    raise AdminError(413, f"the body is too large: at most {MAX_BODY:,} bytes")
                if size > _SMALL_BODY and self._reading > MAX_BODIES:
                    raise AdminError(503, "too many large callbacks come at once")
                parts.append(part)
            return b"".join(parts)
        finally:
            self._reading -= size


class Inboxing:
    """What the admin API says of inboxes and does to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def listing(self, request: Request) -> Response:
        """List the inboxes, the one used last at the end."""
        return json_of({"inboxes": [describe(inbox) for inbox in self._world.inboxes]})

    async def one(self, request: Request) -> Response:
        """Show an inbox with the callbacks that are kept, newest last; of a long body the beginning."""
        name = name_in(request)
        inbox = self._world.inboxes.find(name) or Inbox(name)
        kept = self._world.inboxes.callbacks(name)
        keys = known_keys(self._world)

        async def parts() -> AsyncIterator[bytes]:
            async for received in in_turns(kept):
                yield encode(_shown(received, name, keys))

        return stream({**describe(inbox), "callbacks": []}, parts())

    async def change(self, request: Request) -> Response:
        """Set how an inbox answers."""
        name = name_in(request)
        answer = (await read_body(request, {"answer"})).get("answer")
        if isinstance(answer, str) and answer in _MANNERS:
            manner = _MANNERS[answer]
        elif type(answer) is int and 200 <= answer <= 599:
            manner = answer
        else:
            raise AdminError(400, 'must be an HTTP status from 200 to 599, "slow" or "closes"', "/answer")
        return json_of(describe(self._world.inboxes.answer(name, manner)))

    async def forget(self, request: Request) -> Response:
        """Forget an inbox: what has come to it, and how it answers."""
        name = name_in(request)
        self._world.inboxes.forget(name)
        return json_of(describe(Inbox(name)))


class _Reply(Response):
    """An inbox's answer, when it is time to; or the end of the connection."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        super().__init__()
        self._inbox = inbox
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the caller leaves, or the server ends, before."""
        connection = connection_of(scope)
        wire = Wire(send, receive, connection, scope["method"], self._clock)
        replying = asyncio.ensure_future(self._inbox.reply(self._clock))
        ends = [connection.ending.wait()] if connection is not None else []
        await first_of(replying, wire.gone(), *ends)
        status = replying.result() if replying.done() and not replying.cancelled() else None
        if status is None:
            await wire.close()
        else:
            await Response(status_code=status)(scope, receive, send)


def make_receiver(inboxes: Inboxes, clock: Clock) -> ASGIApp:
    """Make an app that receives callbacks for some inboxes, and does nothing else."""
    receive = Receiving(inboxes, clock).receive
    return Starlette(
        routes=[Route(SITE + "/{name}", receive, methods=["POST"])],
        exception_handlers={AdminError: render_error, ClientDisconnect: nobody_listens},
    )


def describe(inbox: Inbox) -> dict[str, Any]:
    """Return what an inbox has received and how it answers, in JSON's types."""
    kept = len(inbox.numbers)
    return {"name": inbox.name, "received": inbox.received, "kept": kept, "answer": inbox.answer}


def name_in(request: Request) -> str:
    """Return the name of the inbox that a path leads to. Raises AdminError."""
    name: str = request.path_params["name"]
    if not is_name(name):
        raise AdminError(
            404, "an inbox has a name of at most 100 letters, digits, dots, hyphens and underscores"
        )
    return name


async def nobody_listens(request: Request, error: Exception) -> Response:
    """Answer a caller that has left before its whole body was there: nobody hears it."""
    return Response(status_code=400)


def _shown(received: Received, name: str, keys: list[str]) -> dict[str, Any]:
    """Return a callback in JSON's types, without secrets."""
    body = cut(received.body)
    entry = JournalEntry(
        method="POST",
        url=f"{SITE}/{name}",
        key=received.key,
        request_headers=received.headers,
        request_body=body,
        request_size=len(received.body),
    )
    clean = redactor(entry, keys)
    text = body.decode("utf-8", "replace")
    return {
        "at": received.at,
        "headers": clean.headers(received.headers, are_ours=received.delivery != ""),
        "body": clean.text(text) if len(received.body) <= KEPT_OF_A_BODY else clean.cut_text(text),
        "size": len(received.body),
        "job": received.job,
        "delivery": received.delivery,
    }
