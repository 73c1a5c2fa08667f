"""`understudy run`: a command that calls a gateway instead of the providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from understudy_mock.app import create_app
from understudy_mock.commands.common import (
    CannotRun,
    check_directory,
    check_file,
    hold_signals,
    leave,
    make_world,
    observed,
    open_standard_files,
)
from understudy_mock.extension import live_judge
from understudy_mock.gateway.world import World
from understudy_mock.har.write import known_keys, save_har
from understudy_mock.options import (
    REPORT_DIR,
    TRACE,
    attach,
    environment_of_children,
    gateway_options,
    log_option,
    option,
)
from understudy_mock.printing import printable
from understudy_mock.web.call_log import Form
from understudy_mock.web.server import run as run_loop

if TYPE_CHECKING:
    from understudy_mock.intercept import Signals

Judge = Callable[[World, Path | None, Sequence[str], int], int]
"""Check what a command said to a gateway, print the findings, and return the exit status.

The directory, if there is one, gets a report. It names the command and its status (-n for the signal n).
"""


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@attach(
    option(
        "--check",
        is_flag=True,
        help="Report which rules of `understudy rules` COMMAND breaks; exit with 1 if it breaks any.",
    ),
    REPORT_DIR,
    option("--offline", is_flag=True, help="Refuse calls to all other hosts, and list them at the end."),
    option(
        "--journal-har",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Save every exchange as HAR.",
    ),
    log_option("off"),
    TRACE,
)
@gateway_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    judge: Judge | None,
    /,
    check: bool,
    offline: bool,
    journal_har: Path | None,
    report_dir: Path | None,
    log: Form,
    trace: Path | None,
    command: tuple[str, ...],
    **options: Any,
) -> None:
    """Run a program with a gateway instead of the providers.

    The program stays as it is: its https:// calls to the providers' own addresses, of their APIs and of their
    files, reach a gateway that only this program uses. Stdin, stdout, signals and exit status are the
    program's own. A summary on stderr follows.

    \b
    understudy run -- python my_app.py
    understudy run --check -- python my_app.py
    understudy run --scenario rate-limited --offline -- node app.js
    """
    open_standard_files()
    if report_dir is not None and not check:
        raise click.UsageError("--report-dir needs --check, whose findings it reports")
    if check and judge is None:
        raise CannotRun("--check needs understudy_contracts, which is not installed")
    check_directory("--report-dir", report_dir)
    check_file("--journal-har", journal_har)
    check_file("--trace", trace)
    world = make_world(options)
    code = run_command(world, command, offline=offline, log=log, trace=trace)
    if journal_har is not None:
        try:
            save_har(journal_har, world.journal.since(0), known_keys(world))
        except OSError as error:
            click.echo(f"understudy: {journal_har} cannot be written: {error.strerror}", err=True)
    if check:
        assert judge is not None  # refused above
        verdict = judge(world, report_dir, command, code)
        code = code or verdict
    leave(code)


def run_command(
    world: World, command: tuple[str, ...], *, offline: bool, log: Form = "off", trace: Path | None = None
) -> int:
    """Run a command with a world instead of the providers, and print a summary.

    `log` and `trace` are as in `observed`. Return its exit status, or -n for the signal n.
    """
    if not command[0]:
        raise CannotRun("COMMAND is empty: name the program to run after --, such as `-- python my_app.py`")
    held = hold_signals()  # before the loop starts, which handles Ctrl-C itself

    async def observed_run() -> int:
        async with observed(world, log, trace):
            return await _run_command(world, command, held, offline=offline)

    return run_loop(observed_run())


async def _run_command(world: World, command: tuple[str, ...], held: Signals, *, offline: bool) -> int:
    # Imported here: certificates take longer to import than all the rest, and `serve` needs none.
    from understudy_mock.intercept import intercepting, run_child, summarise

    app = create_app(world=world, judge=live_judge)
    hosts = world.catalog.every_host
    try:
        async with intercepting(app, hosts, environment_of_children(), offline=offline) as intercepted:
            for warning in intercepted.warnings:
                click.echo(f"understudy: {warning}", err=True)
            try:
                ended = await run_child(command, intercepted.variables, held)
            except OSError as error:
                raise CannotRun(f"{command[0]} cannot be started: {error.strerror}") from None
    except OSError as error:
        raise CannotRun(f"the command's calls cannot be sent to the gateway: {error}") from None
    click.echo(printable(summarise(world, intercepted)), err=True)
    return ended.code
