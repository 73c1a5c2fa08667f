"""HARs that mitmproxy and Playwright made of the same traffic are played alike, job by job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.recording.example import EXAMPLE
from tests.recording.recorded import replay
from tests.support import Gateway, key_headers
from understudy_mock.catalog import Catalog
from understudy_mock.recording.read import read_recording


@pytest.mark.parametrize("name", ["mitmproxy", "playwright"])
async def test_its_jobs_run_from_submit_to_file(catalog: Catalog, name: str) -> None:
    """Every accepted submit completes, in states that never go back, and its file comes."""
    recording = read_recording([EXAMPLE.with_name(f"{name}.har")], catalog)
    here = Gateway(replay(recording, catalog))
    world: Any = here.world
    jobs = [take for take in world.repertoire.takes if take.job]
    assert [take.operation.provider for take in jobs] == ["pixazo", "wavespeed"]
    for take in jobs:
        operation = take.operation
        headers = key_headers(operation.provider, "another-key-1")
        body = msgspec.json.decode(take.submit.request_body)
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
        assert take.job not in msgspec.json.encode(told).decode()
    assert not world.misses
