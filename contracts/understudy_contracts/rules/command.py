"""`understudy rules`: what a client must and should not do."""

from __future__ import annotations

import click

from understudy_contracts.rules import RULES
from understudy_mock.wording import shipped


@click.command(short_help="List what clients must and should do.")
def rules() -> None:
    """List the rules: what a client must (MUST) and should (SHOULD) do, and the source of each."""
    for rule in RULES:
        click.echo(f"{click.style(rule.id, bold=True)} ({rule.severity})\n  {rule.advice}")
        click.echo(f"  source: {rule.source_at(shipped())}")
