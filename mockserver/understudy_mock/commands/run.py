"""`understudy run`: a command with a gateway in the place of the providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from understudy_mock.app import create_app
from understudy_mock.commands.common import (
    CannotRun,
    check_directory,
    hold_signals,
    leave,
    make_world,
    open_standard_files,
    why_not_writable,
)
from understudy_mock.gateway.world import World
from understudy_mock.har.write import har_bytes, known_keys, write_har
from understudy_mock.options import environment_of_children, gateway_options
from understudy_mock.printing import printable
from understudy_mock.web.server import run as run_loop

if TYPE_CHECKING:
    from understudy_mock.intercept import Signals

Judge = Callable[[World, Path | None, Sequence[str], int], int]
"""Looks at what a program has said to a gateway, tells what was wrong, and gives the exit status.

Where a directory is given, it writes a report into it, which names the command and the status (-n for the
signal n) that it has ended with.
"""


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@gateway_options
@click.option(
    "--check", is_flag=True, help="Hold COMMAND to the rules of `understudy rules`; 1 when it breaks any."
)
@click.option("--offline", is_flag=True, help="Refuse calls to any other host, and name them in the summary.")
@click.option(
    "--journal-har",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep everything that was said, as HAR.",
)
@click.option(
    "--report-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="D",
    help="Write what --check found there: a page (run.html), JSON, JUnit and the journal.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    judge: Judge | None,
    /,
    check: bool,
    offline: bool,
    journal_har: Path | None,
    report_dir: Path | None,
    command: tuple[str, ...],
    **options: Any,
) -> None:
    """Run COMMAND with a private gateway in the place of the providers' real hosts.

    The command's own https:// calls to gateway.pixazo.ai, api.segmind.com, api.wavespeed.ai and their media
    hosts reach the gateway under genuine names; nothing in the program changes. Its stdin, stdout, signals
    and exit status are its own; a summary follows on stderr.

    \b
    understudy run -- python my_app.py
    understudy run --scenario rate-limited --offline -- node app.js
    """
    open_standard_files()
    if report_dir is not None and not check:
        raise click.UsageError("--report-dir says what --check found: give both")
    if check and judge is None:
        raise CannotRun("--check needs the rules of understudy_contracts, which are not installed")
    check_directory("--report-dir", report_dir)
    if journal_har is not None and (problem := why_not_writable(journal_har)):
        raise CannotRun(f"{journal_har} cannot be written: {problem}")
    world = make_world(options)
    code = run_command(world, command, offline=offline)
    if journal_har is not None:
        try:
            journal_har.write_bytes(har_bytes(write_har(world.journal.since(0), known_keys(world))))
        except OSError as error:
            click.echo(f"understudy: {journal_har} cannot be written: {error.strerror}", err=True)
    if check:
        assert judge is not None  # refused above
        found = judge(world, report_dir, command, code)
        code = code or found
    leave(code)


def run_command(world: World, command: tuple[str, ...], *, offline: bool) -> int:
    """Run a command with a world in the providers' place, and tell what it came to.

    Gives its exit status, or -n for the signal n.
    """
    if not command[0]:
        raise CannotRun("COMMAND is empty: after -- comes the program to run, such as `-- python my_app.py`")
    held = hold_signals()  # before the loop, which would take Ctrl-C for its own
    return run_loop(_run_command(world, command, held, offline=offline))


async def _run_command(world: World, command: tuple[str, ...], held: Signals, *, offline: bool) -> int:
    # Imported here because certificates take longer to import than the rest together, and `serve` needs none.
    from understudy_mock.intercept import intercepting, run_child, summarise

    app = create_app(world=world)
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
        raise CannotRun(f"cannot lead anything to the gateway: {error}") from None
    click.echo(printable(summarise(world, intercepted)), err=True)
    return ended.code
