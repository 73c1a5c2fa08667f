"""`from understudy_contracts import suite`: the promises as tests of a user's own app."""

from __future__ import annotations

import pytest

from understudy_contracts import suite

pytest_plugins = ["pytester"]

OWN_APP = """
from understudy_contracts import suite
from understudy_mock.app import create_app
from understudy_mock.settings import Settings

async def own(scope, receive, send):
    if scope["type"] == "http" and scope["path"].startswith("/_mock"):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await inner(scope, receive, send)

inner = create_app(Settings(media="small", speed=1000))
test_contract = suite(own, provider="wavespeed")
"""


def test_a_server_that_is_not_there_is_one_failure(pytester: pytest.Pytester) -> None:
    """One clear line, no traceback, the others skipped, and no warning of pytest."""
    pytester.makepyfile(
        "from understudy_contracts import suite\n"
        "test_contract = suite('http://127.0.0.1:1', provider='wavespeed')"
    )
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:schemathesis", "-W", "error", "-k", "i2v-states or i2v-job"
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert outcomes["skipped"] >= 1
    assert "warnings" not in outcomes
    result.stdout.fnmatch_lines(["*nothing answers: GET http://127.0.0.1:1*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_app_that_takes_no_submit_is_one_failure(pytester: pytest.Pytester) -> None:
    """Nothing could ever fail there, so a run that is all skipped would look well."""
    pytester.makepyfile("""
    from starlette.responses import JSONResponse
    from understudy_contracts import suite

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await JSONResponse({}, 500)(scope, receive, send)

    test_contract = suite(app, provider="wavespeed", operation="submit-hunyuan-video-i2v")
    """)
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:schemathesis", "-k", "completes or absorbs or 402"
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert outcomes["skipped"] >= 2
    result.stdout.fnmatch_lines(["*no submit is accepted, so nothing could be checked;*-> 500*"])


def test_operations_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="no submit is called 'submit-nothing'"):
        suite("http://127.0.0.1:1", operation="submit-nothing")


def test_a_users_app_gets_one_test_for_each_operation_and_check(pytester: pytest.Pytester) -> None:
    """An app that is no Understudy passes what can be seen, and the rest is skipped, not passed."""
    pytester.makepyfile(OWN_APP)
    result = pytester.runpytest_subprocess(
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "-rs",
        "-k",
        "submit-hunyuan-video-i2v-states or submit-hunyuan-video-i2v-poor",
    )
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*not reached: this server cannot be made to do it*"])
