"""An independent little provider, written from the documentation and sharing no code with Understudy.

It speaks Pixazo's text-to-video (submit, status, callback), WaveSpeed's image-to-video (submit, prediction,
webhook secret, signed callback) and keeps its files on another origin, behind signed addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 64
SECRET = "whsec_4f1c2a9be07d4d53a8d2"
SIGNATURE = "b7f6d1c0a5e94482"


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@dataclass
class Asked:
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LittleProvider:
    """Two servers: the API, and the files."""

    asked: list[Asked] = field(default_factory=list)
    polls: dict[str, int] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    called_back: list[int] = field(default_factory=list)
    polls_until_done: int = 2
    large: int = 0
    """MB of each file; 0 for a small one."""

    unlisted: str = ""
    """A path that no document names, and that takes jobs by any method."""

    stalls: bool = False
    """Whether files stop in the middle until `released`."""

    waiting: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.api = _Server(("127.0.0.1", 0), _handler(self, _Api))
        self.files = _Server(("127.0.0.1", 0), _handler(self, _Files))
        self.url = f"http://127.0.0.1:{self.api.server_address[1]}"
        self.media_url = f"http://127.0.0.1:{self.files.server_address[1]}"

    def file_of(self, job: str) -> str:
        if self.large:
            return f"{self.media_url}/large/{self.large}/{job}.mp4"
        return f"{self.media_url}/outputs/{job}.mp4?X-Amz-Signature={SIGNATURE}"

    def pixazo(self, job: str, *, done: bool) -> dict[str, Any]:
        return {
            "request_id": job,
            "status": "COMPLETED" if done else "PROCESSING",
            "model_id": "hunyuan-video",
            "error": None,
            "output": {"media_url": [self.file_of(job)], "media_type": "video/mp4"} if done else None,
            "created_at": "2026-05-22T13:17:32.110Z",
            "updated_at": "2026-05-22T13:19:23.000Z",
            "completed_at": "2026-05-22T13:19:23.000Z" if done else None,
        }

    def wavespeed(self, job: str, *, done: bool) -> dict[str, Any]:
        return {
            "id": job,
            "model": "wavespeed-ai/hunyuan-video/i2v",
            "outputs": [self.file_of(job)] if done else [],
            "urls": {"get": f"{self.url}/api/v3/predictions/{job}/result"},
            "has_nsfw_contents": [False] if done else [],
            "status": "completed" if done else "processing",
            "created_at": "2026-05-22T13:17:32.110Z",
            "error": "",
            "executionTime": 0,
            "timings": {"inference": 0},
        }

    def call_back(self, job: str) -> None:
        """Post the job's end to whoever asked for it, once."""
        address = self.hooks.pop(job, None)
        if address is None:
            return
        is_pixazo = job.startswith("hunyuan-video_")
        told = self.pixazo(job, done=True) if is_pixazo else self.wavespeed(job, done=True)
        body = json.dumps(told).encode()
        headers = {"Content-Type": "application/json"}
        if not is_pixazo:
            stamp = str(int(time.time()))
            signed = f"{job}.{stamp}.".encode() + body
            digest = hmac.new(SECRET.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()
            headers |= {
                "webhook-id": job,
                "webhook-timestamp": stamp,
                "webhook-signature": f"v3,{digest}",
            }
        parts = urlsplit(address)
        assert parts.hostname is not None
        connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        self.called_back.append(connection.getresponse().status)
        connection.close()


class _Base(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out in two writes
    provider: LittleProvider

    def log_message(self, format: str, *args: object) -> None:
        pass

    def take(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.provider.asked.append(Asked(self.command, self.path, headers, body))
        return body

    def give(self, status: int, told: Any, **headers: str) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


class _Api(_Base):
    def do_POST(self) -> None:
        body = self.take()
        path, _, query = self.path.partition("?")
        if path == "/hunyuan-video/v1/hunyuan-video-request":
            if "Ocp-Apim-Subscription-Key" not in self.headers:
                self.give(
                    401, {"statusCode": 401, "message": "Access denied due to missing subscription key."}
                )
                return
            asked = json.loads(body)
            if asked["prompt"] == "break the connection":
                self.reset()
                return
            if asked["prompt"] == "wait for ever":
                self.provider.waiting.set()
                self.provider.released.wait(30)
            if asked["prompt"] in ("cut the answer", "break the answer"):
                self.send_response(202)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b'{"request_id":')
                self.close_connection = True
                if asked["prompt"] == "break the answer":
                    self.reset()
                return
            job = f"hunyuan-video_{uuid.uuid4()}"
            self.provider.polls[job] = 0
            if "X-Webhook-URL" in self.headers:
                self.provider.hooks[job] = self.headers["X-Webhook-URL"]
            told = {
                "request_id": job,
                "status": "QUEUED",
                "polling_url": f"{self.provider.url}/v2/requests/status/{job}",
            }
            self.give(202, told, X_Echo=str(asked.get("prompt", ""))[:40])
        elif path == "/api/v3/wavespeed-ai/hunyuan-video/i2v":
            job = uuid.uuid4().hex
            self.provider.polls[job] = 0
            hook = parse_qs(query).get("webhook")
            if hook:
                self.provider.hooks[job] = hook[0]
            told = self.provider.wavespeed(job, done=False)
            told["input"] = json.loads(body)
            self.give(200, {"code": 200, "message": "success", "data": told})
        elif path == self.provider.unlisted:
            self._take_job()
        else:
            self.give(404, {"statusCode": 404, "message": "Resource not found"})

    def do_GET(self) -> None:
        self.take()
        parts = self.path.strip("/").split("/")
        if self.path == self.provider.unlisted:
            self._take_job()
        elif self.path == "/api/v3/webhook/secret":
            self.give(200, {"code": 200, "message": "success", "data": {"secret": SECRET}})
        elif self.path.startswith("/v2/requests/status/") and parts[-1] in self.provider.polls:
            done = self._poll(parts[-1])
            self.give(200, self.provider.pixazo(parts[-1], done=done))
        elif self.path.startswith("/api/v3/predictions/") and parts[3] in self.provider.polls:
            done = self._poll(parts[3])
            told = self.provider.wavespeed(parts[3], done=done)
            self.give(200, {"code": 200, "message": "success", "data": told})
        else:
            self.give(404, {"error": "Resource not found"})

    def _take_job(self) -> None:
        self.give(202, {"request_id": f"unlisted_{uuid.uuid4()}", "status": "QUEUED"})

    def _poll(self, job: str) -> bool:
        self.provider.polls[job] += 1
        done = self.provider.polls[job] >= self.provider.polls_until_done
        if done:
            self.provider.call_back(job)
        return done


class _Files(_Base):
    def do_GET(self) -> None:
        self.take()
        parts = urlsplit(self.path)
        if parts.path.startswith("/large/"):
            self._large(int(parts.path.split("/")[2]))
            return
        if SIGNATURE not in parts.query:
            self.give(403, {"error": "not signed"})
            return
        if self.headers.get("If-None-Match") == '"v1"':
            self.send_response(304)
            self.end_headers()
            return
        wanted = self.headers.get("Range")
        first, last = 0, len(VIDEO) - 1
        if wanted is not None:
            first, last = (int(one) for one in wanted.removeprefix("bytes=").split("-"))
        body = VIDEO[first : last + 1]
        self.send_response(200 if wanted is None else 206)
        if wanted is not None:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(VIDEO)}")
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:1000])
            if self.provider.stalls:
                self.provider.released.wait(30)
            self.wfile.write(body[1000:])

    do_HEAD = do_GET

    def _large(self, megabytes: int) -> None:
        part = bytes(range(256)) * 4096
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(megabytes * len(part)))
        self.end_headers()
        for _ in range(megabytes):
            self.wfile.write(part)


def _handler(provider: LittleProvider, kind: type[_Base]) -> type[_Base]:
    return type("Handler", (kind,), {"provider": provider})


@contextmanager
def little_provider(**options: Any) -> Iterator[LittleProvider]:
    """Serve for as long as the context lasts."""
    provider = LittleProvider(**options)
    servers = (provider.api, provider.files)
    for server in servers:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield provider
    finally:
        provider.released.set()
        for server in servers:
            server.shutdown()
            server.server_close()
