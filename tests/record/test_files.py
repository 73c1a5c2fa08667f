"""What several files, files that end in the middle and files of others come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tests.driving import Gateway, submit
from tests.record.running import recorder
from tests.replay.example import EXAMPLE
from tests.replay.recorded import replay
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.har.read import read_recording
from understudy_mock.har.write import write_clean_entry
from understudy_mock.record.file import RecordingFile
from understudy_mock.replay.jobs import recorded_jobs
from understudy_mock.replay.report import at_start

T2V = "/hunyuan-video/v1/hunyuan-video-request"


def example() -> dict[str, Any]:
    """Give the shipped recording as JSON."""
    told: dict[str, Any] = json.loads(EXAMPLE.read_text())
    return told


def write(file: Path, entries: list[dict[str, Any]]) -> Path:
    """Write entries as a HAR."""
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return file


def torn(file: Path, catalog: Catalog) -> int:
    """Write a recording of ours whose writer was killed; give the number of its whole entries."""
    entries = read_recording([EXAMPLE], catalog).entries
    recording = RecordingFile(file)
    for entry in entries:
        recording.append_line(msgspec.json.encode(write_clean_entry(entry)))
    recording.close()
    file.write_bytes(file.read_bytes()[:-300])
    return len(entries) - 1


async def test_an_entry_is_named_by_its_place_in_its_own_file(catalog: Catalog, tmp_path: Path) -> None:
    """Whatever the order of time and of other files, entry N is `log.entries[N-1]` of the named file."""
    entries = example()["log"]["entries"]
    late = write(tmp_path / "late.har", entries[::-1])
    alone = read_recording([late], catalog)
    boat = {"prompt": "A paper boat", "num_frames": 85}
    other = write(tmp_path / "other.har", [{**entries[0], "startedDateTime": "2020-05-22T13:17:32Z"}])
    for files, of in (([late], ""), ([late, other], " of late.har")):
        gateway = Gateway(replay(read_recording(files, catalog), catalog))
        answer = await submit(gateway, body=boat)
        told = json.loads(entries[::-1][_said(answer.json()["error"], of) - 1]["request"]["postData"]["text"])
        assert told == {"prompt": "A paper boat"}
    assert len(alone.entries) == len(entries)


def _said(text: str, of: str) -> int:
    name, _, rest = text.partition("nearest is entry ")[2].partition(":")
    assert rest
    assert name.endswith(of)
    return int(name.removesuffix(of))


def test_a_file_that_ends_in_the_middle_is_said_to(catalog: Catalog, tmp_path: Path) -> None:
    """To whoever replays it and to whoever checks it, with how much of it was read."""
    file = tmp_path / "torn.har"
    said = f"{file}: ends in the middle; {torn(file, catalog)} entries read"
    recording = read_recording([file], catalog)
    assert at_start(recording, recorded_jobs(recording, catalog))[0] == said
    folder = tmp_path / "scenarios"
    for command in (["check", "recording"], ["replay", "--export-scenarios", str(folder)]):
        ended = CliRunner().invoke(main, [*command, str(file)])
        assert said in ended.stderr.splitlines()


async def test_a_recorder_says_that_it_goes_on_in_a_torn_file(catalog: Catalog, tmp_path: Path) -> None:
    """In one line, before anything is recorded."""
    file = tmp_path / "torn.har"
    count = torn(file, catalog)
    async with recorder(catalog, file, None) as running:
        assert running.told == [f"{file}: ends in the middle; {count} entries read"]


def test_what_a_replay_cannot_tell_of_signatures_is_said(catalog: Catalog) -> None:
    """Once, whatever the number of callbacks: the secret that made them is not in the file."""
    recording = read_recording([EXAMPLE], catalog)
    said = [line for line in at_start(recording, recorded_jobs(recording, catalog)) if "signed anew" in line]
    assert len(said) == 1


def test_a_recorder_that_goes_on_in_a_torn_file_knows(catalog: Catalog, tmp_path: Path) -> None:
    """The file is mended by that, so it is torn once."""
    count = torn(tmp_path / "torn.har", catalog)
    for is_torn in (True, False):
        file = RecordingFile(tmp_path / "torn.har")
        assert (file.torn, len(file)) == (is_torn, count)
        file.close()


def test_a_file_that_is_given_twice_is_read_once(catalog: Catalog, tmp_path: Path) -> None:
    """No job is doubled, all of them end, and that it was so is said."""
    copy = tmp_path / "copy.har"
    copy.write_bytes(EXAMPLE.read_bytes())
    once, twice = (read_recording(files, catalog) for files in ([EXAMPLE], [EXAMPLE, copy]))
    assert len(twice.entries) == len(once.entries)
    assert twice.notes == (f"{len(once.entries)} exchanges in more than one of the files: read once",)
    recorded = recorded_jobs(twice, catalog)
    assert recorded.unfinished() == []
    assert len(recorded.jobs) == len(recorded_jobs(once, catalog).jobs)


def test_two_recorders_of_one_run_make_jobs_that_end(catalog: Catalog, tmp_path: Path) -> None:
    """Their clocks differ by some ms, so nothing is equal; each job has its end all the same."""
    entries = example()["log"]["entries"]
    for entry in entries:
        entry["startedDateTime"] = entry["startedDateTime"][:-2] + "7Z"
    recorded = recorded_jobs(read_recording([EXAMPLE, write(tmp_path / "b.har", entries)], catalog), catalog)
    assert recorded.unfinished() == []


@pytest.mark.parametrize(
    ("method", "status", "size", "more", "fault"),
    [
        ("GET", 200, 0, {}, "truncate"),
        ("GET", 200, 239, {}, ""),
        ("GET", 200, 0, {"content-encoding": "gzip"}, ""),
        ("HEAD", 200, 0, {}, ""),
        ("GET", 204, 0, {}, ""),
        ("GET", 304, 0, {}, ""),
    ],
)
def test_an_announced_body_that_never_came_is_a_fault(
    catalog: Catalog, tmp_path: Path, method: str, status: int, size: int, more: dict[str, str], fault: str
) -> None:
    """Another program's HAR has no word for it; what it only did not keep has a size."""
    headers = {"content-type": "application/json", "content-length": "239", **more}
    entry = {
        "startedDateTime": "2026-05-22T13:17:32.110Z",
        "time": 12,
        "request": {
            "method": method,
            "url": "https://gateway.pixazo.ai/v2/requests/status/hunyuan-video_1",
            "headers": [],
        },
        "response": {
            "status": status,
            "headers": [{"name": name, "value": value} for name, value in headers.items()],
            "content": {"size": size, "mimeType": "application/json"},
        },
    }
    (read,) = read_recording([write(tmp_path / "other.har", [entry])], catalog).entries
    assert (read.fault, read.response_body) == (fault, b"")
