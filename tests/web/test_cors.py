"""`--cors ORIGIN`: what a browser is told, as it stands on the wire."""

from __future__ import annotations

import pytest

from tests.driving import STATUS, T2V
from tests.web.sockets import KEY, LINE, Answer, Listening, listening
from understudy_mock.catalog import Catalog
from understudy_mock.domain.scenario import read_scenario

pytestmark = pytest.mark.e2e

_PAGE = "https://app.example"
_ORIGIN = f"Origin: {_PAGE}\r\n".encode()
_BODY = b'{"prompt": "a"}'
_CALL = KEY + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY


async def _preflight(server: Listening, path: str, origin: bytes = _ORIGIN) -> Answer:
    head = f"OPTIONS {path} HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: POST\r\n".encode()
    wanted = b"Access-Control-Request-Headers: authorization,content-type,prefer\r\n\r\n"
    return await server.says(head + origin + wanted)


async def test_a_preflight_allows_what_the_page_asks_for(catalog: Catalog) -> None:
    async with listening(catalog, cors=_PAGE) as server:
        answer = await _preflight(server, T2V)
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == _PAGE
        assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
        assert answer.headers["access-control-allow-headers"] == "authorization,content-type,prefer"
        assert len(server.gateway.world.journal) == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (LINE + _ORIGIN + _CALL, 202),
        (LINE + _ORIGIN + b"Content-Length: 2\r\n\r\n{}", 401),
        (LINE + _ORIGIN + b"Prefer: code=402\r\n" + _CALL, 402),
        (LINE + _ORIGIN + KEY + b"Content-Length: 100000000\r\n\r\n", 413),
        (LINE + _ORIGIN + KEY + b"X-Large: " + b"v" * 66_000 + b"\r\n\r\n", 431),
        (f"GET {STATUS}/nobody HTTP/1.1\r\nHost: a\r\n".encode() + _ORIGIN + KEY + b"\r\n", 404),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n" + _ORIGIN + b"\r\n", 404),
        (b"GET /nowhere HTTP/1.0\r\nHost: a\r\n" + _ORIGIN + b"\r\n", 404),
    ],
)
async def test_every_answer_lets_the_page_read_its_status_body_and_headers(
    catalog: Catalog, data: bytes, status: int
) -> None:
    async with listening(catalog, cors=_PAGE) as server:
        answer = await server.says(data)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == _PAGE
        assert answer.headers["access-control-expose-headers"] == "*"
        assert answer.headers["vary"] == "Origin"


async def test_an_answer_that_breaks_off_lets_the_page_see_that_it_began(catalog: Catalog) -> None:
    async with listening(catalog, cors=_PAGE) as server:
        server.gateway.world.scenario = read_scenario({"name": "x", "submit": [{"fault": "truncate"}]})
        async with server.wire() as wire:
            await wire.send(LINE + _ORIGIN + _CALL)
            assert f"access-control-allow-origin: {_PAGE}\r\n".encode() in await wire.rest()


async def test_pages_elsewhere_are_allowed_nothing(catalog: Catalog) -> None:
    async with listening(catalog, cors=_PAGE) as server:
        for answer in (
            await _preflight(server, T2V, b"Origin: https://evil.example\r\n"),
            await server.says(LINE + b"Origin: https://evil.example\r\n" + _CALL),
            await server.says(LINE + _CALL),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["vary"] == "Origin"


async def test_any_page_may_be_allowed(catalog: Catalog) -> None:
    async with listening(catalog, cors="*") as server:
        assert (await _preflight(server, T2V)).headers["access-control-allow-origin"] == "*"
        assert (await server.says(LINE + _ORIGIN + _CALL)).headers["access-control-allow-origin"] == "*"


async def test_the_admin_api_stays_closed_to_the_page(catalog: Catalog) -> None:
    """`--cors` is for the provider routes alone."""
    async with listening(catalog, cors=_PAGE) as server:
        read = await server.says(b"GET /_mock/jobs HTTP/1.1\r\nHost: localhost\r\n" + _ORIGIN + b"\r\n")
        for answer in (read, await _preflight(server, "/_mock/reset")):
            assert answer.status >= 400
            assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_without_the_option_nothing_is_said_of_origins(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        answer = await server.says(LINE + _ORIGIN + _CALL)
        assert answer.status == 202
        assert not [n for n in answer.headers if n.startswith("access-control-") or n == "vary"]
