"""A call has so many seconds and no more, however the server spends them."""

from __future__ import annotations

import socket
import threading
import time
import zlib

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


@pytest.mark.parametrize("zipped", [False, True])
def test_an_answer_that_goes_on_for_ever_is_no_answer(zipped: bool) -> None:
    """It is read up to a bound, in megabytes that were packed into kilobytes, too."""
    packed = zlib.compressobj(wbits=31)
    part = bytes(1_000_000)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def pour() -> None:
            connection, _ = listening.accept()
            with connection:
                encoding = b"Content-Encoding: gzip\r\n" if zipped else b""
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + encoding + b"\r\n")
                try:
                    while True:
                        whole = packed.compress(part) + packed.flush(zlib.Z_SYNC_FLUSH) if zipped else part
                        connection.sendall(whole)
                except OSError:
                    return  # the caller has hung up

        thread = threading.Thread(target=pour)
        thread.start()
        wire = Http(f"http://127.0.0.1:{listening.getsockname()[1]}", most_read=1_000_000)
        try:
            with pytest.raises(Unanswered, match="more than 1,000,000 bytes") as caught:
                wire.send("GET", wire.base_url, {}, b"")
        finally:
            wire.close()
            thread.join()
    assert caught.value.endless
    assert not caught.value.late


def test_nobody_at_the_address_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wire = Http(f"http://127.0.0.1:{port}")
    with pytest.raises(Unanswered) as caught:
        wire.send("GET", wire.base_url, {}, b"")
    wire.close()
    wire.close()
    assert caught.value.absent
