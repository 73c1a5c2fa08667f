"""`understudy check client`."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from understudy_contracts.conformance import cases as written
from understudy_contracts.conformance.child import Died, kill_all
from understudy_contracts.conformance.drivers import Attached, Lasting, PerCase
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
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.commands.common import CannotRun, check_directory
from understudy_mock.printing import printable
from understudy_mock.redaction import command_line
from understudy_mock.wording import open_wordings

_MARKS = {
    Outcome.PASSED: ("ok", "green"),
    Outcome.FAILED: ("FAIL", "red"),
    Outcome.NOT_REACHED: ("skip", "yellow"),
    Outcome.ERROR: ("ERROR", "magenta"),
}


@dataclass(frozen=True, slots=True)
class _Options:
    """The command line of `check client`."""

    providers: tuple[str, ...]
    globs: tuple[str, ...]
    only_list: bool
    known_failing: Path | None
    jobs: int
    seed: int | None
    report_dir: Path | None
    strict: bool
    explore: int | None
    explore_seconds: float | None
    save_dir: Path | None
    specs: tuple[Path, ...]
    per_case: bool
    attach: bool
    command: tuple[str, ...]

    def refuse_contradictions(self) -> None:
        """Raise click.UsageError for options that exclude one another."""
        explores = self.explore is not None
        if explores and self.specs:
            raise click.UsageError("--specs goes with cases: --explore knows the providers that ship")
        if not explores and (self.explore_seconds is not None or self.save_dir is not None):
            raise click.UsageError("--explore-seconds and --save-dir go with --explore N")
        if explores and (self.globs or self.only_list or self.known_failing is not None or self.attach):
            raise click.UsageError(
                "--explore draws its own scenarios: leave out --case, --list, --known-failing, --attach"
            )

    @property
    def driver(self) -> MakeDriver:
        """What runs the client."""
        return partial(PerCase if self.per_case else Lasting, self.command) if self.command else Attached


@click.command(context_settings={"allow_interspersed_args": False})
@client_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def client(**given: Any) -> None:
    """Test how a client copes with a provider that misbehaves.

    COMMAND is a program that speaks the protocol of PROTOCOL.md on its stdin and stdout. Each case has a
    gateway of its own, which does one thing that providers do. The verdict judges what the client concluded
    and everything that it sent.

    \b
    understudy check client -- python -m understudy_contracts.adapters.reference
    understudy check client --per-case --case lifecycle -- sh my_client.sh
    understudy check client --attach --case 'polling/poll-reset/*/poll'
    understudy check client --explore 500 -- python -m understudy_contracts.adapters.reference
    """
    options = _Options(**given)
    options.refuse_contradictions()
    try:
        catalog = open_catalog(options.specs, worded=open_wordings(options.specs))
    except SpecError as error:
        raise CannotRun(str(error)) from None
    every, chosen, known = _read(options, catalog)
    if options.only_list:
        for case in chosen:
            click.echo(f"{case.id}\n  {case.summary}")
        return
    if options.attach is bool(options.command) or (options.attach and options.per_case):
        raise click.UsageError("give the COMMAND to run, or --attach to run your client yourself")
    check_directory("--report-dir", options.report_dir)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    with Interrupts(clean_up=kill_all) as interrupts:
        if options.explore is not None:
            report = _explore(options, options.explore, seed, interrupts)
        else:
            left_out = {case.id for case in every} - {case.id for case in chosen}
            report = _check(options, chosen, known, left_out, catalog, seed, interrupts)
        if options.strict:
            report = report.strictly()
        if options.report_dir is not None:
            for file in write_reports(report, options.report_dir, "client", catalog):
                click.echo(f"wrote {file}", err=True)
        if interrupts.seen and options.attach:
            leave(interrupts.status)  # a thread still waits for a line from the terminal
    if interrupts.seen:
        sys.exit(interrupts.status)
    status = report.exit_status()
    if status == 0 and all(case.outcome is Outcome.NOT_REACHED for case in report.cases):
        why = _why(report)
        if options.explore is None:
            why = f"none of the {len(report.cases)} cases could be run ({why})"
        raise CannotRun(f"nothing was checked: {why}")
    sys.exit(status)


RULE_IDS = frozenset({UNEXPECTED, *(rule.id for rule in RULES)})


def _read(options: _Options, catalog: Catalog) -> tuple[list[written.Case], list[written.Case], list[Known]]:
    """Return all cases, those that the options choose (at least one), and the known failures."""
    try:
        every = written.read_cases(catalog=catalog)
        _check_providers(every, options.providers)
        chosen = written.choose(every, options.globs, options.providers)
        file = options.known_failing
        known = read_known(file, RULE_IDS) if file is not None else []
    except (written.CaseError, KnownError) as error:
        raise CannotRun(str(error)) from None
    if not chosen:
        raise CannotRun(f"no case is called {' or '.join(options.globs)}; --list shows them")
    return every, chosen, known


def _explore(options: _Options, examples: int, seed: int, interrupts: Interrupts) -> Report:
    save_dir = options.save_dir or options.report_dir or Path("understudy-explore")
    check_directory("--save-dir", save_dir)
    try:
        require_check("--explore")
    except MissingExtra as error:
        raise CannotRun(str(error)) from None
    # Imported late: Hypothesis takes its time.
    from understudy_contracts.search.command import run
    from understudy_contracts.search.search import Nothing

    try:
        return run(
            options.driver,
            examples=examples,
            seconds=options.explore_seconds,
            seed=seed,
            jobs=options.jobs,
            providers=options.providers,
            save_dir=save_dir,
            command=options.command,
            per_case=options.per_case,
            interrupts=interrupts,
        )
    except (Died, Nothing) as error:
        raise CannotRun(str(error)) from None


def _check_providers(cases: list[written.Case], wanted: tuple[str, ...]) -> None:
    known = sorted({case.provider for case in cases})
    for name in wanted:
        if name not in known:
            raise CannotRun(f"unknown provider {name!r}; known: {', '.join(known)}")


def _why(report: Report) -> str:
    reasons = Counter(case.reason for case in report.cases if case.reason)
    return reasons.most_common(1)[0][0] if reasons else "no reason is known"


def _check(
    options: _Options,
    chosen: list[written.Case],
    known: list[Known],
    left_out: set[str],
    catalog: Catalog,
    seed: int,
    interrupts: Interrupts,
) -> Report:
    jobs = 1 if options.attach else options.jobs
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
        return await run_cases(
            chosen, options.driver, catalog, jobs=jobs, seed=seed, tell=count.add, stop=stop
        )

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
        "command": command_line(options.command) or "attached",
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
