"""Recordings that were made by hand, or to do harm: one clear line or an answer, nothing that is obeyed."""

from __future__ import annotations

import copy
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.driving import T2V, Gateway, key_headers
from tests.record.test_files import example, write
from tests.record.test_secrets import _entry, _writer
from tests.replay.recorded import replay
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import RecordingError
from understudy_mock.printing import printable

_OBEYED = "\x1b]0;title\x07\x1b[31mred\x1b[0m\x9b2J\u202e\udcff"
_PLACES: tuple[Callable[[dict[str, Any]], None], ...] = (
    lambda e: e["response"]["content"].update(text=_OBEYED),
    lambda e: e["response"]["headers"].append({"name": f"x-{_OBEYED}", "value": _OBEYED}),
    lambda e: e["request"].update(url=e["request"]["url"] + "/" + _OBEYED),
    lambda e: e["request"].update(method=_OBEYED),
    lambda e: e["request"].get("postData", {}).update(text=json.dumps({"prompt": _OBEYED, _OBEYED: 1})),
    lambda e: e["response"]["content"].update(text=json.dumps({"status": _OBEYED, _OBEYED: _OBEYED})),
    lambda e: e.get("_understudy", {}).update(error=_OBEYED, job=_OBEYED, warnings=[_OBEYED]),
    lambda e: e["response"].update(_error=_OBEYED, status=0),
    lambda e: e["response"]["content"].update(_file=_OBEYED, text=""),
    lambda e: e.update(startedDateTime=_OBEYED),
)


@pytest.mark.parametrize("place", range(len(_PLACES)))
def test_nothing_that_a_recording_says_is_obeyed_by_a_terminal(tmp_path: Path, place: int) -> None:
    """However it is looked at; and a report of it can be written, whatever is half a character."""
    entries = example()["log"]["entries"]
    for entry in entries:
        _PLACES[place](entry)
    file = write(tmp_path / "odd.har", entries)
    report, scenarios = str(tmp_path / "report"), str(tmp_path / "scenarios")
    for command in (
        ["check", "recording", "--report-dir", report],
        ["replay", "--export-scenarios", scenarios],
    ):
        ended = CliRunner().invoke(main, [*command, str(file)])
        assert ended.exception is None or isinstance(ended.exception, SystemExit)
        said = (ended.stdout + ended.stderr).replace("\n", "").replace("\r\x1b[K", "")
        assert said == printable(said)


@pytest.mark.parametrize("text", ["\x1b[31m", "\x07", "\x9b", "\r", "\u202e", "\udcff", "\x7f", "\0"])
def test_what_a_terminal_acts_upon_is_replaced(text: str) -> None:
    assert text[0] not in printable(f"a{text}b\n\tc")
    assert printable(f"a\n\tc é 猫 {text}").startswith("a\n\tc é 猫 �")


_ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e300, -1e300, 2**63, 2**70, 10**400, "", "\0", "\ud800", [], {}, [[]], "9" * 5000),
    *(
        "http://[",
        "//",
        "http://a:b@[::1",
        "HTTP://x:99999999/",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ),
    *("\r\n", "application/json; charset=idna", "NaN", "Infinity", "a" * 70_000),
)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path, *(leaf for name, one in value.items() for leaf in _leaves(one, (*path, name)))]
    if isinstance(value, list):
        return [path, *(leaf for index, one in enumerate(value[:3]) for leaf in _leaves(one, (*path, index)))]
    return [path]


def _changed(entry: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(entry)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


_SUBMIT = example()["log"]["entries"][0]
_SUBMIT["response"]["headers"] += [{"name": "retry-after", "value": "1"}]


@pytest.mark.parametrize("odd", _ODD, ids=lambda odd: repr(odd)[:30])
async def test_an_odd_value_anywhere_is_refused_in_one_line_or_played(
    catalog: Catalog, tmp_path: Path, odd: Any
) -> None:
    """No traceback, no 500 and no call without end, wherever in an exchange it stands."""
    refused: list[str] = []
    for path in _leaves(_SUBMIT)[1:]:
        file = tmp_path / "odd.har"
        try:
            file.write_text(json.dumps({"log": {"entries": [_changed(_SUBMIT, path, odd)]}}))
        except ValueError:  # a number that JSON cannot be written with either
            return
        try:
            world = replay(read_recording([file], catalog), catalog)
        except RecordingError as problem:
            refused.append(str(problem))
            continue
        gateway = Gateway(world)
        answer = await gateway.call(
            "POST",
            "/hunyuan-video/v1/hunyuan-video-request",
            content=b'{"prompt": "A paper boat"}',
            headers=key_headers("pixazo"),
        )
        assert answer.status_code != 500
    assert not any("\n" in one for one in refused)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_can_have_no_body_is_played_without_one(
    catalog: Catalog, tmp_path: Path, status: int
) -> None:
    entry = copy.deepcopy(example()["log"]["entries"][0])
    entry["response"].update(status=status)
    file = write(tmp_path / "odd.har", [entry])
    gateway = Gateway(replay(read_recording([file], catalog), catalog))
    answer = await gateway.call(
        "POST",
        "/hunyuan-video/v1/hunyuan-video-request",
        content=entry["request"]["postData"]["text"].encode(),
        headers=key_headers("pixazo"),
    )
    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_poll_that_can_have_no_body_is_played_without_one(
    catalog: Catalog, tmp_path: Path, status: int
) -> None:
    """Though the recording has one, which tells the state."""
    entries = copy.deepcopy(example()["log"]["entries"][1:3])
    entries[1]["response"].update(status=status)
    gateway = Gateway(replay(read_recording([write(tmp_path / "odd.har", entries)], catalog), catalog))
    headers = key_headers("pixazo")
    body = entries[0]["request"]["postData"]["text"].encode()
    submit = await gateway.call("POST", T2V, content=body, headers=headers)
    poll = await gateway.call("GET", submit.json()["polling_url"], headers=headers)
    assert (poll.status_code, poll.content) == (status, b"")


def test_a_recording_is_for_its_owner_alone(catalog: Catalog, tmp_path: Path) -> None:
    """The file, written again without a key that came later, and the files beside it."""
    writer, file = _writer(tmp_path / "run.har", catalog, [])
    body = writer.body([(b"content-type", b"video/mp4")])
    body.add(b"video")
    body.end()
    writer.write(_entry(body=b'{"prompt":"another-key-that-is-long"}'), answer=body)
    writer.write(_entry(headers=[(b"x-api-key", b"another-key-that-is-long")]))
    file.close()
    modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.rglob("*") if one.is_file()}
    assert modes == {0o600}
