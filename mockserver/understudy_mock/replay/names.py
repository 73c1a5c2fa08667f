"""The jobs that are replayed here, and what they and uploaded files are called here and in the recording."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from understudy_mock.domain.call import Call
from understudy_mock.domain.draw import Draw
from understudy_mock.replay.jobs import addresses
from understudy_mock.replay.recorded import RecordedJob, RecordedJobs
from understudy_mock.replay.translate import ids_in, mint_like
from understudy_mock.wording import Wordings


@dataclass(slots=True, eq=False)
class ReplayedJob:
    """One job here: what was recorded of it, its id here, and what its callers have met so far.

    `created` is in ms of the clock, `drift` how far the wall clock was ahead of it then. `brought` holds the
    addresses that the caller brought itself.
    """

    recorded: RecordedJob
    id: str
    account: str
    created: int
    drift: int
    origin: str
    media_origin: str
    brought: frozenset[str]
    shown_since: int = -1
    """The offset of the latest state that a poll has shown."""

    failed_polls: int = 0
    downloads: Counter[str] = field(default_factory=Counter)

    @property
    def began(self) -> int:
        """The instant at which the life here began, in ms since the epoch."""
        return self.created + self.drift


class ReplayedJobs:
    """The latest `keep` jobs, by their ids here."""

    def __init__(self, recorded: RecordedJobs, wordings: Wordings, seed: int, keep: int) -> None:
        self._recorded = recorded
        self._wordings = wordings
        self._seed = seed
        self._keep = keep
        self._jobs: OrderedDict[str, ReplayedJob] = OrderedDict()
        self._latest: dict[tuple[str, str], str] = {}
        self._uploads = {name: self._upload_here(name) for name in recorded.uploads}
        self._recorded_uploads = {here: name for name, here in self._uploads.items()}

    def get(self, id: str) -> ReplayedJob | None:
        """Return a job by its id here."""
        return self._jobs.get(id)

    def add(
        self, recorded: RecordedJob, call: Call, account: str, now: int, drift: int, draw: Draw
    ) -> ReplayedJob:
        """Begin the life of a recorded job for the caller of a submit."""
        id = self._like_recorded(recorded, now + drift, draw)
        brought = frozenset(addresses(recorded.decoded))
        job = ReplayedJob(recorded, id, account, now, drift, call.origin, call.media_origin, brought)
        self._jobs[id] = job
        self._latest[account, recorded.id] = id
        if len(self._jobs) > self._keep:
            self._drop(next(iter(self._jobs.values())))
        return job

    def clear(self, account: str | None) -> None:
        """Forget the jobs of one account, or of all."""
        for job in list(self._jobs.values()):
            if account in (None, job.account):
                self._drop(job)

    def named_in(self, text: str) -> ReplayedJob | None:
        """Return a job whose id stands in a text."""
        ids = ids_in(text) if self._jobs else set()
        return next((self._jobs[id] for id in ids if id in self._jobs), None)

    def name_here(self, account: str, recorded_id: str) -> str | None:
        """Return what a recorded job or upload is called here, or would be: it may not be submitted yet."""
        recorded = self._recorded.by_id.get(recorded_id)
        if recorded is None:
            return self._uploads.get(recorded_id)
        known = self._latest.get((account, recorded_id))
        if known is not None:
            return known
        draw = Draw.of_job(self._seed, account, recorded.operation.id, recorded_id.encode(), 0)
        return self._like_recorded(recorded, recorded.began, draw)

    def with_recorded_names(self, text: bytes) -> bytes:
        """Return a request with jobs and uploads as they are called in the recording."""
        if not self._jobs and not self._recorded_uploads:
            return text
        for name in ids_in(text.decode("latin-1")):
            job = self._jobs.get(name)
            recorded = job.recorded.id if job is not None else self._recorded_uploads.get(name)
            if recorded is not None:
                text = text.replace(name.encode(), recorded.encode())
        return text

    def _like_recorded(self, recorded: RecordedJob, at: int, draw: Draw) -> str:
        model = recorded.operation.model
        assert model is not None  # the catalog compiles no submit without one
        minted = self._wordings[recorded.operation.provider].mint_id(model, at, draw, frozenset())
        return mint_like(recorded.id, minted, draw)

    def _upload_here(self, recorded: str) -> str:
        return mint_like(recorded, "", Draw.of_job(self._seed, "", "replay upload", recorded.encode(), 0))

    def _drop(self, job: ReplayedJob) -> None:
        del self._jobs[job.id]
        if self._latest.get((job.account, job.recorded.id)) == job.id:
            del self._latest[job.account, job.recorded.id]
