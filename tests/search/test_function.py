"""`explore(client)` in a test: what it takes, and what it says when a client is broken."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from understudy_contracts import explore
from understudy_contracts.adapters.reference import Reference
from understudy_contracts.conformance.protocol import Run
from understudy_contracts.search import Nothing


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


def _raise(error: BaseException) -> None:
    raise error


async def _in_a_task(error: BaseException) -> None:
    async def work() -> None:
        raise error

    await asyncio.create_task(work())


async def _cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


_RAISING: dict[str, tuple[Callable[[], Any], str]] = {
    "cancelled": (lambda: _raise(asyncio.CancelledError()), r"CancelledError \(test_function"),
    "exit": (lambda: _raise(SystemExit(3)), r"SystemExit: 3 \(test_function"),
    "interrupt": (lambda: _raise(KeyboardInterrupt()), r"KeyboardInterrupt \(test_function"),
    "fail": (lambda: pytest.fail("of my own"), r"Failed: of my own \(test_function"),
    "exit of a task": (lambda: _in_a_task(SystemExit(3)), r"SystemExit: 3 \(test_function"),
    "own task cancelled": (_cancel_itself, "CancelledError"),
}


@pytest.mark.parametrize(
    ("name", "form"),
    [*((name, "async") for name in _RAISING), *((name, "sync") for name in list(_RAISING)[:4])],
)
def test_whatever_a_client_raises_is_a_crash_and_the_search_goes_on(
    name: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also what is no Exception: it neither ends the search nor is waited for."""
    act, told = _RAISING[name]

    def here(run: Run) -> Any:
        return act()

    async def there(run: Run) -> Any:
        did = act()
        return await did if inspect.isawaitable(did) else did

    with pytest.raises(AssertionError, match=f"MUST crashed, seen 3 of 3 times\n{told}") as raised:
        explore(here if form == "sync" else there, max_examples=2, seed=1, jobs=1)
    assert "never-finished" not in str(raised.value)
    assert "\n2 examples, " in capsys.readouterr().out


def test_an_iteration_that_stops_is_a_crash_of_a_function_that_is_sync() -> None:
    """A coroutine cannot raise it."""
    with pytest.raises(AssertionError, match=r"MUST crashed, .*\nStopIteration \(test_function"):
        explore(lambda _: next(iter(())), max_examples=1, seed=1)


class Clumsy(Reference):
    """Breaks when it is to let go of a case."""

    async def release(self) -> dict[str, Any]:
        raise asyncio.CancelledError


def test_what_an_adapter_raises_at_release_is_a_crash() -> None:
    """It is the client's, and no end of the search."""
    with pytest.raises(AssertionError, match="MUST crashed") as raised:
        explore(Clumsy, max_examples=2, seed=1)
    assert "at release, the client raised CancelledError (test_function.py:" in str(raised.value)


async def test_it_works_inside_a_test_that_is_async() -> None:
    assert explore(Reference, max_examples=2, seed=2).examples == 2


def test_a_key_is_in_no_message() -> None:
    with pytest.raises(AssertionError) as raised:
        explore(hasty, max_examples=2, seed=1)
    assert "key-" not in str(raised.value)


class Narrow:
    """Speaks to one provider, and does nothing."""

    def hello(self) -> dict[str, Any]:
        return {"providers": ["pixazo"], "capabilities": ["sync"]}

    def run(self, case: Mapping[str, Any]) -> dict[str, Any]:
        return {"outcome": "unsupported"}

    def release(self) -> None:
        """Nothing is held."""


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


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"providers": ("pixzo",)}, ValueError, "'pixzo'; known: pixazo, segmind, wavespeed"),
        ({"providers": ()}, ValueError, "no provider to try; known: pixazo"),
        ({"modes": ("push",)}, ValueError, "unknown mode 'push'; known: poll, webhook, sync"),
        ({"modes": ()}, ValueError, "no mode to try"),
        (
            {"modes": "webhook"},
            ValueError,
            "needs the capability 'webhook'; the client's capabilities: none",
        ),
        (
            {"providers": "segmind", "modes": "webhook", "capabilities": "webhook"},
            ValueError,
            "mode 'webhook' is only available for pixazo and wavespeed, not for segmind",
        ),
        (
            {"providers": ("pixazo", "segmind"), "modes": "webhook", "capabilities": "webhook"},
            ValueError,
            "segmind has none of the modes webhook; it has poll, sync",
        ),
        ({"capabilities": ("fly",)}, ValueError, "unknown capability 'fly'; known: webhook, "),
        ({"timing": {"min_poll": 3}}, ValueError, "unknown timing 'min_poll'; known: min_poll_ms, "),
        ({"timing": {"min_poll_ms": -1}}, ValueError, "timing min_poll_ms is a whole number from 0 on"),
        ({"timing": 3}, TypeError, "timing is a mapping"),
        ({"max_examples": 0}, ValueError, "max_examples is a whole number from 1 on, not 0"),
        ({"max_examples": 2.5}, TypeError, "max_examples is a whole number, not 2.5"),
        ({"seconds": 0}, ValueError, "seconds is a number above 0, or None"),
        ({"seconds": -1}, ValueError, "seconds is a number above 0, or None"),
        ({"seconds": float("nan")}, ValueError, "seconds is a number above 0, or None"),
        ({"seconds": "9"}, TypeError, "seconds is a number, or None"),
        ({"jobs": 0}, ValueError, "jobs is a whole number from 1 to 64, not 0"),
        ({"seed": "x"}, TypeError, "seed is a whole number, not 'x'"),
        ({"strict": "no"}, TypeError, "strict is True or False, not 'no'"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(
    arguments: dict[str, Any], error: type[Exception], told: str
) -> None:
    """Before anything is tried, with what is known."""
    with pytest.raises(error, match=told):
        explore(crashing, **{"max_examples": 2, **arguments})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            {"modes": ("poll", "webhook")},
            "needs the capability 'webhook'; the client's capabilities: sync",
        ),
        ({"providers": ("pixazo", "wavespeed")}, "does not support wavespeed; it supports pixazo"),
        (
            {"providers": "segmind", "modes": ("sync", "webhook")},
            "does not support segmind; it supports pixazo",
        ),
    ],
)
def test_what_an_adapter_says_it_cannot_do_is_not_left_out_in_silence(
    arguments: dict[str, Any], told: str
) -> None:
    """A mode or a provider that was asked for by name and is not tried is an error."""
    with pytest.raises(Nothing, match=told):
        explore(Narrow, max_examples=2, **arguments)


def test_an_adapter_tells_itself_what_it_can_do() -> None:
    """Capabilities beside one would be ignored, so they are refused."""
    with pytest.raises(ValueError, match="belong to a function"):
        explore(Reference, max_examples=2, capabilities=("sync",))


@pytest.mark.parametrize(
    ("client", "seconds", "told"),
    [(Narrow, None, "the client answered unsupported to 2 examples"), (crashing, 1e-9, "give more seconds")],
)
def test_a_search_that_has_tried_nothing_does_not_pass(client: Any, seconds: float | None, told: str) -> None:
    """It has proved nothing, and says why."""
    with pytest.raises(Nothing, match=told):
        explore(client, max_examples=2, seconds=seconds, seed=1)


def test_what_was_not_tried_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed for people, and counted in what is returned."""
    explored = explore(Reference, max_examples=2, seed=2)
    assert 0 < explored.untried < explored.kinds
    said = capsys.readouterr().out
    assert f"{explored.untried} of {explored.kinds} kinds of provider behaviour were not tried" in said
    assert re.search(r"^2 examples, 2 runs of the client, 0 rules broken, .* seed 2$", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("answer", "told"),
    [(3, "the client returned int; a result or a mapping was expected"), ({"outcome": "great"}, "known: ")],
)
def test_a_function_that_returns_no_result_broke_the_protocol(answer: object, told: str) -> None:
    """It has not crashed: what it returns is wrong."""
    with pytest.raises(AssertionError, match="MUST broke-the-protocol") as raised:
        explore(lambda _: answer, max_examples=1, seed=1)  # type: ignore[arg-type, return-value]
    assert told in str(raised.value)
    assert "crashed" not in str(raised.value)
