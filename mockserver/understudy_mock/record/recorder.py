"""The recorder as an ASGI app: every call goes to its upstream, and is on disk before its answer ends.

Bodies pass through in parts. Only the last part of an answer waits: the client gets it once the exchange
is written. Read `_forward` first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from starlette.types import Receive, Scope, Send

from understudy_mock.domain.call import Answer, Headers
from understudy_mock.domain.clock import SystemClock
from understudy_mock.domain.conditions import CallError, Detail, Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.body import decode
from understudy_mock.har.coding import uncoded
from understudy_mock.har.recognise import plain_path
from understudy_mock.har.recording import INLINE, RecordingError
from understudy_mock.record.bodies import RecordedBody, is_text
from understudy_mock.record.callbacks import CALLBACK, Callbacks
from understudy_mock.record.passing import HOP_BY_HOP, header_value, parts_of, worded
from understudy_mock.record.spending import Spending
from understudy_mock.record.upstream import Target, Upstreams
from understudy_mock.record.writer import Writer
from understudy_mock.web.faults.wire import Wire
from understudy_mock.web.protocol import BODILESS, connection_of
from understudy_mock.wording import Place, Wordings

_REFUSED = frozenset({400, 401, 402, 403, 404, 405, 406, 409, 413, 415, 422, 429})
"""Statuses with which a provider takes no job, and no money."""

_STOPPED = "the recorder was stopped"

_GRACE = 1.0
"""Real seconds that calls under way get to end before they are broken off."""

Result = TypeVar("Result")

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
    sent: RecordedBody
    answer: RecordedBody | None = None
    status: int = 0
    waited: float | None = None
    answer_headers: Headers = field(default_factory=list)
    fault: str = ""
    error: str = ""
    decoded: bool = False
    may_cost: bool = False
    is_written: bool = False
    size: int = 0
    """Bytes that all the work on it has been about so far."""

    @property
    def name(self) -> str:
        """What it is called in lines for people."""
        if self.operation is not None:
            return f"{self.operation.provider} {self.operation.id}"
        return f"{self.target.provider} {self.method} {self.target.path}"

    def drop(self) -> None:
        """Keep nothing of its bodies."""
        for body in (self.sent, self.answer):
            if body is not None:
                body.drop()


class Recorder:
    """Forwards and records. `tell` gets lines for people, `stop` a reason why nothing more can be written."""

    def __init__(
        self,
        writer: Writer,
        upstreams: Upstreams,
        client: httpx.AsyncClient,
        callbacks: Callbacks,
        wordings: Wordings,
        *,
        max_submits: int | None = None,
        tell: Callable[[str], None],
        stop: Callable[[str], None],
    ) -> None:
        self.spending = Spending()
        self._writer = writer
        self._upstreams = upstreams
        self._client = client
        self._callbacks = callbacks
        self._wordings = wordings
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
            body = json.dumps({"error": text}).encode() + b"\n"
            await wire.send(Answer(503, body, [(b"content-type", b"application/json")]))
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
        """Do something until it is done, or the recorder is stopped; return whether it was done."""
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
        exchange = self._begin(scope)
        if exchange is None:
            text = b'{"error":"understudy record: no answer has named this address"}\n'
            await wire.send(Answer(404, text, [(b"content-type", b"application/json")]))
            return
        if exchange.may_cost and self._max_submits is not None and self._sent >= self._max_submits:
            await wire.send(self._refuse(exchange))
            return
        self._sent += exchange.may_cost
        # What this very call's body must be searched for has to be known before the body comes.
        await self._apart(exchange, 0, self._writer.learn, self._described(exchange))
        try:
            is_whole = await self._until_stopped(self._exchange(exchange, scope, receive, send))
            if not is_whole and not exchange.is_written:
                exchange.fault, exchange.error = "truncate" if exchange.status else "reset", _STOPPED
            if exchange.fault and not exchange.is_written:
                await self._write(exchange)
        except RecordingError:
            exchange.drop()
            if exchange.may_cost:
                lost = self.spending.lost(exchange.operation, exchange.name)
                self._tell(f"NOT recorded, though it was sent: {lost}")
            raise
        except BaseException:
            exchange.drop()
            raise
        finally:
            if exchange.may_cost and exchange.status in _REFUSED:
                self._sent -= 1
        if exchange.fault or not is_whole:
            ended.set_result(None)  # the peer may take its time to notice
            # The client sees the same end as the recorder did: a close in good order, or a reset.
            await (wire.close() if exchange.fault == "truncate" else wire.reset())

    async def _exchange(self, exchange: _Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        request, gone = await self._request(exchange, scope, receive)
        response = await self._open(exchange, request, gone)
        if response is not None:
            try:
                await self._answer(exchange, response, gone, send)
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
        owner = self._writer.recogniser.owner_of(target.url)
        if operation is None and owner is not None:
            operation = self._writer.recogniser.operation(owner.provider, owner.operation)
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
            sent=self._writer.body(headers),
            # What no document claims may cost: a model without a spec, or a spelling that only the
            # provider understands.
            may_cost=operation.role == "submit" if operation is not None else not is_asking,
        )

    def _operation(self, method: str, target: Target) -> Operation | None:
        """Return what a call is for by its path, as RFC 3986, section 6.2.2, lets it be spelled."""
        path = plain_path(target.path)
        match = self._writer.recogniser.find(method, path, "")
        if match.operation is None or match.provider != target.provider:
            return None
        if match.operation.role != "submit" and "%" in path:
            return None  # whoever unescapes a slash here may read another path than we do
        return match.operation

    def _refuse(self, exchange: _Exchange) -> Answer:
        self.spending.refused += 1
        text = f"understudy record: --max-submits {self._max_submits} is used up; nothing was sent upstream"
        why = "" if exchange.operation is not None else "unrecognised, so it may cost: "
        self._tell(f"refused: {exchange.name}: {why}--max-submits {self._max_submits}")
        place = Place(exchange.target.host, exchange.target.path, "")
        refusal = Refusal(CallError.UNKNOWN_CHOICE, Detail(text=text))
        provider = self._wordings.get(exchange.target.provider) or next(iter(self._wordings.values()))
        return provider.refusal(refusal, place, frozenset())

    async def _request(
        self, exchange: _Exchange, scope: Scope, receive: Receive
    ) -> tuple[httpx.Request, asyncio.Future[None]]:
        """Return the request as it goes upstream, and a future that ends when the client is gone."""
        url = exchange.url
        # The file keeps the Host that the client has called: it shows what was one origin to the client.
        host = urlsplit(url).netloc.encode()
        sent = [(name, host if name == b"host" else value) for name, value in exchange.headers]
        headers = [(name, value) for name, value in sent if name not in HOP_BY_HOP]
        given = dict(headers)
        length = given.get(b"content-length", b"0")
        is_short = length.isdigit() and int(length) <= INLINE
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        content: bytes | AsyncIterator[bytes]
        has_body = b"content-length" in given or any(n == b"transfer-encoding" for n, _ in exchange.headers)
        if not has_body or (
            is_short and b"content-length" in given and is_text(given.get(b"content-type", b""))
        ):
            body = b"".join([part async for part in parts_of(receive, gone)])
            content = await self._apart(
                exchange, len(body), self._upstreams.lead_forth, body, exchange.target
            )
            await self._apart(exchange, len(content), exchange.sent.add, content)
            if len(content) != len(body):
                headers = [pair for pair in headers if pair[0] != b"content-length"]
                headers.append((b"content-length", str(len(content)).encode()))
        else:
            content = self._teed(parts_of(receive, gone), exchange)
        if isinstance(content, bytes) and not gone.done():
            _watch(receive, gone)
        url, headers = self._callbacks.redirect(exchange.operation, exchange.target, headers)
        # What comes must be readable here, so it is not to be compressed.
        headers = [pair for pair in headers if pair[0] != b"accept-encoding"]
        headers.append((b"accept-encoding", b"identity"))
        parts = urlsplit(url)
        address = httpx.URL(
            scheme=parts.scheme,
            netloc=parts.netloc.encode(),
            raw_path=url.partition(parts.netloc)[2].encode("latin-1"),
        )
        return httpx.Request(exchange.method, address, headers=headers, content=content), gone

    async def _open(
        self, exchange: _Exchange, request: httpx.Request, gone: asyncio.Future[None]
    ) -> httpx.Response | None:
        """Send the request and return the head of the answer; None, and a fault, where none comes."""
        sending = asyncio.ensure_future(self._client.send(request, stream=True))
        try:
            waiting: set[asyncio.Future[Any]] = {sending, gone}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                exchange.fault = "hang"
                seconds = perf_counter() - exchange.began
                exchange.error = f"the client hung up after {seconds:.1f} s without an answer"
                return None
            response = sending.result()
        except (httpx.TransportError, httpx.InvalidURL) as error:
            exchange.fault = "hang" if isinstance(error, httpx.TimeoutException) else "reset"
            exchange.error = worded(error)
            self._tell(f"upstream failed: {exchange.target.provider}: {exchange.error}")
            return None
        finally:
            if not sending.done():
                sending.cancel()
        exchange.status = response.status_code
        exchange.waited = (perf_counter() - exchange.began) * 1000
        exchange.answer_headers = [(name.lower(), value) for name, value in response.headers.raw]
        await self._apart(exchange, 0, self._writer.learn, self._described(exchange))
        return response

    async def _answer(
        self, exchange: _Exchange, response: httpx.Response, gone: asyncio.Future[None], send: Send
    ) -> None:
        kind = header_value(exchange.answer_headers, b"content-type")
        exchange.answer = self._writer.body(exchange.answer_headers)
        parts = _broken_off(exchange, response)
        whole = b""
        if is_text(kind):
            try:
                async for part in parts:
                    whole += part
                    if len(whole) > INLINE:
                        break
            except asyncio.CancelledError:
                exchange.answer.add(whole)  # text: it is gathered, and searched when it has ended
                raise
        if is_text(kind) and len(whole) <= INLINE:
            await self._answer_text(exchange, whole, send)
            return
        headers = self._redirected(exchange, HOP_BY_HOP | {b"date"})
        start = {"type": "http.response.start", "status": exchange.status, "headers": headers}
        held = whole  # the last part waits until the exchange is written
        await self._apart(exchange, len(whole), exchange.answer.add, whole)
        has_begun = False
        async for part in parts:
            await self._apart(exchange, len(part), exchange.answer.add, part)
            if held:
                if not has_begun:
                    await send(start)
                    has_begun = True
                await send({"type": "http.response.body", "body": held, "more_body": True})
            held = part
            if gone.done():
                exchange.fault, exchange.error = "truncate", "the client hung up in the middle of the answer"
        if exchange.fault:
            if not has_begun:
                await send(start)
            if held and not gone.done():
                await send({"type": "http.response.body", "body": held, "more_body": True})
            return
        await self._write(exchange)
        if not has_begun:
            await send(start)
        await send({"type": "http.response.body", "body": held, "more_body": False})

    async def _answer_text(self, exchange: _Exchange, whole: bytes, send: Send) -> None:
        """Answer a text that is here as a whole; its addresses are changed so that the client stays here."""
        shown = await self._apart(exchange, len(whole), self._take, exchange, whole)
        drop = HOP_BY_HOP | {b"date"} | ({b"content-encoding"} if exchange.decoded else set())
        headers = self._redirected(exchange, drop)
        if exchange.method != "HEAD" and exchange.status not in BODILESS and not exchange.fault:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(shown)).encode()))
        start = {"type": "http.response.start", "status": exchange.status, "headers": headers}
        if exchange.fault:
            await send(start)
            await send({"type": "http.response.body", "body": shown, "more_body": True})
            return
        await self._write(exchange)
        await send(start)
        await send({"type": "http.response.body", "body": shown, "more_body": False})

    def _take(self, exchange: _Exchange, whole: bytes) -> bytes:
        """Record an answer that is text, and return it with addresses that lead here."""
        assert exchange.answer is not None  # its head has come
        if exchange.fault:
            exchange.answer.add(whole)
            self._upstreams.learn(exchange.target.provider, whole)
            return whole
        body = _decompressed(exchange, whole)
        if exchange.decoded:
            exchange.answer.encoding = b""
        exchange.answer.add(body)
        self._upstreams.learn(exchange.target.provider, body)
        return self._upstreams.lead_back(body, exchange.target)

    async def _teed(self, parts: AsyncIterator[bytes], exchange: _Exchange) -> AsyncIterator[bytes]:
        async for part in parts:
            await self._apart(exchange, len(part), exchange.sent.add, part)
            yield part

    def _redirected(self, exchange: _Exchange, drop: frozenset[bytes]) -> Headers:
        """Return the answer's headers without some, and with redirects that lead back here."""
        headers = [pair for pair in exchange.answer_headers if pair[0] not in drop]
        for index, (name, value) in enumerate(headers):
            if name == b"location":
                url = value.decode("latin-1")
                if url.startswith(("http://", "https://")):
                    self._upstreams.allow(url)
                headers[index] = name, self._upstreams.back(url, exchange.target).encode("latin-1")
        return headers

    async def _apart(
        self, exchange: _Exchange, size: int, work: Callable[..., Result], *arguments: Any
    ) -> Result:
        """Do a piece of work on `size` more bytes of an exchange, after all that was asked for before.

        So no piece of work is more urgent than an earlier one of its exchange.
        """
        exchange.size += size
        return await self._writer.apart(exchange.size, work, *arguments)

    async def _write(self, exchange: _Exchange) -> None:
        """Write an exchange. Raises RecordingError."""
        exchange.is_written = True
        self._sent += await self._apart(exchange, 0, self._write_down, exchange)

    def _write_down(self, exchange: _Exchange) -> bool:
        """Write an exchange; return whether it was a submit, though it did not look like one."""
        for body in (exchange.sent, exchange.answer):
            if body is not None:
                body.end()
        entry = self._writer.write(self._described(exchange), exchange.sent, exchange.answer)
        return self._count(exchange, entry)

    def _described(self, exchange: _Exchange) -> JournalEntry:
        """Describe as much of an exchange as there is by now."""
        return JournalEntry(
            number=0,
            kind="call",
            at=exchange.at,
            duration=(perf_counter() - exchange.began) * 1000,
            key="",
            account="",
            provider=exchange.target.provider,
            operation=exchange.operation.id if exchange.operation is not None else "",
            method=exchange.method,
            url=exchange.url,
            http_version=exchange.version,
            request_headers=exchange.headers,
            request_body=exchange.sent.text,
            request_size=exchange.sent.size,
            status=exchange.status,
            response_headers=exchange.answer_headers,
            response_body=exchange.answer.text if exchange.answer is not None else b"",
            response_size=exchange.answer.size if exchange.answer is not None else 0,
            kept=0,
            fault=exchange.fault,
            error=exchange.error,
            waited=exchange.waited,
        )

    def _count(self, exchange: _Exchange, entry: JournalEntry) -> bool:
        """Count what it costs; return whether it turns out only now to have been a submit."""
        reads = self._writer.recogniser.readers.of(entry.provider)
        view = None if entry.status >= 400 else reads.told(decode(entry.response_body))
        job = view.job if view is not None else ""
        is_new = bool(job) and job not in self._jobs
        self._jobs.update({job, entry.job} - {""})
        is_known = exchange.operation is not None or entry.operation != ""
        if not exchange.may_cost and (is_known or not is_new):
            return False
        shown = self._writer.secrets.text(entry.job or job)
        self._tell(self.spending.count(exchange.operation, reads, entry, shown, exchange.name))
        return not exchange.may_cost


def _watch(receive: Receive, gone: asyncio.Future[None]) -> None:
    """Have `gone` end when the client leaves."""

    async def wait() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not gone.done():
            gone.set_result(None)

    task = asyncio.ensure_future(wait())
    gone.add_done_callback(lambda _: task.cancel())


async def _broken_off(exchange: _Exchange, response: httpx.Response) -> AsyncIterator[bytes]:
    """Walk an answer's body; one that breaks off is noted."""
    try:
        async for part in response.aiter_raw():
            yield part
            if exchange.fault:
                return
    except httpx.TransportError as error:
        # The peer closed in good order and too early, or the connection broke (ECONNRESET).
        exchange.fault = "reset" if isinstance(error, httpx.NetworkError) else "truncate"
        exchange.error = worded(error)


def _decompressed(exchange: _Exchange, body: bytes) -> bytes:
    """Return a text that came compressed, although nobody had asked for that, as it is without."""
    plain = uncoded(body, header_value(exchange.answer_headers, b"content-encoding"), INLINE)
    if plain is None or plain == body:
        return body
    exchange.decoded = True
    return plain
