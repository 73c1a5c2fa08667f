"""The list of accounts in use."""

from __future__ import annotations

from tests.gateway.asking import open_gateway, poll, submit
from tests.web.admin.looking import get
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name


async def test_accounts_are_listed_with_their_jobs_and_calls_the_one_used_last_first(
    catalog: Catalog,
) -> None:
    gateway = open_gateway(catalog, balance=5)
    assert await get(gateway, "accounts") == {"accounts": []}
    for key, calls in (("ann", 1), ("ben", 2)):
        for _ in range(calls):
            await submit(gateway, key=key)
    await poll(gateway, "nothing", key="ann")
    accounts = (await get(gateway, "accounts"))["accounts"]
    assert [(one["account"], one["jobs"], one["calls"]) for one in accounts] == [
        (account_name("ann"), 1, 2),
        (account_name("ben"), 2, 2),
    ]
    for one in accounts:
        del one["calls"], one["jobs"]
        assert one == await get(gateway, f"accounts/{one['account']}")
