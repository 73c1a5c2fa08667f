"""The gateway's own commands: `serve` and `spec`."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import socket
import sys
import textwrap
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import yaml
from click.core import ParameterSource
from starlette.types import ASGIApp

from mockserver.app import create_app, create_replay, create_world
from mockserver.catalog import Catalog, SpecError, open_catalog
from mockserver.catalog.describe import describe, example_request
from mockserver.domain.quirks import QUIRKS
from mockserver.domain.scenario import write_scenario
from mockserver.gateway.book import BookError, find, read_book
from mockserver.gateway.world import World
from mockserver.options import (
    check_webhook_ca,
    environment,
    gateway_options,
    listening_options,
    read_settings,
    recording_options,
    replay_options,
)
from mockserver.providers import PROVIDERS
from mockserver.recording.har import write_har
from mockserver.recording.recording import RecordingError
from mockserver.recording.replay import Replay
from mockserver.web.server import address_of, bind, serving, signals
from mockserver.web.server import run as run_loop

if TYPE_CHECKING:
    from mockserver.intercept import Signals
    from mockserver.recording.session import RecorderSettings

Judge = Callable[[World, Path | None], int]
"""Looks at what a program has said to a gateway, tells what was wrong, and gives the exit status.

Where a directory is given, it writes a report into it.
"""


class CannotRun(click.ClickException):
    """Something that keeps a command from running at all: one line, exit status 2."""

    exit_code = 2


@click.command()
@listening_options
@gateway_options
@click.option(
    "--intercept-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Also be a proxy on this port for programs with hard-coded addresses, and print what to export.",
)
@click.option(
    "--hosts",
    is_flag=True,
    help="Also speak TLS on 127.0.0.1:443 under the providers' names, and print lines for the hosts file.",
)
def serve(host: str, port: int, intercept_port: int | None, hosts: bool, **options: Any) -> None:
    """Start a gateway that answers as the providers do.

    The first line on stdout is its base URL; everything for people goes to stderr. Point a client at the
    URL instead of the provider's, with any key. Ends with Ctrl-C.

    \b
    understudy serve --speed 1                 documented durations, not divided
    understudy serve --fail-rate 0.1           one job in ten FAILS
    understudy serve --balance 5 --rate-limit 10/60
    """
    _open_standard_files()
    world = _world(options)
    listener = _listen(host, port)
    url = address_of(listener)

    async def serve_until_signal() -> None:
        app = create_app(world=world)
        async with AsyncExitStack() as stack:
            asked = stack.enter_context(signals())
            await stack.enter_async_context(serving(app, listener))
            notes = [_banner(world, url)]
            if intercept_port is not None or hosts:
                notes.append(await _intercept(stack, world, app, intercept_port, hosts=hosts))
            click.echo(url)
            sys.stdout.flush()
            click.echo("\n".join([*notes, "", "Ctrl-C ends it."]), err=True)
            await asked.wait()

    run_loop(serve_until_signal())


async def _intercept(
    stack: AsyncExitStack, world: World, app: ASGIApp, port: int | None, *, hosts: bool
) -> str:
    """Appear under the providers' names, and say how to lead a program here."""
    # As in `run`: slow to import, rarely needed.
    from mockserver.intercept import JAVA_OPTIONS, intercepting, java_trust

    tls_port = 443 if hosts else 0
    try:
        intercepted = await stack.enter_async_context(
            intercepting(
                app,
                world.catalog.every_host,
                environment(),
                offline=False,
                proxy_port=port or 0,
                tls_port=tls_port,
            )
        )
    except OSError as error:
        raise CannotRun(f"cannot listen on 127.0.0.1:{tls_port or port}: {error.strerror}") from None
    lines = []
    if port is not None:
        lines += ["", "In the shell that starts the program:", ""]
        lines += [f"  export {name}={shlex.quote(value)}" for name, value in intercepted.added.items()]
    if hosts:
        lines += ["", "In the hosts file (/etc/hosts), as long as this runs:", ""]
        lines += [f"  127.0.0.1 {name}" for name in world.catalog.every_host]
        lines += ["", "In the shell that starts the program, so that it trusts these names:", ""]
        trust = {name: str(file) for name, file in intercepted.trust.bundles.items()}
        trust[JAVA_OPTIONS] = java_trust(intercepted.trust)
        lines += [f"  export {name}={shlex.quote(value)}" for name, value in trust.items()]
    return "\n".join(lines)


def _world(options: dict[str, Any]) -> World:
    try:
        return create_world(read_settings(options))
    except (SpecError, BookError) as error:
        raise CannotRun(str(error)) from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        hint = "; try --port 0" if error.errno == errno.EADDRINUSE else ""
        raise CannotRun(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None


def _banner(world: World, url: str) -> str:
    settings = world.settings
    pace = {
        "clock": f"documented durations divided by {settings.speed:g}",
        "polls": "each poll moves its job one step",
        "manual": "time stands still until POST /_mock/clock/advance",
    }[settings.pace]
    operation = next(o for o in world.catalog.operations if o.id == _FIRST)
    key = "YOUR-KEY" if settings.api_keys else "any-key"
    request = example_request(world.catalog, operation, url, key)
    full = getattr(world.files, "full", True)
    lines = [
        "",
        f"Understudy speaks for {', '.join(world.catalog.providers)} ({world.catalog.summary()}).",
        f"  base URL   {url}   (in the place of https://gateway.pixazo.ai and the others)",
        f"  admin      {url}/_mock/health  /_mock/jobs  /_mock/journal.har",
        f"  time       {pace}",
        f"  seed       {settings.seed}   (--seed {settings.seed} draws the same outputs and failures again)",
    ]
    if not full and settings.media == "real":
        lines.append("  media      one tiny file a format: install the extra `media` for real ones")
    lines += [
        "",
        "Submit a job, then open the polling_url of the answer with the same key:",
        "",
        textwrap.indent(request, "  "),
    ]
    return "\n".join(lines)


_FIRST = "submit-hunyuan-video"


@click.command()
@click.argument("provider", required=False)
@click.option("--assumed", is_flag=True, help="List what no document says and is guessed.")
@click.option(
    "--specs", multiple=True, type=click.Path(path_type=Path), metavar="DIR", help="Read more specs."
)
def spec(provider: str | None, assumed: bool, specs: tuple[Path, ...]) -> None:
    """Tell what the providers document: operations, parameters, durations, prices, and what is guessed."""
    try:
        catalog = open_catalog(specs)
    except SpecError as error:
        raise CannotRun(str(error)) from None
    if provider is not None and provider not in catalog.providers:
        raise CannotRun(f"no provider is called {provider!r}; known are {', '.join(catalog.providers)}")
    if assumed:
        for name, pointer, reason in catalog.guesses():
            if provider in (None, name):
                click.echo(f"{name} {click.style(pointer, dim=True)}\n  {' '.join(reason.split())}")
        return
    click.echo(catalog.summary())
    for operation in catalog.operations:
        if provider in (None, operation.provider):
            click.echo(describe(catalog, operation))


@click.command()
@click.argument("name", required=False)
def scenarios(name: str | None) -> None:
    """List what a provider can be made to do, or show the scenario NAME as a file to start your own from.

    \b
    A call chooses one, the first of these that names one:
      header        Prefer: scenario=fails    (Prefer: code=402 for one answer)
      prompt        "a cat [scenario:fails]"
      key           scenario:fails or scenario:fails:anything
      account       PUT /_mock/accounts/KEY {"scenario": "fails"}
      server        --scenario fails
    """
    try:
        book = read_book()
        if name is not None:
            click.echo(yaml.safe_dump(write_scenario(find(book, name)), sort_keys=False, width=100), nl=False)
            return
    except BookError as error:
        raise CannotRun(str(error)) from None
    for scenario in book.values():
        click.echo(f"{click.style(scenario.name, bold=True)}\n  {scenario.summary}\n  > {scenario.advice}")


@click.command()
def quirks() -> None:
    """List where the documentation contradicts itself, and the other readings that can be switched on."""
    for quirk in QUIRKS.values():
        click.echo(f"{click.style(quirk.name, bold=True)} ({', '.join(quirk.providers)})\n  {quirk.summary}")
        click.echo(f"  source: {quirk.source}")


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
    _open_standard_files()
    if report_dir is not None and not check:
        raise click.UsageError("--report-dir says what --check found: give both")
    if journal_har is not None and (problem := _cannot_write(journal_har)):
        raise CannotRun(f"{journal_har} cannot be written: {problem}")
    world = _world(options)
    status = run_loop(_run_command(world, command, offline=offline))
    if journal_har is not None:
        try:
            journal_har.write_bytes(msgspec.json.encode(write_har(world.journal.since(0))))
        except OSError as error:
            click.echo(f"understudy: {journal_har} cannot be written: {error.strerror}", err=True)
    if check:
        assert judge is not None  # contracts/cli.py composes the command, and brings it
        found = judge(world, report_dir)
        status = status or found
    sys.exit(status)


async def _run_command(world: World, command: tuple[str, ...], *, offline: bool) -> int:
    # Imported here because certificates take longer to import than the rest together, and `serve` needs none.
    from mockserver.intercept import intercepting, run_child, summarise

    held = _hold_signals()
    app = create_app(world=world)
    hosts = world.catalog.every_host
    try:
        async with intercepting(app, hosts, environment(), offline=offline) as intercepted:
            try:
                ended = await run_child(command, intercepted.variables, held)
            except OSError as error:
                raise CannotRun(f"{command[0]} cannot be started: {error.strerror}") from None
    except OSError as error:
        raise CannotRun(f"cannot lead anything to the gateway: {error}") from None
    click.echo(summarise(world, intercepted), err=True)
    return ended.status


def _hold_signals() -> Signals:
    """Keep signals for a child that is about to start: before any thread does."""
    from mockserver.intercept import Signals

    return Signals()


def _cannot_write(file: Path) -> str:
    """Tell what will keep a file from being written; nothing if nothing will, as far as one can know."""
    folder = file.parent
    if file.is_dir():
        return "it is a folder"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(file if file.exists() else folder, os.W_OK):
        return "it is not writable" if file.exists() else f"the folder {folder} is not writable"
    return ""


def _open_standard_files() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed: else the next socket would be taken for it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
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
    """Record what a client and the real providers say, once, to check it and to replay it for ever.

    Point the client at the base URL on stdout instead of the provider's, with your own key; or give a
    COMMAND, whose calls to the providers' real hosts are recorded without changing it. Every exchange is in
    the file before the client sees its end. No key gets into it: keys are replaced by [key-1] and so on.
    What is spent is told on stderr. Ends with Ctrl-C, or with the command, whose status it gives.

    \b
    understudy record --out run.har --max-submits 1
    understudy record --out run.har -- python my_app.py
    """
    # Imported here, and below, because its HTTP client takes a while to import, and `serve` needs none.
    from mockserver.recording.session import RecorderSettings, check_upstreams

    _open_standard_files()
    if command and context.get_parameter_source("port") is ParameterSource.DEFAULT:
        port = 0
    try:
        catalog = open_catalog(specs, worded=PROVIDERS)
        settings = RecorderSettings(upstreams=dict(upstreams), **options)
        check_upstreams(catalog, settings.upstreams)
        check_webhook_ca(settings.webhook_ca)
        with _listen(host, port) as listener:
            sys.exit(run_loop(_record(catalog, settings, listener, command)))
    except (SpecError, RecordingError) as error:
        raise CannotRun(str(error)) from None


async def _record(
    catalog: Catalog, settings: RecorderSettings, listener: socket.socket, command: tuple[str, ...]
) -> int:
    from mockserver.recording.session import recording

    def tell(text: str) -> None:
        click.echo(text, err=True)

    held = _hold_signals() if command else None
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(recording(settings, catalog, tell))
        app, url = session.recorder, address_of(listener)
        session.callbacks.own_url = url
        status = 0
        if held is not None:
            await stack.enter_async_context(serving(app, listener))  # callbacks come here
            status = await _recorded_command(catalog, app, command, held, tell)
        else:
            asked = stack.enter_context(signals())
            await stack.enter_async_context(serving(app, listener))
            click.echo(url)
            sys.stdout.flush()
            tell(f"Recording into {settings.out}; base URL {url}. Ctrl-C ends it.")
            waiting = [asyncio.ensure_future(event.wait()) for event in (asked, session.stopped)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in waiting:
                one.cancel()
    tell(session.summary())
    return session.status if session.problem else status or session.status


async def _recorded_command(
    catalog: Catalog, app: ASGIApp, command: tuple[str, ...], held: Signals, tell: Callable[[str], None]
) -> int:
    from mockserver.intercept import intercepting, run_child  # as in `run`: slow to import

    async with intercepting(app, catalog.every_host, environment(), offline=False) as intercepted:
        if intercepted.left_out:
            tell(f"warning: NO_PROXY keeps these from the recorder: {', '.join(intercepted.left_out)}")
        try:
            return (await run_child(command, intercepted.variables, held)).status
        except OSError as error:
            raise CannotRun(f"{command[0]} cannot be started: {error.strerror}") from None


class _WithCommand(click.Command):
    """A command whose own arguments end at `--`; what follows is a child's command line."""

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
    **options: Any,
) -> None:
    """Play recordings, job by job, to any client, at any pace of polling, without a key of worth.

    Serves like `serve`, or with -- COMMAND in the place of the providers' real hosts, like `run`. Each submit
    of a body takes the next job that was recorded for it, then the last one again. A call that was not
    recorded is refused with the nearest one and what differs, and the exit status is 1. Nothing is ever
    forwarded to a provider.

    \b
    understudy replay run.har --speed 30
    understudy replay run.har -- python my_app.py
    understudy replay run.har --export-scenarios scenarios/
    """
    from mockserver.recording.report import at_end

    _open_standard_files()
    child: tuple[str, ...] | None = ctx.meta.get(_CHILD)
    if child == ():
        raise click.UsageError("after -- comes the command to run")
    world, told = _replay_world(files, options)
    if export_scenarios is not None:
        _export(world, export_scenarios)
        return
    click.echo("\n".join(told), err=True)
    status = run_loop(
        _run_command(world, child, offline=False) if child else _serve_replay(world, host, port)
    )
    if ended := at_end(world):
        click.echo("\n".join(ended), err=True)
    sys.exit(status or (1 if world.misses else 0))


def _replay_world(files: tuple[Path, ...], options: dict[str, Any]) -> tuple[Replay, list[str]]:
    """Read recordings; give their world, and what is to be said of them at the start."""
    from mockserver.recording.read import read_recording
    from mockserver.recording.report import at_start

    settings = read_settings(options)
    size = sum(file.stat().st_size for file in files)
    if size > _SLOW_TO_READ:
        click.echo(f"reading {size // 1024**2} MB of recordings …", err=True)
    try:
        catalog = open_catalog(settings.specs, worded=PROVIDERS)
        recording = read_recording(files, catalog)
        world = create_replay(recording, settings, catalog=catalog)
    except (SpecError, RecordingError) as error:
        raise CannotRun(str(error)) from None
    return world, at_start(recording, world.repertoire)


async def _serve_replay(world: Replay, host: str, port: int) -> int:
    listener = _listen(host, port)
    async with AsyncExitStack() as stack:
        asked = stack.enter_context(signals())
        await stack.enter_async_context(serving(create_app(world=world), listener))
        click.echo(address_of(listener))
        sys.stdout.flush()
        click.echo("Ctrl-C ends it.", err=True)
        await asked.wait()
    return 0


def _export(world: Replay, folder: Path) -> None:
    from mockserver.recording.scenarios import export

    try:
        written = export(world.repertoire, folder)
    except OSError as error:
        raise CannotRun(f"{error.filename or folder}: cannot be written: {error.strerror}") from None
    for file in written:
        click.echo(file)


COMMANDS = (serve, run, record, replay, spec, scenarios, quirks)
