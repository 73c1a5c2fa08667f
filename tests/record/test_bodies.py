"""However a body is coded or called, a key in it is in no written byte, and what can be kept is kept."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.little_provider import LittleProvider, little_provider
from tests.record.running import KEY, recorder
from tests.record.test_secrets import _entry, _writer
from understudy_mock.catalog import Catalog
from understudy_mock.har.coding import as_utf8, uncoded
from understudy_mock.har.recording import INLINE
from understudy_mock.record.writer import UNSEARCHABLE
from understudy_mock.redaction import Secrets

_PATH = "/unlisted/v1/request"
_TEXT = f'{{"prompt":"my key is {KEY}"}}'
_CLEAN = b'{"prompt":"my key is [key-1]"}'
_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def provider() -> Iterator[LittleProvider]:
    with little_provider(unlisted=_PATH) as made:
        yield made


def _files(folder: Path) -> list[bytes]:
    return [one.read_bytes() for one in folder.rglob("*") if one.is_file()]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(_TEXT.encode()), {**_JSON, "Content-Encoding": "gzip"}),
        (zlib.compress(_TEXT.encode()), {**_JSON, "Content-Encoding": "deflate"}),
        (zlib.compress(_TEXT.encode(), wbits=-15), {**_JSON, "Content-Encoding": "deflate"}),
        (gzip.compress(zlib.compress(_TEXT.encode())), {**_JSON, "Content-Encoding": "deflate, gzip"}),
        (_TEXT.encode("utf-16"), _JSON),
        (_TEXT.encode("utf-16-le"), _JSON),
        (_TEXT.encode("utf-16-be"), {"Content-Type": "application/json; charset=utf-16be"}),
        (_TEXT.encode("utf-32-le"), _JSON),
        (gzip.compress(_TEXT.encode("utf-16")), {**_JSON, "Content-Encoding": "gzip"}),
        (_TEXT.encode(), {}),
        (_TEXT.encode("utf-16"), {}),
    ],
    # A gzip body holds the second it was made in, and workers must agree on the names of tests.
    ids=[
        "gzip",
        "zlib",
        "raw-deflate",
        "deflate-then-gzip",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32-le",
        "utf-16-gzip",
        "untyped",
        "untyped-utf-16",
    ],
)
async def test_a_coded_text_is_kept_in_clear_without_the_key(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, body: bytes, headers: dict[str, str]
) -> None:
    """Upstream gets it as the client sent it; the first call's key is known in its own body."""
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        key = {"Ocp-Apim-Subscription-Key": KEY}
        await running.client.post(_PATH, content=body, headers={**headers, **key})
    assert provider.asked[0].body == body
    assert running.read().entries[0].request_body == _CLEAN


async def test_what_cannot_be_searched_is_not_kept_and_that_is_said(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        headers = {**_JSON, "Content-Encoding": "br", "Ocp-Apim-Subscription-Key": KEY}
        await running.client.post(_PATH, content=b"\x0b\x02\x80abc\x03", headers=headers)
    (entry,) = running.read().entries
    assert (entry.status, entry.request_body) == (202, b"")
    assert entry.warnings == (f"request body {UNSEARCHABLE}",)
    assert any("unlisted/v1/request was not kept: it cannot be" in line for line in running.told)
    assert not any(b"\x80abc" in one for one in _files(tmp_path))


async def test_the_text_fields_of_a_form_are_kept_without_the_key(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    picture = b"\x89PNG\r\n\x1a\n\0\0" + bytes(range(256))
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        headers = {"Ocp-Apim-Subscription-Key": KEY}
        files = {"file": ("a.png", picture, "image/png")}
        await running.client.post(_PATH, data={"note": f"it is {KEY}"}, files=files, headers=headers)
    kept = [one for one in _files(tmp_path) if picture in one]
    assert len(kept) == 1
    assert b"it is [key-1]" in kept[0]
    assert not any(KEY.encode() in one for one in _files(tmp_path))


def test_a_text_that_is_too_large_for_the_har_is_kept_beside_it_without_the_key(
    catalog: Catalog, tmp_path: Path
) -> None:
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.secrets.add(KEY, "key")
    kept = writer.body([(b"content-type", b"application/json")])
    kept.add(b"[" + b'"x",' * (INLINE // 4) + b'"' + KEY.encode() + b'"]')
    kept.end()
    file.close()
    (written,) = [one.read_bytes() for one in (tmp_path / "run.har.media").iterdir()]
    assert written.endswith(b'"x","[key-1]"]')


def test_a_file_that_is_dropped_is_named(catalog: Catalog, tmp_path: Path) -> None:
    told: list[str] = []
    writer, file = _writer(tmp_path / "run.har", catalog, told)
    writer.secrets.add(KEY, "key")
    kept = writer.body([(b"content-type", b"video/mp4")])
    kept.add(b"\xff\0" + KEY.encode())
    kept.end()
    writer.write(_entry(url=f"https://gateway.pixazo.ai/a.mp4?k={KEY}", told=b""), answer=kept)
    file.close()
    assert told == [
        "ERROR: the answer of POST https://gateway.pixazo.ai/a.mp4 holds [key-1]: its body was not kept"
    ]


@pytest.mark.parametrize(
    "body",
    [gzip.compress(_TEXT.encode()), _TEXT.encode("utf-16-le"), _TEXT.encode("utf-16-be")],
    ids=["gzip", "utf-16-le", "utf-16-be"],
)
def test_the_last_look_sees_through_codings(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    writer.secrets.add(KEY, "key")
    monkeypatch.setattr(Secrets, "octets", lambda _, body, is_form=False: body)
    writer.write(_entry(body=body))
    file.close()
    assert (writer.written, writer.dropped) == (0, 1)


async def test_a_key_that_an_upstream_throws_back_is_not_told(catalog: Catalog, tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(f"GARBAGE {KEY}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstreams = {"pixazo": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    async with server, recorder(catalog, tmp_path / "run.har", None, upstreams=upstreams) as running:
        with pytest.raises(httpx.TransportError):
            await running.submit()
    assert any("[key-1]" in line for line in running.told)
    assert KEY not in "\n".join([*running.told, running.run.summary(), running.out.read_text()])


def test_a_small_body_that_becomes_a_huge_one_is_not_unpacked() -> None:
    assert uncoded(gzip.compress(b"\0" * 1_000_000), b"gzip", 1000) is None


@given(
    text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1),
    codings=st.permutations(["gzip", "deflate"]),
)
def test_what_was_coded_is_uncoded(text: str, codings: list[str]) -> None:
    body = text.encode()
    for coding in codings:
        body = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    assert uncoded(body, ", ".join(codings).encode(), 100_000) == text.encode()
    for charset in ("utf-16", "utf-32"):
        assert as_utf8(text.encode(charset), b"text/plain") == text.encode()
