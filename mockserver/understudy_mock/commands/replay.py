"""`understudy replay`."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from understudy_mock.app import create_app, create_replay
from understudy_mock.catalog import SpecError, open_catalog
from understudy_mock.commands.common import (
    CannotRun,
    check_file,
    leave,
    listen,
    observed,
    open_standard_files,
    warn_of_network,
)
from understudy_mock.commands.run import run_command
from understudy_mock.extension import live_judge
from understudy_mock.har.recording import Recording, RecordingError
from understudy_mock.options import (
    TRACE,
    attach,
    listening_options,
    log_option,
    read_settings,
    replay_options,
)
from understudy_mock.printing import printable
from understudy_mock.replay.replay import Replay
from understudy_mock.web.call_log import Form
from understudy_mock.web.server import address_of, serving, signals
from understudy_mock.web.server import run as run_loop
from understudy_mock.wording import open_wordings


class _WithCommand(click.Command):
    """A command whose own arguments end at `--`; a child's command line follows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_CHILD] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


_CHILD = "understudy.child"
_SLOW_TO_READ = 50 * 1024 * 1024
"""Bytes of recordings that take some seconds to read."""


@click.command(cls=_WithCommand)
@click.argument(
    "files", metavar="FILE.har...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@listening_options
@replay_options
@attach(log_option(None, show_default="lines; off with a COMMAND"), TRACE)
@click.option(
    "--export-scenarios",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each recorded job as a scenario for `serve --scenario`, and end.",
)
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    files: tuple[Path, ...],
    host: str,
    port: int,
    export_scenarios: Path | None,
    log: Form | None,
    trace: Path | None,
    **options: Any,
) -> None:
    """Replay recorded jobs to any client, at any pace of polling. No real API key is needed.

    Serves like `serve`. With -- COMMAND it stands in the place of the providers' real hosts, like `run`.
    Each submit of a body gets the next job that was recorded for it, and then the last one again. A call
    that was not recorded is refused with the nearest recorded call and the differences, and the exit status
    is 1. Nothing is ever forwarded to a provider.

    \b
    understudy replay run.har --speed 30
    understudy replay run.har -- python my_app.py
    understudy replay run.har --export-scenarios scenarios/
    """
    from understudy_mock.replay.report import at_end, at_start

    open_standard_files()
    child: tuple[str, ...] | None = ctx.meta.get(_CHILD)
    if child == ():
        raise click.UsageError("after -- comes the command to run")
    if child is not None and export_scenarios is not None:
        raise click.UsageError("--export-scenarios writes files and ends; it takes no command after --")
    check_file("--trace", trace)
    world, recording = _read(files, options)
    if export_scenarios is not None:
        for note in recording.notes:
            click.echo(printable(note), err=True)
        _export(world, export_scenarios)
        return
    click.echo(printable("\n".join(at_start(recording, world.recorded))), err=True)
    if child:
        status = run_command(world, child, offline=False, log=log or "off", trace=trace)
    else:
        status = run_loop(_serve_replay(world, host, port, log or "lines", trace))
    if ended := at_end(world):
        click.echo(printable("\n".join(ended)), err=True)
    leave(status or (1 if world.misses else 0))


def _read(files: tuple[Path, ...], options: dict[str, Any]) -> tuple[Replay, Recording]:
    """Read recordings, and make their world. Raises CannotRun."""
    from understudy_mock.har.read import read_recording

    settings = read_settings(options)
    size = sum(file.stat().st_size for file in files)
    if size > _SLOW_TO_READ:
        click.echo(f"reading {size // 1024**2} MB of recordings …", err=True)
    try:
        catalog = open_catalog(settings.specs, worded=open_wordings(settings.specs))
        recording = read_recording(files, catalog)
        return create_replay(recording, settings, catalog=catalog), recording
    except (SpecError, RecordingError) as error:
        raise CannotRun(str(error)) from None


async def _serve_replay(world: Replay, host: str, port: int, log: Form, trace: Path | None) -> int:
    listener = listen(host, port)
    async with AsyncExitStack() as stack:
        asked = stack.enter_context(signals())
        await stack.enter_async_context(observed(world, log, trace))
        await stack.enter_async_context(serving(create_app(world=world, judge=live_judge), listener))
        click.echo(address_of(listener))
        sys.stdout.flush()
        click.echo("\n".join([*warn_of_network(listener), "Ctrl-C ends it."]), err=True)
        await asked.wait()
    return 0


def _export(world: Replay, folder: Path) -> None:
    from understudy_mock.replay.export import export

    if not world.recorded.jobs:
        raise CannotRun("no scenario is written: the recording holds no submit")
    try:
        written = export(world.recorded, folder)
    except OSError as error:
        raise CannotRun(f"{error.filename or folder}: cannot be written: {error.strerror}") from None
    for file in written:
        click.echo(file)
