"""The receiver that checks listen with: what it reads and keeps is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from socket import create_connection

import httpx

from understudy_contracts.callback_inbox import Receiver
from understudy_mock.settings import MAX_BODY


@contextmanager
def _listening(**bounds: int) -> Iterator[tuple[Receiver, httpx.Client]]:
    with (
        closing(Receiver(**bounds)) as receiver,
        httpx.Client(base_url=receiver.url, trust_env=False) as client,
    ):
        yield receiver, client


def test_a_callback_that_is_too_large_is_refused() -> None:
    with _listening() as (receiver, client):
        assert client.post("/a", content=b"x" * 1_000).status_code == 200
        assert client.post("/a", content=b"x" * (MAX_BODY + 1)).status_code == 413
        with create_connection(("127.0.0.1", httpx.URL(receiver.url).port or 0)) as raw:
            raw.sendall(b"POST /_mock/inbox/a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n")
            assert raw.recv(12) == b"HTTP/1.1 400"
        assert [len(one.body) for one in receiver.at("/a")] == [1_000]


def test_the_latest_callbacks_are_kept_while_there_is_room() -> None:
    with _listening(keep_bytes=10_000) as (receiver, client):
        for path in ("/a", "/b", "/c"):
            assert client.post(path, content=b"x" * 2_500).status_code == 200
        assert [len(receiver.at(path)) for path in ("/a", "/b", "/c")] == [0, 1, 1]


def test_a_callback_is_waited_for_and_what_came_is_forgotten_when_asked() -> None:
    with _listening() as (receiver, client):
        path = receiver.new_path()
        receiver.answer(path, 503)
        answer = client.post(path, json={"status": "COMPLETED"}, headers={"X-Mine": "1"})
        (came,) = receiver.wait(path, 1, seconds=5)
        assert (answer.status_code, came.told, came.headers["x-mine"]) == (503, {"status": "COMPLETED"}, "1")
        assert receiver.wait(path, 2, seconds=0) == [came]
        receiver.forget(path)
        assert receiver.at(path) == []
        assert client.post(path, content=b"").status_code == 200
