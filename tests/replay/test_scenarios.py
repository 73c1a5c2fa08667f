"""The gateway is recorded under every shipped scenario; a replay shows the reference client the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client.staging import HOOK, POLLED, PROVIDERS, Stage, staged
from tests.driving import Gateway, MakeGateway
from tests.replay.recorded import record, replay
from understudy_contracts.client import ClientError
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.scenario_files import read_file, read_scenarios
from understudy_mock.replay.export import export
from understudy_mock.replay.jobs import recorded_jobs

HERE = "http://replay.test:9999"
CADENCES = (1.9, 6.3, 37.0)
"""Seconds between two polls. What is replayed was recorded at the first: a recording knows as exactly as that
when a state came, where the provider tells no stamps."""

_NAME = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?|\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")
_TOLD = ("content-type", "retry-after", "x-rate-limit-reset-at-utc", "www-authenticate", "x-cost")


class Eye(httpx.AsyncBaseTransport):
    """Sees what a client sees: each answer or broken connection, whatever the names and the instants."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.saw: list[tuple[str, ...]] = []
        self.raw: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {plain(request.url.path)}"
        try:
            answer = await self._inner.handle_async_request(request)
            body = await answer.aread()
        except httpx.HTTPError as error:
            self._note(call, type(error).__name__)
            raise
        self.raw.append(b"\n".join(name + value for name, value in answer.headers.raw) + b"\n" + body)
        told = [f"{name}: {plain(answer.headers[name])}" for name in _TOLD if name in answer.headers]
        if "/webhook/secret" not in call:
            # The rest of a broken answer is as it was recorded, whatever the state by now.
            cut = body.startswith(b"{") and not _parses(body)
            self._note(call, str(answer.status_code), *told, "cut" if cut else plain(body.decode("latin-1")))
        return answer

    def _note(self, *what: str) -> None:
        if not self.saw or self.saw[-1] != what:
            self.saw.append(what)


def _parses(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def plain(text: str) -> str:
    """Give a text without what is of this run alone."""
    text = re.sub(r"https?://(gateway|replay)\.test(:\d+)?", "BASE", text)
    return _STAMP.sub("STAMP", _NAME.sub("NAME", text))


async def talk(stage: Stage, folder: Path, jobs: int, *, webhook: bool) -> tuple[list[Any], Eye, list[Any]]:
    """Run some jobs of one body, and tell how they ended, what came over, and which callbacks."""
    eye = Eye(stage.wire._inner)
    stage.wire._inner = eye
    ends: list[Any] = []
    hears = await stage.receiver() if webhook else None
    for number in range(jobs):
        try:
            mode = "sync" if webhook and stage.provider == "pixazo" else "terminal"
            job = await stage.submit(HOOK if webhook else None, mode)
            result = await stage.client.wait(job, deadline=300, receiver=hears, callback_timeout=200)
            for index, media in enumerate(result.media):
                file = await stage.client.download(media, folder / f"{number}-{index}")
                ends.append(file.size)
            ends.append("completed")
        except ClientError as error:
            ends.append((type(error).__name__, plain(error.message)))
        if webhook:
            await stage.time.sleep(60)
    said = stage.gateway.world.journal.since(0)
    rung = [(plain(one.request_body.decode()), one.status) for one in said if one.kind == "delivery"]
    return ends, eye, rung


BOOK = read_scenarios()
QUICK = {
    ("completes", "segmind"),
    ("fails", "wavespeed"),
    ("errors-in-queue", "pixazo"),
    ("rate-limited-http-date", "wavespeed"),
    ("balance-runs-out", "pixazo"),
    ("poll-503-twice", "wavespeed"),
    ("poll-truncated", "wavespeed"),
    ("media-truncated", "pixazo"),
    ("webhook-duplicates", "wavespeed"),
    ("webhook-reordered", "pixazo"),
}
"""Enough to see at once whether something is broken; the others are slow together."""

STORIES = [
    pytest.param(
        name,
        provider,
        id=f"{name}-{provider}",
        marks=() if (name, provider) in QUICK else pytest.mark.slow,
    )
    for name in BOOK
    for provider in PROVIDERS
    if (provider in POLLED or not name.startswith("webhook"))
    # Whether a signature was good cannot be told without the secret: a replay signs well.
    and (name, provider) != ("webhook-bad-signature", "wavespeed")
]


@pytest.mark.parametrize(("name", "provider"), STORIES)
async def test_a_replay_shows_what_the_gateway_showed_at_any_cadence(
    name: str, provider: str, make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path
) -> None:
    """Same distinct states, bodies, faults and callbacks in the same order, and none of the old names."""
    webhook = name.startswith("webhook")
    jobs = 3 if BOOK[name].submit else 2
    at = {"poll_interval": CADENCES[0], "max_poll_interval": CADENCES[0]}
    async with staged(make_gateway, provider, scenario=name, client=at, speed=1) as stage:
        await talk(stage, tmp_path, jobs, webhook=webhook)
        recording = record(stage.gateway.world, catalog, tmp_path)
    for file in export(recorded_jobs(recording, catalog), tmp_path / "scenarios"):
        wished = BOOK[name].job.end
        if wished == "ERROR" and provider != "pixazo":
            wished = "FAILED"  # they have no other word for it
        assert read_file(file).job.end == wished or wished is None
    recorded = {entry.job for entry in recording.entries if entry.job}
    for cadence in CADENCES:
        at = {"poll_interval": cadence, "max_poll_interval": cadence}
        async with staged(make_gateway, provider, scenario=name, client=at, speed=1) as stage:
            truth = await talk(stage, tmp_path, jobs, webhook=webhook)
        played = lambda **_: Gateway(replay(recording, catalog))  # noqa: E731
        async with staged(played, provider, base_url=HERE, client=at) as stage:
            shown = await talk(stage, tmp_path, jobs, webhook=webhook)
            assert not [one for one in stage.gateway.world.journal.since(0) if one.warnings]
        assert shown[1].saw == truth[1].saw
        assert shown[0] == truth[0]
        assert shown[2] == truth[2]
        said = b"\n".join(shown[1].raw)
        assert b"gateway.test" not in said
        assert not [job for job in recorded if job.encode() in said]
