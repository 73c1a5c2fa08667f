"""`understudy serve`."""

from __future__ import annotations

import shlex
import sys
import textwrap
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
from starlette.types import ASGIApp

from understudy_mock.app import create_app
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.describe import example_request
from understudy_mock.commands.common import (
    CannotRun,
    check_file,
    listen,
    make_world,
    observed,
    open_standard_files,
    warn_of_network,
)
from understudy_mock.domain.model import Operation
from understudy_mock.extension import live_judge
from understudy_mock.gateway.world import World
from understudy_mock.options import (
    TRACE,
    attach,
    environment,
    gateway_options,
    listening_options,
    log_option,
    option,
)
from understudy_mock.web.call_log import Form
from understudy_mock.web.server import address_of, serving, signals
from understudy_mock.web.server import run as run_loop


@click.command()
@listening_options
@attach(
    option(
        "--intercept-port",
        type=click.IntRange(0, 65535),
        metavar="N",
        help="Also be a proxy on this port, for programs with hard-coded URLs, and print what to export.",
    ),
    option(
        "--hosts",
        is_flag=True,
        help="Also speak TLS on 127.0.0.1:443 under the providers' names, and print hosts file lines.",
    ),
    log_option("lines"),
    TRACE,
)
@gateway_options
def serve(
    host: str,
    port: int,
    intercept_port: int | None,
    hosts: bool,
    log: Form,
    trace: Path | None,
    **options: Any,
) -> None:
    """Start a server that answers as the providers do.

    The first line on stdout is its base URL; all other output goes to stderr. Give your client this URL
    instead of the provider's, and any key. Each call and each callback is a line: when it began, status, what
    was called, how long it took, the job, [scenario: fault], and why it was refused. Ctrl-C ends the server.

    \b
    understudy serve --speed 1                 jobs take as long as documented
    understudy serve --fail-rate 0.1           one job in ten ends FAILED
    understudy serve --scenario rate-limited   the first submit is answered 429
    understudy serve --balance 5 --rate-limit 10/60
    understudy serve --trace trace.json        open it in https://ui.perfetto.dev when the server has ended
    """
    open_standard_files()
    check_file("--trace", trace)
    world = make_world(options)
    listener = listen(host, port)
    url = address_of(listener)

    async def serve_until_signal() -> None:
        app = create_app(world=world, judge=live_judge)
        async with AsyncExitStack() as stack:
            asked = stack.enter_context(signals())
            await stack.enter_async_context(observed(world, log, trace))
            await stack.enter_async_context(serving(app, listener))
            notes = [_banner(world, url), *warn_of_network(listener)]
            if intercept_port is not None or hosts:
                notes.append(await _intercept(stack, world, app, intercept_port, hosts=hosts))
            click.echo(url)
            sys.stdout.flush()
            click.echo("\n".join([*notes, "", "Ctrl-C ends the server."]), err=True)
            await asked.wait()

    run_loop(serve_until_signal())


async def _intercept(
    stack: AsyncExitStack, world: World, app: ASGIApp, port: int | None, *, hosts: bool
) -> str:
    """Appear under the providers' names. Return how to send a program's calls here."""
    # As in `run`: slow to import, rarely needed.
    from understudy_mock.intercept import intercepting

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
    lines = [f"warning: {warning}" for warning in intercepted.warnings]
    if port is not None:
        lines += ["", "In the shell that starts the program:", ""]
        lines += [f"  export {name}={shlex.quote(value)}" for name, value in intercepted.added.items()]
    if hosts:
        lines += ["", "In the hosts file (/etc/hosts), while this server runs:", ""]
        lines += [f"  127.0.0.1 {name}" for name in world.catalog.every_host]
        lines += ["", "In the shell that starts the program, so that it trusts the certificates:", ""]
        lines += [f"  export {name}={shlex.quote(value)}" for name, value in intercepted.trusting.items()]
    return "\n".join(lines)


def _first_submit(catalog: Catalog) -> Operation:
    """Return the submit to begin with, of a provider at the root."""
    submits = [one for one in catalog.operations if one.role == "submit" and one.provider in catalog.at_root]
    return next((one for one in submits if one.id == _FIRST), submits[0])


def _then(world: World, operation: Operation) -> str:
    """Return what to do after a submit, where its answer has an address for it."""
    place = next(iter(world.provider(operation.provider).reads.places("poll_url")), "")
    return f", then get the {place} of the answer with the same key" if place else ""


def _banner(world: World, url: str) -> str:
    settings = world.settings
    pace = {
        "clock": f"documented durations divided by {settings.speed:g}",
        "polls": "each poll moves its job one step",
        "manual": "stands still until POST /_mock/clock/advance",
    }[settings.pace]
    operation = _first_submit(world.catalog)
    key = "YOUR-KEY" if settings.api_keys else "any-key"
    request = example_request(world.catalog, operation, url, key)
    real = world.catalog.documents[operation.provider]["servers"][0]["url"]
    catalog = world.catalog
    mounted = [(name, catalog.mount(name)) for name in catalog.providers if catalog.mount(name)]
    full = getattr(world.files, "full", True)
    lines = [
        "",
        f"Understudy answers for {', '.join(world.catalog.providers)} ({world.catalog.summary()}).",
        f"  base URL   {url}   (instead of {real} and the others)",
        *[f"  {name:<10} {url}{mount}" for name, mount in mounted],
        f"  page       {url}/_mock/   (what happens, in a browser; for programs: /_mock/openapi.json)",
        f"  time       {pace}",
        f"  seed       {settings.seed}   (--seed {settings.seed} repeats outputs and failures)",
    ]
    if not full and settings.media == "real":
        lines.append("  media      one tiny file per format: install the extra `media` for real ones")
    lines += [
        "",
        f"Submit a job{_then(world, operation)}:",
        "",
        textwrap.indent(request, "  "),
    ]
    return "\n".join(lines)


_FIRST = "submit-hunyuan-video"
