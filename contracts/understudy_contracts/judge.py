"""The verdict of `understudy run --check`, when the program has ended."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from understudy_contracts.findings import (
    Case,
    Finding,
    Outcome,
    Report,
    count_broken,
    counted,
    in_brackets,
    outcome_of,
)
from understudy_contracts.reached import told_of_reach, why_not_reached
from understudy_contracts.report import lines, write_reports
from understudy_contracts.rules import RULES, judge, read_talk
from understudy_contracts.rules.ledger import read_ledger
from understudy_contracts.rules.show import Cleaner
from understudy_contracts.rules.talk import Talk
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.world import World
from understudy_mock.redaction import command_line

_COLUMN = "verdict"


def judge_world(
    world: World, report_dir: Path | None = None, command: Sequence[str] = (), status: int = 0
) -> int:
    """Print the broken rules on stderr. Returns 1 if any of them is a MUST, 2 if nobody called, else 0.

    Writes a report into `report_dir`, if given: a case for each rule, with the whole conversation. `status`
    is the exit status of the command, -n for the signal n: if it is not 0, that is a failed case.
    """
    seed = world.settings.seed
    entries = tuple(world.journal.since(0))

    def secret(account: str) -> str:
        return webhook_secret(seed, account)

    charged = read_ledger(world.store)
    changes = tuple(world.journal.marks)
    speed = world.settings.speed
    found = judge(
        entries,
        world.catalog,
        speed=speed,
        secret=secret,
        charged=charged,
        changes=changes,
    )
    colour = sys.stderr.isatty()
    for finding in found:
        click.echo("\n".join(lines(finding, colour=colour)) + "\n", err=True)
    talk = read_talk(entries, world.catalog, speed=speed, secret=secret)
    if report_dir is not None:
        facts = {
            "command": Cleaner(talk).text(command_line(command)),
            "exit_status": _ended_with(status),
            "scenario": _played(world, entries),
            "quirks": world.settings.quirks,
            "exchanges": len(entries),
            "seed": seed,
            "speed": world.settings.speed,
        }
        cases = (*_of_the_program(status), *_cases(entries, talk, found))
        report = Report("understudy run --check", cases, facts)
        for file in write_reports(report, report_dir, "run", world.catalog):
            click.echo(f"wrote {file}", err=True)
    if status:
        click.echo(f"check: {_how_it_ended(status)}", err=True)
    if not entries:
        click.echo("check: there were no calls, so nothing was checked", err=True)
        return 2
    reached = sum(not why_not_reached(rule, talk, found) for rule in RULES)
    if not reached:
        click.echo("check: none of the calls can be judged, so nothing was checked", err=True)
    broken = counted(count_broken(found), "rule")
    click.echo(f"check: {broken} broken{in_brackets(found)}; {told_of_reach(reached)}", err=True)
    return 1 if outcome_of(found) is Outcome.FAILED else 0


def _ended_with(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return str(status)
    known = {one.value: one.name for one in signal.Signals}
    return f"signal {known.get(-status, -status)}"


def _how_it_ended(status: int) -> str:
    how = _ended_with(status)
    return f"the program ended with {how if status < 0 else f'status {how}'}"


def _played(world: World, entries: Sequence[JournalEntry]) -> str:
    """Return the names of the scenarios that were played, by the command line or by calls."""
    given = [world.scenario.name] if world.scenario is not None else []
    names = dict.fromkeys([*given, *(entry.scenario for entry in entries if entry.scenario)])
    return ", ".join(names) or "none: everything succeeds"


def _of_the_program(status: int) -> Iterator[Case]:
    """Return a failed case for a program that went wrong: it may have kept every rule until then."""
    if status:
        expected = "The program ends with status 0."
        yield Case(
            "exit-status",
            "finding",
            Outcome.FAILED,
            reason=_how_it_ended(status),
            column=_COLUMN,
            expected=expected,
            seen=_ended_with(status),
        )


def _cases(entries: tuple[JournalEntry, ...], talk: Talk, found: list[Finding]) -> Iterator[Case]:
    for rule in RULES:
        broken = tuple(finding for finding in found if finding.id == rule.id)
        reason = why_not_reached(rule, talk, broken)
        yield Case(
            rule.id,
            "finding",
            Outcome.NOT_REACHED if reason else outcome_of(broken),
            column=_COLUMN,
            findings=broken,
            reason=reason,
            expected=rule.advice,
            journal=() if reason and not broken else entries,
        )
