"""Accounts: each key has its own jobs, money, limits and scenario."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from understudy_mock.domain.draw import account_name
from understudy_mock.domain.limits import Limit, Window
from understudy_mock.domain.money import Wallet, micro_usd
from understudy_mock.domain.scenario import Scenario
from understudy_mock.gateway.changes import Changes
from understudy_mock.settings import MAX_ACCOUNTS

KEPT_BODIES = 100_000
"""Bodies, of all keys, of which it is known how often they were submitted; the least recent go first."""

KEPT_OF_KEYS = 16 * 1024 * 1024
"""Characters kept of keys; when there are more, the least recently used account is forgotten first."""

UNKEPT_BALANCE = micro_usd(100)
"""The balance that a key without a wallet gets as an answer (assumed): enough for anything. In micro-USD."""


@dataclass(slots=True, eq=False)
class Meeting:
    """One scenario, and how many submits of an account have met it, and how many lookups and uploads."""

    scenario: Scenario
    submits: int = 0
    lookups: int = 0


class Recurrences:
    """How often each key has submitted each body, at most `keep` in all: the least recent go first."""

    def __init__(self, keep: int = KEPT_BODIES) -> None:
        self._keep = keep
        self._counts: OrderedDict[int, int] = OrderedDict()

    def nth(self, name: int) -> int:
        """Return how often this was counted before, and count it. `name` is a hash of key and body."""
        nth = self._counts.get(name, 0)
        self._counts[name] = nth + 1
        if nth:
            self._counts.move_to_end(name)
        elif len(self._counts) > self._keep:
            self._counts.popitem(last=False)
        return nth

    def __len__(self) -> int:
        """Return how many bodies are known."""
        return len(self._counts)


@dataclass(slots=True, eq=False)
class Account:
    """What belongs to one key. A missing wallet or window means that there is no such limit."""

    key: str
    name: str
    number: int
    """Differs from that of an account which the same key had before it was forgotten."""
    recurrences: Recurrences
    wallet: Wallet | None = None
    window: Window | None = None
    disabled_models: frozenset[str] = frozenset()
    scenario: Scenario | None = None
    quirks: frozenset[str] = frozenset()
    meetings: dict[str, Meeting] = field(default_factory=dict)
    """The scenarios that its calls have met, by name."""
    is_set_up: bool = False
    """Whether somebody has set it up by hand. Such accounts are forgotten last."""

    def nth(self, body: int) -> int:
        """Return which job (from 0) with this body comes next, and count it. `body` is a hash."""
        return self.recurrences.nth(hash((self.number, body)))

    def limit(self, text: str | None) -> None:
        """Set the rate limit, `N/SECONDS`; None lifts it. Raises ValueError."""
        self.window = None if text is None else Window(Limit.parse(text))

    def fund(self, balance: float | None) -> None:
        """Set the balance in USD; None turns the wallet off."""
        self.wallet = None if balance is None else Wallet(micro_usd(balance))

    def balance(self, now: int) -> int:
        """Return what the key can spend, in micro-USD, as answers show it."""
        return UNKEPT_BALANCE if self.wallet is None else self.wallet.balance(now)


class Accounts:
    """Every account in use, bounded in number and in length.

    The least recently used is forgotten first, of those that somebody has set up by hand only if there are no
    others.
    """

    def __init__(self, balance: float | None, rate_limit: str | None, changes: Changes | None = None) -> None:
        self._balance = balance
        self._changes = changes
        self._rate_limit = rate_limit
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._passing: OrderedDict[str, None] = OrderedDict()
        """The keys of those that nobody has set up, in the same order."""
        self._by_name: dict[str, Account] = {}
        self._recurrences = Recurrences()
        self._made = 0
        self._characters = 0

    def of(self, key: str) -> Account:
        """Return the account of a key, made at the first call."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = self._make(key)
            self._by_name[account.name] = account
            self._passing[key] = None
            self.changed(account)
            self._characters += len(key)
            while len(self._accounts) > MAX_ACCOUNTS or self._characters > KEPT_OF_KEYS:
                self._forget(self._least_needed())
        else:
            self._accounts.move_to_end(key)
            if not account.is_set_up:
                self._passing.move_to_end(key)
        return account

    def changed(self, account: Account) -> None:
        """Note that an account has changed, for those who look at the gateway."""
        if self._changes is not None:
            self._changes.note("account", account.name)

    def peek(self, key: str) -> Account:
        """Return the account of a key as it is, or as it would be, without making it or counting a use."""
        known = self._accounts.get(key)
        return known if known is not None else self._make(key)

    def named(self, name: str) -> Account | None:
        """Return the account with this `acct_` name, if it is in use."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[Account]:
        """Iterate over the accounts in use as they are now, the one used last first."""
        return reversed(list(self._accounts.values()))

    def latest_keys(self) -> Iterator[str]:
        """Iterate over the keys in use, the one used last first."""
        return reversed(self._accounts)

    def clear(self, name: str | None) -> list[Account]:
        """Forget one account, or all, and return them to be let go of."""
        if name is None:
            gone = list(self._accounts.values())
            self._accounts, self._passing, self._by_name = OrderedDict(), OrderedDict(), {}
            self._characters = 0
            return gone
        if (account := self._by_name.get(name)) is None:
            return []
        self._forget(account)
        return [account]

    def set_up(self, account: Account) -> None:
        """Keep an account longer than those that come with calls alone."""
        account.is_set_up = True
        self._passing.pop(account.key, None)

    def _least_needed(self) -> Account:
        return self._accounts[next(iter(self._passing or self._accounts))]

    def _make(self, key: str) -> Account:
        name = account_name(key)
        if name in self._by_name:  # another key's; two accounts must not become one
            name = account_name(key, digits=32)
        self._made += 1
        account = Account(key, name, self._made, self._recurrences)
        account.fund(self._balance)
        account.limit(self._rate_limit)
        return account

    def _forget(self, account: Account) -> None:
        del self._accounts[account.key]
        self._passing.pop(account.key, None)
        del self._by_name[account.name]
        self._characters -= len(account.key)
