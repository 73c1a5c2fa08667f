"""`understudy check client`."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from understudy_contracts.conformance import cases as written
from understudy_contracts.conformance.drivers import Attached, Died, Lasting, PerCase, kill_all
from understudy_contracts.conformance.known import STALE, Known, KnownError, excuse, read_known
from understudy_contracts.conformance.protocol import Hello
from understudy_contracts.conformance.runner import MakeDriver, run_cases
from understudy_contracts.conformance.verdict import UNEXPECTED
from understudy_contracts.console import Progress
from understudy_contracts.extra import MissingExtra, require_check
from understudy_contracts.findings import Case, Outcome, Report, in_brackets
from understudy_contracts.interrupt import Interrupts, leave
from understudy_contracts.options import client_options
from understudy_contracts.report import lines, write_reports
from understudy_contracts.rules import RULES
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.commands.common import CannotRun, check_directory
from understudy_mock.printing import printable

_MARKS = {
    Outcome.PASSED: ("ok", "green"),
    Outcome.FAILED: ("FAIL", "red"),
    Outcome.NOT_REACHED: ("skip", "yellow"),
    Outcome.ERROR: ("ERROR", "magenta"),
}


@click.command(context_settings={"allow_interspersed_args": False})
@client_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def client(
    providers: tuple[str, ...],
    globs: tuple[str, ...],
    only_list: bool,
    known_failing: Path | None,
    jobs: int,
    seed: int | None,
    report_dir: Path | None,
    strict: bool,
    explore: int | None,
    explore_seconds: float | None,
    save_dir: Path | None,
    per_case: bool,
    attach: bool,
    command: tuple[str, ...],
) -> None:
    """Tell which behaviours of a provider a client survives.

    COMMAND speaks the protocol of PROTOCOL.md on its stdin and stdout. Each case has a gateway of
    its own, which does one thing that providers do; the verdict looks at what the client concluded and at
    everything it sent.

    \b
    understudy check client -- python -m understudy_contracts.adapters.reference
    understudy check client --per-case --case lifecycle -- sh my_client.sh
    understudy check client --attach --case polling/poll-reset/pixazo/poll
    understudy check client --explore 500 -- python -m understudy_contracts.adapters.reference
    """
    if explore is None and (explore_seconds is not None or save_dir is not None):
        raise click.UsageError("--explore-seconds and --save-dir go with --explore N")
    if explore is not None and (globs or only_list or known_failing is not None or attach):
        raise click.UsageError(
            "--explore draws its own scenarios: leave out --case, --list, --known-failing, --attach"
        )
    try:
        every = written.read_cases()
        _check_providers(every, providers)
        chosen = written.choose(every, globs, providers)
        known = read_known(known_failing, RULE_IDS) if known_failing is not None else []
    except (written.CaseError, KnownError) as error:
        raise CannotRun(str(error)) from None
    if not chosen:
        raise CannotRun(f"no case is called {' or '.join(globs)}; --list shows them")
    if only_list:
        for case in chosen:
            click.echo(f"{case.id}\n  {case.summary}")
        return
    if attach is bool(command) or (attach and per_case):
        raise click.UsageError("give the COMMAND to run, or --attach to run your client yourself")
    check_directory("--report-dir", report_dir)
    save_dir = save_dir or report_dir or Path("understudy-explore")
    if explore is not None:
        check_directory("--save-dir", save_dir)
    if seed is None:
        seed = secrets.randbelow(2**31)
    make = partial(PerCase if per_case else Lasting, command) if command else Attached
    catalog = open_catalog()
    with Interrupts(clean_up=kill_all) as interrupts:
        if explore is not None:
            try:
                require_check("--explore")
            except MissingExtra as error:
                raise CannotRun(str(error)) from None
            # Hypothesis takes its time to import.
            from understudy_contracts.search.command import run
            from understudy_contracts.search.search import Nothing

            try:
                report = run(
                    make,
                    examples=explore,
                    seconds=explore_seconds,
                    seed=seed,
                    jobs=jobs,
                    providers=providers,
                    save_dir=save_dir,
                    command=command,
                    per_case=per_case,
                    interrupts=interrupts,
                )
            except (Died, Nothing) as error:
                raise CannotRun(str(error)) from None
        else:
            name = " ".join(command) or "attached"
            left_out = {case.id for case in every} - {case.id for case in chosen}
            lanes = 1 if attach else jobs
            report = _check(chosen, make, catalog, lanes, seed, known, left_out, name, interrupts)
        if strict:
            report = report.strictly()
        if report_dir is not None:
            for file in write_reports(report, report_dir, "client", catalog):
                click.echo(f"wrote {file}", err=True)
        if interrupts.seen and attach:
            leave(interrupts.status)  # somebody still waits for a line from the terminal
    if interrupts.seen:
        sys.exit(interrupts.status)
    status = report.exit_status()
    if status == 0 and all(case.outcome is Outcome.NOT_REACHED for case in report.cases):
        why = _why(report)
        if explore is None:
            why = f"none of the {len(report.cases)} cases could be run ({why})"
        raise CannotRun(f"nothing was checked: {why}")
    sys.exit(status)


RULE_IDS = frozenset({UNEXPECTED, *(rule.id for rule in RULES)})


def _check_providers(cases: list[written.Case], wanted: tuple[str, ...]) -> None:
    known = sorted({case.provider for case in cases})
    for name in wanted:
        if name not in known:
            raise CannotRun(f"no provider is called {name}; known are {', '.join(known)}")


def _why(report: Report) -> str:
    reasons = Counter(case.reason for case in report.cases if case.reason)
    return reasons.most_common(1)[0][0] if reasons else "no reason is known"


def _check(
    chosen: list[written.Case],
    make: MakeDriver,
    catalog: Catalog,
    jobs: int,
    seed: int,
    known: list[Known],
    left_out: set[str],
    name: str,
    interrupts: Interrupts,
) -> Report:
    began = time.monotonic()
    progress = Progress()
    count = _Count(progress, len(chosen), known)

    async def run() -> tuple[Hello, list[Case]]:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask() -> None:
            with suppress(RuntimeError):  # all has ended, and the loop with it
                loop.call_soon_threadsafe(stop.set)

        interrupts.ask = ask
        return await run_cases(chosen, make, catalog, jobs=jobs, seed=seed, told=count.add, stop=stop)

    try:
        hello, done = asyncio.run(run())
    except Died as error:
        raise CannotRun(str(error)) from None
    progress.end()
    cases = excuse(done, known, left_out)
    if interrupts.seen:  # what did not run may be what a line excuses
        cases = [case for case in cases if case.group != STALE]
    for case in cases:
        _show(case)
    stale = sum(case.group == STALE for case in cases)
    facts = {
        "client": f"{hello.client.name} {hello.client.version}".strip(),
        "command": name,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "known_failures": sum(case.reason.startswith("known to fail") for case in cases),
    }
    report = Report(f"client {facts['client']}", tuple(cases), facts)
    counts = {
        outcome: sum(case.outcome is outcome for case in cases if case.group != STALE) for outcome in Outcome
    }
    click.echo(
        f"{len(cases) - stale} cases: "
        + ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
        + (f" ({facts['known_failures']} known to fail)" if facts["known_failures"] else "")
        + (f", {stale} lines of --known-failing excuse nothing" if stale else "")
        + f", {len(report.findings)} findings{in_brackets(report.findings)}"
        + f", {facts['seconds']} s, seed {seed}"
        + (f"; interrupted by {interrupts.name}" if interrupts.seen else "")
    )
    return report


def _show(case: Case) -> None:
    if case.outcome is Outcome.ERROR:
        click.secho(f"ERROR {case.group}/{case.name}", fg="magenta", bold=True)
        click.echo(printable(f"  {case.reason}"))
    colour = sys.stdout.isatty()
    for finding in case.findings:
        for line in lines(finding, colour=colour):
            click.echo(line)
        click.echo()


class _Count:
    """Shows each case that has ended, with how many have."""

    def __init__(self, progress: Progress, total: int, known: list[Known]) -> None:
        self._progress = progress
        self._total = total
        self._known = known
        self._done = 0

    def add(self, case: Case) -> None:
        """Show a case. On a terminal, one that passed makes room for the next."""
        self._done += 1
        mark, colour = _MARKS[case.outcome]
        (excused,) = excuse([case], self._known, {f"{case.group}/{case.name}"})[:1] or [case]
        if case.findings and excused.reason.startswith("known to fail") and excused.outcome is Outcome.PASSED:
            mark, colour = "KNOWN", "yellow"
        line = f"[{self._done}/{self._total}] {mark:5} {case.group}/{case.name}  {case.seconds:.1f} s"
        if case.outcome is Outcome.NOT_REACHED:
            line += f"  {case.reason}"
        if case.outcome is Outcome.PASSED:
            self._progress.show(line)
        else:
            self._progress.keep(line, colour=colour)
