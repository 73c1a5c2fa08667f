"""What can be played: the jobs of a recording, their files, and the answers to all other calls.

Offsets are ms after a job's `began`: the instant at which its submit was answered, or was sent where the
answer itself brought the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy_mock.domain.model import Operation
from understudy_mock.domain.timeline import TERMINAL, State, Step
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.wording import Wordings, shipped

Key = tuple[str, str, str]
"""What a lookup is found by: call name or `METHOD path`, canonical query, body."""


class RecordedState(msgspec.Struct, frozen=True):
    """What one kind of call answered about the job, from `since` on."""

    since: int
    state: State
    entry: JournalEntry


class FailedPoll(msgspec.Struct, frozen=True):
    """A poll whose answer says nothing of the job.

    It came after the state that was shown since `after`, None for before any. `good_before` counts the good
    polls between it and the failed poll before it, or the submit.
    """

    entry: JournalEntry
    after: int | None
    good_before: int = 0


class RecordedCallback(msgspec.Struct, frozen=True):
    """One callback. Repeated attempts at the same one count once."""

    at: int
    event: Literal["progress", "terminal"]
    state: State
    entry: JournalEntry


class RecordedFile(msgspec.Struct, frozen=True):
    """One result file: the downloads that failed first, in order, and the answer that brought the file.

    `path` leads to the content where it is kept beside the recording.
    """

    failures: tuple[JournalEntry, ...] = ()
    answer: JournalEntry | None = None
    path: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the content is there."""
        answer = self.answer
        return answer is not None and (
            self.path is not None or len(answer.response_body) == answer.response_size
        )


class RecordedJob(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded submit and, where it made a job, the job's life.

    `number` counts from 1. `body` is canonical, `decoded` the same as JSON. `id` is the recorded id, "" where
    no job was made. `steps` is the life in the gateway's states: what the recording does not show has not
    happened. `states` are by call name.
    """

    number: int
    account: str
    operation: Operation
    body: bytes
    decoded: Any
    submit: JournalEntry
    began: int
    id: str = ""
    steps: tuple[Step, ...] = (Step(0, State.QUEUED),)
    states: Mapping[str, tuple[RecordedState, ...]] = {}
    failed_polls: tuple[FailedPoll, ...] = ()
    callbacks: tuple[RecordedCallback, ...] = ()
    urls: tuple[str, ...] = ()
    error: str | None = None
    code: int | None = None
    nsfw: bool = False
    status_name: str | None = None
    """The provider's word for PROCESSING, where it is not the documented one."""

    is_synchronous: bool = False
    """Whether the answer to the submit brought the end."""

    file: Path | None = None
    """The file that answered the submit, where it is kept beside the recording."""

    asked_for_callbacks: bool = False

    @property
    def model_name(self) -> str:
        """The model, or the operation where there is none."""
        return self.operation.model.id if self.operation.model is not None else self.operation.id

    @property
    def called_back_early(self) -> bool:
        """Whether a callback came before the answer to the submit."""
        answered = (self.began, self.submit.number)
        return not self.is_synchronous and any(
            (callback.entry.at, callback.entry.number) < answered for callback in self.callbacks
        )

    @property
    def end(self) -> Step | None:
        """The end, where it was recorded."""
        last = self.steps[-1]
        return last if last.state in TERMINAL else None

    @property
    def last(self) -> int:
        """The offset of the latest that is known."""
        return max(
            self.steps[-1].at,
            0,
            *(state.since for states in self.states.values() for state in states),
            *(callback.at for callback in self.callbacks),
        )


@dataclass(frozen=True, slots=True, eq=False)
class RecordedJobs:
    """All that a recording can play.

    `by_body` is by call name and canonical body, `by_id` by recorded id. `lookups` hold what is answered in
    recorded order, `files` are by the path of their address. `hosts` are the recorded network locations and
    the providers' real ones. `call_names` is by provider and operation. `uploads` are the names that the
    provider gave to uploaded files. `places` leads to an entry's file and its number there.
    """

    jobs: tuple[RecordedJob, ...]
    by_body: Mapping[tuple[str, bytes], tuple[RecordedJob, ...]]
    by_id: Mapping[str, RecordedJob]
    lookups: Mapping[Key, tuple[JournalEntry, ...]]
    files: Mapping[str, RecordedFile]
    hosts: frozenset[str]
    call_names: Mapping[tuple[str, str], str]
    places: Mapping[int, tuple[Path, int]] = field(default_factory=dict)
    uploads: frozenset[str] = frozenset()
    wordings: Wordings = field(default_factory=shipped)

    def call_name(self, operation: Operation) -> str:
        """Return the name that an operation shares with the other paths to it."""
        return self.call_names[operation.provider, operation.id]

    def place(self, entry: JournalEntry) -> str:
        """Return where an entry stands: `entry 3`, and of which file where there are several."""
        path, number = self.places.get(entry.number, (Path(), entry.number))
        paths = {path for path, _ in self.places.values()}
        if len(paths) < 2:
            return f"entry {number}"
        is_ambiguous = sum(other.name == path.name for other in paths) > 1
        return f"entry {number} of {path if is_ambiguous else path.name}"

    def unfinished(self) -> list[RecordedJob]:
        """Return the jobs whose end was not recorded."""
        return [job for job in self.jobs if job.id and job.end is None]
