"""Run an SDK against a gateway, by base URL or by interception, and read what both sides have to say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.processes import UNDERSTUDY, clean_environment, run, serving
from understudy_mock.domain.draw import account_name

DROPPED = """
name: always-dropped
summary: Every submit is accepted, and the connection is reset before the answer.
submit: [{fault: reset, where: before, accept: true, times: always}]
"""

HERE = Path(__file__).parent
POLLS = ("get-prediction-result", "get-request")
WAYS = ("base URL", "interception")


@dataclass(frozen=True)
class Call:
    """One call as the journal has it. A file has no operation."""

    operation: str
    status: int
    host: str


@dataclass(frozen=True)
class Ran:
    """What an SDK said of each action, and what the gateway's journal has."""

    said: dict[str, dict[str, Any]]
    entries: list[dict[str, Any]]
    errors: str

    def calls(self, action: str) -> list[Call]:
        """The calls of one action, whose key is its own."""
        verb, scenario = action.split(":")
        account = account_name(f"scenario:{scenario}:{verb}")
        return [
            Call(
                entry["_understudy"].get("operation", "file"),
                entry["response"]["status"],
                httpx.URL(entry["request"]["url"]).host,
            )
            for entry in self.entries
            if entry["_understudy"].get("account") == account
        ]

    def journal(self, action: str) -> list[str]:
        """The calls in short: `operation status`, with `×n` for several in a row.

        A poll that went well and was followed by another is left out: how many there are is a matter of time.
        """
        calls = self.calls(action)
        following = [call.operation for call in calls[1:]] + [""]
        told = [
            f"{call.operation} {call.status}"
            for call, after in zip(calls, following, strict=True)
            if not (call.operation in POLLS and call.status == 200 and after == call.operation)
        ]
        counted = [(text, len(list(group))) for text, group in groupby(told)]
        return [text if count == 1 else f"{text} ×{count}" for text, count in counted]


def drive(way: str, command: Sequence[str], folder: Path, actions: Sequence[str], cwd: Path) -> Ran:
    """Run the driver `command` with the SDK in `folder`. Both ways are told the same actions."""
    (cwd / "dropped.yaml").write_text(DROPPED, encoding="utf-8")
    (cwd / "cat.png").write_text("not really a cat", encoding="utf-8")
    options = ("--speed", "2000", "--media", "small", "--scenario", "dropped.yaml")
    if way == "base URL":
        with serving(cwd, *options) as gateway:
            told = [*command, str(folder), gateway.url, "cat.png", *actions]
            done = run(told, cwd, clean_environment(NO_PROXY="*"))
            har = httpx.get(f"{gateway.url}/_mock/journal.har", trust_env=False).json()
    else:
        asked = [UNDERSTUDY, "run", *options, "--offline", "--journal-har", "journal.har", "--"]
        # Some SDKs read all that they may trust for every client that they make: let it be little.
        (cwd / "trusted.pem").write_text("# nobody but the gateway\n", encoding="utf-8")
        trusted = {name: str(cwd / "trusted.pem") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        told = [*asked, *command, str(folder), "", "cat.png", *actions]
        done = run(told, cwd, clean_environment(**trusted))
        har = json.loads((cwd / "journal.har").read_bytes())
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["action"] for line in lines] == list(actions), done.stdout
    return Ran({line.pop("action"): line for line in lines}, har["log"]["entries"], done.stderr)
