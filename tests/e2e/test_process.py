"""The command as people start it: a real process, real sockets, real signals, and curl."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.driving import key_headers
from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment, run, serving

pytestmark = pytest.mark.e2e

# The request of the page's HTTP sample, in its shape.
REQUEST = {
    "prompt": "A paper lantern drifts down a dark river.",
    "aspect_ratio": "16:9",
    "resolution": "720p",
    "num_frames": 129,
    "num_inference_steps": 30,
    "pro_mode": False,
}
EXAMPLE = Path(__file__).parents[2] / "fixtures/recordings/three-providers.har"
KEY = "Ocp-Apim-Subscription-Key: any-key"


def curl(cwd: Path, *arguments: str) -> Any:
    """Call with curl; the JSON of an answer below 400."""
    done = run(["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *arguments], cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_a_playable_video_of_the_asked_size(tmp_path: Path) -> None:
    with serving(tmp_path, "--speed", "1000") as gateway:
        accepted = curl(
            tmp_path,
            *("-X", "POST", f"{gateway.url}/hunyuan-video/v1/hunyuan-video-request", "-H", KEY),
            *("-H", "Content-Type: application/json", "-H", "Cache-Control: no-cache"),
            *("--data-raw", json.dumps(REQUEST)),
        )
        assert accepted["status"] == "QUEUED"
        assert accepted["polling_url"].startswith(f"{gateway.url}/v2/requests/status/hunyuan-video_")
        deadline = time.monotonic() + PATIENCE
        job = curl(tmp_path, "-H", KEY, accepted["polling_url"])
        while job["status"] != "COMPLETED":
            assert job["status"] in ("QUEUED", "PROCESSING")
            assert time.monotonic() < deadline
            job = curl(tmp_path, "-H", KEY, accepted["polling_url"])
        (url,) = job["output"]["media_url"]
        curl(tmp_path, "--output", "video.mp4", url)
    with av.open(tmp_path / "video.mp4", "r") as film:
        stream = film.streams.video[0]
        frames = [(frame.width, frame.height) for frame in film.decode(stream)]
        assert stream.average_rate == 24
    assert frames == [(1280, 720)] * 129


def test_the_first_line_on_stdout_is_the_base_url_and_the_rest_is_for_people(tmp_path: Path) -> None:
    with serving(tmp_path, "--seed", "7") as gateway:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", gateway.url)
        _, told = gateway.stop()
        assert gateway.rest == ""
    assert "3 providers, 14 models" in told
    assert "--seed 7" in told


def test_keys_and_token_come_from_files_that_understudy_toml_names(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("key-one\nkey-two\n", encoding="utf-8")
    (tmp_path / "token").write_text("t0ken\n", encoding="utf-8")
    settings = 'api-key-file = ["keys"]\nadmin-token-file = "token"\n'
    (tmp_path / "understudy.toml").write_text(settings, encoding="utf-8")

    def status(url: str, *headers: str) -> str:
        shown = [part for header in headers for part in ("-H", header)]
        return run(["curl", "-s", "-o", "answer", "-w", "%{http_code}", *shown, url], tmp_path).stdout

    with serving(tmp_path) as gateway:
        url = f"{gateway.url}/v2/requests/status/nobody"
        found = [status(url, f"Ocp-Apim-Subscription-Key: {key}") for key in ("key-one", "key-two", "other")]
        assert found == ["404", "404", "401"]
        assert status(f"{gateway.url}/_mock/jobs") == "403"
        assert status(f"{gateway.url}/_mock/jobs", "Authorization: Bearer t0ken") == "200"


@pytest.mark.parametrize(
    ("command", "host", "warned"),
    [("serve", "127.0.0.1", False), ("serve", "0.0.0.0", True), ("replay", "0.0.0.0", True)],
)
def test_a_host_that_others_reach_is_warned_of(tmp_path: Path, command: str, host: str, warned: bool) -> None:
    arguments = [str(EXAMPLE)] if command == "replay" else []
    with serving(tmp_path, *arguments, "--host", host, does=command) as gateway:
        _, told = gateway.stop()
    assert ("open to the network" in told) is warned


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0_at_once(tmp_path: Path, number: int) -> None:
    with serving(tmp_path) as gateway:
        before = time.monotonic()
        status, told = gateway.stop(number)
        took = time.monotonic() - before
    assert status == 0
    assert took < 2
    assert "Traceback" not in told


def test_a_taken_port_is_one_clear_line_and_status_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run([UNDERSTUDY, "serve", "--port", str(port)], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: cannot listen on 127.0.0.1:{port}: ")
    assert "--port 0" in line


def test_an_unknown_variable_is_an_error_with_a_hint(tmp_path: Path) -> None:
    done = run([UNDERSTUDY, "serve", "--port", "0"], tmp_path, clean_environment(UNDERSTUDY_SPED="3"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        "Error: unknown environment variable UNDERSTUDY_SPED; did you mean UNDERSTUDY_SPEED?"
    )


def test_a_malformed_variable_is_an_error(tmp_path: Path) -> None:
    done = run([UNDERSTUDY, "serve", "--port", "0"], tmp_path, clean_environment(UNDERSTUDY_SPEED="fast"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "'fast' is not a valid float" in done.stderr


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sped = 3", "understudy.toml: /sped: unknown option; did you mean speed?"),
        ("speed = [3]", "understudy.toml: /speed: must be one value"),
        ("specs = 'here'", "understudy.toml: /specs: must be a list"),
        ("speed = ", "understudy.toml: "),
    ],
)
def test_a_mistake_in_understudy_toml_is_an_error_with_a_pointer(
    tmp_path: Path, text: str, error: str
) -> None:
    (tmp_path / "understudy.toml").write_text(text, encoding="utf-8")
    done = run([UNDERSTUDY, "serve", "--port", "0"], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"Error: {error}")


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["spec", "--help"], ["--version"]])
def test_help_works_even_where_the_settings_are_wrong_elsewhere(tmp_path: Path, arguments: list[str]) -> None:
    done = run([UNDERSTUDY, *arguments], tmp_path)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == ""


def test_options_of_the_command_line_win_over_variables_and_those_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_text("seed = 1\nspeed = 2.0\nkeep-jobs = 5\n", encoding="utf-8")
    environment = clean_environment(UNDERSTUDY_SEED="10", UNDERSTUDY_SPEED="20")
    with serving(tmp_path, "--seed", "100", environment=environment) as gateway:
        _, told = gateway.stop()
    assert "--seed 100" in told
    assert "divided by 20" in told


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_call_that_still_waits_ends_with_its_connection_and_without_a_traceback(
    tmp_path: Path, number: int
) -> None:
    """A synchronous answer is minutes away when the gateway is told to end."""
    with serving(tmp_path, "--speed", "1") as gateway:
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        body = json.dumps({"prompt": "a cat"})
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as waiting:
            waiting.sendall(
                f"POST /v1/hunyuan-video HTTP/1.1\r\nHost: {host}\r\nx-api-key: k\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            deadline = time.monotonic() + PATIENCE
            while '"jobs":[]' in run(["curl", "-s", f"{gateway.url}/_mock/jobs"], tmp_path).stdout:
                assert time.monotonic() < deadline
            status, errors = gateway.stop(number)
            try:
                said = waiting.recv(100)
            except ConnectionResetError:
                said = b""
    assert (status, said) == (0, b"")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_whatever_is_under_way_in_the_admin_api_ends_without_a_traceback(tmp_path: Path) -> None:
    """Answers that nobody reads, half a body, a stream of changes, and receivers that do not answer."""
    options = ("--speed", "100000", "--media", "small", "--allow-http-webhooks")
    with ExitStack() as stack, serving(tmp_path, *options) as gateway:
        stuck = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(httpx.Client(base_url=gateway.url, trust_env=False, timeout=PATIENCE))
        for number in range(100):
            url = f"http://127.0.0.1:{stuck.getsockname()[1]}/{number}"
            headers = {**key_headers("pixazo"), "X-Webhook-URL": url}
            client.post(
                "/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "x" * 60_000}, headers=headers
            )
        [first, *_] = client.get("/_mock/webhooks", params={"state": "planned"}).json()["deliveries"]
        again = f"POST /_mock/webhooks/{first['id']}/redeliver"
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        for call in (
            "GET /_mock/journal.har",
            "GET /_mock/journal?limit=10000",
            "GET /_mock/changes?follow=1",
            "PUT /_mock/scenario",
            "POST /_mock/inbox/mine",
            again,
        ):
            size = 9 if call.startswith("P") and call != again else 0
            held = stack.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            held.connect((host, int(port)))
            held.sendall(f"{call} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n".encode())
        client.get("/_mock/health")
        status, errors = gateway.stop()
    assert status == 0
    assert "Traceback" not in errors
    assert "CancelledError" not in errors
