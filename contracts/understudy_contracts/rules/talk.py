"""A journal as the rules read it: the exchanges, sorted by what they are for and by job.

Nothing here judges.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from understudy_contracts.claim import Claim
from understudy_contracts.rules.exchange import Exchange, Part
from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.inbox import inbox_of
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.wording import Readers, Reads, Wordings, shipped, wordings_of

_PARTS: dict[str, Part] = {"submit": "submit", "status": "poll", "result": "result"}
_FILE = re.compile(r"/v1/[^/]+/output[^/?]*(\?.*)?\Z", re.DOTALL)


@dataclass(eq=False)
class JobTalk:
    """All exchanges about one job, each list in the order of time."""

    id: str
    submits: list[Exchange] = field(default_factory=list)
    polls: list[Exchange] = field(default_factory=list)
    results: list[Exchange] = field(default_factory=list)
    media: list[Exchange] = field(default_factory=list)
    callbacks: list[Exchange] = field(default_factory=list)

    @property
    def answers(self) -> list[Exchange]:
        """All answers and callbacks that said where the job is, in the order of time."""
        everything = [*self.submits, *self.polls, *self.results, *self.callbacks]
        return sorted((call for call in everything if call.view is not None), key=lambda call: call.ends)

    @cached_property
    def end(self) -> Exchange | None:
        """The first answer or callback that said that the job has ended."""
        return next((call for call in self.answers if call.view is not None and call.view.end), None)

    @property
    def known(self) -> bool:
        """Whether an answer named the job's id to the caller."""
        return any(call.view is not None and call.view.job == self.id for call in self.submits)

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of the job's files, as the provider named them."""
        return next((call.view.urls for call in self.answers if call.view is not None and call.view.urls), ())


@dataclass(eq=False)
class Talk:
    """A whole journal, and what else is known about it: see `read_talk`."""

    exchanges: Sequence[Exchange]
    operations: Sequence[Operation]
    claim: Claim | None = None
    speed: float = 1.0
    secret: Callable[[str], str] | None = None
    charged: Callable[[str], bool | None] | None = None
    changes: Sequence[int] = ()
    alone: bool = False
    wordings: Wordings = field(default_factory=shipped)
    mounts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def calls(self) -> list[Exchange]:
        """All calls to the provider, in the order of time."""
        return [call for call in self.exchanges if call.part != "callback"]

    @cached_property
    def callbacks(self) -> list[Exchange]:
        """All callbacks of the provider, in the order of time."""
        return [call for call in self.exchanges if call.part == "callback"]

    @cached_property
    def submits(self) -> list[Exchange]:
        """Every submit."""
        return self.of("submit")

    @cached_property
    def jobs(self) -> dict[str, JobTalk]:
        """All exchanges, by job."""
        jobs: dict[str, JobTalk] = {}
        for call in self.exchanges:
            if not call.job or call.part in ("other", "unknown"):
                continue
            job = jobs.setdefault(call.job, JobTalk(call.job))
            lists = {
                "submit": job.submits,
                "poll": job.polls,
                "result": job.results,
                "media": job.media,
                "callback": job.callbacks,
            }
            lists[call.part].append(call)
        return jobs

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key of each account that sent one."""
        entries = (exchange.entry for exchange in self.exchanges)
        return {entry.account: entry.key for entry in entries if entry.key and entry.account}

    @cached_property
    def elsewhere(self) -> list[Exchange]:
        """The downloads from another host than the API's, as far as hosts are known."""
        known = {call.host for call in self.calls if call.operation is not None} - {""}
        return [call for call in self.of("media") if call.host not in known]

    def of(self, part: Part) -> list[Exchange]:
        """The exchanges of one part."""
        return [call for call in self.exchanges if call.part == part]

    def attempts(self) -> list[list[Exchange]]:
        """Group tries of the same thing: equal submits, the polls of a job, the downloads of a file.

        A change of the provider's behaviour ends a group: a call that was refused before may be right now.
        """
        groups: dict[tuple[int, tuple[str, ...]], list[Exchange]] = {}
        for call in self.calls:
            name = purpose(call)
            if name is not None:
                # By number, since instants may be equal: where time stands still, all are.
                groups.setdefault((bisect_right(self.changes, call.entry.number), name), []).append(call)
        return list(groups.values())

    @cached_property
    def job(self) -> JobTalk | None:
        """The job that the claim is about: the one it names, or whose files it returns, else the first."""
        if self.claim is not None and self.claim.job_id in self.jobs:
            return self.jobs[self.claim.job_id]
        claimed = {output.url for output in self.claim.media} if self.claim is not None else set()
        owner = next((job for job in self.jobs.values() if claimed.intersection(job.urls)), None)
        return owner or next(iter(self.jobs.values()), None)

    @property
    def end(self) -> Exchange | None:
        """The exchange that said that the claimed job has ended, if it came before the client concluded."""
        end = self.job.end if self.job is not None else None
        until = self.claim.concluded if self.claim is not None else 0
        return None if end is None or (until and end.begins > until) else end

    @cached_property
    def last(self) -> Exchange | None:
        """The last call that mattered."""
        return next(
            (call for call in reversed(self.calls) if call.part in ("submit", "poll", "result", "media")),
            None,
        )


def purpose(call: Exchange) -> tuple[str, ...] | None:
    """Return what a call is for: two calls with the same purpose are tries of the same thing."""
    entry = call.entry
    who = entry.account or entry.key
    match call.part:
        case "submit":
            # The query may hold a callback's address; with another address it is another submit.
            return ("submit", who, entry.url, entry.request_body.decode("latin-1"))
        case "poll" | "result":
            return (call.part, who, entry.url, entry.request_body.decode("latin-1"))
        case "media":
            return ("media", entry.url)
        case _:
            return None


def read_talk(
    entries: Iterable[JournalEntry],
    catalog: Catalog,
    *,
    claim: Claim | None = None,
    speed: float = 1.0,
    secret: Callable[[str], str] | None = None,
    charged: Callable[[str], bool | None] | None = None,
    changes: Sequence[int] = (),
    alone: bool = False,
) -> Talk:
    """Read a journal. The catalog knows what each operation is for.

    `speed` divides documented durations. `secret` returns what signs an account's callbacks, `charged`
    whether a job's price is kept, None where that is unknown. `changes` are the moments at which the judge
    changed the provider's behaviour: each the journal number of the first entry after it, in order. `alone`
    says that all calls are one client's, as they are where there is a claim. Otherwise two clients may have
    made the same call.
    """
    wordings = wordings_of(catalog)
    mounts = {name: catalog.mount(name) for name in catalog.providers}
    readers = Readers(wordings)
    exchanges = [_exchange(entry, catalog, readers.of(entry.provider)) for entry in entries]
    exchanges.sort(key=lambda call: (call.begins, call.entry.number))
    alone = alone or claim is not None
    return Talk(
        exchanges, catalog.operations, claim, speed, secret, charged, changes, alone, wordings, mounts
    )


def _exchange(entry: JournalEntry, catalog: Catalog, reads: Reads) -> Exchange:
    if entry.kind == "delivery":
        return Exchange(entry, None, reads, "callback", inbox_of(entry.url) != "")
    operation = catalog.operation(entry.provider, entry.operation)
    if operation is not None:
        return Exchange(entry, operation, reads, _PARTS.get(operation.role, "other"))
    # Without an operation, a call about a job is for one of its files, wherever they are.
    is_file = entry.method in ("GET", "HEAD") and (entry.job or _FILE.search(urlsplit(entry.url).path))
    return Exchange(entry, None, reads, "media" if is_file else "unknown")
