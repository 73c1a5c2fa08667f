"""What `understudy run --check` looks at when the program has ended."""

from __future__ import annotations

import sys

import click

from contracts.findings import Severity
from contracts.report import lines
from contracts.rules import judge
from mockserver.domain.draw import webhook_secret
from mockserver.gateway.world import World


def judge_world(world: World) -> int:
    """Tell on stderr which rules were broken; 1 when any of them is a MUST, else 0."""
    seed = world.settings.seed
    found = judge(
        world.journal.since(0),
        world.catalog,
        speed=world.settings.speed,
        secret=lambda account: webhook_secret(seed, account),
    )
    colour = sys.stderr.isatty()
    for finding in found:
        click.echo("\n".join(lines(finding, colour=colour)) + "\n", err=True)
    worst = sum(finding.severity is Severity.MUST for finding in found)
    click.echo(f"check: {len(found)} rules broken, {worst} of them MUST", err=True)
    return 1 if worst else 0
