"""An inbox for callbacks: a receiver on this machine, in its own thread."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_BODY = 10 * 1024 * 1024
"""Bytes of a callback that are read; more is 413."""

MOST_KEPT = 256 * 1024 * 1024
"""Bytes of callbacks kept; then further ones are answered 503 until some are forgotten."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it came. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """The body as JSON; None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class CallbackInbox:
    """Accepts callbacks at `url` + any path. Answers 200, unless `answer` sets another status.

    It reads at most `most_body` bytes of each, and keeps `most_kept` bytes in all.
    """

    def __init__(self, most_body: int = MOST_BODY, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        self._kept = 0
        self._got: defaultdict[str, list[Callback]] = defaultdict(list)
        self._statuses: dict[str, int] = {}
        self._changed = threading.Condition()
        self._paths = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length") or "0"
                is_number = length.isascii() and length.isdecimal() and len(length) < 19
                if not is_number or int(length) > most_body:
                    self.close_connection = True  # its body is still to come
                    self._say(413)
                    return
                body = self.rfile.read(int(length))
                callback = Callback(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                self._say(receiver._statuses.get(self.path, 200) if receiver._take(callback) else 503)

            def _say(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: stderr is for progress."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def new_path(self) -> str:
        """Return a path that nobody has used."""
        self._paths += 1
        return f"/callbacks/{self._paths}"

    def answer(self, path: str, status: int) -> None:
        """Answer what comes to a path with this HTTP status from now on."""
        self._statuses[path] = status

    def forget(self, path: str) -> None:
        """Forget what has come to a path, and how it is answered."""
        with self._changed:
            self._kept -= sum(map(_size, self._got.pop(path, ())))
            self._statuses.pop(path, None)

    def _take(self, callback: Callback) -> bool:
        """Keep a callback, where there is room for it."""
        with self._changed:
            if self._kept + _size(callback) > self._most_kept:
                return False
            self._kept += _size(callback)
            self._got[callback.path].append(callback)
            self._changed.notify_all()
            return True

    def at(self, path: str) -> list[Callback]:
        """Return the callbacks that have come to a path."""
        with self._changed:
            return list(self._got[path])

    def wait(self, path: str, number: int, seconds: float) -> list[Callback]:
        """Wait at most `seconds` until `number` have come to a path, and return those that have."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._got[path]) >= number, seconds)
            return list(self._got[path])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _size(callback: Callback) -> int:
    """Return how many bytes a callback takes, with its headers."""
    head = sum(len(name) + len(value) for name, value in callback.headers.items())
    return len(callback.path) + head + len(callback.body)
