"""Known failures: each has a reason, still has to fail, and never excuses a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy_contracts.conformance.known import KnownError, excuse, read_known
from understudy_contracts.findings import Case, Finding, Outcome, Severity

RULES = {"submitted-twice", "leaked-key", "missing-key", "x"}


def failed(name: str, *rules: str) -> Case:
    findings = tuple(Finding(rule, Severity.MUST, "source", "expected", "seen") for rule in rules)
    return Case("group", name, Outcome.FAILED if rules else Outcome.PASSED, findings=findings)


def known(folder: Path, text: str) -> Path:
    file = folder / "known.txt"
    file.write_text(text)
    return file


def test_a_known_failure_passes_and_says_why(tmp_path: Path) -> None:
    entries = read_known(known(tmp_path, "group/one  # it retries\n"), RULES)
    (case,) = excuse([failed("one", "submitted-twice")], entries)
    assert (case.outcome, case.findings) == (Outcome.PASSED, ())
    assert case.reason == "known to fail: submitted-twice: it retries"


def test_a_rule_excuses_no_other_rule(tmp_path: Path) -> None:
    entries = read_known(known(tmp_path, "group/one:leaked-key  # it does\n"), RULES)
    (case,) = excuse([failed("one", "leaked-key", "missing-key")], entries)
    assert case.outcome is Outcome.FAILED
    assert [finding.id for finding in case.findings] == ["missing-key"]


@pytest.mark.parametrize(
    "line", ["group/one # passes now", "group/two # no such case", "group/one:x # other rule"]
)
def test_an_entry_that_excuses_nothing_fails_the_run(tmp_path: Path, line: str) -> None:
    passed, stale = excuse([failed("one")], read_known(known(tmp_path, line), RULES))
    assert passed.outcome is Outcome.PASSED
    assert stale.outcome is Outcome.FAILED
    assert stale.findings[0].id == "stale-known-failure"


def test_a_skipped_case_makes_no_entry_stale(tmp_path: Path) -> None:
    skipped = Case("group", "one", Outcome.NOT_REACHED)
    assert excuse([skipped], read_known(known(tmp_path, "group/one # fails"), RULES)) == [skipped]


def test_a_crash_is_never_excused(tmp_path: Path) -> None:
    case, stale = excuse(
        [failed("one", "crashed")], read_known(known(tmp_path, "group/one # crashes"), RULES)
    )
    assert case.outcome is Outcome.FAILED
    assert stale.findings[0].id == "stale-known-failure"


def test_an_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnownError, match="needs a reason"):
        read_known(known(tmp_path, "# a comment\ngroup/one\n"), RULES)


def test_a_rule_that_nobody_knows_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(KnownError, match=r"known.txt:1: unknown rule 'leaked-keys'.*mean leaked-key"):
        read_known(known(tmp_path, "group/one:leaked-keys  # it does\n"), RULES)


def test_an_entry_for_a_case_that_was_left_out_is_not_stale(tmp_path: Path) -> None:
    entries = read_known(known(tmp_path, "group/two  # fails\n"), RULES)
    assert [case.name for case in excuse([failed("one")], entries, {"group/two"})] == ["one"]
