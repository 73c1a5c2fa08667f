"""Drive a gateway without sockets: make one, submit, poll, and read what it answers.

This is the one vocabulary of the tests. What only one folder needs stands in that folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx
import msgspec
from starlette.types import ASGIApp, Message

from understudy_mock.app import create_app
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import Clock, ManualClock
from understudy_mock.gateway.world import World
from understudy_mock.media import Studio
from understudy_mock.settings import Settings

KEY = "test-key-1"

PROVIDERS = ("pixazo", "segmind", "wavespeed")
POLLED = ("pixazo", "wavespeed")
"""Providers whose jobs are polled; Segmind's submit waits and answers with the file."""

T2V = "/hunyuan-video/v1/hunyuan-video-request"
I2V = "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request"
I2V_RESULT = f"{I2V}-result"
PIXVERSE = "/pixverse-v6-image-to-video/v1/pixverse-v6-image-to-video-request"
STATUS = "/v2/requests/status"
SEGMIND = "/v1/hunyuan-video"
WAVESPEED = "/api/v3/wavespeed-ai/hunyuan-video/i2v"
PREDICTIONS = "/api/v3/predictions"

IMAGE = "https://images.example.com/cat.png"

STATUSES = {"pixazo": (STATUS + "/{}",), "wavespeed": (PREDICTIONS + "/{}/result", PREDICTIONS + "/{}")}
"""Where a job is polled; the first is the one that `poll` asks."""

QUEUED_S, WHOLE_S = 11, 111
"""Provider seconds that a Pixazo job waits, and takes in all."""

SPEED = 30


@dataclass(frozen=True)
class Submit:
    """A provider's smallest submit, and what follows from it. Times are provider seconds, prices USD."""

    path: str
    body: dict[str, Any]
    wrong: dict[str, Any]
    model: str
    accepted: int
    queued: float
    total: float
    price: float


SUBMITS = {
    "pixazo": Submit(
        path=T2V,
        body={"prompt": "a red kite"},
        wrong={"prompt": 7},
        model="hunyuan-video",
        accepted=202,
        queued=QUEUED_S,
        total=WHOLE_S,
        price=0.40,
    ),
    "segmind": Submit(
        path=SEGMIND,
        body={"prompt": "a red kite"},
        wrong={"prompt": 7},
        model="hunyuan-video",
        accepted=200,
        queued=0,
        total=211.32,
        price=1.464,
    ),
    "wavespeed": Submit(
        path=WAVESPEED,
        body={"image": IMAGE, "prompt": "a red kite"},
        wrong={"image": IMAGE, "prompt": 7},
        model="wavespeed-ai/hunyuan-video/i2v",
        accepted=200,
        queued=5,
        total=65,
        price=0.40,
    ),
}


# -- gateways


class Gateway:
    """A gateway without sockets: its world, and a client whose calls reach it over ASGI."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.app = create_app(world=world)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test:8080")

    def advance(self, seconds: float) -> None:
        """Move the manual clock on."""
        clock = self.world.clock
        assert isinstance(clock, ManualClock)
        clock.advance(seconds)

    async def call(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Make a call with httpx's options."""
        return await self.client.request(method, url, **options)

    async def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the admin API as somebody on this machine."""
        return await self.client.request(method, f"http://localhost/_mock/{path}", **options)


MakeGateway = Callable[..., Gateway]


def open_gateway(catalog: Catalog, *, clock: Clock | None = None, **options: Any) -> Gateway:
    """Make a gateway on a manual clock (or `clock`) that knows no scenarios; keywords are its settings."""
    options = {"pace": "manual", "media": "small", **options}
    return Gateway(
        World(Settings(**options), catalog, clock or ManualClock(), Studio(small=True), scenarios={})
    )


# -- calls as a client makes them


def key_headers(provider: str, key: str = KEY) -> dict[str, str]:
    """Return the header that carries the key at a provider."""
    return {
        "pixazo": {"Ocp-Apim-Subscription-Key": key},
        "segmind": {"x-api-key": key},
        "wavespeed": {"Authorization": f"Bearer {key}"},
    }[provider]


async def submit(
    gateway: Gateway,
    provider: str = "pixazo",
    key: str = KEY,
    *,
    url: str | None = None,
    body: Mapping[str, Any] | None = None,
    prefer: str | None = None,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> httpx.Response:
    """Submit the provider's smallest job, with `changes` to its body.

    `url` and `body` replace those of `SUBMITS`; `prefer` is the header of that name.
    """
    usual = SUBMITS[provider]
    sent = {**key_headers(provider, key), **(headers or {})}
    if prefer is not None:
        sent["Prefer"] = prefer
    whole = {**(usual.body if body is None else body), **changes}
    return await gateway.call("POST", url or usual.path, headers=sent, json=whole)


async def fetch(gateway: Gateway, url: str, provider: str = "pixazo", key: str = KEY) -> httpx.Response:
    """GET a URL with a provider's key."""
    return await gateway.call("GET", url, headers=key_headers(provider, key))


def poll_path(provider: str, job: str) -> str:
    """Return the path at which a job is polled."""
    return STATUSES[provider][0].format(job)


async def poll(
    gateway: Gateway, job: str, provider: str = "pixazo", key: str = KEY, *, prefer: str | None = None
) -> httpx.Response:
    """Ask where a job is."""
    sent = key_headers(provider, key)
    if prefer is not None:
        sent["Prefer"] = prefer
    return await gateway.call("GET", poll_path(provider, job), headers=sent)


async def state(gateway: Gateway, job: str, provider: str = "pixazo", key: str = KEY) -> str:
    """Return where a job is, in the provider's word; "gone" for one that is not there."""
    answer = await poll(gateway, job, provider, key)
    return "gone" if answer.status_code == 404 else state_of(answer)


# -- what answers say


def id_of(answer: httpx.Response) -> str:
    """Return the id of the job that a submit answered."""
    if "x-request-id" in answer.headers:
        return str(answer.headers["x-request-id"])
    body = answer.json()
    return str(body["request_id"] if "request_id" in body else body["data"]["id"])


def state_of(answer: httpx.Response) -> str:
    """Return the job's state as a poll answered it, in the provider's word."""
    body = answer.json()
    return str(body.get("data", body)["status"])


def files_of(answer: httpx.Response) -> list[str]:
    """Return the addresses of the files from the answer to a poll."""
    body = answer.json()
    return list(body["data"]["outputs"] if "data" in body else body["output"]["media_url"])


# -- the admin API


async def jobs_of(gateway: Gateway, key: str = KEY) -> list[dict[str, Any]]:
    """List the jobs of a key, newest first."""
    answer = await gateway.admin("GET", "jobs", params={"account": key})
    assert answer.status_code == 200
    return list(answer.json()["jobs"])


async def end(gateway: Gateway, job: str, status: str, **body: Any) -> httpx.Response:
    """End a job by hand."""
    return await gateway.admin("POST", f"jobs/{job}/end", json={"status": status, **body})


async def balance(gateway: Gateway, key: str = KEY) -> float | None:
    """Return the balance of a key in USD; None where it is not limited."""
    answer = await gateway.admin("GET", f"accounts/{key}")
    left: float | None = answer.json()["balance_usd"]
    return left


async def set_account(gateway: Gateway, key: str = KEY, **fields: Any) -> httpx.Response:
    """Change an account, which must succeed."""
    answer = await gateway.admin("PUT", f"accounts/{key}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer


# -- calls byte for byte


class RawAnswer(NamedTuple):
    """One answer of an ASGI app."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


async def call_raw(
    app: ASGIApp,
    method: str,
    target: bytes | str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes | list[bytes] = b"",
    *,
    client: tuple[str, int] | None = ("127.0.0.1", 50_000),
    host: bytes | None = b"gateway.test:8080",
    scheme: str = "http",
    breaks_off: bool = False,
) -> RawAnswer:
    """Call an app with exactly these bytes, as uvicorn hands them on: nothing is cleaned up on the way.

    `target` is a path and a query as they stand on the request line. `breaks_off` lets the connection end
    where more of the body was to come.
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
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
    whole = b"".join(message.get("body", b"") for message in sent[1:])
    assert method == "HEAD" or int(fields["content-length"]) == len(whole)
    return RawAnswer(sent[0]["status"], fields, whole)
