"""The values that callers hold: a job, what was last seen of it, and what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any


class State(Enum):
    """Where a job is. A status that no document names is PENDING: only known ends are ends."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Media:
    """One file that a job made.

    It is at `url` (http, https or data), or here already as `content` where the provider sent it at once.
    `flagged` tells that the provider's safety check found something in it.
    """

    url: str = ""
    content_type: str = "application/octet-stream"
    content: bytes | None = field(default=None, repr=False)
    flagged: bool = False

    def __repr__(self) -> str:
        """Show no more of a data URI than says that it is one."""
        where = self.url if len(self.url) <= 200 else f"{self.url[:60]}… ({len(self.url)} characters)"
        held = "" if self.content is None else f", {len(self.content)} bytes"
        return f"Media({where!r}, {self.content_type!r}{held})"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one answer or one callback said of a job. `status` is the provider's own word.

    `ready` tells that the job has completed and that its files have to be asked for at the result's address;
    until they have been, its state is PENDING. `result_url` is that address, where the provider named one.
    """

    job_id: str
    status: str
    state: State
    media: tuple[Media, ...] = ()
    error: str = ""
    code: int | None = None
    poll_url: str = ""
    result_url: str = ""
    ready: bool = False
    created_at: datetime | None = None
    completed_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def final(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.state is not State.PENDING


@dataclass(frozen=True, slots=True)
class Job:
    """A job that the provider has accepted. Its id is opaque; it is "" where a direct answer named none."""

    provider: str
    id: str
    model: str = ""
    snapshot: Snapshot | None = None
    """What the submit answered; None for a job taken up again by its id."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a completed job made, in the provider's order. `files` are those that were asked to be saved."""

    job_id: str
    media: tuple[Media, ...]
    snapshot: Snapshot = field(repr=False)
    files: tuple[Path, ...] = ()
