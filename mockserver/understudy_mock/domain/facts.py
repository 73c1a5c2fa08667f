"""The facts of answers that are not about one job's state. Decisions find them, providers word them.

Money is in micro-USD.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.timeline import Step


class Upload(msgspec.Struct, frozen=True):
    """One file that an account brought, or is about to bring. `url` is its absolute address.

    `content` is None until it has come, and `tag` names it; `ticket` names the place that waits for it, ""
    where none does, and `promised` how many bytes are to come there.
    """

    id: str
    account: str
    name: str
    media_type: str
    url: str
    content: bytes | None = None
    tag: str = ""
    ticket: str = ""
    promised: int = 0

    @property
    def size(self) -> int:
        """How large it is, in bytes."""
        return len(self.content or b"")


class Secret(NamedTuple):
    """What signs the account's callbacks."""

    secret: str


class Balance(NamedTuple):
    """What the account can spend. `alias` tells whether it was asked for at the operation's second path."""

    balance: int
    alias: bool


class Models(NamedTuple):
    """The models that the account can run, each with its price for the documented defaults."""

    priced: list[tuple[Model, int]]


class JobPage(NamedTuple):
    """One page (from 1) of the account's `total` jobs: each with where it is and where its files are."""

    page: int
    total: int
    jobs: list[tuple[Job, Step, list[str]]]


class StillRunning(NamedTuple):
    """A submit waited `seconds` of provider time for a job that has not ended."""

    job: Job
    step: Step
    seconds: float


class Uploaded(NamedTuple):
    """Files that were uploaded."""

    files: list[Upload]


class Ticket(NamedTuple):
    """A file that is promised a place, and where to put its content."""

    file: Upload
    url: str


class Stored(NamedTuple):
    """The content of a promised file came."""


Facts = Secret | Balance | Models | JobPage | StillRunning | Uploaded | Ticket | Stored
