"""What `understudy run --check` looks at when the program has ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from contracts.findings import Case, Finding, Outcome, Report, Severity
from contracts.report import lines, write_reports
from contracts.rules import RULES, judge
from mockserver.domain.draw import webhook_secret
from mockserver.gateway.journal import JournalEntry
from mockserver.gateway.world import World


def judge_world(world: World, report_dir: Path | None = None) -> int:
    """Tell on stderr which rules were broken; 1 when any of them is a MUST, 2 when nobody called, else 0.

    Writes a report into `report_dir`, if given: a case for each rule, and one for the whole conversation.
    """
    seed = world.settings.seed
    entries = tuple(world.journal.since(0))
    found = judge(
        entries,
        world.catalog,
        speed=world.settings.speed,
        secret=lambda account: webhook_secret(seed, account),
    )
    colour = sys.stderr.isatty()
    for finding in found:
        click.echo("\n".join(lines(finding, colour=colour)) + "\n", err=True)
    worst = sum(finding.severity is Severity.MUST for finding in found)
    if report_dir is not None:
        facts = {"exchanges": len(entries), "seed": seed, "speed": world.settings.speed}
        report = Report("understudy run --check", tuple(_cases(entries, found)), facts)
        for file in write_reports(report, report_dir, "run", world.catalog):
            click.echo(f"wrote {file}", err=True)
    if not entries:
        click.echo("check: no calls were seen, so nothing was judged", err=True)
        return 2
    click.echo(f"check: {len(found)} rules broken, {worst} of them MUST", err=True)
    return 1 if worst else 0


def _cases(entries: tuple[JournalEntry, ...], found: list[Finding]) -> Iterator[Case]:
    everything = tuple(found)
    yield Case(
        "the whole conversation",
        "finding",
        Outcome.PASSED if entries else Outcome.NOT_REACHED,
        reason="" if entries else "the program called no provider",
        seen=f"{len(entries)} exchanges, {len(everything)} rules broken",
        journal=entries,
    )
    for rule in RULES:
        broken = tuple(finding for finding in found if finding.id == rule.id)
        failed = any(finding.severity is Severity.MUST for finding in broken)
        outcome = Outcome.FAILED if failed else Outcome.PASSED if entries else Outcome.NOT_REACHED
        yield Case(
            rule.id,
            "finding",
            outcome,
            findings=broken,
            reason="" if entries else "the program called no provider",
            expected=rule.advice,
            journal=entries if broken else (),
        )
