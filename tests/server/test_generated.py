"""Calls that are made up: what a server that breaks off, redirects or is not there brings about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.server.test_command import listening
from understudy_contracts.findings import Outcome
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.generated import Budget, generate
from understudy_contracts.server.spec import Api
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import Exchange, Http
from understudy_mock.catalog import Catalog

Answer = Callable[[str, str, bytes], Any]
BRIEF = Budget(fuzzing=2, chains=1, phases=("coverage",))


@contextlib.contextmanager
def target_at(answer: Answer) -> Iterator[Target]:
    with listening(answer) as url:
        target = Target(Http(url), seed=1)
        try:
            yield target
        finally:
            target.close()


def test_a_call_without_an_answer_is_a_finding_and_hides_no_other(catalog: Catalog) -> None:
    """The case has failed with what was found before the connection was closed, too."""
    calls: list[str] = []

    def breaks_off(method: str, path: str, body: bytes) -> tuple[int, Any]:
        calls.append(path)
        if len(calls) > 4 and method == "POST":
            raise ConnectionAbortedError
        return 418, {}

    api = Api("pixazo", catalog, only=("submit-hunyuan-video",))
    with target_at(breaks_off) as target:
        cases = list(generate(target, api, seed=1, budget=BRIEF))
    (case,) = (one for one in cases if "submit" in one.group or "hunyuan-video-request" in one.group)
    assert case.outcome is Outcome.FAILED
    found = {finding.id for finding in case.findings}
    assert {"generated-no-answer", "generated-status-code-conformance"} <= found
    (lost,) = (finding for finding in case.findings if finding.id == "generated-no-answer")
    assert "curl -si -X POST" in lost.curl


def test_an_answer_without_an_end_is_no_answer(catalog: Catalog) -> None:
    """It is read up to a bound, once decompressed, and no further."""

    def bomb(method: str, path: str, body: bytes) -> tuple[int, Any]:
        return (200, "x" * 3_000_000) if path.startswith("/hunyuan-video") else (404, {})

    api = Api("pixazo", catalog, only=("submit-hunyuan-video",))
    budget = Budget(fuzzing=2, chains=1, phases=("coverage",), most_read=1_000_000)
    with target_at(bomb) as target:
        cases = list(generate(target, api, seed=1, budget=budget))
    found = [f for case in cases for f in case.findings if f.id == "generated-no-answer"]
    assert [f.seen for f in found] == ["no answer: the answer has more than 1,000,000 bytes"]


def test_a_redirect_is_judged_and_not_followed(catalog: Catalog) -> None:
    """What it leads to would be judged in its place."""
    followed: list[str] = []

    def redirects(method: str, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/elsewhere":
            followed.append(method)
        # Schemathesis asks elsewhere what the server is capable of, before it makes calls.
        is_call = path.startswith(("/hunyuan-video", "/v2"))
        return (307, {}, {"Location": "/elsewhere"}) if is_call else (404, {}, {})

    api = Api("pixazo", catalog, only=("submit-hunyuan-video",))
    with target_at(redirects) as target:
        cases = list(generate(target, api, seed=1, budget=BRIEF))
    assert followed == []
    seen = [finding for case in cases for finding in case.findings]
    assert "generated-status-code-conformance" in {finding.id for finding in seen}


def test_operations_that_are_left_out_are_not_reached(catalog: Catalog) -> None:
    """Nothing is called when there is nothing left."""
    api = Api("pixazo", catalog, only=("submit-hunyuan-video",))
    calls: list[str] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        calls.append(path)
        return 200, {}

    with target_at(answer) as target:
        calls.clear()
        why = {operation.id: "not there" for operation in api.checked}
        cases = list(generate(target, api, seed=1, budget=BRIEF, pointless=why))
    assert calls == []
    assert {(case.outcome, case.reason) for case in cases} == {(Outcome.NOT_REACHED, "not there")}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (301, "it is not served: good calls are answered 301, which its document does not name"),
        (404, "it is not served: good calls are answered 404"),
        (400, None),  # it may not like the example, and is there
        (202, None),
    ],
)
def test_an_operation_is_not_served_when_no_good_call_is_answered_as_documented(
    catalog: Catalog, status: int, told: str | None
) -> None:
    api = Api("pixazo", catalog, only=("submit-hunyuan-video",))
    coverage = Coverage([api], forced=False)
    (submit,) = api.submits
    url = "http://127.0.0.1:1" + submit.path
    key = {"Ocp-Apim-Subscription-Key": "k"}
    coverage.watch(Exchange("POST", url, {}, b"{}", 401))
    assert coverage.pointless(api) == {}
    coverage.watch(Exchange("POST", url, key, b'{"prompt": "a"}', status))
    found = coverage.pointless(api)
    assert found.get(submit.id) == told
    assert bool(found.get("get-request-status")) is bool(told)
