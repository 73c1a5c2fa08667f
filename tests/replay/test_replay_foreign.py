"""HARs of the same traffic by mitmproxy, Playwright and Polly.JS are played alike, job by job."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.replay.example import EXAMPLE
from tests.replay.recorded import replay
from tests.support import Gateway, key_headers
from understudy_mock.catalog import Catalog
from understudy_mock.har.read import read_recording


def as_polly(har: Any) -> Any:
    """Keep the answers as Polly.JS does: gzip, in base64, as a JSON list of chunks."""
    for entry in har["log"]["entries"]:
        answer = entry["response"]
        text = answer["content"].get("text")
        if text and answer["content"].get("encoding") is None:
            coded = gzip.compress(text.encode())
            chunks = [base64.b64encode(part).decode() for part in (coded[:20], coded[20:])]
            answer["content"] |= {"text": json.dumps(chunks), "encoding": "base64"}
            answer["headers"].append({"name": "content-encoding", "value": "gzip"})
    return har


@pytest.mark.parametrize("name", ["mitmproxy", "playwright", "polly", "zhar", "untimed"])
async def test_its_jobs_run_from_submit_to_file(catalog: Catalog, tmp_path: Path, name: str) -> None:
    """Every accepted submit completes, in states that never go back, and its file comes.

    Also where no exchange has an instant.
    """
    is_made = name in ("polly", "zhar", "untimed")
    file = EXAMPLE.with_name("mitmproxy.har" if is_made else f"{name}.har")
    if name == "polly":
        file = tmp_path / "polly.har"
        file.write_text(json.dumps(as_polly(json.loads(EXAMPLE.with_name("mitmproxy.har").read_bytes()))))
    elif name == "untimed":
        har = json.loads(EXAMPLE.with_name("mitmproxy.har").read_bytes())
        for entry in har["log"]["entries"]:
            del entry["startedDateTime"]
        file = tmp_path / "untimed.har"
        file.write_text(json.dumps(har))
    elif name == "zhar":
        file = tmp_path / "mitmproxy.zhar"
        file.write_bytes(zlib.compress(EXAMPLE.with_name("mitmproxy.har").read_bytes()))
    recording = read_recording([file], catalog)
    here = Gateway(replay(recording, catalog))
    world: Any = here.world
    jobs = [job for job in world.recorded.jobs if job.id]
    assert [job.operation.provider for job in jobs] == ["pixazo", "wavespeed"]
    for job in jobs:
        operation = job.operation
        headers = key_headers(operation.provider, "another-key-1")
        body = msgspec.json.decode(job.submit.request_body)
        answer = await here.call(operation.method, operation.path, json=body, headers=headers)
        if answer.status_code == 401:
            answer = await here.call(operation.method, operation.path, json=body, headers=headers)
        told = answer.json()
        url = told["polling_url"] if "polling_url" in told else told["data"]["urls"]["get"]
        words: list[str] = []
        data: dict[str, Any] = {}
        for _ in range(100):
            told = (await here.call("GET", url, headers=headers)).json()
            data = told.get("data", told)
            words += [data["status"]] if words[-1:] != [data["status"]] else []
            here.advance(1)
        assert len(words) == len(set(words))
        assert words[-1].lower() == "completed"
        file = data["outputs"][0] if "outputs" in data else data["output"]["media_url"][0]
        assert (await here.call("GET", file)).content[4:8] == b"ftyp"
        assert job.id not in msgspec.json.encode(told).decode()
    assert not world.misses
