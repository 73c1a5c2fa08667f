"""The recorder as an ASGI app: every call goes to its upstream, and is on disk before its answer ends.

Bodies pass through in parts. Only the last part of an answer waits: the client gets it once the exchange
is written. Read `_forward` first.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from starlette.types import Receive, Scope, Send

from understudy_mock.domain.call import Answer, Headers
from understudy_mock.domain.clock import SystemClock
from understudy_mock.domain.conditions import CallError, Detail, Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.recognise import decode, plain_path
from understudy_mock.har.recording import INLINE, RecordingError
from understudy_mock.har.view import read_told
from understudy_mock.providers.base import Place, Provider
from understudy_mock.record.bodies import Kept, is_text
from understudy_mock.record.callbacks import CALLBACK, Callbacks
from understudy_mock.record.passing import HOP_BY_HOP, header_value, parts_of, worded
from understudy_mock.record.spending import Spending
from understudy_mock.record.tape import Tape
from understudy_mock.record.upstream import Target, Upstreams
from understudy_mock.web.faults.wire import Wire
from understudy_mock.web.protocol import BODILESS, connection_of

_REFUSED = frozenset({400, 401, 402, 403, 404, 405, 406, 409, 413, 415, 422, 429})
"""Statuses with which a provider takes no job, and no money."""

_STOPPED = "the recorder was stopped"

_GRACE = 1.0
"""Real seconds that calls under way get to end before they are broken off."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that ask for nothing to be done (RFC 9110, section 9.2.1)."""

_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
"""Headers that make another method of the one that is seen."""


@dataclass(slots=True, eq=False)
class _Exchange:
    """One call while it is under way."""

    target: Target
    operation: Operation | None
    at: int
    began: float
    method: str
    url: str
    version: str
    headers: Headers
    asked: Kept
    answered: Kept | None = None
    asked_body: bytes = b""
    status: int = 0
    waited: float | None = None
    answer_headers: Headers = field(default_factory=list)
    answer_body: bytes = b""
    fault: str = ""
    error: str = ""
    decoded: bool = False
    may_cost: bool = False
    is_kept: bool = False

    @property
    def name(self) -> str:
        """What people are told of it."""
        if self.operation is not None:
            return f"{self.operation.provider} {self.operation.id}"
        return f"{self.target.provider} {self.method} {self.target.path}"

    def drop(self) -> None:
        """Keep nothing of it."""
        for body in (self.asked, self.answered):
            if body is not None:
                body.drop()


class Recorder:
    """Forwards and records. `tell` gets lines for people, `stop` a reason why nothing more can be kept."""

    def __init__(
        self,
        tape: Tape,
        upstreams: Upstreams,
        client: httpx.AsyncClient,
        callbacks: Callbacks,
        providers: Mapping[str, Provider],
        *,
        max_submits: int | None = None,
        tell: Callable[[str], None],
        stop: Callable[[str], None],
    ) -> None:
        self.spending = Spending()
        self._tape = tape
        self._upstreams = upstreams
        self._client = client
        self._callbacks = callbacks
        self._providers = providers
        self._max_submits = max_submits
        self._tell = tell
        self._stop = stop
        self._clock = SystemClock()
        self._sent = 0
        self._jobs: set[str] = set()
        self._closed = ""
        self._stopping = asyncio.Event()
        self._under_way: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        wire = Wire(send, receive, connection_of(scope), scope["method"], self._clock)
        if self._closed:
            text = f"understudy record: {self._closed}; nothing was sent upstream"
            told = json.dumps({"error": text}).encode() + b"\n"
            await wire.send(Answer(503, told, [(b"content-type", b"application/json")]))
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(ended)
        try:
            if scope["path"].startswith(CALLBACK):
                going = self._callbacks.receive(scope, receive, wire)
                if not await self._until_stopped(going):
                    self._tell("a callback was under way when the recorder was stopped, and is not recorded")
                    ended.set_result(None)
                    await wire.reset()
            else:
                await self._forward(scope, receive, send, wire, ended)
        except RecordingError as error:
            # What is not on disk has not been said: the client gets no end. Nor may more be paid for.
            self._closed = str(error)
            self._stop(str(error))
            await wire.reset()
        finally:
            self._under_way.discard(ended)
            if not ended.done():
                ended.set_result(None)

    async def finish(self, grace: float = _GRACE) -> None:
        """Take no more calls; record those under way as broken off if they take more than `grace` seconds."""
        self._closed = self._closed or _STOPPED
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)
        self._stopping.set()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _until_stopped(self, doing: Coroutine[Any, Any, None]) -> bool:
        """Do something until it is done, or the recorder is stopped; tell whether it was done."""
        work = asyncio.ensure_future(doing)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                return True
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            return False
        finally:
            work.cancel()
            stopping.cancel()

    # -- calls

    async def _forward(
        self, scope: Scope, receive: Receive, send: Send, wire: Wire, ended: asyncio.Future[None]
    ) -> None:
        one = self._begin(scope)
        if one is None:
            text = b'{"error":"understudy record: no answer has named this address"}\n'
            await wire.send(Answer(404, text, [(b"content-type", b"application/json")]))
            return
        if one.may_cost and self._max_submits is not None and self._sent >= self._max_submits:
            await wire.send(self._refuse(one))
            return
        # What this very call's body must be searched for has to be known before the body comes.
        self._tape.learn(self._described(one))
        self._sent += one.may_cost
        try:
            is_whole = await self._until_stopped(self._exchange(one, scope, receive, send))
            if not is_whole and not one.is_kept:
                one.fault, one.error = "truncate" if one.status else "reset", _STOPPED
            if one.fault and not one.is_kept:
                self._keep(one)
        except RecordingError:
            one.drop()
            if one.may_cost:
                self._tell(f"NOT recorded, though it was sent: {self.spending.lost(one.operation, one.name)}")
            raise
        except BaseException:
            one.drop()
            raise
        finally:
            if one.may_cost and one.status in _REFUSED:
                self._sent -= 1
        if one.fault or not is_whole:
            ended.set_result(None)  # the peer may take its time to notice
            # The client sees the same end as the recorder did: a close in good order, or a reset.
            await (wire.close() if one.fault == "truncate" else wire.reset())

    async def _exchange(self, one: _Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        request, gone = await self._request(one, scope, receive)
        response = await self._open(one, request, gone)
        if response is not None:
            try:
                await self._answer(one, response, gone, send)
            finally:
                await response.aclose()

    def _begin(self, scope: Scope) -> _Exchange | None:
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        method = scope["method"]
        base = f"{scope['scheme']}://{host}"
        target = self._upstreams.target(method, base, path, query)
        if target is None:
            return None
        operation = self._operation(method, target)
        owner = self._tape.recogniser.owner_of(target.url)
        if operation is None and owner is not None:
            operation = self._tape.recogniser.operation(owner.provider, owner.operation)
        is_asking = method in _SAFE and not any(name in _OVERRIDES for name, _ in headers)
        return _Exchange(
            target=target,
            operation=operation,
            at=self._clock.wall(),
            began=perf_counter(),
            method=method,
            url=target.url,
            version=scope["http_version"],
            headers=headers,
            asked=self._tape.body(headers),
            # What no document claims may cost: a model without a spec, or a spelling that only the
            # provider understands.
            may_cost=operation.role == "submit" if operation is not None else not is_asking,
        )

    def _operation(self, method: str, target: Target) -> Operation | None:
        """Tell what a call is for by its path, as RFC 3986, section 6.2.2, lets it be spelled."""
        path = plain_path(target.path)
        match = self._tape.recogniser.find(method, path, "")
        if match.operation is None or match.provider != target.provider:
            return None
        if match.operation.role != "submit" and "%" in path:
            return None  # whoever unescapes a slash here may find something else than we do
        return match.operation

    def _refuse(self, one: _Exchange) -> Answer:
        self.spending.refused += 1
        text = f"understudy record: --max-submits {self._max_submits} is used up; nothing was sent upstream"
        why = "" if one.operation is not None else "unrecognised, so it may cost: "
        self._tell(f"refused: {one.name}: {why}--max-submits {self._max_submits}")
        place = Place(one.target.host, one.target.path, "")
        refusal = Refusal(CallError.UNKNOWN_CHOICE, Detail(text=text))
        provider = self._providers.get(one.target.provider) or next(iter(self._providers.values()))
        return provider.refusal(refusal, place, frozenset())

    async def _request(
        self, one: _Exchange, scope: Scope, receive: Receive
    ) -> tuple[httpx.Request, asyncio.Future[None]]:
        """Make the request as it goes upstream, and something that ends when the client is gone."""
        url = one.url
        # The file keeps the Host that the client has called: it tells what was one origin to the client.
        host = urlsplit(url).netloc.encode()
        sent = [(name, host if name == b"host" else value) for name, value in one.headers]
        headers = [(name, value) for name, value in sent if name not in HOP_BY_HOP]
        given = dict(headers)
        length = given.get(b"content-length", b"0")
        is_short = length.isdigit() and int(length) <= INLINE
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        content: bytes | AsyncIterator[bytes]
        has_body = b"content-length" in given or any(n == b"transfer-encoding" for n, _ in one.headers)
        if not has_body or (
            is_short and b"content-length" in given and is_text(given.get(b"content-type", b""))
        ):
            body = b"".join([part async for part in parts_of(receive, gone)])
            content = one.asked_body = self._upstreams.turn_forth(body, one.target)
            one.asked.add(one.asked_body)
            if len(content) != len(body):
                headers = [pair for pair in headers if pair[0] != b"content-length"]
                headers.append((b"content-length", str(len(content)).encode()))
        else:
            content = _teed(parts_of(receive, gone), one.asked)
        if isinstance(content, bytes) and not gone.done():
            _watch(receive, gone)
        url, headers = self._callbacks.redirect(one.operation, one.target, headers)
        # What comes must be readable here, so it is not to be compressed.
        headers = [pair for pair in headers if pair[0] != b"accept-encoding"]
        headers.append((b"accept-encoding", b"identity"))
        parts = urlsplit(url)
        address = httpx.URL(
            scheme=parts.scheme,
            netloc=parts.netloc.encode(),
            raw_path=url.partition(parts.netloc)[2].encode("latin-1"),
        )
        return httpx.Request(one.method, address, headers=headers, content=content), gone

    async def _open(
        self, one: _Exchange, request: httpx.Request, gone: asyncio.Future[None]
    ) -> httpx.Response | None:
        """Send the request and wait for the head of the answer; None, and a fault, where none comes."""
        sending = asyncio.ensure_future(self._client.send(request, stream=True))
        try:
            waiting: set[asyncio.Future[Any]] = {sending, gone}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                one.fault = "hang"
                one.error = f"the client hung up after {perf_counter() - one.began:.1f} s without an answer"
                return None
            response = sending.result()
        except (httpx.TransportError, httpx.InvalidURL) as error:
            one.fault = "hang" if isinstance(error, httpx.TimeoutException) else "reset"
            one.error = worded(error)
            self._tell(f"upstream failed: {one.target.provider}: {one.error}")
            return None
        finally:
            if not sending.done():
                sending.cancel()
        one.status = response.status_code
        one.waited = (perf_counter() - one.began) * 1000
        one.answer_headers = [(name.lower(), value) for name, value in response.headers.raw]
        self._tape.learn(self._described(one))
        return response

    async def _answer(
        self, one: _Exchange, response: httpx.Response, gone: asyncio.Future[None], send: Send
    ) -> None:
        kind = header_value(one.answer_headers, b"content-type")
        one.answered = self._tape.body(one.answer_headers)
        parts = _broken_off(one, response)
        whole = b""
        if is_text(kind):
            try:
                async for part in parts:
                    whole += part
                    if len(whole) > INLINE:
                        break
            except asyncio.CancelledError:
                one.answered.add(whole)
                raise
        if is_text(kind) and len(whole) <= INLINE:
            await self._answer_text(one, whole, send)
            return
        headers = [pair for pair in one.answer_headers if pair[0] not in HOP_BY_HOP and pair[0] != b"date"]
        start = {"type": "http.response.start", "status": one.status, "headers": self._turned(one, headers)}
        held = whole  # the last part waits until the exchange is written
        one.answered.add(whole)
        has_begun = False
        async for part in parts:
            one.answered.add(part)
            if held:
                if not has_begun:
                    await send(start)
                    has_begun = True
                await send({"type": "http.response.body", "body": held, "more_body": True})
            held = part
            if gone.done():
                one.fault, one.error = "truncate", "the client hung up in the middle of the answer"
        if one.fault:
            if not has_begun:
                await send(start)
            if held and not gone.done():
                await send({"type": "http.response.body", "body": held, "more_body": True})
            return
        self._keep(one)
        if not has_begun:
            await send(start)
        await send({"type": "http.response.body", "body": held, "more_body": False})

    async def _answer_text(self, one: _Exchange, whole: bytes, send: Send) -> None:
        """Answer a text that is here as a whole, its addresses turned so that the client stays inside."""
        body = _decompressed(one, whole) if not one.fault else whole
        one.answer_body = body
        assert one.answered is not None
        if one.decoded:
            one.answered.encoding = b""
        one.answered.add(body)
        self._upstreams.learn(body)
        turned = self._upstreams.turn_back(body, one.target) if not one.fault else body
        drop = HOP_BY_HOP | {b"date"} | ({b"content-encoding"} if one.decoded else set())
        headers = [pair for pair in one.answer_headers if pair[0] not in drop]
        if one.method != "HEAD" and one.status not in BODILESS and not one.fault:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(turned)).encode()))
        headers = self._turned(one, headers)
        start = {"type": "http.response.start", "status": one.status, "headers": headers}
        if one.fault:
            await send(start)
            await send({"type": "http.response.body", "body": turned, "more_body": True})
            return
        self._keep(one)
        await send(start)
        await send({"type": "http.response.body", "body": turned, "more_body": False})

    def _turned(self, one: _Exchange, headers: Headers) -> Headers:
        """Lead redirects back here."""
        for name, value in headers:
            if name == b"location" and value.startswith((b"http://", b"https://")):
                self._upstreams.allow(value.decode("latin-1"))
        return [
            (name, self._upstreams.back(value.decode("latin-1"), one.target).encode("latin-1"))
            if name == b"location"
            else (name, value)
            for name, value in headers
        ]

    def _keep(self, one: _Exchange) -> None:
        """Write an exchange. Raises RecordingError."""
        one.is_kept = True
        for body in (one.asked, one.answered):
            if body is not None:
                body.end()
        entry = self._tape.keep(self._described(one), one.asked, one.answered)
        self._count(one, entry)

    def _described(self, one: _Exchange) -> JournalEntry:
        """Describe as much of an exchange as there is by now."""
        return JournalEntry(
            at=one.at,
            duration=(perf_counter() - one.began) * 1000,
            provider=one.target.provider,
            operation=one.operation.id if one.operation is not None else "",
            method=one.method,
            url=one.url,
            http_version=one.version,
            request_headers=one.headers,
            request_body=one.asked.text,
            request_size=one.asked.size,
            status=one.status,
            response_headers=one.answer_headers,
            response_body=one.answered.text if one.answered is not None else b"",
            response_size=one.answered.size if one.answered is not None else 0,
            fault=one.fault,
            error=one.error,
            waited=one.waited,
        )

    def _count(self, one: _Exchange, entry: JournalEntry) -> None:
        """Count what it costs, also what turns out to have been a submit only now."""
        told = None if entry.status >= 400 else read_told(decode(entry.response_body))
        job = told.job if told is not None else ""
        is_new = bool(job) and job not in self._jobs
        self._jobs.update({job, entry.job} - {""})
        if not one.may_cost:
            if one.operation is not None or entry.operation or not is_new:
                return
            self._sent += 1
        shown = self._tape.secrets.text(entry.job or job)
        self._tell(self.spending.count(one.operation, entry, shown, one.name))


async def _teed(parts: AsyncIterator[bytes], kept: Kept) -> AsyncIterator[bytes]:
    async for part in parts:
        kept.add(part)
        yield part


def _watch(receive: Receive, gone: asyncio.Future[None]) -> None:
    """Have `gone` end when the client leaves."""

    async def wait() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not gone.done():
            gone.set_result(None)

    task = asyncio.ensure_future(wait())
    gone.add_done_callback(lambda _: task.cancel())


async def _broken_off(one: _Exchange, response: httpx.Response) -> AsyncIterator[bytes]:
    """Walk an answer's body; one that breaks off is noted."""
    try:
        async for part in response.aiter_raw():
            yield part
            if one.fault:
                return
    except httpx.TransportError as error:
        # The peer closed in good order and too early, or the connection broke (ECONNRESET).
        one.fault = "reset" if isinstance(error, httpx.NetworkError) else "truncate"
        one.error = worded(error)


def _decompressed(one: _Exchange, body: bytes) -> bytes:
    """Read a text that came compressed although nobody had asked for that."""
    encoding = header_value(one.answer_headers, b"content-encoding").strip().lower()
    if encoding not in (b"gzip", b"deflate") or not body:
        return body
    machine = zlib.decompressobj(wbits=47 if encoding == b"gzip" else 15)
    try:
        plain = machine.decompress(body, INLINE)
    except zlib.error:
        return body
    if machine.unconsumed_tail:
        return body
    one.decoded = True
    return plain
