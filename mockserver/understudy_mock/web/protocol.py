"""uvicorn's HTTP protocol with bounds, access to the transport for wire faults, and one write an answer.

uvicorn writes a head and a body separately, each a system call that wakes the peer. Here an answer is one
piece, and the pieces of one turn of the event loop leave together at its end. That saves half the time of a
poll.

uvicorn trusts its peers. Here trailers are dropped, heads, header counts and queued calls are bounded, a peer
that sends nothing or reads nothing is given up, and large answers leave no faster than they are read.

This uses internals of uvicorn's HttpToolsProtocol and RequestResponseCycle, which an upgrade may change. What
then breaks, and the tests in tests/web that show it:

- `Connection.send` does what RequestResponseCycle.send does, and sets its flags. Answers are lost, doubled or
  without keep-alive: test_raw.py, test_pipelined_requests_are_answered_in_their_order.
- `on_headers_complete` expects `scope` and `cycle` to be there after uvicorn's own. Faults no longer reach
  the transport: tests/scenarios/test_wire.py.
- `_start_asgi_task`, `pipeline` and `on_response_complete` are how uvicorn queues calls. Pipelined calls are
  not answered, or not bounded: test_bounds.py,
  test_pipelined_calls_are_queued_by_the_slice_and_all_answered.
- `connection_lost` completes what uvicorn tells the running cycle. Callers that left are waited for:
  test_bounds.py, test_a_call_that_waits_ends_when_its_peer_leaves_though_another_is_behind_it.
- `_stay` makes a new parser as uvicorn makes its own. Bodies are taken for requests: test_bounds.py,
  test_a_declined_upgrade_leaves_the_body_a_body.
- `flow` pauses reading and writing. Memory grows with a peer that does not read: test_bounds.py,
  test_an_answer_that_nobody_reads_waits_where_it_is_and_is_given_up.
- `ServerState.connections` holds what `tick` and `connection_made` count. Connections are not bounded:
  test_bounds.py, test_a_full_server_lets_the_longest_waiting_peer_go_for_a_new_one.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from itertools import count
from time import perf_counter
from typing import Any

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from understudy_mock.domain.call import Answer
from understudy_mock.settings import MAX_HEADERS

EXTENSION = "understudy.connection"
"""The scope extension that holds the request's connection."""

PROCESS = "understudy.process"
"""The scope extension in which whoever serves the app may say which process calls."""

_HARD_LIMIT = 2 * MAX_HEADERS
"""The parser collects a head without bound. Past this the connection is cut; up to it the app answers 431."""

MAX_FIELDS = 100
"""Most header lines of a request (Apache's LimitRequestFields has the same); more is 431."""

MAX_CONNECTIONS = 1_000
"""Most connections at once. Beyond, the one that has kept us waiting longest goes, else the new one (503)."""

HEAD_WAIT = 30
"""Seconds that a head may take from its first byte to its last (408)."""

BODY_WAIT = 300
"""Seconds that a body may take in all, but for those in which nobody here reads it (408)."""

SILENCE = 30
"""Seconds without a byte in the middle of a body after which it is given up (408)."""

IDLE_WAIT = 75
"""Seconds that a connection may stay open between two calls, or before the first."""

UNREAD_WAIT = 60
"""Seconds in which a peer reads nothing of what is waiting for it, after which the connection is cut."""

PIECE = 64 * 1024
"""Bytes of a body that are written at once; the next go when the peer has read nearly all of them."""

_SLICE = 1024
"""Bytes that the parser gets at once outside a body. Calls that wait behind another weigh 4 KB each, and a
client may send them 18 bytes apiece: no more than one slice holds are ever queued."""

_HTTP_2 = b"PRI * HTTP/2.0"
"""How a client begins that speaks HTTP/2 without having been offered it (RFC 9113, section 3.4)."""

_HTTP_1_REQUIRED = (
    b"\0\0\0\x04\0\0\0\0\0"  # SETTINGS, none
    b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0d"  # GOAWAY, last stream 0, HTTP_1_1_REQUIRED
)
"""What such a client understands (RFC 9113, sections 6.5, 6.8 and 7)."""

BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body and, at 204, may not even tell a length (RFC 9110, section 8.6)."""


_numbers = count(1)
"""Numbers of connections, for all servers of this process."""


class Outbox:
    """What one event loop has to write at the end of its turn."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def post(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write at the end of this turn. What is scheduled from now on runs after it."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write now."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            transport.write(data)


class Shared(ServerState):
    """What all connections of one server share. `room` is how many there may be."""

    def __init__(self, loop: asyncio.AbstractEventLoop, room: int) -> None:
        super().__init__()
        self.outbox = Outbox(loop)
        self.room = room
        self.ending = asyncio.Event()


@dataclass(slots=True, eq=False)
class Connection:
    """The connection below one request."""

    transport: asyncio.Transport
    outbox: Outbox
    cycle: RequestResponseCycle
    made: float
    """When the caller connected, by `perf_counter`; 0 for any but the first call of a connection."""
    number: int
    """Which connection of this process it is, from 1."""
    ending: asyncio.Event
    """Set when the server ends: who sends without end then stops."""

    def send(self, answer: Answer) -> bool:
        """Send a whole answer in one piece; False, and nothing is sent, where uvicorn has to do it."""
        cycle = self.cycle
        # In all of these cases uvicorn has more to do than to write.
        if (
            cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.waiting_for_100_continue
            or cycle.flow.write_paused
            or len(answer.body) > PIECE
            or answer.status in BODILESS
        ):
            return False
        parts = [STATUS_LINE[answer.status]]
        for headers in (cycle.default_headers, answer.headers):
            for name, value in headers:
                if b"\n" in value or b"\r" in value:
                    return False  # uvicorn refuses it, and says so
                parts += (name, b": ", value, b"\r\n")
        parts += (b"content-length: ", str(len(answer.body)).encode(), b"\r\n\r\n", answer.body)
        self.outbox.post(self.transport, b"".join(parts))
        # What RequestResponseCycle.send does after the last piece of a body.
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    async def write(self, data: bytes) -> None:
        """Write bytes past the server's own checks, as fast as the peer reads them, and while it is there."""
        for start in range(0, len(data), PIECE):
            if self.cycle.flow.write_paused:
                await self.cycle.flow.drain()
            if self.cycle.disconnected:
                return
            self.transport.write(data[start : start + PIECE])


class InPieces:
    """An app whose large bodies leave in pieces, each when the peer has read nearly all of the one before."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""

        async def send_in_pieces(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) <= PIECE:
                await send(message)
                return
            more = message.get("more_body", False)
            # uvicorn waits for the peer between two messages, but not within one.
            for start in range(0, len(body), PIECE):
                end = start + PIECE
                following = more or end < len(body)
                await send(
                    {"type": "http.response.body", "body": bytes(body[start:end]), "more_body": following}
                )

        try:
            await self._app(scope, receive, send_in_pieces)
        finally:
            # Scope, connection and cycle lead to each other; together they would wait for the collector.
            scope.get("extensions", {}).pop(EXTENSION, None)


class Phase(Enum):
    """What of a request is coming in."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class GatewayProtocol(HttpToolsProtocol):
    """One connection."""

    server_state: Shared
    # Defaults of the class, so that a new connection need not set them.
    _phase = Phase.NOTHING
    _begun = False
    _head = 0
    """Bytes of this head, but for the slice that ends it."""
    _beside = 0
    """Bytes that came since the last of the body and are none: trailers, and what frames chunks."""
    _received = 0
    """Bytes of this body."""
    _announced = -1
    """What Content-Length says of it, once anybody has asked; 0 where it says nothing."""
    _trailers = 0
    _unparsed = b""
    _running: RequestResponseCycle | None = None
    """The call that is being answered. `cycle` is the one that came last."""
    _upgrading = False
    _refusal = HTTPStatus.BAD_REQUEST
    _lasted = 0
    """Seconds that the phase has lasted, in which nobody but the peer could end it."""
    _silent = 0
    """Seconds of them since the last byte."""
    _stuck = 0
    """Seconds in which the peer has read nothing of what waits for it."""
    _unsent = 0

    # -- what the transport calls

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._number = next(_numbers)
        self._made = perf_counter()  # a transport makes its protocol at once, before any handshake of TLS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, if there is room or a waiting one that can go."""
        full = len(self.connections) >= self.server_state.room
        super().connection_made(transport)
        self._outbox = self.server_state.outbox
        if full:
            waiting = [one for one in self.connections if isinstance(one, GatewayProtocol) and one.lasted]
            if waiting:
                max(waiting, key=lambda one: one.lasted).transport.abort()
            else:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        begun, self._begun = self._begun, True
        if not begun and data.startswith(_HTTP_2):
            self.transport.write(_HTTP_1_REQUIRED)
            self.transport.close()
            return
        self._silent = 0
        if self._unparsed or self.pipeline:
            # Reading was paused, but an app that waits for its peer to leave has made the transport read on.
            self._unparsed += data
            self.flow.pause_reading()
        else:
            self._parse(data)

    def resume_writing(self) -> None:
        """Note that the peer has read nearly all that waited for it."""
        self._stuck = 0
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection. uvicorn ends its last call; a running one before that is ended here."""
        super().connection_lost(exc)
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self.pipeline.clear()
        self._unparsed = b""

    # -- what the server calls

    @property
    def lasted(self) -> int:
        """Whole seconds that the peer has kept this connection waiting; 0 while a call is at work."""
        return 0 if self.transport.is_closing() else self._lasted

    def tick(self) -> None:
        """Count a second, and end the connection when its peer has kept it waiting for too many."""
        unsent = self.transport.get_write_buffer_size()
        self._stuck = self._stuck + 1 if unsent and unsent >= self._unsent else 0
        self._unsent = unsent
        if self._stuck > UNREAD_WAIT:
            self.transport.abort()
        if unsent or self.flow.read_paused or self.transport.is_closing():
            return
        if self._phase is Phase.NOTHING and self._is_answering:
            return
        self._lasted += 1
        self._silent += 1
        if self._phase is Phase.NOTHING:
            if self._lasted > IDLE_WAIT:
                self.transport.close()
        elif self._phase is Phase.HEAD:
            if self._lasted > HEAD_WAIT:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self._lasted > BODY_WAIT or self._silent > SILENCE:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def shutdown(self) -> None:
        """End the connection when the server ends, with all that was answered on its way."""
        self._outbox.flush()
        self.server_state.ending.set()
        super().shutdown()

    # -- parsing

    def _parse(self, data: bytes) -> None:
        """Pass bytes to the parser, a slice at a time, until a call has to wait behind another one."""
        at = 0
        while at < len(data):
            if self.pipeline:
                self._unparsed = data[at:]
                self.flow.pause_reading()
                return
            piece = data
            # The parser queues every call that a piece holds, so pieces are small; but a body holds no calls.
            if at or len(data) > _SLICE:
                piece = data[at : at + max(_SLICE, self._sure_body())]
            at += len(piece)
            received = self._received
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                at -= len(piece) - upgrade.args[0]  # the parser stopped there
                if not self._stay():
                    return
            except httptools.HttpParserError:
                self._refuse(self._refusal)
                return
            if self._phase is Phase.HEAD:
                self._head += len(piece)
                if self._head > _HARD_LIMIT:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                    return
            elif self._phase is Phase.BODY:
                self._beside = self._beside + len(piece) if self._received == received else 0
                if self._beside > MAX_HEADERS:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                    return

    def _sure_body(self) -> int:
        """Return how many of the coming bytes are surely body."""
        if self._phase is not Phase.BODY:
            return 0
        if self._announced < 0:
            length = next((value for name, value in self.headers if name == b"content-length"), b"")
            self._announced = int(length or 0)  # the parser has refused what is no number
        return self._announced - self._received

    def _stay(self) -> bool:
        """Decline an upgrade: read the same request without it (RFC 9110, section 7.8).

        The parser ends at an upgrade and takes the body for another protocol's, or for the next request.
        """
        if not self._upgrading:  # CONNECT, which is answered, and after which comes no HTTP
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return False
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._upgrading = False
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))
        return True

    def _refuse(self, status: HTTPStatus) -> None:
        """End the connection with a plain answer, where it cannot be taken for another call's."""
        self._outbox.flush()
        if self.transport.is_closing():
            return
        if self._phase is not Phase.BODY and self._is_answering:
            self.cycle.keep_alive = False  # the calls before this one are answered first; then it closes
            self._unparsed = b""
            self.flow.pause_reading()
            return
        if self._phase is not Phase.BODY or (self.cycle is self._running and not self.cycle.response_started):
            body = status.phrase.encode()
            head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    # -- what the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._phase = Phase.HEAD
        self._head = self._received = self._beside = self._trailers = self._lasted = 0
        self._announced = -1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. After the body it is a trailer, which may not count as one (RFC 9110, 6.5.1)."""
        if self._phase is not Phase.HEAD:
            self._trailers += len(name) + len(value)
            if self._trailers > MAX_HEADERS:
                self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                raise ValueError("too many trailers")
            return
        if len(self.headers) >= MAX_FIELDS:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head: what comes now is body."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._upgrading = True
            return
        self._phase = Phase.BODY
        self._lasted = 0
        super().on_headers_complete()
        # In time: the task that uvicorn has made for the call has not run yet.
        ending = self.server_state.ending
        connection = Connection(self.transport, self._outbox, self.cycle, self._made, self._number, ending)
        self._made = 0.0
        self.scope["extensions"] = {EXTENSION: connection}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        """Take some of a body."""
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if not self._upgrading:
            self._phase = Phase.NOTHING
            self._lasted = 0
            super().on_message_complete()

    # -- answering

    @property
    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the next call: one that waits, one that is to be parsed, or one that is to come."""
        if self.transport.is_closing():
            return
        self._lasted = 0
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())  # uvicorn puts new calls at the left
        if not self.pipeline:
            if self._unparsed:
                self.loop.call_soon(self._parse_on)  # later: this runs inside the call that was answered
            else:
                self.flow.resume_reading()

    def _parse_on(self) -> None:
        data, self._unparsed = self._unparsed, b""
        if self.transport.is_closing():
            return
        self._parse(data)
        if not self._unparsed and not self.pipeline:
            self.flow.resume_reading()


def connection_of(scope: MutableMapping[str, Any]) -> Connection | None:
    """Return the connection below a request; None where there is none, as in tests over ASGI."""
    connection: Connection | None = scope.get("extensions", {}).get(EXTENSION)
    return connection
