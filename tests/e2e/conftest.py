"""The wheel, built once for the tests that try it away from the checkout."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.processes import clean_environment, run

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """The wheel's file and the directory it was installed into."""

    wheel: Path
    target: Path
    elsewhere: Path

    @property
    def environment(self) -> dict[str, str]:
        # PYTHONPATH comes before site-packages, and so before the checkout's editable install.
        return clean_environment(PYTHONPATH=str(self.target), NO_PROXY="*")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    base = tmp_path_factory.mktemp("wheel")
    built = run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(base / "dist")], CHECKOUT
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (base / "dist").glob("understudy_mock-*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "install", "--quiet"]
    done = run(
        [*pip, "--no-index", "--no-deps", "--no-compile", "--target", str(base / "target"), str(wheel)], base
    )
    assert done.returncode == 0, done.stderr
    (base / "elsewhere").mkdir()
    return Installed(wheel, base / "target", base / "elsewhere")
