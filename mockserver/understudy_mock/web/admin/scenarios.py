"""Scenarios: those that are known, and the server's own."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.domain.scenario import (
    Scenario,
    ScenarioError,
    read_scenario,
    refuse_unknown_names,
    write_scenario,
)
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.admin.asking import AdminError, read_body, refuse_in_a_replay
from understudy_mock.wording import quirks_of


class Scenarios:
    """What the admin API says of scenarios, and the server's own."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def listing(self, request: Request) -> Response:
        """List the scenarios that are known, by name."""
        known = sorted(self._world.scenarios.values(), key=lambda scenario: scenario.name)
        return json_of({"scenarios": [write_scenario(scenario) for scenario in known]})

    async def current(self, request: Request) -> Response:
        """Show the server's scenario."""
        scenario = self._world.scenario
        return json_of(write_scenario(scenario) if scenario is not None else {"name": None})

    async def change(self, request: Request) -> Response:
        """Set the server's scenario."""
        body = await read_body(request, set())
        refuse_in_a_replay(self._world, "")
        self._world.stage(find_scenario(self._world, body, ""))
        return await self.current(request)


def find_scenario(world: World, wanted: Any, pointer: str) -> Scenario | None:
    """Return the scenario that a name, an object with a name or a whole scenario means; None for none.

    Raises AdminError, whose pointer begins with `pointer`.
    """
    if isinstance(wanted, dict) and set(wanted) <= {"name"}:
        wanted = wanted.get("name")
    if wanted is None:
        return None
    if isinstance(wanted, dict):
        try:
            scenario = read_scenario(wanted)
            models = {model.id for model in world.catalog.models}
            refuse_unknown_names(scenario, models, quirks_of(world.wordings))
        except ScenarioError as error:
            raise AdminError(400, error.message, pointer + error.pointer) from None
        return scenario
    found = world.scenarios.get(str(wanted))
    if found is None:
        known = ", ".join(sorted(world.scenarios)) or "none"
        raise AdminError(400, f"unknown scenario {str(wanted)[:64]!r}; known are {known}", pointer or "/name")
    return found
