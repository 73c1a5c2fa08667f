"""Accounts: their money, limits, scenario, models and quirks."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.domain.limits import Limit
from understudy_mock.domain.money import usd
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import encode, json_of, stream
from understudy_mock.web.admin.asking import (
    AdminError,
    account_of,
    names_in,
    read_body,
    refuse_in_a_replay,
)
from understudy_mock.web.admin.scenarios import find_scenario
from understudy_mock.wording import quirks_of

_FIELDS = {"balance_usd", "rate_limit", "scenario", "disabled_models", "quirks"}


class Accounts:
    """What the admin API says of accounts and does to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def one(self, request: Request) -> Response:
        """Show an account as it is, or as it would be with its first call."""
        accounts = self._world.accounts
        account = account_of(self._world, request.path_params["account"], accounts.peek)
        return json_of(describe_account(self._world, account))

    async def change(self, request: Request) -> Response:
        """Change the fields given, and no others."""
        accounts = self._world.accounts
        account = account_of(self._world, request.path_params["account"], accounts.of)
        self._change(account, await read_body(request, _FIELDS))
        accounts.changed(account)
        self._world.journal.mark()
        return json_of(describe_account(self._world, account))

    async def listing(self, request: Request) -> Response:
        """List the accounts in use, the one used last first."""
        calls: Counter[str] = Counter()
        async for entry in in_turns(self._world.journal.since(0)):
            if entry.kind == "call":
                calls[entry.account] += 1
        jobs = self._world.store.by_account()

        async def parts() -> AsyncIterator[bytes]:
            async for account in in_turns(self._world.accounts):
                counted = {"calls": calls[account.name], "jobs": jobs.get(account.name, 0)}
                yield encode({**describe_account(self._world, account), **counted})

        return stream({"accounts": []}, parts())

    def _change(self, account: Account, body: dict[str, Any]) -> None:
        """Check every field first, so that a refused change changes nothing."""
        world = self._world
        if body:
            refuse_in_a_replay(world, "/" + next(iter(body)))
        balance, rate = body.get("balance_usd"), body.get("rate_limit")
        if balance is not None and (isinstance(balance, bool) or not isinstance(balance, int | float)):
            raise AdminError(400, "must be a number or null", "/balance_usd")
        if balance is not None and not 0 <= balance <= 1e9:
            raise AdminError(400, "must be between 0 and 1e9", "/balance_usd")
        if rate is not None:
            try:
                Limit.parse(str(rate))
            except ValueError as error:
                raise AdminError(400, str(error), "/rate_limit") from None
        models = names_in(body, "disabled_models", {model.id for model in world.catalog.models})
        quirks = names_in(body, "quirks", set(quirks_of(world.wordings)))
        scenario = find_scenario(world, body["scenario"], "/scenario") if body.get("scenario") else None
        if body:
            world.accounts.set_up(account)
        if "balance_usd" in body:
            account.fund(balance)
        if "rate_limit" in body:
            account.limit(None if rate is None else str(rate))
        if "scenario" in body:
            account.scenario = scenario
        if "disabled_models" in body:
            account.disabled_models = models
        if "quirks" in body:
            account.quirks = quirks


def describe_account(world: World, account: Account) -> dict[str, Any]:
    """Return what can be set of an account, in JSON's types."""
    balance = account.wallet.balance(world.clock.now()) if account.wallet is not None else None
    return {
        "account": account.name,
        "balance_usd": usd(balance) if balance is not None else None,
        "rate_limit": str(account.window.limit) if account.window is not None else None,
        "scenario": account.scenario.name if account.scenario is not None else None,
        "disabled_models": sorted(account.disabled_models),
        "quirks": sorted(account.quirks),
    }
