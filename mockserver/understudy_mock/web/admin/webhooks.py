"""Callbacks: what was sent and what is planned, sent again, and one of a job that was made up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.domain.clock import iso_ms
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.redaction import Redactor
from understudy_mock.web.admin.answers import encode, json_of, stream
from understudy_mock.web.admin.asking import LARGEST_PAGE, AdminError, page_size
from understudy_mock.webhooks import Delivery, DeliveryState, Sender


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
