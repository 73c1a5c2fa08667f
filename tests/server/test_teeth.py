"""Each server broken on purpose is caught by exactly the checks named for it, and the gateway by none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.broken import SERVERS, Server, start
from understudy_contracts.callback_inbox import CallbackInbox, Receiver
from understudy_contracts.findings import Outcome
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.lifecycle import run_check, run_checks, subjects
from understudy_contracts.server.promises import CHECKS
from understudy_contracts.server.spec import Api
from understudy_contracts.server.subject import Subject
from understudy_contracts.server.target import Target
from understudy_mock.catalog import Catalog

# Where each provider is put to the test: two queues, and a call that waits for its file.
PLACES = {
    "pixazo": "submit-hunyuan-video",
    "wavespeed": "submit-hunyuan-video-i2v",
    "segmind": "submit-hunyuan-video",
}
_UNKNOWN_TO_SYNC = {"job never ends"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackInbox]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(autouse=True)
def _no_tracebacks() -> Iterator[None]:
    """Servers that crash on purpose say so at length."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def subject_at(target: Target, provider: str, catalog: Catalog, receiver: CallbackInbox) -> Subject:
    api = Api(provider, catalog)
    (operation,) = (one for one in api.submits if one.id == PLACES[provider])
    return Subject(target, api, operation, receiver)


def named(server: Server, subject: Subject) -> set[str]:
    """The checks that must catch a server at this place."""
    suited = {check.id for check in CHECKS if check.suits(subject)}
    return set(server.caught_by & suited)


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_broken_server_is_caught_by_the_checks_named_for_it(
    request: pytest.FixtureRequest, catalog: Catalog, receiver: CallbackInbox, server: Server
) -> None:
    """Every broken server is caught at its first provider, by each check that is named for it."""
    provider = server.only or "pixazo"
    target = start(server, catalog)
    try:
        subject = subject_at(target, provider, catalog, receiver)
        wanted = named(server, subject)
        assert wanted
        kills = []
        for check in CHECKS:
            if check.id not in wanted:
                continue
            before = target.calls
            case = run_check(check, subject)
            assert [finding.id for finding in case.findings] == [check.id], case.reason
            kills.append(f"{check.id} after {target.calls - before} calls")
    finally:
        target.close()
    # Printed at the end of the run: see tests/conftest.py.
    row = f"broken server  {server.name:<30} {provider:<10} caught by {', '.join(kills)}"
    request.node.user_properties.append(("table", row))


def test_every_check_has_something_broken_that_it_catches() -> None:
    """No check is there for nothing."""
    assert {check.id for check in CHECKS} == {name for server in SERVERS for name in server.caught_by}


@pytest.mark.slow
@pytest.mark.parametrize("provider", PLACES)
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_broken_server_is_caught_by_no_other_check(
    catalog: Catalog, receiver: CallbackInbox, server: Server, provider: str
) -> None:
    """The full matrix: all checks on each broken server find what is named for it and nothing else."""
    if server.only not in ("", provider):
        pytest.skip("the provider cannot be broken so")
    target = start(server, catalog)
    try:
        subject = subject_at(target, provider, catalog, receiver)
        if not subject.queues and server.name in _UNKNOWN_TO_SYNC:
            pytest.skip("a call that waits has no job that could do this")
        caught = {case.name for case in run_checks([subject]) if case.outcome is Outcome.FAILED}
        wanted = named(server, subject)
        if not subject.queues:
            # What is wrong with a queue's polls cannot be seen through a call that has none.
            caught, wanted = caught - {"every-other-status"}, wanted - {"every-other-status"}
        assert caught == wanted
    finally:
        target.close()


def check_all(pace: Any, catalog: Catalog, receiver: CallbackInbox) -> Coverage:
    target = start(None, catalog, pace)
    apis = [Api(provider, catalog) for provider in catalog.providers]
    coverage = Coverage(apis, forced=True)
    target.watchers.append(coverage.watch)
    try:
        cases = list(run_checks(subjects(target, apis, receiver)))
    finally:
        target.close()
    assert [case for case in cases if case.outcome is not Outcome.PASSED] == []
    return coverage


def test_the_gateway_keeps_every_promise_and_shows_every_documented_status(
    request: pytest.FixtureRequest, catalog: Catalog, receiver: CallbackInbox
) -> None:
    """No check finds anything, none is not reached, every documented operation and status is seen."""
    coverage = check_all("manual", catalog, receiver)
    request.node.user_properties.append(("table", f"the gateway    caught by no check; {coverage.line()}"))
    assert coverage.missing() == []
    assert coverage.as_json()["seen"] == coverage.documented


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["clock", "polls"])
def test_the_gateway_keeps_every_promise_at_every_pace(
    catalog: Catalog, receiver: CallbackInbox, pace: str
) -> None:
    """Real time, and polls that move jobs, change nothing."""
    check_all(pace, catalog, receiver)
