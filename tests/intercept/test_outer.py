"""Calls to other hosts leave through the proxy that the environment named before."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from understudy_mock.intercept.authority import Authority
from understudy_mock.intercept.callers import Callers
from understudy_mock.intercept.outer import WayOut
from understudy_mock.intercept.proxy import Proxy

HEAD_END = b"\r\n\r\n"


class Outer:
    """A proxy elsewhere: keeps the heads it was sent and answers each with one thing."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: answer, and then give back what comes."""
        self.heads.append(await reader.readuntil(HEAD_END))
        writer.write(self.answer)
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()


@asynccontextmanager
async def outer_proxy(answer: bytes) -> AsyncIterator[Outer]:
    """Serve as an outer proxy."""
    outer = Outer(answer)
    server = await asyncio.start_server(outer, "127.0.0.1", 0)
    outer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield outer


async def ask(environment: dict[str, str], head: str, more: bytes = b"", *, offline: bool = False) -> bytes:
    """Send a request to a proxy of ours that started in this environment, and read all it says."""
    authority = Authority(["gateway.pixazo.ai"])
    proxy = Proxy(
        ["gateway.pixazo.ai"],
        tls_port=1,
        plain_port=1,
        trust=authority.client_context(),
        way_out=WayOut(environment),
        offline=offline,
        callers=Callers(()),
    )
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(f"{head} HTTP/1.1\r\nHost: other.example\r\n\r\n".encode() + more)
        writer.write_eof()
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return said


async def test_a_tunnel_is_chained_with_the_login_of_the_variable() -> None:
    async with outer_proxy(b"HTTP/1.1 200 Go\r\n\r\n") as outer:
        environment = {"HTTPS_PROXY": f"http://me:p%40ss@127.0.0.1:{outer.port}"}
        said = await ask(environment, "CONNECT other.example:443", b"hello")
    assert said == b"HTTP/1.1 200 Connection Established\r\n\r\nhello"
    (head,) = outer.heads
    assert head.startswith(b"CONNECT other.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") + b"\r\n" in head


async def test_a_call_in_clear_is_handed_on_with_its_whole_address() -> None:
    async with outer_proxy(b"HTTP/1.1 204 Fine\r\n\r\n") as outer:
        said = await ask({"http_proxy": f"127.0.0.1:{outer.port}"}, "GET http://other.example/a?b=c")
    assert said.startswith(b"HTTP/1.1 204 Fine")
    assert outer.heads[0].startswith(b"GET http://other.example:80/a?b=c HTTP/1.1\r\nHost: other.example\r\n")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_an_outer_proxy_that_refuses_is_named(answer: bytes) -> None:
    async with outer_proxy(answer) as outer:
        environment = {"HTTPS_PROXY": f"http://me:secret@127.0.0.1:{outer.port}"}
        said = await ask(environment, "CONNECT other.example:443")
    assert said.startswith(b"HTTP/1.1 502 ")
    assert f"the proxy 127.0.0.1:{outer.port} of HTTPS_PROXY".encode() in said
    assert b"secret" not in said


async def test_a_proxy_of_another_kind_is_refused_in_words() -> None:
    said = await ask({"ALL_PROXY": "socks5://127.0.0.1:9"}, "CONNECT other.example:443")
    assert b"ALL_PROXY names a socks5:// proxy; only http:// ones are supported" in said


@pytest.mark.parametrize("address", ["what is this", "http://[bad", "http://:99999", "://"])
def test_an_address_that_is_none_is_told_before_anybody_calls(address: str) -> None:
    (problem,) = WayOut({"HTTPS_PROXY": address}).problems
    assert problem.startswith("HTTPS_PROXY names ")
    assert WayOut({"HTTPS_PROXY": "http://proxy.example:3128"}).problems == []


async def test_offline_nothing_reaches_the_outer_proxy() -> None:
    async with outer_proxy(b"HTTP/1.1 200 Go\r\n\r\n") as outer:
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{outer.port}"}
        said = await ask(environment, "CONNECT other.example:443", offline=True)
    assert said.startswith(b"HTTP/1.1 403 ")
    assert outer.heads == []


@pytest.mark.parametrize(
    ("environment", "scheme", "host", "through"),
    [
        ({}, "https", "a.example", None),
        ({"https_proxy": "http://low", "HTTPS_PROXY": "http://up"}, "https", "a.example", "low"),
        ({"HTTPS_PROXY": "http://up"}, "http", "a.example", None),
        ({"HTTPS_PROXY": "http://up", "NO_PROXY": "*"}, "https", "a.example", None),
        ({"HTTPS_PROXY": "http://up", "no_proxy": ".example:443"}, "https", "a.example", None),
        ({"HTTPS_PROXY": "http://up", "no_proxy": "A.Example:8443"}, "https", "a.example", "up"),
        ({"HTTPS_PROXY": "http://up"}, "https", "127.0.0.1", None),
    ],
)
def test_the_way_out_is_that_of_curl_and_requests(
    environment: dict[str, str], scheme: str, host: str, through: str | None
) -> None:
    way = WayOut(environment).to(scheme, host, 443)
    assert (way and way.host) == through
