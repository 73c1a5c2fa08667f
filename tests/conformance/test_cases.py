"""Cases are data: what is not understood is refused, and what is expected follows from the scenario."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from understudy_contracts.conformance.cases import SPEED, CaseError, choose, read_cases
from understudy_contracts.conformance.expectation import Span, derive
from understudy_contracts.conformance.protocol import Hello, Mode, Timing
from understudy_contracts.conformance.stage import budget_ms
from understudy_mock.domain.scenario import read_scenario
from understudy_mock.gateway.scenario_files import read_scenarios
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())

INPUTS = "pixazo: {model: m, input: {prompt: a}}\n"


def written(folder: Path, text: str) -> Path:
    (folder / "_inputs.yaml").write_text(INPUTS)
    (folder / "some.yaml").write_text(text)
    return folder


def test_ids_name_one_case_each() -> None:
    cases = read_cases()
    assert len({case.id for case in cases}) == len(cases)


def test_every_quirk_has_a_case() -> None:
    tried = {quirk for case in read_cases() for quirk in case.scenario.quirks}
    assert tried == set(QUIRKS)


def test_every_provider_is_tried_in_its_modes() -> None:
    places = {(case.provider, case.mode) for case in read_cases()}
    assert places == {
        ("pixazo", "poll"),
        ("pixazo", "webhook"),
        ("wavespeed", "poll"),
        ("wavespeed", "webhook"),
        ("wavespeed", "sync"),
        ("segmind", "poll"),
        ("segmind", "sync"),
    }


def test_a_glob_names_cases_by_their_beginning_or_their_whole_id() -> None:
    cases = read_cases()
    assert {case.group for case in choose(cases, ("webhook",), ())} == {"webhook"}
    assert {case.mode for case in choose(cases, ("*/pixazo/poll",), ())} == {"poll"}
    assert {case.provider for case in choose(cases, (), ("segmind",))} == {"segmind"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group: a\ncases: {}\n", "at"),
        (
            "group: a\nat: [pixazo/poll]\ncases: {c: {summary: s, scenario: nobody}}\n",
            "unknown scenario",
        ),
        ("group: a\nat: [mars/poll]\ncases: {c: {summary: s, scenario: fails}}\n", "PROVIDER/MODE"),
        ("group: a\nat: [pixazo/poll]\ncases: {c: {summary: s, scenario: fails, need: [x]}}\n", "need"),
        (
            "group: a\nat: [pixazo/poll]\ncases: {c: {summary: s, scenario: fails, needs: [x]}}\n",
            "capability",
        ),
        ("group: a\nat: [pixazo/poll]\ncases: {c: {summary: s, scenario: {name: x, jobs: {}}}}\n", "jobs"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        read_cases(written(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "outcomes", "kinds", "submits", "jobs"),
    [
        ("completes", {"completed"}, set(), Span(1, 1), Span(1, 1)),
        ("fails", {"failed"}, {"job_failed"}, Span(1, 1), Span(1, 1)),
        ("never-finishes", {"timeout"}, set(), Span(1, 1), Span(1, 1)),
        ("insufficient-balance", {"rejected"}, {"insufficient_balance"}, Span(1, 1), Span(0, 0)),
        ("rate-limited", {"completed"}, set(), Span(2, 2), Span(1, 1)),
        ("rate-limited-no-header", {"completed"}, set(), Span(3, 3), Span(1, 1)),
        ("rate-limited-for-ever", {"rejected"}, {"rate_limited"}, Span(2), Span(0, 0)),
    ],
)
def test_expectations_follow_from_the_scenario(
    name: str, outcomes: set[str], kinds: set[str], submits: Span, jobs: Span
) -> None:
    expected = derive(read_scenarios()[name], shipped()["pixazo"], "poll")
    assert {*expected.outcomes} == outcomes
    assert {*expected.kinds} == kinds
    assert (expected.submits, expected.jobs) == (submits, jobs)


def test_after_a_lost_submit_anything_is_right_but_two_jobs() -> None:
    expected = derive(read_scenarios()["submit-504-after-accept"], shipped()["pixazo"], "poll")
    assert expected.jobs == Span(0, 1)
    assert {"completed", "failed", "rejected"} <= expected.outcomes


def test_several_outputs_are_all_expected() -> None:
    scenario = read_scenario({"name": "three", "job": {"outputs": 3}})
    assert derive(scenario, shipped()["pixazo"], "poll").media == 3


@pytest.mark.parametrize(
    ("provider", "mode", "outcomes"),
    [
        ("pixazo", "poll", {"failed"}),
        ("segmind", "sync", {"failed", "rejected"}),
        ("wavespeed", "poll", {"completed"}),
    ],
)
def test_what_the_safety_checker_stops_fails_where_nothing_is_flagged(
    provider: str, mode: Mode, outcomes: set[str]
) -> None:
    scenario = read_scenario({"name": "unsafe", "job": {"nsfw": True}})
    assert {*derive(scenario, shipped()[provider], mode).outcomes} == outcomes


def test_a_synchronous_answer_comes_within_a_second_where_the_case_is_not_about_waiting() -> None:
    for case in read_cases():
        if case.mode == "sync" and case.name != "expired":
            job = case.scenario.job
            assert job.queued is not None
            assert job.processing is not None
            assert (job.queued + job.processing) / SPEED < 1, case.id


def test_a_budget_grows_by_what_a_slow_client_declares() -> None:
    (case,) = [case for case in read_cases() if case.id == "polling/poll-503-twice/pixazo/poll"]
    slow = Hello(timing=Timing(min_poll_ms=2000, start_ms=300))
    assert budget_ms(case, Hello()) == case.budget_ms
    assert budget_ms(case, slow) == case.budget_ms + (2 + 2) * 2000 + 300


@pytest.mark.parametrize("arguments", [(), ("nobody",)])
def test_broken_clients_are_listed_where_none_is_named(arguments: tuple[str, ...]) -> None:
    command = (sys.executable, "-m", "fixtures.clients.broken", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "busy_poll" in done.stderr
    assert "Traceback" not in done.stderr
