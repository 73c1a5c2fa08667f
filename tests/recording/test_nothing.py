"""A recording that lacks what was said is not called clean; odd files are read, or refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from tests.recording.test_command import check
from tests.recording.traffic import find_drift
from understudy_contracts.recording.difference import Kind
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.har.read import read_recording

_STATUS = "https://gateway.pixazo.ai/v2/requests/status/hunyuan-video_0a1b2c3d"
_JSON = [{"name": "content-type", "value": "application/json"}]
_TOLD = json.dumps(
    {
        "request_id": "hunyuan-video_0a1b2c3d",
        "status": "PROCESSING",
        "model_id": "hunyuan-video",
        "error": None,
        "output": None,
        "created_at": "2026-05-22T13:17:32.110Z",
        "updated_at": "2026-05-22T13:19:23.000Z",
        "completed_at": None,
    }
)


def _answer(content: Any, status: int = 200, headers: Any = _JSON) -> dict[str, Any]:
    return {"status": status, "headers": headers, "content": content}


_WHOLE = _answer({"size": len(_TOLD), "mimeType": "application/json", "text": _TOLD})


def _har(file: Path, *responses: Any, version: Any = "1.2") -> Path:
    request = {"method": "GET", "url": _STATUS, "headers": []}
    entries = [
        {"startedDateTime": f"2026-09-21T14:13:{10 + 9 * n}Z", "request": request, "response": one}
        for n, one in enumerate(responses)
    ]
    file.write_text(json.dumps({"log": {"version": version, "creator": {"name": "x"}, "entries": entries}}))
    return file


@pytest.mark.parametrize(
    "response",
    [
        None,
        _answer(None),
        _answer({"size": 300, "mimeType": "application/json"}),
        _answer({"mimeType": "application/json", "size": None}),
        _answer({"size": 0}, status=0, headers=[]),
    ],
)
def test_what_is_not_there_is_not_called_documented(tmp_path: Path, response: Any) -> None:
    result = check(_har(tmp_path / "run.har", response))
    assert "1 of 1 answer has no body or never came here: not checked." in result.stdout
    assert "as documented." not in result.stdout
    assert "0 differences" in result.stdout
    told = check(_har(tmp_path / "run.har", response, _WHOLE))
    assert "1 of 2 answers has no body" in told.stdout
    assert "What could be checked is as documented." in told.stdout


def test_an_operation_without_an_answer_has_not_passed(tmp_path: Path) -> None:
    """In JUnit it is skipped, with the reason; one answer is enough to compare."""

    def case(*responses: Any) -> ElementTree.Element:
        check(_har(tmp_path / "run.har", *responses), "--report-dir", tmp_path)
        suites = ElementTree.parse(tmp_path / "recording.xml").getroot()
        (found,) = (one for one in suites.iter("testcase") if one.attrib["name"] == "as documented")
        return found

    skipped = case(None).find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "not reached: no answer of it is in the recording"
    assert case(None, _WHOLE).find("skipped") is None


def test_a_headline_names_what_is_missing(tmp_path: Path) -> None:
    lacking = _TOLD.replace('"error": null, ', "")
    answer = _answer({"size": len(lacking), "mimeType": "application/json", "text": lacking})
    check(_har(tmp_path / "run.har", answer, answer), "--report-dir", tmp_path)
    (case,) = (c for c in json.loads((tmp_path / "recording.json").read_text())["cases"] if c["findings"])
    assert case["findings"][0]["seen"] == "response 200 /error: missing (2 times)"


def test_what_is_there_and_empty_is_not_json(tmp_path: Path, catalog: Catalog) -> None:
    empty = _answer({"size": 0, "mimeType": "application/json", "text": ""})
    entries = read_recording([_har(tmp_path / "run.har", empty)], catalog).entries
    assert [one.kind for one in find_drift(entries, catalog)] == [Kind.NOT_JSON]


def test_all_that_is_there_is_as_documented(tmp_path: Path) -> None:
    result = check(_har(tmp_path / "run.har", _WHOLE))
    assert "Everything is as documented." in result.stdout
    assert result.stdout.startswith("1 exchange with pixazo\n")


@pytest.mark.parametrize(
    "name", ["X-RateLimit-Remaining", "x-rate-limit-limit", "Deprecation", "Retry-After"]
)
def test_a_telling_header_differs_in_a_file_too(tmp_path: Path, name: str) -> None:
    headers = [*_JSON, {"name": name, "value": "59"}]
    result = check(_har(tmp_path / "run.har", {**_WHOLE, "headers": headers}))
    assert f"response 200 header {name.lower()}" in result.stdout
    assert "1 difference (1 " in result.stdout


@pytest.mark.parametrize(
    ("version", "is_doubted"), [("1.1", False), ("1.2", False), (1.2, False), ("2.0", True), (3, True)]
)
def test_another_version_of_har_is_read_with_a_warning(
    tmp_path: Path, version: Any, is_doubted: bool
) -> None:
    result = check(_har(tmp_path / "run.har", _WHOLE, version=version))
    assert result.stdout.startswith("1 exchange with pixazo\n")
    assert (f"says that it is HAR {version}" in result.stderr) is is_doubted


def test_the_same_file_twice_is_read_once(tmp_path: Path) -> None:
    file = _har(tmp_path / "run.har", _WHOLE)
    (tmp_path / "again.har").symlink_to(file)
    result = check(file, file, tmp_path / "again.har")
    assert result.stdout.startswith("1 exchange with pixazo\n")
    assert result.stderr.count("is given twice, and read once") == 2


def test_a_lone_surrogate_in_a_body_does_not_refuse_the_file(tmp_path: Path) -> None:
    odd = _TOLD.replace('"PROCESSING"', r'"PROCESSING","note":"\ud800"')
    file = _har(tmp_path / "run.har", _answer({"size": len(odd), "text": odd}), _WHOLE)
    file.write_text(file.read_text().replace(r"\\ud800", r"\ud800"))
    assert check(file).stdout.startswith("2 exchanges with pixazo\n")


def test_a_pipe_that_nobody_writes_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.har")
    result = check(tmp_path / "run.har")
    assert result.exit_code == 2
    assert "is a named pipe" in result.stderr


@pytest.mark.parametrize("name", ["run.har.gz", "run.json", "run"])
def test_a_recording_is_called_har(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(main, ["record", "--port", "0", "--out", str(tmp_path / name)])
    assert result.exit_code == 2
    assert "must end in .har" in result.stderr
    assert not (tmp_path / name).exists()
