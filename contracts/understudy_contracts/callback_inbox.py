"""Inboxes for callbacks, seen from another thread: a gateway's own, or those of a receiver alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from understudy_contracts.served import Served
from understudy_mock.domain.clock import SystemClock
from understudy_mock.gateway.inbox import KEPT_BYTES, KEPT_CALLBACKS, SITE, Inboxes, Received
from understudy_mock.web.admin.inbox import make_receiver
from understudy_mock.web.server import bind


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it came. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """The body as JSON; None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class CallbackInbox:
    """The inboxes of an app that is served in another thread. Each answers 200, unless `answer` sets another.

    Of all callbacks to all of them the latest are kept, at most `KEPT_CALLBACKS`.
    """

    def __init__(self, served: Served, inboxes: Inboxes) -> None:
        inboxes.keep = KEPT_CALLBACKS  # whoever waits for callbacks wants to see all of them
        self._served = served
        self._inboxes = inboxes
        self._numbers = count(1)
        self.url = served.url + SITE
        """What begins the addresses of all of them."""

    def new_path(self) -> str:
        """Return the path, after `url`, of an inbox that nobody has used."""
        return f"/callbacks-{next(self._numbers)}"

    def answer(self, path: str, status: int) -> None:
        """Answer what comes to a path with this HTTP status from now on."""
        self._do(lambda: self._inboxes.answer(path[1:], status))

    def forget(self, path: str) -> None:
        """Forget what has come to a path, and how it is answered."""
        self._do(lambda: self._inboxes.forget(path[1:]))

    def at(self, path: str) -> list[Callback]:
        """Return the callbacks that have come to a path, oldest first."""
        return [_read(path, one) for one in self._do(lambda: self._inboxes.callbacks(path[1:]))]

    def wait(self, path: str, number: int, seconds: float) -> list[Callback]:
        """Wait at most `seconds` until `number` have come to a path, and return those that have."""

        async def come() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._inboxes.wait(path[1:], number), seconds)

        self._served.do(come)
        return self.at(path)

    def _do(self, work: Callable[[], Any]) -> Any:
        async def done() -> Any:
            return work()

        return self._served.do(done)


class Receiver(CallbackInbox):
    """Inboxes at an address of their own on this machine, for callbacks from any server.

    They keep `keep_bytes` bytes in all.
    """

    def __init__(self, keep_bytes: int = KEPT_BYTES) -> None:
        self._stack = ExitStack()
        listener = self._stack.enter_context(bind("127.0.0.1", 0))
        inboxes = Inboxes(keep_bytes=keep_bytes)
        served = Served(make_receiver(inboxes, SystemClock()), listener)
        super().__init__(served, inboxes)
        served.start()
        self._stack.callback(served.stop)

    def close(self) -> None:
        """Stop listening."""
        self._stack.close()


def _read(path: str, received: Received) -> Callback:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in received.headers}
    return Callback(path, headers, received.body)
