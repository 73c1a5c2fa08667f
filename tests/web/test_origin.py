"""What the absolute addresses in answers begin with, and which provider answers at which host."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.driving import (
    PREDICTIONS,
    SEGMIND,
    STATUS,
    SUBMITS,
    T2V,
    WAVESPEED,
    Gateway,
    RawAnswer,
    call_raw,
    key_headers,
    open_gateway,
)
from understudy_mock.catalog import Catalog

_JSON = (b"content-type", b"application/json")
_KEYS = [
    (name.lower().encode(), value.encode())
    for provider in ("pixazo", "segmind", "wavespeed")
    for name, value in key_headers(provider).items()
]
_MEDIA_HOSTS = {
    "pixazo": b"pub-582b7213209642b9b995c96c95a30381.r2.dev",
    "wavespeed": b"d3gnftk2yhz9lr.wavespeed.ai",
}
_API_HOSTS = {"pixazo": b"gateway.pixazo.ai", "segmind": b"api.segmind.com", "wavespeed": b"api.wavespeed.ai"}


async def _submit(
    gateway: Gateway, *headers: tuple[bytes, bytes], provider: str = "pixazo", **options: Any
) -> RawAnswer:
    body = msgspec.json.encode(SUBMITS[provider].body)
    path = options.pop("prefix", "") + SUBMITS[provider].path
    return await call_raw(gateway.app, "POST", path, [*_KEYS, _JSON, *headers], body, **options)


async def _addresses(gateway: Gateway, said: RawAnswer, **options: Any) -> tuple[str, str]:
    """Tell a Pixazo job's polling_url and the address of its file."""
    gateway.advance(100)
    told = await call_raw(gateway.app, "GET", f"{STATUS}/{said.json['request_id']}", _KEYS, **options)
    return said.json["polling_url"], told.json["output"]["media_url"][0]


_FORWARDED = (b"x-forwarded-proto", b"https")


@pytest.mark.parametrize(
    ("host", "scheme", "headers", "origin"),
    [
        (b"gateway.test:8080", "http", [], "http://gateway.test:8080"),
        (b"127.0.0.1:41234", "http", [], "http://127.0.0.1:41234"),
        (b"localhost", "http", [], "http://localhost"),
        (b"[::1]:8080", "http", [], "http://[::1]:8080"),
        (b"mock.example", "https", [], "https://mock.example"),
        (b"mock.example", "http", [_FORWARDED], "https://mock.example"),
        (b"mock.example", "http", [(b"x-forwarded-proto", b"HTTPS , http")], "https://mock.example"),
        (b"mock.example", "https", [(b"x-forwarded-proto", b"http")], "http://mock.example"),
        (b"mock.example", "http", [(b"x-forwarded-proto", b"javascript")], "http://mock.example"),
        (b"mock.example", "http", [(b"x-forwarded-proto", b"\xff")], "http://mock.example"),
        (None, "http", [], "http://127.0.0.1:8080"),
    ],
)
async def test_addresses_begin_with_what_the_caller_called(
    catalog: Catalog, host: bytes | None, scheme: str, headers: list[tuple[bytes, bytes]], origin: str
) -> None:
    gateway = open_gateway(catalog)
    said = await _submit(gateway, *headers, host=host, scheme=scheme)
    polling, media = await _addresses(gateway, said)
    assert polling == f"{origin}/v2/requests/status/{said.json['request_id']}"
    assert media == f"{origin}/v1/{said.json['request_id']}/output.mp4"


async def test_wavespeed_tells_its_own_address_alike(catalog: Catalog) -> None:
    """Ledger row WS-12."""
    gateway = open_gateway(catalog)
    data = (await _submit(gateway, provider="wavespeed")).json["data"]
    assert data["urls"]["get"] == f"http://gateway.test:8080{PREDICTIONS}/{data['id']}/result"
    gateway.advance(100)
    told = await call_raw(gateway.app, "GET", f"{PREDICTIONS}/{data['id']}", _KEYS)
    assert told.json["data"]["outputs"] == [f"http://gateway.test:8080/v1/{data['id']}/output.mp4"]


async def test_addresses_are_fixed_at_submit(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    said = await _submit(gateway, host=b"first.example")
    _, media = await _addresses(gateway, said, host=b"second.example")
    assert media.startswith("http://first.example/")


@pytest.mark.parametrize("public", ["https://mock.example/under/study", "https://mock.example/under/study/"])
async def test_a_public_url_with_a_prefix_wins_and_is_answered_with_and_without_it(
    catalog: Catalog, public: str
) -> None:
    gateway = open_gateway(catalog, public_url=public)
    for prefix in ("", "/under/study"):
        said = await _submit(gateway, _FORWARDED, prefix=prefix, host=b"other.example")
        polling, media = await _addresses(gateway, said)
        base = "https://mock.example/under/study"
        assert polling == f"{base}/v2/requests/status/{said.json['request_id']}"
        assert media == f"{base}/v1/{said.json['request_id']}/output.mp4"
        for url in (polling, media):
            for path in (url.removeprefix("https://mock.example"), url.removeprefix(base)):
                assert (await call_raw(gateway.app, "GET", path, _KEYS)).status == 200


async def test_only_the_whole_prefix_is_taken_off(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, public_url="https://mock.example/mock")
    assert (await _submit(gateway, prefix="/mock")).status == 202
    assert (await _submit(gateway, prefix="/mockery")).status == 404
    assert (await _submit(gateway, prefix="/mock/mock")).status == 404


async def test_a_media_url_moves_the_files_alone(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, media_url="https://cdn.example/files/")
    said = await _submit(gateway)
    polling, media = await _addresses(gateway, said)
    assert polling.startswith("http://gateway.test:8080/v2/")
    assert media == f"https://cdn.example/files/v1/{said.json['request_id']}/output.mp4"


# -- the providers' real hosts


@pytest.mark.parametrize("at", list(_API_HOSTS))
@pytest.mark.parametrize("provider", list(SUBMITS))
@pytest.mark.parametrize("port", [b"", b":443"])
async def test_at_a_real_host_only_its_own_routes_answer(
    catalog: Catalog, at: str, provider: str, port: bytes
) -> None:
    gateway = open_gateway(catalog)
    said = await _submit(gateway, provider=provider, host=_API_HOSTS[at] + port, scheme="https")
    if at == provider:
        assert said.status in (200, 202)
        return
    assert said.status == 404
    expected = {
        "pixazo": {"statusCode": 404, "message": "Resource not found"},
        "segmind": {"error": "Model or endpoint not found"},
        "wavespeed": {"code": 404, "message": "not found"},
    }
    assert said.json == expected[at]
    assert len(gateway.world.store) == 0


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_a_real_host_names_its_real_addresses_and_serves_them(catalog: Catalog, provider: str) -> None:
    """An unmodified client stays inside: its polls and its downloads go to hosts that lead here."""
    gateway = open_gateway(catalog)
    host, media_host = _API_HOSTS[provider], _MEDIA_HOSTS[provider]
    said = await _submit(gateway, provider=provider, host=host, scheme="https")
    told = said.json.get("data", said.json)
    polling = told["polling_url"] if provider == "pixazo" else told["urls"]["get"]
    origin = f"https://{host.decode()}"
    assert polling.startswith(f"{origin}/")
    gateway.advance(100)
    again = await call_raw(gateway.app, "GET", polling.removeprefix(origin), _KEYS, host=host, scheme="https")
    data = again.json.get("data", again.json)
    (media,) = data["output"]["media_url"] if provider == "pixazo" else data["outputs"]
    files = f"https://{media_host.decode()}"
    assert media.startswith(f"{files}/v1/")
    path = media.removeprefix(files)
    assert (await call_raw(gateway.app, "GET", path, host=media_host, scheme="https")).status == 200
    at_api = await call_raw(gateway.app, "GET", path, host=host, scheme="https")
    assert at_api.status == 404


async def test_the_public_url_wins_over_a_real_host(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, public_url="http://mock.example")
    said = await _submit(gateway, host=b"gateway.pixazo.ai")
    polling, media = await _addresses(gateway, said)
    assert polling.startswith("http://mock.example/v2/")
    assert media.startswith("http://mock.example/v1/")


async def test_the_challenge_names_the_real_host(catalog: Catalog) -> None:
    said = await call_raw(open_gateway(catalog).app, "POST", T2V, host=b"gateway.pixazo.ai")
    assert 'realm="https://gateway.pixazo.ai/hunyuan-video/v1"' in said.headers["www-authenticate"]


async def test_at_any_other_host_the_path_decides(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for path, status in ((T2V, 202), (SEGMIND, 200), (WAVESPEED, 200)):
        provider = next(name for name, own in SUBMITS.items() if own.path == path)
        assert (await _submit(gateway, provider=provider, host=b"pixazo.ai")).status == status
