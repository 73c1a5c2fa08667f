"""Whatever comes in, the answer is the decided one in the provider's own shape, and it is in the journal."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.driving import (
    I2V,
    I2V_RESULT,
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
from understudy_mock.settings import MAX_BODY, MAX_HEADERS

PROVIDERS = ["pixazo", "segmind", "wavespeed"]
_JSON = (b"content-type", b"application/json")

_NOT_JSON: dict[str, Any] = {
    "pixazo": {"error": "Invalid JSON body"},
    "segmind": {"error": "Invalid request format: the body is not a JSON object"},
    "wavespeed": {"code": 400, "message": "the body is not a JSON object"},
}
_NO_OBJECT: dict[str, Any] = {
    "pixazo": {"error": "Invalid JSON body"},
    "segmind": {"error": "Invalid parameters: body is invalid: is not a JSON object"},
    "wavespeed": {"code": 400, "message": "body is invalid: is not a JSON object"},
}


def _key(provider: str, key: bytes = b"test-key-1") -> tuple[bytes, bytes]:
    ((name, value),) = key_headers(provider, "K").items()
    return name.lower().encode(), value.encode().replace(b"K", key)


def in_shape(provider: str, said: RawAnswer) -> bool:
    """Tell whether an error has the form of the provider's errors."""
    if said.status == 405 and provider == "segmind":
        return said.headers["content-type"].startswith("text/html") and said.body.startswith(b"<html>")
    if said.headers["content-type"] != "application/json" or not isinstance(said.json, dict):
        return False
    fields = set(said.json)
    if provider == "wavespeed":
        return fields == {"code", "message"} and said.json["code"] == said.status
    if provider == "segmind":
        return fields == {"error"}
    gateway = fields == {"statusCode", "message"} and said.json["statusCode"] == said.status
    return gateway or fields in ({"error"}, {"error", "message"}, {"error", "errors"})


async def _post(gateway: Gateway, provider: str, body: bytes | list[bytes], *headers: Any) -> RawAnswer:
    before = gateway.world.journal.next_number
    given = headers or (_JSON,)
    said = await call_raw(gateway.app, "POST", SUBMITS[provider].path, [_key(provider), *given], body)
    (entry,) = gateway.world.journal.since(before)
    assert (entry.status, entry.provider) == (said.status, provider)
    return said


def _with(provider: str, more: str) -> bytes:
    return msgspec.json.encode(SUBMITS[provider].body)[:-1] + b"," + more.encode() + b"}"


# -- bodies

_BROKEN = {
    "empty": b"",
    "blank": b"  \n ",
    "text": b"prompt=a+boat",
    "cut": b'{"prompt": "a bo',
    "two": b'{"prompt": "a"} {"prompt": "b"}',
    "not-utf-8": b'{"prompt": "\xff\xfe"}',
    "utf-16": '{"prompt": "a"}'.encode("utf-16"),
    "byte-order-mark": b"\xef\xbb\xbf" + b'{"prompt": "a"}',
    "NaN": b'{"prompt": "a", "seed": NaN}',
    "Infinity": b'{"prompt": "a", "seed": -Infinity}',
    "1e400": b'{"prompt": "a", "seed": 1e400}',
    "5000-digits": b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
    "lone-surrogate": rb'{"prompt": "\ud800"}',
    "low-surrogate": rb'{"prompt": "\udc00 a"}',
    "nul": b'{"prompt": "a\x00b"}',
    "deep": b'{"prompt": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep-objects": b'{"prompt":' * 10_000 + b"1" + b"}" * 10_000,
    "deep-and-cut": b"[" * 100_000,
    "trailing-comma": b'{"prompt": "a",}',
    "comment": b'{"prompt": "a" /* b */}',
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", _BROKEN.values(), ids=_BROKEN.keys())
async def test_a_body_that_is_not_json_is_refused(catalog: Catalog, provider: str, body: bytes) -> None:
    said = await _post(open_gateway(catalog), provider, body)
    assert (said.status, said.json) == (400, _NOT_JSON[provider])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", [b"[]", b'[{"prompt": "a"}]', b'"a"', b"null", b"true", b"5"])
async def test_json_that_is_no_object_is_refused(catalog: Catalog, provider: str, body: bytes) -> None:
    said = await _post(open_gateway(catalog), provider, body)
    assert (said.status, said.json) == (400, _NO_OBJECT[provider])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("depth", [10, 200, 260, 500, 900, 985])
async def test_what_is_deep_but_still_json_is_taken_or_refused(
    catalog: Catalog, provider: str, depth: int
) -> None:
    gateway = open_gateway(catalog)
    for name in ("prompt", "undocumented"):
        said = await _post(gateway, provider, _with(provider, f'"{name}": {"[" * depth}{"]" * depth}'))
        assert said.status in (200, 202, 400)
        assert said.status != 400 or in_shape(provider, said)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_of_a_key_that_stands_twice_the_last_one_holds(catalog: Catalog, provider: str) -> None:
    """RFC 8259, section 4 leaves it open; most readers do this."""
    gateway = open_gateway(catalog)
    said = await _post(gateway, provider, _with(provider, '"prompt": "the second"'))
    assert said.status in (200, 202)
    (job,) = gateway.world.store
    assert job.values["prompt"] == "the second"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("number", [2**31, 2**63, 2**64, 10**30, 10**300, -(10**300), "1e300", "-0.0", "1.0"])
async def test_a_huge_whole_number_is_taken_or_refused(
    catalog: Catalog, provider: str, number: int | str
) -> None:
    """WaveSpeed documents a range for its seed, the others none."""
    gateway = open_gateway(catalog)
    said = await _post(gateway, provider, _with(provider, f'"seed": {number}'))
    fits = provider != "wavespeed" or -1 <= float(number) <= 2**31 - 1
    assert said.status == (400 if not fits else 202 if provider == "pixazo" else 200)
    gateway.advance(100)
    for job in gateway.world.store:
        if provider != "segmind":
            url = f"{STATUS}/{job.id}" if provider == "pixazo" else f"{PREDICTIONS}/{job.id}"
            told = await call_raw(gateway.app, "GET", url, [_key(provider)])
            assert told.status == 200
        file = await call_raw(gateway.app, "GET", f"/v1/{job.id}/output.mp4")
        assert file.status == 200


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("chunks", [1, 11])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_ten_megabytes_and_one_byte_is_refused(
    catalog: Catalog, provider: str, chunks: int, declared: bool
) -> None:
    whole = b'{"prompt": "a"}'.ljust(MAX_BODY + 1)
    size = -(-len(whole) // chunks)
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    length = [(b"content-length", str(len(whole)).encode())] if declared else []
    said = await _post(open_gateway(catalog), provider, parts, _JSON, *length)
    assert said.status == 413
    assert in_shape(provider, said)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_body_that_breaks_off_creates_nothing(catalog: Catalog, provider: str) -> None:
    """Even when what has come so far would do: the client was not finished, and nobody hears the answer."""
    gateway = open_gateway(catalog, balance=5)
    body = msgspec.json.encode(SUBMITS[provider].body)
    headers = [_key(provider), _JSON, (b"content-length", b"500")]
    await call_raw(gateway.app, "POST", SUBMITS[provider].path, headers, [body], breaks_off=True)
    assert len(gateway.world.store) == 0
    assert len(gateway.world.journal) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_body_of_ten_megabytes_is_taken(catalog: Catalog, provider: str) -> None:
    whole = msgspec.json.encode(SUBMITS[provider].body).ljust(MAX_BODY)
    length = (b"content-length", str(len(whole)).encode())
    said = await _post(open_gateway(catalog), provider, whole, _JSON, length)
    assert said.status in (200, 202)


@pytest.mark.parametrize("length", [b"9" * 5000, b"-1", b"ten", b"", b"\xb2", b"1, 2"])
async def test_an_odd_length_is_no_reason_to_fail(catalog: Catalog, length: bytes) -> None:
    """HTTP servers refuse most of these before; behind another server they may come through."""
    said = await _post(open_gateway(catalog), "pixazo", b'{"prompt": "a"}', (b"content-length", length))
    assert said.status == (413 if length == b"9" * 5000 else 202)


@pytest.mark.parametrize(
    "kind", [None, b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b"\xff"]
)
async def test_what_a_wrong_content_type_does(catalog: Catalog, kind: bytes | None) -> None:
    """Pixazo reads JSON whatever the type says (PX-37); Segmind answers 406 (SG-3)."""
    gateway = open_gateway(catalog)
    headers = [] if kind is None else [(b"content-type", kind)]
    for provider, status in (("pixazo", 202), ("segmind", 406), ("wavespeed", 200)):
        body = msgspec.json.encode(SUBMITS[provider].body)
        said = await _post(gateway, provider, body, *headers, (b"x-nothing", b"1"))
        assert said.status == status
        if provider == "segmind":
            assert said.json == {"error": "Invalid content type"}


@pytest.mark.parametrize(
    "kind", [b"application/json; charset=utf-8", b"Application/JSON", b"application/json ;a=b"]
)
async def test_segmind_takes_json_however_it_is_written(catalog: Catalog, kind: bytes) -> None:
    body = msgspec.json.encode(SUBMITS["segmind"].body)
    assert (await _post(open_gateway(catalog), "segmind", body, (b"content-type", kind))).status == 200


async def test_everything_that_is_wrong_is_told_at_once(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    wrong = b'{"num_inference_steps": 51, "resolution": "8k", "num_frames": true}'
    pixazo = await _post(gateway, "pixazo", wrong)
    assert pixazo.json["error"] == "Missing required parameter: prompt"
    assert pixazo.json["errors"] == [
        "Missing required parameter: prompt",
        "Invalid value for parameter: num_inference_steps",
        "Invalid value for parameter: resolution",
        "Invalid value for parameter: num_frames",
    ]
    segmind = await _post(gateway, "segmind", b'{"width": 0, "height": 1281}')
    for name in ("prompt is required", "height is invalid", "width is invalid"):
        assert name in segmind.json["error"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_value_of_a_megabyte_is_not_echoed(catalog: Catalog, provider: str) -> None:
    text = "x" * 1_000_000
    name = {"pixazo": "resolution", "segmind": "width", "wavespeed": "size"}[provider]
    said = await _post(open_gateway(catalog), provider, _with(provider, f'"{name}": "{text}"'))
    assert said.status == 400
    assert len(said.body) < 2_000


# -- routes

_OWNERS = {
    "pixazo": [
        "/",
        "/nowhere",
        "/hunyuan-video/v2/x",
        "/v3/models",
        "/api",
        "/a/b/c/d",
        "/v2/requests/status/x/y",
    ],
    "segmind": ["/v1/nowhere", "/v2/nowhere", "/v1/requests/x/y", "/v2/requests/a/b/c"],
    "wavespeed": ["/api/v3/nowhere", "/api/v2/x", "/api/v3/predictions/a/b", "/api/v3/predictions/a/b/c"],
}


@pytest.mark.parametrize(
    ("provider", "path"), [(name, path) for name, paths in _OWNERS.items() for path in paths]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "BREW"])
async def test_an_unknown_route_is_a_404_of_its_provider(
    catalog: Catalog, provider: str, path: str, method: str
) -> None:
    gateway = open_gateway(catalog)
    said = await call_raw(gateway.app, method, path, [_key(provider)])
    assert said.status == 404
    assert in_shape(provider, said)
    assert len(gateway.world.journal) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "BREW"])
async def test_what_a_wrong_method_gets(catalog: Catalog, method: str) -> None:
    gateway = open_gateway(catalog)
    pixazo = await call_raw(gateway.app, method, T2V)
    segmind = await call_raw(gateway.app, method, SEGMIND)
    wavespeed = await call_raw(gateway.app, method, WAVESPEED)
    assert [pixazo.status, segmind.status, wavespeed.status] == [404, 405, 405]
    assert segmind.headers["allow"] == wavespeed.headers["allow"] == "POST"
    assert segmind.headers["content-type"].startswith("text/html")
    if method != "HEAD":
        assert in_shape("pixazo", pixazo)
        assert in_shape("segmind", segmind)
        assert wavespeed.json == {"code": 405, "message": "method not allowed"}
    assert len(gateway.world.journal) == 3


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path + "/",
        lambda path: "/" + path,
        lambda path: path.replace("/v", "//v", 1),
        lambda path: path + "/.",
        lambda path: path + "/../x",
        lambda path: path + "/%2e%2e",
        lambda path: path + "%00",
        lambda path: path + "%2F",
        lambda path: path + "%0d%0aset-cookie:a=b",
        lambda path: path + "%ff%fe",
        lambda path: path + "%",
        lambda path: path + "%zz",
        lambda path: path + ";a=b",
        lambda path: path.upper(),
        lambda path: path + "\xe9",
    ],
)
async def test_a_path_that_is_nearly_right_is_a_404(catalog: Catalog, provider: str, spoil: Any) -> None:
    gateway = open_gateway(catalog)
    target = spoil(SUBMITS[provider].path)
    said = await call_raw(gateway.app, "POST", target, [_key(provider), _JSON], b'{"prompt": "a"}')
    assert said.status == 404
    assert any(in_shape(name, said) for name in PROVIDERS)
    assert all("\r" not in value and "\n" not in value for value in said.headers.values())
    assert len(gateway.world.store) == 0
    (entry,) = gateway.world.journal.since(0)
    assert entry.url == target


async def test_a_percent_escape_that_means_the_same_path_is_the_same_path(catalog: Catalog) -> None:
    """RFC 3986, section 6.2.2.2."""
    said = await call_raw(
        open_gateway(catalog).app, "POST", T2V.replace("-", "%2d"), [_key("pixazo")], b'{"prompt": "a"}'
    )
    assert said.status == 202


# -- ids

_ODD_IDS = [
    "%00",
    "..",
    "%2e%2e",
    "a%2Fb",
    "%",
    "%ff",
    "%0d%0a",
    "'; drop table jobs",
    "x" * 20_000,
    "%20",
    "{}",
    "null",
]


@pytest.mark.parametrize("job", _ODD_IDS, ids=lambda job: job[:12])
async def test_an_id_that_cannot_be_is_an_unknown_one(catalog: Catalog, job: str) -> None:
    gateway = open_gateway(catalog)
    for provider, path in (
        ("pixazo", f"{STATUS}/{job}"),
        ("wavespeed", f"{PREDICTIONS}/{job}"),
        ("wavespeed", f"{PREDICTIONS}/{job}/result"),
    ):
        said = await call_raw(gateway.app, "GET", path, [_key(provider)])
        assert said.status == 404
        assert in_shape(provider, said)
    file = await call_raw(gateway.app, "GET", f"/v1/{job}/output.mp4")
    assert file.status == 404
    assert len(gateway.world.journal) == 4


async def test_an_empty_id_is_no_route(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for path in (f"{STATUS}/", STATUS, f"{PREDICTIONS}/", f"{PREDICTIONS}//result", "/v1//output.mp4"):
        said = await call_raw(gateway.app, "GET", path, [_key("pixazo"), _key("wavespeed")])
        assert said.status == 404


@pytest.mark.parametrize(
    ("job", "status", "body"),
    [
        ('""', 400, {"error": "Missing required parameter: request_id"}),
        ("null", 400, {"error": "Missing required parameter: request_id"}),
        ("5", 400, {"error": "Invalid value for parameter: request_id"}),
        ('["a"]', 400, {"error": "Invalid value for parameter: request_id"}),
        ('"nobody"', 404, {"error": "Resource not found"}),
        ('"' + "x" * 100_000 + '"', 404, {"error": "Resource not found"}),
    ],
    ids=["empty", "null", "number", "list", "unknown", "huge"],
)
async def test_ids_in_a_body_are_checked_alike(
    catalog: Catalog, job: str, status: int, body: dict[str, str]
) -> None:
    said = await call_raw(
        open_gateway(catalog).app,
        "POST",
        I2V_RESULT,
        [_key("pixazo")],
        f'{{"request_id": {job}}}'.encode(),
    )
    assert (said.status, said.json) == (status, body)


# -- heads and keys


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_seventy_kilobytes_of_headers_are_refused(catalog: Catalog, provider: str) -> None:
    many = [(f"x-{number}".encode(), b"v" * 690) for number in range(100)]
    said = await _post(open_gateway(catalog), provider, b'{"prompt": "a"}', _JSON, *many)
    assert said.status == 431
    assert in_shape(provider, said)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_sixty_kilobytes_of_headers_are_not(catalog: Catalog, provider: str) -> None:
    said = await _post(
        open_gateway(catalog),
        provider,
        msgspec.json.encode(SUBMITS[provider].body),
        _JSON,
        (b"x-a", b"v" * 60_000),
    )
    assert said.status in (200, 202)


async def test_a_long_target_counts_as_head(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for target in (f"{STATUS}/{'x' * MAX_HEADERS}", f"{STATUS}/x?{'y' * MAX_HEADERS}"):
        said = await call_raw(gateway.app, "GET", target, [_key("pixazo")])
        assert said.status == 431
        assert in_shape("pixazo", said)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "key", [b"\xff\xfe\xfd", b"caf\xc3\xa9", b"a,b;c=d", b'"quoted"', b"%00", b"acct_0000", b"k" * 1000]
)
async def test_a_key_may_hold_any_bytes(catalog: Catalog, provider: str, key: bytes) -> None:
    gateway = open_gateway(catalog)
    said = await call_raw(
        gateway.app,
        "POST",
        SUBMITS[provider].path,
        [_key(provider, key), _JSON],
        msgspec.json.encode(SUBMITS[provider].body),
    )
    assert said.status in (200, 202)
    (entry,) = gateway.world.journal.since(0)
    assert entry.account.startswith("acct_")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_key_of_two_thousand_characters_is_not_known(catalog: Catalog, provider: str) -> None:
    gateway = open_gateway(catalog)
    said = await call_raw(
        gateway.app, "POST", SUBMITS[provider].path, [_key(provider, b"k" * 2_000), _JSON], b'{"prompt": "a"}'
    )
    assert said.status == 401
    assert in_shape(provider, said)


@pytest.mark.parametrize(
    ("provider", "method", "path", "headers"),
    [
        ("pixazo", "GET", f"{STATUS}/x", []),
        ("pixazo", "POST", T2V, []),
        ("wavespeed", "POST", WAVESPEED, [_key("wavespeed"), _JSON]),
    ],
)
async def test_a_query_of_thousands_of_fields_is_no_reason_to_fail(
    catalog: Catalog, provider: str, method: str, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    query = "&".join(f"a={n}" for n in range(5_000))
    body = msgspec.json.encode(SUBMITS[provider].body)
    said = await call_raw(open_gateway(catalog).app, method, f"{path}?{query}", headers, body)
    assert said.status == (200 if headers else 401)


@pytest.mark.parametrize(
    "host",
    [b"", b"[", b"[::1", b"a b", b"\xff", b"x" * 10_000, b"evil.com/\r\n", b"a@b", b"h:99999999", b":80"],
)
async def test_an_odd_host_is_no_reason_to_fail_and_never_echoed(catalog: Catalog, host: bytes) -> None:
    gateway = open_gateway(catalog)
    said = await call_raw(gateway.app, "POST", T2V, [_key("pixazo")], b'{"prompt": "a"}', host=host)
    assert said.status == 202
    assert said.json["polling_url"].startswith("http://127.0.0.1:8080/v2/requests/status/")
    refused = await call_raw(gateway.app, "POST", T2V, [], b"", host=host)
    assert refused.status == 401
    assert 'realm="https://127.0.0.1/hunyuan-video/v1"' in refused.headers["www-authenticate"]


# -- webhooks

_REFUSED_WEBHOOKS = [
    ("http://receiver.example.com/", "must use https://"),
    ("http://127.0.0.1/", "must use https://"),
    ("ftp://receiver.example.com/", "must be an absolute https:// URL"),
    ("receiver.example.com/hook", "must be an absolute https:// URL"),
    ("https://", "must be an absolute https:// URL"),
    ("https:///path", "must be an absolute https:// URL"),
    ("javascript:alert(1)", "must be an absolute https:// URL"),
    ("https://a b/", "must be an absolute https:// URL"),
    ("https://host:port/", "is not a URL"),
    ("https://host:99999/", "is not a URL"),
    ("https://[::1", "is not a URL"),
    ("https://192.0.2.1/", "must not leave this machine"),
    ("https://10.0.0.1/", "must not leave this machine"),
    ("https://169.254.169.254/latest", "must not leave this machine"),
    ("https://0.0.0.0/", "must not leave this machine"),
    ("https://[2001:db8::1]/", "must not leave this machine"),
    ("https://[fe80::1]/", "must not leave this machine"),
]


@pytest.mark.parametrize(("url", "words"), _REFUSED_WEBHOOKS)
async def test_a_webhook_that_is_not_allowed_is_refused_at_submit(
    catalog: Catalog, url: str, words: str
) -> None:
    gateway = open_gateway(catalog)
    hook = (b"x-webhook-url", url.encode())
    pixazo = await _post(gateway, "pixazo", b'{"prompt": "a"}', hook)
    assert pixazo.status == 400
    assert pixazo.json["error"] == "Invalid webhook URL"
    assert pixazo.json["message"].startswith("X-Webhook-URL ")
    assert words in pixazo.json["message"]
    body = msgspec.json.encode(SUBMITS["wavespeed"].body)
    answer = await gateway.call(
        "POST", WAVESPEED, params={"webhook": url}, content=body, headers=key_headers("wavespeed")
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert words in answer.json()["message"]
    assert len(gateway.world.store) == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/hook",
        "https://127.8.9.1:8443/hook?x=1",
        "https://[::1]:8443/",
        "https://receiver.example.com/",
        "https://localhost/",
        "HTTPS://Receiver.Example.com",
        "https://user:pass@receiver.example.com/",
    ],
)
async def test_a_webhook_on_this_machine_or_at_a_name_is_taken(catalog: Catalog, url: str) -> None:
    """Where a name leads is known only when the callback is sent."""
    gateway = open_gateway(catalog)
    assert (
        await _post(gateway, "pixazo", b'{"prompt": "a"}', (b"x-webhook-url", url.encode()))
    ).status == 202
    (job,) = gateway.world.store
    assert job.receiver is not None
    assert (job.receiver.url, job.receiver.mode) == (url, "terminal")


async def test_an_empty_webhook_is_none(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    assert (await _post(gateway, "pixazo", b'{"prompt": "a"}', (b"x-webhook-url", b"  "))).status == 202
    assert next(iter(gateway.world.store)).receiver is None


async def test_plain_http_is_taken_where_the_gateway_allows_it(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, allow_http_webhooks=True)
    hook = (b"x-webhook-url", b"http://127.0.0.1:9/")
    assert (await _post(gateway, "pixazo", b'{"prompt": "a"}', hook)).status == 202


@pytest.mark.parametrize(
    ("mode", "read_as", "warned"),
    [
        (b"sync", "sync", False),
        (b"SYNC ", "sync", False),
        (b"terminal", "terminal", False),
        (b"", "terminal", False),
        (b"often", "terminal", True),
        (b"\xff", "terminal", True),
    ],
)
async def test_an_unknown_webhook_mode_is_read_as_terminal_with_a_warning(
    catalog: Catalog, mode: bytes, read_as: str, warned: bool
) -> None:
    """Ledger row PX-29."""
    gateway = open_gateway(catalog)
    hook = [(b"x-webhook-url", b"https://receiver.example.com/"), (b"x-webhook-mode", mode)]
    assert (await _post(gateway, "pixazo", b'{"prompt": "a"}', *hook)).status == 202
    (job,) = gateway.world.store
    assert job.receiver is not None
    assert job.receiver.mode == read_as
    (entry,) = gateway.world.journal.since(0)
    assert bool(entry.warnings) == warned


async def test_a_mode_without_a_url_is_ignored(catalog: Catalog) -> None:
    """Ledger row PX-29."""
    gateway = open_gateway(catalog)
    assert (await _post(gateway, "pixazo", b'{"prompt": "a"}', (b"x-webhook-mode", b"sync"))).status == 202
    assert next(iter(gateway.world.store)).receiver is None


# -- anything at all

_PATHS = st.sampled_from(
    [
        *(
            T2V,
            I2V,
            I2V_RESULT,
            SEGMIND,
            WAVESPEED,
            "/",
            "/v1/",
            "/v1/x/output.mp4",
            "/api/v3/",
            "/v2/requests/",
        ),
        *(f"{STATUS}/x", f"{PREDICTIONS}/x", f"{PREDICTIONS}/x/result"),
    ]
).map(str.encode)
_NAMES = st.sampled_from(
    [
        *(
            b"content-type",
            b"content-length",
            b"prefer",
            b"range",
            b"if-range",
            b"host",
            b"x-forwarded-proto",
        ),
        *(
            b"x-forwarded-host",
            b"x-webhook-url",
            b"x-webhook-mode",
            b"authorization",
            b"x-api-key",
            b"cookie",
        ),
        *(b"ocp-apim-subscription-key", b"transfer-encoding", b"origin", b"accept-encoding", b"expect"),
    ]
)
_KEYS = [_key(provider) for provider in PROVIDERS]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_PARAMETERS = st.sampled_from(
    [
        *("prompt", "image", "image_url", "seed", "size", "duration", "width", "video_length", "num_frames"),
        *("request_id", "pro_mode", "resolution", "enable_safety_checker", "undocumented"),
    ]
)
_BODIES = (
    st.binary(max_size=200)
    | _VALUES.map(msgspec.json.encode)
    | st.dictionaries(_PARAMETERS, _VALUES, max_size=5).map(msgspec.json.encode)
    | st.dictionaries(_PARAMETERS, _VALUES, max_size=5).map(
        lambda more: msgspec.json.encode(
            {**more, "prompt": "x", "image": "https://a.example/", "request_id": "x"}
        )
    )
)


@given(
    method=st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "X"]),
    path=_PATHS | st.binary(max_size=40).map(lambda tail: b"/" + tail.replace(b"?", b"")),
    tail=st.just(b"") | st.binary(max_size=10).map(lambda tail: tail.replace(b"?", b"")),
    query=st.just(b"")
    | st.binary(max_size=40)
    | st.sampled_from([b"subscription-key=", b"webhook=%", b"&" * 2000]),
    headers=st.lists(st.tuples(_NAMES, st.binary(max_size=40)), max_size=4),
    keys=st.sampled_from([_KEYS, []]),
    body=_BODIES,
)
@example(method="GET", path=b"/_mock", tail=b"", query=b"", headers=[], keys=[], body=b"")
@example(method="GET", path=b"/", tail=b"", query=b"", headers=[(b"host", b"")] * 2, keys=[], body=b"")
async def test_whatever_comes_in_gets_an_answer_of_a_provider(
    catalog: Catalog,
    method: str,
    path: bytes,
    tail: bytes,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    keys: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    """No status of 500, no exception, one journal entry, and a body in a shape that a provider has."""
    gateway = open_gateway(catalog)
    said = await call_raw(gateway.app, method, path + tail + b"?" + query, [*keys, *headers], body, host=None)
    if (path + tail).startswith(b"/_mock"):
        return
    if sum(name == b"host" for name, _ in headers) > 1:  # HTTP's own refusal, which is no call
        assert (said.status, len(gateway.world.journal)) == (400, 0)
        return
    assert said.status < 500
    assert len(gateway.world.journal) == 1
    if said.status >= 400 and method != "HEAD" and said.status != 416:
        phrase = HTTPStatus(said.status).phrase
        plain = said.body == f"{said.status} {phrase}\n".encode()  # a file's refusal is nobody's
        assert plain or any(in_shape(provider, said) for provider in PROVIDERS)
