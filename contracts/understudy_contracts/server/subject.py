"""What a check works with: one operation of one server, and ways to submit, follow and force jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import takewhile
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

from understudy_contracts.callback_inbox import CallbackInbox
from understudy_contracts.findings import counted
from understudy_contracts.server.dialect import Accepted, Dialect, Unreadable, View
from understudy_contracts.server.record import record
from understudy_contracts.server.spec import Api
from understudy_contracts.server.target import NotReached, Target
from understudy_contracts.server.wire import Exchange, Unanswered
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry

_T = TypeVar("_T")

ENDS = ("COMPLETED", "FAILED", "ERROR")
"""How jobs end."""

_LIFE = 0.3
"""Real seconds that a forced job lives, but where callbacks are awaited."""

_WALK = "walk to "
_SHORT = 0.01
"""Real seconds between polls of a job that has ended at once."""

ACCEPTED = range(200, 300)
"""The statuses of a submit that is accepted."""

_POLLS = 200
_AFTER = 3
_LOST = 20
_LEADING = 7
"""Polls at most that a finding shows besides its submit."""


class Broken(Exception):
    """A promise is broken: what was seen, and the exchanges that show it.

    `hint` says what else to look at when they are made again.
    """

    def __init__(self, message: str, *evidence: Exchange, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence
        self.hint = hint


def credentials(operation: Operation, key: str) -> dict[str, str]:
    """Return the header that carries a key to an operation."""
    credential = next((one for one in operation.credentials if one.place != "query"), None)
    if credential is None:
        return {}
    if credential.place == "bearer":
        return {"Authorization": f"Bearer {key}"}
    return {"-".join(part.capitalize() for part in credential.name.decode().split("-")): key}


@dataclass
class Walk:
    """One job followed from its submit to its end, and a little beyond.

    `polls` holds every poll with what it says (None for one that cannot be read as a job); `end` is the
    index of the first with a final state.
    """

    submit: Exchange
    accepted: Accepted
    polls: list[tuple[Exchange, View | None]] = field(default_factory=list)
    end: int | None = None

    @property
    def views(self) -> list[tuple[Exchange, View]]:
        """The polls whose answers are about a job."""
        return [(exchange, view) for exchange, view in self.polls if view is not None]

    @property
    def until_end(self) -> list[tuple[Exchange, View]]:
        """Those up to the first final state, with it."""
        last = len(self.polls) if self.end is None else self.end + 1
        return [(exchange, view) for exchange, view in self.polls[:last] if view is not None]

    def leading_to(self, index: int) -> list[Exchange]:
        """The poll of an index, after those since the state changed last: they show it again."""
        words = [view.word if view is not None else "" for _, view in self.polls[:index]]
        same = list(takewhile(lambda word: word == words[-1], reversed(words)))[: _LEADING - 1]
        return [exchange for exchange, _ in self.polls[index - len(same) : index + 1]]

    def last(self) -> tuple[Exchange, View]:
        """The poll that reported the end. Raises NotReached when none did."""
        if self.end is None:
            raise NotReached("the job did not end during the check")
        exchange, view = self.polls[self.end]
        assert view is not None  # a poll that says nothing ends nothing
        return exchange, view


@dataclass(eq=False)
class Subject:
    """One submit operation under test. `peers` are all of its provider and kind, in order."""

    target: Target
    api: Api
    operation: Operation
    inbox: CallbackInbox
    peers: list[Subject] = field(default_factory=list)
    said: list[Exchange] = field(default_factory=list)
    """What the check under way rests on: its own calls, and those of what it need not see again."""
    _seen: dict[str, tuple[Any, list[Exchange]]] = field(default_factory=dict)
    _journal: tuple[list[Exchange], tuple[JournalEntry, ...]] = ([], ())

    def __post_init__(self) -> None:
        self.dialect = Dialect(self.api.wording)
        self.status_operation = self.api.status_of(self.operation)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep what a check says in `said`, from nothing on."""
        said: list[Exchange] = []
        self.said = said
        self.target.watchers.append(said.append)
        try:
            yield
        finally:
            self.target.watchers.remove(said.append)

    def once(self, name: str, see: Callable[[], _T]) -> _T:
        """See something once for all checks; its calls belong to each. Raises NotReached, to each of them."""
        if name not in self._seen:
            before = len(self.said)
            try:
                seen: Any = see()
            except NotReached as reason:
                seen = reason
            self._seen[name] = seen, self.said[before:]
        seen, said = self._seen[name]
        held = set(map(id, self.said))
        self.said += [one for one in said if id(one) not in held]
        if isinstance(seen, NotReached):
            raise seen
        return cast(_T, seen)

    def journal(self) -> tuple[JournalEntry, ...]:
        """Return the calls as a journal: the same object as before, if the calls are the same."""
        said, journal = self._journal
        if len(said) != len(self.said) or any(
            one is not two for one, two in zip(said, self.said, strict=True)
        ):
            journal = record(self.said, self.api, self.target.base_url, self.target.key or "")
            self._journal = self.said, journal
        return journal

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.api.provider} {self.operation.id}"

    @property
    def queues(self) -> bool:
        """Whether a submit answers with a job; else it answers with the file itself."""
        return self.operation.answers == "job"

    @cached_property
    def first(self) -> bool:
        """Whether it stands for its peers: the first that takes a submit, or of none that does the first."""
        return next((one for one in self.peers if one.takes), (self.peers or [self])[0]) is self

    @cached_property
    def takes(self) -> bool:
        """Whether a submit of the documented example is accepted; it is asked once."""
        try:
            self.must_accept(self.target.fresh_key())
        except (NotReached, Unanswered):
            return False
        return True

    # -- calls

    def credentials(self, key: str | None) -> dict[str, str]:
        """Return the header that carries a key; none without one."""
        return {} if key is None else credentials(self.operation, key)

    def submit(
        self,
        key: str | None,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        webhook: str = "",
        mode: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Submit the documented example, or another body."""
        sent = {"Content-Type": "application/json", **self.credentials(key), **(headers or {})}
        path = self.operation.path
        if webhook and self.operation.webhook_header:
            sent["X-Webhook-URL"] = webhook
            if mode:
                sent["X-Webhook-Mode"] = mode
        elif webhook and self.operation.webhook_query:
            path += "?" + urlencode({self.operation.webhook_query: webhook})
        if not isinstance(body, bytes):
            body = json.dumps(self.api.example(self.operation) if body is None else body).encode()
        return self.target.call(self.operation.method, path, sent, body)

    def accept(self, key: str, **options: Any) -> tuple[Accepted, Exchange]:
        """Submit, where it only matters what comes after. Raises NotReached when it is not accepted."""
        exchange = self.submit(key, **options)
        if exchange.status not in ACCEPTED:
            raise self.refused(exchange)
        return self.job_of(exchange), exchange

    def must_accept(self, key: str) -> None:
        """Submit the documented example, where refusals of other submits are judged.

        Raises NotReached when it is refused, too: a server that refuses everything has shown nothing.
        """
        self.force_at_once(key)
        exchange = self.submit(key)
        if exchange.status not in ACCEPTED:
            raise self.refused(exchange)

    def refused(self, exchange: Exchange, wanted: int | None = None) -> NotReached:
        """Return the reason that a submit was not accepted, or not answered with `wanted`, and what to do."""
        made_up = self.target.key is None and exchange.status in (401, 403)
        hint = "; the keys are made up: give a key that it knows with --key" if made_up else ""
        instead = f", not {wanted}" if wanted is not None else ""
        return NotReached(f"the submit was answered {exchange.status}{instead}{hint}")

    def statuses_of(self, condition: Condition, *usual: int) -> set[int]:
        """Return the statuses that the provider documents for a condition, else the `usual` ones."""
        meant = {status for status, what in self.api.wording.conditions.items() if what is condition}
        return meant & self.operation.statuses or set(usual)

    def job_of(self, exchange: Exchange) -> Accepted:
        """Read the answer to a submit. Raises NotReached when it tells no job."""
        try:
            return self.dialect.accepted(exchange.json)
        except Unreadable as problem:
            raise NotReached(f"the answer to the submit has no job: {problem}") from None

    def status_url(self, job: str) -> str:
        """Return the documented address of a job. Raises NotReached."""
        operation = self.status_operation
        if operation is None:
            raise NotReached("no status operation is documented")
        return self.target.base_url + operation.path.replace(f"{{{operation.job}}}", quote(job, safe=""))

    def poll(self, job: str, key: str | None) -> Exchange:
        """Ask for a job."""
        operation = self.status_operation
        url = self.status_url(job)
        assert operation is not None  # else there was no URL
        if operation.method == "GET":
            return self.target.call("GET", url, self.credentials(key))
        headers = {"Content-Type": "application/json", **self.credentials(key)}
        return self.target.call(operation.method, url, headers, json.dumps({operation.job: job}).encode())

    def see(self, exchange: Exchange) -> View | None:
        """Read a poll; None when it is about no job. A failed job may come with an error status."""
        try:
            return self.dialect.view(exchange.json)
        except Unreadable:
            return None

    # -- whole lives

    @property
    def endless(self) -> bool:
        """Whether a job was followed in vain."""
        return any(isinstance(seen, Walk) and seen.end is None for seen, _ in self._seen.values())

    def force(self, key: str, name: str, job: Mapping[str, Any], **more: Any) -> None:
        """Give the account of a key its own scenario. Times in `job` are provider seconds."""
        # An end that is asked for is no matter of chance: see --fail-rate.
        scenario = {"name": f"check-{name}", "job": {"end": "COMPLETED", **job}, **more}
        self.target.make_account(key, scenario=scenario)

    def force_at_once(self, key: str) -> None:
        """Have the jobs of a key end at once, where that can be forced: a call may wait for its job."""
        if self.target.is_understudy:
            self.force(key, "at-once", {"queued": 0, "processing": 0})

    def walk(self, end: str = "COMPLETED") -> Walk:
        """Follow one job to this end; the same one for every check. Raises NotReached."""
        return self.once(f"{_WALK}{end}", partial(self._walk, end))

    def walks(self) -> list[Walk]:
        """A job of each end that can be reached: all three at an Understudy, else the good one."""
        return [self.walk(end) for end in (ENDS if self.target.is_understudy else ENDS[:1])]

    def unknown_words(self) -> frozenset[str]:
        """The undocumented states that the jobs followed here have had."""
        try:
            walks = self.walks()
        except NotReached:
            return frozenset()
        return frozenset(view.word for walk in walks for _, view in walk.views if not view.state)

    def _walk(self, end: str) -> Walk:
        if not self.queues:
            raise NotReached("the submit answers with the file itself, so there is no job to follow")
        target = self.target
        key = target.fresh_key()
        pause = _LIFE / 6
        if target.is_understudy:
            half = _LIFE / 2 * target.speed
            if end != "COMPLETED" and target.pace != "manual" and not self.first:
                # How long a bad job lives is seen at the first operation; here, only how it ends.
                half, pause = 0.0, _SHORT
            error = {} if end == "COMPLETED" else {"error": "forced by the check"}
            self.force(key, end.lower(), {"queued": half, "processing": half, "end": end, **error})
        else:
            operation = self.status_operation
            pause = (operation.poll_seconds if operation is not None else None) or 1.0
            pause = min(pause, target.patience / 20)
        deadline = time.monotonic() + target.patience
        accepted, submitted = self.accept(key)
        walk = Walk(submitted, accepted)
        left, lost = _AFTER, 0
        while left and len(walk.polls) < _POLLS and time.monotonic() < deadline:
            exchange = self.poll(accepted.id, key)
            view = self.see(exchange)
            walk.polls.append((exchange, view))
            if walk.end is None and view is not None and view.final:
                walk.end = len(walk.polls) - 1
            elif walk.end is not None:
                left -= 1
            lost = lost + 1 if view is not None and not view.state else 0
            if lost == _LOST and target.is_understudy:
                break  # the forced life is over, and what came since then is not documented
            if target.pace != "polls":
                target.elapse(pause)
        return walk

    @contextmanager
    def unchanged(self, key: str) -> Iterator[list[str]]:
        """Yield a list that says afterwards what jobs and money of a key changed."""
        jobs, balance = len(self.target.jobs(key)), self.target.balance(key)
        changes: list[str] = []
        yield changes
        made, cost = len(self.target.jobs(key)) - jobs, balance - self.target.balance(key)
        if made:
            changes.append(f"created {counted(made, 'job')}")
        if round(cost, 6):
            changes.append(f"charged {cost:g} USD")

    @property
    def price(self) -> float:
        """What the documented example costs, in USD."""
        model = self.operation.model
        assert model is not None  # a submit has one
        return model.price.of({**model.defaults, **self.api.example(self.operation)}) / 1e6


__all__ = ["Broken", "NotReached", "Subject", "Unanswered", "Walk"]
