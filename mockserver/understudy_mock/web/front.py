"""The one ASGI app that all provider traffic goes through: find, decide, send, write the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from understudy_mock.domain.call import JSON, TEXT, Answer, Call
from understudy_mock.domain.clock import ManualClock
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal
from understudy_mock.domain.model import Operation, Role
from understudy_mock.domain.scenario import Entry
from understudy_mock.gateway import lookups, uploads
from understudy_mock.gateway.addresses import rendition_of
from understudy_mock.gateway.forced_answer import force_answer, force_file_answer, refuse_file
from understudy_mock.gateway.journal import HUNG_UP, KEPT_OF_A_BODY, cut
from understudy_mock.gateway.play import ForcedAnswer
from understudy_mock.gateway.status import fetch, status
from understudy_mock.gateway.submit import submit
from understudy_mock.gateway.why import why_forced, why_refused
from understudy_mock.gateway.world import World
from understudy_mock.media import StudioBusy, Unwanted
from understudy_mock.settings import MAX_BODY, MAX_HEADERS
from understudy_mock.web.call_journal import write_call
from understudy_mock.web.cors import Cors
from understudy_mock.web.extras import add_fields
from understudy_mock.web.faults import PLAYS, Wire
from understudy_mock.web.files import answer_file
from understudy_mock.web.origins import Origins, names_two_hosts
from understudy_mock.web.protocol import BODILESS, connection_of
from understudy_mock.web.routes import Found, Routes
from understudy_mock.wording import Place

_log = logging.getLogger("understudy")

_AS_A_FILE = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox")]
"""An upload may be a page, and is served beside the admin API: these headers give it no origin."""

MAX_BODIES = 128 * 1024 * 1024
"""Most bytes of request bodies held at once, by all calls that are not answered yet; more is 503."""

_SMALL_BODY = 64 * 1024
"""Bytes of a body that is taken however many others are held."""

_HUNG_UP = f"{HUNG_UP} before the whole answer was there"

_LOST = 0.1
"""Real seconds that a submit lasts at least where its job is kept but the answer is lost.

Equal submits that a program starts together have all begun by then. So no journal shows one of them after
the end of another, as it would show a program that submits again.
"""

_ROLES: dict[Role, Callable[[World, Operation, Call], Awaitable[Answer]]] = {
    "submit": submit,
    "status": status,
    "result": status,
    "list": lookups.listing,
    "secret": lookups.secret,
    "balance": lookups.balance,
    "models": lookups.models,
    "upload": uploads.upload,
    "ticket": uploads.ticket,
    "keep": uploads.keep,
}


Decide = Callable[[Found, Call], Awaitable[Answer]]
"""Answers a call, or raises the Refusal or ForcedAnswer that says why not."""


class Front:
    """The gateway as an ASGI app. `admin` serves what is below `/_mock`, which pages elsewhere may not read.

    `decide` answers calls in the place of the gateway's own decisions.
    """

    def __init__(self, world: World, admin: ASGIApp, decide: Decide | None = None) -> None:
        self.world = world
        self._admin = admin
        self._answer = decide or self._as_documented
        self._by_hand = isinstance(world.clock, ManualClock)
        self._routes = Routes(world.catalog)
        self._origins = Origins(world.settings, self._routes)
        self._cors = Cors(world.settings.cors) if world.settings.cors is not None else None
        self._bodies = 0
        public = world.settings.public_url
        self._prefix = "/" + "/".join(public.split("/")[3:]).strip("/") if public else "/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "http":
            path = scope["path"]
            if path.startswith("/_mock/") or path == "/_mock":
                serve = self._admin(scope, receive, send)
            else:
                serve = self._serve(scope, receive, send, path)
            try:
                await serve
            except asyncio.CancelledError:
                await self._hang_up(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._lifespan(receive, send)

    async def _hang_up(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Break the connection of a call that still waits when the server ends."""
        connection = connection_of(scope)
        if connection is None:
            raise asyncio.CancelledError
        connection.transport.abort()
        await Wire(send, receive, connection, scope["method"], self.world.clock).gone()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.world.announcer.close()
                self.world.files.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        at = self.world.clock.now()
        began = perf_counter()  # second: a call that is interrupted in between must not seem to last longer
        raw = scope["headers"]
        head_size = len(b"".join(chain.from_iterable(raw))) + len(path) + len(scope["query_string"])
        headers: dict[bytes, bytes] = dict(raw)
        if len(headers) < len(raw):
            if names_two_hosts(raw):
                await _send(Answer(400, b"Bad Request", [TEXT]), scope["method"], send)
                return
            if b"prefer" in headers:
                # RFC 7240, section 2: several Prefer headers are one list.
                headers[b"prefer"] = b", ".join(value for name, value in raw if name == b"prefer")
        origin, media_origin, host = self._origins.of(scope, headers)
        if self._prefix != "/" and path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :]
        raw_path = scope.get("raw_path")
        if raw_path is not None and b"%" in raw_path and b"%2f" in raw_path.lower():
            path = raw_path.decode("latin-1")  # an escaped slash is no separator (RFC 3986, section 2.2)
        method = scope["method"]
        found = self._routes.find(method, path, host)
        if found.mount:
            origin, path = origin + found.mount, path[len(found.mount) :] or "/"
        call = Call(method, path, scope["query_string"], headers, b"", origin, media_origin, found.params)
        if self._cors is not None and (allowed := self._cors.preflight(method, headers)) is not None:
            await _send(allowed, method, send)  # the browser asks this, not the caller: it is not kept
            return
        connection = connection_of(scope)
        cycle = connection.cycle if connection is not None else None
        if cycle is not None:
            call.is_heard = partial(_is_heard, cycle)
        try:
            if head_size > MAX_HEADERS:
                answer = self._refuse(Refusal(CallError.HEADERS_TOO_LARGE), found, call, host)
            else:
                answer = await self._decide(found, call, host, receive)
        finally:
            self._bodies -= call.size
            if call.size > KEPT_OF_A_BODY:
                call.body = cut(call.body)  # an answer may take its time, and the journal keeps no more
        if call.quirks or self.world.quirks:
            answer = self._bend(answer, call)
        if self._cors is not None:
            allowing = [*answer.headers, *self._cors.headers(headers)]
            answer = Answer(answer.status, answer.body, allowing, answer.fault)
        if connection is not None and (answer.fault is not None or answer.status >= 400) and call.job:
            await _outlast(found, began)
        # A caller that left before the answer was there has not heard it.
        error = _HUNG_UP if cycle is not None and cycle.disconnected else ""
        try:
            if answer.fault is None:
                if connection is None or call.method == "HEAD" or not connection.send(answer):
                    await _send(answer, call.method, send)
            else:
                slow = answer.fault.fault == "slow"
                answer = await self._play(answer, scope, receive, send)
                if slow and cycle is not None and cycle.disconnected:
                    error = _HUNG_UP
        finally:
            # Where time is moved by hand, a wait takes what the clock says, not what the machine needed.
            took = self.world.clock.now() - at if self._by_hand else (perf_counter() - began) * 1000
            connected = number = 0
            if connection is not None and not self._by_hand:
                made, number = connection.made, connection.number
                connected = at - round((began - made) * 1000) if made else 0
            write_call(
                self.world, scope, found, call, answer, at=at, took=took, head_size=head_size, error=error,
                connected=connected, connection=number,
            )  # fmt: skip

    async def _read(self, receive: Receive, call: Call) -> None:
        """Read the request's body, or note that it is too large; Content-Length may say so before.

        What the call then holds counts in `_bodies`. Raises Refusal where too much is held already.
        """
        declared = call.headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > 18 or int(declared) > MAX_BODY):
            call.oversize = True
            return
        parts: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return  # half a body counts as none, even if it is valid JSON
                part = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(part)
                self._bodies += len(part)
                if size > MAX_BODY:
                    call.oversize = True
                    return
                if size > _SMALL_BODY and self._bodies > MAX_BODIES:
                    raise Refusal(Condition.UNAVAILABLE)
                parts.append(part)
            call.body = parts[0] if len(parts) == 1 else b"".join(parts)
            call.size = size
        finally:
            self._bodies -= size - call.size

    async def _play(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> Answer:
        """Send an answer with its fault, and return it as far as it was sent."""
        entry = answer.fault
        assert entry is not None  # else there is nothing to play
        wire = Wire(send, receive, connection_of(scope), scope["method"], self.world.clock)
        return await PLAYS[entry.fault](wire, answer, entry)

    async def _decide(self, found: Found, call: Call, host: str, receive: Receive) -> Answer:
        try:
            if call.method in ("POST", "PUT") and found.operation is not None:
                await self._read(receive, call)
            return await self._answer(found, call)
        except Refusal as refusal:
            return self._refuse(refusal, found, call, host)
        except ForcedAnswer as forced:
            return await self._force(forced.entry, found, call, host)
        except (StudioBusy, Unwanted):  # if unwanted, the caller is gone and does not hear this
            return self._refuse(Refusal(Condition.UNAVAILABLE), found, call, host)
        except Exception:
            # A bug of ours must not look like a dead server; the traceback is for its maintainer.
            _log.exception("the gateway failed at %s %s", call.method, call.path)
            return self._refuse(Refusal(Condition.INTERNAL_ERROR), found, call, host)

    def _as_documented(self, found: Found, call: Call) -> Awaitable[Answer]:
        if found.operation is not None:
            return _ROLES[found.operation.role](self.world, found.operation, call)
        return self._answer_file(found, call)

    async def _answer_file(self, found: Found, call: Call) -> Answer:
        """Answer a call that no operation is for: with a file, if it asks for one that is there."""
        if found.file is not None and call.method in found.allowed:
            job, index, fault = await fetch(self.world, *found.file, call)
            rendition = await rendition_of(job, index)
            file = await self.world.files.file(rendition, call.is_heard)
            answer = answer_file(file, rendition, job.media_type, call)
            answer.fault = fault
            return answer
        if found.kept is not None and call.method in found.allowed:
            upload = uploads.fetch(self.world, *found.kept, call)
            answer = answer_file(upload.content or b"", upload.tag, upload.media_type, call)
            answer.headers += _AS_A_FILE
            return answer
        what = CallError.WRONG_METHOD if found.allowed else CallError.NO_ROUTE
        raise Refusal(what, Detail(allowed=found.allowed))

    async def _force(self, entry: Entry, found: Found, call: Call, host: str) -> Answer:
        """Return the answer that a scenario's entry stands for."""
        call.why = why_forced(entry, call)
        if found.is_file:
            return force_file_answer(self.world, entry)
        job = await self.world.store.get(call.job) if call.job else None
        provider = self.world.provider(found.provider)
        model = job.model if job is not None else found.operation.model if found.operation else None
        place = Place(host, call.path, self.world.trace())
        quirks = self._quirks(call)
        return force_answer(self.world, provider, entry, place, quirks, model.id if model else "", call.price)

    def _refuse(self, refusal: Refusal, found: Found, call: Call, host: str) -> Answer:
        call.why = why_refused(refusal, found.operation, call, self.world.settings)
        if found.is_file:
            return refuse_file(refusal)
        place = Place(host, call.path, self.world.trace())
        return self.world.provider(found.provider).refusal(refusal, place, self._quirks(call))

    def _bend(self, answer: Answer, call: Call) -> Answer:
        if "extra-fields" not in self._quirks(call) or JSON not in answer.headers:
            return answer
        return Answer(answer.status, add_fields(answer.body), answer.headers, answer.fault)

    def _quirks(self, call: Call) -> frozenset[str]:
        return self.world.quirks | call.quirks


def _is_heard(cycle: RequestResponseCycle) -> bool:
    return not cycle.disconnected


async def _outlast(found: Found, began: float) -> None:
    """Hold the lost answer of a submit back; `began` is when it came, by `perf_counter`."""
    if found.operation is not None and found.operation.role == "submit":
        await asyncio.sleep(max(0.0, began + _LOST - perf_counter()))


async def _send(answer: Answer, method: str, send: Send) -> None:
    headers = answer.headers
    if answer.status not in BODILESS:
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
