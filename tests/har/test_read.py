"""Any HAR is loaded rightly, or refused with one clear line."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from understudy_mock.catalog import Catalog
from understudy_mock.har import read, source
from understudy_mock.har.mend import TAIL, head
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import NO_BODY, Recording, RecordingError
from understudy_mock.har.write import save_har

JOB = "hunyuan-video_019e4d3a-0000-7000-8000-000000000000"
SUBMIT = "https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request"
STATUS = f"https://gateway.pixazo.ai/v2/requests/status/{JOB}"
FILE = "https://cdn.example/files/a.mp4?X-Amz-Signature=0123456789abcdef"
KEY = "sk-live-0123456789abcdef"
ACCEPTED = {"request_id": JOB, "status": "QUEUED", "polling_url": STATUS}
DONE = {"request_id": JOB, "status": "COMPLETED", "output": {"media_url": [FILE]}}


def _exchange(
    method: str, url: str, at: str, told: Any = None, *, sent: Any = None, status: int = 200, **more: Any
) -> dict[str, Any]:
    """An entry as a browser writes it."""
    made: dict[str, Any] = {
        "startedDateTime": f"2026-05-22T13:17:{at}Z",
        "time": 12.5,
        "request": {
            "method": method,
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "Ocp-Apim-Subscription-Key", "value": KEY}],
            "queryString": [],
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "Content-Type", "value": "application/json"}],
            "content": {"size": -1, "mimeType": "application/json"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 12.5, "receive": 0},
    }
    if sent is not None:
        made["request"]["postData"] = {"mimeType": "application/json", "text": json.dumps(sent)}
    if told is not None:
        made["response"]["content"]["text"] = json.dumps(told)
    return made | more


def _job() -> list[dict[str, Any]]:
    return [
        _exchange("POST", SUBMIT, "32.110", ACCEPTED, sent={"prompt": "a cat"}, status=202),
        _exchange("GET", STATUS, "42.110", DONE),
        _exchange("GET", FILE, "43.110"),
    ]


def _har(entries: list[dict[str, Any]], version: str = "1.2") -> dict[str, Any]:
    return {"log": {"version": version, "creator": {"name": "x", "version": "1"}, "entries": entries}}


@pytest.fixture
def load(catalog: Catalog, tmp_path: Path) -> Callable[..., Recording]:
    """Write something to a file and read it back."""

    def load(content: Any, name: str = "run.har") -> Recording:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_recording([file], catalog)

    return load


Load = Callable[..., Recording]


def test_a_foreign_har_is_recognised(load: Load) -> None:
    submit, poll, file = load(_har(_job())).entries
    assert (submit.provider, submit.operation, submit.job) == ("pixazo", "submit-hunyuan-video", JOB)
    assert (submit.at, submit.duration, submit.status) == (1_779_455_852_110, 12.5, 202)
    assert json.loads(submit.request_body) == {"prompt": "a cat"}
    assert (poll.operation, poll.job) == ("get-request-status", JOB)
    assert (file.provider, file.operation, file.job) == ("pixazo", "", JOB)
    assert submit.account == poll.account == file.account != ""


def test_a_foreign_key_becomes_a_placeholder(load: Load) -> None:
    recording = load(_har([_exchange("POST", SUBMIT, "32.110", ACCEPTED, sent={"prompt": KEY})]))
    assert recording.entries[0].key == "[key-1]"
    assert KEY not in repr(recording)


def test_what_is_no_providers_is_counted_and_left_out(load: Load) -> None:
    others = [_exchange("GET", f"https://news.example/{n}", "31.000") for n in range(3)]
    recording = load(_har([*others, *_job()]))
    assert (len(recording.entries), recording.elsewhere) == (3, 3)


def test_a_file_that_a_redirect_leads_to_is_of_the_job(load: Load) -> None:
    moved = _exchange("GET", FILE, "43.110", status=302)
    moved["response"]["redirectURL"] = "https://other.example/b.mp4"
    entries = [*_job()[:2], moved, _exchange("GET", "https://other.example/b.mp4", "43.900")]
    assert [one.job for one in load(_har(entries)).entries] == [JOB] * 4


@pytest.mark.parametrize("host", ["http://127.0.0.1:8080", "http://localhost:3000", "http://proxy.example"])
def test_a_base_url_of_ones_own_is_recognised_by_its_paths(load: Load, host: str) -> None:
    text = json.dumps(_har(_job())).replace("https://gateway.pixazo.ai", host)
    assert [one.operation for one in load(text.encode()).entries] == [
        "submit-hunyuan-video",
        "get-request-status",
        "",
    ]


def test_a_like_named_path_of_another_host_is_no_providers(load: Load) -> None:
    other = _exchange("GET", "https://shop.example/api/v3/models", "31.000")
    assert load(_har([other, *_job()])).elsewhere == 1


def test_entries_out_of_order_are_sorted(load: Load) -> None:
    assert [one.operation for one in load(_har(_job()[::-1])).entries][:2] == [
        "submit-hunyuan-video",
        "get-request-status",
    ]


def test_stamps_with_another_zone_are_the_same_instants(load: Load) -> None:
    first, *rest = _job()
    first["startedDateTime"] = "2026-05-22T15:17:32.110+02:00"
    assert load(_har([*rest, first])).entries[0].at == 1_779_455_852_110


def test_version_1_1_is_loaded(load: Load) -> None:
    assert len(load(_har(_job(), "1.1")).entries) == 3


def test_base64_bodies_are_read(load: Load) -> None:
    entries = _job()
    content = entries[1]["response"]["content"]
    content["text"] = base64.b64encode(content["text"].encode()).decode()
    content["encoding"] = "base64"
    assert load(_har(entries)).entries[2].job == JOB


def test_forms_that_were_kept_as_fields_are_written_again(load: Load) -> None:
    entry = _exchange("POST", SUBMIT, "32.110", ACCEPTED)
    entry["request"]["postData"] = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "a b", "value": "ü"}, {"name": "c"}],
    }
    assert load(_har([entry])).entries[0].request_body == b"a+b=%C3%BC&c="


def test_forms_with_files_that_were_kept_as_fields_are_written_again(load: Load) -> None:
    entry = _exchange("POST", "https://api.segmind.com/upload-asset", "32.110")
    entry["request"]["postData"] = {
        "mimeType": "multipart/form-data; boundary=xyz",
        "params": [{"name": "file", "fileName": "a.png", "contentType": "image/png", "value": "bytes"}],
    }
    assert load(_har([entry])).entries[0].request_body == (
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\nbytes\r\n--xyz--\r\n"
    )


def test_pseudo_headers_of_http_2_are_left_out(load: Load) -> None:
    entry = _exchange("GET", STATUS, "42.110", DONE)
    entry["request"]["httpVersion"] = "h2"
    entry["request"]["headers"] += [
        {"name": ":authority", "value": "gateway.pixazo.ai"},
        {"name": ":path", "value": "/"},
        {"name": "Accept", "value": "*/*"},
    ]
    (read_back,) = load(_har([entry])).entries
    assert [name for name, _ in read_back.request_headers] == [b"ocp-apim-subscription-key", b"accept"]
    assert read_back.http_version == "2"


@pytest.mark.parametrize("timings", [None, {"send": -1, "wait": -1, "receive": -1}, {}])
def test_no_timings_are_no_duration(load: Load, timings: Any) -> None:
    entry = _exchange("GET", STATUS, "42.110", DONE, timings=timings, time=-1)
    assert load(_har([entry])).entries[0].duration == 0
    del entry["timings"], entry["time"]
    assert load(_har([entry])).entries[0].duration == 0


def test_a_call_without_an_answer_broke(load: Load) -> None:
    entry = _exchange("GET", STATUS, "42.110", status=0)
    entry["response"]["_error"] = "net::ERR_CONNECTION_RESET"
    (broken,) = load(_har([entry])).entries
    assert (broken.status, broken.fault, broken.error) == (0, "reset", "net::ERR_CONNECTION_RESET")


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("name", ["run.har.gz", "run.har", "run.zhar"])
def test_a_compressed_file_is_loaded_whatever_its_name(
    load: Load, name: str, compress: Callable[[bytes], bytes]
) -> None:
    assert len(load(compress(json.dumps(_har(_job())).encode()), name).entries) == 3


def _coded(coding: str, body: bytes, *, chunks: int = 0, encoding: str = "base64") -> dict[str, Any]:
    """An answer as a recorder leaves it that does not undo the coding; in `chunks`, as Polly.JS does."""
    entry = _exchange("GET", STATUS, "42.110", DONE)
    entry["response"]["headers"].append({"name": "Content-Encoding", "value": coding})
    size = -(-len(body) // chunks) if chunks else len(body)
    parts = [base64.b64encode(body[at : at + size]).decode() for at in range(0, len(body), size)]
    text = json.dumps(parts) if chunks else parts[0]
    entry["response"]["content"] |= {"size": len(body), "text": text, "encoding": encoding}
    return _har([entry])


@pytest.mark.parametrize("chunks", [0, 1, 3])
@pytest.mark.parametrize(
    ("coding", "code"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("gzip", bytes), ("br", bytes)],
    ids=["gzip", "deflate", "gzip, undone", "br, undone"],
)
def test_a_coding_that_the_recorder_left_is_undone(
    load: Load, coding: str, code: Callable[[bytes], bytes], chunks: int
) -> None:
    """Whole, or in the chunks of Polly.JS; what the recorder has undone itself stays as it is."""
    (entry,) = load(_coded(coding, code(json.dumps(DONE).encode()), chunks=chunks)).entries
    assert json.loads(entry.response_body)["status"] == "COMPLETED"
    assert (entry.job, entry.warnings) == (JOB, ())


@pytest.mark.parametrize(("coding", "body"), [("br", b"\x8b\x01\x80{}\xff\x03"), ("gzip", b"\x1f\x8b\xff")])
def test_a_coding_that_cannot_be_undone_is_no_body(load: Load, coding: str, body: bytes) -> None:
    """It is the recorder's form, not what the provider said: nothing is to be found in it."""
    (entry,) = load(_coded(coding, body)).entries
    assert (entry.response_body, entry.warnings) == (b"", (NO_BODY,))


def test_a_small_body_that_becomes_a_huge_one_is_no_body(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MOST_UNCODED", 1000)
    (entry,) = load(_coded("gzip", gzip.compress(json.dumps(DONE).encode() + b" " * 1000))).entries
    assert (entry.response_body, entry.warnings) == (b"", (NO_BODY,))


def test_a_video_whose_coding_was_undone_is_kept(load: Load) -> None:
    har = _coded("gzip", b"\0\0\0\x18ftyp\xff")
    har["log"]["entries"][0]["response"]["headers"][0]["value"] = "video/mp4"
    assert load(har).entries[0].response_body == b"\0\0\0\x18ftyp\xff"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_obstacle(load: Load, encoding: str) -> None:
    assert len(load(json.dumps(_har(_job())).encode(encoding)).entries) == 3


def test_bytes_that_are_no_text_are_read_as_mitmproxy_writes_them(load: Load) -> None:
    entry = _exchange("POST", SUBMIT, "32.110", ACCEPTED)
    entry["request"]["postData"] = {"mimeType": "application/json", "text": "a\udcffb"}
    assert load(_har([entry])).entries[0].request_body == b"a\xffb"


@pytest.mark.parametrize("name", ["run.har.media/a.mp4", "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed.mp4"])
def test_a_body_beside_the_har_is_found(load: Load, tmp_path: Path, name: str) -> None:
    """Where `record` keeps it, and where Playwright does."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"\0\0\0\x18ftypmp42")
    entries = _job()
    entries[2]["response"]["content"] = {"size": 5, "mimeType": "video/mp4", "_file": name}
    recording = load(_har(entries))
    assert recording.media == {3: file}


@pytest.mark.parametrize("kind", ["image/png", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_text_beside_the_har_is_read_only_under_its_hash(
    load: Load, tmp_path: Path, kind: str, algorithm: str
) -> None:
    """A stranger's HAR may name a file of keys that somebody copied there."""
    text = b"API_KEY=private\n"
    own = hashlib.new(algorithm, text).hexdigest()
    (tmp_path / "run.har.media").mkdir()
    for name, is_read in ((own, True), (own[::-1], False), ("a.png", False)):
        (tmp_path / "run.har.media" / name).write_bytes(text)
        entries = _job()
        entries[2]["response"]["content"] = {"size": 5, "mimeType": kind, "_file": f"run.har.media/{name}"}
        recording = load(_har(entries))
        assert (recording.entries[2].response_body == text or recording.media != {}) is is_read
        assert any("is a text" in note for note in recording.notes) is not is_read


def test_files_are_merged_in_the_order_of_time(catalog: Catalog, tmp_path: Path) -> None:
    first, *rest = _job()
    (tmp_path / "a.har").write_text(json.dumps(_har(rest)))
    (tmp_path / "b.har").write_text(json.dumps(_har([first])))
    recording = read_recording([tmp_path / "a.har", tmp_path / "b.har"], catalog)
    assert [one.number for one in recording.entries] == [1, 2, 3]
    assert recording.entries[0].operation == "submit-hunyuan-video"


# -- refused


@pytest.mark.parametrize("stamp", ["absent", None, "noon", 1779455852110, "+99999-01-01T00:00:00Z"])
def test_an_exchange_without_an_instant_keeps_its_place_in_the_file(
    tmp_path: Path, catalog: Catalog, stamp: Any
) -> None:
    """It is read, with a note that it has none; the others keep theirs, also in a file of ours."""
    entries = _job()
    entries[1]["startedDateTime"] = stamp
    if stamp == "absent":
        del entries[1]["startedDateTime"]
    file = tmp_path / "run.har"
    file.write_text(json.dumps(_har(entries)))
    recording = read_recording([file], catalog)
    assert [entry.url.partition("?")[0] for entry in recording.entries] == [
        SUBMIT,
        STATUS,
        FILE.partition("?")[0],
    ]
    assert [entry.is_timed for entry in recording.entries] == [place != 1 for place in range(len(entries))]
    (note,) = recording.notes
    assert note.startswith(
        f"{file}: 1 exchange without a startedDateTime that can be read, the first at /log/"
    )
    save_har(tmp_path / "again.har", recording.entries)
    again = read_recording([tmp_path / "again.har"], catalog)
    assert [entry.is_timed for entry in again.entries] == [entry.is_timed for entry in recording.entries]


def _broken(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    entry = _exchange("POST", SUBMIT, "32.110", ACCEPTED, sent={"prompt": "x"})
    change(entry)
    return _har([entry])


_REFUSED: dict[str, tuple[Any, str]] = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "text": (b"hello", "is not JSON"),
    "html": (b"<html></html>", "is not JSON"),
    "python": (b'"""What this module does."""\n\nimport sys\n', "is not JSON"),
    "zip": (b"PK\x03\x04....", "is a ZIP archive"),
    "truncated": (json.dumps(_har(_job())).encode()[:-200], "ends in the middle"),
    "truncated-gzip": (gzip.compress(json.dumps(_har(_job())).encode())[:-40], "gzip file that ends"),
    "truncated-zlib": (zlib.compress(json.dumps(_har(_job())).encode())[:-40], "zlib file that ends"),
    "damaged-zlib": (b"\x78\x9c\xff\xff\xff\xff", "damaged zlib"),
    "damaged-gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff", "damaged gzip"),
    "list": ([], "no HAR"),
    "no-log": ({}, "no HAR: /: Object missing required field `log`"),
    "no-entries": ({"log": {"version": "1.2"}}, "/log: Object missing required field `entries`"),
    "entries-no-list": ({"log": {"entries": 3}}, "/log/entries: Expected `array`, got `int`"),
    "no-exchange": (_har([]), "no exchange with a provider; 0 exchanges"),
    "elsewhere": (_har([_exchange("GET", "https://a.example/", "31.0")]), "no exchange with a provider; 1"),
    "entry-no-object": (_har([3]), "/log/entries/0: Expected `object`, got `int`"),  # type: ignore[list-item]
    "method": (
        _broken(lambda e: e["request"].update(method=3)),
        "/log/entries/0/request/method: Expected `str`",
    ),
    "odd-method": (
        _broken(lambda e: e["request"].update(method="GET ME")),
        "0/request/method: 'GET ME'",
    ),
    "no-method": (_broken(lambda e: e["request"].update(method="")), "request/method: '' is no HTTP method"),
    "status": (
        _broken(lambda e: e["response"].update(status="ok")),
        "/log/entries/0/response/status: Expected",
    ),
    "header": (
        _broken(lambda e: e["request"]["headers"].append({"name": 1})),
        "/log/entries/0/request/headers/1/name: Expected `str`",
    ),
    "base64": (
        _broken(lambda e: e["response"]["content"].update(text="a", encoding="base64")),
        "/log/entries/0/response/content/text: is not base64",
    ),
    "encoding": (
        _broken(lambda e: e["response"]["content"].update(encoding="rot13")),
        "/log/entries/0/response/content/text: has the unknown encoding 'rot13'",
    ),
    "high-status": (
        _broken(lambda e: e["response"].update(status=600)),
        "/log/entries/0/response/status: 600 is no status of HTTP (100 to 599)",
    ),
    "low-status": (
        _broken(lambda e: e["response"].update(status=99)),
        "/log/entries/0/response/status: 99 is no status of HTTP (100 to 599)",
    ),
    "time": (_broken(lambda e: e.update(time=1e300)), "/log/entries/0/time: 1e+300 ms is more than a day"),
    "timings": (
        _broken(lambda e: (e.pop("time", 0), e.update(timings={"wait": 1e300}))),
        "/log/entries/0/time: 1e+300 ms is more than a day",
    ),
}


@pytest.mark.parametrize(("content", "reason"), _REFUSED.values(), ids=_REFUSED.keys())
def test_what_cannot_be_used_is_refused_with_one_clear_line(
    load: Load, tmp_path: Path, content: Any, reason: str
) -> None:
    with pytest.raises(RecordingError) as refused:
        load(content)
    text = str(refused.value)
    assert reason in text
    assert text.startswith(str(tmp_path / "run.har"))
    assert "\n" not in text


@pytest.mark.parametrize(
    "name",
    [
        *(".env", "notes.txt", "a.mp4", "../other/run.har.media/a", "/etc/passwd", "run.har", "a\0.mp4", "."),
        *("run.har.media/.env", "run.har.media/../.env", "run.har.media", "run.har.media/link", "sub/a.mp4"),
        *("..", "run.har.media\\a", "run.har.media/sub/a", "\ud800", "x" * 300 + ".har.media/a"),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "video/mp4"])
def test_no_file_is_read_but_where_recorders_keep_bodies(
    load: Load, tmp_path: Path, name: str, kind: str
) -> None:
    """What a stranger's HAR names beside itself is not the stranger's to read."""
    (tmp_path / "run.har.media" / "sub").mkdir(parents=True)
    (tmp_path / "sub").mkdir()
    for file in (".env", "notes.txt", "a.mp4", "sub/a.mp4", "run.har.media/.env", "run.har.media/sub/a"):
        (tmp_path / file).write_text("private")
    (tmp_path / "run.har.media" / "link").symlink_to(tmp_path / ".env")
    entries = _job()
    entries[2]["response"]["content"] = {"size": 5, "mimeType": kind, "_file": name}
    recording = load(_har(entries))
    assert recording.media == {}
    assert all(b"private" not in one.response_body for one in recording.entries)
    assert recording.entries[2].warnings == (NO_BODY,)
    (note,) = [one for one in recording.notes if "no recorder keeps bodies there" in one]
    assert note.isprintable()


def test_what_cannot_have_been_in_a_header_is_in_none(load: Load) -> None:
    entries = _job()
    entries[0]["response"]["headers"] += [
        {"name": "x-a", "value": "1\r\nx-b: 2\0"},
        {"name": "x c:\n", "value": "3"},
    ]
    assert load(_har(entries)).entries[0].response_headers[-1] == (b"x-a", b"[redacted]")


def test_a_directory_is_refused_and_what_is_in_it_is_named(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "inside.har").touch()
    with pytest.raises(RecordingError, match=r"is a directory.*inside\.har"):
        read_recording([tmp_path], catalog)


def test_a_missing_file_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such file"):
        read_recording([tmp_path / "none.har"], catalog)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zlib.compress])
def test_what_is_too_large_is_refused_before_it_is_read(
    load: Load, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(source, "LARGEST", 1000)
    text = json.dumps(_har(_job())).encode()
    with pytest.raises(RecordingError, match="the most that is read"):
        load(compress(text))


def test_more_than_fits_in_memory_is_refused(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MOST_KEPT", 100)
    with pytest.raises(RecordingError, match="held in memory"):
        load(_har(_job()))


@pytest.mark.slow
def test_a_gigabyte_of_other_sites_is_loaded(catalog: Catalog, tmp_path: Path) -> None:
    """What is said to other hosts is not even decoded."""
    file = tmp_path / "large.har"
    other = _exchange("GET", "https://news.example/", "31.000")
    other["response"]["content"]["text"] = "x" * 10_000_000
    with file.open("w") as out:
        out.write('{"log":{"version":"1.2","entries":[')
        for _ in range(100):
            out.write(json.dumps(other) + ",")
        out.write(",".join(map(json.dumps, _job())) + "]}}")
    recording = read_recording([file], catalog)
    assert (len(recording.entries), recording.elsewhere) == (3, 100)


# -- our own files, cut off


def _ours(count: int) -> bytes:
    entries = []
    for number in range(count):
        entry = _exchange("GET", f"{STATUS}?n={number}", f"{number:02}.000", DONE)
        entries.append(json.dumps(entry, separators=(",", ":")).encode())
    return head(salt="00") + b"\n" + b",\n".join(entries) + TAIL


def test_our_own_file_loads_wherever_its_last_write_was_cut_off(load: Load) -> None:
    """A write replaces the old tail from its first byte on; any number of its bytes may have arrived."""
    before, after = _ours(2), _ours(3)
    begin = len(before) - len(TAIL)
    for cut in [
        *range(begin, begin + 20),
        *range(begin, len(after), 97),
        *range(len(after) - 20, len(after)),
    ]:
        torn = after[:cut] + before[cut:]
        assert len(load(torn).entries) in (2, 3)
        assert len(load(torn).entries) == 2 or cut >= len(after) - len(TAIL)


def test_our_own_file_that_was_broken_in_the_middle_is_refused(load: Load) -> None:
    text = _ours(3)
    middle = text.index(b"?n=1")
    with pytest.raises(RecordingError, match=r"not JSON|ends in the middle"):
        load(text[: middle - 40] + b"\x00" * 40 + text[middle:])
