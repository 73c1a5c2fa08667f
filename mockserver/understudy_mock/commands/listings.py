"""The commands that list what there is: `understudy spec`, `scenarios` and `quirks`."""

from __future__ import annotations

from pathlib import Path

import click

from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.catalog.describe import describe
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.commands import rendering
from understudy_mock.commands.common import CannotRun
from understudy_mock.commands.rendering import CONDITIONS
from understudy_mock.domain.conditions import CallError, Condition
from understudy_mock.domain.scenario import write_scenario
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.scenario_files import ScenarioFileError, find, read_scenarios
from understudy_mock.options import SPECS, attach, check_quirks, option
from understudy_mock.printing import printable
from understudy_mock.wording import quirks_of, shipped


@click.command()
@click.argument("provider", required=False)
@attach(
    option("--assumed", is_flag=True, help="List only what is assumed because no document says it."),
    option(
        "--render",
        metavar="OPERATION",
        help="Show what PROVIDER answers to this operation, or sends as its callback.",
    ),
    option(
        "--state",
        type=click.Choice([state.value for state in State]),
        help="With --render: where the job is.",
    ),
    option(
        "--quirk",
        "quirks",
        multiple=True,
        metavar="NAME",
        help="With --render: the other reading where the documentation contradicts itself.",
    ),
    option(
        "--condition",
        type=click.Choice([what.value for what in CONDITIONS]),
        metavar="NAME",
        help="With --render: what is wrong with the call, such as rate_limited or not_json.",
    ),
    SPECS,
)
def spec(
    provider: str | None,
    assumed: bool,
    render: str | None,
    state: str | None,
    quirks: tuple[str, ...],
    condition: str | None,
    specs: tuple[Path, ...],
) -> None:
    """List operations, parameters, durations and prices.

    This is what the documentation of all providers, or of PROVIDER, says. Assumptions are marked. With
    --render, show byte for byte what one operation of PROVIDER answers.
    """
    if render is None and (state or quirks or condition):
        raise click.UsageError("--state, --quirk and --condition go with --render OPERATION")
    if render is not None and (provider is None or assumed):
        raise click.UsageError("--render needs a PROVIDER, and does not go with --assumed")
    try:
        catalog = open_catalog(specs)
    except SpecError as error:
        raise CannotRun(str(error)) from None
    if provider is not None and provider not in catalog.providers:
        raise CannotRun(f"unknown provider {provider!r}; known are {', '.join(catalog.providers)}")
    if render is not None and provider is not None:
        what = next((one for one in CONDITIONS if one == condition), None)
        _show(catalog, provider, render, State(state) if state else None, quirks, what, specs)
        return
    if assumed:
        for name, pointer, reason in catalog.guesses():
            if provider in (None, name):
                click.echo(f"{name} {click.style(pointer, dim=True)}\n  {' '.join(reason.split())}")
        return
    click.echo(catalog.summary())
    for operation in catalog.operations:
        if provider in (None, operation.provider):
            click.echo(describe(catalog, operation))


def _show(
    catalog: Catalog,
    provider: str,
    name: str,
    state: State | None,
    quirks: tuple[str, ...],
    condition: Condition | CallError | None,
    specs: tuple[Path, ...],
) -> None:
    check_quirks(quirks, specs)
    try:
        sent = rendering.render(catalog, provider, name, state, quirks, condition, specs)
    except (rendering.NotRendered, SpecError) as error:
        raise CannotRun(str(error)) from None
    click.echo(click.style(sent.line, bold=True))
    for header, value in sent.headers:
        click.echo(printable(f"{header.decode()}: {value.decode('latin-1')}"))
    kind = dict(sent.headers).get(b"content-type", b"")
    if not sent.body or kind.startswith(b"text/") or b"json" in kind:
        click.echo(f"\n{printable(sent.body.decode())}" if sent.body else "")
    else:
        click.echo(f"\n({len(sent.body):,} bytes of {kind.decode('latin-1')})")


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
    for quirk in quirks_of(shipped()).values():
        click.echo(f"{click.style(quirk.name, bold=True)} ({', '.join(quirk.providers)})\n  {quirk.summary}")
        click.echo(f"  source: {quirk.source}")
