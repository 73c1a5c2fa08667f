"""Callbacks: what was sent and what is planned, sent again, and one of a job that was made up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.domain.clock import iso_ms
from understudy_mock.domain.conditions import Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.made_up import make_up
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.webhook_urls import problem_of, receiver_at
from understudy_mock.gateway.world import World
from understudy_mock.redaction import Redactor
from understudy_mock.web.admin.answers import encode, json_of, stream
from understudy_mock.web.admin.asking import (
    LARGEST_PAGE,
    AdminError,
    account_of,
    one_of,
    page_size,
    read_body,
    refuse_in_a_replay,
    text_in,
)
from understudy_mock.web.admin.jobs import ENDS
from understudy_mock.webhooks import Delivery, DeliveryState, Sender

_FAILED = (DeliveryState.GIVEN_UP, DeliveryState.PAUSED, DeliveryState.REFUSED)
"""What became of deliveries that did not arrive."""

_NOBODY = "nobody"
"""The key whose account a made-up job belongs to, where there was no call yet."""


class Webhooks:
    """What the admin API says of callbacks and does to them."""

    def __init__(self, world: World, sender: Sender) -> None:
        self._world = world
        self._sender = sender

    async def listing(self, request: Request) -> Response:
        """List deliveries: those in the log, oldest first, then the next planned one of each job."""
        wanted = request.query_params
        limit = page_size(request, LARGEST_PAGE)
        job, state, since = wanted.get("job"), wanted.get("state"), wanted.get("since")
        if state not in (None, *DeliveryState):
            raise AdminError(400, f"must be one of {', '.join(DeliveryState)}", "state")
        page: list[Delivery] = []
        following = None
        begun = since is None
        async for delivery in in_turns(self._all()):
            begun = begun or delivery.id == since
            if not begun or job not in (None, delivery.job.id) or state not in (None, delivery.state):
                continue
            if len(page) == limit:
                following = delivery.id
                break
            page.append(delivery)
        if not begun:
            raise AdminError(400, "the delivery that it names is not kept any more", "since")

        async def parts() -> AsyncIterator[bytes]:
            async for delivery in in_turns(page):
                yield encode(self._describe(delivery))

        return stream({"deliveries": []}, parts(), {"next": following})

    def _all(self) -> Iterator[Delivery]:
        return chain(self._sender.log, self._sender.upcoming())

    async def redeliver(self, request: Request) -> Response:
        """Send a delivery again, now."""
        delivery = self._sender.log.get(request.path_params["delivery_id"])
        if delivery is None:
            raise AdminError(404, "there is no such delivery, or it is not due yet")
        await self._sender.redeliver(delivery)
        return json_of(self._describe(delivery))

    async def redeliver_all(self, request: Request) -> Response:
        """Send again, now, what did not arrive."""
        body = await read_body(request, {"state", "url"})
        known = sorted({*DeliveryState} - {DeliveryState.PLANNED})
        states = {one_of(body, "state", known)} if body.get("state") is not None else set(_FAILED)
        url = text_in(body, "url")
        if self._sender.sends_again:
            raise AdminError(409, "the deliveries of the last call are still being sent")
        found = [
            delivery
            async for delivery in in_turns(self._sender.log)
            if delivery.state in states and url in (None, delivery.url)
        ]
        self._sender.redeliver_all(found)
        return json_of({"deliveries": len(found)})

    async def trigger(self, request: Request) -> Response:
        """Send the callback of a job that was made up."""
        world = self._world
        body = await read_body(request, {"provider", "model", "end", "url", "account", "error"})
        refuse_in_a_replay(world, "")
        operation = self._operation(text_in(body, "provider"), text_in(body, "model"))
        url = text_in(body, "url") or ""
        origin = (world.settings.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")
        if problem := problem_of(world, url, origin, allow_http=True):
            raise AdminError(400, problem, "/url")
        end = State(one_of({"end": "COMPLETED", **body}, "end", ENDS))
        error = text_in(body, "error")
        # The client of the account that called last knows the secret that signs the callback.
        key = text_in(body, "account") or next(world.accounts.latest_keys(), _NOBODY)
        account = account_of(world, key, world.accounts.of)
        reason = None if end is State.COMPLETED else error or "made up by hand"
        try:
            job = make_up(world, operation, account, receiver_at(url, origin), origin, end, reason)
        except Refusal:
            raise AdminError(409, "the documented example of this model is not valid", "/model") from None
        await world.put(job)
        planned = self._sender.find(f"{job.id}.end")
        assert planned is not None  # a job with an end and a receiver has this callback
        return json_of(self._describe(planned))

    def _operation(self, provider: str | None, model: str | None) -> Operation:
        """Return the submit of a model, which must know callbacks. Raises AdminError."""
        catalog = self._world.catalog
        if provider is not None and provider not in catalog.providers:
            raise AdminError(400, f"unknown; known are {', '.join(catalog.providers)}", "/provider")
        submits = [
            one
            for one in catalog.operations
            if one.role == "submit" and not one.alias and provider in (None, one.provider) and one.model
        ]
        with_callbacks = [one for one in submits if one.webhook_header or one.webhook_query]
        found = next((one for one in with_callbacks if one.model and one.model.id == model), None)
        if found is None:
            known = ", ".join(sorted({one.model.id for one in with_callbacks if one.model})) or "none"
            raise AdminError(400, f"must be a model with callbacks; these are {known}", "/model")
        return found

    def _describe(self, delivery: Delivery) -> dict[str, Any]:
        account = self._world.accounts.named(delivery.job.account)
        clean = Redactor([account.key] if account is not None else [])
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
                    "call": attempt.call or None,
                }
                for attempt in delivery.attempts
            ],
        }
