"""Faults on a real wire: what a raw socket, httpx and curl see of each, and what the gateway notes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.driving import SUBMITS, key_headers, poll_path
from tests.scenarios.conftest import Process

pytestmark = pytest.mark.e2e

LONG = 20.0
"""Seconds that nothing here should take: a limit for sockets and programs."""

HANG, SLOW = 0.4, 0.4
"""Real seconds of the entries below."""

RESET_BEFORE = {"fault": "reset"}
RESET_MIDDLE = {"fault": "reset", "where": "middle"}
RESET_AFTER = {"fault": "reset", "where": "after"}

CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")


def caller(**options: Any) -> httpx.Client:
    """A client of its own connections, without the certificates that take long to load."""
    return httpx.Client(verify=False, trust_env=False, timeout=LONG, **options)


ADMIN = caller()
"""For all that is not under test."""


@pytest.fixture(scope="module", autouse=True)
def closed_admin() -> Iterator[None]:
    """Let go of its connections at the end."""
    with ADMIN:
        yield


@pytest.fixture(autouse=True)
def calm(process: Process) -> Iterator[None]:
    """A fault is the gateway doing its work: none may leave a traceback or an error on stderr."""
    before = len(process.errors.read_bytes())
    yield
    told = process.errors.read_bytes()[before:]  # the banner may still be on its way at first
    assert b"ERROR" not in told
    assert b"Traceback" not in told


@dataclass(frozen=True)
class Target:
    """One request that meets a fault, and the good answer it would have got."""

    method: str
    url: str
    key: str
    headers: dict[str, str]
    body: bytes
    good: httpx.Response | None
    process: Process

    def journal(self) -> list[dict[str, Any]]:
        """The journal's entries of this account, oldest first."""
        answer = ADMIN.get(f"{self.process.url}/_mock/journal", params={"account": self.key})
        return list(answer.json()["entries"])

    def fault_entry(self) -> dict[str, Any]:
        """The journal's entry of the faulty call, which is written when the connection is done with."""
        end = monotonic() + LONG
        while monotonic() < end:
            for entry in self.journal():
                if "fault" in entry["_understudy"]:
                    return entry
        raise AssertionError("the journal names no fault")


SURFACES = ("submit", "poll", "media", "segmind")


def aim(process: Process, surface: str, entry: dict[str, Any], *, accept: bool = False) -> Target:
    """Prepare an account and, where it takes one, a job so that the next call meets `entry`."""
    key = f"wire-{uuid.uuid4().hex[:12]}"
    provider = "segmind" if surface == "segmind" else "pixazo"
    on = "submit" if surface == "segmind" else surface
    extra = {"accept": True} if accept else {}
    scenario = {
        "name": key,
        on: [{**entry, **extra}],
        "job": {"queued": 0, "processing": 0},
    }
    put = ADMIN.put(f"{process.url}/_mock/accounts/{key}", json={"scenario": scenario})
    assert put.status_code == 200, put.text
    usual = SUBMITS[provider]
    url, body = f"{process.url}{usual.path}", json.dumps(usual.body).encode()
    headers = {**key_headers(provider, key), "Content-Type": "application/json"}
    if surface in ("submit", "segmind"):
        twin = {**headers, **key_headers(provider, f"{key}-twin")}
        good = ADMIN.post(url, headers=twin, content=body) if surface == "segmind" else None
        return Target("POST", url, key, headers, body, good, process)
    made = ADMIN.post(url, headers=headers, content=body).json()
    if surface == "poll":
        path = poll_path(provider, made["request_id"])
        return Target("GET", f"{process.url}{path}", key, key_headers(provider, key), b"", None, process)
    told = ADMIN.get(made["polling_url"], headers=headers).json()
    [file] = told["output"]["media_url"]
    return Target("GET", file, key, {}, b"", None, process)


@dataclass
class Seen:
    """What a raw socket got: the pieces as they came, when they came, and how it ended."""

    pieces: list[bytes] = field(default_factory=list)
    took: float = 0.0
    end: str = "open"

    @property
    def all(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def head(self) -> dict[str, str]:
        lines = self.all.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        return dict(line.lower().split(": ", 1) for line in lines[1:])

    @property
    def status(self) -> int:
        return int(self.all.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return self.all.partition(b"\r\n\r\n")[2]

    @property
    def promised(self) -> int:
        return int(self.head["content-length"])

    @property
    def whole(self) -> bool:
        return b"\r\n\r\n" in self.all and len(self.body) >= self.promised


def connect(process: Process) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", process.port), timeout=LONG)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def write(sock: socket.socket, target: Target) -> None:
    """Send the target's request on a connection that is to be kept."""
    path = target.url.removeprefix(target.process.url)
    lines = [f"{target.method} {path} HTTP/1.1", f"Host: 127.0.0.1:{target.process.port}"]
    lines += [f"{name}: {value}" for name, value in target.headers.items()]
    lines += [f"Content-Length: {len(target.body)}"] if target.body else []
    sock.sendall("\r\n".join([*lines, "", ""]).encode() + target.body)


def read(sock: socket.socket, *, to_the_end: bool) -> Seen:
    """Read until the answer is whole, or until the connection ends."""
    seen, began = Seen(), monotonic()
    while to_the_end or not seen.whole:
        try:
            piece = sock.recv(65_536)
        except ConnectionResetError:
            seen.end = "reset"
            break
        if not piece:
            seen.end = "closed"
            break
        seen.pieces.append(piece)
    seen.took = monotonic() - began
    return seen


def by_socket(target: Target, *, to_the_end: bool = True) -> Seen:
    with closing(connect(target.process)) as sock:
        write(sock, target)
        return read(sock, to_the_end=to_the_end)


def by_httpx(target: Target) -> httpx.Response:
    with caller() as client:
        return client.request(target.method, target.url, headers=target.headers, content=target.body or None)


@dataclass(frozen=True)
class Curled:
    """What curl said: its exit code, the status it saw, the bytes it kept."""

    code: int
    status: int
    kept: bytes


def by_curl(target: Target, folder: Path) -> Curled:
    assert CURL is not None
    out = folder / "body"
    command = [CURL, "-q", "-sS", "--noproxy", "*", "-o", str(out), "-w", "%{http_code}", "-X", target.method]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    if target.body:
        command += ["--data-binary", target.body.decode()]
    done = subprocess.run([*command, target.url], capture_output=True, timeout=LONG, check=False)
    return Curled(done.returncode, int(done.stdout), out.read_bytes() if out.exists() else b"")


def good_status(surface: str) -> int:
    return 202 if surface == "submit" else 200


def noted(target: Target, fault: str) -> dict[str, Any]:
    """Check that the journal names the fault, and give its entry."""
    entry = target.fault_entry()
    assert entry["_understudy"]["fault"] == fault
    assert entry["_understudy"]["scenario"] == target.key
    return entry


# -- reset


@pytest.mark.parametrize("surface", SURFACES)
def test_reset_before_sends_nothing(process: Process, surface: str) -> None:
    """A raw socket gets ECONNRESET and not one byte."""
    target = aim(process, surface, RESET_BEFORE)
    seen = by_socket(target)
    assert (seen.end, seen.all) == ("reset", b"")
    assert noted(target, "reset")["response"]["status"] == 0


@pytest.mark.parametrize("surface", SURFACES)
def test_reset_in_the_middle_sends_half(process: Process, surface: str) -> None:
    """The head promises all, half of the body comes, then ECONNRESET."""
    target = aim(process, surface, RESET_MIDDLE)
    seen = by_socket(target)
    assert (seen.end, seen.status) == ("reset", good_status(surface))
    assert 0 < len(seen.body) == seen.promised // 2
    assert noted(target, "reset")["response"]["status"] == seen.status


@pytest.mark.parametrize("surface", SURFACES)
def test_reset_after_sends_everything_first(process: Process, surface: str) -> None:
    """The whole body arrives; the reset comes after it."""
    target = aim(process, surface, RESET_AFTER)
    seen = by_socket(target)
    assert (seen.end, seen.status) == ("reset", good_status(surface))
    assert len(seen.body) == seen.promised > 0
    if surface in ("submit", "poll"):
        assert json.loads(seen.body)["request_id"]
    noted(target, "reset")


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("entry", [RESET_BEFORE, RESET_MIDDLE], ids=["before", "middle"])
def test_httpx_raises_on_a_reset(process: Process, surface: str, entry: dict[str, Any]) -> None:
    """A ReadError or a RemoteProtocolError: transport errors both."""
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        by_httpx(aim(process, surface, entry))


@pytest.mark.parametrize("surface", SURFACES)
def test_httpx_has_the_answer_when_the_reset_comes_after_it(process: Process, surface: str) -> None:
    """Nothing is lost to who reads what was promised."""
    answer = by_httpx(aim(process, surface, RESET_AFTER))
    assert answer.status_code == good_status(surface)
    assert len(answer.content) == int(answer.headers["content-length"])


@needs_curl
@pytest.mark.parametrize("surface", SURFACES)
def test_curl_names_a_reset(process: Process, surface: str, tmp_path: Path) -> None:
    """Exit code 56 before and in the middle, 0 with the whole body after it."""
    before = by_curl(aim(process, surface, RESET_BEFORE), tmp_path)
    assert (before.code, before.status, before.kept) == (56, 0, b"")
    target = aim(process, surface, RESET_MIDDLE)
    middle = by_curl(target, tmp_path)
    assert (middle.code, middle.status) == (56, good_status(surface))
    assert middle.kept
    after = by_curl(aim(process, surface, RESET_AFTER), tmp_path)
    assert (after.code, after.status) == (0, good_status(surface))
    assert len(after.kept) > len(middle.kept)


def write_and_read(sock: socket.socket, target: Target) -> bytes:
    write(sock, target)
    return sock.recv(1)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_connection_is_of_no_use_after_the_reset(process: Process, surface: str) -> None:
    """A raw socket that reads the answer and sends again meets the reset; the second call is not served."""
    target = aim(process, surface, RESET_AFTER)
    with closing(connect(process)) as sock:
        write(sock, target)
        first = read(sock, to_the_end=False)
        assert (first.whole, first.end) == (True, "open")
        noted(target, "reset")  # so the reset has happened
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            write_and_read(sock, target)
    assert sum("fault" in entry["_understudy"] for entry in target.journal()) == 1


def test_a_pool_connects_anew_after_the_reset(process: Process) -> None:
    """httpx drops the dead connection by itself: the next calls of the same client get through."""
    target = aim(process, "poll", RESET_AFTER)
    with caller() as client:
        first = client.get(target.url, headers=target.headers)
        noted(target, "reset")
        second = client.get(target.url, headers=target.headers)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content


# -- hang


@pytest.mark.parametrize("surface", SURFACES)
def test_hang_is_silent_then_closes(process: Process, surface: str) -> None:
    """Not one byte for as long as the entry says, then an end in good order."""
    target = aim(process, surface, {"fault": "hang", "seconds": HANG})
    seen = by_socket(target)
    assert (seen.end, seen.all) == ("closed", b"")
    assert HANG * 0.95 <= seen.took < LONG
    assert noted(target, "hang")["response"]["status"] == 0


@pytest.mark.parametrize("surface", SURFACES)
def test_the_gateway_notices_that_the_caller_leaves_a_hang(process: Process, surface: str) -> None:
    """It does not sit out its minutes: the journal has the call as soon as the caller is gone."""
    target = aim(process, surface, {"fault": "hang", "seconds": 600})
    with closing(connect(process)) as sock:
        write(sock, target)
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        # A call that hangs is not over, so the journal has nothing of it yet.
        assert not any("fault" in entry["_understudy"] for entry in target.journal())
    entry = noted(target, "hang")
    assert entry["time"] < LONG * 1000


@pytest.mark.parametrize("surface", SURFACES)
def test_httpx_times_out_on_a_hang_that_outlasts_it(process: Process, surface: str) -> None:
    """And says which time ran out."""
    target = aim(process, surface, {"fault": "hang"})
    with caller() as client, pytest.raises(httpx.ReadTimeout):
        client.request(
            target.method, target.url, headers=target.headers, content=target.body or None, timeout=0.2
        )
    noted(target, "hang")


def test_httpx_calls_the_end_of_a_hang_a_protocol_error(process: Process) -> None:
    """The server closed without an answer."""
    with pytest.raises(httpx.RemoteProtocolError):
        by_httpx(aim(process, "poll", {"fault": "hang", "seconds": 0.1}))


@needs_curl
@pytest.mark.parametrize("surface", SURFACES)
def test_curl_gets_an_empty_reply_from_a_hang(process: Process, surface: str, tmp_path: Path) -> None:
    """Exit code 52."""
    curled = by_curl(aim(process, surface, {"fault": "hang", "seconds": 0.1}), tmp_path)
    assert (curled.code, curled.status, curled.kept) == (52, 0, b"")


def test_others_are_served_while_one_hangs(process: Process) -> None:
    """A hang holds its own connection alone."""
    target = aim(process, "poll", {"fault": "hang", "seconds": 600})
    with closing(connect(process)) as sock:
        write(sock, target)
        other = aim(process, "poll", {"status": 418})
        assert ADMIN.get(other.url, headers=other.headers).status_code == 418
        assert not any("fault" in entry["_understudy"] for entry in target.journal())
    noted(target, "hang")


# -- slow


@pytest.mark.parametrize("surface", SURFACES)
def test_slow_comes_in_pieces_and_whole(process: Process, surface: str) -> None:
    """All bytes come, in several reads, over the entry's seconds; the connection stays good."""
    target = aim(process, surface, {"fault": "slow", "seconds": SLOW})
    with closing(connect(process)) as sock:
        write(sock, target)
        seen = read(sock, to_the_end=False)
        assert (seen.whole, seen.end, seen.status) == (True, "open", good_status(surface))
        assert len(seen.body) == seen.promised
        assert len(seen.pieces) >= 4
        assert SLOW * 0.8 <= seen.took < LONG
        noted(target, "slow")
        write(sock, target)
        again = read(sock, to_the_end=False)
    assert again.status == good_status(surface)
    assert again.took < seen.took
    if surface in ("poll", "media"):
        assert again.body == seen.body


@pytest.mark.parametrize("surface", SURFACES)
def test_httpx_reads_a_slow_answer(process: Process, surface: str) -> None:
    """In several parts when it streams."""
    target = aim(process, surface, {"fault": "slow", "seconds": SLOW})
    with (
        caller() as client,
        client.stream(
            target.method, target.url, headers=target.headers, content=target.body or None
        ) as answer,
    ):
        parts = list(answer.iter_raw())
    assert answer.status_code == good_status(surface)
    assert len(parts) >= 4
    assert sum(map(len, parts)) == int(answer.headers["content-length"])


@needs_curl
@pytest.mark.parametrize("surface", SURFACES)
def test_curl_reads_a_slow_answer(process: Process, surface: str, tmp_path: Path) -> None:
    """Exit code 0."""
    curled = by_curl(aim(process, surface, {"fault": "slow", "seconds": 0.2}), tmp_path)
    assert (curled.code, curled.status) == (0, good_status(surface))
    assert curled.kept


def test_a_caller_may_leave_a_slow_answer(process: Process) -> None:
    """The gateway goes on without complaint."""
    target = aim(process, "poll", {"fault": "slow", "seconds": 0.5})
    with closing(connect(process)) as sock:
        write(sock, target)
        assert sock.recv(10)
    noted(target, "slow")


# -- truncate


@pytest.mark.parametrize("surface", SURFACES)
def test_truncate_promises_more_than_comes(process: Process, surface: str) -> None:
    """Content-Length is the whole body's, half of it comes, the connection closes in good order."""
    target = aim(process, surface, {"fault": "truncate"})
    seen = by_socket(target)
    assert (seen.end, seen.status) == ("closed", good_status(surface))
    assert 0 < len(seen.body) == seen.promised // 2
    entry = noted(target, "truncate")
    assert entry["response"]["bodySize"] == len(seen.body)
    if target.good is not None:
        assert seen.body == target.good.content[: seen.promised // 2]


@pytest.mark.parametrize("surface", SURFACES)
def test_httpx_and_curl_miss_the_rest(process: Process, surface: str, tmp_path: Path) -> None:
    """RemoteProtocolError; exit code 18, with what came."""
    with pytest.raises(httpx.RemoteProtocolError):
        by_httpx(aim(process, surface, {"fault": "truncate"}))
    if CURL is None:
        pytest.skip("curl is not installed")
    curled = by_curl(aim(process, surface, {"fault": "truncate"}), tmp_path)
    assert (curled.code, curled.status) == (18, good_status(surface))
    assert curled.kept


# -- malformed, empty, html: complete answers with a wrong body


def twice(target: Target, fault: str) -> tuple[Seen, dict[str, Any], Seen]:
    """Return the faulty answer, its entry in the journal, and the good answer on the same connection."""
    with closing(connect(target.process)) as sock:
        write(sock, target)
        faulty = read(sock, to_the_end=False)
        entry = noted(target, fault)
        write(sock, target)
        return faulty, entry, read(sock, to_the_end=False)


@pytest.mark.parametrize("surface", SURFACES)
def test_malformed_is_complete_but_does_not_parse(process: Process, surface: str) -> None:
    """Content-Length is right and the connection stays; the body is half of a good one."""
    seen, _, whole = twice(aim(process, surface, {"fault": "malformed"}), "malformed")
    assert seen.status == whole.status == good_status(surface)
    assert len(seen.body) == seen.promised == whole.promised // 2
    assert seen.head["content-type"] == whole.head["content-type"]
    if surface in ("submit", "poll"):
        assert json.loads(whole.body)
        with pytest.raises(json.JSONDecodeError):
            json.loads(seen.body)


@pytest.mark.parametrize("surface", SURFACES)
def test_empty_has_a_head_and_no_body(process: Process, surface: str) -> None:
    """The good status and type, Content-Length 0, and the connection stays."""
    seen, _, whole = twice(aim(process, surface, {"fault": "empty"}), "empty")
    assert (seen.status, seen.promised, seen.body) == (good_status(surface), 0, b"")
    assert seen.head["content-type"] == whole.head["content-type"]
    assert whole.body


@pytest.mark.parametrize("surface", SURFACES)
def test_html_is_a_proxys_504(process: Process, surface: str) -> None:
    """A whole page, typed as HTML, and the connection stays."""
    seen, entry, good = twice(aim(process, surface, {"fault": "html"}), "html")
    assert entry["response"]["status"] == seen.status == 504
    assert seen.head["content-type"].startswith("text/html")
    assert seen.body.startswith(b"<html>")
    assert good.status == good_status(surface)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("fault", ["malformed", "empty", "html"])
def test_httpx_and_curl_take_them_for_complete(
    process: Process, surface: str, fault: str, tmp_path: Path
) -> None:
    """No transport error: what is wrong is for the client's own eyes."""
    status = 504 if fault == "html" else good_status(surface)
    answer = by_httpx(aim(process, surface, {"fault": fault}))
    assert answer.status_code == status
    assert len(answer.content) == int(answer.headers["content-length"])
    if CURL is None:
        pytest.skip("curl is not installed")
    curled = by_curl(aim(process, surface, {"fault": fault}), tmp_path)
    assert (curled.code, curled.status) == (0, status)
    assert bool(curled.kept) == (fault != "empty")


# -- accept


@pytest.mark.parametrize("surface", ["submit", "segmind"])
@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize(
    "entry",
    [RESET_BEFORE, {"fault": "truncate"}, {"fault": "hang", "seconds": 0.1}],
    ids=["reset", "truncate", "hang"],
)
def test_accept_creates_the_job_that_the_wire_hides(
    process: Process, surface: str, accept: bool, entry: dict[str, Any]
) -> None:
    """With it the job is there although no answer came; without it there is none."""
    target = aim(process, surface, entry, accept=accept)
    by_socket(target)
    noted(target, str(entry["fault"]))
    listed = ADMIN.get(f"{process.url}/_mock/jobs", params={"account": target.key}).json()["jobs"]
    assert len(listed) == int(accept)


def test_an_answer_that_may_have_no_body_leaves_the_connection_whole(process: Any) -> None:
    """204 and 304 tell no length and no body, and the next answer on the connection is read right."""
    with httpx.Client(base_url=process.url, headers={"Ocp-Apim-Subscription-Key": "bodiless-key"}) as client:
        for status in (204, 304):
            scenario = {"name": f"bodiless-{status}", "submit": [{"status": status}]}
            put = httpx.put(f"{process.url}/_mock/accounts/bodiless-key", json={"scenario": scenario})
            assert put.status_code == 200
            bare = client.post("/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"})
            assert (bare.status_code, bare.content) == (status, b"")
            assert "content-length" not in bare.headers
            good = client.post("/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"})
            assert good.status_code == 202
