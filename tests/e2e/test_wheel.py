"""The wheel, installed away from the checkout, is all that a gateway needs."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_string

import httpx
import pytest

from tests.e2e.conftest import CHECKOUT, Installed
from tests.e2e.processes import run, serving

pytestmark = pytest.mark.e2e

WHERE = """
import json, understudy_contracts, understudy_mock
from understudy_mock.catalog import open_catalog
from understudy_mock.catalog.load import bundled_specs
from understudy_mock.gateway.scenario_files import bundled_scenarios
print(json.dumps([understudy_mock.__file__, understudy_contracts.__file__, str(bundled_specs()),
                  str(bundled_scenarios()), open_catalog().summary()]))
"""


@pytest.fixture
def names(installed: Installed) -> Iterator[list[str]]:
    with zipfile.ZipFile(installed.wheel) as wheel:
        yield wheel.namelist()


def test_it_brings_its_two_packages_and_no_generic_names(names: list[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    (metadata,) = tops - {"understudy_mock", "understudy_contracts"}
    assert metadata.startswith("understudy_mock-")
    assert metadata.endswith(".dist-info")


def test_it_brings_every_spec_and_scenario_of_the_checkout(names: list[str]) -> None:
    for folder in ("specs", "fixtures/scenarios"):
        files = [path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).rglob("*.yaml")]
        assert files
        assert {f"understudy_mock/_data/{file.as_posix()}" for file in files} <= set(names)


def test_it_brings_what_is_not_python(names: list[str]) -> None:
    assert {
        "understudy_mock/py.typed",
        "understudy_contracts/py.typed",
        "understudy_mock/catalog/vocabulary.json",
        "understudy_mock/media/small/output.mp4",
        "understudy_mock/web/page/assets/index.html",
        "understudy_mock/web/page/assets/style.css",
        "understudy_mock/web/page/assets/views/jobs.js",
    } <= set(names)


def test_it_declares_the_command_and_the_dependencies(installed: Installed, names: list[str]) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        texts = {name.rpartition("/")[2]: name for name in names if ".dist-info/" in name}
        scripts = wheel.read(texts["entry_points.txt"]).decode()
        metadata = message_from_string(wheel.read(texts["METADATA"]).decode())
    assert "understudy = understudy_mock.cli:main" in scripts
    required = {re.split(r"[^\w.-]", text)[0] for text in metadata.get_all("Requires-Dist") or []}
    assert {"starlette", "uvicorn", "msgspec", "jsonschema-rs", "httpx"} <= required


def test_it_reads_its_own_specs_and_scenarios(installed: Installed) -> None:
    done = run([sys.executable, "-c", WHERE], installed.elsewhere, installed.environment)
    assert done.returncode == 0, done.stderr
    mock, contracts, specs, scenarios, summary = json.loads(done.stdout)
    inside = installed.target / "understudy_mock"
    assert mock == str(inside / "__init__.py")
    assert contracts == str(installed.target / "understudy_contracts" / "__init__.py")
    assert specs == str(inside / "_data" / "specs")
    assert scenarios == str(inside / "_data" / "fixtures" / "scenarios")
    assert summary.startswith("3 providers, 14 models, ")


def test_it_serves(installed: Installed) -> None:
    command = [sys.executable, "-c", "from understudy_mock.cli import main; main()"]
    with serving(
        installed.elsewhere, "--pace", "polls", command=command, environment=installed.environment
    ) as gateway:
        with httpx.Client(headers={"Ocp-Apim-Subscription-Key": "any-key"}, trust_env=False) as client:
            accepted = client.post(
                f"{gateway.url}/hunyuan-image/v1/hunyuan-image/generateRequest", json={"prompt": "a cat"}
            )
            assert accepted.status_code == 202
            seen = [client.get(accepted.json()["polling_url"]).json() for _ in range(3)]
            assert [job["status"] for job in seen] == ["QUEUED", "PROCESSING", "COMPLETED"]
            picture = client.get(seen[-1]["output"]["media_url"][0])
        status, told = gateway.stop()
    assert picture.content.startswith(b"\x89PNG")
    assert status == 0, told
