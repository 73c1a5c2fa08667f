"""The wheel, installed beside a project that has packages and modules of the names of our folders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Installed
from tests.e2e.processes import BIN, run

pytestmark = pytest.mark.e2e

WITHOUT = """
import contracts
import mockserver

def test_the_names_are_the_project_s():
    assert contracts.OWNER == mockserver.OWNER == "the project"
"""

WITH = """
import httpx
import contracts
import mockserver

def test_the_fixture_stands_beside_them(understudy):
    answer = httpx.post(
        understudy.url("pixazo") + "/hunyuan-video/v1/hunyuan-video-request",
        json={"prompt": "a cat"},
        headers={"Ocp-Apim-Subscription-Key": understudy.key},
    )
    assert answer.status_code == 202
    assert contracts.OWNER == mockserver.OWNER == "the project"
"""

IN_A_FOLDER = """
def test_a_folder_called_contracts_is_collected():
    assert __name__.endswith("contracts.test_folder")
"""

COMMANDS = {"pytest": [str(BIN / "pytest")], "python -m pytest": [sys.executable, "-m", "pytest"]}


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("test", [WITHOUT, WITH], ids=["without the fixture", "with the fixture"])
def test_a_project_keeps_its_own_contracts_and_mockserver(
    installed: Installed, tmp_path: Path, command: str, test: str
) -> None:
    owner = 'OWNER = "the project"\n'
    files = {
        "pytest.ini": "[pytest]\n",
        "contracts/__init__.py": owner,
        "mockserver.py": owner,
        "tests/__init__.py": "",
        "tests/contracts/__init__.py": "",
        "tests/contracts/test_folder.py": IN_A_FOLDER,
        "tests/test_names.py": test,
    }
    _write(tmp_path, files)
    done = run([*COMMANDS[command], "-q", "-p", "no:cacheprovider"], tmp_path, installed.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_test_folder_called_contracts_is_collected(installed: Installed, tmp_path: Path) -> None:
    """Without `tests/__init__.py` its import name is `contracts` alone, which the wheel owned once."""
    files = {
        "pytest.ini": "[pytest]\n",
        "tests/contracts/__init__.py": "",
        "tests/contracts/test_folder.py": IN_A_FOLDER,
    }
    _write(tmp_path, files)
    done = run([str(BIN / "pytest"), "-q", "-p", "no:cacheprovider"], tmp_path, installed.environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_m_offers_all_commands(installed: Installed) -> None:
    done = run(
        [sys.executable, "-m", "understudy_mock", "--help"], installed.elsewhere, installed.environment
    )
    assert done.returncode == 0, done.stderr
    listed = done.stdout.partition("Commands:")[2]
    commands = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert {"serve", "run", "record", "replay", "check", "rules"} <= commands
