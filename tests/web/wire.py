"""Call an ASGI app with exactly these bytes, as uvicorn hands them on: nothing is cleaned up on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp, Message

Headers = Iterable[tuple[bytes, bytes]]


class Said(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


async def ask(
    app: ASGIApp,
    method: str,
    target: bytes | str,
    headers: Headers = (),
    body: bytes | list[bytes] = b"",
    *,
    client: tuple[str, int] | None = ("127.0.0.1", 50_000),
    host: bytes | None = b"gateway.test:8080",
    scheme: str = "http",
    breaks_off: bool = False,
) -> Said:
    """Make one request. `target` is a path and a query as they stand on the request line.

    `breaks_off` lets the connection end where more of the body was to come.
    """
    raw = target if isinstance(target, bytes) else target.encode("latin-1")
    raw_path, _, query = raw.partition(b"?")
    own = [] if host is None else [(b"host", host)]
    parts = [body] if isinstance(body, bytes) else body
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": breaks_off or index + 1 < len(parts)}
        for index, part in enumerate(parts)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [*own, *headers],
        "client": client,
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"] + ["http.response.body"] * (
        len(sent) - 1
    )
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
    whole = b"".join(message.get("body", b"") for message in sent[1:])
    assert method == "HEAD" or int(told["content-length"]) == len(whole)
    return Said(sent[0]["status"], told, whole)
