"""Callbacks through a recorder: received in the client's place, passed on to the client, and written down."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import httpcore
import msgspec
from starlette.types import Receive, Scope

from understudy_mock.domain.call import Answer, Headers
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.recognise import is_this_machine
from understudy_mock.har.recording import INLINE
from understudy_mock.record.passing import HOP_BY_HOP, header_value, parts_of, worded
from understudy_mock.record.upstream import Target, Upstreams
from understudy_mock.record.writer import Writer
from understudy_mock.web.faults.wire import Wire
from understudy_mock.webhooks.post import Forbidden, Poster

CALLBACK = "/_callback/"
"""Under this path the recorder receives callbacks: a name that cannot be guessed follows."""

_MOST = 100_000
"""Callbacks that are waited for; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the client itself wants to be called back, and the call that asked for it."""

    url: str
    target: Target


class _Reply(NamedTuple):
    """What the client answered; `status` is 0 and `error` says why where it did not."""

    status: int
    headers: Headers
    body: bytes
    error: str = ""


class Callbacks:
    """The callbacks that clients have asked for. `url` is where a provider can reach this recorder.

    Without `url` only upstreams on this machine can call back here, at `own_url`.
    """

    def __init__(
        self,
        writer: Writer,
        upstreams: Upstreams,
        poster: Poster,
        *,
        url: str | None,
        allow_http: bool,
        tell: Callable[[str], None],
    ) -> None:
        self.own_url = ""
        self._writer = writer
        self._upstreams = upstreams
        self._poster = poster
        self._url = url
        self._allow_http = allow_http
        self._tell = tell
        self._asked: dict[str, Callback] = {}
        self._has_warned = False

    def redirect(self, operation: Operation | None, target: Target, headers: Headers) -> tuple[str, Headers]:
        """Put the recorder's own address in the place of the one that the client wants to be called at.

        Returns the address of the call and its headers as they go upstream.
        """
        url = target.url
        if operation is None or not (operation.webhook_header or operation.webhook_query):
            return url, headers
        if operation.webhook_header:
            wanted = header_value(headers, b"x-webhook-url").decode("latin-1").strip()
        else:
            query = url.partition("?")[2]
            wanted = next((v for n, v in parse_qsl(query) if n == operation.webhook_query), "")
        own = self._own(target, wanted) if wanted else None
        if own is None:
            return url, headers
        if operation.webhook_header:
            return url, [(n, own.encode() if n == b"x-webhook-url" else v) for n, v in headers]
        before, _, query = url.partition("?")
        kept = re.sub(rf"(^|&){re.escape(operation.webhook_query)}=[^&]*", "", query)
        others = f"{kept.lstrip('&')}&" if kept.lstrip("&") else ""
        return f"{before}?{others}{operation.webhook_query}={quote(own, safe='')}", headers

    def _own(self, target: Target, wanted: str) -> str | None:
        """Return an address of the recorder's; None where the client's own address must stay."""
        upstream = urlsplit(target.url).hostname or ""
        base = self._url
        if base is None and is_this_machine(upstream):
            base = self.own_url
        if base is None or (wanted.startswith("http://") and not self._allow_http):
            if not self._has_warned:
                self._has_warned = True
                why = "--callback-url says where this recorder can be reached from outside"
                if base is not None:
                    why = "--allow-http-webhooks lets http:// addresses be called back through it"
                self._tell(f"warning: callbacks go past the recorder and are not recorded; {why}")
            return None
        name = secrets.token_urlsafe(18)
        self._asked[name] = Callback(wanted, target)
        if len(self._asked) > _MOST:
            del self._asked[next(iter(self._asked))]
        return f"{base.rstrip('/')}{CALLBACK}{name}"

    async def receive(self, scope: Scope, receive: Receive, wire: Wire) -> None:
        """Receive a callback, pass it on, write both down, and give its sender what the client answered."""
        at, began = wire.clock.wall(), perf_counter()
        callback = self._asked.get(scope["path"].removeprefix(CALLBACK))
        if callback is None:
            await wire.send(Answer(404, b"", []))
            return
        body = await _whole_body(receive)
        if body is None:
            await wire.send(Answer(413, b"", []))
            return
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        reply = await self._pass_on(callback, headers, body)
        entry = JournalEntry(
            kind="delivery",
            at=at,
            duration=(perf_counter() - began) * 1000,
            provider=callback.target.provider,
            operation="webhook",
            method="POST",
            url=callback.url,
            http_version=scope["http_version"],
            request_headers=headers,
            status=reply.status,
            response_headers=reply.headers,
            fault="reset" if not reply.status else "",
            error=reply.error,
        )
        await self._writer.apart(len(body) + len(reply.body), self._write, entry, body, reply.body)
        if reply.error:
            self._tell(f"a callback could not be passed on: {reply.error}")
        drop = HOP_BY_HOP | {b"date", b"content-length"}
        passed = [pair for pair in reply.headers if pair[0] not in drop]
        await wire.send(Answer(reply.status or 502, reply.body, passed if reply.status else []))

    def _write(self, entry: JournalEntry, body: bytes, reply: bytes) -> None:
        sent, answer = self._writer.body(entry.request_headers), self._writer.body(entry.response_headers)
        for recorded, whole in ((sent, body), (answer, reply)):
            recorded.add(whole)
            recorded.end()
        complete = msgspec.structs.replace(
            entry,
            request_body=sent.text,
            request_size=sent.size,
            response_body=answer.text,
            response_size=answer.size,
        )
        self._writer.write(complete, sent, answer)

    async def _pass_on(self, callback: Callback, headers: Headers, body: bytes) -> _Reply:
        """Post a callback to the client."""
        headers_on = [pair for pair in headers if pair[0] not in HOP_BY_HOP | {b"host", b"content-length"}]
        provider = callback.target.provider
        wording = self._writer.recogniser.wordings.get(provider)
        if wording is None or not wording.is_signed(dict(headers)):  # a signature holds for the very bytes
            await self._writer.apart(len(body), self._upstreams.learn, provider, body)
            body = await self._writer.apart(len(body), self._upstreams.lead_back, body, callback.target)
        try:
            status, answer_headers, answer = await self._poster.post(callback.url, headers_on, body)
        except Forbidden as refused:
            return _Reply(0, [], b"", str(refused))
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as problem:
            return _Reply(0, [], b"", worded(problem))
        return _Reply(status, [(name.lower(), value) for name, value in answer_headers], answer)


async def _whole_body(receive: Receive) -> bytes | None:
    """Return a request's body; None for one that is too large."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    body = bytearray()
    async for part in parts_of(receive, gone):
        body += part
        if len(body) > INLINE:
            return None
    return bytes(body)
