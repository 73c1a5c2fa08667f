"""The server that is checked: how to call it, what it is, and what it can be made to do.

One that is an Understudy says so at `/_mock/health`; then its admin API forces what a stranger's server
only does by chance. What cannot be forced raises NotReached, so that it never counts as passed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from understudy_contracts.server.again import short_key
from understudy_contracts.server.stamps import read_stamp
from understudy_contracts.server.wire import PATIENCE, Exchange, Inside, Unanswered, Wire, is_near
from understudy_mock.redaction import REDACTED, SHORTEST, Redactor

Watcher = Callable[[Exchange], None]

_AS_DOCUMENTED: Mapping[str, Any] = {
    "balance_usd": None,
    "rate_limit": None,
    "disabled_models": [],
    "scenario": {"name": "check-documented", "job": {"end": "COMPLETED"}},
}
"""An account that an Understudy's own options change nothing of. Quirks stay: they are what is checked."""

_MOST_JOBS = 10_000
"""The largest page of jobs that the admin API gives."""


class NotReached(Exception):
    """A promise could not be put to the test; the text says why."""


class Target:
    """A server behind a wire. `key` is the only key to use; None makes up a fresh one for each check.

    At an Understudy the account of `key` is put back by `close` as it was found.

    `patience` is how many real seconds a job may take, `call_patience` how many a call; `kept_waiting` tells
    that a call took longer. `stranger` says that the server is not asked what it is.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        seed: int = 0,
        key: str | None = None,
        patience: float = 15.0,
        stranger: bool = False,
    ) -> None:
        self.wire = wire
        self.base_url = self._admin_url = wire.base_url
        self.key = key
        self.patience = patience
        self.watchers: list[Watcher] = []
        self.calls = 0
        self.call_patience = PATIENCE
        self.kept_waiting = False
        self._seed = seed
        self._keys = 0
        self._found: Mapping[str, Any] | None = None
        self._shown = Redactor([key]) if key and len(key) >= SHORTEST else None
        self.health = None if stranger else self._ask_health()
        self.pace: str = str(self.health.get("pace", "")) if self.health else ""
        self.speed = float(self.health.get("speed", 1.0)) if self.health else 1.0

    @property
    def is_understudy(self) -> bool:
        """Whether the server said that it is one, and opened its admin API."""
        return self.health is not None

    @property
    def is_inside(self) -> bool:
        """Whether the server is an app in this process."""
        return isinstance(self.wire, Inside)

    def _ask_health(self) -> dict[str, Any] | None:
        # A provider that answers below its name has the admin API of the whole gateway above it.
        above = self.base_url.rpartition("/")[0]
        for url in (self.base_url, *([above] if urlsplit(self.base_url).path else [])):
            self._admin_url = url
            try:
                health = self._admin("GET", "health").json
            except Unanswered:
                return None
            if isinstance(health, dict) and health.get("name") == "understudy":
                return health
        return None

    # -- calls

    def call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Exchange:
        """Make a call; `url` is absolute or a path. Raises Unanswered."""
        if url.startswith("/"):
            url = self.base_url + url
        self.calls += 1
        began = time.time()
        try:
            exchange = self.wire.send(method, url, headers or {}, body, self.call_patience)
        except Unanswered as problem:
            self.kept_waiting |= problem.late
            raise
        exchange = replace(exchange, at=int(began * 1000), took=(time.time() - began) * 1000)
        for watcher in self.watchers:
            watcher(exchange)
        return exchange

    def fresh_key(self) -> str:
        """Make up a key that nobody has used; the same ones in the same order for the same seed.

        An Understudy is told to treat it as documented, whatever its options and earlier checks say.
        """
        key = self.key
        if key is None:
            self._keys += 1
            key = f"check-{self._seed}-{self._keys}"
        if self.is_understudy:
            with suppress(NotReached):  # a replay takes no account; it is judged as it comes
                self.make_account(key, **_AS_DOCUMENTED)
        return key

    def another_key(self) -> str:
        """Make up a key of somebody else. Raises NotReached where keys cannot be made up."""
        if self.key is not None:
            raise NotReached("needs a second key")
        return self.fresh_key()

    def hide(self, text: str) -> str:
        """Name a real key in a text as $KEY instead of showing it; a short one only where it stands alone.

        Half a character, which JSON can hold and no file, is written as its escape.
        """
        text = text.encode("utf-8", "backslashreplace").decode()
        if self._shown is not None:
            return self._shown.values(text).replace(REDACTED, "$KEY")
        return re.sub(short_key(self.key), "$KEY", text) if self.key else text

    def is_own(self, url: str) -> bool:
        """Whether an address leads to this server, by any of a machine's own names."""
        here = urlsplit(self.base_url)
        try:
            there = urlsplit(url)
            if is_near(self.base_url) and is_near(url):
                return here.port == there.port
            return (here.hostname, here.port) == (there.hostname, there.port)
        except ValueError:
            return False

    def close(self) -> None:
        """Put the account of the user's key back as it was, and let go of the wire; once is enough."""
        found, self._found = self._found, None
        try:
            if found is not None and self.key is not None:
                self._put_back(self.key, found)
        finally:
            self.wire.close()

    def _put_back(self, key: str, found: Mapping[str, Any]) -> None:
        fields = {name: found[name] for name in _AS_DOCUMENTED}
        # The server that is gone by now has forgotten its accounts, too.
        with suppress(Unanswered):
            try:
                self._put_account(key, fields)
            except NotReached:
                # A scenario that was given inline is shown by its name alone, so it cannot be given again.
                with suppress(NotReached):
                    self._put_account(key, {**fields, "scenario": None})

    # -- time

    def elapse(self, seconds: float) -> None:
        """Let `seconds` of the server's time go by."""
        if self.pace == "manual":
            self.admin("POST", "clock/advance", {"seconds": seconds})
        else:
            time.sleep(seconds)

    def now(self) -> float:
        """Return the server's time, in seconds since the epoch."""
        if self.pace != "manual":
            return time.time()
        return read_stamp(self.admin("GET", "clock")["now"])

    # -- the admin API of an Understudy

    def admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the admin API. Raises NotReached where there is none, or where it refuses."""
        if not self.is_understudy:
            raise NotReached("this server cannot be made to do it: it is not an Understudy")
        exchange = self._admin(method, path, body)
        if exchange.status != 200:
            raise NotReached(f"the admin API refused: {exchange}")
        return exchange.json

    def _admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Exchange:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = json.dumps(body).encode() if body is not None else b""
        return self.wire.send(method, f"{self._admin_url}/_mock/{path}", headers, data)

    def make_account(self, key: str, **fields: Any) -> None:
        """Set fields of an account: balance_usd, rate_limit, scenario, disabled_models, quirks."""
        if key == self.key and self._found is None:
            self._found = self.admin("GET", f"accounts/{quote(key, safe='')}")
        self._put_account(key, fields)

    def _put_account(self, key: str, fields: Mapping[str, Any]) -> None:
        self.admin("PUT", f"accounts/{quote(key, safe='')}", fields)

    def balance(self, key: str) -> float:
        """Return the balance of a key, in USD."""
        balance = self.admin("GET", f"accounts/{quote(key, safe='')}")["balance_usd"]
        if balance is None:
            raise NotReached("the account has no balance")
        return float(balance)

    def jobs(self, key: str) -> list[dict[str, Any]]:
        """List the jobs of a key."""
        path = f"jobs?limit={_MOST_JOBS}&account={quote(key, safe='')}"
        jobs: list[dict[str, Any]] = self.admin("GET", path)["jobs"]
        return jobs

    def deliveries(self, job: str) -> list[dict[str, Any]]:
        """List the callbacks of a job, sent and planned."""
        found: list[dict[str, Any]] = self.admin("GET", f"webhooks?job={quote(job, safe='')}")["deliveries"]
        return found
