"""One key on a gateway: what the admin API says and does about it, and which journal entries are its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import quote, unquote

import httpx
import msgspec

from understudy_contracts.testing.clock import settle
from understudy_contracts.testing.running import Running
from understudy_mock.gateway.journal import JournalEntry


class KeyAccount:
    """A key's account, from now on. Closing it makes the gateway forget all that happened under the key.

    `changes` are the journal numbers from which the test had changed the provider's behaviour.
    """

    def __init__(self, gateway: Running, key: str, stack: ExitStack) -> None:
        self.key = key
        self.changes: list[int] = []
        self._gateway = gateway
        self._since = gateway.world.journal.next_number
        self.name = gateway.world.accounts.of(key).name
        gateway.accounts[self.name] = key
        token = gateway.world.settings.admin_token
        shown = {"Authorization": f"Bearer {token}"} if token is not None else None
        url = f"{gateway.url}/_mock/"
        self._admin = stack.enter_context(
            httpx.Client(base_url=url, headers=shown, trust_env=False, timeout=30)
        )
        stack.callback(self.ask, "POST", "reset", params={"account": self.name})

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Call the admin API and return its JSON. Raises ValueError with its error."""
        __tracebackhide__ = True
        response = self._admin.request(method, path, **options)
        body = response.json()
        if response.is_error:
            raise ValueError(f"{body['pointer']}: {body['error']}".removeprefix(": "))
        return body

    def set(self, **fields: Any) -> None:
        """Change what the provider does to this key."""
        __tracebackhide__ = True
        self.change("PUT", f"accounts/{quote(self.key, safe='')}", fields)

    def change(self, method: str, path: str, fields: dict[str, Any]) -> Any:
        """Change the provider's behaviour, and remember from which journal entry on it is another."""
        __tracebackhide__ = True

        async def next_number() -> int:
            return self._gateway.world.journal.next_number

        # In the gateway's own thread: only there every answer is in the journal already.
        number = self._gateway.do(next_number)
        answer = self.ask(method, path, json=fields)
        self.changes.append(number)
        return answer

    def entries(self) -> tuple[list[JournalEntry], list[JournalEntry]]:
        """Return the entries under this key, and those under no key that was given out, oldest first."""

        async def read() -> list[JournalEntry]:
            return list(self._gateway.world.journal.since(self._since))

        settle(self._gateway)
        known = self._gateway.accounts
        others = [key for key in known.values() if key != self.key]
        own, strays = [], []
        for entry in self._gateway.do(read):
            if entry.account == self.name:
                own.append(entry)
            elif entry.account in known or entry.kind == "delivery":
                continue
            elif _holds(entry, self.key):
                # Its key tells it apart, and is taken out of what is shown.
                own.append(entry if entry.key else msgspec.structs.replace(entry, key=self.key))
            elif not any(_holds(entry, key) for key in others):
                strays.append(entry)
        return own, strays


def _holds(entry: JournalEntry, key: str) -> bool:
    """Return whether a call shows a key anywhere: address, headers, body."""
    raw = key.encode("latin-1", "replace")
    return (
        key in unquote(entry.url)
        or raw in entry.request_body
        or any(raw in value for _, value in entry.request_headers)
    )
