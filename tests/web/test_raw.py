"""What HTTP itself makes possible: heads without end, bodies only announced, bytes that no client sends."""

from __future__ import annotations

import asyncio
import re
import tracemalloc

import msgspec
import pytest

from tests.driving import STATUS
from tests.web.sockets import KEY as _KEY
from tests.web.sockets import LINE as _LINE
from tests.web.sockets import listening
from understudy_mock.catalog import Catalog

pytestmark = pytest.mark.e2e


async def test_more_than_64_kilobytes_of_headers_are_431_in_the_providers_shape(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        answer = await server.says(_LINE + _KEY + b"X-Large: " + b"v" * 66_000 + b"\r\n\r\n")
        assert answer.status == 431
        assert msgspec.json.decode(answer.body)["statusCode"] == 431
        assert len(server.gateway.world.journal) == 1
        await server.is_well()


@pytest.mark.parametrize("piece", [b"X-More: " + b"v" * 1_000 + b"\r\n", b"v" * 1_000])
async def test_a_head_without_end_is_cut_and_costs_little_memory(catalog: Catalog, piece: bytes) -> None:
    async with listening(catalog) as server:
        tracemalloc.start()
        try:
            answer = await server.endless(_LINE + b"X-First: ", piece)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()
        await server.is_well()


async def test_a_request_line_without_end_is_cut(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        await server.endless(b"GET /", b"x" * 10_000)
        await server.is_well()


@pytest.mark.parametrize(
    "data",
    [
        b"GET " + f"{STATUS}/a".encode() + b"\x00b HTTP/1.1\r\nHost: a\r\n\r\n",
        _LINE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        _LINE + b"Content-Length: five\r\n\r\nhello",
        _LINE + b"Content-Length: -5\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        _LINE + b"Na me: value\r\n\r\n",
        _LINE + b"X-A: a\x00b\r\n\r\n",
    ],
    ids=[
        *("nul", "two-lengths", "length-in-words", "negative", "tls", "nonsense", "http-9"),
        *("header-name", "nul-in-header"),
    ],
)
async def test_what_is_no_http_is_a_plain_400_and_the_end_of_the_connection(
    catalog: Catalog, data: bytes
) -> None:
    """The parser refuses it before there is a request; hence no provider's shape and no journal entry."""
    async with listening(catalog) as server:
        async with server.wire() as wire:
            await wire.send(data)
            heard = await wire.rest()
        assert re.match(rb"HTTP/1\.1 400 ", heard)
        assert heard.count(b"HTTP/1.1 ") == 1
        await server.is_well()
        assert [entry.status for entry in server.gateway.world.journal.since(0)] == [202]


async def test_a_broken_chunk_is_a_plain_400_and_creates_nothing(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        async with server.wire() as wire:
            chunk = b'e\r\n{"prompt":"a"}\r\n'
            await wire.send(_LINE + _KEY + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"zz\r\nhello\r\n")
            heard = await wire.rest()
        assert heard.startswith(b"HTTP/1.1 400 ")
        assert heard.count(b"HTTP/1.1 ") == 1
        await server.is_well()
        assert len(server.gateway.world.store) == 1


async def test_a_hundred_announced_megabytes_are_refused_before_they_come(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        answer = await server.says(_LINE + _KEY + b"Content-Length: 100000000\r\n\r\n" + b"{" * 1_000)
        assert answer.status == 413
        assert msgspec.json.decode(answer.body)["statusCode"] == 413
        await server.is_well()


async def test_a_body_in_chunks_without_end_is_refused_at_ten_megabytes(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        async with server.wire() as wire:
            await wire.send(_LINE + _KEY + b"Transfer-Encoding: chunked\r\n\r\n")
            answered = asyncio.ensure_future(wire.answer())
            sent = 0
            try:
                while not answered.done() and sent < 50_000_000:
                    await wire.send(chunk)
                    await asyncio.sleep(0)
                    sent += len(chunk)
            except ConnectionError:
                pass
            assert (await answered).status == 413
            assert 10_000_000 < sent < 50_000_000
        await server.is_well()


@pytest.mark.parametrize("path", ["/_mock/clock", STATUS])
async def test_a_call_that_names_two_hosts_is_400_and_no_call(catalog: Catalog, path: str) -> None:
    """RFC 9112, section 3.2."""
    async with listening(catalog) as server:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"
        assert (await server.says(head.encode())).status == 400
        assert len(server.gateway.world.journal) == 0
        await server.is_well()


async def test_pipelined_requests_are_answered_in_their_order(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        body = b'{"prompt": "a"}'
        post = _LINE + _KEY + b"Content-Length: %d\r\n\r\n" % len(body) + body
        get = f"GET {STATUS}/nobody HTTP/1.1\r\nHost: a\r\n".encode() + _KEY + b"\r\n"
        async with server.wire() as wire:
            await wire.send(post + get + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + post)
            answers = [await wire.answer() for _ in range(4)]
        assert [answer.status for answer in answers] == [202, 404, 404, 202]
        assert msgspec.json.decode(answers[1].body) == {"error": "Resource not found"}
        assert msgspec.json.decode(answers[2].body)["statusCode"] == 404


async def test_an_unread_body_does_not_become_the_next_request(catalog: Catalog) -> None:
    """A body sent to a route that nobody reads is left behind, not taken for what follows."""
    async with listening(catalog) as server:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        async with server.wire() as wire:
            await wire.send(
                b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
            )
            await wire.send(smuggled + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            assert [(await wire.answer()).status for _ in range(2)] == [404, 404]
        urls = [entry.url for entry in server.gateway.world.journal.since(0)]
        assert urls == ["/nowhere", "/next"]


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        for data in (b"", b"POST", _LINE, _LINE + _KEY + b"Content-Length: 100\r\n\r\n{"):
            async with server.wire() as wire:
                await wire.send(data)
        await server.is_well()
        assert len(server.gateway.world.store) == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_head_requests_have_no_body_on_the_wire(catalog: Catalog, version: bytes) -> None:
    async with listening(catalog) as server, server.wire() as wire:
        await wire.send(b"HEAD /nowhere HTTP/%s\r\nHost: a\r\nConnection: close\r\n\r\n" % version)
        heard = await wire.rest()
        assert heard.startswith(b"HTTP/1.1 404 ")
        assert heard.endswith(b"\r\n\r\n")


async def test_answers_name_no_server(catalog: Catalog) -> None:
    """The provider's own names none; a client must not learn that it talks to uvicorn."""
    async with listening(catalog) as server:
        answer = await server.says(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        assert "server" not in answer.headers
        assert answer.headers["content-type"] == "application/json"
