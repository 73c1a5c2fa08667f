"""Jobs: the list of them, one of them, and its end by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from understudy_mock.domain.clock import iso_ms
from understudy_mock.domain.job import Job
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.answers import encode, json_of, stream
from understudy_mock.web.admin.asking import (
    AdminError,
    account_name_in,
    one_of,
    page_size,
    read_body,
    text_in,
)

ENDS = sorted(state.value for state in TERMINAL)


class Jobs:
    """What the admin API says of jobs and does to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def listing(self, request: Request) -> Response:
        """List jobs, newest first."""
        wanted = request.query_params
        limit, cursor = page_size(request), wanted.get("cursor")
        account = account_name_in(self._world, request)
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
        return stream({"jobs": []}, self._describe_all(page), {"next": following})

    async def _describe_all(self, jobs: list[Job]) -> AsyncIterator[bytes]:
        async for job in in_turns(jobs):
            yield encode(await self._describe(job))

    async def one(self, request: Request) -> Response:
        """Show one job."""
        return json_of(await self._describe(await find_job(self._world, request)))

    async def end(self, request: Request) -> Response:
        """End a job now."""
        job = await find_job(self._world, request)
        body = await read_body(request, {"status", "error"})
        state = State(one_of(body, "status", ENDS))
        error = text_in(body, "error")
        if state is not State.COMPLETED and error is None:
            error = "ended by hand"
        try:
            ended = await self._world.end(job, state, None if state is State.COMPLETED else error)
        except ValueError as problem:
            raise AdminError(409, str(problem)) from None
        self._world.journal.mark()
        return json_of(await self._describe(ended))

    async def _describe(self, job: Job) -> dict[str, Any]:
        step = await self._world.step(job)
        return {
            "id": job.id,
            "account": job.account,
            "provider": job.model.provider,
            "model": job.model.id,
            "status": step.state,
            "scenario": job.scenario.name if job.scenario is not None else None,
            "price_usd": usd(job.price),
            "created_at": iso_ms(job.told_at(0)),
            "events": [{"at": iso_ms(job.told_at(event.at)), "event": event.event} for event in job.events()],
            "files": job.media_urls(step),
        }


async def find_job(world: World, request: Request) -> Job:
    """Return the job that the path names. Raises AdminError."""
    job = await world.store.get(request.path_params["job_id"])
    if job is None:
        raise AdminError(404, "there is no such job")
    return job
