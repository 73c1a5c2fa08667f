"""The `understudy` command: the gateway's own commands, and those that other packages add."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from itertools import chain
from typing import Any

import understudy_mock.quiet_start as quiet_start  # isort: skip  # first: the next imports take long

import click

from understudy_mock.commands.common import CannotRun, leave
from understudy_mock.commands.listings import quirks, scenarios, spec
from understudy_mock.commands.record import record
from understudy_mock.commands.replay import replay
from understudy_mock.commands.run import run
from understudy_mock.commands.serve import serve
from understudy_mock.extension import extensions
from understudy_mock.options import (
    defaults,
    environment,
    name_in_file,
    read_file,
    refuse_unknown_variables,
    variable,
)
from understudy_mock.version import __version__

_EXTENSIONS = extensions()
_ONLY_BY_HAND = frozenset().union(*(extension.only_by_hand for extension in _EXTENSIONS))


class _Understudy(click.Group):
    """A group whose commands also take options from variables and `understudy.toml`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        context = super().make_context(info_name, args, parent, **extra)
        by_command = {name: _settable(command) for name, command in self.commands.items()}
        by_subcommand = {
            (name, subcommand): [option for option in options if _is_settable(option)]
            for extension in _EXTENSIONS
            for name, subcommands in extension.options.items()
            for subcommand, options in subcommands.items()
        }
        known: dict[str, list[click.Option]] = {}
        for option in chain(*by_command.values(), *by_subcommand.values()):
            known.setdefault(name_in_file(option), []).append(option)
        refuse_unknown_variables(environment(), {variable(same_name[0]) for same_name in known.values()})
        values = read_file(known)
        context.default_map = {name: defaults(options, values) for name, options in by_command.items()}
        for (name, subcommand), options in by_subcommand.items():
            context.default_map[name][subcommand] = defaults(options, values)
        return context

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would exit with 1, which no shell takes for Ctrl-C
            leave(-signal.SIGINT)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or error.filename is not None:
                raise
            with contextlib.suppress(OSError, ValueError):  # the rest of the output has nowhere to go
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CannotRun(f"the output cannot be written: {error.strerror}") from None


def _settable(command: click.Command) -> list[click.Option]:
    """Return the options of a command that a variable or a file may set, each with its variable."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    options = [option for option in options if _is_settable(option)]
    for option in options:
        option.envvar = variable(option)
    return options


def _is_settable(option: click.Option) -> bool:
    return name_in_file(option) not in _ONLY_BY_HAND


@click.group(
    cls=_Understudy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="understudy")
@click.pass_context
def main(context: click.Context) -> None:
    """Stand in for hosted media APIs (`understudy spec` lists them), and check programs that use them.

    Only `record` and `check server --live` call the real providers; all else needs no real API key. To start:

    \b
    understudy serve                       a server that answers as the providers do
    understudy run -- python my_app.py     a program whose calls go to such a server
    understudy run --check -- python my_app.py     ... and which rules it breaks

    Every option can also be set by a variable (UNDERSTUDY_KEEP_JOBS for --keep-jobs) or in understudy.toml
    (keep-jobs = 1000). The exception is --live: it spends money, so only the command line can set it.
    """
    context.obj = next((extension.judge for extension in _EXTENSIONS), None)


for _command in (serve, run, record, replay, spec, scenarios, quirks):
    main.add_command(_command)
for _extension in _EXTENSIONS:
    for _command in _extension.commands:
        main.add_command(_command)

quiet_start.lift()
