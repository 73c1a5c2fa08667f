"""A real gateway process and an HTTPS receiver on loopback: every way that callbacks come, and do not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest
import trustme

from tests.support import key_headers
from tests.webhooks.receiving import BODIES, PIXAZO, Receiver, receiving
from understudy_mock.domain.clock import SystemClock

pytestmark = pytest.mark.e2e

UNDERSTUDY = str(Path(sys.executable).with_name("understudy"))
PATIENCE = 60.0
"""Seconds until a process that hangs is killed; nothing waits this long otherwise."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The test CA that the gateway is told to trust."""
    return trustme.CA()


@pytest.fixture(scope="module")
def gateway(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a gateway in a process of its own, in which a job takes 111 ms."""
    folder = tmp_path_factory.mktemp("gateway")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    with serving(folder, "--speed", "1000", "--webhook-ca", str(folder / "ca.pem")) as url:
        yield url


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run `understudy serve` on a free port; its base URL is what this yields."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UNDERSTUDY_")}
    with subprocess.Popen(
        [UNDERSTUDY, "serve", "--port", "0", "--media", "small", "--seed", "1", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        guard = Timer(PATIENCE, process.kill)
        guard.start()
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the gateway did not start"
            yield url
        finally:
            guard.cancel()
            process.terminate()


@dataclass
class Scene:
    """One test's view: the gateway, a client of it with a key of its own, and a receiver."""

    client: httpx.AsyncClient
    receiver: Receiver

    async def submit(
        self, scenario: str | None = None, mode: str | None = None, url: str | None = None
    ) -> str:
        """Submit a job that calls back; tell its id."""
        headers = {"X-Webhook-URL": url or f"{self.receiver.url}/hook"}
        if mode is not None:
            headers["X-Webhook-Mode"] = mode
        if scenario is not None:
            headers["Prefer"] = f"scenario={scenario}"
        answer = await self.client.post(PIXAZO, json=BODIES[PIXAZO], headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["request_id"])

    async def deliveries(self, job: str) -> list[dict[str, Any]]:
        """The log of a job."""
        answer = await self.client.get("/_mock/webhooks", params={"job": job})
        told: list[dict[str, Any]] = answer.json()["deliveries"]
        return told

    async def until(self, job: str, *states: str) -> list[dict[str, Any]]:
        """Give the log of a job once its deliveries are in these states."""
        async with asyncio.timeout(10):
            while True:
                told = await self.deliveries(job)
                if [one["state"] for one in told] == list(states):
                    return told
                await asyncio.sleep(0.02)  # nothing tells a caller of the admin API when to look again

    async def attempts(self, job: str, number: int) -> list[dict[str, Any]]:
        """Give the attempts of a job's only delivery once there are this many."""
        async with asyncio.timeout(10):
            while True:
                told: list[dict[str, Any]] = (await self.deliveries(job))[0]["attempts"]
                if len(told) >= number:
                    return told
                await asyncio.sleep(0.02)  # as above

    async def until_completed(self, job: str) -> None:
        """Return when the job's status says so."""
        async with asyncio.timeout(10):
            while True:
                answer = await self.client.get(f"/v2/requests/status/{job}")
                if answer.json()["status"] == "COMPLETED":
                    return
                await asyncio.sleep(0.02)  # as clients do


@asynccontextmanager
async def scene(
    gateway: str, signer: trustme.CA, request: pytest.FixtureRequest, *names: str
) -> AsyncIterator[Scene]:
    """Set up a receiver whose certificate this CA signs, for these names or those it has."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(tls)
    key = key_headers("pixazo", f"key-of-{request.node.name}")
    async with (
        receiving(SystemClock(), tls=tls) as receiver,
        httpx.AsyncClient(base_url=gateway, headers=key, trust_env=False) as client,
    ):
        yield Scene(client, receiver)


@pytest.fixture
async def at(gateway: str, authority: trustme.CA, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with scene(gateway, authority, request) as made:
        yield made


# -- as documented


async def test_terminal(at: Scene) -> None:
    """One POST when the job has ended."""
    job = await at.submit()
    [delivery] = await at.until(job, "delivered")
    assert (delivery["event"], [one["status"] for one in delivery["attempts"]]) == ("terminal", [200])
    assert at.receiver.statuses == ["COMPLETED"]


async def test_sync(at: Scene) -> None:
    """Seven ticks of 15 provider seconds, and the end, in order."""
    job = await at.submit(mode="sync")
    await at.until(job, *["delivered"] * 8)
    assert at.receiver.statuses == ["PROCESSING"] * 7 + ["COMPLETED"]


async def test_a_name_of_this_machine(at: Scene) -> None:
    job = await at.submit(url=at.receiver.url.replace("127.0.0.1", "localhost") + "/hook")
    await at.until(job, "delivered")


# -- as scenarios wish


async def test_duplicates(at: Scene) -> None:
    job = await at.submit("webhook-duplicates")
    await at.until(job, *["delivered"] * 3)
    assert len({one.body for one in at.receiver.received}) == 1
    assert len(at.receiver.received) == 3


async def test_early(at: Scene) -> None:
    """When the submit is answered, the callback has been there."""
    job = await at.submit("webhook-early")
    assert [one.told["request_id"] for one in at.receiver.received] == [job]


async def test_lost(at: Scene) -> None:
    job = await at.submit("webhook-lost", mode="sync")
    await at.until_completed(job)
    assert await at.deliveries(job) == []
    assert at.receiver.received == []


async def test_reordered(at: Scene) -> None:
    """The end comes before the last progress."""
    job = await at.submit("webhook-reordered", mode="sync")
    await at.until(job, *["delivered"] * 8)
    assert at.receiver.statuses == ["PROCESSING"] * 6 + ["COMPLETED", "PROCESSING"]


async def test_late(at: Scene) -> None:
    """A progress callback after the end."""
    job = await at.submit("webhook-late-progress")
    await at.until(job, "delivered", "delivered")
    assert at.receiver.statuses == ["COMPLETED", "PROCESSING"]


# -- receivers that fail


async def test_slow(at: Scene) -> None:
    """Six seconds are too long: after five the attempt has failed, and another is made."""
    at.receiver.behaves["/hook"] = ["slow", 200]
    job = await at.submit()
    [delivery] = await at.until(job, "delivered")
    first, second = delivery["attempts"]
    assert (first["status"], first["error"]) == (None, "no answer within 5 seconds")
    assert 4_900 < first["latency_ms"] < 6_000
    assert second["status"] == 200


async def test_500s_then_200(at: Scene) -> None:
    """Three attempts in all, one and four seconds apart and up to a quarter more."""
    at.receiver.behaves["/hook"] = [500, 500, 200]
    job = await at.submit()
    [delivery] = await at.until(job, "delivered")
    assert [one["status"] for one in delivery["attempts"]] == [500, 500, 200]
    first, second, third = (one.at for one in at.receiver.received)
    assert second - first >= 1_000
    assert third - second >= 4_000


async def test_reset(at: Scene) -> None:
    at.receiver.behaves["/hook"] = ["reset", 200]
    job = await at.submit()
    [delivery] = await at.until(job, "delivered")
    assert [one["status"] for one in delivery["attempts"]] == [None, 200]


async def test_redirect(at: Scene) -> None:
    """Not followed: it is an answer that is no 2xx."""
    at.receiver.behaves["/hook"] = [307, 200]
    job = await at.submit()
    [delivery] = await at.until(job, "delivered")
    assert [one["status"] for one in delivery["attempts"]] == [307, 200]
    assert {one.path for one in at.receiver.received} == {"/hook"}


async def test_wrong_certificate(gateway: str, request: pytest.FixtureRequest) -> None:
    """One of a CA that nobody trusts: nothing is sent, the log says why, and it is tried again."""
    async with scene(gateway, trustme.CA(), request) as at:
        job = await at.submit()
        attempts = await at.attempts(job, 2)
        assert [one["status"] for one in attempts] == [None, None]
        assert all("CERTIFICATE_VERIFY_FAILED" in one["error"] for one in attempts)
        assert at.receiver.received == []


async def test_certificate_of_another_name(
    gateway: str, authority: trustme.CA, request: pytest.FixtureRequest
) -> None:
    """Trusted, but not for the address that was asked for."""
    async with scene(gateway, authority, request, "localhost") as at:
        job = await at.submit()
        [attempt] = await at.attempts(job, 1)
        assert attempt["status"] is None
        assert "IP address mismatch" in attempt["error"]
        assert at.receiver.received == []


async def test_a_name_that_leads_elsewhere(at: Scene) -> None:
    """What leads nowhere is refused as well: tests need no network to see it."""
    job = await at.submit(url="https://hooks.invalid/hook")
    [delivery] = await at.until(job, "refused")
    assert "hooks.invalid" in delivery["attempts"][0]["error"]


async def test_http_is_refused(at: Scene) -> None:
    answer = await at.client.post(
        PIXAZO, json=BODIES[PIXAZO], headers={"X-Webhook-URL": at.receiver.url.replace("https", "http")}
    )
    assert answer.status_code == 400


async def test_a_callback_cannot_reset_its_own_gateway(tmp_path: Path) -> None:
    with serving(tmp_path, "--speed", "1000", "--allow-http-webhooks") as url:
        async with httpx.AsyncClient(base_url=url, headers=key_headers("pixazo"), trust_env=False) as client:
            at = Scene(client, Receiver(SystemClock()))
            job = await at.submit(url=f"{url.replace('127.0.0.1', 'localhost')}/_mock/reset")
            await at.until(job, "refused")
            assert [one["id"] for one in (await client.get("/_mock/jobs")).json()["jobs"]] == [job]


# -- the README


async def test_the_readmes_example(tmp_path: Path) -> None:
    """Typed in as it stands, on another port: seven ticks and the end are in the inbox, without a flag."""
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("needs bash and curl")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    found = re.search(r"\*\*A webhook\.\*\*.*?```sh\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    with serving(tmp_path) as url:
        script = found[1].replace("http://127.0.0.1:8080", url).strip()
        submit, look = re.split(r"(?<!\\)\n", script)
        assert b'"status":"QUEUED"' in await _typed(submit, tmp_path)
        async with asyncio.timeout(20):
            statuses: list[str] = []
            while "COMPLETED" not in statuses:
                callbacks = json.loads(await _typed(look, tmp_path))["callbacks"]
                statuses = [json.loads(callback["body"])["status"] for callback in callbacks]
    assert statuses == ["PROCESSING"] * 7 + ["COMPLETED"]


async def _typed(command: str, folder: Path) -> bytes:
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE, cwd=folder
    )
    return (await shell.communicate())[0]
