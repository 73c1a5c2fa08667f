"""The receiver that checks listen with: what it reads and keeps is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from socket import create_connection

import httpx

from understudy_contracts.callback_inbox import CallbackInbox


@contextmanager
def _listening(**bounds: int) -> Iterator[tuple[CallbackInbox, httpx.Client]]:
    with (
        closing(CallbackInbox(**bounds)) as receiver,
        httpx.Client(base_url=receiver.url, trust_env=False) as client,
    ):
        yield receiver, client


def test_a_callback_that_is_too_large_is_refused_unread() -> None:
    with _listening(most_body=1_000) as (receiver, client):
        assert client.post("/a", content=b"x" * 1_000).status_code == 200
        assert client.post("/a", content=b"x" * 1_001).status_code == 413
        for length in ("9" * 5_000, "-1", "0x10"):
            with create_connection(("127.0.0.1", int(receiver.url.rpartition(":")[2]))) as raw:
                raw.sendall(f"POST /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
                assert raw.recv(12) == b"HTTP/1.1 413"
        assert [len(one.body) for one in receiver.at("/a")] == [1_000]


def test_callbacks_are_kept_while_there_is_room_and_forgetting_makes_some() -> None:
    with _listening(most_kept=5_000) as (receiver, client):
        statuses = [client.post(path, content=b"x" * 2_000).status_code for path in ("/a", "/b", "/c")]
        assert statuses == [200, 200, 503]
        receiver.forget("/a")
        assert client.post("/c", content=b"x" * 2_000).status_code == 200
        assert [len(receiver.at(path)) for path in ("/a", "/b", "/c")] == [0, 1, 1]
