"""An independent little provider is recorded: the file holds what was said, and the client stays inside."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import trustme

from tests.e2e.processes import PATIENCE
from tests.har.test_har import HAR_1_2
from tests.record.little_provider import SECRET, SIGNATURE, VIDEO, LittleProvider, little_provider
from tests.record.running import KEY, PIXAZO, WAVESPEED, recorder
from understudy_contracts.rules import judge
from understudy_mock.catalog import Catalog
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import INLINE, RecordingError
from understudy_mock.record.bodies import RecordedBody
from understudy_mock.record.writer import Writer


@pytest.fixture
def provider() -> Iterator[LittleProvider]:
    with little_provider() as made:
        yield made


async def test_a_job_is_recorded_from_submit_to_file(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        submitted = await running.submit()
        url = await running.finish(submitted.json()["polling_url"])
        video = await running.client.get(url)
    assert video.content == VIDEO
    HAR_1_2.validate(msgspec.json.decode(running.out.read_bytes()))
    recording = running.read()
    operations = [(one.provider, one.operation, one.status) for one in recording.entries]
    assert operations == [
        ("pixazo", "submit-hunyuan-video", 202),
        ("pixazo", "get-request-status", 200),
        ("pixazo", "get-request-status", 200),
        ("pixazo", "", 200),
    ]
    assert {one.job for one in recording.entries} == {submitted.json()["request_id"]}
    assert len({one.account for one in recording.entries}) == 1
    (file,) = recording.media.values()
    assert file.read_bytes() == VIDEO
    assert file.name == f"{hashlib.sha256(VIDEO).hexdigest()}.mp4"


async def test_the_client_stays_inside_and_the_file_keeps_the_originals(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        polling_url = (await running.submit()).json()["polling_url"]
        url = await running.finish(polling_url)
        await running.client.get(url)
        assert polling_url.startswith(running.url)
        assert url.startswith(running.url)
        text = running.out.read_text()
        assert running.url not in text
    assert f'\\"polling_url\\": \\"{provider.url}/v2/requests/status/' in text
    entries = running.read().entries
    assert entries[0].url == provider.url + PIXAZO
    assert entries[-1].url.startswith(provider.media_url)


async def test_the_upstream_gets_its_own_host_and_the_file_keeps_the_one_that_the_client_called(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    """By base URL, files and API are one origin to the client: that it leaks its key is not judged."""
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        url = await running.finish((await running.submit()).json()["polling_url"])
        await running.client.get(url, headers={"Ocp-Apim-Subscription-Key": KEY})
    hosts = {urlsplit(address).netloc for address in (provider.url, provider.media_url)}
    assert {one.headers["host"] for one in provider.asked} == hosts
    entries = running.read().entries
    called = {value.decode() for one in entries for name, value in one.request_headers if name == b"host"}
    assert called == {running.url.removeprefix("http://")}
    assert entries[-1].url.startswith(provider.media_url)
    assert "leaked-key" not in [finding.id for finding in judge(entries, catalog)]


async def test_an_address_from_an_answer_may_be_sent_upstream_again(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        url = await running.finish((await running.submit()).json()["polling_url"])
        headers = {"Authorization": f"Bearer {KEY}"}
        told = await running.client.post(WAVESPEED, json={"image": url}, headers=headers)
    sent = msgspec.json.decode(provider.asked[-1].body)["image"]
    assert sent.startswith(provider.media_url)
    assert told.json()["data"]["input"]["image"] == url


async def test_the_file_is_valid_har_at_every_moment(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        for number in range(4):
            await running.client.get(f"/v2/requests/status/none-{number}")
            har = msgspec.json.decode(running.out.read_bytes())
            HAR_1_2.validate(har)
            assert len(har["log"]["entries"]) == number + 1


async def test_ranges_heads_and_conditions_of_files_pass(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        url = await running.finish((await running.submit()).json()["polling_url"])
        part = await running.client.get(url, headers={"Range": "bytes=4-7"})
        head = await running.client.head(url)
        same = await running.client.get(url, headers={"If-None-Match": '"v1"'})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206,
        b"ftyp",
        f"bytes 4-7/{len(VIDEO)}",
    )
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(VIDEO)))
    assert (same.status_code, same.content) == (304, b"")
    assert [one.status for one in running.read().entries][-3:] == [206, 200, 304]


async def test_no_media_keeps_no_file_and_tells_its_size(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, no_media=True) as running:
        url = await running.finish((await running.submit()).json()["polling_url"])
        assert (await running.client.get(url)).content == VIDEO
    recording = running.read()
    assert recording.media == {}
    assert recording.entries[-1].response_size == len(VIDEO)
    assert not (tmp_path / "run.har.media").exists()


async def test_max_submits_sends_nothing_more_upstream(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=1) as running:
        assert (await running.submit()).status_code == 202
        refused = await running.submit()
        assert (await running.client.get("/v2/requests/status/x")).status_code == 404
    assert refused.status_code == 400
    assert "--max-submits 1" in refused.json()["error"]
    assert [one.method for one in provider.asked] == ["POST", "GET"]
    assert "1 refused" in running.run.summary()


async def test_a_submit_that_the_provider_refuses_costs_nothing(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=1) as running:
        assert (await running.client.post(PIXAZO, json={"prompt": "x"})).status_code == 401
        assert (await running.submit()).status_code == 202
    assert "2 submits, 1 accepted, about 0.4 USD, 0.4 of it assumed" in running.run.summary()


async def test_a_connection_that_the_provider_breaks_breaks_for_the_client_and_is_recorded(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        with pytest.raises(httpx.TransportError):
            await running.submit("break the connection")
    (entry,) = running.read().entries
    assert (entry.status, entry.fault) == (0, "reset")
    assert entry.error
    assert entry.operation == "submit-hunyuan-video"


async def test_an_answer_that_breaks_off_breaks_off_for_the_client_and_is_recorded(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        with pytest.raises(httpx.TransportError):
            await running.submit("cut the answer")
    (entry,) = running.read().entries
    assert (entry.status, entry.fault, entry.response_body) == (202, "truncate", b'{"request_id":')


def raw_submit(url: str, prompt: str) -> tuple[bytes, str]:
    """Submit over a bare socket; give the body that came, and how the connection ended."""
    body = json.dumps({"prompt": prompt}).encode()
    head = f"POST {PIXAZO} HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: {KEY}\r\n"
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        got = b""
        try:
            while part := connection.recv(4096):
                got += part
        except ConnectionResetError:
            return got.partition(b"\r\n\r\n")[2], "reset"
    return got.partition(b"\r\n\r\n")[2], "closed"


@pytest.mark.parametrize(
    ("prompt", "end", "fault"),
    [("cut the answer", "closed", "truncate"), ("break the answer", "reset", "reset")],
)
async def test_how_an_answer_broke_off_is_told_apart_for_the_client_and_in_the_file(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, prompt: str, end: str, fault: str
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        seen = await asyncio.to_thread(raw_submit, running.url, prompt)
    (entry,) = running.read().entries
    assert (entry.status, entry.fault, entry.response_body) == (202, fault, b'{"request_id":')
    assert seen == (b'{"request_id":', end)


async def test_a_client_that_hangs_up_is_recorded(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        asking = asyncio.ensure_future(running.submit("wait for ever"))
        await asyncio.to_thread(provider.waiting.wait, PATIENCE)
        asking.cancel()
        async with asyncio.timeout(PATIENCE):
            while not running.run.writer.written:  # noqa: ASYNC110 (the recorder sets no event)
                await asyncio.sleep(0.01)
    (entry,) = running.read().entries
    assert (entry.status, entry.fault) == (0, "hang")
    assert "the client hung up" in entry.error


async def test_an_upstream_that_is_not_there_is_recorded(catalog: Catalog, tmp_path: Path) -> None:
    upstreams = {"pixazo": "http://127.0.0.1:9"}
    async with recorder(catalog, tmp_path / "run.har", None, upstreams=upstreams) as running:
        with pytest.raises(httpx.TransportError):
            await running.submit()
    (entry,) = running.read().entries
    assert (entry.fault, entry.status) == ("reset", 0)
    assert "ConnectError" in entry.error


async def test_an_upstream_whose_certificate_nobody_vouches_for_is_not_trusted(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Verification is on: the key is not sent there."""
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(100))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    upstreams = {"pixazo": f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    async with server, recorder(catalog, tmp_path / "run.har", None, upstreams=upstreams) as running:
        with pytest.raises(httpx.TransportError):
            await running.submit()
    (entry,) = running.read().entries
    assert "CERTIFICATE_VERIFY_FAILED" in entry.error
    assert came == []


async def test_an_address_that_no_answer_has_named_is_not_called(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        netloc = provider.media_url.removeprefix("http://")
        assert (await running.client.get(f"/_origin/http/{netloc}/outputs/x.mp4")).status_code == 404
    assert provider.asked == []


# -- callbacks


@contextmanager
def _receiver(status: int) -> Iterator[tuple[str, list[tuple[str, bytes, dict[str, str]]]]]:
    """A client's own receiver; gives its address and what it got."""
    got: list[tuple[str, bytes, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [204, 500])
async def test_a_callback_passes_through_and_is_recorded(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, status: int
) -> None:
    out = tmp_path / "run.har"
    with _receiver(status) as (hook, got):
        async with recorder(catalog, out, provider, allow_http_webhooks=True) as running:
            submitted = await running.submit(**{"X-Webhook-URL": hook})
            await running.finish(submitted.json()["polling_url"])
            assert "/_callback/" in provider.asked[0].headers["x-webhook-url"]
    assert provider.called_back == [status]
    ((path, body, _),) = got
    assert path == "/hook"
    assert msgspec.json.decode(body)["output"]["media_url"][0].startswith(running.url)
    entries = running.read().entries
    (delivery,) = [one for one in entries if one.kind == "delivery"]
    assert (delivery.url, delivery.status) == (hook, status)
    assert (delivery.provider, delivery.job) == ("pixazo", submitted.json()["request_id"])
    assert delivery.account == entries[0].account
    assert (b"x-webhook-url", hook.encode()) in entries[0].request_headers
    assert "/_callback/" not in out.read_text()


async def test_a_callback_that_is_too_large_is_refused_and_read_no_further(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    with _receiver(200) as (hook, got):
        async with recorder(catalog, tmp_path / "run.har", provider, allow_http_webhooks=True) as running:
            await running.submit(**{"X-Webhook-URL": hook})
            asked = provider.asked[0].headers["x-webhook-url"]
            answer = await running.client.post(asked, content=bytes(INLINE + 1))
    assert answer.status_code == 413
    assert got == []


async def test_a_signed_callback_still_verifies_when_it_was_passed_on(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    with _receiver(200) as (hook, got):
        async with recorder(catalog, tmp_path / "r.har", provider, allow_http_webhooks=True) as running:
            headers = {"Authorization": f"Bearer {KEY}"}
            body = {"image": "https://example.com/cat.jpg"}
            told = await running.client.post(f"{WAVESPEED}?webhook={hook}", json=body, headers=headers)
            for _ in range(2):
                await running.client.get(told.json()["data"]["urls"]["get"], headers=headers)
    ((_, content, had),) = got
    signed = f"{had['webhook-id']}.{had['webhook-timestamp']}.".encode() + content
    digest = hmac.new(SECRET.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()
    assert had["webhook-signature"] == f"v3,{digest}"
    urls = [one.url for one in running.read().entries]
    assert urls[0] == f"{provider.url}{WAVESPEED}?webhook={hook}"
    assert hook in urls


async def test_without_leave_callbacks_go_straight_to_the_client_and_that_is_said(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    with _receiver(200) as (hook, got):
        async with recorder(catalog, tmp_path / "run.har", provider) as running:
            submitted = await running.submit(**{"X-Webhook-URL": hook})
            await running.finish(submitted.json()["polling_url"])
    assert len(got) == 1
    assert provider.asked[0].headers["x-webhook-url"] == hook
    assert any("callbacks go past the recorder" in line for line in running.told)


# -- one file


async def test_two_recorders_on_one_file_are_refused(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    out = tmp_path / "run.har"
    async with recorder(catalog, out, provider):
        with pytest.raises(RecordingError, match="another recorder is writing it"):
            async with recorder(catalog, out, provider):
                pass


async def test_a_second_run_is_added_and_keeps_the_placeholders(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    out = tmp_path / "run.har"
    for key in (KEY, "another-key-9876543210", KEY):
        async with recorder(catalog, out, provider) as running:
            await running.submit(key=key)
    assert [one.key for one in read_recording([out], catalog).entries] == ["[key-1]", "[key-2]", "[key-1]"]
    assert KEY not in out.read_text()


async def test_a_file_of_somebody_else_is_not_touched(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    out = tmp_path / "run.har"
    out.write_text('{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"entries":[]}}')
    before = out.read_bytes()
    with pytest.raises(RecordingError, match="not written by `understudy record`"):
        async with recorder(catalog, out, provider):
            pass
    assert out.read_bytes() == before


async def test_calls_at_once_are_all_recorded(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        answers = await asyncio.gather(*(running.submit(f"cat {n}") for n in range(20)))
    jobs = {one.json()["request_id"] for one in answers}
    assert {one.job for one in running.read().entries} == jobs
    assert len(jobs) == 20


async def test_the_signature_of_an_address_is_nowhere_but_its_chain_is_whole(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        await running.client.get(await running.finish((await running.submit()).json()["polling_url"]))
    assert SIGNATURE not in running.out.read_text()
    *_, poll, file = running.read().entries
    told = msgspec.json.decode(poll.response_body)
    assert told["output"]["media_url"] == [file.url]


async def test_no_empty_folder_is_left(catalog: Catalog, tmp_path: Path, provider: LittleProvider) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        (tmp_path / "run.har.media").mkdir()
        await running.submit()
    assert [one.name for one in tmp_path.iterdir()] == ["run.har"]  # noqa: ASYNC240


async def test_the_answer_began_when_its_head_came(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        await running.client.get(await running.finish((await running.submit()).json()["polling_url"]))
    for entry in msgspec.json.decode(running.out.read_bytes())["log"]["entries"]:
        assert 0 < entry["timings"]["wait"] <= entry["time"]
        assert sum(entry["timings"].values()) == pytest.approx(entry["time"])


async def test_what_takes_long_is_done_beside_the_loop(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large body takes seconds to be searched for keys, in which others call, too."""
    threads: list[str] = []
    for owner, name in ((Writer, "learn"), (Writer, "write"), (RecordedBody, "end")):
        work = getattr(owner, name)

        def watched(*arguments: Any, work: Callable[..., Any] = work) -> Any:
            threads.append(threading.current_thread().name)
            return work(*arguments)

        monkeypatch.setattr(owner, name, watched)
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        url = await running.finish((await running.submit()).json()["polling_url"])
        await running.client.get(url)
    assert threads
    assert all(name.startswith("recording") for name in threads)
