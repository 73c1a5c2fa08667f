"""Files that callers bring: kept in memory within bounds, and served back to anybody."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.driving import Gateway, MakeGateway, key_headers
from understudy_mock.domain.facts import Upload
from understudy_mock.gateway.upload_store import UploadStore
from understudy_mock.gateway.uploads import MOST_FILES
from understudy_mock.settings import MAX_BODY

pytestmark = pytest.mark.anyio

FORMS = ("/api/v3/media/upload/binary", "/api/v2/media/upload/binary")
TICKETS = "/api/v3/media/uploads"
ASSETS = "/upload-asset"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HEADERS = key_headers("wavespeed")


async def ticket(gateway: Gateway, **asked: Any) -> dict[str, Any]:
    body = {"filename": "cat.png", "size": len(PNG), **asked}
    answer = await gateway.call("POST", TICKETS, json=body, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["code"] == 200
    return dict(answer.json()["data"])


async def bring(gateway: Gateway, promised: dict[str, Any], content: bytes = PNG) -> httpx.Response:
    place = promised["upload"]
    return await gateway.call(place["method"], place["url"], content=content, headers=place["headers"])


# -- forms


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_is_kept_and_served_back_with_its_type(gateway: Gateway, path: str) -> None:
    files = {"note": (None, "beside"), "file": ("my cat.png", PNG, "image/png")}
    answer = await gateway.call("POST", path, files=files, headers=HEADERS)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (200, 200)
    url = told["data"].pop("download_url")
    assert told["data"] == {"type": "image", "filename": "my cat.png", "size": len(PNG)}
    file = await gateway.call("GET", url)
    assert (file.status_code, file.content) == (200, PNG)
    assert file.headers["content-type"] == "image/png"
    assert file.headers["content-length"] == str(len(PNG))
    other = await gateway.call("POST", path, files=files, headers=HEADERS)
    again = await gateway.call("GET", other.json()["data"]["download_url"])
    assert again.headers["etag"] != file.headers["etag"]


async def test_a_part_without_a_type_has_that_of_its_name(gateway: Gateway) -> None:
    for name, kind in (("a.mp4", "video/mp4"), ("a", "application/octet-stream")):
        files = {"file": (name, b"x", "")}
        url = (await gateway.call("POST", FORMS[0], files=files, headers=HEADERS)).json()["data"][
            "download_url"
        ]
        assert (await gateway.call("GET", url)).headers["content-type"] == kind


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"", "", "body is invalid: is not multipart/form-data"),
        (b"", "multipart/form-data", "body is invalid: is not multipart/form-data"),
        (b"{}", "application/json", "body is invalid: is not multipart/form-data"),
        (b"", "multipart/form-data; boundary=x", "file is required"),
        (b"--x\r\nrubbish", "multipart/form-data; boundary=x", "file is required"),
        (b"--x\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x", "file is required"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            "file is required",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            "file is required",
        ),
        (
            b"x",
            "multipart/form-data; boundary=" + "x" * 2000,
            "body is invalid: is not a form: Boundary length 2000 exceeds maximum of 256",
        ),
    ],
)
async def test_what_is_no_form_with_a_file_is_400_and_says_why(
    gateway: Gateway, content: bytes, kind: str, reason: str
) -> None:
    headers = HEADERS | {"Content-Type": kind}
    answer = await gateway.call("POST", FORMS[0], content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"code": 400, "message": reason})
    assert len(gateway.world.uploads) == 0


async def test_many_parts_are_refused(gateway: Gateway) -> None:
    files = [("file", (None, "x")) for _ in range(150)]
    answer = await gateway.call("POST", FORMS[0], files=files, headers=HEADERS)
    assert answer.status_code == 400
    assert answer.json()["message"] == "body is invalid: is not a form: too many parts"


async def test_a_form_says_of_which_type_a_file_is_and_brings_every_byte(gateway: Gateway) -> None:
    """Whatever its name says, in whatever pieces it is found, and without what follows the type."""
    content = b"\r\n--almost the end\r\n" * 3
    for name, kind in (("cat.png", "image/webp; q=1"), ("caf\xe9.png", "Image/WebP")):
        head = b'Content-Disposition: form-data; name="file"; filename="' + name.encode("latin-1") + b'"'
        form = b"--x\r\n%s\r\ncontent-TYPE: %s\r\n\r\n%s\r\n--x--\r\n" % (head, kind.encode(), content)
        headers = HEADERS | {"Content-Type": "multipart/form-data; boundary=x"}
        answer = await gateway.call("POST", FORMS[0], content=form, headers=headers)
        told = answer.json()["data"]
        assert told["filename"] == name.replace("\xe9", "\ufffd")  # no UTF-8, and no error either
        file = await gateway.call("GET", told["download_url"])
        assert (file.headers["content-type"], file.content) == ("image/webp", content)


async def test_a_part_that_says_nothing_of_its_type_has_that_of_its_name(gateway: Gateway) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nx\r\n--x--\r\n'
    headers = HEADERS | {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await gateway.call("POST", FORMS[0], content=form, headers=headers)
    file = await gateway.call("GET", answer.json()["data"]["download_url"])
    assert file.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\cat.png", "cat.png"),
        ("..", "upload"),
        ("a\x00b\r\nc.png", "abc.png"),
        ("é?#%2f.png", "é?#%2f.png"),
        ("x" * 500 + ".png", "x" * 200 + ".png"),
        ("x" * 196 + ".png", "x" * 196 + ".png"),
        ("x" * 200 + "." + "y" * 50, "x" * 200 + "." + "y" * 19),
        ("a/b & c=d.png", "b & c=d.png"),
    ],
)
async def test_a_name_is_plain_and_its_address_works(gateway: Gateway, name: str, kept: str) -> None:
    promised = await ticket(gateway, filename=name)
    assert (await bring(gateway, promised)).status_code == 200
    file = await gateway.call("GET", promised["download_url"])
    assert (file.status_code, file.content) == (200, PNG)
    (upload,) = list(gateway.world.uploads._uploads.values())
    assert upload.name == kept


async def test_an_address_names_its_file_in_one_piece(gateway: Gateway) -> None:
    promised = await ticket(gateway, filename="a & b;c=d@e.png")
    assert promised["download_url"].endswith("/a%20%26%20b%3Bc%3Dd%40e.png")


async def test_a_type_that_is_none_is_not_repeated(gateway: Gateway) -> None:
    promised = await ticket(gateway, filename="a.bin", content_type="x\r\nSet-Cookie: a=b")
    assert promised["upload"]["headers"] == {"Content-Type": "application/octet-stream"}


# -- tickets


async def test_a_ticket_promises_a_place_that_takes_the_file_without_a_key(gateway: Gateway) -> None:
    promised = await ticket(gateway, content_type="image/webp")
    assert promised["upload"]["method"] == "PUT"
    assert promised["upload"]["headers"] == {"Content-Type": "image/webp"}
    assert (await gateway.call("GET", promised["download_url"])).status_code == 404
    put = await bring(gateway, promised)
    assert (put.status_code, put.content) == (200, b"")
    file = await gateway.call("GET", promised["download_url"])
    assert (file.content, file.headers["content-type"]) == (PNG, "image/webp")


async def test_what_is_done_with_a_ticket_is_in_the_journal_of_its_account(gateway: Gateway) -> None:
    """The calls themselves carry no key."""
    promised = await ticket(gateway)
    await bring(gateway, promised)
    await gateway.call("GET", promised["download_url"])
    asked, put, got = (await gateway.admin("GET", "journal")).json()["entries"]
    accounts = {entry["_understudy"]["account"] for entry in (asked, put, got)}
    assert len(accounts) == 1
    assert "" not in accounts


async def test_the_same_place_can_be_filled_again(gateway: Gateway) -> None:
    promised = await ticket(gateway)
    await bring(gateway, promised)
    first = await gateway.call("GET", promised["download_url"])
    other = PNG[::-1]
    await bring(gateway, promised, other)
    second = await gateway.call("GET", promised["download_url"])
    assert second.content == other
    assert first.headers["etag"] != second.headers["etag"]


@pytest.mark.parametrize("content", [b"", PNG[:-1], PNG + b"x"])
async def test_a_file_of_another_size_than_announced_is_400_and_not_kept(
    gateway: Gateway, content: bytes
) -> None:
    promised = await ticket(gateway)
    answer = await bring(gateway, promised, content)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert f"has {len(content)} bytes, where {len(PNG)} were announced" in answer.json()["message"]
    assert (await gateway.call("GET", promised["download_url"])).status_code == 404
    assert (await bring(gateway, promised)).status_code == 200


async def test_an_empty_file_can_be_announced_and_brought(gateway: Gateway) -> None:
    promised = await ticket(gateway, size=0)
    assert (await bring(gateway, promised, b"")).status_code == 200
    assert (await gateway.call("GET", promised["download_url"])).content == b""


async def test_an_address_to_read_is_none_to_write(gateway: Gateway) -> None:
    promised = await ticket(gateway)
    await bring(gateway, promised)
    answer = await gateway.call("PUT", promised["download_url"], content=b"evil")
    assert answer.status_code in (404, 405)
    identity = promised["download_url"].split("/")[-2]
    answer = await gateway.call("PUT", f"/media/uploads/{identity}", content=b"evil")
    told = (answer.status_code, answer.json()["message"])
    assert told == (404, "upload not found or expired")
    assert (await gateway.call("GET", promised["download_url"])).content == PNG


@pytest.mark.parametrize(
    "body", [{}, {"filename": "a"}, {"filename": "", "size": 1}, {"filename": "a", "size": -1}]
)
async def test_a_wrong_ticket_is_400(gateway: Gateway, body: dict[str, Any]) -> None:
    answer = await gateway.call("POST", TICKETS, json=body, headers=HEADERS)
    assert answer.status_code == 400
    assert len(gateway.world.uploads) == 0


async def test_a_file_beyond_the_bound_is_413(gateway: Gateway) -> None:
    promised = await ticket(gateway)
    large = b"x" * (MAX_BODY + 1)
    assert (await bring(gateway, promised, large)).status_code == 413
    answer = await gateway.call("POST", FORMS[0], files={"file": ("a", large)}, headers=HEADERS)
    assert answer.status_code == 413
    answer = await gateway.call("POST", ASSETS, content=large, headers=key_headers("segmind"))
    assert answer.status_code == 413
    assert gateway.world.uploads.held == 0


# -- data URLs


async def test_data_urls_are_kept_in_order(gateway: Gateway) -> None:
    contents = {"image/png": PNG, "video/mp4": b"moving"}
    urls = [f"data:{kind};base64,{base64.b64encode(c).decode()}" for kind, c in contents.items()]
    answer = await gateway.call("POST", ASSETS, json={"data_urls": urls}, headers=key_headers("segmind"))
    told = answer.json()
    assert answer.status_code == 200
    assert set(told) == {"file_urls", "message"}
    for url, (kind, content) in zip(told["file_urls"], contents.items(), strict=True):
        file = await gateway.call("GET", url)
        assert (file.content, file.headers["content-type"]) == (content, kind)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"data_urls": []},
        {"data_urls": "data:image/png;base64,AA=="},
        {"data_urls": ["https://example.com/a.png"]},
        {"data_urls": ["data:image/png;base64,***"]},
        {"data_urls": ["data:image/png,plain"]},
    ],
)
async def test_wrong_data_urls_are_400_and_nothing_is_kept(gateway: Gateway, asked: dict[str, Any]) -> None:
    answer = await gateway.call("POST", ASSETS, json=asked, headers=key_headers("segmind"))
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert len(gateway.world.uploads) == 0


async def test_one_wrong_data_url_keeps_none(gateway: Gateway) -> None:
    asked = {"data_urls": ["data:image/png;base64,AA==", "nothing"]}
    assert (await gateway.call("POST", ASSETS, json=asked, headers=key_headers("segmind"))).status_code == 400
    assert len(gateway.world.uploads) == 0


async def test_more_data_urls_than_an_upload_may_hold_are_400_and_none_is_kept(gateway: Gateway) -> None:
    url = "data:image/png;base64,AA=="
    asked = {"data_urls": [url] * (MOST_FILES + 1)}
    answer = await gateway.call("POST", ASSETS, json=asked, headers=key_headers("segmind"))
    assert answer.status_code == 400
    assert f"has {MOST_FILES + 1} files" in answer.json()["error"]
    assert len(gateway.world.uploads) == 0
    asked = {"data_urls": [url] * MOST_FILES}
    assert (await gateway.call("POST", ASSETS, json=asked, headers=key_headers("segmind"))).status_code == 200
    assert len(gateway.world.uploads) == MOST_FILES


# -- served


async def test_an_upload_is_served_in_ranges_and_to_head(gateway: Gateway) -> None:
    promised = await ticket(gateway)
    await bring(gateway, promised)
    url = promised["download_url"]
    part = await gateway.call("GET", url, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
    assert part.headers["content-range"] == f"bytes 1-3/{len(PNG)}"
    head = await gateway.call("HEAD", url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PNG)))
    assert (await gateway.call("GET", url, headers={"Range": "bytes=9999-"})).status_code == 416


async def test_another_keys_upload_is_served_too(gateway: Gateway) -> None:
    """Files are public, as at the provider: models fetch them without a key."""
    promised = await ticket(gateway)
    await bring(gateway, promised)
    for headers in ({}, key_headers("wavespeed", "another-key")):
        assert (await gateway.call("GET", promised["download_url"], headers=headers)).status_code == 200


async def test_equal_uploads_of_two_keys_are_two_files(gateway: Gateway) -> None:
    urls = set()
    for key in ("one", "two", "two"):
        files = {"file": ("a.png", PNG)}
        answer = await gateway.call("POST", FORMS[0], files=files, headers=key_headers("wavespeed", key))
        urls.add(answer.json()["data"]["download_url"])
    assert len(urls) == 3


async def test_a_page_among_the_uploads_cannot_act_for_this_address(gateway: Gateway) -> None:
    page = b"<script>fetch('/_mock/reset', {method: 'POST'})</script>"
    promised = await ticket(gateway, filename="page.html", content_type="text/html", size=len(page))
    await bring(gateway, promised, page)
    file = await gateway.call("GET", promised["download_url"])
    assert file.headers["content-security-policy"] == "sandbox"
    assert file.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/media/" + "0" * 32 + "/cat.png", "/media/short/cat.png", "/media/uploads/abc", "/media"]
)
async def test_what_was_never_uploaded_is_404_or_405(gateway: Gateway, path: str) -> None:
    assert (await gateway.call("GET", path)).status_code in (404, 405)


async def test_an_upload_is_under_its_own_name_alone(gateway: Gateway) -> None:
    promised = await ticket(gateway)
    await bring(gateway, promised)
    assert (await gateway.call("GET", promised["download_url"] + "x")).status_code == 404


async def test_at_real_hosts_uploads_have_real_addresses(gateway: Gateway) -> None:
    answer = await gateway.call(
        "POST", f"https://api.wavespeed.ai{FORMS[0]}", files={"file": ("a.png", PNG)}, headers=HEADERS
    )
    url = answer.json()["data"]["download_url"]
    assert url.startswith("https://d3gnftk2yhz9lr.wavespeed.ai/media/")
    assert (await gateway.call("GET", url)).content == PNG
    asked = {"data_urls": ["data:image/png;base64,AA=="]}
    answer = await gateway.call(
        "POST", f"https://workflows-api.segmind.com{ASSETS}", json=asked, headers=key_headers("segmind")
    )
    (url,) = answer.json()["file_urls"]
    assert url.startswith("https://images.segmind.com/media/")
    assert (await gateway.call("GET", url)).content == b"\0"


async def test_equal_seeds_give_equal_addresses(make_gateway: MakeGateway) -> None:
    """To read from and to write to, which are drawn apart."""
    first, second, other = (make_gateway(seed=seed) for seed in (1, 1, 2))
    urls: list[list[str]] = []
    for gateway in (first, second, other):
        promised = [await ticket(gateway) for _ in range(2)]
        urls.append([url for one in promised for url in (one["download_url"], one["upload"]["url"])])
    assert urls[0] == urls[1]
    names = {
        url.split("/media/")[1].removeprefix("uploads/").partition("/")[0] for one in urls for url in one
    }
    assert len(names) == 8
    assert all(len(name) == 32 for name in names)


async def test_a_files_address_hangs_on_its_bytes_and_on_what_was_brought_before(
    make_gateway: MakeGateway,
) -> None:
    """Not on when it came among others."""

    async def brought(gateway: Gateway, *contents: bytes) -> list[str]:
        answers = [
            await gateway.call("POST", FORMS[0], files={"file": ("a.png", content)}, headers=HEADERS)
            for content in contents
        ]
        return [answer.json()["data"]["download_url"] for answer in answers]

    one, two = make_gateway(seed=1), make_gateway(seed=1)
    a, b, again = await brought(one, b"a", b"b", b"a")
    assert await brought(two, b"b", b"a", b"a") == [b, a, again]
    assert len({a, b, again}) == 3


async def test_a_reset_forgets_the_uploads_of_an_account(gateway: Gateway) -> None:
    promised = await ticket(gateway)
    await bring(gateway, promised)
    await gateway.admin("POST", "reset", params={"account": "another-key"})
    assert (await gateway.call("GET", promised["download_url"])).status_code == 200
    await gateway.admin("POST", "reset", params={"account": "test-key-1"})
    assert (await gateway.call("GET", promised["download_url"])).status_code == 404
    assert (await bring(gateway, promised)).status_code == 404
    assert gateway.world.uploads.held == 0


# -- the store itself


def upload(name: str, size: int, ticket: str = "") -> Upload:
    return Upload(name, "acct_1", name, "image/png", "", bytes(size), ticket=ticket)


def test_the_longest_unused_file_goes_first() -> None:
    store = UploadStore(files=3, size=1000)
    for name in "abc":
        store.put(upload(name, 1))
    assert store.get("a") is not None
    store.put(upload("d", 1))
    assert [store.get(name) is not None for name in "abcd"] == [True, False, True, True]


def test_bytes_are_bounded_and_counted_again_when_a_file_is_replaced() -> None:
    store = UploadStore(files=100, size=100)
    for name in "abc":
        store.put(upload(name, 40))
    assert (len(store), store.held) == (2, 80)
    store.put(upload("c", 60))
    assert (len(store), store.held) == (2, 100)
    store.put(upload("c", 10))
    assert (len(store), store.held) == (2, 50)
    store.put(upload("huge", 101))
    assert (len(store), store.held) == (0, 0)


def test_a_ticket_goes_with_its_file() -> None:
    store = UploadStore(files=1, size=100)
    store.put(upload("a", 0, ticket="t"))
    assert store.promised("t") is not None
    store.put(upload("b", 0))
    assert store.promised("t") is None
    assert store.promised("") is None
    assert store._tickets == {}
