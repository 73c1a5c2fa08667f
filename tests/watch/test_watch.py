"""`understudy watch` prints what a running gateway's journal says, once, and outlives the gateway."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment
from tests.support import key_headers
from understudy_contracts import watch as module
from understudy_contracts.testing.running import Running, running
from understudy_contracts.watch import Watcher
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.commands.common import CannotRun
from understudy_mock.settings import Settings

T2V = "/hunyuan-video/v1/hunyuan-video-request"


class Stage:
    """A watcher, what it has printed, and the gateway that it reaches: another one, or none, at any time."""

    def __init__(self, catalog: Catalog) -> None:
        self.gateway: Running | None = None
        self.said: list[str] = []
        self.notes: list[str] = []
        client = httpx.Client(base_url="http://watched.test", transport=httpx.MockTransport(self._pass_on))
        self.watcher = Watcher(client, catalog, self.said.append, self.notes.append)

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        if self.gateway is None:
            raise httpx.ConnectError("connection refused")
        url = self.gateway.url + request.url.raw_path.decode()
        return httpx.get(url, headers={"x-passed": "on"}, trust_env=False)

    def submit(self, prompt: object = "a paper boat") -> None:
        assert self.gateway is not None
        headers = key_headers("pixazo")
        httpx.post(self.gateway.url + T2V, json={"prompt": prompt}, headers=headers, trust_env=False)

    def look(self) -> str:
        """Look until there is nothing more to see, and return what was printed."""
        self.said.clear()
        while self.watcher.look():
            pass
        return "\n".join(self.said)


@pytest.fixture
def stage(catalog: Catalog) -> Stage:
    return Stage(catalog)


@pytest.fixture
def gateway() -> Iterator[Running]:
    with running(Settings(media="small")) as gateway:
        yield gateway


def test_each_exchange_is_told_once_as_it_comes(stage: Stage, gateway: Running) -> None:
    stage.gateway = gateway
    stage.submit()
    first = stage.look()
    assert "#1 client    submits hunyuan-video" in first
    assert re.search(r"#1 provider  202, job hunyuan-video_\S+, QUEUED", first)
    assert stage.look() == ""
    stage.submit(7)
    second = stage.look()
    assert "#2 provider  400" in second
    assert "#1" not in second


def test_times_go_on_from_the_first_exchange(
    stage: Stage, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although only the latest exchanges are kept in mind."""
    monkeypatch.setattr(module, "_CONTEXT", 0)
    stage.gateway = gateway
    stage.submit()
    stage.look()
    stage.submit()
    began = [entry.at for entry in gateway.world.journal.since(0)]
    assert f"{(began[1] - began[0]) / 1000:+9.3f}s   #2 client" in stage.look()


def test_a_gateway_that_ends_and_another_that_begins_are_told(stage: Stage, gateway: Running) -> None:
    assert stage.look() == ""
    assert stage.look() == ""
    assert len(stage.notes) == 1
    assert "no gateway answers at http://watched.test" in stage.notes[0]
    stage.gateway = gateway
    stage.submit()
    assert "#1 client" in stage.look()
    stage.gateway = None
    stage.look()
    with running(Settings(media="small")) as another:
        stage.gateway = another
        stage.submit()
        assert "#1 client" in stage.look()
    assert [note.partition(" at ")[0].partition(":")[0] for note in stage.notes] == [
        "no gateway answers",
        "watching http",
        "no gateway answers",
        "the gateway was restarted",
    ]


def test_exchanges_that_the_gateway_has_forgotten_are_counted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXCHANGES", 2)
    with running(Settings(media="small", journal=3)) as gateway:
        stage.gateway = gateway
        for _ in range(5):
            stage.submit()
        said = stage.look()
    assert "… 2 exchanges left out: the gateway has forgotten them" in stage.notes
    assert [number in said for number in ("#1", "#2", "#3", "#4", "#5")] == [False, False, True, True, True]


def test_no_key_is_printed(stage: Stage, gateway: Running) -> None:
    stage.gateway = gateway
    httpx.get(f"{gateway.url}/test-key-1/x", headers=key_headers("pixazo"), trust_env=False)
    stage.submit("my key is test-key-1")
    said = stage.look()
    assert "#2 client" in said
    assert "test-key-1" not in said


def test_a_gateway_that_wants_a_token_says_how_to_give_it(stage: Stage) -> None:
    with running(Settings(media="small", admin_token="sesame-open")) as gateway:
        stage.gateway = gateway
        with pytest.raises(CannotRun, match=r"403: show the admin token.*--admin-token-file FILE"):
            stage.look()


def test_another_server_is_no_gateway() -> None:
    client = httpx.Client(
        base_url="http://watched.test",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text="hi")),
    )
    watcher = Watcher(client, Catalog.__new__(Catalog), print, print)
    with pytest.raises(CannotRun, match="is no Understudy gateway"):
        watcher.look()


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    done = CliRunner().invoke(main, ["watch", url])
    assert done.exit_code == 2
    assert "is not an http:// or https:// URL" in done.output


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_ends_it_with_0(tmp_path: Path) -> None:
    with subprocess.Popen(
        [UNDERSTUDY, "watch", "http://127.0.0.1:9"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "waiting for one" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[1] == ""
        assert process.returncode == 0
