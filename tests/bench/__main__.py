"""`make bench`: how fast the gateway is beside a bare server, what a job weighs, how soon it answers.

Exit status 0 when it ran, whatever was measured, and 2 when it could not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.attack import CONNECTIONS as ATTACKERS
from tests.bench.attack import measure_attack, rows
from tests.bench.load import CONNECTIONS, Load, Measured, require_wrk
from tests.bench.loop import report
from tests.bench.machine import CannotMeasureError, pinned, two_cores
from tests.bench.measure import (
    Bench,
    Compared,
    Holding,
    Logged,
    measure_holding,
    measure_log,
    measure_plugin,
    measure_speed,
    measure_start,
)
from tests.bench.page import COST, FIRST_ROWS, JOBS, PAGES, WithPages, measure_page
from tests.bench.rivals import rivals
from tests.bench.servers import documented_submit

_TARGETS = {"poll": 0.5, "submit": 0.4}
"""How much of the bare server's rate is wanted."""

_RIVALS_TARGET = 3.0
_FLAT = 0.9
"""What the rate with many jobs may fall to of that with one."""

_LOG_COST = 0.10
"""How much more of the core a request may take where `--log lines` writes into a file."""

_ITS_CORE = 0.9
"""The share of its core that a server under full load has when nothing else runs there."""

_BYTES_A_JOB = 2048
_FIRST_ANSWER = 1.0
_PLUGIN = 0.1
"""CPU seconds that the plugin may add to a pytest run without tests."""


def main() -> int:
    """Measure and print."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by raising: the servers must end, too
    try:
        require_wrk()
        server_core, load_core = two_cores()
        os.sched_setaffinity(0, {load_core})
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(
                load=Load(load_core, Path(folder)),
                core=server_core,
                submit=documented_submit(),
                say=_say,
                rounds=1 if asked.quick else 3,
                seconds=1 if asked.quick else 4,
                held=_held(asked),
                starts=3 if asked.quick else 5,
                plugin_runs=3 if asked.quick else 10,
                attack=asked.attack or (10 if asked.quick else 300 if asked.full else 60),
                loop=not asked.quick,
                rivals=rivals(asked.prism, asked.wiremock),
            )
            print(
                f"server on core {server_core}, load on core {load_core}: wrk, {CONNECTIONS} connections, "
                f"{bench.rounds} x {bench.seconds} s each",
                end="\n\n",
                flush=True,
            )
            if asked.attack is None:
                _run(bench)
            _endure(bench)
    except CannotMeasureError as error:
        _say("")
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure the gateway. ARGS= passes options."
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="a quarter of a minute, one short round each")
    how.add_argument(
        "--full", action="store_true", help="hold a million jobs and endure an attack of five minutes"
    )
    parser.add_argument("--attack", type=int, metavar="S", help="only that: seconds under attack")
    parser.add_argument(
        "--prism", default="", metavar="COMMAND", help="measure Prism, too (npm: @stoplight/prism-cli)"
    )
    parser.add_argument(
        "--wiremock",
        default="",
        metavar="JAR",
        help="measure WireMock, too (npm: wiremock has it in build/; needs java)",
    )
    return parser.parse_args()


def _held(asked: argparse.Namespace) -> tuple[int, ...]:
    many = () if asked.quick else (100_000, 1_000_000) if asked.full else (100_000,)
    return (1, 10_000, *many)


def _run(bench: Bench) -> None:
    """Measure one thing after the other and print each as soon as it is known."""
    _show(_speed_rows(measure_speed(bench)))
    _show(_log_rows(measure_log(bench)))
    holding, weight = measure_holding(bench)
    _show(_holding_rows(holding))
    first = measure_start(bench)
    plugin = measure_plugin(bench)
    light = _verdict(weight <= _BYTES_A_JOB, f"<= {_BYTES_A_JOB:,}")
    soon = _verdict(first <= _FIRST_ANSWER, f"<= {_FIRST_ANSWER:.2f}")
    if bench.loop:
        with pinned(bench.core, bench.load.core):
            _show(asyncio.run(report(bench.say)))
    _show(
        [
            _row("memory a job", f"{weight:,.0f} bytes", target=light),
            _row("first answer", f"{first:.2f} s", target=soon),
            _row("pytest plugin", f"{plugin:.3f} s", target=_verdict(plugin <= _PLUGIN, f"<= {_PLUGIN:.2f}")),
        ]
    )
    if (page := measure_page(bench)) is not None:
        _show(_page_rows(page))


def _endure(bench: Bench) -> None:
    """Measure what a good client notices of an attack, and print it."""
    bench.say(f"{ATTACKERS} connections attack for {bench.attack} s")
    endured = measure_attack(bench.core, bench.load.core, bench.submit, bench.attack)
    _show(
        [
            _row(name, value, target=_verdict(met, target) if target else "")
            for name, value, met, target in rows(endured)
        ]
    )


def _speed_rows(found: list[Compared]) -> Iterator[str]:
    yield _row("", "requests/s", "p50 ms", "p99 ms", "CPU us", "of bare", "target")
    for compared in (one for one in found if one.other == "bare"):
        target = _TARGETS[compared.request]
        yield _measured_row(f"{compared.request}, bare", compared.measured, "", "")
        verdict = _verdict(compared.ratio >= target, f">= {target:.2f}")
        yield _measured_row(
            f"{compared.request}, gateway", compared.gateway, f"{compared.ratio:.2f}", verdict
        )
    if any(one.other != "bare" for one in found):
        yield ""
        yield _row("", "requests/s", "p50 ms", "p99 ms", "CPU us", "gateway x", "target")
    for compared in (one for one in found if one.other != "bare"):
        verdict = _verdict(compared.ratio >= _RIVALS_TARGET, f">= {_RIVALS_TARGET:.2f}")
        name = f"{compared.request}, {compared.other}"
        yield _measured_row(name, compared.measured, f"{compared.ratio:.2f}", verdict)
    yield from _noise(run for compared in found for run in (compared.measured, compared.gateway))


def _holding_rows(found: list[Holding]) -> Iterator[str]:
    yield _row("jobs held", "polls/s", "p50 ms", "p99 ms", "CPU us", "of first", "target")
    for index, holding in enumerate(found):
        verdict = _verdict(holding.ratio >= _FLAT, f">= {_FLAT:.2f}") if index else ""
        yield _measured_row(f"{holding.jobs:,}", holding.polled, f"{holding.ratio:.2f}", verdict)
    yield from _noise(holding.polled for holding in found)


def _page_rows(found: WithPages) -> Iterator[str]:
    cost = found.here / found.elsewhere
    yield _row(f"{JOBS:,} jobs", "p99 ms")
    yield _row("polls alone", f"{found.alone:.2f}")
    verdict = _verdict(cost <= COST, f"<= {COST:.2f}")
    yield _row(f"{PAGES} pages elsewhere", f"{found.elsewhere:.2f}")
    yield _row(f"{PAGES} pages here", f"{found.here:.2f}", ratio=f"{cost:.2f}", target=verdict)
    soon = _verdict(found.first_rows <= FIRST_ROWS * 1000, f"<= {FIRST_ROWS:.2f}")
    yield _row("first rows", f"{found.first_rows / 1000:.2f} s", target=soon)


def _log_rows(found: list[Logged]) -> Iterator[str]:
    yield _row("the log", "requests/s", "p50 ms", "p99 ms", "CPU us", "cost", "target")
    for one in found:
        verdict = _verdict(one.cost <= _LOG_COST, f"<= {_LOG_COST:.0%}") if one.form == "lines" else ""
        yield _measured_row(f"{one.request}, {one.form}", one.measured, f"{one.cost:+.1%}", verdict)
    yield from _noise(one.measured for one in found)


def _measured_row(name: str, measured: Measured, ratio: str, verdict: str) -> str:
    numbers = (f"{measured.p50:.2f}", f"{measured.p99:.2f}", f"{measured.cpu:.1f}")
    return _row(name, f"{measured.rate:,.0f}", *numbers, ratio, verdict)


def _noise(runs: Iterable[Measured]) -> Iterator[str]:
    """Say so when other programs were on the server's core: time on the core is then what to compare."""
    share = min(run.share for run in runs)
    if share < _ITS_CORE:
        yield ""
        yield f"The server had {share:.0%} of its core at times: requests/s are too low, the ratios are not."


def _verdict(met: bool, target: str) -> str:
    return f"{target:<9}{'met' if met else 'MISSED'}"


def _row(
    name: str, rate: str = "", p50: str = "", p99: str = "", cpu: str = "", ratio: str = "", target: str = ""
) -> str:
    return f"{name:<16}{rate:>12}{p50:>9}{p99:>9}{cpu:>9}{ratio:>10}   {target}".rstrip()


def _show(rows: Iterator[str] | list[str]) -> None:
    _say("")
    print("\n".join(rows), end="\n\n", flush=True)


def _say(what: str) -> None:
    """Say on stderr what is being done: over the last word on a terminal, on lines of its own elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)
    elif what:
        print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
