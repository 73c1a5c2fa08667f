"""The search: draw examples, play them, and make those smaller that broke a rule.

Every lane is a client of its own, and all lanes take the next example from the same list. So the same seed
tries the same examples, however long each takes. Hypothesis only draws. For each broken rule the smallest
example is then played again; parts of it are left out as long as the rule still breaks.

A client need not be deterministic. What broke a rule is played again before it is made smaller and after, and
the report says how often the rule broke.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st

from understudy_contracts.conformance.drivers import Driver
from understudy_contracts.conformance.protocol import Hello, Mode
from understudy_contracts.conformance.stage import Played, play
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import read_talk
from understudy_contracts.search.coverage import Coverage
from understudy_contracts.search.expect import case_of
from understudy_contracts.search.mischiefs import SPEED
from understudy_contracts.search.places import MODES, Place, lacking, places
from understudy_contracts.search.strategies import Drawn, drawn, singles
from understudy_mock.catalog import Catalog
from understudy_mock.domain.scenario import write_scenario

REPLAYS = 2
"""How often an example that broke a rule is played again, before it is believed."""

SHRINK_SECONDS = 30.0
"""Real seconds spent on making one example smaller; the smallest until then is reported."""

_SINGLES = 0.6
"""Share of the examples that are single mischiefs, which are not drawn."""

_BATCH = 100
"""Examples that Hypothesis draws at a time."""

_IDLE = 3
"""Batches in a row without a new example after which all that can be drawn was played."""

_CANDIDATES = 3
"""Examples that are played again for a rule, where the first ones did not repeat."""

_WEIGHT = (Severity.MUST, Severity.SHOULD, Severity.INFO)


class Nothing(Exception):
    """This client cannot be tried with anything."""


@dataclass(frozen=True, slots=True)
class Found:
    """A broken rule and the smallest example of it. It broke the rule `seen` of `played` times.

    `examples` is the number of the example that broke the rule first, from 1. It is not `shrunk` where the
    search was stopped before: then it is the smallest of those that were drawn, played once.
    """

    finding: Finding
    drawn: Drawn
    seen: int
    played: int
    examples: int
    first: Drawn
    conversation: Played
    shrunk: bool = True

    @property
    def repeatable(self) -> bool:
        """Whether it broke the rule each time."""
        return self.seen == self.played


@dataclass(frozen=True, slots=True)
class Exploration:
    """The result of a search. `plays` counts every run of the client, those for shrinking included.

    `kinds` counts the single mischiefs that there are, `untried` those that no example contained, for want
    of examples or time.
    """

    hello: Hello
    places: tuple[Place, ...]
    found: tuple[Found, ...]
    faults: tuple[str, ...]
    coverage: Coverage
    examples: int
    plays: int
    unsupported: int
    seconds: float
    out_of_time: bool
    by_place: dict[str, int]
    interrupted: bool = False
    kinds: int = 0
    untried: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is. `stage` is in words."""

    stage: str
    examples: int
    plays: int
    broken: tuple[str, ...]


Tell = Callable[[Progress], None]


class Stop:
    """Asks a search to stop, from any thread, before it begins or while it goes on."""

    def __init__(self) -> None:
        self._asked = False
        self._listener: Callable[[], None] | None = None

    def ask(self) -> None:
        """Stop drawing and shrinking; runs of the client that go on are broken off."""
        self._asked = True
        if self._listener is not None:
            self._listener()

    def call(self, listener: Callable[[], None]) -> None:
        """Call `listener` when this is asked; now where it was asked already."""
        self._listener = listener
        if self._asked:
            listener()


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """An example that broke rules, the `number`th that was begun."""

    number: int
    drawn: Drawn
    findings: dict[str, Finding]
    played: Played

    def rank(self, rule: str) -> tuple[int, int, int]:
        """Return how well it shows a rule: the least shows it best."""
        size = len(str(write_scenario(self.drawn.scenario))) + len(str(self.drawn.input))
        return _WEIGHT.index(self.findings[rule].severity), size, self.number


@dataclass(slots=True, kw_only=True)
class _Search:
    """The state of a search, which all lanes share. They run on one event loop."""

    catalog: Catalog
    hello: Hello
    strategy: st.SearchStrategy[Drawn]
    waiting: deque[Drawn]
    wanted: int
    seed: int
    tell: Tell
    ends: float
    shrink_seconds: float
    until: frozenset[str]
    coverage: Coverage = field(default_factory=Coverage)
    faults: dict[str, None] = field(default_factory=dict)
    by_place: dict[str, int] = field(default_factory=dict)
    met: dict[str, list[_Met]] = field(default_factory=dict)
    unsettled: deque[str] = field(default_factory=deque)
    found: dict[str, Found] = field(default_factory=dict)
    verdicts: dict[bytes, dict[str, Finding]] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)
    stage: str = "drawing"
    begun: int = 0
    examples: int = 0
    plays: int = 0
    batches: int = 0
    idle: int = 0
    unsupported: int = 0
    out_of_time: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def report(self) -> None:
        """Report how far it is."""
        self.tell(Progress(self.stage, self.examples, self.plays, tuple(self.met)))

    async def play(self, driver: Driver, drawn: Drawn) -> Played:
        """Have a client run one example."""
        self.plays += 1
        self.report()
        case = case_of(drawn, self.hello, hashlib.blake2b(drawn.name, digest_size=6).hexdigest())
        try:
            played = await play(case, driver, self.hello, self.catalog, self.seed, speed=SPEED)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # else the search would look complete
                raise RuntimeError("a run was cancelled, and not by the search") from error
            raise
        if played.faults:
            self.faults[played.faults[0]] = None
        self.verdicts[drawn.name] = rules_broken(played)
        return played

    # -- drawing

    async def draw(self, driver: Driver) -> None:
        """Play examples with one client, until there are enough or the time is over."""
        while (drawn := await self._next()) is not None:
            self.begun += 1
            number = self.begun
            self._count(number, drawn, await self.play(driver, drawn))

    async def _next(self) -> Drawn | None:
        """Return an example that was not begun yet, None where no more is to be played."""
        async with self.drawing:
            while self.begun < self.wanted and not (self.until and self.until.issubset(self.met)):
                if time.monotonic() > self.ends:
                    self.out_of_time = True
                    return None
                if not self.waiting:
                    if self.idle == _IDLE:
                        return None
                    self.idle += 1
                    self.batches += 1
                    seed = _derived(self.seed, self.batches)
                    self.waiting += await asyncio.to_thread(_batch, self.strategy, seed)
                drawn = self.waiting.popleft()
                if drawn.name not in self.verdicts:
                    self.idle = 0
                    self.verdicts[drawn.name] = {}
                    return drawn
        return None

    def _count(self, number: int, drawn: Drawn, played: Played) -> None:
        self.examples += 1
        self.tried.update(map(repr, drawn.mischiefs))
        place = str(drawn.place)
        self.by_place[place] = self.by_place.get(place, 0) + 1
        if _is_unsupported(played):
            self.unsupported += 1
        else:
            talk = read_talk(played.journal, self.catalog, claim=played.claim, speed=SPEED)
            self.coverage.count(drawn, talk)
        findings = rules_broken(played)
        for rule in findings:
            self.met.setdefault(rule, []).append(_Met(number, drawn, findings, played))
        self.report()

    # -- shrinking

    def rank(self) -> None:
        """Order the examples of each broken rule, the smallest first, and line the rules up."""
        self.unsettled.extend(self.met)
        for rule, examples in self.met.items():
            examples.sort(key=lambda met: met.rank(rule))
        early = "time is over, " if self.out_of_time else ""
        self.stage = f"{early}repeating and shrinking what was found"
        if self.met:
            self.report()

    async def settle(self, driver: Driver) -> None:
        """Find the smallest examples of broken rules with one client, until no rule is left."""
        while self.unsettled:
            rule = self.unsettled.popleft()
            self.found[rule] = await self._smallest(driver, rule)

    async def _smallest(self, driver: Driver, rule: str) -> Found:
        for first in self.met[rule][:_CANDIDATES]:
            if await self._repeats(driver, rule, first.drawn):
                smallest = await self._shrink(driver, rule, first)
                found = await self._confirmed(driver, rule, smallest, first)
                if found.seen:
                    return found
                # The smaller one does not repeat, so report the one that did.
                return await self._confirmed(driver, rule, first.drawn, first)
        return _as_met(rule, self.met[rule][0], 1 + REPLAYS)

    async def _repeats(self, driver: Driver, rule: str, drawn: Drawn) -> bool:
        """Play an example again, a few times if need be, and return whether it breaks the rule."""
        for _ in range(REPLAYS):
            if rule in rules_broken(await self.play(driver, drawn)):
                return True
        return False

    async def _confirmed(self, driver: Driver, rule: str, drawn: Drawn, first: _Met) -> Found:
        plays = [await self.play(driver, drawn) for _ in range(1 + REPLAYS)]
        breaking = [played for played in plays if rule in rules_broken(played)]
        last = breaking[-1] if breaking else plays[-1]
        finding = rules_broken(last).get(rule, first.findings[rule])
        return Found(finding, drawn, len(breaking), len(plays), first.number, first.drawn, last)

    async def _shrink(self, driver: Driver, rule: str, first: _Met) -> Drawn:
        """Leave out what the rule does not need to break, at least as badly as it did."""
        weight = _WEIGHT.index(first.findings[rule].severity)
        ends = time.monotonic() + self.shrink_seconds
        smallest, candidates = first.drawn, first.drawn.simpler(self.catalog)
        while (simpler := next(candidates, None)) is not None:
            if simpler.name not in self.verdicts:
                if time.monotonic() > ends:
                    break
                await self.play(driver, simpler)
            finding = self.verdicts[simpler.name].get(rule)
            if finding is not None and _WEIGHT.index(finding.severity) <= weight:
                smallest, candidates = simpler, simpler.simpler(self.catalog)
        return smallest

    # -- results

    def account_for_missing(self) -> None:
        """Note it as a fault where too few examples were played, and nothing had ended the search."""
        ended = self.out_of_time or self.stopped.is_set() or self.until
        if self.examples < self.wanted and not ended:
            counts = f"only {self.examples} of {self.wanted} examples were played"
            self.faults[f"{counts}, though neither time nor an interrupt ended the search"] = None

    def results(self) -> list[Found]:
        """Return what was found, the gravest first: as it was drawn where there was no time to shrink it."""
        results = [
            self.found.get(rule) or replace(_as_met(rule, met[0]), shrunk=False)
            for rule, met in self.met.items()
        ]
        return sorted(results, key=lambda found: (_WEIGHT.index(found.finding.severity), found.finding.id))


def _as_met(rule: str, met: _Met, plays: int = 1) -> Found:
    """Return an example as it was drawn: it broke the rule then, and not when it was played again."""
    return Found(met.findings[rule], met.drawn, 1, plays, met.number, met.drawn, met.played)


def rules_broken(played: Played) -> dict[str, Finding]:
    """Return what counts against the client, by rule: nothing where the harness itself was at fault."""
    if played.faults or _is_unsupported(played):
        return {}
    return {finding.id: finding for finding in played.findings if finding.severity is not Severity.INFO}


def _is_unsupported(played: Played) -> bool:
    return played.claim is not None and played.claim.outcome == "unsupported"


def _batch(strategy: st.SearchStrategy[Drawn], seed: int) -> list[Drawn]:
    """Draw some examples; some may be equal."""
    batch: list[Drawn] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_BATCH,
        phases=(Phase.generate,),
        database=None,
        derandomize=False,
        deadline=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(drawn: Drawn) -> None:
        batch.append(drawn)

    collect()
    return batch


def _derived(seed: int, batch: int) -> int:
    digest = hashlib.blake2b(f"{seed} {batch}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


async def search(
    make_driver: Callable[[], Driver],
    catalog: Catalog,
    *,
    examples: int,
    seed: int,
    jobs: int = 4,
    seconds: float | None = None,
    providers: Sequence[str] = (),
    modes: Sequence[Mode] | None = None,
    shrink_seconds: float = SHRINK_SECONDS,
    until: Collection[str] = (),
    tell: Tell = lambda _: None,
    stop: Stop | None = None,
) -> Exploration:
    """Look for what a provider may do that makes a client break a rule.

    It is tried in each of `modes`, or in all that it supports where they are None. `examples` are played in
    all, in `jobs` lanes. No example begins after `seconds`, or when all the rules of `until`, if any, were
    broken. About `shrink_seconds` are spent on each broken rule afterwards. When `stop` asks, nothing more is
    drawn or made smaller, and what was found until then is returned as it is.

    Raises Died when the client does not start, and Nothing when it can be tried nowhere.
    """
    began = time.monotonic()
    drivers = [make_driver() for _ in range(max(1, min(jobs, examples)))]
    try:
        hello = await drivers[0].hello()
        where = places(catalog, hello, providers, modes or MODES)
        if (modes is not None or not where) and (why := lacking(catalog, hello, providers, modes or MODES)):
            raise Nothing(why)
        if not where:
            raise Nothing("the client supports none of the known providers")
        every = singles(catalog, hello, where, seed)
        shared = _Search(
            catalog=catalog,
            hello=hello,
            strategy=drawn(catalog, hello, where),
            waiting=deque(every[: max(1, round(examples * _SINGLES))]),
            wanted=examples,
            seed=seed,
            tell=tell,
            ends=began + seconds if seconds is not None else float("inf"),
            shrink_seconds=shrink_seconds,
            until=frozenset(until),
        )
        kinds = {repr(mischief) for single in every for mischief in single.mischiefs}
        if stop is not None:
            loop = asyncio.get_running_loop()
            stop.call(lambda: _soon(loop, shared.stopped.set))
        await _in_lanes(drivers, shared.draw, shared.stopped)
        shared.rank()
        await _in_lanes(drivers, shared.settle, shared.stopped)
        shared.account_for_missing()
    finally:
        await asyncio.gather(*(driver.close() for driver in drivers))
    return Exploration(
        hello=hello,
        places=tuple(where),
        found=tuple(shared.results()),
        faults=tuple(shared.faults),
        coverage=shared.coverage,
        examples=shared.examples,
        plays=shared.plays,
        unsupported=shared.unsupported,
        seconds=time.monotonic() - began,
        out_of_time=shared.out_of_time,
        by_place=shared.by_place,
        interrupted=shared.stopped.is_set(),
        kinds=len(kinds),
        untried=len(kinds - shared.tried),
    )


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the search is over, and its loop with it
        loop.call_soon_threadsafe(call)


async def _in_lanes(
    drivers: list[Driver], work: Callable[[Driver], Coroutine[Any, Any, None]], stopped: asyncio.Event
) -> None:
    """Work with all clients at once, until all is done or `stopped` is set. Raises what one raises."""
    if stopped.is_set():
        return
    tasks = [asyncio.ensure_future(work(driver)) for driver in drivers]
    everything: asyncio.Future[Any] = asyncio.gather(*tasks)
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({everything, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if everything.done():
            everything.result()
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        # What is broken off has to let go of its gateway.
        await asyncio.gather(everything, *tasks, stopping, return_exceptions=True)


__all__ = ["Exploration", "Found", "Nothing", "Progress", "Stop", "rules_broken", "search"]
