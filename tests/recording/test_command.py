"""`understudy check recording` from the outside: its exit statuses, its table and its reports."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from click.testing import CliRunner, Result

from tests.driving import PROVIDERS, Gateway, MakeGateway, poll, submit
from tests.recording.traffic import entries_of, live
from tests.rules.story import Story
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.write import write_har


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", "recording", *map(str, arguments)])


async def record(gateway: Gateway, file: Path, *providers: str, polls_on: bool = False) -> Path:
    """Write what a careful client says to a gateway on this machine, or one that polls on after the end."""
    transport = httpx.ASGITransport(gateway.app)
    gateway.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")
    for provider in providers:
        if provider == "segmind":
            await live(gateway, provider)
            continue
        job = (await submit(gateway, provider)).json()
        name = job["request_id"] if provider == "pixazo" else job["data"]["id"]
        for seconds in (6, 6, 99, *([6] * 3 if polls_on else [])):
            gateway.advance(seconds)
            await poll(gateway, name, provider)
            if (provider, seconds) == ("wavespeed", 99):
                break
    save(file, entries_of(gateway))
    return file


def save(file: Path, entries: list[JournalEntry]) -> None:
    file.write_text(json.dumps(write_har(entries)))


async def test_a_recording_that_is_as_documented_is_0(make_gateway: MakeGateway, tmp_path: Path) -> None:
    """Exit 0; the times of each model are told, ready for the spec."""
    file = await record(make_gateway(speed=1), tmp_path / "run.har", *PROVIDERS)
    result = check(file)
    assert result.exit_code == 0, result.output
    assert "Everything is as documented." in result.stdout
    assert "pixazo hunyuan-video " in result.stdout
    assert (
        "For x-model of hunyuan-video (segmind):\n  course:\n    queued: 0\n    processing: 211.32"
        in result.stdout
    )
    assert "0 differences; 0 client rules broken; " in result.stdout


async def test_drift_is_1_and_the_table_says_what_where_how_often_and_in_which_file(
    make_gateway: MakeGateway, tmp_path: Path
) -> None:
    good = await record(make_gateway(speed=1), tmp_path / "good.har", "pixazo")
    bad = await record(make_gateway(speed=1, quirks=("sql-timestamps",)), tmp_path / "bad.har", "pixazo")
    result = check(good, bad)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    row = next(index for index, line in enumerate(lines) if "/updated_at" in line)
    assert lines[row].split() == [
        *("MUST", "3×", "stamp-format", "pixazo", "get-request-status", "response", "200", "/updated_at")
    ]
    assert "documented: iso-ms; seen: sql 2026-09-21 14:13:20" in lines[row + 1]
    assert (
        f"in {bad}, 2026-09-21T14:13:26.000Z, GET http://127.0.0.1:8080/v2/requests/status/" in lines[row + 2]
    )


async def test_more_than_documented_counts_with_strict_alone(
    make_gateway: MakeGateway, tmp_path: Path
) -> None:
    file = await record(make_gateway(speed=1, quirks=("extra-fields",)), tmp_path / "run.har", "pixazo")
    assert check(file).exit_code == 0
    assert check("--strict", file).exit_code == 1


async def test_a_broken_client_rule_is_1(make_gateway: MakeGateway, tmp_path: Path) -> None:
    """The same rules as everywhere; two recordings are two runs, not one that repeats itself."""
    first = await record(make_gateway(speed=1, seed=1), tmp_path / "first.har", "pixazo")
    second = await record(make_gateway(speed=1, seed=2), tmp_path / "second.har", "pixazo")
    assert check(first, second).exit_code == 0
    odd = await record(make_gateway(speed=1), tmp_path / "odd.har", "pixazo", polls_on=True)
    result = check(first, odd)
    assert result.exit_code == 1
    assert "MUST polled-after-terminal" in result.stdout
    assert f"  in {odd}" in result.stdout


async def test_reports_hold_the_same_for_programs(make_gateway: MakeGateway, tmp_path: Path) -> None:
    """JSON with the drift and the times, JUnit with a suite for each operation; stdout on request."""
    file = await record(make_gateway(speed=1, quirks=("submit-200",)), tmp_path / "run.har", *PROVIDERS)
    result = check(file, "--report-dir", tmp_path / "report", "--format", "json")
    told = json.loads(result.stdout)
    assert (
        told["facts"].items() >= json.loads((tmp_path / "report/recording.json").read_text())["facts"].items()
    )
    [drift] = told["facts"]["drift"]
    assert drift["kind"] == "undocumented-status"
    assert drift["where"] == "response 200"
    assert drift["operation"] == "submit-hunyuan-video"
    assert drift["example"] == {"file": str(file), "startedDateTime": "2026-09-21T14:13:20.000Z"}
    times = {one["provider"]: one for one in told["facts"]["times"]}
    assert times["pixazo"]["processing"] == {"p50_s": 100.0, "p95_s": 100.0, "n": 1, "within_s": 0}
    suites = {
        s.get("name"): s for s in ElementTree.parse(tmp_path / "report/recording.xml").iter("testsuite")
    }
    assert suites["pixazo submit-hunyuan-video"].get("failures") == "1"
    assert suites["pixazo get-request-status"].get("failures") == "0"
    # What was never in reach has not been kept: in no form is it passed.
    outcomes = {case["name"]: case["outcome"] for case in told["cases"] if case["group"] == "client rules"}
    unreached = [name for name, outcome in outcomes.items() if outcome == "not reached"]
    assert outcomes["missing-key"] == "passed"
    assert {"ignored-retry-after", "callback-not-acknowledged", "wrong-output"} <= set(unreached)
    assert suites["client rules"].get("skipped") == str(len(unreached))
    page = (tmp_path / "report/recording.html").read_text()
    assert f"{len(unreached)} not reached" in page
    assert "How long jobs took" in page
    shown = page.replace("&#39;", "'").replace("\n  ", "\n")
    assert all(one["course"].rstrip() in shown for one in times.values())
    reached = f"{len(outcomes) - len(unreached)} of {len(outcomes)} in reach; the situations of the others"
    assert reached in check(file).stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "there is no such file"), ("", "is empty"), ("{", "ends in the middle"), ("{}", "no HAR")],
)
def test_a_file_that_cannot_be_used_is_2_in_one_line(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "run.har"
    if text is not None:
        file.write_text(text)
    result = check(file)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert str(file) in result.stderr
    assert said in result.stderr


def test_help_shows_how() -> None:
    result = check("--help")
    assert result.exit_code == 0
    assert "understudy check recording run.har" in result.stdout


def test_what_is_not_judged_stands_in_the_row_of_the_rule_that_was_broken(
    catalog: Catalog, tmp_path: Path
) -> None:
    story = Story(catalog).submit(0)
    for path in ("/v2/request/status/x", "/health"):
        story.add(10, "GET", path, 404, {"error": "not found"})
    save(tmp_path / "run.har", story.entries)
    result = check(tmp_path / "run.har", "--report-dir", tmp_path / "report")
    assert result.exit_code == 1
    told = json.loads((tmp_path / "report" / "recording.json").read_text())
    (case,) = (one for one in told["cases"] if one["name"] == "undocumented-route")
    assert [one["severity"] for one in case["findings"]] == ["MUST", "INFO"]
