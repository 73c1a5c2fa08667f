"""`explore(client)` in a test: what it takes, and what it says when a client is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.adapters.reference import Reference
from contracts.conformance.protocol import Run
from contracts.explore import explore


def hasty(run: Run) -> dict[str, Any]:
    """A client that takes the first answer for the end of the job."""
    key = {"Ocp-Apim-Subscription-Key": run.api_key}
    with httpx.Client(headers=key, verify=False) as http:
        answer = http.post(f"{run.base_url}/{run.model}/v1/{run.model}-request", json=run.input)
        told = answer.json()
    return {"outcome": "completed", "job_id": told.get("request_id"), "media": [{"url": "http://x/y.mp4"}]}


async def crashing(run: Run) -> dict[str, Any]:
    raise ZeroDivisionError("of my own")


def test_a_good_client_passes_and_what_was_met_is_told() -> None:
    explored = explore(Reference, max_examples=8, seed=2, jobs=8)
    assert explored.examples == 8
    assert explored.coverage.met["at pixazo/poll"] == 8


def test_a_broken_client_fails_with_the_scenario_the_rule_and_the_conversation(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as raised:
        explore(hasty, max_examples=2, seed=1, save_dir=tmp_path)
    text = str(raised.value)
    assert "MUST took-unfinished-for-finished, seen 3 of 3 times" in text
    assert "\nname: breaks-took-unfinished-for-finished\n" in text
    assert " submits " in text
    assert "concludes: completed" in text
    assert "seed=1" in text
    assert (tmp_path / "breaks-took-unfinished-for-finished.yaml").is_file()


def test_a_function_is_a_client_sync_or_async() -> None:
    with pytest.raises(AssertionError, match="took-unfinished-for-finished"):
        explore(hasty, max_examples=2, seed=1)
    with pytest.raises(AssertionError, match="ZeroDivisionError: of my own"):
        explore(crashing, max_examples=2, seed=1)


async def test_it_works_inside_a_test_that_is_async() -> None:
    assert explore(Reference, max_examples=2, seed=2).examples == 2


def test_a_key_is_in_no_message() -> None:
    with pytest.raises(AssertionError) as raised:
        explore(hasty, max_examples=2, seed=1)
    assert "key-" not in str(raised.value)


class Half:
    """Knows hello, and nothing else."""

    def hello(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (3, "a client is a function, the class of an adapter, or a command"),
        ("my_client.sh", "a list of strings"),
        ([], "at least one"),
        ([3], "a list of strings"),
        (Half, "Half is no adapter: it has no method run, release"),
    ],
)
def test_what_is_no_client_is_refused(client: Any, told: str) -> None:
    """With what a client is."""
    with pytest.raises(TypeError, match=told):
        explore(client, max_examples=2)


def test_an_unknown_provider_is_refused() -> None:
    """With those that are known."""
    with pytest.raises(ValueError, match="'pixzo'; known are pixazo, segmind, wavespeed"):
        explore(hasty, providers=("pixzo",), max_examples=2)
