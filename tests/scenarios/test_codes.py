"""`Prefer: code=N` answers what this operation documents for N: its media type, its headers, its body."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.catalog.answers import bundled, check_answer
from tests.driving import Gateway, key_headers
from tests.scenarios.test_choice import example_body
from understudy_mock.domain.model import Operation

OPERATIONS = {f"{operation.provider}-{operation.id}": operation for operation in bundled().operations}
REFUSALS = [
    (name, status)
    for name, operation in OPERATIONS.items()
    for status in sorted(operation.statuses)
    if status >= 400
]


async def request_of(gateway: Gateway, operation: Operation) -> dict[str, Any]:
    """Make a call that nothing is wrong with, of the operations that check before they are forced."""
    headers = key_headers(operation.provider)
    if operation.role == "submit":
        return {"url": operation.path, "headers": headers, "json": example_body(operation)}
    if operation.role == "keep":
        asked = {"filename": "a.png", "size": 3, "content_type": "image/png"}
        url = next(o.path for o in OPERATIONS.values() if o.role == "ticket")
        answer = await gateway.call("POST", url, headers=headers, json=asked)
        return {"url": urlsplit(answer.json()["data"]["upload"]["url"]).path, "content": b"abc"}
    return {"url": operation.path.replace("{", "").replace("}", ""), "headers": headers}


@pytest.mark.parametrize(("name", "status"), REFUSALS, ids=[f"{name}-{status}" for name, status in REFUSALS])
async def test_a_forced_status_has_the_answer_that_the_operation_documents_for_it(
    gateway: Gateway, name: str, status: int
) -> None:
    operation = OPERATIONS[name]
    request = await request_of(gateway, operation)
    headers = {**request.pop("headers", {}), "Prefer": f"code={status}"}
    answer = await gateway.call(operation.method, **request, headers=headers)
    assert answer.status_code == status
    check_answer(operation.provider, operation.id, answer)


async def test_a_forced_422_of_segminds_queue_tells_a_failed_call(gateway: Gateway) -> None:
    """It is how the queue says that a call failed, so a reader of `status` sees FAILED."""
    answer = await gateway.call(
        "GET", "/v2/requests/any/status", headers={**key_headers("segmind"), "Prefer": "code=422"}
    )
    told = answer.json()
    assert (answer.status_code, told["status"], bool(told["error"])) == (422, "FAILED", True)
    assert set(told["metrics"]) >= {"inference_time", "queue_time", "total_time"}
