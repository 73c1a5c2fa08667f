"""The few lines that say what a server can be used for."""

from __future__ import annotations

from understudy_contracts.findings import Case, Outcome
from understudy_contracts.server.promises import CHECKS
from understudy_contracts.server.summary import AREAS, summarise


def lines(**outcomes: Outcome) -> dict[str, str]:
    """Summarise cases given as the outcomes of checks, by area."""
    cases = [Case("op", name.replace("_", "-"), outcome) for name, outcome in outcomes.items()]
    return dict(summarise(cases))


def test_every_promise_belongs_to_one_area() -> None:
    assert sorted(check.id for area in AREAS for check in area.checks) == sorted(check.id for check in CHECKS)


def test_one_broken_promise_makes_its_area_not_kept() -> None:
    told = lines(job_completes=Outcome.FAILED, stamps=Outcome.PASSED, unknown_job=Outcome.PASSED)
    assert told["lifecycle"].startswith("NOT KEPT: a job is not followed")
    assert told["lifecycle"].endswith("(1 of 2 promises kept; broken: job-completes)")
    assert told["keys"] == "kept (1 of 1 promises kept)"


def test_what_was_not_reached_is_never_called_kept() -> None:
    told = lines(
        poor_are_refused=Outcome.NOT_REACHED, callback_address=Outcome.PASSED, callback_signed=Outcome.ERROR
    )
    assert told["money"].startswith("not shown: no balance, charge or refund could be seen")
    assert told["webhooks"].startswith("partly shown")


def test_an_area_that_was_not_tried_is_not_told_of() -> None:
    assert set(lines(stamps=Outcome.PASSED)) == {"lifecycle"}


def test_an_area_says_at_how_many_operations_it_was_seen() -> None:
    """What one operation of twelve keeps is not kept by the server."""
    cases = [
        Case("one", "stamps", Outcome.PASSED),
        *(Case(name, "stamps", Outcome.NOT_REACHED) for name in ("two", "three")),
    ]
    assert list(summarise(cases)) == [("lifecycle", "kept (1 of 1 promises kept at 1 of 3 operations)")]
