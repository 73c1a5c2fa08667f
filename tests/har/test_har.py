"""The journal leaves the process as valid HAR 1.2, and no key ever leaves with it."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import (
    SEGMIND,
    STATUS,
    SUBMITS,
    T2V,
    WAVESPEED,
    Gateway,
    call_raw,
    id_of,
    key_headers,
    open_gateway,
    poll,
    submit,
)
from understudy_mock.catalog import Catalog


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe an object of HAR: own fields of a program begin with an underscore (HAR 1.2, section 1)."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {}), "comment": {"type": "string"}},
        "patternProperties": {"^_": True},
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_SIZE = {"type": "integer", "minimum": -1}
_TIME = {"type": "number", "minimum": -1}
_PAIRS = {"type": "array", "items": _object({"name": _TEXT, "value": _TEXT})}
_HTTP = {"type": "string", "pattern": r"^HTTP/\d(\.\d)?$"}
_REQUEST = _object(
    {
        "method": _TEXT,
        "url": {"type": "string", "pattern": "^https?://"},
        "httpVersion": _HTTP,
        "cookies": {"type": "array", "maxItems": 0},
        "headers": _PAIRS,
        "queryString": _PAIRS,
        "headersSize": _SIZE,
        "bodySize": _SIZE,
    },
    {"postData": _object({"mimeType": _TEXT, "text": _TEXT}, {"params": {"type": "array", "maxItems": 0}})},
)
_RESPONSE = _object(
    {
        "status": {"type": "integer", "minimum": 0, "maximum": 999},
        "statusText": _TEXT,
        "httpVersion": _HTTP,
        "cookies": {"type": "array", "maxItems": 0},
        "headers": _PAIRS,
        "content": _object(
            {"size": {"type": "integer", "minimum": 0}, "mimeType": _TEXT},
            {"compression": _SIZE, "text": _TEXT, "encoding": {"const": "base64"}},
        ),
        "redirectURL": _TEXT,
        "headersSize": _SIZE,
        "bodySize": _SIZE,
    }
)
_ENTRY = _object(
    {
        "startedDateTime": {
            "type": "string",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$",
        },
        "time": {"type": "number", "minimum": 0},
        "request": _REQUEST,
        "response": _RESPONSE,
        "cache": _object({}, {"beforeRequest": True, "afterRequest": True}),
        "timings": _object(
            {"send": {"type": "number", "minimum": 0}, "wait": _TIME, "receive": _TIME},
            {"blocked": _TIME, "dns": _TIME, "connect": _TIME, "ssl": _TIME},
        ),
    },
    {"pageref": _TEXT, "serverIPAddress": _TEXT, "connection": _TEXT},
)
HAR_1_2 = jsonschema_rs.validator_for(
    _object(
        {
            "log": _object(
                {
                    "version": {"const": "1.2"},
                    "creator": _object({"name": _TEXT, "version": _TEXT}),
                    "entries": {"type": "array", "items": _ENTRY},
                },
                {"browser": True, "pages": {"type": "array"}},
            )
        }
    )
)


async def _har(gateway: Gateway) -> tuple[list[dict[str, Any]], str]:
    """Fetch the journal; give its entries and the whole text."""
    answer = await gateway.admin("GET", "journal.har")
    assert answer.status_code == 200
    HAR_1_2.validate(answer.json())
    return answer.json()["log"]["entries"], answer.text


async def _traffic(gateway: Gateway, key: str = "test-key-1") -> None:
    """Make one call of every kind."""
    job = id_of(await submit(gateway, key=key))
    gateway.advance(100)
    url = (await poll(gateway, job, key=key)).json()["output"]["media_url"][0]
    await gateway.call("GET", url)
    await gateway.call("GET", url, headers={"Range": "bytes=0-9"})
    await gateway.call("HEAD", url)
    await submit(gateway, "segmind", key)
    await submit(gateway, "wavespeed", key)
    await gateway.call("GET", SEGMIND)
    await gateway.call("GET", "/nowhere?a=1&b=&a=2")
    await gateway.call("POST", T2V)
    await gateway.call("POST", T2V, content=b"\xff\x00\xfe", headers=key_headers("pixazo", key))
    await gateway.call("POST", T2V, content=b"[]", headers=key_headers("pixazo", key))


async def test_a_journal_is_valid_har(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    assert (await _har(gateway))[0] == []
    await _traffic(gateway)
    entries, _ = await _har(gateway)
    assert len(entries) == 12
    assert [entry["startedDateTime"] for entry in entries] == sorted(e["startedDateTime"] for e in entries)


async def test_an_entry_tells_the_call_as_it_was(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    answer = await submit(gateway, prompt="grüße")
    await gateway.call("GET", "/nowhere?a=1&b=&a=2%20")
    (call, missed), _ = await _har(gateway)
    request, response = call["request"], call["response"]
    assert (request["method"], request["url"]) == ("POST", f"http://gateway.test:8080{T2V}")
    assert request["postData"]["mimeType"] == "application/json"
    assert msgspec.json.decode(request["postData"]["text"]) == {"prompt": "grüße"}
    assert request["bodySize"] == len(answer.request.content)
    assert (response["status"], response["content"]["text"]) == (202, answer.text)
    assert response["content"]["size"] == response["bodySize"] == len(answer.content)
    assert call["_understudy"]["job"] == answer.json()["request_id"]
    pairs = [(pair["name"], pair["value"]) for pair in missed["request"]["queryString"]]
    assert pairs == [("a", "1"), ("b", ""), ("a", "2 ")]
    assert "postData" not in missed["request"]


async def test_bytes_that_are_no_text_are_base64(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    body = b'\xff\x00{"prompt"\xfe'
    await call_raw(gateway.app, "POST", T2V, [(b"ocp-apim-subscription-key", b"test-key-1")], body)
    (entry,), _ = await _har(gateway)
    data = entry["request"]["postData"]
    assert data["_encoding"] == "base64"
    assert base64.b64decode(data["text"]) == body


async def test_a_text_that_was_cut_inside_a_character_is_still_kept(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway, prompt="ü" * 100_000)
    await submit(gateway, prompt="xü" + "ü" * 100_000)
    entries, _ = await _har(gateway)
    for entry in entries:
        data = entry["request"]["postData"]
        kept = base64.b64decode(data["text"]) if "_encoding" in data else data["text"].encode()
        assert kept.startswith(b'{"prompt":"')
        assert len(kept) == 65_536
        assert entry["request"]["bodySize"] > 200_000


async def test_files_are_told_by_size_and_type_alone(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    video = await submit(gateway, "segmind")
    (entry,), _ = await _har(gateway)
    content = entry["response"]["content"]
    assert content == {"size": len(video.content), "mimeType": "video/mp4"}


@given(
    target=st.binary(max_size=30).map(lambda tail: b"/" + tail),
    headers=st.lists(st.tuples(st.sampled_from([b"content-type", b"host", b"x-a"]), st.binary(max_size=20))),
    body=st.binary(max_size=50),
)
async def test_whatever_came_in_is_valid_har(
    catalog: Catalog, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    gateway = open_gateway(catalog)
    key = (b"ocp-apim-subscription-key", b"k")
    if not target.startswith(b"/_mock"):
        await call_raw(gateway.app, "POST", target, headers, body, host=None)
    await call_raw(gateway.app, "POST", T2V, [key, *headers], body, host=None)
    await _har(gateway)


# -- keys

_SECRET = "sk-planted-secret-0123456789"


async def _planted(gateway: Gateway, *calls: tuple[str, str, dict[str, str], Any]) -> str:
    """Make calls, and tell the journal's whole text."""
    for method, path, headers, body in calls:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await call_raw(gateway.app, method, path, given, content)
    return (await _har(gateway))[1]


_PIXAZO, _SEGMIND, _WAVESPEED = (key_headers(p, _SECRET) for p in ("pixazo", "segmind", "wavespeed"))
_JSON = {"content-type": "application/json"}
_BODY = SUBMITS["pixazo"].body
_PLANTS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "header": ("POST", T2V, _PIXAZO, _BODY),
    "header-of-segmind": ("POST", SEGMIND, _SEGMIND | _JSON, SUBMITS["segmind"].body),
    "bearer": ("POST", WAVESPEED, _WAVESPEED, SUBMITS["wavespeed"].body),
    "bearer-lower-case": (
        "POST",
        WAVESPEED,
        {"authorization": f"bearer {_SECRET}"},
        SUBMITS["wavespeed"].body,
    ),
    "query": ("POST", f"{T2V}?subscription-key={_SECRET}", {}, _BODY),
    "query-not-first": ("POST", f"{T2V}?a=b&Subscription-Key={_SECRET}&c=d", _PIXAZO, _BODY),
    "query-escaped-name": ("POST", f"{T2V}?subscription%2Dkey={_SECRET}", {}, _BODY),
    "query-other-name": ("POST", f"{T2V}?mine={_SECRET}", _PIXAZO, _BODY),
    "query-escaped": ("POST", f"{T2V}?mine={quote(_SECRET).replace('-', '%2D')}", _PIXAZO, _BODY),
    "path": ("GET", f"{STATUS}/{_SECRET}", _PIXAZO, b""),
    "path-escaped": ("GET", f"{STATUS}/{_SECRET.replace('-', '%2d')}", _PIXAZO, b""),
    "body": ("POST", T2V, _PIXAZO, {"prompt": f"my key is {_SECRET}, keep it"}),
    "body-name": ("POST", T2V, _PIXAZO, {"prompt": "x", _SECRET: 1}),
    "body-echoed": ("POST", SEGMIND, _SEGMIND | _JSON, {"prompt": "x", "width": _SECRET}),
    "body-binary": ("POST", T2V, _PIXAZO, b"\xff" + _SECRET.encode()),
    "content-type": ("POST", T2V, {**_PIXAZO, "content-type": f"a/b; key={_SECRET}"}, _BODY),
    "other-header": (
        "POST",
        T2V,
        {**_PIXAZO, "x-my-own": f"<{_SECRET}>", "referer": f"https://a/?{_SECRET}"},
        _BODY,
    ),
    "cookie": ("POST", T2V, {**_PIXAZO, "cookie": f"key={_SECRET}"}, _BODY),
    "webhook-mode": (
        "POST",
        T2V,
        {**_PIXAZO, "x-webhook-url": "https://r.example/", "x-webhook-mode": _SECRET},
        _BODY,
    ),
    "webhook-url": ("POST", T2V, {**_PIXAZO, "x-webhook-url": f"https://r.example/?k={_SECRET}"}, _BODY),
    "host": ("POST", T2V, {**_PIXAZO, "x-forwarded-host": f"{_SECRET}.example"}, _BODY),
    "prefer": ("POST", T2V, {**_PIXAZO, "prefer": f"scenario={_SECRET}"}, _BODY),
    "wrong-header": ("POST", T2V, _WAVESPEED, _BODY),
    "wrong-header-and-path": ("POST", f"/nowhere/{_SECRET}", _PIXAZO, _BODY),
    "wrong-header-and-body": ("POST", T2V, _WAVESPEED, {"prompt": _SECRET}),
    "too-large-and-path": ("GET", f"{STATUS}/{_SECRET}", {**_PIXAZO, "x-large": "v" * 70_000}, b""),
}


@pytest.mark.parametrize("plant", _PLANTS.values(), ids=_PLANTS.keys())
async def test_a_key_is_nowhere_in_the_journal(
    catalog: Catalog, plant: tuple[str, str, dict[str, str], Any]
) -> None:
    """Wherever the caller put it, also where it does not belong; also in base64."""
    text = await _planted(open_gateway(catalog), plant)
    plain = re.sub(r"%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    decoded = [
        base64.b64decode(word) for word in re.findall(r"[A-Za-z0-9+/]{20,}={0,2}", text) if len(word) % 4 == 0
    ]
    assert _SECRET not in plain
    assert not any(_SECRET.encode() in some for some in decoded)
    assert "[redacted]" in text


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
async def test_a_refused_key_is_nowhere_either(catalog: Catalog, provider: str) -> None:
    gateway = open_gateway(catalog, api_keys=("another",))
    call = ("POST", SUBMITS[provider].path, key_headers(provider, _SECRET), {"prompt": _SECRET})
    assert _SECRET not in await _planted(gateway, call)


@pytest.mark.parametrize("offset", range(-30, 4, 3))
async def test_no_part_of_a_key_is_left_where_a_body_was_cut(catalog: Catalog, offset: int) -> None:
    gateway = open_gateway(catalog)
    filler = "x" * (65_536 - len('{"prompt":"') + offset)
    text = await _planted(gateway, ("POST", T2V, _PIXAZO, {"prompt": filler + _SECRET + "y" * 100}))
    assert "sk-planted" not in text


async def test_a_key_with_odd_bytes_is_nowhere(catalog: Catalog) -> None:
    """It is told byte by byte: what stands in the URL escaped and in the body quoted is the same key."""
    key = 'pass "word"/ü\\1'
    gateway = open_gateway(catalog)
    raw = key.encode()
    await call_raw(
        gateway.app,
        "POST",
        f"{T2V}?mine={quote(raw)}",
        [(b"ocp-apim-subscription-key", raw)],
        msgspec.json.encode({"prompt": key}),
    )
    entries, text = await _har(gateway)
    assert "word" not in text
    assert entries[0]["response"]["status"] == 202


async def test_the_journal_of_the_admin_api_holds_no_key_either(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await _planted(gateway, _PLANTS["query"], _PLANTS["body"], _PLANTS["header"])
    assert _SECRET not in (await gateway.admin("GET", "journal")).text
    assert _SECRET not in (await gateway.admin("GET", "jobs")).text


async def test_names_of_headers_stay_when_their_values_go(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway, key=_SECRET)
    (entry,), _ = await _har(gateway)
    headers = {pair["name"].lower(): pair["value"] for pair in entry["request"]["headers"]}
    assert headers["ocp-apim-subscription-key"] == "[redacted]"
    assert headers["host"] == "gateway.test:8080"
