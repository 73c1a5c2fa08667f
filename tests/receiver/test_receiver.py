"""`--receiver URL`: a user's handler of callbacks is tried with valid and invalid ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from click.testing import Result
from jsonschema_rs import Draft202012Validator

from tests.server.test_command import listening, run
from understudy_contracts.receiver import checks as callbacks
from understudy_contracts.receiver.checks import _posts, check_receiver, documented_callback
from understudy_contracts.receiver.posts import Wanted
from understudy_contracts.server.dialect import Dialect
from understudy_contracts.server.spec import Api
from understudy_contracts.server.stamps import read_stamp
from understudy_mock.catalog import Catalog
from understudy_mock.wording import shipped

Answer = Callable[[str, str, bytes], tuple[int, Any]]
_STATUSES = {"QUEUED", "PROCESSING", "COMPLETED", "FAILED", "ERROR"}
_FIELDS = {"request_id", "status", "model_id", "error", "output", "created_at", "updated_at", "completed_at"}


def careful(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """A receiver that takes what is documented and nothing else."""
    try:
        told = json.loads(body)
    except ValueError:
        return 400, {}
    return (200, {}) if _is_callback(told) else (400, {})


def _is_callback(told: Any) -> bool:
    if not isinstance(told, dict) or not told.keys() >= _FIELDS:
        return False
    texts = all(
        isinstance(told[name], str)
        for name in ("request_id", "status", "model_id", "created_at", "updated_at")
    )
    absent = all(isinstance(told[name], str | None) for name in ("error", "completed_at"))
    return (
        bool(told["request_id"])
        and texts
        and absent
        and told["status"] in _STATUSES
        and _is_output(told["output"])
        and (told["output"] is not None or told["status"] != "COMPLETED")
    )


def _is_output(output: Any) -> bool:
    if output is None:
        return True
    if not isinstance(output, dict) or not isinstance(output.get("media_type"), str):
        return False
    urls = output.get("media_url")
    return isinstance(urls, list) and bool(urls) and all(isinstance(url, str) for url in urls)


def lenient(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Takes anything."""
    return 200, {}


def crashing(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Reads the output of a job that has none."""
    status, told = careful(method, path, body)
    return (500, {}) if status == 200 and json.loads(body)["output"] is None else (status, told)


def completed_only(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Refuses what is no success."""
    status, told = careful(method, path, body)
    return (422, {}) if status == 200 and json.loads(body)["status"] != "COMPLETED" else (status, told)


def closing(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Raises at what is no JSON, as a handler does that checks nothing; the server closes the connection."""
    json.loads(body)
    return careful(method, path, body)


def gone(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Closes every connection."""
    raise ConnectionAbortedError


SENT = {"receiver-as-sent", "receiver-refuses-valid"}
TAKEN = {"receiver-takes-nameless", "receiver-takes-stateless", "receiver-takes-no-files"}
ONE = ("--provider", "pixazo", "--seed", "1", "--examples", "30", "--operation", "submit-hunyuan-video")


def found_at(receiver: Answer, *arguments: str) -> tuple[set[str], Result]:
    """Check a receiver; give the ids of what was found, and the rest."""
    with listening(receiver) as url:
        result = run("--receiver", f"{url}/done", *(arguments or ONE))
    lines = result.output.splitlines()
    return {line.split()[1] for line in lines if line.startswith(("MUST", "SHOULD"))}, result


@pytest.mark.parametrize(
    ("receiver", "caught_by", "status"),
    [
        (careful, set(), 0),
        (lenient, TAKEN, 0),
        (crashing, SENT | {"receiver-crashes"}, 1),
        (completed_only, SENT, 1),
        (closing, {"receiver-crashes"}, 1),
        (gone, SENT | {"receiver-crashes"}, 1),
    ],
)
def test_a_receiver_is_caught_by_what_it_does_wrong(
    receiver: Answer, caught_by: set[str], status: int
) -> None:
    """A careful receiver passes; the others are caught by the checks named for them."""
    found, result = found_at(receiver)
    assert found == caught_by, result.output
    assert ("shown by: POST" in result.output) is bool(found)
    assert "-si -si" not in result.output
    assert result.exit_code == status


def test_strict_lets_a_careless_receiver_fail() -> None:
    assert found_at(lenient, *ONE, "--strict")[1].exit_code == 1


def test_a_receiver_that_does_not_answer_is_a_finding_and_soon_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One time-out is enough: exit 1, and the rest is not reached."""
    monkeypatch.setattr(callbacks, "_PATIENCE", 0.1)
    released, calls = Event(), []

    def silent(method: str, path: str, body: bytes) -> tuple[int, Any]:
        calls.append(body)
        released.wait(5)
        return 200, {}

    with listening(silent) as url:
        result = run("--receiver", f"{url}/done", *ONE)
        released.set()
    assert result.exit_code == 1
    assert len(calls) == 1
    assert "no answer within 0.1 s at a callback as it is really sent" in result.output


def test_a_slow_receiver_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is used up nothing more is posted, and what is left has not passed."""
    monkeypatch.setattr(callbacks, "_LONGEST", 0.0)
    found, result = found_at(careful)
    assert found == set()
    assert "s for a callback, and the 0 s are used up; the 1 before were right" in result.output
    assert "passed" not in result.output


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_receiver_that_refuses_made_up_signatures_is_not_blamed(status: int) -> None:
    """Whatever 4xx it says it with; nothing could be checked, which is 2."""
    found, result = found_at(lambda *call: (status, {}), "--provider", "wavespeed", "--examples", "2")
    assert found == set(), result.output
    assert result.exit_code == 1 or f"every callback was refused with {status}" in result.output


def test_a_receiver_that_knows_no_job_of_ours_is_not_blamed() -> None:
    """Jobs that it has not submitted are nothing to it; a wrong address looks the same."""
    found, result = found_at(lambda *call: (404, {}))
    assert found == set(), result.output
    assert "every callback was answered 404" in result.output


def test_what_a_receiver_of_signed_callbacks_hides_is_not_passed() -> None:
    """One that refuses every signature has shown that it looks at them, and nothing else."""
    found, result = found_at(lambda *call: (401, {}), "--provider", "wavespeed", "--seed", "1")
    assert found == set()
    assert "signatures are made up here" in result.output
    assert "checks: 2 passed, 5 not reached" in result.output
    found, _ = found_at(lenient, "--provider", "wavespeed", "--seed", "1")
    assert found == TAKEN | {"receiver-takes-unsigned"}


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
def test_valid_callbacks_are_such_as_can_come(catalog: Catalog, provider: str) -> None:
    """Files come with a completed job and with no other, a reason with a failed one; all fit the document."""
    api = Api(provider, catalog, only=("submit-hunyuan-video*",))
    schema = documented_callback(api)["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": api.document["components"]})
    valid = [one for one in _posts(api, 1, 40, lambda _: None) if one.kind.wanted is Wanted.TAKEN]
    assert len(valid) > 40
    for post in valid:
        validator.validate(json.loads(post.body))
        view = Dialect(shipped()[provider]).view(json.loads(post.body))
        assert bool(view.outputs) is (view.state == "COMPLETED")
        assert bool(view.error) is (view.state in ("FAILED", "ERROR"))
        assert [read_stamp(stamp) for stamp in view.stamps.values() if stamp]


def test_a_receiver_whose_answers_have_no_end_is_a_finding(catalog: Catalog) -> None:
    """Its status would be enough; more than a megabyte is not read, nor is another callback posted."""
    posted = []

    def endless(method: str, path: str, body: bytes) -> tuple[int, Any]:
        posted.append(body)
        return 200, "x" * 2_000_000

    with listening(endless) as url:
        cases = list(
            check_receiver(url, Api("pixazo", catalog, only=("*hunyuan-video",)), seed=1, examples=5)
        )
    found = {finding.id: finding.seen for case in cases for finding in case.findings}
    assert found["receiver-crashes"] == "an answer of more than 1024 KB at a callback as it is really sent"
    assert len(posted) == 1
