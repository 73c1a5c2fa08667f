"""What `understudy run --check` looks at when the program has ended."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from understudy_contracts.findings import Case, Finding, Outcome, Report, Severity
from understudy_contracts.report import lines, write_reports
from understudy_contracts.rules import RULES, Rule, judge, read_talk
from understudy_contracts.rules.ledger import read_ledger
from understudy_contracts.rules.show import Cleaner
from understudy_contracts.rules.talk import Talk
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.world import World


def judge_world(world: World, report_dir: Path | None = None, command: Sequence[str] = ()) -> int:
    """Tell on stderr which rules were broken; 1 when any of them is a MUST, 2 when nobody called, else 0.

    Writes a report into `report_dir`, if given: a case for each rule, with the whole conversation. A rule
    that nothing was said about is not reached.
    """
    seed = world.settings.seed
    entries = tuple(world.journal.since(0))

    def secret(account: str) -> str:
        return webhook_secret(seed, account)

    charged = read_ledger(world.store)
    found = judge(entries, world.catalog, speed=world.settings.speed, secret=secret, charged=charged)
    colour = sys.stderr.isatty()
    for finding in found:
        click.echo("\n".join(lines(finding, colour=colour)) + "\n", err=True)
    worst = sum(finding.severity is Severity.MUST for finding in found)
    talk = read_talk(entries, world.catalog, speed=world.settings.speed, secret=secret)
    if report_dir is not None:
        facts = {
            "command": Cleaner(talk).text(shlex.join(command)),
            "exchanges": len(entries),
            "seed": seed,
            "speed": world.settings.speed,
        }
        report = Report("understudy run --check", tuple(_cases(entries, talk, found)), facts)
        for file in write_reports(report, report_dir, "run", world.catalog):
            click.echo(f"wrote {file}", err=True)
    if not entries:
        click.echo("check: no calls were seen, so nothing was judged", err=True)
        return 2
    reached = sum(rule.in_reach(talk) for rule in RULES)
    number = sum(finding.severity is not Severity.INFO for finding in found)
    broken = "1 rule" if number == 1 else f"{number} rules"
    click.echo(f"check: {broken} broken, {worst} of them MUST; {reached} of {len(RULES)} in reach", err=True)
    return 1 if worst else 0


def _cases(entries: tuple[JournalEntry, ...], talk: Talk, found: list[Finding]) -> Iterator[Case]:
    for rule in RULES:
        broken = tuple(finding for finding in found if finding.id == rule.id)
        reason = ""
        if any(finding.severity is Severity.MUST for finding in broken):
            outcome = Outcome.FAILED
        elif rule.in_reach(talk):
            outcome = Outcome.PASSED
        else:
            outcome, reason = Outcome.NOT_REACHED, _why_not(rule, entries)
        yield Case(
            rule.id,
            "finding",
            outcome,
            findings=broken,
            reason=reason,
            expected=rule.advice,
            journal=() if reason else entries,
        )


def _why_not(rule: Rule, entries: tuple[JournalEntry, ...]) -> str:
    if not entries:
        return "the program called no provider"
    if rule.of_claim:
        return "it is about what a client concludes: `understudy check client` asks for that"
    return "nothing that it is about has happened"
