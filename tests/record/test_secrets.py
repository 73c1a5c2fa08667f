"""Planted keys: none in any written byte, and every chain whole."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_contracts.rules import judge
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.domain.draw import account_name
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.read import read_recording
from understudy_mock.har.write import write_clean_entry
from understudy_mock.record.bodies import MediaFolder
from understudy_mock.record.file import RecordingFile
from understudy_mock.record.writer import Writer
from understudy_mock.redaction import Redactor, Secrets, fold

KEY = "sk-planted/secret+0123456789"
URL = "https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request"
TOLD = b'{"request_id":"hunyuan-video_1","status":"QUEUED","polling_url":"x"}'


def _entry(
    *,
    url: str = URL,
    headers: Headers | None = None,
    body: bytes = b'{"prompt":"a cat"}',
    told: bytes = TOLD,
    told_headers: Headers | None = None,
    **more: Any,
) -> JournalEntry:
    key = (b"ocp-apim-subscription-key", KEY.encode())
    return JournalEntry(
        kind=more.pop("kind", "call"),
        at=1_790_000_000_000,
        duration=1.0,
        provider="pixazo",
        operation=more.pop("operation", "submit-hunyuan-video"),
        method="POST",
        url=url,
        request_headers=[key, *(headers or [])],
        request_body=body,
        request_size=len(body),
        status=more.pop("status", 202),
        response_headers=told_headers or [],
        response_body=told,
        response_size=len(told),
        **more,
    )


_BASE64 = base64.b64encode
_PLANTS: dict[str, dict[str, Any]] = {
    "key-header": {},
    "bearer": {"headers": [(b"authorization", f"Bearer {KEY}".encode())]},
    "basic-auth": {"headers": [(b"authorization", b"Basic " + _BASE64(f"user:{KEY}".encode()))]},
    "query-by-name": {"url": f"{URL}?subscription-key={quote(KEY, safe='')}"},
    "query-by-value": {"url": f"{URL}?mine={KEY}"},
    "path": {"url": f"https://gateway.pixazo.ai/v2/requests/status/{quote(KEY, safe='')}", "operation": ""},
    "path-escaped-in-part": {"url": f"{URL}/{KEY.replace('-', '%2D')}"},
    "user-info": {"url": f"https://user:{quote(KEY, safe='')}@gateway.pixazo.ai/hunyuan-video"},
    "request-body": {"body": msgspec.json.encode({"prompt": f"my key is {KEY}, keep it"})},
    "request-body-escaped": {"body": b'{"prompt":"' + KEY.replace("/", r"\/").encode() + b'"}'},
    "request-body-unicode": {"body": f'{{"p":"{"".join(f"{chr(92)}u{ord(c):04x}" for c in KEY)}"}}'.encode()},
    "request-body-name": {"body": msgspec.json.encode({KEY: 1})},
    "request-body-base64": {"body": msgspec.json.encode({"a": _BASE64(f"x{KEY}y".encode()).decode()})},
    "request-body-base64-url": {
        "body": msgspec.json.encode({"a": base64.urlsafe_b64encode(f"xx{KEY}".encode()).decode()})
    },
    "request-body-binary": {"body": b"\xff\xfe" + KEY.encode() + b"\x00"},
    "address-in-address": {
        "url": f"{URL}?webhook={quote('https://r.example/?k=' + quote(KEY, safe=''), safe='')}"
    },
    "webhook-url": {"headers": [(b"x-webhook-url", f"https://r.example/?k={KEY}".encode())]},
    "answer": {"told": msgspec.json.encode({"error": f"no such key: {KEY}"})},
    "answer-html": {"told": f"<b>{KEY}</b>".encode(), "status": 502},
    "answer-header": {"told_headers": [(b"x-request-id", KEY.encode())]},
    "location": {"told_headers": [(b"location", f"https://a.example/?to={KEY}".encode())]},
    "content-type": {"headers": [(b"content-type", f"a/b; k={KEY}".encode())]},
    "unknown-header": {"headers": [(b"x-mine", KEY.encode())]},
    "header-name": {"headers": [(KEY.encode(), b"1")]},
    "cookie": {"headers": [(b"cookie", f"a=b; session={KEY}".encode())]},
    "set-cookie": {"told_headers": [(b"set-cookie", f"session={KEY}; Path=/".encode())]},
    "error": {"error": f"ConnectError: https://x/?key={KEY}", "status": 0, "told": b""},
    "job": {"job": KEY},
    "callback": {"kind": "delivery", "operation": "webhook", "url": f"https://r.example/{KEY}"},
}


def _writer(out: Path, catalog: Catalog, told: list[str], **options: Any) -> tuple[Writer, RecordingFile]:
    file = RecordingFile(out)
    return Writer(file, MediaFolder(out), catalog, tell=told.append, **options), file


def _readings(folder: Path) -> list[bytes]:
    """Every byte below a folder, names included, and what it is unescaped and out of base64."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    raw = [str(one.relative_to(folder)).encode() for one in folder.rglob("*")]
    raw += [one.read_bytes() for one in files]
    readings = list(raw)
    for text in [one.decode("latin-1") for one in raw]:
        plain = text
        for _ in range(3):
            plain = unquote(plain, "latin-1")
            plain = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), plain)
            plain = re.sub(r"\\(.)", r"\1", plain)
            readings.append(plain.encode("latin-1", "replace"))
        for token in re.findall(r"[A-Za-z0-9+/_-]{16,}", plain + " " + text):
            standard = token.replace("-", "+").replace("_", "/")
            for start in range(4):
                whole = standard[start : start + (len(standard) - start) // 4 * 4]
                readings.append(base64.b64decode(whole))
    return readings


@pytest.mark.parametrize("plant", _PLANTS.values(), ids=_PLANTS.keys())
def test_a_planted_key_is_in_no_written_byte(catalog: Catalog, tmp_path: Path, plant: dict[str, Any]) -> None:
    told: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, told)
    writer.write(_entry(**plant))
    file.close()
    assert writer.written == 1
    assert not any(KEY.encode() in one for one in _readings(tmp_path))
    assert not any(KEY in line for line in told)
    assert b"[key-1]" in (tmp_path / "run.har").read_bytes()
    assert len(read_recording([tmp_path / "run.har"], catalog).entries) == 1


@pytest.mark.parametrize("path", ["{}/v1/models", "hunyuan-video/v1/hunyuan-video-request/{}", "a?b={}"])
def test_what_looks_like_a_key_in_an_address_that_leads_nowhere_is_a_secret(
    catalog: Catalog, tmp_path: Path, path: str
) -> None:
    """The call shows another key where keys belong; the answer names the address."""
    other = "sk-live-pathSecretAAAA1111"
    lines: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, lines)
    url = f"https://gateway.pixazo.ai/{path.format(other)}"
    writer.write(_entry(url=url, operation="", status=404, told=f'{{"message":"no {url}"}}'.encode()))
    file.close()
    recording = read_recording([tmp_path / "run.har"], catalog)
    assert not any(other.encode() in reading for reading in _readings(tmp_path))
    assert other not in str(judge(recording.entries, catalog)) + str(lines)


@pytest.mark.parametrize("plant", _PLANTS.values(), ids=_PLANTS.keys())
def test_the_search_for_planted_keys_finds_them(tmp_path: Path, plant: dict[str, Any]) -> None:
    """Without redaction each is found, so the test above would fail."""
    (tmp_path / "run.har").write_bytes(msgspec.json.encode(write_clean_entry(_entry(**plant))))
    assert any(KEY.encode() in one for one in _readings(tmp_path))


def test_there_are_at_least_fifteen_places() -> None:
    assert len(_PLANTS) >= 15


@pytest.mark.parametrize("key", ['quo"ted/key"0123', "back\\slash\\n0123", "per%41cent%key"])
def test_keys_of_odd_characters_are_found_however_they_are_escaped(
    catalog: Catalog, tmp_path: Path, key: str
) -> None:
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    inner = json.dumps({"a": key})
    for body in (json.dumps({"p": key}), json.dumps({"p": inner}), json.dumps({"p": quote(key, safe="")})):
        entry = _entry(body=body.encode())
        writer.write(
            msgspec.structs.replace(entry, request_headers=[(b"ocp-apim-subscription-key", key.encode())])
        )
    file.close()
    assert writer.written == 3
    asked = [one.request_body for one in read_recording([tmp_path / "run.har"], catalog).entries]
    assert all(b"[key-1]" in one for one in asked)
    assert not any(key.encode() in one for one in _readings(tmp_path))


def test_a_file_with_a_key_in_it_is_not_kept(catalog: Catalog, tmp_path: Path) -> None:
    told: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, told)
    writer.write(_entry())
    body = writer.body([(b"content-type", b"video/mp4")])
    for part in (b"x" * 5000 + KEY[:10].encode(), KEY[10:].encode() + b"y" * 5000):
        body.add(part)
    body.end()
    writer.write(_entry(told=b""), answer=body)
    file.close()
    assert not any(KEY.encode() in one for one in _readings(tmp_path))
    assert any("holds [key-1]" in line for line in told)


def test_a_key_that_was_written_before_it_was_known_is_taken_out(catalog: Catalog, tmp_path: Path) -> None:
    other = "another-key-that-is-long"
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.write(_entry(body=msgspec.json.encode({"prompt": other})))
    writer.write(_entry(body=b"\xff" + other.encode()))
    writer.write(_entry(headers=[(b"x-api-key", other.encode())]))
    writer.write(_entry())
    file.close()
    assert not any(other.encode() in one for one in _readings(tmp_path))
    entries = read_recording([tmp_path / "run.har"], catalog).entries
    assert len(entries) == 4
    assert msgspec.json.decode(entries[0].request_body) == {"prompt": "[key-2]"}


def test_the_webhook_secret_is_a_secret_from_its_answer_on(catalog: Catalog, tmp_path: Path) -> None:
    bare = "0123456789abcdef0123456789abcdef"
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    answer = msgspec.json.encode({"code": 200, "data": {"secret": f"whsec_{bare}"}})
    writer.write(_entry(told=answer))
    writer.write(_entry(body=msgspec.json.encode({"prompt": f"is it {bare}?"})))
    file.close()
    assert bare not in (tmp_path / "run.har").read_text()
    entries = read_recording([tmp_path / "run.har"], catalog).entries
    assert msgspec.json.decode(entries[0].response_body)["data"]["secret"] == "[secret-1]"
    assert msgspec.json.decode(entries[1].request_body)["prompt"] == "is it [secret-1]?"


def test_values_by_name_are_removed_wherever_they_stand(catalog: Catalog, tmp_path: Path) -> None:
    redact = (("customer", "Erika Mustermann"), ("pin", "4711"))
    told: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, told, redact=redact)
    writer.write(
        _entry(
            url=f"{URL}?by=Erika+Mustermann&pin=4711",
            headers=[(b"pin", b"4711"), (b"user-agent", b"for Erika Mustermann")],
            body=msgspec.json.encode({"prompt": "Erika Mustermann at door 4711", "pin": "4711"}),
        )
    )
    file.close()
    (entry,) = read_recording([tmp_path / "run.har"], catalog).entries
    asked = msgspec.json.decode(entry.request_body)
    assert asked["prompt"] == "[customer-1] at door 4711"
    assert asked["pin"] == "[redacted]"
    assert "4711" not in entry.url
    assert b"4711" not in dict(entry.request_headers)[b"pin"]
    assert any("[pin-1] has fewer than 8 characters" in line for line in told)


def test_a_short_key_goes_from_where_keys_stand_and_that_is_said(catalog: Catalog, tmp_path: Path) -> None:
    told: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, told)
    entry = msgspec.structs.replace(_entry(), request_headers=[(b"ocp-apim-subscription-key", b"short")])
    writer.write(entry)
    file.close()
    (read,) = read_recording([tmp_path / "run.har"], catalog).entries
    assert read.key == "[key-1]"
    assert "short" not in (tmp_path / "run.har").read_text()
    assert len(told) == 1


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature={}&X-Amz-Date=20260522",
        "X-Goog-Signature={}",
        "Expires=1&Signature={}&Key-Pair-Id=x",
        "sv=2024&sig={}",
        "Policy={}",
        "token={}",
    ],
)
def test_what_signs_an_address_is_gone_and_the_address_is_the_same_everywhere(
    catalog: Catalog, tmp_path: Path, query: str
) -> None:
    signature = "c2lnbmF0dXJl-4f1c2a9be07d"
    url = "https://cdn.example/a.mp4?" + query.format(signature)
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    told = {"request_id": "j", "status": "COMPLETED", "output": {"media_url": [url]}}
    writer.write(_entry(told=msgspec.json.encode(told)))
    writer.write(_entry(url=url, operation="", status=200))
    file.close()
    assert signature not in (tmp_path / "run.har").read_text()
    first, second = read_recording([tmp_path / "run.har"], catalog).entries
    assert msgspec.json.decode(first.response_body)["output"]["media_url"] == [second.url]
    assert second.job == "j"


def test_an_exchange_that_still_holds_a_secret_is_not_written(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the removal fails, what is written is looked through once more."""
    told: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, told)
    monkeypatch.setattr(Secrets, "clean", lambda _, entry: entry)
    writer.write(_entry(body=msgspec.json.encode({"prompt": KEY})))
    file.close()
    assert (writer.written, writer.dropped) == (0, 1)
    assert not any(KEY.encode() in one for one in _readings(tmp_path))
    assert any("NOT recorded" in line for line in told)


@given(
    secret=st.text(st.characters(codec="latin-1", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=8),
    before=st.binary(max_size=4),
    after=st.binary(max_size=4),
)
def test_base64_hides_no_secret(secret: str, before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + secret.encode() + after).decode()
    assert "[redacted]" in Redactor(frozenset({secret})).text(f'{{"a":"{text}"}}')


@st.composite
def _escaped(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A secret, and how each of its characters is written in a text.

    It does not end with what begins an escape: of its escape a code may stay, which gives nothing away.
    Characters beyond ASCII are all written in one way, as programs do it.
    """
    characters = st.characters(codec="latin-1", exclude_categories=["Cc", "Zl", "Zp"])
    texts = st.text(characters, min_size=8, max_size=20)
    secret = draw(texts.filter(lambda text: text[-1] not in "%\\" and len(fold(text)) >= 8))
    encoding = draw(st.sampled_from(["utf-8", "latin-1"]))
    written = []
    for one in secret:
        code = draw(st.sampled_from(["x", "X"]))
        percent = "%" + "25" * draw(st.integers(0, 2))
        octets = one.encode(encoding)
        forms = ["".join(f"{percent}{octet:02{code}}" for octet in octets)]
        if one.isascii() or encoding == "latin-1":
            forms += [one, "\\" * draw(st.integers(1, 3)) + f"u{ord(one):04{code}}"]
        forms += ["+"] if one == " " else [rf"\{one}"] if one in '"/' else []
        written.append(draw(st.sampled_from(forms)))
    return secret, written


@given(_escaped())
def test_no_way_of_escaping_hides_a_secret(drawn: tuple[str, list[str]]) -> None:
    secret, written = drawn
    assert Redactor(frozenset({secret})).text(f"→{''.join(written)}←") == "→[redacted]←"


@given(_escaped(), st.data())
def test_a_text_that_is_cut_ends_with_no_part_of_a_secret(
    drawn: tuple[str, list[str]], data: st.DataObject
) -> None:
    """Be it cut between two characters or within one; fewer than three may stay, backslashes not counted."""
    secret, written = drawn
    text = "".join(written)
    least = next(n for n in range(3, len(written)) if len(fold("".join(written[:n]))) >= 3)
    cut = data.draw(st.integers(len("".join(written[:least])), len(text)))
    assert Redactor(frozenset({secret})).cut_text(f"→{text[:cut]}") == "→[redacted]"


def test_a_text_that_is_cut_ends_with_no_part_of_a_secret_in_base64() -> None:
    clean = Redactor(frozenset({KEY}))
    text = base64.b64encode(KEY.encode()).decode()
    assert {clean.cut_text(f"→{text[:cut]}") for cut in range(3, len(text) - 4)} == {"→[redacted]"}


def test_a_text_that_is_cut_where_no_secret_is_stays_as_it_is() -> None:
    text = '{"prompt": "100 % paper\\u00e9", "file": "https://x.example/a%20b", "k": "sk'
    assert Redactor(frozenset({KEY})).cut_text(text) == text


@given(
    body=st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
    told=st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
    status=st.integers(100, 599),
    at=st.integers(0, 2**41),
    fault=st.sampled_from(["", "reset", "truncate", "hang"]),
)
def test_what_is_written_is_read_back(
    catalog: Catalog,
    tmp_path_factory: pytest.TempPathFactory,
    body: bytes,
    told: bytes,
    status: int,
    at: int,
    fault: str,
) -> None:
    out = tmp_path_factory.mktemp("written") / "run.har"
    writer, file = _writer(out, catalog, [])
    entry = msgspec.structs.replace(_entry(body=body, told=told, status=status, fault=fault), at=at)
    writer.write(entry)
    file.close()
    (read,) = read_recording([out], catalog).entries
    assert (read.request_body, read.response_body) == (body, told)
    assert (read.at, read.status, read.fault, read.url) == (at, status, fault, entry.url)


def test_what_the_documentation_prints_is_no_secret(catalog: Catalog, tmp_path: Path) -> None:
    """A parameter called `token` that holds a model's name must not blot the name out everywhere."""
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.write(_entry(body=b'{"token":"hunyuan-video"}'))
    file.close()
    (entry,) = read_recording([tmp_path / "run.har"], catalog).entries
    assert entry.url == URL


@pytest.mark.parametrize(
    "name",
    [b"x-auth-token", b"x-client-secret", b"xi-api-key", b"x-signature", b"x-password", b"x-amz-token"],
)
def test_a_header_that_is_called_like_a_secret_holds_one(
    catalog: Catalog, tmp_path: Path, name: bytes
) -> None:
    other = "another-secret-that-is-long"
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.write(_entry(headers=[(name, b"Bearer " + other.encode())]))
    writer.write(_entry(body=msgspec.json.encode({"prompt": other})))
    file.close()
    assert other not in (tmp_path / "run.har").read_text()


def test_limits_and_spent_signatures_are_no_secrets(catalog: Catalog, tmp_path: Path) -> None:
    limits: Headers = [(b"x-ratelimit-limit-tokens", b"public-words"), (b"x-ratelimit-remaining", b"59")]
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.write(_entry(told_headers=limits, body=b'{"prompt":"public-words"}'))
    file.close()
    (entry,) = read_recording([tmp_path / "run.har"], catalog).entries
    assert entry.response_headers == limits
    assert entry.request_body == b'{"prompt":"public-words"}'


@pytest.mark.parametrize("name", ["db_password", "refresh_token", "apiKeyId", "my-secret-2", "Authorization"])
def test_a_member_that_is_called_like_a_secret_holds_one(catalog: Catalog, tmp_path: Path, name: str) -> None:
    other = "another-secret-that-is-long"
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.write(_entry(body=msgspec.json.encode({name: other, "prompt": f"say {other}", "max_tokens": 12})))
    file.close()
    (entry,) = read_recording([tmp_path / "run.har"], catalog).entries
    assert msgspec.json.decode(entry.request_body) == {
        name: "[secret-1]",
        "prompt": "say [secret-1]",
        "max_tokens": 12,
    }


def test_an_account_is_named_without_its_key_and_the_same_in_every_run(
    catalog: Catalog, tmp_path: Path
) -> None:
    out = tmp_path / "run.har"
    keys = (KEY, "another-key-9876543210", KEY)
    for key in keys:
        writer, file = _writer(out, catalog, [])
        header = [(b"ocp-apim-subscription-key", key.encode())]
        writer.write(msgspec.structs.replace(_entry(), request_headers=header))
        file.close()
    writer, file = _writer(tmp_path / "other.har", catalog, [])
    writer.write(_entry())
    file.close()
    first, second, third = (one.account for one in read_recording([out], catalog).entries)
    (other,) = (one.account for one in read_recording([tmp_path / "other.har"], catalog).entries)
    assert first == third
    assert len({first, second, other, *map(account_name, keys)}) == 5


@pytest.mark.parametrize(
    ("waited", "parts"), [(None, (0, 10.5, 0)), (4.25, (0, 4.25, 6.25)), (11.0, (0, 10.5, 0))]
)
def test_the_time_is_parted_at_the_first_byte(waited: float | None, parts: tuple[float, ...]) -> None:
    entry = msgspec.structs.replace(_entry(), waited=waited, duration=10.5)
    made = write_clean_entry(entry)
    assert tuple(made["timings"][name] for name in ("send", "wait", "receive")) == parts
    assert sum(made["timings"].values()) == made["time"]
