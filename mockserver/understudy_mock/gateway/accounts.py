"""Accounts: a key is a namespace of its own, with its money, its limits and what its provider does to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from understudy_mock.domain.draw import account_name
from understudy_mock.domain.limits import Limit, Window
from understudy_mock.domain.money import Wallet, micro_usd
from understudy_mock.domain.scenario import Scenario
from understudy_mock.settings import MAX_ACCOUNTS

_MAX_BODIES = 10_000

UNKEPT_BALANCE = micro_usd(100)
"""What a key without a wallet is told that it has left (assumed): enough for anything. In micro-USD."""


@dataclass(slots=True, eq=False)
class Meeting:
    """One scenario, and how many submits of an account have met it."""

    scenario: Scenario
    submits: int = 0


@dataclass(slots=True, eq=False)
class Account:
    """What belongs to one key. A missing wallet or window means that there is no such limit."""

    key: str
    name: str
    wallet: Wallet | None = None
    window: Window | None = None
    disabled_models: frozenset[str] = frozenset()
    scenario: Scenario | None = None
    quirks: frozenset[str] = frozenset()
    meetings: dict[str, Meeting] = field(default_factory=dict)
    """The scenarios that submits have met, by name."""
    _bodies: OrderedDict[int, int] = field(default_factory=OrderedDict)

    def nth(self, body: int) -> int:
        """Tell which job (from 0) with this body comes next, and count it. `body` is a hash."""
        nth = self._bodies.get(body, 0)
        if len(self._bodies) >= _MAX_BODIES and body not in self._bodies:
            self._bodies.popitem(last=False)
        self._bodies[body] = nth + 1
        return nth

    def limit(self, text: str | None) -> None:
        """Set the rate limit, `N/SECONDS`; None lifts it. Raises ValueError."""
        self.window = None if text is None else Window(Limit.parse(text))

    def fund(self, balance: float | None) -> None:
        """Set the balance in USD; None turns the wallet off."""
        self.wallet = None if balance is None else Wallet(micro_usd(balance))

    def balance(self, now: int) -> int:
        """What the key is told that it can spend, in micro-USD."""
        return UNKEPT_BALANCE if self.wallet is None else self.wallet.balance(now)


class Accounts:
    """Every account in use, at most 10,000: the least recently used one is forgotten first."""

    def __init__(self, balance: float | None, rate_limit: str | None) -> None:
        self._balance = balance
        self._rate_limit = rate_limit
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._by_name: dict[str, Account] = {}

    def of(self, key: str) -> Account:
        """The account of a key, made at the first call."""
        account = self._accounts.get(key)
        if account is None:
            name = account_name(key)
            if name in self._by_name:  # another key's; two accounts must not become one
                name = account_name(key, digits=32)
            account = Account(key, name)
            account.fund(self._balance)
            account.limit(self._rate_limit)
            self._accounts[key] = self._by_name[account.name] = account
            if len(self._accounts) > MAX_ACCOUNTS:
                _, oldest = self._accounts.popitem(last=False)
                self._by_name.pop(oldest.name, None)
        else:
            self._accounts.move_to_end(key)
        return account

    def named(self, name: str) -> Account | None:
        """The account with this `acct_` name, if it is in use."""
        return self._by_name.get(name)

    def latest_keys(self) -> Iterator[str]:
        """Walk the keys in use, the one used last first."""
        return reversed(self._accounts)

    def clear(self, name: str | None) -> None:
        """Forget one account, or all."""
        if name is None:
            self._accounts.clear()
            self._by_name.clear()
        elif (account := self._by_name.pop(name, None)) is not None:
            self._accounts.pop(account.key, None)
