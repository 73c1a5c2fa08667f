"""The commands that list what there is: `understudy spec`, `scenarios` and `quirks`."""

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
from understudy_mock.options import SPECS, attach, option


@click.command()
@click.argument("provider", required=False)
@attach(
    option("--assumed", is_flag=True, help="List only what is assumed because no document says it."), SPECS
)
def spec(provider: str | None, assumed: bool, specs: tuple[Path, ...]) -> None:
    """List operations, parameters, durations and prices.

    This is what the documentation of all providers, or of PROVIDER, says. Assumptions are marked.
    """
    try:
        catalog = open_catalog(specs)
    except SpecError as error:
        raise CannotRun(str(error)) from None
    if provider is not None and provider not in catalog.providers:
        raise CannotRun(f"unknown provider {provider!r}; known are {', '.join(catalog.providers)}")
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
    """List the behaviours that a provider can show.

    With NAME, print that scenario as a file from which you can make your own.

    \b
    A call gets the first scenario that one of these names:
      header        Prefer: scenario=fails    (Prefer: code=402 for one answer)
      prompt        "a cat [scenario:fails]"
      key           scenario:fails or scenario:fails:anything
      account       PUT /_mock/accounts/KEY {"scenario": "fails"}
      server        --scenario fails
    """
    try:
        known = read_scenarios()
        if name is not None:
            click.echo(write_yaml(write_scenario(find(known, name))), nl=False)
            return
    except ScenarioFileError as error:
        raise CannotRun(str(error)) from None
    for scenario in known.values():
        click.echo(f"{click.style(scenario.name, bold=True)}\n  {scenario.summary}\n  > {scenario.advice}")


@click.command()
def quirks() -> None:
    """List contradictions in the documentation.

    For each, `--quirk` switches on the reading that is not the default.
    """
    for quirk in QUIRKS.values():
        click.echo(f"{click.style(quirk.name, bold=True)} ({', '.join(quirk.providers)})\n  {quirk.summary}")
        click.echo(f"  source: {quirk.source}")
