"""The `understudy` command: composes mockserver's commands and those of the contracts."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from itertools import chain
from typing import Any

import contracts.quiet_start as quiet_start  # isort: skip  # first: what follows takes long to import

import click

from contracts.check import check
from contracts.judge import judge_world
from contracts.options import CHECKS, FLAGS_ALONE
from contracts.rules.command import rules
from mockserver import __version__
from mockserver.cli import COMMANDS
from mockserver.commands.common import CannotRun, leave
from mockserver.options import (
    defaults,
    environment,
    name_in_file,
    read_file,
    refuse_unknown_variables,
    variable,
)


class _Understudy(click.Group):
    """A group that reads options from variables and `understudy.toml`, too."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        context = super().make_context(info_name, args, parent, **extra)
        by_command = {name: _settable(command) for name, command in self.commands.items()}
        by_check = {name: [one for one in held if _is_settable(one)] for name, held in CHECKS.items()}
        known: dict[str, list[click.Option]] = {}
        for option in chain(*by_command.values(), *by_check.values()):
            known.setdefault(name_in_file(option), []).append(option)
        refuse_unknown_variables(environment(), {variable(held[0]) for held in known.values()})
        told = read_file(known)
        context.default_map = {name: defaults(options, told) for name, options in by_command.items()}
        context.default_map["check"] = {name: defaults(options, told) for name, options in by_check.items()}
        return context

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would say "Aborted!" and end 1, which no shell takes for Ctrl-C
            leave(-signal.SIGINT)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or error.filename is not None:
                raise
            with contextlib.suppress(OSError, ValueError):  # what is left to be written has nowhere to go
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CannotRun(f"the output cannot be written: {error.strerror}") from None


def _settable(command: click.Command) -> list[click.Option]:
    """Give the options of a command that can be set elsewhere, each with its variable."""
    options = [one for one in command.params if isinstance(one, click.Option) and _is_settable(one)]
    for option in options:
        option.envvar = variable(option)
    return options


def _is_settable(option: click.Option) -> bool:
    return name_in_file(option) not in FLAGS_ALONE


@click.group(
    cls=_Understudy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="understudy")
@click.pass_context
def main(context: click.Context) -> None:
    """Stand in for hosted generative-media APIs: Pixazo, Segmind and WaveSpeed.

    Every option can also be set by a variable (--keep-jobs is UNDERSTUDY_KEEP_JOBS) or in understudy.toml
    (keep-jobs = 1000), but --live: what costs money is said each time.
    """
    context.obj = judge_world


for _command in (*COMMANDS, check, rules):
    main.add_command(_command)

quiet_start.lift()
