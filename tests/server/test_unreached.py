"""What was not seen is not reached: no promise passes against a server that shows nothing of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.findings import Case, Outcome
from understudy_contracts.server import lifecycle
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.gateway import gateway_settings, open_app
from understudy_contracts.server.lifecycle import run_checks, subjects
from understudy_contracts.server.promises import CHECKS
from understudy_contracts.server.spec import Api
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog

STAMP = "2026-05-22T13:17:32.110Z"


def answering(answer: Callable[[Request], tuple[int, Any]]) -> ASGIApp:
    """An app of one function, which gives status and JSON; nothing of an Understudy."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        status, told = (404, {}) if request.url.path.startswith("/_mock") else answer(request)
        await JSONResponse(told, status)(scope, receive, send)

    return app


def job(**fields: Any) -> dict[str, Any]:
    """A job as Pixazo tells it, waiting unless told otherwise."""
    bare: dict[str, Any] = dict.fromkeys(("error", "output", "completed_at"))
    stamps = {"created_at": STAMP, "updated_at": STAMP}
    return {"request_id": "one", "status": "QUEUED", "model_id": "m", **bare, **stamps, **fields}


def never_ends(request: Request) -> tuple[int, Any]:
    """Takes every submit, and tells the same job for ever; sends no callback."""
    if request.method == "GET":
        return 200, job()
    url = f"http://127.0.0.1:8080{request.url.path}/status/one"
    return 202, {"request_id": "one", "status": "QUEUED", "polling_url": url}


def refuses(status: int) -> Callable[[Request], tuple[int, Any]]:
    return lambda request: (status, {"error": "no"})


def check_all(app: ASGIApp, catalog: Catalog, *names: str) -> dict[str, Case]:
    """Run every check, or those of some names, on one operation."""
    target, receiver = open_app(app), Receiver()
    target.patience = 0.2
    try:
        subject = next(
            one
            for one in subjects(target, [Api("pixazo", catalog)], receiver)
            if one.operation.id == "submit-hunyuan-video"
        )
        subject.peers = []
        checks = [check for check in CHECKS if check.id in names or not names]
        return {case.name: case for case in run_checks([subject], checks)}
    finally:
        receiver.close()
        target.close()


def test_a_job_that_never_moves_keeps_no_promise_about_its_life(catalog: Catalog) -> None:
    """Of all promises only those pass that one state of one job really shows."""
    cases = check_all(answering(never_ends), catalog)
    passed = {name for name, case in cases.items() if case.outcome is Outcome.PASSED}
    assert passed == {"documented-states", "polls-do-not-crash", "nothing-early", "polling-url"}
    assert "QUEUED" in cases["states-never-go-back"].reason
    assert cases["job-completes"].outcome is Outcome.FAILED
    assert "should be in a final state after a while" in (cases["job-completes"].findings[0].curl or "")


def test_one_endless_job_makes_the_rest_of_the_run_hasty(catalog: Catalog) -> None:
    """What a stranger's jobs have shown once is not waited for again as long."""
    target, receiver = open_app(answering(never_ends)), Receiver()
    target.patience = 2.5
    checks = [check for check in CHECKS if check.id == "job-completes"]
    try:
        (subject, *_) = subjects(target, [Api("pixazo", catalog)], receiver)
        list(run_checks([subject], checks))
        assert target.patience == 2.0
    finally:
        receiver.close()
        target.close()


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_a_server_that_refuses_everything_keeps_no_promise_and_breaks_none(
    catalog: Catalog, status: int
) -> None:
    """A refusal only counts where something else is accepted."""
    cases = check_all(answering(refuses(status)), catalog)
    assert {case.outcome for case in cases.values()} == {Outcome.NOT_REACHED}


@pytest.mark.parametrize("told", [[], "text", 7, {"data": []}, {"request_id": 1}, job(output=[1], error={})])
def test_answers_of_any_shape_end_no_run(catalog: Catalog, told: Any) -> None:
    """Every check has an outcome, whatever the answers are."""
    cases = check_all(answering(lambda request: (200, json.loads(json.dumps(told)))), catalog)
    assert len(cases) > len(CHECKS) / 2


def test_a_job_is_asked_for_at_every_operation_that_tells_of_it(catalog: Catalog) -> None:
    """A stranger's result is asked for while it is made, when it is there, without a key, and for no job."""
    gateway = create_app(world=create_world(gateway_settings("polls"), catalog=catalog))

    async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
        hidden = scope["type"] == "http" and scope["path"].startswith("/_mock")
        await (JSONResponse({}, 404) if hidden else gateway)(scope, receive, send)

    api = Api("pixazo", catalog, only=("submit-hunyuan-video-image-to-video",))
    coverage = Coverage([api], forced=False)
    target, receiver = open_app(stranger), Receiver()
    target.patience = 0.4
    target.watchers.append(coverage.watch)
    try:
        (subject,) = subjects(target, [api], receiver)
        (case,) = run_checks([subject], [check for check in CHECKS if check.id == "every-other-status"])
    finally:
        receiver.close()
        target.close()
    assert case.reason == "this server cannot be made to answer them all: it is not an Understudy"
    missing = {(name.split()[1], status) for name, status, _ in coverage.missing()}
    result, status = "get-result-hunyuan-video-image-to-video", "get-request-status"
    met = {(result, 200), (result, 202), (result, 401), (result, 404), (status, 200), (status, 401)}
    assert met & missing == set()


def test_a_check_whose_call_waited_in_vain_waits_less_elsewhere(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that lets one kind of call hang, at every operation, is not waited for so long each time."""
    monkeypatch.setattr(lifecycle, "PATIENCE", 0.3)
    monkeypatch.setattr(lifecycle, "_CALL_HASTE", 0.1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "POST" and await request.body() == b"{":
            await asyncio.sleep(60)
        status, told = (404, {}) if request.url.path.startswith("/_mock") else never_ends(request)
        await JSONResponse(told, status)(scope, receive, send)

    target, receiver = open_app(app), Receiver()
    try:
        (one, other, *_) = subjects(target, [Api("pixazo", catalog)], receiver)
        checks = [check for check in CHECKS if check.id == "body-is-validated"]
        found = [case.findings[0] for case in run_checks([one, other], checks)]
    finally:
        receiver.close()
        target.close()
    assert "took longer than 0.3 s" in found[0].seen
    assert "took longer than 0.1 s" in found[1].seen
    assert found[0].evidence[0].endswith("-> no answer")
    assert "--data-binary '{'" in (found[0].curl or "")


@pytest.mark.parametrize("told", ["string", "http://[", "http://127.0.0.1:port/x", "/v2/requests/status/one"])
def test_an_address_that_is_none_is_told_as_that(catalog: Catalog, told: str) -> None:
    """It is no other server's: nobody could call it."""
    submitted = {"request_id": "one", "status": "QUEUED", "polling_url": told}
    app = answering(lambda request: (200, job()) if request.method == "GET" else (202, submitted))
    case = check_all(app, catalog, "polling-url")["polling-url"]
    assert case.outcome is Outcome.FAILED, case.reason
    assert repr(told) in case.findings[0].seen


def test_a_file_without_an_absolute_address_is_none_that_a_client_can_fetch(catalog: Catalog) -> None:
    output = {"media_url": ["/files/one.mp4"], "media_type": "video/mp4"}
    ended = job(status="COMPLETED", completed_at=STAMP, output=output)
    app = answering(lambda request: (200, ended) if request.method == "GET" else never_ends(request))
    case = check_all(app, catalog, "media")["media"]
    assert case.outcome is Outcome.FAILED, case.reason
    assert "no absolute address" in case.findings[0].seen


def test_a_poll_that_breaks_tells_nobodys_job(catalog: Catalog) -> None:
    """A 503 to another key's poll shows nothing of the job."""

    keys: set[str] = set()

    def second_key_breaks(request: Request) -> tuple[int, Any]:
        key = request.headers.get("ocp-apim-subscription-key", "")
        if request.method == "POST":
            keys.add(key)
        return never_ends(request) if request.method == "POST" or key in keys else (503, {})

    case = check_all(answering(second_key_breaks), catalog, "foreign-job-unreadable")[
        "foreign-job-unreadable"
    ]
    assert case.outcome is Outcome.NOT_REACHED
    assert "503" in case.reason


def test_an_answer_that_is_nested_too_deeply_to_be_read_ends_no_run(catalog: Catalog) -> None:
    """It tells no job, like any other answer that cannot be read."""
    deep = b'{"request_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        status = 404 if scope["path"].startswith("/_mock") else 202
        await Response(deep, status, media_type="application/json")(scope, receive, send)

    cases = check_all(app, catalog)
    assert {case.outcome for case in cases.values()} <= {Outcome.FAILED, Outcome.NOT_REACHED}
    assert cases["submit-needs-key"].outcome is not Outcome.PASSED
