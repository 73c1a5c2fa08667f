"""`understudy check`: whether a server, a client or a recording keeps the contract.

Subcommands are named here and imported when they are called: what they need takes longer to import than
`understudy serve` may take to start.
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
        except KeyboardInterrupt:  # once a check has begun it catches this itself, and tells what it found
            click.echo("interrupted before anything was checked", err=True)
            raise


@click.group(cls=_Lazy)
def check() -> None:
    """Tell whether a server, a client or a recording keeps the contract.

    Exit status: 0 clean, 1 findings, 2 could not be run.
    """
