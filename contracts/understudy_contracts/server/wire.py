"""How calls reach a server: over HTTP, or straight into an ASGI app that lives in a loop of its own."""

from __future__ import annotations

import asyncio
import json
import shlex
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

PATIENCE = 60.0
"""Real seconds after which a call counts as unanswered."""

MOST_READ = 256 * 1024 * 1024
"""Bytes of an answer that are read, once decompressed: room for any file. One that goes on is no answer."""

_SHOWN = 400
"""Characters of a body that evidence shows."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer. Header names of the answer are in lower case.

    `at` is when it began, in ms since the epoch, and `took` how many ms it lasted; 0 where nobody looked.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    answered: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    at: int = 0
    took: float = 0.0

    @property
    def json(self) -> Any:
        """The answer's body as JSON; None where it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def kind(self) -> str:
        """The media type of the answer, without parameters; "" where there is none."""
        return self.answered.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def curl(self) -> str:
        """A command that makes the same call."""
        parts = ["curl", "-si", "-X", self.method, self.url]
        for name, value in self.headers.items():
            parts += ["-H", f"{name}: {value}"]
        if self.body:
            parts += ["--data-binary", self.body.decode("utf-8", "backslashreplace")]
        return shlex.join(parts)

    def __str__(self) -> str:
        """Return the call and its answer in a line."""
        if not self.status:
            return f"{self.method} {self.url} -> no answer"
        if self.kind.startswith(("application/json", "text/")) or not self.kind:
            said = self.content[:_SHOWN].decode("utf-8", "replace")
        else:
            said = f"{len(self.content)} bytes of {self.kind}"
        return f"{self.method} {self.url} -> {self.status} {said}"


class Endless(Exception):
    """An answer had more bytes than are read."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the answer has more than {most:,} bytes, and was read no further")


class Unanswered(Exception):
    """A call got no answer: no connection, none in time, or none with an end.

    `late` is for one whose time ran out, `endless` for one that had too many bytes, `absent` for one that
    found nobody to connect to; `call` is what was asked, with the status 0.
    """

    def __init__(self, call: Exchange, problem: Exception, patience: float = PATIENCE) -> None:
        self.call = call
        self.absent = isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL)
        self.endless = isinstance(problem, Endless)
        self.late = isinstance(problem, httpx.TimeoutException | TimeoutError)
        said = f"took longer than {patience:g} s" if self.late else f"{type(problem).__name__}: {problem}"
        super().__init__(f"{call.method} {call.url}: {said}")


class Wire(Protocol):
    """A way to a server."""

    base_url: str

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, patience: float = PATIENCE
    ) -> Exchange:
        """Make a call to an absolute URL, which has `patience` real seconds. Raises Unanswered."""

    def close(self) -> None:
        """Let go of what it holds."""


class House:
    """A thread whose event loop an app lives in, so that calls from anywhere find its tasks alive."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="understudy-check", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T], seconds: float = PATIENCE) -> _T:
        """Do some work in the loop and wait for it. Raises TimeoutError after `seconds`."""
        return asyncio.run_coroutine_threadsafe(_within(work, seconds), self.loop).result()

    def bridge(self, app: ASGIApp) -> ASGIApp:
        """Wrap an app so that it can be called from other loops and still runs in this one."""

        async def bridged(scope: Scope, receive: Receive, send: Send) -> None:
            caller = asyncio.get_running_loop()
            if scope["type"] != "http":
                await _stay(receive, send)
                return

            async def received() -> Any:
                return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_await(receive), caller))

            async def sent(message: Any) -> None:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_await(send, message), caller))

            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(_await(app, scope, received, sent), self.loop)
            )

        return bridged

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.run(_cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


class _Client:
    """A client in a loop of its own: only there can a whole call be given a time, drop by drop.

    Of an answer `most_read` bytes are read.
    """

    def __init__(
        self, base_url: str, transport: httpx.AsyncBaseTransport | None, most_read: int = MOST_READ
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._most_read = most_read
        self.house = House()
        self._client = httpx.AsyncClient(transport=transport, trust_env=False)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, patience: float = PATIENCE
    ) -> Exchange:
        """Make a call to an absolute URL, which has `patience` real seconds. Raises Unanswered."""
        call = Exchange(method, url, dict(headers), body, 0)
        try:
            return self.house.run(self._ask(call, patience), patience)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, Endless, AssertionError) as problem:
            # The assertion is httpx's: the app returned without an answer.
            raise Unanswered(call, problem, patience) from problem

    async def _ask(self, call: Exchange, patience: float) -> Exchange:
        asking = self._client.stream(
            call.method, call.url, headers=dict(call.headers), content=call.body, timeout=patience
        )
        async with asking as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > self._most_read:
                    raise Endless(self._most_read)
        answered = {name.lower(): value for name, value in response.headers.items()}
        return replace(call, status=response.status_code, answered=answered, content=b"".join(parts))

    def close(self) -> None:
        """Close the connections, and end the loop. It may be closed already."""
        if not self.house.loop.is_closed():
            self.house.run(self._client.aclose())
            self.house.close()


class Http(_Client):
    """A server at a URL."""

    def __init__(self, base_url: str, most_read: int = MOST_READ) -> None:
        super().__init__(base_url, None, most_read)


class Inside(_Client):
    """An ASGI app in this process."""

    def __init__(self, app: ASGIApp, base_url: str = "http://127.0.0.1:8080", mount: str = "") -> None:
        super().__init__(base_url + mount, httpx.ASGITransport(app, raise_app_exceptions=False))
        self.app = app

    def close(self) -> None:
        """Shut down the app, and end its loop."""
        if not self.house.loop.is_closed():
            self.house.run(_shut_down(self.app))
        super().close()


def is_absolute(url: str) -> bool:
    """Whether a text is an address that a client can call as it stands."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_near(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _within(work: Coroutine[Any, Any, _T], seconds: float) -> _T:
    async with asyncio.timeout(seconds):
        return await work


async def _await(call: Callable[..., Any], *arguments: Any) -> Any:
    return await call(*arguments)


async def _stay(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _shut_down(app: ASGIApp) -> None:
    """Shut down an app; one that knows no lifespan need not answer."""
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        return None

    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    except Exception:
        return


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=2)
