"""`understudy watch`: the conversation of a gateway that runs elsewhere, as it goes on.

It asks the gateway again and again what has changed, and for the exchanges that are new.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from understudy_contracts.conversation import as_text, tell
from understudy_contracts.findings import counted
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.commands.common import CannotRun, takes_colours
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.options import ADMIN_TOKEN, ADMIN_TOKEN_FILE, SPECS, attach, read_admin_token

if TYPE_CHECKING:
    import httpx

_EVERY = 0.3
"""Real seconds between two questions to a gateway in which nothing happens."""

_PAGE = 10_000
_EXCHANGES = 200
"""Exchanges that are asked for at a time; their bodies come with them."""

_CONTEXT = 200
"""Earlier exchanges that are read with new ones: an exchange may be about a job that one of them named."""

_PATIENCE = 10.0
"""Real seconds that an answer may take."""


class _Change(msgspec.Struct):
    kind: str


class _Changes(msgspec.Struct):
    run: str
    next: int
    changes: list[_Change]


class _Exchanges(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Numbered(msgspec.Struct):
    id: int


@click.command()
@click.argument("url", default="http://127.0.0.1:8080")
@attach(ADMIN_TOKEN, ADMIN_TOKEN_FILE, SPECS)
def watch(url: str, admin_token: str | None, admin_token_file: Path | None, specs: tuple[Path, ...]) -> None:
    """Print what clients and a running gateway say to each other, and its callbacks, as it happens.

    URL is the base URL that `understudy serve` prints, http://127.0.0.1:8080 by default. First comes what the
    gateway's journal still holds. When the gateway ends, this waits for the next one. Ctrl-C ends it.

    \b
    understudy watch
    understudy watch http://127.0.0.1:9000 --admin-token-file token.txt
    """
    import httpx  # takes a while to import, and other commands need none

    token = read_admin_token(admin_token, admin_token_file)
    try:
        catalog = open_catalog(specs)
    except SpecError as error:
        raise CannotRun(str(error)) from None
    headers = {"authorization": f"Bearer {token}"} if token is not None else {}
    colour = takes_colours(sys.stdout)
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=_PATIENCE, trust_env=False) as client:
            watcher = Watcher(client, catalog, click.echo, lambda text: click.echo(text, err=True))
            watcher.colour = colour
            while True:
                if not watcher.look():
                    time.sleep(_EVERY)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise CannotRun(f"{url!r} is not an http:// or https:// URL") from None
    except KeyboardInterrupt:
        return


class Watcher:
    """Prints what is new in a gateway's journal; `note` gets what is to say about the gateway itself."""

    def __init__(
        self,
        client: httpx.Client,
        catalog: Catalog,
        echo: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self.colour = False
        self._client = client
        self._catalog = catalog
        self._echo = echo
        self._note = note
        self._run = ""
        self._is_there: bool | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._next_change = 0
        self._next_number = 1
        self._began: int | None = None
        self._context: deque[JournalEntry] = deque(maxlen=_CONTEXT)

    def look(self) -> bool:
        """Ask what has changed and print what is new. Return whether there may be more to see at once.

        Raises CannotRun where the gateway does not let us in, or is none.
        """
        import httpx

        try:
            found = self._ask("changes", _Changes, since=self._next_change, limit=_PAGE)
            if found.run != self._run:
                return self._meet(found.run)
            if not self._is_there:
                self._note(f"the gateway at {self._client.base_url} is there again")
                self._is_there = True
            if found.next == self._next_change:
                return False
            if any(change.kind in ("call", "delivery") for change in found.changes):
                while self._read_on():
                    pass
            self._next_change = found.next
            return True
        except httpx.UnsupportedProtocol:
            raise
        except httpx.TransportError as error:
            if self._is_there is not False:
                self._note(f"no gateway answers at {self._client.base_url} ({error}); waiting for one")
                self._is_there = False
            return False

    def _meet(self, run: str) -> bool:
        """Begin with another run of the gateway."""
        if self._run:
            self._note("the gateway was restarted: it has forgotten what was before")
        else:
            self._note(f"watching {self._client.base_url}; Ctrl-C ends it")
        self._run, self._is_there = run, True
        self._begin_anew()
        return True

    def _read_on(self) -> bool:
        """Print the next exchanges. Return whether there were any."""
        found = self._ask("journal", _Exchanges, since=self._next_number, limit=_EXCHANGES)
        fresh = [_read(entry) for entry in found.entries]
        if not fresh:
            return False
        first = fresh[0].number
        if missing := first - self._next_number:
            self._note(f"… {counted(missing, 'exchange')} left out: the gateway has forgotten them")
        self._next_number = fresh[-1].number + 1
        known = [*self._context, *fresh]
        if self._began is None:
            self._began = min(entry.at for entry in known)
        shift = (min(entry.at for entry in known) - self._began) / 1000
        turns = [
            replace(turn, at=turn.at + shift if turn.at is not None else None)
            for turn in tell(known, self._catalog)
            if turn.number >= first
        ]
        self._context.extend(fresh)
        self._echo(as_text(turns, colour=self.colour))
        return True

    def _ask(self, what: str, kind: type[Any], **query: int) -> Any:
        answer = self._client.get(f"/_mock/{what}", params=query)
        if answer.status_code != 200:
            hint = " (--admin-token-file FILE)" if answer.status_code == 403 else ""
            reason = _reason(answer.content) + hint
            raise CannotRun(f"{self._client.base_url} answers {answer.status_code}: {reason}")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise CannotRun(f"{self._client.base_url} answers, but is no Understudy gateway") from None


def _read(entry: msgspec.Raw) -> JournalEntry:
    from understudy_mock.har.read import read_entry  # as httpx: slow to import

    return read_entry(bytes(entry), msgspec.json.decode(entry, type=_Numbered).id)


def _reason(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, Any])["error"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return "it may be no Understudy gateway"
