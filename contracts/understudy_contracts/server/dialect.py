"""How a provider tells a job, read back: by the block `reads` of its description, never by its templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

from understudy_contracts.server.stamps import read_stamp
from understudy_contracts.server.wire import Exchange
from understudy_mock.wording import Wording

RANK: Mapping[str, int] = MappingProxyType(
    {"QUEUED": 0, "PROCESSING": 1, "COMPLETED": 2, "FAILED": 2, "ERROR": 2}
)
"""How far along a job is. States of rank 2 are final."""


class Unreadable(Exception):
    """An answer does not have the documented form."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submit answered: the job's name, and where to ask for it ("" when that is not body)."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class View:
    """A job as an answer or a callback tells it.

    `word` is the provider's own status and `state` what it stands for, "" for a word that is not
    documented. `stamps` are those of the provider, by name, in the order in which they happen.
    """

    id: str
    word: str
    state: str
    outputs: tuple[str, ...] = ()
    media_type: str = ""
    error: str = ""
    stamps: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return RANK.get(self.state, 0) == 2

    @property
    def content(self) -> tuple[object, ...]:
        """Everything but the stamps, and what comes after an address's ?: signed anew for each who asks."""
        outputs = tuple(one.partition("?")[0] for one in self.outputs)
        return self.id, self.state or self.word, outputs, self.media_type, self.error


class Dialect:
    """What is known of one provider's answers."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._reads = wording.reads

    @property
    def retry_header(self) -> str:
        """The header of a 429 that tells when to come back."""
        return self._reads.retry_header

    @property
    def signs(self) -> bool:
        """Whether callbacks are signed."""
        return self._wording.signs

    @cached_property
    def states(self) -> Mapping[str, str]:
        """Documented status words, and the state each stands for."""
        states: dict[str, str] = {}
        for state in RANK:
            states.setdefault(self._wording.words[state], state)
        return MappingProxyType(states)

    @cached_property
    def stamps(self) -> Mapping[str, str]:
        """The names of the documented stamps, by what they are of: created, changed and completed."""
        named = {role: self._reads.places(role) for role in ("created", "changed", "completed")}
        return {role: places[0].rpartition(".")[2] for role, places in named.items() if places}

    def accepted(self, body: Any) -> Accepted:
        """Read the answer to a submit. Raises Unreadable."""
        url = self._reads.poll_url(body)
        if not url and self._reads.places("poll_url"):
            raise self._lacking("poll_url")
        return Accepted(self._id(body), url)

    def view(self, body: Any, *, callback: bool = False) -> View:
        """Read the answer to a poll, or a callback, which may have words of its own. Raises Unreadable."""
        told = self._reads.told(body)
        if told is None or not told.word:
            raise self._lacking("state")
        is_documented = bool(told.states) and (callback or told.word in self.states)
        return View(
            id=self._id(body),
            word=told.word,
            state=told.states[0].value if is_documented else "",
            outputs=self._reads.urls(body),
            media_type=told.media_type,
            error=told.error,
            stamps={name: getattr(told, role) or None for role, name in self.stamps.items()},
        )

    def files(self, body: Any) -> tuple[tuple[str, ...], str]:
        """Return the addresses of the files that a result names, and their type where it says so."""
        told = self._reads.told(body)
        return self._reads.urls(body), told.media_type if told is not None else ""

    def wait(self, exchange: Exchange, now: float) -> float:
        """Return how many seconds a 429 asks to wait. Raises Unreadable."""
        name, given = self.retry_header, exchange.answered.get(self.retry_header)
        if given is None:
            raise Unreadable(f"the answer has no {name}")
        if given.isdecimal() and int(given) > 0:
            return float(given)
        for read in (read_stamp, lambda text: parsedate_to_datetime(text).timestamp()):
            try:
                return read(given) - now
            except ValueError:
                continue
        raise Unreadable(f"{name} is {given!r}, neither a number of seconds nor an instant")

    def _id(self, body: Any) -> str:
        if job := self._reads.job(body):
            return job
        raise self._lacking("id")

    def _lacking(self, what: str) -> Unreadable:
        return Unreadable(f"it does not say {_ASKED[what]}: {' or '.join(self._reads.places(what))}")


_ASKED = {
    "id": "which job it is about",
    "state": "where the job is",
    "poll_url": "where the job can be asked for",
}
