"""The gateway's own commands: `serve` and `spec`."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import click
import yaml

from mockserver.app import create_app, create_world
from mockserver.catalog import SpecError, open_catalog
from mockserver.catalog.describe import describe, example_request
from mockserver.domain.quirks import QUIRKS
from mockserver.domain.scenario import write_scenario
from mockserver.gateway.book import BookError, find, read_book
from mockserver.gateway.world import World
from mockserver.options import gateway_options, listening_options, read_settings
from mockserver.web.server import address_of, bind
from mockserver.web.server import serve as run_server


class CannotRun(click.ClickException):
    """Something that keeps a command from running at all: one line, exit status 2."""

    exit_code = 2


@click.command()
@listening_options
@gateway_options
def serve(host: str, port: int, **options: Any) -> None:
    """Start a gateway that answers as the providers do.

    The first line on stdout is its base URL; everything for people goes to stderr. Point a client at the
    URL instead of the provider's, with any key. Ends with Ctrl-C.

    \b
    understudy serve --speed 1                 documented durations, not divided
    understudy serve --fail-rate 0.1           one job in ten FAILS
    understudy serve --balance 5 --rate-limit 10/60
    """
    settings = read_settings(options)
    try:
        world = create_world(settings)
    except (SpecError, BookError) as error:
        raise CannotRun(str(error)) from None
    try:
        listener = bind(host, port)
    except OSError as error:
        raise CannotRun(f"cannot listen on {host}:{port}: {error.strerror}; try --port 0") from None
    url = address_of(listener)

    def ready() -> None:
        click.echo(url)
        sys.stdout.flush()
        click.echo(_banner(world, url), err=True)

    run_server(create_app(world=world), listener, ready)


def _banner(world: World, url: str) -> str:
    settings = world.settings
    pace = {
        "clock": f"documented durations divided by {settings.speed:g}",
        "polls": "each poll moves its job one step",
        "manual": "time stands still until POST /_mock/clock/advance",
    }[settings.pace]
    operation = next(o for o in world.catalog.operations if o.id == _FIRST)
    request = example_request(world.catalog, operation, url)
    full = getattr(world.files, "full", True)
    lines = [
        "",
        f"Understudy speaks for {', '.join(world.catalog.providers)} ({world.catalog.summary()}).",
        f"  base URL   {url}   (in the place of https://gateway.pixazo.ai and the others)",
        f"  admin      {url}/_mock/health  /_mock/jobs  /_mock/journal.har",
        f"  time       {pace}",
        f"  seed       {settings.seed}   (--seed {settings.seed} repeats this run)",
    ]
    if not full and settings.media == "real":
        lines.append("  media      one tiny file a format: install the extra `media` for real ones")
    lines += [
        "",
        "Submit a job, then open the polling_url of the answer with the same key:",
        "",
        textwrap.indent(request, "  "),
        "",
        "Ctrl-C ends it.",
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


COMMANDS = (serve, spec, scenarios, quirks)
