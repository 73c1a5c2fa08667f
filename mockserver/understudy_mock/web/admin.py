"""The admin API below `/_mock/`: look into the gateway and change what it does, in JSON.

For loopback peers only, unless an admin token is set; then for whoever shows it.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from understudy_mock.catalog.notation import escape
from understudy_mock.domain.clock import ManualClock, iso_ms
from understudy_mock.domain.job import Job
from understudy_mock.domain.limits import Limit
from understudy_mock.domain.money import usd
from understudy_mock.domain.quirks import QUIRKS
from understudy_mock.domain.scenario import ScenarioError, read_scenario, write_scenario
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.redaction import Redactor
from understudy_mock.version import __version__
from understudy_mock.webhooks import Delivery, Sender

_encode = msgspec.json.encode

HarWriter = Callable[[Iterable[JournalEntry]], tuple[dict[str, Any], Iterator[dict[str, Any]]]]
"""Writes a HAR document that has no entries yet, and its entries one by one."""

_PAGE = 100
_LARGEST_PAGE = 10_000
_MOST_BYTES = 1024 * 1024
"""Bytes of a body; the largest is a scenario."""

_LONGEST_QUERY = 8192
_PIECE = 64 * 1024
"""Bytes of a long answer that are sent at a time."""

_DIGITS = 18
"""More of them are no number that could be meant."""


_FOREIGN_PAGE = "the admin API does not answer pages of another origin"


class AdminError(Exception):
    """A request that the admin API refuses, with a JSON pointer into its body or a parameter's name."""

    def __init__(self, status: int, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.pointer = pointer


def make_admin(world: World, sender: Sender, write_har: HarWriter) -> ASGIApp:
    """Make the admin app of one world. `write_har` renders journal entries, with their secrets removed."""
    admin = _Admin(world, sender, write_har)
    routes = [
        Route("/_mock/health", admin.health),
        Route("/_mock/jobs", admin.jobs),
        Route("/_mock/jobs/{job_id:path}/end", admin.end_job, methods=["POST"]),
        Route("/_mock/jobs/{job_id:path}", admin.job),
        Route("/_mock/webhooks", admin.webhooks),
        Route("/_mock/webhooks/{delivery_id:path}/redeliver", admin.redeliver, methods=["POST"]),
        Route("/_mock/journal", admin.journal),
        Route("/_mock/journal.har", admin.journal_har),
        Route("/_mock/accounts/{account:path}", admin.account, methods=["GET", "PUT"]),
        Route("/_mock/scenario", admin.scenario, methods=["GET", "PUT"]),
        Route("/_mock/scenarios", admin.scenarios),
        Route("/_mock/reset", admin.reset, methods=["POST"]),
        Route("/_mock/clock", admin.clock),
        Route("/_mock/clock/advance", admin.advance, methods=["POST"]),
        Route("/_mock/openapi/{provider}.json", admin.openapi),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={AdminError: _render_error, HTTPException: _render_http_error},
    )
    app.router.redirect_slashes = False
    return _Guard(app, world.settings.admin_token)


class _Guard:
    """Let in loopback peers, or those with the token; never a page from somewhere else."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is None and len(scope["query_string"]) > _LONGEST_QUERY:
            message = f"the query is longer than {_LONGEST_QUERY:,} bytes"
            await _json({"error": message, "pointer": ""}, 414)(scope, receive, send)
        elif refusal is None:
            await self._app(scope, receive, send)
        else:
            await _json({"error": refusal, "pointer": ""}, 403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin")
        if origin is not None and _netloc(origin.decode("latin-1")) != host:
            return _FOREIGN_PAGE
        if not _asked_by_a_person(scope["method"], headers):
            return _FOREIGN_PAGE
        if self._token is not None:
            shown = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
            if hmac.compare_digest(shown, self._token.encode()):
                return None
            return "show the admin token: Authorization: Bearer TOKEN"
        peer = (scope.get("client") or ("127.0.0.1", 0))[0]
        here = (scope.get("server") or ("127.0.0.1", 0))[0]
        # A page can point a name of its own to this machine (DNS rebinding); the name in Host shows that.
        if not (_is_loopback(peer) or peer == here) or not _is_local_name(host, here):
            return "the admin API is for this machine only; start with --admin-token to reach it from others"
        return None


def _asked_by_a_person(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether no foreign page asks on its own, as far as the browser says so (Fetch Metadata).

    A link on a page of another origin may lead here: the person then sees the answer, and the page does not.
    The page may not load it as an image, a script or a frame. Another port of this machine is another origin.
    """
    if headers.get(b"sec-fetch-site", b"none") in (b"same-origin", b"none"):
        return True
    return (
        method == "GET"
        and headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )


def _netloc(url: str) -> str | None:
    """Return host and port of an address; None for what is no address."""
    try:
        return urlsplit(url).netloc or None
    except ValueError:
        return None


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address in ("", "localhost", "testclient")


def _is_local_name(host: str, here: str) -> bool:
    """Return whether `host`, with or without a port, names this machine, which was called at `here`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    # Nobody can register a name below localhost (RFC 6761, section 6.3).
    return _is_loopback(name) or name == here or name.endswith(".localhost")


class _Admin:
    def __init__(self, world: World, sender: Sender, write_har: HarWriter) -> None:
        self._world = world
        self._sender = sender
        self._write_har = write_har

    async def health(self, request: Request) -> Response:
        world, settings = self._world, self._world.settings
        return _json(
            {
                "name": "understudy",
                "version": __version__,
                "providers": len(world.catalog.providers),
                "models": len(world.catalog.models),
                "operations": sum(not operation.alias for operation in world.catalog.operations),
                "seed": settings.seed,
                "pace": settings.pace,
                "speed": settings.speed,
            }
        )

    # -- jobs

    async def jobs(self, request: Request) -> Response:
        wanted = request.query_params
        limit, cursor = _limit(request), wanted.get("cursor")
        account = self._account_name(wanted.get("account"))
        if wanted.get("status") not in (None, *State):
            raise AdminError(400, f"must be one of {', '.join(State)}", "status")
        provider, status = wanted.get("provider"), wanted.get("status")
        store = self._world.store
        page: list[Job] = []
        following = None
        started = cursor is None
        async for job in in_turns(store if account is None else store.of_account(account)):
            if not started:
                started = job.id == cursor
                continue
            if provider not in (None, job.model.provider):
                continue
            if status is not None and (await self._world.step(job)).state != status:
                continue
            if len(page) == limit:
                following = page[-1].id
                break
            page.append(job)
        if not started:
            raise AdminError(400, "the job that the cursor names is not kept any more", "cursor")
        parts = self._describe_all(page)
        return _stream({"jobs": []}, parts, {"next": following})

    async def _describe_all(self, jobs: list[Job]) -> AsyncIterator[bytes]:
        async for job in in_turns(jobs):
            yield _encode(await self._describe_job(job))

    async def job(self, request: Request) -> Response:
        return _json(await self._describe_job(await self._find(request)))

    async def end_job(self, request: Request) -> Response:
        job = await self._find(request)
        body = await _body(request)
        _only(body, {"status", "error"})
        ends = [state.value for state in TERMINAL]
        if body.get("status") not in ends:
            raise AdminError(400, f"must be one of {', '.join(sorted(ends))}", "/status")
        error = body.get("error")
        if error is not None and not isinstance(error, str):
            raise AdminError(400, "must be a text", "/error")
        state = State(body["status"])
        if state is not State.COMPLETED and error is None:
            error = "ended by hand"
        try:
            ended = await self._world.end(job, state, None if state is State.COMPLETED else error)
        except ValueError as problem:
            raise AdminError(409, str(problem)) from None
        return _json(await self._describe_job(ended))

    async def _find(self, request: Request) -> Job:
        job = await self._world.store.get(request.path_params["job_id"])
        if job is None:
            raise AdminError(404, "there is no such job")
        return job

    async def _describe_job(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "account": job.account,
            "provider": job.model.provider,
            "model": job.model.id,
            "status": (await self._world.step(job)).state,
            "scenario": job.scenario.name if job.scenario is not None else None,
            "price_usd": usd(job.price),
            "created_at": iso_ms(job.told_at(0)),
            "events": [{"at": iso_ms(job.told_at(event.at)), "event": event.event} for event in job.events()],
        }

    # -- webhooks

    async def webhooks(self, request: Request) -> Response:
        wanted = request.query_params.get("job")

        async def parts() -> AsyncIterator[bytes]:
            for deliveries in (self._sender.log, self._sender.upcoming()):
                async for delivery in in_turns(deliveries):
                    if wanted in (None, delivery.job.id):
                        yield _encode(self._describe_delivery(delivery))

        return _stream({"deliveries": []}, parts())

    async def redeliver(self, request: Request) -> Response:
        delivery = self._sender.log.get(request.path_params["delivery_id"])
        if delivery is None:
            raise AdminError(404, "there is no such delivery, or it is not due yet")
        await self._sender.redeliver(delivery)
        return _json(self._describe_delivery(delivery))

    def _describe_delivery(self, delivery: Delivery) -> dict[str, Any]:
        account = self._world.accounts.named(delivery.job.account)
        return _describe_delivery(delivery, Redactor([account.key] if account is not None else []))

    # -- journal

    async def journal(self, request: Request) -> Response:
        limit = _limit(request)
        entries = await self._entries(request)
        page = entries[:limit]
        following = page[-1].number + 1 if len(entries) > limit else None
        _, made = self._write_har(page)

        async def parts() -> AsyncIterator[bytes]:
            async for entry, written in in_turns(zip(page, made, strict=True)):
                yield _encode({"id": entry.number, **written})

        return _stream({"entries": []}, parts(), {"next": following})

    async def journal_har(self, request: Request) -> Response:
        document, made = self._write_har(await self._entries(request))

        async def parts() -> AsyncIterator[bytes]:
            async for written in in_turns(made):
                yield _encode(written)

        return _stream(document, parts())

    async def _entries(self, request: Request) -> list[JournalEntry]:
        wanted = request.query_params
        account = self._account_name(wanted.get("account"))
        since = wanted.get("since", "0")
        if not since.isdecimal() or len(since) > _DIGITS:
            raise AdminError(400, "must be the id of an entry", "since")
        operation = wanted.get("operation")
        return [
            entry
            async for entry in in_turns(self._world.journal.since(int(since)))
            if account in (None, entry.account) and operation in (None, entry.operation)
        ]

    # -- accounts and scenario

    async def account(self, request: Request) -> Response:
        name = request.path_params["account"]
        if request.method == "PUT":
            account = self._account(name, self._world.accounts.of)
            self._change(account, await _body(request))
        else:
            account = self._account(name, self._world.accounts.peek)
        return _json(self._describe_account(account))

    def _change(self, account: Account, body: dict[str, Any]) -> None:
        """Check every field first, so that a refused change changes nothing."""
        _only(body, {"balance_usd", "rate_limit", "scenario", "disabled_models", "quirks"})
        if body:
            self._refuse_in_a_replay("/" + next(iter(body)))
        balance, rate = body.get("balance_usd"), body.get("rate_limit")
        if balance is not None and (isinstance(balance, bool) or not isinstance(balance, int | float)):
            raise AdminError(400, "must be a number or null", "/balance_usd")
        if balance is not None and not 0 <= balance <= 1e9:
            raise AdminError(400, "must be between 0 and 1e9", "/balance_usd")
        if rate is not None:
            try:
                Limit.parse(str(rate))
            except ValueError as error:
                raise AdminError(400, str(error), "/rate_limit") from None
        models = _names(body, "disabled_models", {model.id for model in self._world.catalog.models})
        quirks = _names(body, "quirks", set(QUIRKS))
        scenario = self._scenario(body["scenario"], "/scenario") if body.get("scenario") else None
        account.is_set_up = account.is_set_up or bool(body)
        if "balance_usd" in body:
            account.fund(balance)
        if "rate_limit" in body:
            account.limit(None if rate is None else str(rate))
        if "scenario" in body:
            account.scenario = scenario
        if "disabled_models" in body:
            account.disabled_models = models
        if "quirks" in body:
            account.quirks = quirks

    def _refuse_in_a_replay(self, pointer: str) -> None:
        if self._world.is_recorded:
            raise AdminError(409, "a replay takes its course from the recording", pointer)

    def _describe_account(self, account: Account) -> dict[str, Any]:
        balance = account.wallet.balance(self._world.clock.now()) if account.wallet is not None else None
        return {
            "account": account.name,
            "balance_usd": usd(balance) if balance is not None else None,
            "rate_limit": str(account.window.limit) if account.window is not None else None,
            "scenario": account.scenario.name if account.scenario is not None else None,
            "disabled_models": sorted(account.disabled_models),
            "quirks": sorted(account.quirks),
        }

    def _account(self, text: str, find: Callable[[str], Account]) -> Account:
        named = self._world.accounts.named(text) if text.startswith("acct_") else None
        if named is not None:
            return named
        if text.startswith("acct_"):
            raise AdminError(404, "no account has this name; one appears with its first call")
        return find(text)

    def _account_name(self, text: str | None) -> str | None:
        if text is None or text.startswith("acct_"):
            return text
        return self._world.accounts.peek(text).name

    async def scenario(self, request: Request) -> Response:
        if request.method == "PUT":
            body = await _body(request)
            self._refuse_in_a_replay("")
            self._world.scenario = self._scenario(body, "")
            if self._world.scenario is not None:
                self._world.learn(self._world.scenario)
        scenario = self._world.scenario
        return _json(write_scenario(scenario) if scenario is not None else {"name": None})

    def _scenario(self, wanted: Any, pointer: str) -> Any:
        if isinstance(wanted, dict) and set(wanted) <= {"name"}:
            wanted = wanted.get("name")
        if wanted is None:
            return None
        if isinstance(wanted, dict):
            try:
                scenario = read_scenario(wanted)
            except ScenarioError as error:
                raise AdminError(400, error.message, pointer + error.pointer) from None
            models = {model.id for model in self._world.catalog.models}
            for index, model in enumerate(scenario.account.disabled_models):
                if model not in models:
                    place = f"{pointer}/account/disabled_models/{index}"
                    raise AdminError(400, f"unknown; known are {', '.join(sorted(models))}", place)
            return scenario
        found = self._world.scenarios.get(str(wanted))
        if found is None:
            known = ", ".join(sorted(self._world.scenarios)) or "none"
            raise AdminError(
                400, f"unknown scenario {str(wanted)[:64]!r}; known are {known}", pointer or "/name"
            )
        return found

    async def scenarios(self, request: Request) -> Response:
        known = sorted(self._world.scenarios.values(), key=lambda scenario: scenario.name)
        return _json({"scenarios": [write_scenario(scenario) for scenario in known]})

    # -- the world

    async def reset(self, request: Request) -> Response:
        account = self._account_name(request.query_params.get("account"))
        return _json({"jobs": await self._world.reset(account)})

    async def clock(self, request: Request) -> Response:
        now, settings = self._world.clock.now(), self._world.settings
        return _json({"now": iso_ms(now), "pace": settings.pace, "speed": settings.speed})

    async def advance(self, request: Request) -> Response:
        body = await _body(request)
        _only(body, {"seconds"})
        seconds = body.get("seconds")
        clock = self._world.clock
        if not isinstance(clock, ManualClock):
            raise AdminError(409, "time moves by itself; start with --pace manual to move it by hand")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 1e9:
            raise AdminError(400, "must be a number of seconds, at least 0 and at most 1e9", "/seconds")
        try:
            now = clock.advance(seconds)
        except ValueError as error:
            raise AdminError(400, str(error), "/seconds") from None
        return _json({"now": iso_ms(now), "pace": "manual", "speed": self._world.settings.speed})

    async def openapi(self, request: Request) -> Response:
        document = self._world.catalog.documents.get(request.path_params["provider"])
        if document is None:
            known = ", ".join(self._world.catalog.providers)
            raise AdminError(404, f"there is no such provider; known are {known}")
        return _json(document)


def _describe_delivery(delivery: Delivery, clean: Redactor) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "job_id": delivery.job.id,
        "url": clean.suspicious_url(delivery.url),
        "event": delivery.callback.event,
        "due_at": iso_ms(delivery.due),
        "state": delivery.state,
        "attempts": [
            {
                "at": iso_ms(attempt.at),
                "status": attempt.status,
                "latency_ms": round(attempt.latency, 3),
                "error": clean.text(attempt.error) or None,
            }
            for attempt in delivery.attempts
        ],
    }


async def _body(request: Request) -> dict[str, Any]:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BYTES:
            raise AdminError(413, f"the body is too large: at most {_MOST_BYTES:,} bytes")
    try:
        body = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise AdminError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise AdminError(400, "the body is not a JSON object")
    return body


def _only(body: dict[str, Any], known: set[str]) -> None:
    for name in body:
        if name not in known:
            raise AdminError(400, f"unknown field; known are {', '.join(sorted(known))}", f"/{escape(name)}")


def _names(body: dict[str, Any], field: str, known: set[str]) -> frozenset[str]:
    given = body.get(field) or []
    if not isinstance(given, list):
        raise AdminError(400, "must be a list", f"/{field}")
    for index, name in enumerate(given):
        if not isinstance(name, str) or name not in known:
            raise AdminError(400, f"unknown; known are {', '.join(sorted(known))}", f"/{field}/{index}")
    return frozenset(given)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_PAGE))
    if not text.isdecimal() or len(text) > _DIGITS or not 1 <= int(text) <= _LARGEST_PAGE:
        raise AdminError(400, f"must be between 1 and {_LARGEST_PAGE}", "limit")
    return int(text)


def _json(value: Any, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json")


def _stream(
    around: dict[str, Any], parts: AsyncIterator[bytes], after: Mapping[str, Any] | None = None
) -> Response:
    """Answer JSON whose only, or last, empty list is filled with `parts` as they are made.

    What is `after` them stands in the same object.
    """
    head, _, tail = _encode(around).rpartition(b"[]")
    if after:
        tail = b"," + _encode(after)[1:]

    async def whole() -> AsyncIterator[bytes]:
        piece = head + b"["
        comma = b""
        async for part in parts:
            piece += comma + part
            comma = b","
            if len(piece) > _PIECE:
                yield piece
                piece = b""
        yield piece + b"]" + tail

    return StreamingResponse(whole(), media_type="application/json")


async def _render_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AdminError)  # registered for it alone
    return _json({"error": error.message, "pointer": error.pointer}, error.status)


async def _render_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # registered for it alone
    return _json({"error": error.detail, "pointer": ""}, error.status_code)
