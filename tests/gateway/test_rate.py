"""The rate limit counts submits of one account, and its Retry-After is honest."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import id_of, open_gateway, poll, submit
from understudy_mock.catalog import Catalog


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_waiting_what_retry_after_tells_works_and_a_millisecond_less_does_not(
    catalog: Catalog, provider: str
) -> None:
    gateway = open_gateway(catalog, rate_limit="2/10")
    for _ in range(2):
        assert (await submit(gateway, provider)).status_code < 300
        gateway.advance(1.25)
    refused = await submit(gateway, provider)
    wait = int(refused.headers["retry-after"])
    assert (refused.status_code, wait) == (429, 8)
    gateway.advance(wait - 0.001)
    again = await submit(gateway, provider)
    assert (again.status_code, again.headers["retry-after"]) == (429, "1")
    gateway.advance(0.001)
    assert (await submit(gateway, provider)).status_code < 300


@given(
    gaps=st.lists(st.integers(0, 3_000), min_size=1, max_size=25),
    calls=st.integers(1, 3),
    seconds=st.integers(1, 5),
)
async def test_a_client_that_waits_as_told_is_never_refused_twice_in_a_row(
    catalog: Catalog, gaps: list[int], calls: int, seconds: int
) -> None:
    gateway = open_gateway(catalog, rate_limit=f"{calls}/{seconds}")
    for gap in gaps:
        gateway.advance(gap / 1000)
        answer = await submit(gateway)
        if answer.status_code == 429:
            gateway.advance(int(answer.headers["retry-after"]))
            answer = await submit(gateway)
        assert answer.status_code == 202


async def test_segmind_tells_the_instant_in_its_own_header_and_no_retry_after(catalog: Catalog) -> None:
    """Fact C-4. The instant is as honest as Retry-After."""
    gateway = open_gateway(catalog, rate_limit="1/60")
    await submit(gateway, "segmind")
    refused = await submit(gateway, "segmind")
    assert refused.status_code == 429
    assert refused.json() == {"error": "Rate limit exceeded"}
    assert "retry-after" not in refused.headers
    opens = datetime.fromisoformat(refused.headers["x-rate-limit-reset-at-utc"])
    gateway.advance(opens.timestamp() - gateway.world.clock.now() / 1000 - 0.001)
    assert (await submit(gateway, "segmind")).status_code == 429
    gateway.advance(0.001)
    assert (await submit(gateway, "segmind")).status_code == 200


async def test_each_account_has_a_window_of_its_own(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, rate_limit="1/60")
    statuses = [(await submit(gateway, key=key)).status_code for key in ("ann", "ben", "ann", "ben")]
    assert statuses == [202, 202, 429, 429]


async def test_polls_are_not_counted(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, rate_limit="1/60")
    job = id_of(await submit(gateway))
    assert {(await poll(gateway, job)).status_code for _ in range(20)} == {200}


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
async def test_a_submit_that_fails_a_later_check_is_counted(catalog: Catalog, provider: str) -> None:
    """The gateway counts before it looks at the body (order of checks)."""
    gateway = open_gateway(catalog, rate_limit="1/60")
    assert (await submit(gateway, provider, body={})).status_code == 400
    assert (await submit(gateway, provider)).status_code == 429


async def test_a_call_with_a_bad_key_uses_up_nobodys_limit(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, rate_limit="1/60", api_keys=("good",))
    for _ in range(3):
        assert (await submit(gateway, key="bad")).status_code == 401
    assert (await submit(gateway, key="good")).status_code == 202


async def test_a_refused_submit_creates_and_charges_nothing(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, rate_limit="1/60", balance=5)
    for _ in range(4):
        await submit(gateway)
    assert len(gateway.world.store) == 1
    told = (await gateway.admin("GET", "accounts/test-key-1")).json()
    assert told["balance_usd"] == 4.6
