"""The search: draw, play, judge; then, for each rule that was broken, shrink what the provider did.

Each lane is a thread with a Hypothesis search of its own and a client of its own; the gateways run on the
loop that started them. The search goes in two steps, so that the same seed finds the same whatever takes
how long. First every lane plays its share of examples, and notes which rules each of them broke. Then each
broken rule is shrunk once, by the lane that met the smallest example: Hypothesis draws the same examples
again, which costs nothing as their verdicts are known, fails at that one, and shrinks it.

A client need not be deterministic. What broke a rule is played again before it is shrunk and after, and how
often it was seen is told. Hypothesis itself sees one verdict an example, so it never finds us flaky.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from understudy_contracts.conformance.drivers import Driver
from understudy_contracts.conformance.protocol import Hello, Mode
from understudy_contracts.conformance.stage import Seen, play
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import read_talk
from understudy_contracts.search.coverage import Coverage
from understudy_contracts.search.expect import case_of
from understudy_contracts.search.strategies import MODES, SPEED, Drawn, Place, drawn, lacking, places, singles
from understudy_mock.catalog import Catalog
from understudy_mock.domain.scenario import write_scenario

_T = TypeVar("_T")

REPLAYS = 2
"""How often an example that broke a rule is played again, before it is believed."""

SHRINK_SECONDS = 30.0
"""Real seconds spent on making one example smaller; what is smallest then is told."""

_SINGLE = -1
"""The round of the examples that were not drawn: they are as small as can be already."""

_SINGLES = 0.6
"""Share of the examples that those may take."""

_IDLE = 3
"""Rounds in a row without a new example after which a lane has played all that can be drawn."""

_CANDIDATES = 3
"""Examples that are played again for a rule, where the first ones did not repeat."""

_WEIGHT = (Severity.MUST, Severity.SHOULD, Severity.INFO)


class Nothing(Exception):
    """There is nothing that this client can be tried with."""


@dataclass(frozen=True, slots=True)
class Found:
    """A broken rule and the smallest example of it. `seen` of `played` times it broke the rule.

    `examples` is how many examples its lane had played when it first met the rule broken. It is not `shrunk`
    where the search was stopped before: then it is the smallest of those that were drawn, played once.
    """

    finding: Finding
    drawn: Drawn
    seen: int
    played: int
    examples: int
    first: Drawn
    conversation: Seen
    shrunk: bool = True

    @property
    def repeatable(self) -> bool:
        """Whether it was seen each time."""
        return self.seen == self.played


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a search came to. `plays` counts every run of the client, those for shrinking included.

    `kinds` counts what single things a provider may do, `untried` those of them that no example had in it,
    for want of examples or time.
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
        self._tell: Callable[[], None] | None = None

    def ask(self) -> None:
        """Stop drawing and shrinking; runs of the client that go on are broken off."""
        self._asked = True
        if self._tell is not None:
            self._tell()

    def heard_by(self, tell: Callable[[], None]) -> None:
        """Tell somebody when it is asked; now where it was asked already."""
        self._tell = tell
        if self._asked:
            tell()


class _Broken(Exception):
    """The rule that is being shrunk is broken: what Hypothesis minimizes."""


class _Over(BaseException):
    """No time is left, or no more is wanted. Not an Exception, so that Hypothesis lets it pass."""


@dataclass(slots=True)
class _Met:
    """An example that broke rules, where a lane met it: in the round `round_`, as its example `number`."""

    lane: _Lane
    round_: int
    number: int
    drawn: Drawn
    findings: dict[str, Finding]

    @property
    def size(self) -> int:
        """How much there is to it."""
        return len(str(write_scenario(self.drawn.scenario))) + len(str(self.drawn.input))

    def rank(self, rule: str) -> tuple[int, int, int, int]:
        """Tell how well it shows a rule: the least shows it best."""
        return _WEIGHT.index(self.findings[rule].severity), self.size, self.lane.number, self.number


@dataclass(slots=True)
class _Search:
    """What the lanes share."""

    catalog: Catalog
    hello: Hello
    strategy: st.SearchStrategy[Drawn]
    singles: list[Drawn]
    seed: int
    tell: Tell
    ends: float
    lanes: int
    shrink_seconds: float
    until: frozenset[str]
    loop: asyncio.AbstractEventLoop
    coverage: Coverage = field(default_factory=Coverage)
    faults: dict[str, None] = field(default_factory=dict)
    by_place: dict[str, int] = field(default_factory=dict)
    broken: dict[str, None] = field(default_factory=dict)
    stage: str = "drawing"
    examples: int = 0
    plays: int = 0
    unsupported: int = 0
    stopped: bool = False
    interrupted: bool = False
    out_of_time: bool = False
    settled: dict[str, Found] = field(default_factory=dict)
    waiting: set[concurrent.futures.Future[Any]] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)
    working: set[asyncio.Task[Any]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self) -> None:
        """Tell how far it is."""
        self.tell(Progress(self.stage, self.examples, self.plays, tuple(self.broken)))

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Have the loop do something, and wait in this thread until it is done."""
        with self.lock:
            if self.stopped:
                work.close()
                raise _Over
            future = asyncio.run_coroutine_threadsafe(self._work(work), self.loop)
            self.waiting.add(future)
        try:
            return future.result()
        except concurrent.futures.CancelledError as error:
            if not self.stopped:  # a search that ended here would look like one that is through
                raise RuntimeError("a run was cancelled, and not by the search") from error
            raise _Over from None
        finally:
            with self.lock:
                self.waiting.discard(future)

    async def _work(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do it as a task that `ended` can wait for."""
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        self.working.add(task)
        try:
            return await work
        finally:
            self.working.discard(task)

    async def ended(self) -> None:
        """Wait until what was broken off has let go of its gateway."""
        if self.working:
            await asyncio.wait(self.working)

    def stop(self) -> None:
        """Let no lane begin anything more, and break off what they wait for."""
        with self.lock:
            self.stopped = True
            waiting = list(self.waiting)
        for future in waiting:
            future.cancel()

    def account_for(self, wanted: int) -> None:
        """Note it as a fault where too few examples were played, and nothing had ended the search."""
        ended = self.out_of_time or self.interrupted or self.until
        if self.examples < wanted and not ended:
            told = f"only {self.examples} of {wanted} examples were played"
            self.faults[f"{told}, though neither time nor an interrupt ended the search"] = None

    def interrupt(self) -> None:
        """Stop before the search is through. Called in the loop."""
        self.interrupted = True
        self.stop()


class _Lane:
    """One client, and one stream of examples."""

    def __init__(self, search: _Search, number: int, driver: Driver, share: int) -> None:
        self.number = number
        self._search = search
        self._driver = driver
        self._share = share
        self._known: dict[bytes, dict[str, Finding]] = {}
        self.met: list[_Met] = []
        self.best: dict[str, tuple[_Met, Seen]] = {}

    # -- drawing

    def draw(self) -> None:
        """Play this lane's share of examples, or until the time is over."""
        with suppress(_Over):
            for single in self._search.singles:
                self._meet(_SINGLE, single)
            round_ = idle = 0
            while len(self._known) < self._share and idle < _IDLE:
                before = len(self._known)
                self._hypothesis(round_, partial(self._meet, round_), (Phase.generate,))
                idle = idle + 1 if len(self._known) == before else 0
                round_ += 1

    def _meet(self, round_: int, drawn: Drawn) -> None:
        if len(self._known) >= self._share:
            raise _Over
        if drawn.name in self._known or not self._owns(drawn):
            return
        if time.monotonic() > self._search.ends:
            self._search.out_of_time = True
            raise _Over
        if self._search.until and self._search.until.issubset(self._search.broken):
            raise _Over
        seen = self.play(drawn)
        broken = self._note(drawn, seen)
        search = self._search
        with search.lock:
            search.examples += 1
            search.broken.update(dict.fromkeys(broken))
            search.tried.update(map(repr, drawn.mischiefs))
            place = str(drawn.place)
            search.by_place[place] = search.by_place.get(place, 0) + 1
            if seen.claim is not None and seen.claim.outcome == "unsupported":
                search.unsupported += 1
            else:
                talk = read_talk(seen.journal, search.catalog, claim=seen.claim, speed=SPEED)
                search.coverage.count(drawn, talk)
            search.report()
        if broken:
            met = _Met(self, round_, len(self._known), drawn, broken)
            self.met.append(met)
            for rule in broken:
                best = self.best.get(rule)
                if best is None or met.rank(rule) < best[0].rank(rule):
                    self.best[rule] = met, seen

    def _owns(self, drawn: Drawn) -> bool:
        """Tell whether an example is this lane's: all lanes draw the same simple ones, and one plays each."""
        digest = hashlib.blake2b(drawn.name, digest_size=4).digest()
        return int.from_bytes(digest, "big") % self._search.lanes == self.number

    def _note(self, drawn: Drawn, seen: Seen) -> dict[str, Finding]:
        broken = rules_broken(seen)
        self._known[drawn.name] = broken
        if seen.faults:
            with self._search.lock:
                self._search.faults[seen.faults[0]] = None
        return broken

    def play(self, drawn: Drawn) -> Seen:
        """Have the client run one example."""
        search = self._search
        with search.lock:
            search.plays += 1
            search.report()
        case = case_of(drawn, search.hello, hashlib.blake2b(drawn.name, digest_size=6).hexdigest())
        return search.wait_for(
            play(case, self._driver, search.hello, search.catalog, search.seed, speed=SPEED)
        )

    # -- shrinking

    def settle(self, rule: str, candidates: Sequence[_Met]) -> Found:
        """Find the smallest example of a broken rule, beginning with those that were met."""
        first, seen = candidates[0], self._again(rule, candidates[0])
        for one in candidates[1:_CANDIDATES]:
            if rule in rules_broken(seen):
                break
            first, seen = one, self._again(rule, one)
        if rule not in rules_broken(seen):
            first = candidates[0]
            return Found(first.findings[rule], first.drawn, 1, 1 + REPLAYS, first.number, first.drawn, seen)
        smallest = self._shrink(rule, first)
        found = self._confirmed(rule, smallest, first)
        if found.seen:
            return found
        # What Hypothesis made of it does not repeat: tell what did.
        return self._confirmed(rule, first.drawn, first)

    def _again(self, rule: str, met: _Met) -> Seen:
        """Play an example again, until it breaks the rule or was played often enough."""
        seen = self.play(met.drawn)
        for _ in range(REPLAYS - 1):
            if rule in rules_broken(seen):
                break
            seen = self.play(met.drawn)
        return seen

    def _confirmed(self, rule: str, drawn: Drawn, first: _Met) -> Found:
        plays = [self.play(drawn) for _ in range(1 + REPLAYS)]
        breaking = [seen for seen in plays if rule in rules_broken(seen)]
        last = breaking[-1] if breaking else plays[-1]
        finding = rules_broken(last).get(rule, first.findings[rule])
        return Found(finding, drawn, len(breaking), len(plays), first.number, first.drawn, last)

    def _shrink(self, rule: str, first: _Met) -> Drawn:
        """Have Hypothesis draw the same examples again, fail at this one, and make it smaller."""
        weight = _WEIGHT.index(first.findings[rule].severity)
        ends = time.monotonic() + self._search.shrink_seconds
        target = first.drawn.name
        smallest = first.drawn
        started = False

        def breaks(drawn: Drawn) -> bool:
            broken = self._known.get(drawn.name)
            if broken is None:
                if time.monotonic() > ends:
                    return False
                broken = self._note(drawn, self.play(drawn))
            return rule in broken and _WEIGHT.index(broken[rule].severity) <= weight

        def attempt(drawn: Drawn) -> None:
            nonlocal smallest, started
            started = started or drawn.name == target
            if started and breaks(drawn):
                smallest = drawn
                raise _Broken

        with suppress(_Broken, HypothesisException):
            if first.round_ != _SINGLE:
                self._hypothesis(first.round_, attempt, (Phase.generate, Phase.shrink))
        # Hypothesis may have run out of time: leave out what is plainly not needed.
        ends = time.monotonic() + self._search.shrink_seconds / 3
        while simpler := next(filter(breaks, smallest.simpler(self._search.catalog)), None):
            smallest = simpler
        return smallest

    def _hypothesis(self, round_: int, test: Callable[[Drawn], None], phases: tuple[Phase, ...]) -> None:
        settings = hypothesis.settings(
            # Some are drawn twice, or are another lane's.
            max_examples=self._search.lanes * (2 * self._share + 10),
            phases=phases,
            database=None,
            derandomize=False,
            deadline=None,
            print_blob=False,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )

        @hypothesis.seed(_derived(self._search.seed, self.number, round_))
        @settings
        @hypothesis.given(self._search.strategy)
        def run(drawn: Drawn) -> None:
            test(drawn)

        run()


def rules_broken(seen: Seen) -> dict[str, Finding]:
    """Name what counts against the client: nothing where the harness itself was at fault."""
    unsupported = seen.claim is not None and seen.claim.outcome == "unsupported"
    if seen.faults or unsupported:
        return {}
    return {finding.id: finding for finding in seen.findings if finding.severity is not Severity.INFO}


def _derived(seed: int, lane: int, round_: int) -> int:
    digest = hashlib.blake2b(f"{seed} {lane} {round_}".encode(), digest_size=8)
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

    It is tried in each of `modes`, and where they are None in all that it can do. `examples` are played in
    all, in `jobs` lanes; none begins after `seconds`, or when all the rules of
    `until`, if any, were broken. About `shrink_seconds` are spent on each broken rule afterwards. When `stop`
    asks, no more is drawn or made smaller, and what was found until then is told as it is. Raises
    Died when the client does not start, and Nothing when it can be tried nowhere.
    """
    began = time.monotonic()
    drivers = [make_driver() for _ in range(max(1, min(jobs, examples)))]
    try:
        hello = await drivers[0].hello()
        where = places(hello, providers, modes or MODES)
        if (modes is not None or not where) and (why := lacking(hello, providers, modes or MODES)):
            raise Nothing(why)
        if not where:
            raise Nothing("the client speaks to none of the known providers")
        every = singles(catalog, hello, where, seed)
        shared = _Search(
            catalog=catalog,
            hello=hello,
            strategy=drawn(catalog, hello, where),
            singles=every[: max(1, round(examples * _SINGLES))],
            seed=seed,
            tell=tell,
            ends=began + seconds if seconds is not None else float("inf"),
            lanes=len(drivers),
            shrink_seconds=shrink_seconds,
            until=frozenset(until),
            loop=asyncio.get_running_loop(),
        )
        kinds = {repr(mischief) for one in every for mischief in one.mischiefs}
        shares = [examples // len(drivers) + (n < examples % len(drivers)) for n in range(len(drivers))]
        lanes = [_Lane(shared, n, *pair) for n, pair in enumerate(zip(drivers, shares, strict=True))]
        if stop is not None:
            loop = shared.loop
            stop.heard_by(lambda: _soon(loop, shared.interrupt))
        found = await _run(shared, lanes)
        shared.account_for(examples)
    finally:
        await asyncio.gather(*(driver.close() for driver in drivers))
    return Exploration(
        hello=hello,
        places=tuple(where),
        found=tuple(found),
        faults=tuple(shared.faults),
        coverage=shared.coverage,
        examples=shared.examples,
        plays=shared.plays,
        unsupported=shared.unsupported,
        seconds=time.monotonic() - began,
        out_of_time=shared.out_of_time,
        by_place=shared.by_place,
        interrupted=shared.interrupted,
        kinds=len(kinds),
        untried=len(kinds - shared.tried),
    )


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the search is over, and its loop with it
        loop.call_soon_threadsafe(call)


async def _run(shared: _Search, lanes: list[_Lane]) -> list[Found]:
    loop = shared.loop
    threads = ThreadPoolExecutor(len(lanes), thread_name_prefix="lane")
    try:
        await asyncio.gather(*(loop.run_in_executor(threads, lane.draw) for lane in lanes))
        chosen = _chosen(lanes)
        if chosen and not shared.stopped:
            early = "time is over, " if shared.out_of_time else ""
            shared.stage = f"{early}repeating and shrinking what was found"
            shared.report()
        work: dict[_Lane, list[str]] = {}
        for rule, met in chosen.items():
            work.setdefault(met[0].lane, []).append(rule)

        def settle(lane: _Lane) -> None:
            with suppress(_Over):
                for rule in work[lane]:
                    found = lane.settle(rule, [one for one in chosen[rule] if one.lane is lane])
                    shared.settled[rule] = found

        await asyncio.gather(*(loop.run_in_executor(threads, settle, lane) for lane in work))
    finally:
        shared.stop()
        # Elsewhere: lanes wait for this loop, so it must not wait for them.
        await asyncio.to_thread(threads.shutdown)
        await shared.ended()
    found = [shared.settled.get(rule) or _as_met(rule, met[0]) for rule, met in chosen.items()]
    return sorted(found, key=lambda one: (_WEIGHT.index(one.finding.severity), one.finding.id))


def _as_met(rule: str, met: _Met) -> Found:
    """Tell an example as it was drawn: there was no time to play it again."""
    _, seen = met.lane.best[rule]
    return Found(met.findings[rule], met.drawn, 1, 1, met.number, met.drawn, seen, shrunk=False)


def _chosen(lanes: list[_Lane]) -> dict[str, list[_Met]]:
    """For each broken rule, the examples that broke it, the smallest first."""
    met: dict[str, list[_Met]] = {}
    for lane in lanes:
        for one in lane.met:
            for rule in one.findings:
                met.setdefault(rule, []).append(one)
    for rule, ones in met.items():
        ones.sort(key=lambda one: one.rank(rule))
    return met


__all__ = ["Exploration", "Found", "Nothing", "Progress", "Stop", "rules_broken", "search"]
