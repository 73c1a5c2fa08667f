"""A submit, from the key to the answer. Read this first: everything else serves it.

The order of checks is key, rate and quota, body, webhook, model, balance, at all providers; the route was
found before. Each check raises a `Refusal`, which the web layer has worded.
"""

from __future__ import annotations

from typing import Any

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Stage
from understudy_mock.domain.facts import StillRunning
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model, Operation
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.addresses import rendition_of, urls_of
from understudy_mock.gateway.body import read_submit
from understudy_mock.gateway.journal import cut
from understudy_mock.gateway.keys import authenticate
from understudy_mock.gateway.plan import Submission, plan_job
from understudy_mock.gateway.play import Play, open_play
from understudy_mock.gateway.turns import apart
from understudy_mock.gateway.webhook_urls import read_receiver
from understudy_mock.gateway.world import World

_EARLY = 2.0
"""Real seconds that a submit's answer is held back at most for a callback to come first."""


async def submit(world: World, operation: Operation, call: Call) -> Answer:
    """Accept a job and answer as documented. Raises the Refusal or ForcedAnswer that says why not."""
    model = operation.model
    assert model is not None  # the catalog compiles no submit without one
    account = authenticate(world, operation.credentials, call)
    asked = await apart(len(call.body), read_submit, operation, model, call)
    play = open_play(world, operation, call, account)
    play.intervene(Stage.KEY)
    limit(world, account)
    play.intervene(Stage.LIMIT)
    play.refuse_mistake()
    if asked.refusal is not None:
        raise asked.refusal
    call.warnings.extend(asked.advice)
    play.intervene(Stage.BODY)
    receiver = read_receiver(world, operation, call)
    if receiver is not None and asked.inline:
        raise Refusal(CallError.WEBHOOK_INLINE, Detail(text="A webhook cannot carry the files themselves"))
    allow_model(account, model)
    play.intervene(Stage.MODEL)
    call.price = afford(world, account, model, asked.values)
    play.intervene(Stage.BALANCE)
    play.intervene(Stage.END)
    job = plan_job(world, Submission(operation, model, call, account, asked, play.scenario, receiver))
    if job.waits:
        # What was asked is in the job by now, where it is counted; nothing else holds it for minutes.
        del asked
        call.body = cut(call.body)
    return await accept(world, operation, call, account, job, play)


def limit(world: World, account: Account) -> None:
    """Count the submit in the account's rate window. Raises Refusal when the window is full."""
    if account.window is None:
        return
    now = world.clock.now()
    wait = account.window.enter(now)
    if wait:
        resets_at = now + world.clock.drift() + wait * 1000
        raise Refusal(Condition.RATE_LIMITED, Detail(retry_after=wait, resets_at=resets_at))


def allow_model(account: Account, model: Model) -> None:
    """Refuse a model that the account may not use."""
    if model.id in account.disabled_models:
        raise Refusal(Condition.MODEL_NOT_FOUND, Detail(model=model.id))


def afford(world: World, account: Account, model: Model, values: dict[str, Any]) -> int:
    """Return the price of the job, in micro-USD. Raises Refusal when the wallet cannot pay it."""
    price = model.price.of(values)
    if account.wallet is not None:
        balance = account.wallet.balance(world.clock.now())
        if balance < price:
            raise Refusal(Condition.INSUFFICIENT_BALANCE, Detail(balance=balance, price=price))
    return price


async def accept(
    world: World, operation: Operation, call: Call, account: Account, job: Job, play: Play
) -> Answer:
    """Keep the job and answer; a fault without `accept` answers as if it had been kept."""
    if play.keeps_job:
        if account.wallet is not None:
            account.wallet.hold(job.price, world.clock.now())
            world.accounts.changed(account)
        await world.put(job)
        call.job = job.id
        if job.receiver is not None and play.scenario is not None and play.scenario.webhook.early:
            await world.announcer.first_attempt(job, _EARLY)
    play.count()
    play.intervene_after()
    if not job.waits:
        answer = world.provider(operation.provider).accepted(job)
    elif play.keeps_job:
        answer = await _wait_for(world, operation, call, job)
    else:
        answer = await _finished(world, call, job)
    return play.attach_fault(answer)


async def _wait_for(world: World, operation: Operation, call: Call, job: Job) -> Answer:
    """Answer a synchronous submit when its job has ended, or when it has waited as long as it may."""
    end = job.timeline.end
    if end is not None and end.state is State.COMPLETED:
        # Made while the caller waits anyway.
        await world.files.file(await rendition_of(job, 0), call.is_heard)
    seconds = operation.wait_seconds
    job = await world.ended(job, seconds)
    if seconds is not None and (step := await world.step(job)).state not in TERMINAL:
        return world.provider(operation.provider).answer(StillRunning(job, step, seconds))
    return await _finished(world, call, job)


async def _finished(world: World, call: Call, job: Job) -> Answer:
    step = job.timeline.steps[-1]
    urls = await urls_of(world, job, step, call.is_heard)
    done = step.state is State.COMPLETED
    file = await world.files.file(await rendition_of(job, 0), call.is_heard) if done else b""
    provider, balance = world.provider(job.model.provider), world.balance_of(job)
    size = job.weight + sum(map(len, urls))
    return await apart(size, provider.finished, job, step, urls, file, balance)
