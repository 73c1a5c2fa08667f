"""Exported scenarios: their names, what they never overwrite, and what of the recorded run is not in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.replay.example import EXAMPLE
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.gateway.scenario_files import find
from understudy_mock.har.read import read_recording
from understudy_mock.replay.export import export
from understudy_mock.replay.jobs import recorded_jobs


def exported(entries: list[dict[str, Any]], catalog: Catalog, folder: Path) -> list[str]:
    """Give the texts of the scenario files that come of some entries."""
    file = folder / "run.har"
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    written = export(recorded_jobs(read_recording([file], catalog), catalog), folder / "out")
    for one in written:
        find({}, str(one))  # each can be loaded
    return [one.read_text() for one in written]


def entries() -> list[dict[str, Any]]:
    """Give the entries of the shipped recording."""
    told: list[dict[str, Any]] = json.loads(EXAMPLE.read_text())["log"]["entries"]
    return told


def run(*args: object) -> tuple[int, str]:
    """Run a command; give its status and what it says on stderr."""
    ended = CliRunner().invoke(main, [str(arg) for arg in args])
    return ended.exit_code, ended.stderr


def test_files_are_named_by_recording_model_and_entry(catalog: Catalog, tmp_path: Path) -> None:
    """Two recordings in one folder do not meet, and the number is the entry's in its file."""
    for name in ("monday.har", "tuesday.har"):
        file = tmp_path / name
        file.write_bytes(EXAMPLE.read_bytes())
        assert run("replay", file, "--export-scenarios", tmp_path / "out") == (0, "")
    names = sorted(file.stem for file in (tmp_path / "out").iterdir())
    assert len(names) == 8
    told = entries()
    for name in names:
        day, _, rest = name.partition("-")
        assert day in ("monday", "tuesday")
        assert told[int(rest.rpartition("-")[2]) - 1]["request"]["method"] == "POST"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """One line says which; nothing is written, and the status is 2."""
    assert run("replay", EXAMPLE, "--export-scenarios", tmp_path)[0] == 0
    mine = max(tmp_path.iterdir())
    others = [file for file in tmp_path.iterdir() if file != mine]
    for file in others:
        file.unlink()
    mine.write_text("mine")
    status, said = run("replay", EXAMPLE, "--export-scenarios", tmp_path)
    assert (status, len(said.splitlines())) == (2, 1)
    assert f"{mine}: cannot be written: is there already" in said
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_exporting_goes_with_no_command(tmp_path: Path) -> None:
    """A command after -- would never be run, so that is a mistake to be told."""
    status, said = run("replay", EXAMPLE, "--export-scenarios", tmp_path / "out", "--", "true")
    assert status == 2
    assert "--export-scenarios" in said
    assert not (tmp_path / "out").exists()


def test_no_recorded_name_is_in_a_scenario(catalog: Catalog, tmp_path: Path) -> None:
    """A broken poll is the fault it was, and a body that is kept names no recorded job."""
    told = entries()
    polls = [one for one in told if one["_understudy"].get("operation") == "get-request-status"]
    job = polls[0]["_understudy"]["job"]
    first, second, third, *_ = (one for one in polls if one["_understudy"]["job"] == job)
    first["response"]["content"]["text"] = f'{{"request_id": "{job}", "sta'
    second["response"] |= {"status": 418}
    second["response"]["content"]["text"] = json.dumps({"error": f"{job} is a teapot"})
    third["response"]["content"] = {"size": 0, "mimeType": "application/json"}
    text = "\n".join(exported(told, catalog, tmp_path))
    assert "fault: malformed" in text
    assert "fault: empty" in text
    assert "is a teapot" in text
    assert not [one for one in polls if one["_understudy"]["job"] in text]


def test_a_refusal_comes_as_often_as_it_was_seen(catalog: Catalog, tmp_path: Path) -> None:
    """Nobody knows what the provider would have answered next."""
    refused = next(one for one in entries() if one["response"]["status"] == 429)
    later = {**refused, "startedDateTime": "2030-01-01T00:00:00.000Z"}
    (text,) = exported([refused, later], catalog, tmp_path)
    assert "times: 2" in text
    assert "always" not in text


def test_a_recording_without_a_submit_has_nothing_to_export(tmp_path: Path) -> None:
    """One line says so; no folder is made, and the status is 2."""
    others = [entry for entry in entries() if entry["_understudy"].get("operation") == "get-balance"]
    assert others
    file = tmp_path / "run.har"
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": others}}))
    status, said = run("replay", file, "--export-scenarios", tmp_path / "out")
    assert (status, said) == (2, "Error: no scenario is written: the recording holds no submit\n")
    assert not (tmp_path / "out").exists()
