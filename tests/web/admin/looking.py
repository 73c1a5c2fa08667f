"""Look into a gateway through its admin API."""

from __future__ import annotations

from typing import Any

from tests.support import Gateway


async def get(gateway: Gateway, path: str, **params: Any) -> Any:
    """Return what a GET answers, as JSON."""
    answer = await gateway.admin("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def do(gateway: Gateway, path: str, **body: Any) -> Any:
    """Return what a POST answers, as JSON."""
    answer = await gateway.admin("POST", path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(gateway: Gateway, method: str, path: str, status: int, pointer: str, **options: Any) -> str:
    """Assert that a call is refused in the admin API's form, and return what it says."""
    answer = await gateway.admin(method, path, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error", "pointer"}
    assert answer.json()["pointer"] == pointer
    assert answer.json()["error"]
    return str(answer.json()["error"])


async def rows(gateway: Gateway, kind: str = "", since: int = 0) -> list[dict[str, Any]]:
    """Return the rows of the feed from `since` on, of one kind if it is given."""
    changes = (await get(gateway, "changes", since=since, limit=10_000))["changes"]
    return [row for row in changes if kind in ("", row["kind"])]
