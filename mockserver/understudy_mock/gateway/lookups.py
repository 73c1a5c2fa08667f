"""Calls that an account makes about itself: its jobs, its money, its secret, and what it can run.

None of them changes anything. Each checks the key (see `admit`), gathers facts, and leaves the wording to
the provider.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.domain.facts import Balance, JobPage, Models, Secret
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.body import invalid, read_valid_body
from understudy_mock.gateway.play import admit
from understudy_mock.gateway.turns import apart, in_turns
from understudy_mock.gateway.world import World

_PAGE_SIZE = 20


async def secret(world: World, operation: Operation, call: Call) -> Answer:
    """Answer what signs the caller's callbacks."""
    account = admit(world, operation, call)
    made = webhook_secret(world.settings.seed, account.name)
    return world.provider(operation.provider).answer(Secret(made))


async def balance(world: World, operation: Operation, call: Call) -> Answer:
    """Answer what the caller can spend."""
    account = admit(world, operation, call)
    facts = Balance(account.balance(world.clock.now()), operation.alias)
    return world.provider(operation.provider).answer(facts)


async def models(world: World, operation: Operation, call: Call) -> Answer:
    """List what the caller can run."""
    account = admit(world, operation, call)
    priced = [
        (model, model.price.of(model.defaults))
        for model in world.catalog.models
        if model.provider == operation.provider and model.id not in account.disabled_models
    ]
    return world.provider(operation.provider).answer(Models(priced))


async def listing(world: World, operation: Operation, call: Call) -> Answer:
    """List the caller's jobs, newest first.

    The body may hold `page` (from 1), `page_size`, `model`, `status`, `created_after` and `created_before`.
    """
    account = admit(world, operation, call)
    asked = await apart(len(call.body), read_valid_body, operation, call)
    after, before = (_instant(asked, name) for name in ("created_after", "created_before"))
    provider = world.provider(operation.provider)
    model, status = asked.get("model"), asked.get("status")
    jobs = []
    async for job in in_turns(world.store.of_account(account.name)):
        if job.model.provider != operation.provider:
            continue
        if model is not None and job.model.id != model:
            continue
        created = job.told_at(0)
        if (after is not None and created < after) or (before is not None and created > before):
            continue
        if status is None or provider.called(job, await world.step(job)) == status:
            jobs.append(job)
    page, size = int(asked.get("page") or 1), int(asked.get("page_size") or _PAGE_SIZE)
    first = (page - 1) * size
    steps = [(job, await world.step(job)) for job in jobs[first : first + size]]
    items = [(job, step, job.media_urls(step)) for job, step in steps]
    return provider.answer(JobPage(page, len(jobs), items))


def _instant(asked: dict[str, Any], name: str) -> int | None:
    """Read an instant of the body, in ms since the epoch; one without a zone is UTC."""
    text = asked.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise invalid(name, "is not an ISO 8601 date and time") from None
