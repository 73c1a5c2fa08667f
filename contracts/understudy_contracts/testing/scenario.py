"""A scenario as a test may give it, and as the admin API takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from understudy_mock.domain.scenario import Scenario, ScenarioError, refuse_unknown_names, write_scenario
from understudy_mock.gateway.scenario_files import ScenarioFileError, find, read_file
from understudy_mock.gateway.world import World
from understudy_mock.wording import quirks_of


def to_json(world: World, scenario: object, name: str) -> object:
    """Return a known scenario's name, or the whole of a scenario in JSON's types, None for none.

    A mapping without a name is called `name`. Raises ValueError with file and place, and TypeError.
    """
    __tracebackhide__ = True
    if scenario is None or (isinstance(scenario, str) and scenario in world.scenarios):
        return scenario
    if isinstance(scenario, Mapping):
        return dict(scenario) if "name" in scenario else {"name": name, "summary": "", **scenario}
    where = ""
    try:
        if isinstance(scenario, str | Path):
            file, where = scenario, f"{scenario}: "
            scenario = read_file(file) if isinstance(file, Path) else find(world.scenarios, file)
        if not isinstance(scenario, Scenario):
            raise TypeError(
                f"a scenario is a name, a file, a mapping, a Scenario, or None for none, not {scenario!r}"
            )
    except ScenarioFileError as error:
        raise ValueError(str(error)) from None
    try:
        refuse_unknown_names(
            scenario, {model.id for model in world.catalog.models}, quirks_of(world.wordings)
        )
    except ScenarioError as error:
        raise ValueError(f"{where}{scenario.name}: {error}") from None
    # With a summary, even an empty one: the API takes a name alone for a known scenario.
    return {"summary": "", **write_scenario(scenario)}
