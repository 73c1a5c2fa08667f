"""The measurements. Each takes its servers in turns: what else the machine does then hits all alike.

Ratios are of requests a second of core time. A server under full load has a core for itself, so these are
requests a second; where other programs take a part of the core, they stay what they were.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from tests.bench.load import Load, Measured, middle
from tests.bench.machine import private_bytes
from tests.bench.rivals import Answers, Rival
from tests.bench.servers import Submit, bare, gateway

_AT_ONCE = 25_000
"""Jobs made between two words of progress."""

_PATHS = 10_000
"""How many of the jobs held are polled in turn."""

_JVM_WARM_UP = 15
"""Seconds of load until a JVM on one core has compiled what it runs."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """How much is measured, and with what. Times are seconds."""

    load: Load
    core: int
    submit: Submit
    say: Say
    rounds: int
    seconds: int
    held: tuple[int, ...]
    starts: int
    plugin_runs: int
    attack: int
    loop: bool = False
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True)
class Compared:
    """The gateway beside another server, at one request. `ratio` is the median of those of the rounds.

    It tells how many requests the gateway answers in the time on the core that the other takes for one.
    """

    request: str
    other: str
    measured: Measured
    gateway: Measured
    ratio: float


def measure_speed(bench: Bench) -> list[Compared]:
    """Poll and submit, with everything on: the gateway, the bare server, and the rivals."""
    with ExitStack() as stack:
        tested = stack.enter_context(gateway(bench.core))
        polled = tested.submit_processing(bench.submit)
        answers = Answers(
            bench.submit,
            tested.call("POST", bench.submit.path, bench.submit.body, 202),
            polled,
            tested.call("GET", polled),
        )
        others = {"bare": stack.enter_context(bare(bench.core, answers.polled, answers.submitted))}
        for rival in bench.rivals:
            bench.say(f"starting {rival.name}")
            others[rival.name] = stack.enter_context(rival.start(bench.core, bench.load.folder, answers))
        paths, rivals_paths = bench.load.folder / "paths", bench.load.folder / "rivals-paths"
        rivals_paths.write_text(polled + "\n", encoding="ascii")

        def poll(seconds: int) -> list[Measured]:
            # A new job each time: the gateway forgets the oldest of too many.
            paths.write_text(tested.submit_processing(bench.submit) + "\n", encoding="ascii")
            theirs = [bench.load.polls(other, rivals_paths, seconds) for other in others.values()]
            return [*theirs, bench.load.polls(tested, paths, seconds)]

        def submit(seconds: int) -> list[Measured]:
            servers = (*others.values(), tested)
            return [bench.load.submits(server, bench.submit, seconds) for server in servers]

        bench.say("warming up, until the journal is full")
        kinds = {"poll": poll, "submit": submit}
        for kind in kinds.values():
            kind(_JVM_WARM_UP if bench.rivals else max(1, bench.seconds // 2))
        runs: dict[str, list[list[Measured]]] = {name: [] for name in kinds}
        for number in range(bench.rounds):
            for name, kind in kinds.items():
                bench.say(f"round {number + 1} of {bench.rounds}: {name}, {', '.join(others)} and gateway")
                runs[name].append(kind(bench.seconds))
    return [
        _compare(request, other, [(turn[index], turn[-1]) for turn in turns])
        for request, turns in runs.items()
        for index, other in enumerate(others)
    ]


def _compare(request: str, other: str, pairs: list[tuple[Measured, Measured]]) -> Compared:
    ratio = median(theirs.cpu / tested.cpu for theirs, tested in pairs)
    measured = middle([theirs for theirs, _ in pairs])
    return Compared(request, other, measured, middle([tested for _, tested in pairs]), ratio)


@dataclass(frozen=True)
class Holding:
    """A gateway that holds `jobs`: how fast it is polled, and its ratio to the one that holds the fewest."""

    jobs: int
    polled: Measured
    ratio: float


def measure_holding(bench: Bench) -> tuple[list[Holding], float]:
    """Poll gateways that hold few and many jobs; tell the bytes a job of the one that holds most, too."""
    with ExitStack() as stack:
        options = ("--journal", "0", "--keep-jobs", str(2 * max(bench.held)))
        servers = [stack.enter_context(gateway(bench.core, *options)) for _ in bench.held]
        paths = [bench.load.folder / f"held-{jobs}" for jobs in bench.held]
        growth = 0
        for server, jobs, file in zip(servers, bench.held, paths, strict=True):
            server.submit(bench.submit)  # what is made at the first one belongs to no job
            before = private_bytes(server.pid)
            for done in range(0, jobs, _AT_ONCE):
                bench.say(f"making jobs to hold: {done:,} of {jobs:,}")
                now = min(_AT_ONCE, jobs - done)
                bench.load.fill(server, bench.submit, now, file, max(1, jobs // _PATHS))
            growth = private_bytes(server.pid) - before
        rounds: list[list[Measured]] = []
        for number in range(bench.rounds):
            bench.say(f"round {number + 1} of {bench.rounds}: polls with up to {max(bench.held):,} jobs held")
            rounds.append(
                [
                    bench.load.polls(server, file, bench.seconds)
                    for server, file in zip(servers, paths, strict=True)
                ]
            )
    found = [
        Holding(
            jobs,
            middle(list(runs)),
            median(turn[0].cpu / run.cpu for run, turn in zip(runs, rounds, strict=True)),
        )
        for jobs, runs in zip(bench.held, zip(*rounds, strict=True), strict=True)
    ]
    return found, growth / max(bench.held)


@dataclass(frozen=True)
class Logged:
    """The gateway with a form of its log, at one request. `cost` is the share more than without a log."""

    request: str
    form: str
    measured: Measured
    cost: float


def measure_log(bench: Bench) -> list[Logged]:
    """Poll and submit with each form of the log, written into a file."""
    forms = ("off", "lines", "json")
    with ExitStack() as stack:
        servers = [stack.enter_context(gateway(bench.core, "--log", form)) for form in forms]
        paths = [bench.load.folder / f"logged-{form}" for form in forms]

        def polls(seconds: int) -> list[Measured]:
            for server, file in zip(servers, paths, strict=True):
                file.write_text(server.submit_processing(bench.submit) + "\n", encoding="ascii")
            pairs = zip(servers, paths, strict=True)
            return [bench.load.polls(server, file, seconds) for server, file in pairs]

        def submits(seconds: int) -> list[Measured]:
            return [bench.load.submits(server, bench.submit, seconds) for server in servers]

        kinds = {"poll": polls, "submit": submits}
        runs: dict[str, list[list[Measured]]] = {name: [] for name in kinds}
        for number in range(bench.rounds + 1):
            for name, kind in kinds.items():
                bench.say(f"round {number} of {bench.rounds}: {name}, with the log {', '.join(forms)}")
                runs[name].append(kind(bench.seconds))
    return [
        Logged(
            request,
            form,
            middle([turn[index] for turn in turns[1:]]),  # the first one warms up
            median(turn[index].cpu / turn[0].cpu for turn in turns[1:]) - 1,
        )
        for request, turns in runs.items()
        for index, form in enumerate(forms)
    ]


def measure_start(bench: Bench) -> float:
    """Tell the seconds from the start of the process to the first submit answered."""
    taken = []
    for number in range(bench.starts):
        bench.say(f"start {number + 1} of {bench.starts}")
        began = time.perf_counter()
        with gateway(bench.core) as server:
            server.submit(bench.submit)
            taken.append(time.perf_counter() - began)
    return median(taken)


def measure_plugin(bench: Bench) -> float:
    """Return the CPU seconds that the plugin adds to a pytest run without tests.

    Medians of runs with and without it, in turns. Other plugins that are installed load in neither.
    """
    used: dict[str, list[float]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            folder,
            folder,
        ]
        plugin = ["-p", "understudy_contracts.pytest_plugin"]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        for number in range(bench.plugin_runs):
            bench.say(f"empty pytest run {number + 1} of {bench.plugin_runs}")
            for name, more in (("with", plugin), ("without", [])):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run(
                    [*command, *more], stdout=subprocess.DEVNULL, env=environment, cwd=folder, check=False
                )
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                used[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(used["with"]) - median(used["without"])
