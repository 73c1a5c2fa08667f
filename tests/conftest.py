"""What all tests share: the event loop, Hypothesis profiles, and gateways over ASGI on a manual clock."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.driving import Gateway, MakeGateway
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.media import Studio
from understudy_mock.settings import Settings

# The source roots are no packages: imported by these names, everything in them would exist twice.
for _root in ("contracts", "mockserver"):
    sys.modules[_root] = None  # type: ignore[assignment]  # makes importing it an ImportError

# Explaining a failure traces every line and takes minutes on a machine of two cores.
_PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)
_QUIET = (HealthCheck.too_slow,)  # says something of the machine, not of the code
settings.register_profile(
    "default", deadline=None, print_blob=True, phases=_PHASES, suppress_health_check=_QUIET, max_examples=30
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=300)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return open_catalog()


@pytest.fixture
def make_gateway(catalog: Catalog) -> MakeGateway:
    """Make a gateway on a manual clock; keywords are its settings."""

    def make(**options: Any) -> Gateway:
        options.setdefault("pace", "manual")
        options.setdefault("media", "small")
        made = Settings(**options)
        own = None if made.strict or made.specs else catalog
        return Gateway(create_world(made, catalog=own))

    return make


@pytest.fixture
def gateway(make_gateway: MakeGateway) -> Gateway:
    return make_gateway()


@pytest.fixture(scope="session")
def studio() -> Studio:
    return Studio(small=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests have recorded."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    tables = [value for report in reports for name, value in report.user_properties if name == "table"]
    if tables:
        terminalreporter.section("tables")
        terminalreporter.write_line("\n".join(tables))
