"""`understudy check`: check whether a server, a client or a recording keeps the contract.

Subcommands are imported only when they are called: they take longer to import than `understudy serve` may
take to start.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

_COMMANDS = {
    "server": "understudy_contracts.server.command:server",
    "client": "understudy_contracts.conformance.command:client",
    "recording": "understudy_contracts.recording.command:recording",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # a check that has begun catches this itself, and prints its findings
            click.echo("interrupted before anything was checked", err=True)
            raise


@click.group(cls=_Lazy, short_help="Check a server, a client or a recording.")
def check() -> None:
    """Check whether a server, a client or a recording keeps the contract.

    Exit status: 0 clean, 1 findings, 2 the check could not be run.
    """
