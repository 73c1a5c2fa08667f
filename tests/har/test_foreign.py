"""HARs that mitmproxy (`hardump`) and Playwright (`recordHar`) made of the same traffic load as one story."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from understudy_contracts.rules.talk import read_talk
from understudy_mock.catalog import Catalog
from understudy_mock.har.read import read_recording

_FOLDER = Path(__file__).parents[2] / "fixtures" / "recordings"
_STORY = [
    ("pixazo", "submit-hunyuan-video", 401),
    ("pixazo", "submit-hunyuan-video", 202),
    *[("pixazo", "get-request-status", 200)] * 4,
    ("pixazo", "", 200),
    ("wavespeed", "submit-hunyuan-video-i2v", 200),
    *[("wavespeed", "get-prediction-result", 200)] * 3,
    ("wavespeed", "", 200),
    ("segmind", "submit-hunyuan-video", 500),
]


@pytest.mark.parametrize(("name", "elsewhere"), [("mitmproxy", 0), ("playwright", 1)])
def test_it_loads(catalog: Catalog, name: str, elsewhere: int) -> None:
    recording = read_recording([_FOLDER / f"{name}.har"], catalog)
    assert [(one.provider, one.operation, one.status) for one in recording.entries] == _STORY
    assert recording.elsewhere == elsewhere
    jobs = read_talk(recording.entries, catalog).jobs
    assert [(len(job.submits), len(job.polls), len(job.media)) for job in jobs.values()] == [
        (1, 4, 1),
        (1, 3, 1),
    ]
    assert all(job.end is not None for job in jobs.values())
    files = [one for one in recording.entries if one.job and not one.operation]
    assert all(one.response_body[4:8] == b"ftyp" for one in files)


@pytest.mark.parametrize("name", ["mitmproxy", "playwright"])
def test_its_keys_are_placeholders(catalog: Catalog, name: str) -> None:
    recording = read_recording([_FOLDER / f"{name}.har"], catalog)
    assert {one.key for one in recording.entries} == {"", "[key-1]", "[key-2]"}
    assert b"YOUR_" not in msgspec.json.encode(recording.entries)
