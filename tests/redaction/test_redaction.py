"""No key is kept wherever a client puts it, innocent text stays, and the work grows with the text alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.driving import SUBMITS, T2V, WAVESPEED, call_raw, open_gateway
from tests.webhooks.receiving import staged
from understudy_contracts.conversation import tell
from understudy_contracts.rules import judge
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.gateway.journal import KEPT_OF_A_BODY, JournalEntry
from understudy_mock.har.coding import as_utf8, uncoded
from understudy_mock.har.write import write_har
from understudy_mock.redaction import LONGEST, MOST, Redactor, Secrets, command_line, redactor
from understudy_mock.webhooks.sender import PAUSE_AFTER

KEY = "sk-live-0123456789abcdef0123"
BODY = msgspec.json.encode(SUBMITS["pixazo"].body)


def _entry(
    *, url: str = "/v1/x", headers: Headers | None = None, body: bytes = b"", status: int = 202, **more: Any
) -> JournalEntry:
    return JournalEntry(
        number=1,
        at=1_790_000_000_000,
        duration=1.0,
        key=more.pop("key", ""),
        provider="pixazo",
        operation="submit-hunyuan-video",
        method="POST",
        url=url,
        request_headers=headers or [],
        request_body=body,
        request_size=len(body),
        status=status,
        response_headers=more.pop("told_headers", []),
        response_body=more.pop("told", b""),
        **more,
    )


# -- a key in a wrong place


_WRONG: dict[str, tuple[str, str, Headers, bytes]] = {
    "custom-token": ("POST", T2V, [(b"x-custom-token", KEY.encode())], BODY),
    "second-key": ("POST", T2V, [(b"ocp-apim-subscription-key2", KEY.encode())], BODY),
    "any-header": ("POST", T2V, [(b"x-mine", KEY.encode())], BODY),
    "path": ("POST", f"{T2V}/{KEY}", [], BODY),
    "before an address in a path": ("GET", f"/{KEY}/http://a.example/x", [], b""),
    "first-in-path": ("GET", f"/{KEY}/v1/models", [], b""),
    "member": ("POST", T2V, [], json.dumps({"prompt": "a cat", "api_key": KEY}).encode()),
    "member-of-a-member": ("POST", T2V, [], json.dumps({"auth": {"accessToken": KEY}}).encode()),
    "referer": ("POST", T2V, [(b"referer", f"https://app.example/{KEY}".encode())], BODY),
    "referer-parameter": ("POST", T2V, [(b"referer", f"https://a.example/?token={KEY}".encode())], BODY),
    "header's name as a member": (
        "POST",
        T2V,
        [],
        json.dumps({"prompt": "a cat", "Ocp-Apim-Subscription-Key": KEY}).encode(),
    ),
    "other people's key": ("POST", T2V, [], json.dumps({"prompt": "a cat", "openai_key": KEY}).encode()),
    "parameter": ("POST", f"{T2V}?api_key={KEY}", [], BODY),
    "header's name as a parameter": ("POST", f"{T2V}?Ocp-Apim-Subscription-Key={KEY}", [], BODY),
    "user": ("POST", f"{WAVESPEED}?webhook=https://u:{KEY}@r.example/", [], BODY),
    "fragment": ("POST", f"{WAVESPEED}?webhook=https://r.example/%23access_token={KEY}", [], BODY),
    "parameter that may be anything": ("POST", f"{T2V}?auth={KEY}", [], BODY),
    "code": ("POST", f"{T2V}?code={KEY}", [], BODY),
    "id of a job": ("GET", f"/v2/requests/{KEY}/status", [], b""),
    "user agent": ("POST", T2V, [(b"user-agent", f"mine/{KEY}".encode())], BODY),
    "host of a callback": ("POST", f"{WAVESPEED}?webhook=https://{KEY}.example/", [], BODY),
    "list of pairs": ("POST", T2V, [], json.dumps([["Authorization", f"Bearer {KEY}"]]).encode()),
    "name and value": ("POST", T2V, [], json.dumps({"name": "Authorization", "value": KEY}).encode()),
    "list of keys": ("POST", T2V, [], json.dumps({"api_keys": [KEY, KEY]}).encode()),
    "escaped name": ("POST", T2V, [], b'{"api\\u005fkey":"%s"}' % KEY.encode()),
    "JSON in JSON": ("POST", T2V, [], json.dumps({"a": json.dumps({"api_key": KEY})}).encode()),
    "scheme in a prompt": ("POST", T2V, [], json.dumps({"prompt": f"send Bearer {KEY} to it"}).encode()),
    "multipart field": (
        "POST",
        T2V,
        [(b"content-type", b"multipart/form-data; boundary=b")],
        f'--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{KEY}\r\n--b--'.encode(),
    ),
    "form": (
        "POST",
        T2V,
        [(b"content-type", b"application/x-www-form-urlencoded")],
        f"a=b&api_key={KEY}".encode(),
    ),
}


@pytest.mark.parametrize("wrong", _WRONG.values(), ids=_WRONG.keys())
async def test_a_key_in_a_wrong_place_is_in_no_journal(
    catalog: Catalog, wrong: tuple[str, str, Headers, bytes]
) -> None:
    """Nobody has shown it where it belongs, so nothing but its place tells that it is one."""
    gateway = open_gateway(catalog)
    method, path, headers, body = wrong
    await call_raw(gateway.app, method, path, headers, body)
    for name in ("journal", "journal.har", "changes", "trace.json"):
        assert KEY not in (await gateway.admin("GET", name)).text
    entries = list(gateway.world.journal.since(0))
    assert KEY not in json.dumps(write_har(entries))
    findings = judge(entries, catalog)
    assert KEY not in str(findings)
    assert KEY not in str(tell(entries, catalog, findings))


@pytest.mark.parametrize("path", [f"/v2/other/{KEY[:20]}.x", "/any/path?mine={}"])
async def test_a_key_that_one_call_shows_is_in_no_other(catalog: Catalog, path: str) -> None:
    key = "my-plain-key"
    gateway = open_gateway(catalog)
    await call_raw(gateway.app, "GET", path.format(key), [(b"referer", key.encode())], b"")
    await call_raw(gateway.app, "POST", T2V, [(b"ocp-apim-subscription-key", key.encode())], BODY)
    page = await gateway.admin("GET", "journal", params={"limit": 1})
    assert len(page.json()["entries"]) == 1
    assert key not in page.text


@pytest.mark.parametrize(
    "text",
    [
        '{"tags":["token","garden"],"max_tokens":5,"prompt":"the key to success, a token of 123456789012"}',
        '{"id":"019e4d3a-0000-7000-8000-000000000000","code":404,"url":"https://a.example/0123abcd0123abcd/o.mp4"}',
        "/v2/requests/0123456789abcdef0123456789abcdef/status?code=404&state=QUEUED",
    ],
)
def test_innocent_texts_stay(text: str) -> None:
    assert Redactor(()).text(text) == text


def test_a_command_line_shows_no_key() -> None:
    command = [
        "node",
        f"--api-key={KEY}",
        "--token",
        "abc",
        "--key-file",
        "k.txt",
        KEY,
        f"URL=http://u:{KEY}@a/",
    ]
    shown = command_line([*command, "my script.py", "/tmp/0123abcd0123abcd.py"])
    assert KEY not in shown
    assert "abc " not in shown
    assert shown.startswith("node '--api-key=[redacted]' --token '[redacted]' --key-file k.txt '[redacted]'")
    assert shown.endswith("'my script.py' /tmp/0123abcd0123abcd.py")


async def test_what_is_no_secret_is_told_as_it_came(catalog: Catalog) -> None:
    """A short or a common value is searched for nowhere, and a wrong path is there to be read."""
    gateway = open_gateway(catalog)
    headers: Headers = [
        (b"ocp-apim-subscription-key", b"k"),
        (b"connection", b"keep-alive"),
        (b"accept-encoding", b"gzip"),
        (b"cookie", b"a=gzip; b=alive"),
        (b"x-webhook-url", b"https://r.example/hooks/7"),
    ]
    body = b'{"prompt":"k alive gzip","token":"","max_tokens":7}'
    await call_raw(gateway.app, "POST", T2V, headers, body)
    await call_raw(gateway.app, "GET", "/hunyuan-video/v1/pixverse-v6-image-to-video-request?page=2", [], b"")
    entries = (await gateway.admin("GET", "journal.har")).json()["log"]["entries"]
    sent = {one["name"]: one["value"] for one in entries[0]["request"]["headers"]}
    assert (sent["connection"], sent["accept-encoding"]) == ("keep-alive", "gzip")
    assert sent["x-webhook-url"] == "https://r.example/hooks/7"
    assert sent["cookie"] == "[redacted]"
    assert entries[0]["request"]["postData"]["text"].encode() == body
    assert entries[1]["request"]["url"].endswith("/pixverse-v6-image-to-video-request?page=2")


# -- addresses of callbacks


_HOOK = "http://user:pass-word-1@127.0.0.1:9/in?token=first-secret&n=7"


async def test_the_address_of_a_callback_tells_no_token(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the list of deliveries nor in what is said when its receiver fails."""
    async with staged(catalog) as stage:
        for _ in range(PAUSE_AFTER):
            await stage.submit(url=_HOOK, key=KEY)
        for seconds in (3.7, 1.25, 5):
            await stage.advance(seconds)
        listed = await stage.gateway.admin("GET", "webhooks")
        urls = {one["url"] for one in listed.json()["deliveries"]}
        assert urls == {"http://redacted@127.0.0.1:9/in?token=[redacted]&n=7"}
        journal = (await stage.gateway.admin("GET", "journal.har")).text
        assert "are paused" in caplog.text
        for text in (listed.text, journal, caplog.text):
            assert "first-secret" not in text
            assert "pass-word-1" not in text


# -- the work


_REPEATED = (
    *("\\", "%", '"', "%25", "\\u", '\\"', "%5c", "?", "&", "=", "@", ":", "+", "é", "sk", "\\n", "?token="),
    *("&a=", '"token":"', '"token"', "://", "://a:", "whsec_", "%3Ftoken%3D", "%3F", "secret", '"secret'),
)


def _runs() -> Iterator[tuple[str, str]]:
    """Texts of what begins something that is looked for, over and over: 256 KB of each."""
    most = 256 * 1024
    for one in _REPEATED:
        yield one, one * (most // len(one))
    yield "spaces", '"token"' + " " * most
    yield "long", '"token":"' + "a" * most
    yield "tokens", "{" + ",".join(f'"token":"a-secret-{one:08}"' for one in range(10_000)) + "}"
    yield "parameters", "/?" + "&".join(f"token=a-secret-{one:08}" for one in range(10_000))
    yield "beginnings", KEY[:-1] * (most // len(KEY))


@pytest.mark.parametrize(("text"), [pytest.param(text, id=name) for name, text in _runs()])
def test_no_text_keeps_it_busy(text: str) -> None:
    """What is linear is done at once here, and what is not would never end."""
    cookie = (text[:60_000].encode("latin-1", "replace"), b"a=" + KEY.encode())
    headers: Headers = [(b"cookie", one) for one in cookie]
    entry = _entry(url=f"/v1/x?a=%41{KEY}", headers=headers, body=text.encode(), key=KEY)
    clean = redactor(entry)
    assert KEY not in clean.text(f"{text} {KEY} {text}")
    assert KEY not in clean.cut_text(text)
    assert KEY not in clean.url(f"https://a.example/{text}?{KEY}")
    secrets = Secrets(b"salt" * 4)
    secrets.learn(entry)
    cleaned = secrets.clean(entry)
    assert secrets.found_in(cleaned.request_body) is None
    assert KEY not in cleaned.url


def test_the_forms_that_are_searched_for_are_bounded() -> None:
    """In number, the newest being kept, and in length; a longer one still goes from where secrets stand."""
    secrets = Secrets(b"salt" * 4)
    told = [f"a-secret-{one:08}" for one in range(3 * MOST)]
    secrets.add(KEY, "key")
    for one in told:
        secrets.add(one, "secret")
    assert secrets.text(f"{told[-1]} {KEY}") == f"[secret-{len(told)}] [key-1]"
    assert secrets.text(told[0]) == told[0]
    long = "x" * (LONGEST + 1)
    clean = Redactor([long])
    assert clean.text(long) == long
    assert clean.text(f'{{"token":"{long}"}}') == '{"token":"[redacted]"}'


def test_more_keys_than_are_searched_for_are_said() -> None:
    warned: list[str] = []
    secrets = Secrets(b"salt" * 4, warn=warned.append)
    for one in range(MOST + 1):
        secrets.add(f"a-key-{one:08}", "key")
    assert len(warned) == 1
    assert warned[0].startswith(f"[key-{MOST + 1}] is one of more than {MOST} keys")


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "unicode_escape", "rot13", "zlib", "cp037"])
def test_no_charset_but_a_few_is_read(charset: str) -> None:
    """A body in any other is not kept, since nobody could search it."""
    assert as_utf8(b"a-" * 500_000, f"text/plain; charset={charset}".encode()) is None


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii", "iso-8859-1", "windows-1252", "Shift_JIS"])
def test_a_charset_that_shows_ascii_stays_as_it_is(charset: str) -> None:
    assert as_utf8(b"abc\xff", f'text/plain; charset="{charset}"'.encode()) == b"abc\xff"


def test_codings_upon_codings_are_not_undone() -> None:
    assert uncoded(b"x", b",".join([b"identity"] * 1000), 100) is None


# -- what is cut


def test_a_body_that_was_cut_inside_a_member_shows_nothing_of_it() -> None:
    body = (b'{"prompt":"' + b"x" * 65_500 + b'","api_key":"' + KEY.encode())[:KEPT_OF_A_BODY]
    entry = msgspec.structs.replace(_entry(body=body), request_size=len(body) + 100)
    assert "sk-live" not in json.dumps(write_har([entry]))


@pytest.mark.parametrize("text", [f"{KEY[:9]}", f"xx{KEY[:20]}"])
def test_a_beginning_at_the_end_of_what_was_cut_goes_even_from_the_very_first_character(text: str) -> None:
    assert KEY[:9] not in Redactor([KEY]).cut_text(text)
