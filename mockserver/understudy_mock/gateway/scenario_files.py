"""The named scenarios: those that ship with Understudy, and files given by their path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from understudy_mock.catalog.notation import NotationError, read_yaml
from understudy_mock.domain.scenario import Scenario, ScenarioError, read_scenario


class ScenarioFileError(Exception):
    """A scenario file that is not understood, or a name that is not known."""


def bundled_scenarios() -> Path:
    """Return where the scenarios that ship with Understudy are: in the wheel, or in the checkout."""
    package = Path(str(resources.files("understudy_mock")))
    inside = package / "_data" / "fixtures" / "scenarios"
    return inside if inside.is_dir() else package.parents[1] / "fixtures" / "scenarios"


def read_scenarios(directory: Path | None = None) -> dict[str, Scenario]:
    """Read every scenario of a directory, by name. Raises ScenarioFileError."""
    scenarios = {}
    for file in sorted((directory or bundled_scenarios()).glob("*.yaml"), key=lambda file: file.stem):
        scenario = read_file(file)
        if scenario.name != file.stem:
            raise ScenarioFileError(
                f"{file}: /name: is {scenario.name!r}, but the file is called {file.stem!r}"
            )
        scenarios[scenario.name] = scenario
    return scenarios


def read_file(file: Path) -> Scenario:
    """Read one scenario. Raises ScenarioFileError with file and pointer."""
    try:
        data: Any = read_yaml(file.read_bytes())
        return read_scenario(data)
    except OSError as error:
        raise ScenarioFileError(f"{file}: cannot be read: {error.strerror}") from None
    except (NotationError, ScenarioError) as error:
        raise ScenarioFileError(f"{file}: {error}") from None


def find(scenarios: dict[str, Scenario], name_or_file: str) -> Scenario:
    """Return the scenario with a name, else read it from a file. Raises ScenarioFileError."""
    known = scenarios.get(name_or_file)
    if known is not None:
        return known
    file = Path(name_or_file)
    if file.is_file():
        return read_file(file)
    known_ones = f"known are {', '.join(scenarios) or 'none'}"
    if file.is_dir():
        raise ScenarioFileError(
            f"{name_or_file!r} is a directory, and no scenario is called so; {known_ones}"
        )
    raise ScenarioFileError(f"no scenario and no file is called {name_or_file!r}; {known_ones}")
