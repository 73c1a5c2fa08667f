"""The inbox of a gateway that runs in a process of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from tests.driving import key_headers
from tests.e2e.processes import serving
from tests.webhooks.receiving import BODIES, PIXAZO

pytestmark = pytest.mark.e2e


def test_two_curls_show_a_webhook(tmp_path: Path) -> None:
    """Without any flag: a submit with an address of the inbox, and a look into it; its manners work."""
    with serving(tmp_path, "--speed", "1000", "--media", "small") as gateway:
        inbox = f"{gateway.url}/_mock/inbox/mine"
        with httpx.Client(trust_env=False, headers=key_headers("pixazo")) as client:
            sent = client.post(
                gateway.url + PIXAZO,
                json=BODIES[PIXAZO],
                headers={"X-Webhook-URL": inbox, "X-Webhook-Mode": "sync"},
            )
            assert sent.status_code == 202
            callbacks: list[dict[str, str]] = []
            while not callbacks or "COMPLETED" not in callbacks[-1]["body"]:
                callbacks = client.get(inbox).json()["callbacks"]
            assert [callback["job"] for callback in callbacks] == [sent.json()["request_id"]] * 8

            client.put(inbox, json={"answer": "closes"})
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(inbox, content=b"{}")
            client.put(inbox, json={"answer": "slow"})
            with pytest.raises(httpx.ReadTimeout):
                client.post(inbox, content=b"{}", timeout=0.2)


def test_callers_that_leave_or_wait_make_no_noise_and_hold_nothing_up(tmp_path: Path) -> None:
    """Half a body, half a change, and a slow inbox when SIGTERM comes: no traceback, and an end."""
    with serving(tmp_path) as gateway:
        url = httpx.URL(gateway.url)
        place = (url.host, url.port or 0)
        httpx.put(f"{gateway.url}/_mock/inbox/mine", json={"answer": "slow"}, trust_env=False)
        for method, path in (("POST", "inbox/mine"), ("PUT", "inbox/mine"), ("PUT", "scenario")):
            with socket.create_connection(place) as half:
                head = f"{method} /_mock/{path} HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 9\r\n\r\n"
                half.sendall(head.encode() + b"{")
        with socket.create_connection(place) as waiting:
            head = f"POST /_mock/inbox/mine HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 2\r\n\r\n"
            waiting.sendall(head.encode() + b"{}")
            while (
                httpx.get(f"{gateway.url}/_mock/inbox", trust_env=False).json()["inboxes"][0]["received"] < 1
            ):
                pass
            status, errors = gateway.stop()
        assert status == 0
        assert "Traceback" not in errors
