"""Good clients that come close to a rule are blamed nowhere: not by `run`, a case, explore or pytest."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.clients.neighbours import NEIGHBOURS
from tests.driving import T2V
from understudy_contracts import explore
from understudy_contracts.conformance.cases import choose, read_cases
from understudy_contracts.conformance.protocol import Run
from understudy_contracts.conformance.runner import run_cases
from understudy_contracts.findings import Severity
from understudy_contracts.search.inside import Function, Inside, declared
from understudy_contracts.testing import Understudy
from understudy_mock.catalog import Catalog

SCENARIOS: dict[str, dict[str, Any]] = {
    "refreshes_the_address": {"media": [{"status": 403}]},
    "waits_longer": {"submit": [{"condition": "rate_limited", "retry_after": 1}]},
}
CASES = {
    "refreshes_the_address": "lifecycle/media-503-once/pixazo/poll",
    "waits_longer": "rate/submit-429/pixazo/poll",
}
SHORT_KEY = "alive"
"""A key that stands in headers by chance."""

EVERY = pytest.mark.parametrize("name", NEIGHBOURS)
# A client that is asked for one job and makes two is not good.
OF_ONE_JOB = pytest.mark.parametrize("name", [name for name in NEIGHBOURS if name != "makes_two_variations"])


def _client(name: str) -> Any:
    def client(run: Run) -> dict[str, Any]:
        return NEIGHBOURS[name](run.base_url, run.api_key)

    return client


@EVERY
@pytest.mark.e2e
def test_run_blames_no_neighbour(name: str, tmp_path: Path) -> None:
    scenario = {"name": "neighbour", "summary": "What it comes close to.", **SCENARIOS.get(name, {})}
    file = tmp_path / "neighbour.yaml"
    file.write_text(str(scenario), encoding="utf-8")  # YAML takes what Python writes of such a mapping
    options = ["--check", "--offline", "--media", "small", "--speed", "300", "--scenario", str(file)]
    program = ["-m", "fixtures.clients.neighbours", name, "https://gateway.pixazo.ai", SHORT_KEY]
    ended = subprocess.run(
        [sys.executable, "-m", "understudy_mock", "run", *options, "--", sys.executable, *program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "0 rules broken" in ended.stderr


@OF_ONE_JOB
async def test_a_case_blames_no_neighbour(name: str, catalog: Catalog) -> None:
    chosen = choose(read_cases(), (CASES.get(name, "lifecycle/completes/pixazo/poll"),), ())
    hello = declared(["pixazo"], [], {})
    _, done = await run_cases(
        chosen,
        lambda: Inside(Function(_client(name), hello)),
        catalog,
        jobs=1,
        seed=1,
        tell=lambda case: None,
    )
    assert [finding for case in done for finding in case.findings] == []


@OF_ONE_JOB
def test_explore_blames_no_neighbour(name: str) -> None:
    explore(_client(name), max_examples=1, seed=1, jobs=1, strict=True)


@EVERY
def test_pytest_blames_no_neighbour(name: str, understudy: Understudy) -> None:
    understudy.play({"name": "neighbour", "summary": "What it comes close to.", **SCENARIOS.get(name, {})})
    NEIGHBOURS[name](understudy.url("pixazo"), understudy.key)
    weighty = [finding for finding in understudy.findings() if finding.severity is not Severity.INFO]
    assert weighty == []


@pytest.mark.parametrize("scenario", ["submit-504-after-accept", "submit-reset-after-accept", "invalid-key"])
@pytest.mark.parametrize("warm", [1, 4])
async def test_calls_that_start_together_are_no_repetition(
    scenario: str, warm: int, understudy: Understudy
) -> None:
    """Some are sent on connections that are open, and answered before the others have connected."""
    understudy.play(scenario)
    headers = {"Ocp-Apim-Subscription-Key": understudy.key}
    async with httpx.AsyncClient(base_url=understudy.url("pixazo"), headers=headers) as client:
        await asyncio.gather(*(client.get("/nothing-here") for _ in range(warm)))
        submits = (client.post(T2V, json={"prompt": "a cat"}) for _ in range(4))
        await asyncio.gather(*submits, return_exceptions=True)
    weighty = [finding for finding in understudy.findings() if finding.severity is not Severity.INFO]
    assert weighty == []


@pytest.mark.parametrize("scenario", ["submit-504-after-accept", "submit-reset-after-accept"])
async def test_a_submit_that_follows_a_lost_one_at_once_is_a_repetition(
    scenario: str, understudy: Understudy
) -> None:
    """On the connection that is open, or on a new one where the first was broken."""
    understudy.play(scenario)
    headers = {"Ocp-Apim-Subscription-Key": understudy.key}
    async with httpx.AsyncClient(base_url=understudy.url("pixazo"), headers=headers) as client:
        await client.get("/nothing-here")
        await asyncio.gather(client.post(T2V, json={"prompt": "a cat"}), return_exceptions=True)
        await client.post(T2V, json={"prompt": "a cat"})
    weighty = {finding.id for finding in understudy.findings() if finding.severity is Severity.MUST}
    assert weighty == {"submitted-twice"}
