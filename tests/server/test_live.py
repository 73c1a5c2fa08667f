"""Live mode, where every submit costs money."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.findings import Case, Outcome
from understudy_contracts.server.gateway import gateway_settings
from understudy_contracts.server.lifecycle import subjects
from understudy_contracts.server.live import Purse, run_live
from understudy_contracts.server.promises import CHECKS
from understudy_contracts.server.spec import Api
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import PATIENCE, Exchange, Inside, Unanswered, Wire
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog


class Breaking:
    """A wire into a gateway that loses the answers to submits, or every call, or the first two polls."""

    def __init__(self, inner: Wire, *, loses: str, cause: Exception) -> None:
        self.base_url = inner.base_url
        self.calls: list[str] = []
        self._inner = inner
        self._loses = loses
        self._cause = cause

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, patience: float = PATIENCE
    ) -> Exchange:
        self.calls.append(method)
        if self._loses == "calls" or (self._loses == "polls" and self.calls.count("GET") in (1, 2)):
            raise Unanswered(Exchange(method, url, headers, body, 0), self._cause)
        exchange = self._inner.send(method, url, headers, body)
        if self._loses == "submits" and method == "POST":
            raise Unanswered(Exchange(method, url, headers, body, 0), self._cause)
        return exchange

    def close(self) -> None:
        self._inner.close()


def check_live(
    catalog: Catalog, wire: Wire, limit: float, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Case], Purse]:
    """Run live checks of every model of Pixazo; give the cases, and what is left to spend."""
    purse = Purse(wire, limit, progress)
    target = Target(purse, key="the-key", patience=0.4, stranger=True)
    receiver = Receiver()
    try:
        return list(run_live(subjects(target, [Api("pixazo", catalog)], receiver), purse)), purse
    finally:
        receiver.close()
        target.close()


def test_a_live_run_makes_one_submit_a_model_and_stops_at_the_cap(catalog: Catalog) -> None:
    """What is spent stays below the cap, no model is paid twice, and nothing beyond is called passed."""
    world = create_world(gateway_settings("polls"), catalog=catalog)
    said: list[str] = []
    cases, _ = check_live(catalog, Inside(create_app(world=world)), 0.9, said.append)
    jobs = list(world.store)
    assert 0 < sum(job.price for job in jobs) <= 900_000
    assert len(said) == len(jobs)
    assert said[0].endswith("of 0.9 are left")
    assert len({job.model.id for job in jobs}) == len(jobs)
    assert [case for case in cases if case.outcome in (Outcome.FAILED, Outcome.ERROR)] == []
    unpaid = {case.group for case in cases if "are left" in case.reason}
    assert len(unpaid) == 12 - len(jobs)


@pytest.mark.parametrize(("status", "spent"), [(500, True), (503, True), (402, False), (400, False)])
def test_a_submit_that_broke_may_have_been_accepted_and_counts_as_spent(
    catalog: Catalog, status: int, spent: bool
) -> None:
    """So that no run of 5xx can spend more than was allowed; a refusal costs nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({}, status)(scope, receive, send)

    cases, purse = check_live(catalog, Inside(app), 0.5)
    assert (purse.left < 0.5) is spent
    assert {case.outcome for case in cases} == {Outcome.NOT_REACHED}


@pytest.mark.parametrize(
    ("loses", "cause", "left", "submits"),
    [
        ("submits", httpx.ReadError("reset"), 99.0, 1),  # it may have been accepted, and paid for
        ("calls", httpx.ConnectError("no such host"), 100.0, 1),  # it never left
    ],
)
def test_a_submit_without_an_answer_is_not_made_again(
    catalog: Catalog, loses: str, cause: Exception, left: float, submits: int
) -> None:
    """Nor is any other: nothing was reached, which is no finding."""
    world = create_world(gateway_settings("polls"), catalog=catalog)
    wire = Breaking(Inside(create_app(world=world)), loses=loses, cause=cause)
    cases, purse = check_live(catalog, wire, 100)
    assert wire.calls.count("POST") == submits
    assert {case.outcome for case in cases} == {Outcome.NOT_REACHED}
    assert left <= purse.left <= left + 1
    assert all(str(cause) in case.reason for case in cases)


def test_a_lost_poll_does_not_lose_a_job_that_is_paid_for(catalog: Catalog) -> None:
    """It is made again."""
    world = create_world(gateway_settings("polls"), catalog=catalog)
    wire = Breaking(Inside(create_app(world=world)), loses="polls", cause=httpx.ReadError("reset"))
    cases, _ = check_live(catalog, wire, 0.9)
    assert Outcome.PASSED in {case.outcome for case in cases if case.name == "job-completes"}
    assert {case.outcome for case in cases} == {Outcome.PASSED, Outcome.NOT_REACHED}


def test_a_refused_submit_costs_nothing(catalog: Catalog) -> None:
    """What was set aside for it can be spent on another model."""
    closed = replace(gateway_settings("polls"), api_keys=("another-key",))
    wire = Inside(create_app(world=create_world(closed, catalog=catalog)))
    cases, purse = check_live(catalog, wire, 0.5)
    assert purse.left == 0.5
    assert {case.reason for case in cases if case.name == "job-completes"} == {"the submit was answered 401"}


def test_a_free_check_needs_no_submit_of_its_own(catalog: Catalog) -> None:
    """The one that all of them follow is enough for each."""
    world = create_world(gateway_settings("polls"), catalog=catalog)
    cases, _ = check_live(catalog, Inside(create_app(world=world)), 0.5)
    asked = [case for case in cases if case.group == cases[0].group]
    assert {case.name for case in asked} == {check.id for check in CHECKS if check.free}
    assert [case.reason for case in asked if "one submit a model" in case.reason] == []
