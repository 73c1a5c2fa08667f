"""A recorder in its own process: a kill loses nothing that a client saw the end of; it ends as it should."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from tests.e2e.processes import PATIENCE, UNDERSTUDY, run
from tests.har.test_har import HAR_1_2
from tests.record.little_provider import VIDEO, little_provider
from tests.record.running import KEY, PIXAZO, recorder_process
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.har.read import read_recording

_CLIENTS = 4


async def _ask_until_killed(url: str, kill_after: int, kill: object) -> set[str]:
    """Call from several clients at once until the recorder is gone; tell which answers came whole."""
    seen: set[str] = set()
    assert callable(kill)

    async def ask(number: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            headers = {"Ocp-Apim-Subscription-Key": KEY}
            for count in range(100_000):
                name = f"{number}-{count}"
                body = {"prompt": "x" * random.randrange(20_000)}
                try:
                    await client.post(PIXAZO, params={"n": name}, json=body, headers=headers)
                except httpx.TransportError:
                    return
                seen.add(name)
                if len(seen) == kill_after:
                    kill()

    await asyncio.gather(*(ask(number) for number in range(_CLIENTS)))
    return seen


async def _kill_once(catalog: Catalog, out: Path, kill_after: int) -> None:
    with little_provider() as provider, recorder_process(out, provider) as (process, url):
        seen = await _ask_until_killed(url, kill_after, process.kill)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    entries = read_recording([out], catalog).entries
    recorded = {parse_qs(urlsplit(one.url).query)["n"][0] for one in entries}
    assert seen <= recorded
    assert len(recorded - seen) <= _CLIENTS  # those in flight


@pytest.mark.e2e
@pytest.mark.parametrize("number", range(5))
async def test_every_exchange_that_a_client_saw_the_end_of_survives_a_kill(
    catalog: Catalog, tmp_path: Path, number: int
) -> None:
    kill_after = random.randrange(1, 40)
    await _kill_once(catalog, tmp_path / "run.har", kill_after)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("number", range(50))
async def test_it_survives_fifty_kills(catalog: Catalog, tmp_path: Path, number: int) -> None:
    await _kill_once(catalog, tmp_path / "run.har", random.randrange(1, 300))


@pytest.mark.e2e
async def test_a_run_after_a_kill_goes_on_in_the_same_file(catalog: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "run.har"
    await _kill_once(catalog, out, 3)
    with out.open("r+b") as file:
        file.truncate(out.stat().st_size - 20)  # as if the last write had not ended
    count = len(read_recording([out], catalog).entries)
    with little_provider() as provider, recorder_process(out, provider) as (process, url):
        async with httpx.AsyncClient(base_url=url, headers={"Ocp-Apim-Subscription-Key": KEY}) as client:
            await client.get("/v2/requests/status/x")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
    har = msgspec.json.decode(out.read_bytes())
    HAR_1_2.validate(har)
    assert len(har["log"]["entries"]) == count + 1
    assert read_recording([out], catalog).entries[-1].key == "[key-1]"


@pytest.mark.e2e
def test_a_child_is_recorded_under_the_real_names_and_its_status_is_the_commands(
    catalog: Catalog, tmp_path: Path
) -> None:
    program = f"""
import json, sys, urllib.request
def call(url, body=None):
    headers = {{"Ocp-Apim-Subscription-Key": "{KEY}", "Content-Type": "application/json"}}
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(url, data, headers)).read()
told = json.loads(call("https://gateway.pixazo.ai{PIXAZO}", {{"prompt": "a cat"}}))
assert told["polling_url"].startswith("https://gateway.pixazo.ai/"), told
while not (job := json.loads(call(told["polling_url"])))["output"]:
    pass
url = job["output"]["media_url"][0]
assert url.startswith("https://gateway.pixazo.ai/_origin/http/"), url
sys.stdout.write(str(len(call(url))))
sys.exit(7)
"""
    out = tmp_path / "run.har"
    with little_provider() as provider:
        command = [UNDERSTUDY, "record", "--out", str(out), "--upstream", f"pixazo={provider.url}"]
        ended = run([*command, "--", sys.executable, "-c", program], tmp_path)
    assert ended.returncode == 7, ended.stderr
    assert ended.stdout == str(len(VIDEO))
    assert "recorded 4 exchanges" in ended.stderr
    recording = read_recording([out], catalog)
    assert [one.status for one in recording.entries] == [202, 200, 200, 200]
    assert len({one.job for one in recording.entries}) == 1
    assert KEY not in out.read_text()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--upstream", "nobody=http://127.0.0.1:1"), "no provider is called that; known are"),
        (("--upstream", "pixazo=http://gateway.pixazo.ai"), "http:// is for this machine alone"),
        (("--upstream", "pixazo"), "must be PROVIDER=URL"),
        (("--redact", "x"), "must be NAME=VALUE"),
        (("--out", "."), "is a directory"),
        (("--out", "none/run.har"), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_recorded_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, ["record", "--port", "0", "--out", "run.har", *options])
    assert ended.exit_code == 2
    assert reason in ended.stderr.strip().splitlines()[-1]


@pytest.mark.e2e
@pytest.mark.slow
def test_a_large_file_streams_through_in_bounded_memory(catalog: Catalog, tmp_path: Path) -> None:
    """300 MB pass; the recorder's process never holds more than a fraction of that."""
    out = tmp_path / "run.har"
    with little_provider(large=300) as provider, recorder_process(out, provider) as (process, url):
        headers = {"Ocp-Apim-Subscription-Key": KEY}
        told = httpx.post(url + PIXAZO, json={"prompt": "x"}, headers=headers, timeout=PATIENCE).json()
        httpx.get(told["polling_url"], headers=headers, timeout=PATIENCE)
        job = httpx.get(told["polling_url"], headers=headers, timeout=PATIENCE).json()
        size = 0
        with httpx.stream("GET", job["output"]["media_url"][0], timeout=PATIENCE) as answer:
            for part in answer.iter_raw():
                size += len(part)
        assert size == 300 * 1024**2
        peak = next(
            int(line.split()[1]) // 1024
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
    assert peak < 200
    (file,) = read_recording([out], catalog).media.values()
    assert file.stat().st_size == size
