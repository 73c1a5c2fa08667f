"""`understudy serve` tells what to export where nobody starts the program for you."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.e2e.processes import serving

pytestmark = pytest.mark.e2e

BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
OTHERS = ("JAVA_TOOL_OPTIONS", "PHP_INI_SCAN_DIR", "WGETRC")


def exported(errors: str) -> dict[str, str]:
    """What the banner says to export."""
    lines = [line.strip() for line in errors.splitlines()]
    pairs = [line.removeprefix("export ").partition("=") for line in lines if line.startswith("export ")]
    return {name: value for name, _, value in pairs}


def test_a_proxy_by_hand_names_itself_and_every_bundle(tmp_path: Path) -> None:
    with serving(tmp_path, "--intercept-port", "0") as gateway:
        status, errors = gateway.stop()
    told = exported(errors)
    assert status == 0
    assert told["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert told.keys() >= {*BUNDLES, *OTHERS, "NO_PROXY"}
    assert not any(Path(told[name]).exists() for name in BUNDLES)  # gone with it


def test_an_open_connection_to_the_proxy_is_no_reason_for_a_traceback_at_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        serving(tmp_path, "--intercept-port", str(port)) as gateway,
        socket.create_connection(("127.0.0.1", port)) as idle,
        socket.create_connection(("127.0.0.1", port)) as tunnel,
    ):
        tunnel.sendall(b"CONNECT api.segmind.com:443 HTTP/1.1\r\nHost: api.segmind.com\r\n\r\n")
        assert tunnel.recv(100).startswith(b"HTTP/1.1 200 ")
        idle.sendall(b"CONN")
        status, errors = gateway.stop(signal.SIGINT)
    assert status == 0
    assert "Traceback" not in errors
    assert "Error" not in errors


def test_the_hosts_file_way_names_every_bundle(tmp_path: Path) -> None:
    try:
        socket.create_server(("127.0.0.1", 443)).close()
    except OSError as error:
        pytest.skip(f"port 443 cannot be had here: {error}")
    with serving(tmp_path, "--hosts") as gateway:
        _, errors = gateway.stop()
    assert "  127.0.0.1 gateway.pixazo.ai" in errors.splitlines()
    assert exported(errors).keys() == {*BUNDLES, *OTHERS}
