"""Result files: whole, in ranges, by HEAD; and nothing where there is none (yet)."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import Gateway, RawAnswer, call_raw, end, id_of, open_gateway, poll, submit
from understudy_mock.catalog import Catalog
from understudy_mock.domain.conditions import Condition
from understudy_mock.media import Studio
from understudy_mock.media.small import small_file

_IMAGE = "/hunyuan-image/v1/hunyuan-image/generateRequest"


async def _finished(catalog: Catalog) -> tuple[Gateway, str, bytes]:
    """Give a gateway, the path of a file and its bytes."""
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    gateway.advance(100)
    path = f"/v1/{job}/output.mp4"
    whole = await call_raw(gateway.app, "GET", path)
    assert whole.status == 200
    return gateway, path, whole.body


async def _range(
    gateway: Gateway, path: str, wanted: bytes, *more: tuple[bytes, bytes], method: str = "GET"
) -> RawAnswer:
    return await call_raw(gateway.app, method, path, [(b"range", wanted), *more])


async def test_a_whole_file_says_what_it_is(catalog: Catalog) -> None:
    gateway, path, whole = await _finished(catalog)
    said = await call_raw(gateway.app, "GET", path)
    assert whole[4:8] == b"ftyp"
    assert said.headers["content-type"] == "video/mp4"
    assert said.headers["content-length"] == str(len(whole))
    assert said.headers["accept-ranges"] == "bytes"
    assert said.headers["etag"].startswith('"')


async def test_head_says_the_same_without_the_bytes(catalog: Catalog) -> None:
    gateway, path, _ = await _finished(catalog)
    head, whole = await call_raw(gateway.app, "HEAD", path), await call_raw(gateway.app, "GET", path)
    assert (head.status, head.headers, head.body) == (200, whole.headers, b"")


async def test_a_range_means_nothing_to_head(catalog: Catalog) -> None:
    """RFC 9110, section 14.2: Range is defined for GET alone; elsewhere it is ignored."""
    gateway, path, whole = await _finished(catalog)
    said = await _range(gateway, path, b"bytes=0-9", method="HEAD")
    assert (said.status, said.headers["content-length"]) == (200, str(len(whole)))


def _expected(size: int, first: int | None, last: int | None) -> tuple[int, int] | None:
    """Tell which bytes RFC 9110, section 14.1.2, gives for a range; None when it cannot be satisfied."""
    if first is None:
        assert last is not None
        return (max(0, size - last), size) if last else None
    return (first, min(size, size if last is None else last + 1)) if first < size else None


_SIZE = len(small_file("mp4"))
_NEAR = st.integers(0, _SIZE + 10) | st.sampled_from([0, 1, _SIZE - 1, _SIZE, _SIZE + 1, 10**17])
_RANGES = (
    st.tuples(st.none(), _NEAR)
    | st.tuples(_NEAR, st.none())
    | st.tuples(_NEAR, _NEAR).map(lambda ends: (min(ends), max(ends)))
)


@given(ends=_RANGES)
async def test_a_range_is_what_rfc_9110_says(catalog: Catalog, ends: tuple[int | None, int | None]) -> None:
    gateway, path, whole = await _finished(catalog)
    size = len(whole)
    first, last = ends
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    said = await _range(gateway, path, text.encode())
    wanted = _expected(size, first, last)
    if wanted is None:
        assert said.status == 416
        assert said.headers["content-range"] == f"bytes */{size}"
        assert said.body == b""
    else:
        assert said.status == 206
        assert said.body == whole[wanted[0] : wanted[1]]
        assert said.headers["content-range"] == f"bytes {wanted[0]}-{wanted[1] - 1}/{size}"
        assert said.headers["content-type"] == "video/mp4"


@given(cuts=st.lists(st.integers(1, 5_000), max_size=6, unique=True))
async def test_a_download_continued_in_pieces_is_the_file(catalog: Catalog, cuts: list[int]) -> None:
    gateway, path, whole = await _finished(catalog)
    got, tag = b"", b""
    for cut in [*sorted(cuts), None]:
        if len(got) < len(whole) and (cut is None or cut > len(got)):
            last = b"" if cut is None else str(cut - 1).encode()
            more = [(b"if-range", tag)] if tag else []
            said = await _range(gateway, path, b"bytes=%d-%s" % (len(got), last), *more)
            assert said.status == 206
            got, tag = got + said.body, said.headers["etag"].encode()
    assert got == whole


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"bytes", b"bytes=", b"bytes=-", b"bytes=5-2", b"bytes=a-b", b"lines=1-2", b"bytes=0-1,3-4"),
        *(
            b"bytes=--5",
            b"bytes=-5-",
            b"0-5",
            b"bytes=0x1-0x2",
            b"bytes=\xb2-",
            b"bytes=1-" + b"9" * 200,
            b"\xff",
        ),
    ],
)
async def test_a_range_that_is_not_understood_is_ignored(catalog: Catalog, text: bytes) -> None:
    """RFC 9110, section 14.2 lets a server ignore it; the whole file is always a right answer."""
    gateway, path, whole = await _finished(catalog)
    said = await _range(gateway, path, text)
    assert (said.status, said.body) == (200, whole)


async def test_if_range_gives_the_whole_file_when_it_is_another_one(catalog: Catalog) -> None:
    gateway, path, whole = await _finished(catalog)
    said = await _range(gateway, path, b"bytes=0-9", (b"if-range", b'"something-else"'))
    assert (said.status, said.body) == (200, whole)
    dated = await _range(gateway, path, b"bytes=0-9", (b"if-range", b"Fri, 22 May 2026 13:17:32 GMT"))
    assert dated.status == 200


@pytest.mark.parametrize(
    "name",
    [
        *("output.png", "output_2.mp4", "output_1.mp4", "output_0.mp4", "output_-1.mp4", "output", "output."),
        *(
            "output.mp4/",
            "output.mp4.",
            "outputs.mp4",
            "output.MP4",
            "output_02.mp4",
            "output.ext",
            "input.mp4",
        ),
    ],
)
async def test_another_name_is_no_file(catalog: Catalog, name: str) -> None:
    gateway, path, _ = await _finished(catalog)
    said = await call_raw(gateway.app, "GET", path.replace("output.mp4", name))
    assert said.status == 404


async def test_there_is_no_file_until_the_job_has_completed(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, speed=1)
    path = f"/v1/{id_of(await submit(gateway))}/output.mp4"
    for seconds, status in ((0, 404), (20, 404), (90.999, 404), (0.001, 200)):
        gateway.advance(seconds)
        for method in ("GET", "HEAD"):
            assert (await call_raw(gateway.app, method, path)).status == status


@pytest.mark.parametrize("path", ["/v1/nobody/output.mp4", f"/media/{'0' * 32}/cat.png"])
async def test_a_missing_file_is_a_plain_404(catalog: Catalog, path: str) -> None:
    """Files lie at somebody else's: nothing in the answer is the provider's."""
    said = await call_raw(open_gateway(catalog).app, "GET", path)
    assert (said.status, said.body) == (404, b"404 Not Found\n")
    assert said.headers == {"content-type": "text/plain; charset=utf-8", "content-length": "14"}


_PLAIN = {
    "missing_key": 401,
    "invalid_key": 401,
    "forbidden": 403,
    "quota_exceeded": 403,
    "rate_limited": 429,
    "invalid_request": 400,
    "insufficient_balance": 402,
    "model_not_found": 404,
    "not_found": 404,
    "internal_error": 500,
    "bad_gateway": 502,
    "unavailable": 503,
    "timeout": 504,
}


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed", "segmind"])
@pytest.mark.parametrize("condition", list(Condition))
async def test_a_download_is_refused_by_nobody_of_the_api(
    catalog: Catalog, provider: str, condition: str
) -> None:
    """A CDN knows no quota, no key and no header of the provider: only what the entry names is told."""
    gateway = open_gateway(catalog, quirks=("json-video",))
    entries = [{"condition": condition}, {"condition": condition, "retry_after": 7, "body": "{}"}]
    await gateway.admin("PUT", "accounts/test-key-1", json={"scenario": {"name": "x", "media": entries}})
    await submit(gateway, provider)
    gateway.advance(1000)
    [job] = gateway.world.store
    path = job.media_url(0).partition("8080")[2]
    plain, named = [await call_raw(gateway.app, "GET", path) for _ in entries]
    status = _PLAIN[condition]
    assert plain.status == named.status == status
    assert plain.body == f"{status} {HTTPStatus(status).phrase}\n".encode()
    assert set(plain.headers) == {"content-type", "content-length"}
    assert (named.body, named.headers["content-type"]) == (b"{}", "application/json")
    assert set(named.headers) == {"content-type", "content-length", "retry-after"}
    assert named.headers["retry-after"] == "7"


async def test_a_download_may_be_told_to_wait_until_a_date(catalog: Catalog) -> None:
    """Also where the provider itself has a header of its own for that."""
    gateway = open_gateway(catalog, quirks=("json-video",))
    entries = [{"status": 429, "retry_after": "http-date"}, {"status": 429, "retry_after": "none"}]
    await gateway.admin("PUT", "accounts/test-key-1", json={"scenario": {"name": "x", "media": entries}})
    await submit(gateway, "segmind")
    [job] = gateway.world.store
    dated, bare = [await call_raw(gateway.app, "GET", job.media_url(0).partition("8080")[2]) for _ in entries]
    assert dated.headers["retry-after"].endswith(" GMT")
    assert set(bare.headers) == {"content-type", "content-length"}


@pytest.mark.parametrize("how", ["FAILED", "ERROR"])
async def test_a_job_that_failed_has_no_file(catalog: Catalog, how: str) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    await end(gateway, job, how)
    gateway.advance(1000)
    assert (await call_raw(gateway.app, "GET", f"/v1/{job}/output.mp4")).status == 404


async def test_a_job_completed_by_hand_has_its_file_at_once(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    await end(gateway, job, "COMPLETED")
    assert (await call_raw(gateway.app, "GET", f"/v1/{job}/output.mp4")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_files_are_only_read(catalog: Catalog, method: str) -> None:
    gateway, path, _ = await _finished(catalog)
    assert (await call_raw(gateway.app, method, path)).status in (404, 405)


async def test_files_need_no_key_and_say_nothing_of_one(catalog: Catalog) -> None:
    gateway, path, whole = await _finished(catalog)
    said = await call_raw(gateway.app, "GET", path, [(b"ocp-apim-subscription-key", b"somebody-else")])
    assert (said.status, said.body) == (200, whole)


@pytest.mark.parametrize(("asked", "kind"), [("png", "image/png"), ("jpeg", "image/jpeg")])
async def test_several_images_are_files_of_their_own(catalog: Catalog, asked: str, kind: str) -> None:
    """Ledger row PX-21."""
    gateway = open_gateway(catalog)
    body = {"prompt": "x", "num_images": 3, "output_format": asked}
    answer = await submit(gateway, url=_IMAGE, body=body)
    gateway.advance(100)
    output = (await poll(gateway, id_of(answer))).json()["output"]
    assert output["media_type"] == kind
    names = [url.rpartition("/")[2] for url in output["media_url"]]
    assert names == [f"output.{asked}", f"output_2.{asked}", f"output_3.{asked}"]
    files = [await gateway.call("GET", url) for url in output["media_url"]]
    assert [file.status_code for file in files] == [200] * 3
    assert len({file.headers["etag"] for file in files}) == 3
    beyond = output["media_url"][2].replace("_3", "_4")
    assert (await gateway.call("GET", beyond)).status_code == 404


async def test_when_too_many_files_wait_to_be_made_that_is_503(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    gateway.world.files = Studio(renderer=lambda r, check: b"", most_waiting=0)
    answer = await submit(gateway, url=_IMAGE, body={"prompt": "x"})
    gateway.advance(100)
    (url,) = (await poll(gateway, id_of(answer))).json()["output"]["media_url"]
    assert (await gateway.call("GET", url)).status_code == 503


async def test_real_files_have_ranges_too(catalog: Catalog, studio: Studio) -> None:
    gateway = open_gateway(catalog)
    gateway.world.files = studio
    body = {"prompt": "x", "image_size": "square"}
    answer = await submit(gateway, url=_IMAGE, body=body)
    gateway.advance(100)
    (url,) = (await poll(gateway, id_of(answer))).json()["output"]["media_url"]
    whole = await gateway.call("GET", url)
    assert whole.content.startswith(b"\x89PNG")
    part = await gateway.call("GET", url, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
