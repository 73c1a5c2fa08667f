"""What a peer can make the server hold, and for how long: trailers, queued calls, silence, unread answers.

Seconds pass only when a test lets them: the server counts them in ticks.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.driving import SEGMIND, STATUS, SUBMITS
from tests.web.sockets import KEY, LINE, Listening, listening
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import SystemClock
from understudy_mock.domain.rendition import Rendition
from understudy_mock.domain.timeline import State
from understudy_mock.web import front
from understudy_mock.web.protocol import (
    BODY_WAIT,
    HEAD_WAIT,
    IDLE_WAIT,
    MAX_FIELDS,
    PIECE,
    SILENCE,
    UNREAD_WAIT,
    GatewayProtocol,
    Phase,
)

pytestmark = pytest.mark.e2e

_BODY = b'{"prompt": "a"}'
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(_BODY), _BODY)
_POST = LINE + KEY + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY
_GET = f"GET {STATUS}/nobody HTTP/1.1\r\nHost: a\r\n".encode() + KEY + b"\r\n"


def _protocols(server: Listening) -> list[GatewayProtocol]:
    held = server.server.server_state.connections
    return [protocol for protocol in held if isinstance(protocol, GatewayProtocol)]


async def _end(server: Listening) -> None:
    """End the one job, for which a call waits."""
    (job,) = server.gateway.world.store
    await server.gateway.world.end(job, State.COMPLETED, None)


# -- trailers (RFC 9110, section 6.5.1)


async def test_a_key_in_a_trailer_is_no_key(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        answer = await server.says(LINE + _CHUNKED + _CHUNKS + KEY + b"\r\n")
        assert answer.status == 401
        (entry,) = server.gateway.world.journal.since(0)
        assert entry.request_headers == [(b"host", b"gateway.test"), (b"transfer-encoding", b"chunked")]


async def test_a_choice_and_a_host_in_a_trailer_change_nothing(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        trailers = b"Prefer: code=402\r\nHost: elsewhere.test\r\n\r\n"
        answer = await server.says(LINE + KEY + _CHUNKED + _CHUNKS + trailers)
        assert answer.status == 202
        assert msgspec.json.decode(answer.body)["polling_url"].startswith("http://gateway.test/")


@pytest.mark.parametrize(
    ("token", "host", "trailer"),
    [
        (None, b"evil.example", b"Host: localhost"),
        ("secret", b"localhost", b"Authorization: Bearer secret"),
    ],
)
async def test_a_trailer_does_not_open_the_admin_api(
    catalog: Catalog, token: str | None, host: bytes, trailer: bytes
) -> None:
    async with listening(catalog, admin_token=token) as server:
        head = b"POST /_mock/clock/advance HTTP/1.1\r\nHost: %s\r\n" % host
        answer = await server.says(head + _CHUNKED + b"0\r\n" + trailer + b"\r\n\r\n")
        assert answer.status == 403


async def test_the_next_request_has_its_own_headers_again(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        await wire.send(LINE + KEY + _CHUNKED + _CHUNKS + b"X-Trailer: 1\r\n\r\n" + _POST)
        assert [(await wire.answer()).status for _ in range(2)] == [202, 202]


@pytest.mark.parametrize(
    "piece",
    [b"X-More: " + b"v" * 1_000 + b"\r\n", b"a:b\r\n" * 200, b"v" * 1_000],
    ids=["long", "short", "one"],
)
async def test_trailers_without_end_are_cut_and_create_nothing(catalog: Catalog, piece: bytes) -> None:
    async with listening(catalog) as server:
        tracemalloc.start()
        try:
            answer = await server.endless(LINE + KEY + _CHUNKED + _CHUNKS + b"X-First: ", piece)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()
        assert len(server.gateway.world.store) == 0
        await server.is_well()


async def test_more_than_64_kilobytes_of_trailers_are_431(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        async with server.wire() as wire:
            await wire.send(LINE + KEY + _CHUNKED + _CHUNKS + b"X-A: %s\r\n" % (b"v" * 60_000))
            await wire.send(b"X-B: %s\r\n\r\n" % (b"v" * 60_000))
            assert (await wire.rest()).startswith(b"HTTP/1.1 431 ")
        answer = await server.says(LINE + KEY + _CHUNKED + _CHUNKS + b"X-A: %s\r\n\r\n" % (b"v" * 60_000))
        assert answer.status == 202


# -- where one request ends and the next begins


@pytest.mark.parametrize("lines", [MAX_FIELDS, MAX_FIELDS + 1])
async def test_a_head_has_at_most_a_hundred_lines(catalog: Catalog, lines: int) -> None:
    """Of many short ones, each weighs far more here than on the wire."""
    async with listening(catalog) as server:
        head = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * (lines - 1) + b"\r\n"
        assert (await server.says(head)).status == (404 if lines <= MAX_FIELDS else 431)
        await server.is_well()


@pytest.mark.parametrize("together", [True, False])
async def test_a_declined_upgrade_leaves_the_body_a_body(catalog: Catalog, together: bool) -> None:
    """RFC 9110, section 7.8. Java's HttpClient offers h2c with every call in clear."""
    async with listening(catalog) as server, server.wire() as wire:
        upgrade = (
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
        )
        head = LINE + KEY + upgrade + b"Content-Length: %d\r\n\r\n" % len(_BODY)
        if together:
            await wire.send(head + _BODY + _GET)
        else:
            await wire.send(head)
            await asyncio.sleep(0.01)
            await wire.send(_BODY + _GET)
        assert [(await wire.answer()).status for _ in range(2)] == [202, 404]


async def test_a_body_behind_a_declined_upgrade_is_no_request(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        head = LINE + KEY + b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
        await wire.send(head)
        await asyncio.sleep(0.01)
        await wire.send(smuggled + _GET)
        assert [(await wire.answer()).status for _ in range(2)] == [400, 404]
        assert not [e for e in server.gateway.world.journal.since(0) if e.url == "/smuggled"]


async def test_nonsense_behind_a_good_call_does_not_take_its_answer(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        await wire.send(_POST + _GET + b"nonsense\r\n\r\n")
        heard = await wire.rest()
        assert heard.startswith(b"HTTP/1.1 202 ")
        assert b"HTTP/1.1 404 " in heard
        assert b"HTTP/1.1 400 " not in heard


# -- calls that wait behind another


async def test_pipelined_calls_are_queued_by_the_slice_and_all_answered(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        most = 0
        async with server.wire() as wire:
            sending = asyncio.ensure_future(wire.send(b"GET / HTTP/1.1\r\n\r\n" * 5_000))
            for _ in range(5_000):
                assert (await wire.answer()).status == 404
                most = max(most, *(len(protocol.pipeline) for protocol in _protocols(server)))
            await sending
        assert most < 100


async def test_a_large_body_behind_another_call_is_read_when_its_turn_comes(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        body = b'{"prompt": "a", "n": "' + b"x" * 300_000 + b'"}'
        large = LINE + KEY + b"Content-Length: %d\r\n\r\n" % len(body) + body
        chunked = LINE + KEY + _CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        async with server.wire() as wire:
            await wire.send(_POST + large + _GET + chunked + _GET)
            assert [(await wire.answer()).status for _ in range(5)] == [202, 202, 404, 202, 404]


async def test_calls_leave_nothing_to_the_garbage_collector(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        cycles: list[weakref.ref[RequestResponseCycle]] = []
        gc.disable()
        try:
            for request in [_GET, b"GET /_mock/health HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 10:
                await wire.send(request)
                await wire.answer()
                cycles.append(weakref.ref(_protocols(server)[0].cycle))
            await asyncio.sleep(0)
            assert sum(cycle() is not None for cycle in cycles) == 1
        finally:
            gc.enable()


async def test_a_call_that_waits_ends_when_its_peer_leaves_though_another_is_behind_it(
    catalog: Catalog,
) -> None:
    async with listening(catalog, clock=SystemClock(), pace="clock", speed=1.0) as server:
        body = msgspec.json.encode(SUBMITS["segmind"].body)
        head = f"POST {SEGMIND} HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\nContent-Type: application/json\r\n"
        sync = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
        async with server.wire() as wire:
            await wire.send(sync)
            await server.until(lambda: len(server.gateway.world.store) == 1)
            await wire.send(_GET)
            await server.until(lambda: bool(_protocols(server)[0].pipeline))
            (protocol,) = _protocols(server)
            running = protocol._running
            assert running is not None
        server.server.server_state.connections.copy().pop().transport.abort()  # as a reset would
        await server.until(lambda: running.disconnected)
        await _end(server)


# -- peers that keep us waiting


async def test_half_a_head_is_408_after_its_time(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        await wire.send(LINE)
        await server.until(lambda: any(p._phase is Phase.HEAD for p in _protocols(server)))
        server.pass_seconds(HEAD_WAIT - 1)
        await wire.send(b"X-Slow: 1\r\n")  # a byte now and then does not help
        await asyncio.sleep(0.01)
        server.pass_seconds(2)
        assert (await wire.rest()).startswith(b"HTTP/1.1 408 ")
        assert _protocols(server) == []


@pytest.mark.parametrize("framed", [b"Content-Length: 1000000\r\n\r\n{", _CHUNKED + b"1\r\n{\r\n"])
async def test_half_a_body_is_408_after_half_a_minute_of_silence(catalog: Catalog, framed: bytes) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        await wire.send(LINE + KEY + framed)
        await server.until(lambda: any(p.cycle for p in _protocols(server)))
        server.pass_seconds(SILENCE)
        await wire.send(b" " if b"Length" in framed else b"1\r\n \r\n")
        await asyncio.sleep(0.01)
        server.pass_seconds(SILENCE)
        assert len(_protocols(server)) == 1
        server.pass_seconds(1)
        assert (await wire.rest()).startswith(b"HTTP/1.1 408 ")
        await server.is_well()
        assert len(server.gateway.world.store) == 1


async def test_a_body_that_drips_is_408_in_the_end(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        await wire.send(LINE + KEY + b"Content-Length: 1000000\r\n\r\n{")
        await server.until(lambda: any(p.cycle for p in _protocols(server)))
        for _ in range(BODY_WAIT // (SILENCE - 1) + 1):
            await wire.send(b" ")
            await asyncio.sleep(0.005)
            server.pass_seconds(SILENCE - 1)
        assert (await wire.rest()).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed_without_a_word(catalog: Catalog) -> None:
    async with listening(catalog) as server, server.wire() as fresh, server.wire() as used:
        await used.send(_GET)
        assert (await used.answer()).status == 404
        server.pass_seconds(IDLE_WAIT)
        assert len(_protocols(server)) == 2
        server.pass_seconds(1)
        assert (await fresh.rest(), await used.rest()) == (b"", b"")


async def test_a_call_that_we_are_slow_to_answer_is_not_hurried(catalog: Catalog) -> None:
    """A synchronous answer takes minutes, and the peer has done its part."""
    async with listening(catalog, clock=SystemClock(), pace="clock", speed=1.0) as server:
        body = msgspec.json.encode(SUBMITS["segmind"].body)
        head = f"POST {SEGMIND} HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\nContent-Type: application/json\r\n"
        async with server.wire() as wire:
            await wire.send(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await server.until(lambda: len(server.gateway.world.store) == 1)
            server.pass_seconds(1_000)
            assert len(_protocols(server)) == 1
            assert not _protocols(server)[0].transport.is_closing()
            await _end(server)
            assert (await wire.answer()).status == 200


# -- peers that do not read


class _LargeFiles:
    """Files of 30 MB."""

    def __init__(self) -> None:
        self.whole = bytes(30_000_000)

    async def file(self, rendition: Rendition, wanted: Callable[[], bool] = bool) -> bytes:
        return self.whole

    def close(self) -> None:
        """Nothing to stop."""


@contextmanager
def _deaf(server: Listening, data: bytes) -> Iterator[socket.socket]:
    """A peer that sends and does not read."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.connect(("127.0.0.1", server.port))
        peer.sendall(data)
        yield peer


async def _large_file(server: Listening) -> bytes:
    """Make a job with a large file; give the request for it."""
    answer = await server.says(_POST)
    server.gateway.world.files = _LargeFiles()
    server.gateway.advance(100)
    job = msgspec.json.decode(answer.body)["request_id"]
    return f"GET /v1/{job}/output.mp4 HTTP/1.1\r\nHost: a\r\n\r\n".encode()


async def test_an_answer_that_nobody_reads_waits_where_it_is_and_is_given_up(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        request = await _large_file(server)
        with _deaf(server, request), _deaf(server, request), _deaf(server, request):
            await server.until(lambda: sum(p.flow.write_paused for p in _protocols(server)) == 3)
            for protocol in _protocols(server):
                assert protocol.transport.get_write_buffer_size() <= 4 * PIECE
            server.pass_seconds(UNREAD_WAIT - 1)
            await server.is_well()
            server.pass_seconds(3)
            await server.until(lambda: not any(p.flow.write_paused for p in _protocols(server)))
        entries = list(server.gateway.world.journal.since(0))
        await server.until(
            lambda: sum(e.url.endswith(".mp4") for e in server.gateway.world.journal.since(0)) == 3
        )
        assert all(entry.status < 500 for entry in entries)


async def test_a_large_answer_arrives_whole_at_a_peer_that_reads(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        answer = await server.says(await _large_file(server))
        assert (answer.status, len(answer.body)) == (200, 30_000_000)


async def test_small_answers_that_nobody_reads_are_bounded_too(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        with _deaf(server, b"") as peer:
            peer.setblocking(False)
            for _ in range(200):
                with suppress(BlockingIOError):
                    peer.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
                await asyncio.sleep(0.002)
            for protocol in _protocols(server):
                assert protocol.transport.get_write_buffer_size() <= 4 * PIECE
                assert len(protocol._unparsed) <= 1_000_000


# -- how much, and how many


async def test_large_bodies_are_refused_while_too_many_are_held(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones are taken all the same, and large ones again when there is room."""
    monkeypatch.setattr(front, "MAX_BODIES", 1_000_000)
    body = b'{"prompt": "' + b"x" * 200_000 + b'"}'
    large = LINE + KEY + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with listening(catalog) as server:
        async with server.wire() as half:
            await half.send(LINE + KEY + b"Content-Length: 1000000\r\n\r\n" + b"{" * 950_000)
            await server.until(lambda: any(p._received == 950_000 for p in _protocols(server)))
            await asyncio.sleep(0.01)
            refused = await server.says(large)
            assert refused.status == 503
            assert "statusCode" in msgspec.json.decode(refused.body)
            await server.is_well()
        await server.until(lambda: not _protocols(server))
        assert (await server.says(large)).status != 503


async def test_a_full_server_lets_the_longest_waiting_peer_go_for_a_new_one(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        server.server.server_state.room = 3
        async with server.wire() as first, server.wire() as second, server.wire() as third:
            await server.until(lambda: len(_protocols(server)) == 3)
            server.pass_seconds(1)
            for wire in (second, third):
                await wire.send(_GET)
                assert (await wire.answer()).status == 404
            await server.is_well()
            assert await first.rest() == b""


async def test_a_server_full_of_work_refuses_a_new_connection(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        server.server.server_state.room = 1
        async with server.wire() as busy:
            await server.until(lambda: len(_protocols(server)) == 1)
            async with server.wire() as refused:
                assert (await refused.rest()).startswith(b"HTTP/1.1 503 ")
            await busy.send(_GET)
            assert (await busy.answer()).status == 404
