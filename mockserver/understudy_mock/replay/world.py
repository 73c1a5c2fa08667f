"""What a replay remembers beside a gateway's world: its jobs here, what was asked for and what was missed."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from understudy_mock.domain.call import Answer, Call, json_answer
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.why import LONGEST_WHY
from understudy_mock.gateway.world import World
from understudy_mock.printing import printable
from understudy_mock.replay.miss import without_keys
from understudy_mock.replay.names import ReplayedJobs
from understudy_mock.replay.recorded import RecordedJobs
from understudy_mock.web.routes import Found, Routes
from understudy_mock.wording import Place

_log = logging.getLogger("understudy")

MISS = b"x-understudy-miss"
"""The header that tells a refusal of ours from an answer of the recording."""

_MISSED = 400
"""Status of a call that nothing answers. No client sends such a call again, none reads it as a matter of keys
or money, and 404 keeps its meaning: there is no such job."""

_NOTICED = 1_000
"""Ms from which on the time that an answer took was the provider's doing, and is taken again."""

_KEPT_MISSES = 1000
_LONGEST_HEADER = 300


@dataclass(eq=False)
class ReplayWorld(World):
    """The world of one replay. `misses` are the calls that nothing answered, each text once.

    `used` are the numbers of the recorded jobs that were asked for.
    """

    is_recorded: ClassVar[bool] = True

    recorded: RecordedJobs = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.misses: Counter[str] = Counter()
        self.used: set[int] = set()
        self.jobs = ReplayedJobs(self.recorded, self.wordings, self.settings.seed, self.settings.keep_jobs)
        self.counts: Counter[Any] = Counter()
        """How often calls without an account were answered, by what they are found by."""

        self._routes = Routes(self.catalog)

    async def reset(self, account: str | None) -> int:
        """Forget jobs, journal and cursors of one account, or of all: recorded jobs begin anew.

        `misses` and `used` stay: they are reported at the end of the run.
        """
        self.jobs.clear(account)
        if account is None:
            self.counts.clear()
        return await super().reset(account)

    def miss(self, found: Found, call: Call, text: str, condition: Condition | None = None) -> Answer:
        """Refuse a call that nothing answers, in the provider's form, and log it once."""
        self._note(call, text)
        provider = self.provider(found.provider)
        place = Place("", call.path, self.trace())
        unknown = Refusal(CallError.UNKNOWN_CHOICE, Detail(text=text))
        refusal = Refusal(condition, Detail(text=text)) if condition is not None else unknown
        answer = provider.refusal(refusal, place, frozenset())
        if condition is None:
            answer.status = _MISSED
        elif b"not in the recording" not in answer.body:  # the provider has no room for a reason there
            answer.body = provider.refusal(unknown, place, frozenset()).body
        line = " ".join(text.split())[:_LONGEST_HEADER]
        answer.headers = [*answer.headers, (MISS, line.encode("ascii", "replace"))]
        return answer

    def file_not_recorded(self, call: Call) -> Answer:
        """Refuse a file whose content is not in the recording."""
        text = "this file was not recorded; record again with media, or replay with --media small"
        self._note(call, without_keys(call, f"not in the recording: {call.method} {call.path}: {text}"))
        return json_answer(404, {"error": text}, (MISS, b"the file was not recorded"))

    def _note(self, call: Call, text: str) -> None:
        """Count a miss, and log it the first time."""
        if text in self.misses or len(self.misses) < _KEPT_MISSES:
            if text not in self.misses:
                _log.warning("%s", printable(text))
            self.misses[text] += 1
        call.warnings.append(text)
        call.why = " ".join(text.split())[:LONGEST_WHY]

    async def take_as_long(self, entry: JournalEntry) -> None:
        """Wait as long as a recorded answer took."""
        if entry.duration >= _NOTICED and entry.fault not in ("hang", "slow"):
            await self.clock.sleep_until(self.clock.now() + self.scaled(round(entry.duration)))

    def hosts(self, call: Call) -> frozenset[str]:
        """Return the network locations that are this server's, or were recorded."""
        own = {urlsplit(call.origin).netloc.lower(), urlsplit(call.media_origin).netloc.lower()}
        return self.recorded.hosts | own

    def is_api(self, path: str) -> bool:
        """Return whether a path leads to an operation, and not to a file."""
        found = self._routes.find("GET", path, "")
        return found.operation is not None or (bool(found.allowed) and not (found.file or found.kept))

    def scaled(self, ms: int) -> int:
        """Return a recorded duration as it is here."""
        return round(ms / self.settings.speed)
