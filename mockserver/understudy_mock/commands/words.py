"""What there is, in words: `understudy spec`, `scenarios` and `quirks`."""

from __future__ import annotations

from pathlib import Path

import click

from understudy_mock.catalog import SpecError, open_catalog
from understudy_mock.catalog.describe import describe
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.commands.common import CannotRun
from understudy_mock.domain.quirks import QUIRKS
from understudy_mock.domain.scenario import write_scenario
from understudy_mock.gateway.scenario_files import ScenarioFileError, find, read_scenarios


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
        book = read_scenarios()
        if name is not None:
            click.echo(write_yaml(write_scenario(find(book, name))), nl=False)
            return
    except ScenarioFileError as error:
        raise CannotRun(str(error)) from None
    for scenario in book.values():
        click.echo(f"{click.style(scenario.name, bold=True)}\n  {scenario.summary}\n  > {scenario.advice}")


@click.command()
def quirks() -> None:
    """List where the documentation contradicts itself, and the other readings that can be switched on."""
    for quirk in QUIRKS.values():
        click.echo(f"{click.style(quirk.name, bold=True)} ({', '.join(quirk.providers)})\n  {quirk.summary}")
        click.echo(f"  source: {quirk.source}")
