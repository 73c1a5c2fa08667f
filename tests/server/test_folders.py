"""A provider that is a folder is checked as those that ship are, and a broken server of it is caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.findings import Outcome
from understudy_contracts.server.gateway import gateway_settings, open_app
from understudy_contracts.server.lifecycle import run_checks, subjects
from understudy_contracts.server.spec import Api
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import open_catalog
from understudy_mock.cli import main

FOLDERS = Path(__file__).parents[1] / "wording" / "folders"
ACME = FOLDERS / "acme"

Change = Callable[[int, Any], tuple[int, Any]]
"""Changes the status and the decoded body of an answer."""


@pytest.mark.parametrize("provider", ["acme", "fal", "replicate"])
def test_the_gateway_keeps_every_promise_for_a_folder(provider: str) -> None:
    command = [
        "check",
        "server",
        "--specs",
        str(FOLDERS),
        "--provider",
        provider,
        "--seed",
        "1",
        "--examples",
        "10",
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "not reached" not in result.output


class Broken:
    """Acme's gateway, with every answer of the provider changed on its way."""

    def __init__(self, change: Change) -> None:
        world = create_world(gateway_settings(), catalog=open_catalog((ACME,)))
        self._app: ASGIApp = create_app(world=world)
        self._change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/acme/acme/"):
            await self._app(scope, receive, send)
            return
        status, pieces = 0, []

        async def keep(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            pieces.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        status, told = self._change(status, json.loads(b"".join(pieces)))
        body = json.dumps(told).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def word(old: str, new: str) -> Change:
    """Tell one state by another's word."""

    def change(status: int, told: Any) -> tuple[int, Any]:
        return status, {**told, "state": new} if told.get("state") == old else told

    return change


def without(field: str, state: str) -> Change:
    """Leave a field out of a state's answers."""

    def change(status: int, told: Any) -> tuple[int, Any]:
        return status, {k: v for k, v in told.items() if k != field} if told.get("state") == state else told

    return change


def status_of(refused: int, instead: int) -> Change:
    """Answer a refusal with another status."""
    return lambda status, told: (instead if status == refused else status, told)


def same_id(status: int, told: Any) -> tuple[int, Any]:
    return status, {**told, "id": "job-1"} if status == 202 else told


def early_files(status: int, told: Any) -> tuple[int, Any]:
    return status, {**told, "files": ["http://127.0.0.1/x.png"]} if told.get("state") == "working" else told


BROKEN: dict[str, tuple[Change, str]] = {
    "an end that is none": (word("done", "working"), "job-completes"),
    "a word that nobody documents": (word("working", "busy"), "documented-states"),
    "ids used twice": (same_id, "unique-ids"),
    "no files at the end": (without("files", "done"), "complete-at-the-end"),
    "no reason at the end": (without("error", "broken"), "complete-at-the-end"),
    "files before the end": (early_files, "nothing-early"),
    "a missing field": (without("state", "waiting"), "answers-as-documented"),
    "no refusal without a key": (status_of(401, 200), "submit-needs-key"),
    "no refusal of the poor": (status_of(402, 202), "poor-are-refused"),
    "no refusal of bad bodies": (status_of(400, 202), "body-is-validated"),
    "a crash at an unknown job": (status_of(404, 500), "unknown-job"),
    "no headers, so a limit that does not say when": (status_of(0, 0), "429-tells-when"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_server_of_a_folders_provider_is_caught(broken: str) -> None:
    """By the check that is about it; the others may see it, too."""
    change, check = BROKEN[broken]
    api = Api("acme", open_catalog((ACME,)))
    target, inbox = open_app(Broken(change), mount=api.mount), Receiver()
    try:
        cases = list(run_checks(subjects(target, [api], inbox)))
    finally:
        inbox.close()
        target.close()
    assert check in {case.name for case in cases if case.outcome is Outcome.FAILED}
