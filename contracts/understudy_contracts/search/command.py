"""What `understudy check client --explore N` does."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from understudy_contracts.conformance.runner import MakeDriver
from understudy_contracts.console import Progress
from understudy_contracts.findings import Report
from understudy_contracts.interrupt import Interrupts
from understudy_contracts.report import lines
from understudy_contracts.search.search import Exploration, Stop, search
from understudy_contracts.search.search import Progress as State
from understudy_contracts.search.telling import findings, frequency, report, save, summary
from understudy_mock.catalog import open_catalog
from understudy_mock.redaction import command_line

_INTERVAL = 5.0
"""Seconds between two lines of progress where stderr is no terminal."""


def run(
    make: MakeDriver,
    *,
    examples: int,
    seconds: float | None,
    seed: int,
    jobs: int,
    providers: Sequence[str],
    save_dir: Path,
    command: Sequence[str],
    per_case: bool,
    interrupts: Interrupts,
) -> Report:
    """Search a client for broken rules, save what was found, and print it. Raises Died, and Nothing."""
    catalog = open_catalog()
    click.echo(f"exploring with seed {seed}", err=True)
    progress = Progress(interval=_INTERVAL)

    def show(state: State) -> None:
        progress.show(_line(state, examples), stage=state.stage)

    stop = Stop()
    interrupts.ask = stop.ask
    explored = asyncio.run(
        search(
            make,
            catalog,
            examples=examples,
            seconds=seconds,
            seed=seed,
            jobs=jobs,
            providers=providers,
            tell=show,
            stop=stop,
        )
    )
    progress.end()
    again = _again(examples, seed, jobs, providers, command, per_case=per_case)
    files = save(explored, save_dir, seed=seed, command=again)
    facts = {"command": command_line(command), "seed": seed, "jobs": jobs}
    whole = report(explored, findings(explored, files, seed=seed, command=again), files, facts)
    _show(explored, whole, files, seed)
    return whole


def _again(
    examples: int, seed: int, jobs: int, providers: Sequence[str], command: Sequence[str], *, per_case: bool
) -> str:
    """Return the command that searches the same way again."""
    options = [f"--explore {examples} --seed {seed} --jobs {jobs}"]
    options += [f"--provider {shlex.quote(provider)}" for provider in providers]
    options += ["--per-case"] if per_case else []
    return f"understudy check client {' '.join(options)} -- {shlex.join(command)}"


def _show(explored: Exploration, whole: Report, files: dict[str, Path], seed: int) -> None:
    colour = sys.stdout.isatty()
    for finding in whole.findings:
        for line in lines(finding, colour=colour):
            click.echo(line)
        click.echo()
    for fault in explored.faults:
        click.secho(f"ERROR a fault of the harness, not of the client: {fault}", fg="magenta")
    for line in explored.coverage.lines():
        click.echo(line)
    click.echo()
    for found in explored.found:
        click.echo(f"{files[found.finding.id]}  {found.finding.id}, {frequency(found)}")
    for line in summary(explored, seed):
        click.echo(line)


def _line(state: State, total: int) -> str:
    broken = f", broken: {', '.join(state.broken)}" if state.broken else ""
    return f"[{state.examples}/{total}] {state.stage}, {state.plays} runs{broken}"
