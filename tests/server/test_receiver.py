"""`--receiver URL`: a user's handler of callbacks is tried with valid and invalid ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.test_command import listening, run

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
        isinstance(told[name], str) for name in ("request_id", "model_id", "created_at", "updated_at")
    )
    absent = all(isinstance(told[name], str | None) for name in ("error", "completed_at"))
    return (
        bool(told["request_id"])
        and texts
        and absent
        and told["status"] in _STATUSES
        and _is_output(told["output"])
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


@pytest.mark.parametrize(
    ("receiver", "caught_by", "status"),
    [
        (careful, set(), 0),
        (lenient, {"receiver-negative-data-rejection"}, 0),
        (
            crashing,
            {"receiver-as-sent", "receiver-not-a-server-error", "receiver-positive-data-acceptance"},
            1,
        ),
        (completed_only, {"receiver-as-sent", "receiver-positive-data-acceptance"}, 1),
    ],
)
def test_a_receiver_is_caught_by_what_it_does_wrong(
    receiver: Answer, caught_by: set[str], status: int
) -> None:
    """A careful receiver passes; the others are caught by the checks named for them."""
    with listening(receiver) as url:
        result = run("--receiver", f"{url}/done", "--provider", "pixazo", "--seed", "1", "--examples", "30")
    found = {line.split()[1] for line in result.output.splitlines() if line.startswith(("MUST", "SHOULD"))}
    assert found == caught_by, result.output
    assert ("shown by: POST" in result.output) is bool(found)
    assert result.exit_code == status
