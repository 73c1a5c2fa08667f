"""`understudy record`."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.commands.common import (
    CannotRun,
    hold_signals,
    listen,
    open_standard_files,
    warn_of_network,
)
from understudy_mock.har.recording import RecordingError
from understudy_mock.options import (
    check_webhook_ca,
    environment_of_children,
    listening_options,
    recording_options,
)
from understudy_mock.printing import printable
from understudy_mock.web.server import address_of, serving, signals
from understudy_mock.web.server import run as run_loop
from understudy_mock.wording import open_wordings

if TYPE_CHECKING:
    from understudy_mock.intercept import Signals
    from understudy_mock.record.recorder import Recorder
    from understudy_mock.record.run import RecorderSettings


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    short_help="Record a client and the real providers.",
)
@listening_options
@recording_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def record(
    context: click.Context,
    /,
    host: str,
    port: int,
    specs: tuple[Path, ...],
    command: tuple[str, ...],
    upstreams: tuple[tuple[str, str], ...],
    **options: Any,
) -> None:
    """Record the exchanges of a client with the real providers, to check and to replay them.

    Point the client at the base URL on stdout instead of the provider's, with your own key. Or give a
    COMMAND: its calls to the providers' real hosts are recorded, and it needs no change. Every exchange is
    in the file before the client sees its end. Keys are replaced by [key-1] and so on. What is spent is
    shown on stderr. Ends with Ctrl-C, or with the command and its exit status.

    \b
    understudy record --out run.har --max-submits 1
    understudy record --out run.har -- python my_app.py
    """
    # Imported here, and below, because its HTTP client takes a while to import, and `serve` needs none.
    from understudy_mock.record.run import RecorderSettings, check_upstreams

    open_standard_files()
    if command and context.get_parameter_source("port") is ParameterSource.DEFAULT:
        port = 0
    try:
        out: Path = options["out"]
        if out.suffix != ".har" and not out.is_dir():
            raise CannotRun(f"--out {out}: must end in .har; a recording is plain text while it is written")
        catalog = open_catalog(specs, worded=open_wordings(specs))
        settings = RecorderSettings(upstreams=dict(upstreams), **options)
        check_upstreams(catalog, settings.upstreams)
        check_webhook_ca(settings.webhook_ca)
        with listen(host, port) as listener:
            sys.exit(run_loop(_record(catalog, settings, listener, command)))
    except (SpecError, RecordingError) as error:
        raise CannotRun(str(error)) from None


async def _record(
    catalog: Catalog,
    settings: RecorderSettings,
    listener: socket.socket,
    command: tuple[str, ...],
) -> int:
    from understudy_mock.record.run import recorder_run

    def tell(text: str) -> None:
        click.echo(printable(text), err=True)

    held = hold_signals() if command else None
    for warning in warn_of_network(listener):
        tell(warning)
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(recorder_run(settings, catalog, tell))
        app, url = run.recorder, address_of(listener)
        run.callbacks.own_url = url
        status = 0
        if held is not None:
            await stack.enter_async_context(serving(app, listener))  # callbacks come here
            stack.push_async_callback(run.recorder.finish)
            status = await _recorded_command(catalog, run.recorder, command, held, tell)
        else:
            asked = stack.enter_context(signals())
            await stack.enter_async_context(serving(app, listener))
            stack.push_async_callback(run.recorder.finish)
            click.echo(url)
            sys.stdout.flush()
            tell(f"Recording into {settings.out}; base URL {url}. Ctrl-C ends it.")
            waiting = [asyncio.ensure_future(event.wait()) for event in (asked, run.stopped)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
    tell(run.summary())
    return run.status if run.problem else status or run.status


async def _recorded_command(
    catalog: Catalog, app: Recorder, command: tuple[str, ...], held: Signals, tell: Callable[[str], None]
) -> int:
    from understudy_mock.intercept import intercepting, refusals, run_child  # as in `run`: slow to import

    async with AsyncExitStack() as stack:
        try:
            intercepted = await stack.enter_async_context(
                intercepting(app, catalog.every_host, environment_of_children(), offline=False)
            )
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise CannotRun(
                f"{where}the command's calls cannot be intercepted: {error.strerror or error}"
            ) from None
        stack.push_async_callback(app.finish)
        if intercepted.left_out:
            tell(f"warning: NO_PROXY keeps these from the recorder: {', '.join(intercepted.left_out)}")
        try:
            ended = await run_child(command, intercepted.variables, held)
        except OSError as error:
            raise CannotRun(f"{command[0]} cannot be started: {error.strerror}") from None
        for line in refusals(intercepted.handshakes):
            tell(line)
        return ended.status
