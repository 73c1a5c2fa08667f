"""The `understudy` command: composes mockserver's commands and those of the contracts."""

from __future__ import annotations

from typing import Any

import click

from contracts.check import check
from contracts.judge import judge_world
from contracts.rules.command import rules
from mockserver import __version__
from mockserver.cli import COMMANDS
from mockserver.options import environment, read_file, refuse_unknown_variables, variable


class _Understudy(click.Group):
    """A group that reads options from variables and `understudy.toml`, too."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        context = super().make_context(info_name, args, parent, **extra)
        options = [
            option
            for command in self.commands.values()
            for option in command.params
            if isinstance(option, click.Option) and option.envvar is not None
        ]
        refuse_unknown_variables(environment(), {variable(option) for option in options})
        values = read_file({option.opts[-1].lstrip("-"): option for option in options})
        context.default_map = dict.fromkeys(self.commands, values)
        return context


@click.group(
    cls=_Understudy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="understudy")
@click.pass_context
def main(context: click.Context) -> None:
    """Stand in for hosted generative-media APIs: Pixazo, Segmind and WaveSpeed.

    Every option can also be set by a variable (--keep-jobs is UNDERSTUDY_KEEP_JOBS) or in understudy.toml
    (keep-jobs = 1000).
    """
    context.obj = judge_world


for _command in (*COMMANDS, check, rules):
    main.add_command(_command)
