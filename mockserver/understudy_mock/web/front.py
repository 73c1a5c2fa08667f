"""The one ASGI app that all provider traffic goes through: find, decide, send, write the journal."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import chain
from time import perf_counter
from types import MappingProxyType

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from understudy_mock.domain.call import JSON, Answer, Call
from understudy_mock.domain.clock import ManualClock
from understudy_mock.domain.conditions import Condition, Detail, Refusal, Trouble
from understudy_mock.domain.model import Operation, Role
from understudy_mock.domain.scenario import Entry
from understudy_mock.gateway import lookups, uploads
from understudy_mock.gateway.addresses import rendition_of
from understudy_mock.gateway.forced_answer import refuse_file, strike, strike_file
from understudy_mock.gateway.journal import A_HEADER, AN_ENTRY, HUNG_UP, JournalEntry, cut
from understudy_mock.gateway.play import Struck
from understudy_mock.gateway.status import fetch, status
from understudy_mock.gateway.submit import submit
from understudy_mock.gateway.world import World
from understudy_mock.media import StudioBusy, Unwanted
from understudy_mock.providers.base import Place
from understudy_mock.settings import MAX_BODY, MAX_HEADERS
from understudy_mock.web.cors import Cors
from understudy_mock.web.extras import add_fields
from understudy_mock.web.faults import FAULTS, Wire
from understudy_mock.web.files import answer_file
from understudy_mock.web.protocol import BODILESS, PROCESS, connection_of
from understudy_mock.web.routes import Found, Routes

_log = logging.getLogger("understudy")

_AS_A_FILE = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox")]
"""Somebody's upload is served beside the admin API: it may be a page, but runs as one from nowhere."""

_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ORIGINS_KEPT = 1000
"""Callers' hosts of which it is known how addresses begin."""

_ORIGIN_KEPT = 1000
"""Bytes of the headers that name such a host; with longer ones it is worked out at each call."""

MAX_BODIES = 128 * 1024 * 1024
"""Most bytes of request bodies held at once, by all calls that are not answered yet; more is 503."""

_SMALL_BODY = 64 * 1024
"""Bytes of a body that is taken however many others are held."""

_HUNG_UP = f"{HUNG_UP} before the whole answer was there"

_ROLES: Mapping[Role, Callable[[World, Operation, Call], Awaitable[Answer]]] = MappingProxyType(
    {
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
)


Decide = Callable[[Found, Call], Awaitable[Answer]]
"""Answers a call, or raises the Refusal or Struck that says why not."""


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
        self._origins: dict[tuple[str, bytes | None, bytes | None, bytes | None], tuple[str, str, str]] = {}
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
        """End a call that still waits when the server ends: its connection breaks, as it would in life."""
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
        began = perf_counter()
        at = self.world.clock.now()
        raw = scope["headers"]
        head_size = len(b"".join(chain.from_iterable(raw))) + len(path) + len(scope["query_string"])
        headers: dict[bytes, bytes] = dict(raw)
        if len(headers) < len(raw) and b"prefer" in headers:
            # RFC 7240, section 2: several Prefer headers are one list.
            headers[b"prefer"] = b", ".join(value for name, value in raw if name == b"prefer")
        origin, media_origin, host = self._origin(scope, headers)
        if self._prefix != "/" and path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :]
        raw_path = scope.get("raw_path")
        if raw_path is not None and b"%" in raw_path and b"%2f" in raw_path.lower():
            path = raw_path.decode("latin-1")  # an escaped slash is no separator (RFC 3986, section 2.2)
        method = scope["method"]
        found = self._routes.find(method, path, host)
        call = Call(method, path, scope["query_string"], headers, b"", origin, media_origin, found.params)
        if self._cors is not None and (allowed := self._cors.preflight(method, headers)) is not None:
            await _send(allowed, method, send)  # the browser's own question, not the caller's: not kept
            return
        connection = connection_of(scope)
        cycle = connection.cycle if connection is not None else None
        if cycle is not None:
            call.is_heard = partial(_is_heard, cycle)
        try:
            if head_size > MAX_HEADERS:
                answer = self._refuse(Refusal(Trouble.HEADERS_TOO_LARGE), found, call, host)
            else:
                answer = await self._decide(found, call, host, receive)
        finally:
            self._bodies -= call.size
            call.body = cut(call.body)  # an answer may take its time, and the journal keeps no more
        if call.quirks or self.world.quirks:
            answer = self._bend(answer, call)
        if self._cors is not None:
            allowing = [*answer.headers, *self._cors.headers(headers)]
            answer = Answer(answer.status, answer.body, allowing, answer.fault)
        # A caller that has had enough before the answer was there has not heard it.
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
            made = connection.made if connection is not None and not self._by_hand else 0.0
            connected = at - round((began - made) * 1000) if made else 0
            self._write(scope, found, call, answer, at, took, head_size, error, connected)

    async def _read(self, receive: Receive, call: Call) -> None:
        """Read the request's body, or note that it is too large: before it is read, where that is told.

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
                    return  # half of a body is none, even if it could be read
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
        """Send an answer with its fault done to it, and tell what went out."""
        entry = answer.fault
        assert entry is not None  # else there is nothing to play
        wire = Wire(send, receive, connection_of(scope), scope["method"], self.world.clock)
        return await FAULTS[entry.fault](wire, answer, entry)

    async def _decide(self, found: Found, call: Call, host: str, receive: Receive) -> Answer:
        try:
            if call.method in ("POST", "PUT") and found.operation is not None:
                await self._read(receive, call)
            return await self._answer(found, call)
        except Refusal as refusal:
            return self._refuse(refusal, found, call, host)
        except Struck as struck:
            return await self._strike(struck.entry, found, call, host)
        except (StudioBusy, Unwanted):  # what nobody waits for is not heard either
            return self._refuse(Refusal(Condition.UNAVAILABLE), found, call, host)
        except Exception:
            # A bug of ours must not look like a dead server; the traceback is for its maintainer.
            _log.exception("the gateway failed at %s %s", call.method, call.path)
            return self._refuse(Refusal(Condition.INTERNAL_ERROR), found, call, host)

    async def _as_documented(self, found: Found, call: Call) -> Answer:
        if found.operation is not None:
            return await _ROLES[found.operation.role](self.world, found.operation, call)
        if found.file is not None and call.method in found.allowed:
            job, index, fault = await fetch(self.world, *found.file, call)
            rendition = await rendition_of(job, index)
            file = await self.world.files.file(rendition, call.is_heard)
            answer = answer_file(file, rendition, job.media_type, call)
            answer.fault = fault
            return answer
        if found.kept is not None and call.method in found.allowed:
            kept = uploads.fetch(self.world, *found.kept, call)
            answer = answer_file(kept.content, kept.tag, kept.media_type, call)
            answer.headers += _AS_A_FILE
            return answer
        what = Trouble.WRONG_METHOD if found.allowed else Trouble.NO_ROUTE
        raise Refusal(what, Detail(allowed=found.allowed))

    async def _strike(self, entry: Entry, found: Found, call: Call, host: str) -> Answer:
        """Word a scenario's entry: as the provider does, but for files."""
        if found.is_file:
            return strike_file(self.world, entry)
        job = await self.world.store.get(call.job) if call.job else None
        provider = self.world.provider(found.provider)
        model = job.model if job is not None else found.operation.model if found.operation else None
        place = Place(host, call.path, self.world.trace())
        quirks = self._quirks(call)
        return strike(self.world, provider, entry, place, quirks, model.id if model else "", call.price)

    def _refuse(self, refusal: Refusal, found: Found, call: Call, host: str) -> Answer:
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

    def _origin(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[str, str, str]:
        """Tell how absolute addresses to this caller begin, those of files, and the bare host it called."""
        forwarded = headers.get(b"x-forwarded-proto")
        asked = (scope["scheme"], headers.get(b"host"), forwarded, headers.get(b"x-forwarded-host"))
        known = self._origins.get(asked)
        if known is None:
            known = self._make_origin(scope, *asked)
            if len(self._origins) >= _ORIGINS_KEPT:
                self._origins.clear()
            if sum(len(value) for value in asked[1:] if value) <= _ORIGIN_KEPT:
                self._origins[asked] = known
        return known

    def _make_origin(
        self, scope: Scope, scheme: str, host: bytes | None, proto: bytes | None, outer: bytes | None
    ) -> tuple[str, str, str]:
        settings = self.world.settings
        if proto is not None:
            first = proto.split(b",")[0].strip().lower()
            scheme = first.decode() if first in (b"http", b"https") else scheme
        named = next((h.split(b",")[0].strip() for h in (outer, host) if h), b"")
        if not _HOST.fullmatch(named):
            server = scope.get("server") or ("127.0.0.1", None)
            named = f"{server[0]}:{server[1]}".encode() if server[1] else str(server[0]).encode()
        address = named.decode("latin-1")
        bare = re.sub(r":\d+$", "", address).lower()
        origin = (settings.public_url or f"{scheme}://{address}").rstrip("/")
        provider = self._routes.provider_of_host(bare)
        real = self._routes.media_host_of(provider) if provider is not None else None
        files = settings.media_url or (f"{scheme}://{real}" if real and not settings.public_url else origin)
        return origin, files.rstrip("/"), bare

    def _write(
        self,
        scope: Scope,
        found: Found,
        call: Call,
        answer: Answer,
        at: int,
        took: float,
        head_size: int,
        error: str,
        connected: int,
    ) -> None:
        journal = self.world.journal
        query = scope["query_string"]
        response_body = cut(answer.body) if _is_text(answer) else b""
        kept = AN_ENTRY + head_size + len(call.body) + len(response_body)
        kept += A_HEADER * (len(scope["headers"]) + len(answer.headers))
        if call.warnings:
            kept += sum(map(len, call.warnings))
        target = scope.get("raw_path") or scope["path"].encode()
        if scope["scheme"] == "https":  # under a provider's own name: whoever reads it must be able to tell
            target = b"https://" + call.headers.get(b"host", b"localhost") + target
        journal.append(
            # By position: names would cost as much again as the rest of this function.
            JournalEntry(
                journal.next_number,
                "call",
                at,
                took,
                call.key,
                call.account,
                found.provider,
                found.operation.id if found.operation is not None else "",
                call.method,
                (target + b"?" + query if query else target).decode("latin-1"),
                scope["http_version"],
                scope["headers"],
                call.body,
                call.size,
                answer.status,
                answer.headers,
                response_body,
                len(answer.body),
                kept,
                call.job,
                call.scenario,
                str(answer.fault.fault) if answer.fault is not None else "",
                error,
                tuple(call.warnings) if call.warnings else (),
                drift=self.world.clock.drift(),
                connected=connected,
                process=scope.get("extensions", {}).get(PROCESS, 0),
            )
        )


def _is_heard(cycle: RequestResponseCycle) -> bool:
    return not cycle.disconnected


def _is_text(answer: Answer) -> bool:
    """Tell text from media: the journal keeps no part of a file."""
    if answer.headers and answer.headers[0] is JSON:
        return True  # nearly all of them
    kind = next((value for name, value in answer.headers if name == b"content-type"), b"")
    return kind.startswith((b"application/json", b"text/"))


async def _send(answer: Answer, method: str, send: Send) -> None:
    headers = answer.headers
    if answer.status not in BODILESS:
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
