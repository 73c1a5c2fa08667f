"""A call has so many seconds and no more, however the server spends them."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from understudy_contracts.server.wire import Http, Unanswered

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_an_answer_that_comes_in_drops_is_given_up(said: bytes) -> None:
    """Each drop comes in time for a reader that waits for drops; the whole never comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(said)
                try:
                    while True:
                        connection.sendall(b"H" if not said else b"x")
                        time.sleep(0.02)
                except OSError:
                    return  # the caller has hung up

        thread = threading.Thread(target=drip)
        thread.start()
        wire = Http(f"http://127.0.0.1:{listening.getsockname()[1]}")
        began = time.monotonic()
        try:
            with pytest.raises(Unanswered) as caught:
                wire.send("GET", wire.base_url, {}, b"", 0.5)
        finally:
            wire.close()
            thread.join()
    assert caught.value.late
    assert not caught.value.absent
    assert time.monotonic() - began < 10


def test_nobody_at_the_address_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wire = Http(f"http://127.0.0.1:{port}")
    with pytest.raises(Unanswered) as caught:
        wire.send("GET", wire.base_url, {}, b"")
    wire.close()
    wire.close()
    assert caught.value.absent
