"""No promise is called broken for how a server was started, how fast it is, or what it does not offer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.server.broken import SERVERS, start
from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.findings import Case, Outcome
from understudy_contracts.server.dialect import View
from understudy_contracts.server.gateway import gateway_settings, open_app
from understudy_contracts.server.lifecycle import run_check, run_checks, subjects
from understudy_contracts.server.promises import CHECKS
from understudy_contracts.server.promises.limits import _was_early
from understudy_contracts.server.spec import Api
from understudy_contracts.server.stamps import is_after, read_stamp
from understudy_contracts.server.subject import Subject
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import Exchange
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog

KEY = "the-users-key"


@contextmanager
def checking(
    catalog: Catalog, *, key: str | None = None, only: str = "", pace: Any = "manual", **options: Any
) -> Iterator[tuple[Target, list[Subject]]]:
    """Open a gateway with these settings; `only` leaves it one model and hides what it is."""
    world = create_world(replace(gateway_settings(pace), **options), catalog=catalog)
    app = create_app(world=world)
    target, receiver = open_app(alone(app, only) if only else app, key=key), Receiver()
    try:
        yield target, list(subjects(target, [Api("pixazo", catalog)], receiver))
    finally:
        receiver.close()
        target.close()


def alone(app: ASGIApp, model: str) -> ASGIApp:
    """A server that knows the submit of one model, and its jobs and files."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_other = scope.get("method") == "POST" and model not in path
        if path.startswith("/_mock") or is_other:
            await JSONResponse({"error": "Resource not found"}, 404)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return served


def the(under_test: list[Subject], operation: str) -> Subject:
    (found,) = (one for one in under_test if one.operation.id == operation)
    return found


def run(subject: Subject, name: str) -> Case:
    (check,) = (one for one in CHECKS if one.id == name)
    return run_check(check, subject)


def test_the_account_of_a_given_key_is_put_back_as_it_was(catalog: Catalog) -> None:
    """Checks change its money, limit and scenario, none of them is in another one's way, and none stays."""
    before = {"balance_usd": 3.5, "rate_limit": "5/60", "scenario": "fails", "disabled_models": []}
    world = create_world(gateway_settings(), catalog=catalog)
    app = create_app(world=world)
    owner, target, receiver = open_app(app), open_app(app, key=KEY), Receiver()
    try:
        owner.make_account(KEY, **before)
        (subject, *_) = subjects(target, [Api("pixazo", catalog)], receiver)
        cases = list(run_checks([subject]))
        target.close()
        after = owner.admin("GET", f"accounts/{KEY}")
    finally:
        receiver.close()
        owner.close()
    unseen = {case.name: case.reason for case in cases if case.outcome is not Outcome.PASSED}
    assert unseen == {"foreign-job-unreadable": "needs a second key"}
    assert {name: after[name] for name in before} == before


def test_options_of_an_understudy_are_in_no_checks_way(catalog: Catalog) -> None:
    """Each account is made as documented first, whatever the server was started with."""
    options: dict[str, Any] = {"balance": 0.1, "rate_limit": "2/60", "scenario": "fails", "fail_rate": 1.0}
    with checking(catalog, **options) as (_, (subject, *_)):
        cases = list(run_checks([subject]))
    assert {case.name: case.reason for case in cases if case.outcome is not Outcome.PASSED} == {}


def test_a_server_that_takes_no_made_up_key_is_accused_of_nothing(catalog: Catalog) -> None:
    """Nothing was seen of it, and the reasons say what to give."""
    with checking(catalog, api_keys=(KEY,)) as (_, (subject, *_)):
        cases = list(run_checks([subject]))
    assert {case.outcome for case in cases} == {Outcome.NOT_REACHED}
    assert {case.reason for case in cases if "--key" not in case.reason} == set()


def test_a_mock_of_one_model_is_asked_about_that_model_alone(catalog: Catalog) -> None:
    """The operations that it does not know break nothing, and it stands for its provider where one does."""
    with checking(catalog, only="hunyuan-video/", pace="clock", speed=100.0) as (target, under_test):
        target.patience = 2.0
        known = the(under_test, "submit-hunyuan-video")
        others = [one for one in under_test if one is not known]
        assert known.first
        assert not any(one.first for one in others)
        for name in ("submit-needs-key", "callback-address", "unknown-job"):
            assert run(known, name).outcome is Outcome.PASSED
            assert run(others[0], name).outcome is Outcome.NOT_REACHED
        assert run(known, "callback-once-at-end").outcome is Outcome.PASSED


def test_a_short_job_owes_no_progress(catalog: Catalog) -> None:
    """Progress comes every 15 s at the latest, and nobody knows how fast a stranger's clock is."""
    with checking(catalog, only="hunyuan-image-3", pace="clock", speed=100.0) as (target, under_test):
        target.patience = 2.0
        case = run(the(under_test, "submit-hunyuan-image-3-0-instruct"), "callback-progress")
    assert case.outcome is Outcome.NOT_REACHED
    assert "progress is due every 15 s" in case.reason


def test_a_retry_is_early_only_when_it_was_answered_before_the_wait_was_over(catalog: Catalog) -> None:
    """A slow server may have counted it after that."""

    def sent(at: int, took: float) -> Exchange:
        return Exchange("POST", "http://h/run", {}, b"", 200, at=at, took=took)

    with checking(catalog, pace="clock") as (_, (subject, *_)):
        assert _was_early(subject, sent(0, 10), sent(1500, 10), 2.0)
        assert not _was_early(subject, sent(0, 1500), sent(2000, 1500), 2.0)


def test_utc_may_be_written_as_an_offset() -> None:
    """It says what Z says."""
    assert read_stamp("2026-05-22T13:17:32.110+00:00") == read_stamp("2026-05-22T13:17:32.110Z")
    with pytest.raises(ValueError, match="neither ISO 8601"):
        read_stamp("2026-05-22T13:17:32.110+02:00")


def test_an_address_that_is_signed_anew_is_the_same_output() -> None:
    """What comes after the ? is for who asks; another path is another file."""
    one, again, other = (
        View("a", "COMPLETED", "COMPLETED", outputs=(f"http://h/{file}",))
        for file in ("f?s=1", "f?s=2", "g?s=1")
    )
    assert one.content == again.content != other.content


@pytest.mark.parametrize(
    ("one", "other", "after"),
    [
        ("2026-05-22T11:22:14.730Z", "2026-05-22T11:22:14.729Z", True),
        ("2026-05-22T11:22:14.730Z", "2026-05-22T11:22:14.730Z", False),
        ("2026-05-22T11:22:14.730Z", "2026-05-22 11:22:14", False),
        ("2026-05-22 11:22:15", "2026-05-22T11:22:14.730Z", False),
        ("2026-05-22T11:22:15.730Z", "2026-05-22 11:22:14", True),
        ("2026-05-22 11:22:15", "2026-05-22 11:22:14", True),
    ],
)
def test_stamps_are_compared_as_precisely_as_both_are(one: str, other: str, after: bool) -> None:
    """Whole seconds are not after the milliseconds within them."""
    assert is_after(one, other) is after


def test_stamps_of_whole_seconds_are_in_order(catalog: Catalog) -> None:
    """The quirk that cuts some stamps off puts none out of order."""
    with checking(catalog, quirks=("sql-timestamps",)) as (_, (subject, *_)):
        subject.target.elapse(0.73)
        assert run(subject, "stamps").outcome is Outcome.PASSED


def test_a_state_that_is_not_documented_is_one_finding(catalog: Catalog) -> None:
    """What it means is not known, so no other promise is broken by it."""
    (server,) = (one for one in SERVERS if one.name == "FAILED told as CANCELLED")
    target, receiver = start(server, catalog), Receiver()
    try:
        (subject, *_) = subjects(target, [Api("pixazo", catalog)], receiver)
        cases = {case.name: case for case in run_checks([subject])}
    finally:
        receiver.close()
        target.close()
    assert {name for name, case in cases.items() if case.outcome is Outcome.FAILED} == {"documented-states"}
    assert "the state was 'CANCELLED'" in cases["states-never-go-back"].reason


def test_a_finding_about_callbacks_says_what_the_receiver_should_get(catalog: Catalog) -> None:
    """Its commands alone would show no callback."""
    (server,) = (one for one in SERVERS if one.name == "callback twice")
    target, receiver = start(server, catalog), Receiver()
    try:
        (subject, *_) = subjects(target, [Api("pixazo", catalog)], receiver)
        (finding,) = run(subject, "callback-once-at-end").findings
    finally:
        receiver.close()
        target.close()
    assert "until curl" in finding.curl
    assert "# what RECEIVER should get: In terminal mode one callback comes" in finding.curl
    assert "# what it got in the run: 2 callbacks came" in finding.curl
