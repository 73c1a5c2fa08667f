"""Calls about a job that is there already: polls, results and downloads. They decide nothing."""

from __future__ import annotations

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import Condition, Detail, Refusal
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Entry, met
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.addresses import rendition_of, urls_of
from understudy_mock.gateway.body import read_valid_body
from understudy_mock.gateway.keys import authenticate
from understudy_mock.gateway.play import ForcedAnswer, hold, prefer
from understudy_mock.gateway.turns import apart
from understudy_mock.gateway.world import World


async def status(world: World, operation: Operation, call: Call) -> Answer:
    """Answer a poll or a result call. Raises the Refusal or ForcedAnswer that says why not."""
    account = authenticate(world, operation.credentials, call)
    prefer(world, operation, call)
    job = await _find(world, operation, call, account)
    entry = await meet(world, job, "poll") if job.scenario is not None else None
    if entry is not None and entry.fault is None:
        raise ForcedAnswer(entry)
    answer = await _answer(world, operation, call, job)
    answer.fault = entry
    if entry is None and job.by_polls:
        await world.polled(job)
    return answer


async def fetch(world: World, job_id: str, name: str, call: Call) -> tuple[Job, int, Entry | None]:
    """Return the job that made the file `name`, the file's number, and the fault it is sent with.

    A download needs no key. Raises Refusal when there is no such file (yet), or ForcedAnswer.
    """
    job = await world.store.get(job_id)
    if job is None:
        raise Refusal(Condition.NOT_FOUND)
    call.job, call.account = job.id, job.account
    if (owner := world.accounts.named(job.account)) is not None:
        call.quirks = owner.quirks
    if job.scenario is not None:
        call.under(job.scenario)
    index = next((index for index in range(job.outputs) if job.file_name(index) == name), None)
    if index is None or (await world.step(job)).state is not State.COMPLETED:
        raise Refusal(Condition.NOT_FOUND)
    # Looking whether a file is there downloads nothing.
    entry = await meet(world, job, "media") if call.method != "HEAD" else None
    if entry is not None and entry.fault is None:
        raise ForcedAnswer(entry)
    return job, index, entry


async def meet(world: World, job: Job, surface: str) -> Entry | None:
    """Return the entry that a call to this surface of the job meets, and count the call."""
    scenario = job.scenario
    if scenario is None:
        return None
    entries = scenario.poll if surface == "poll" else scenario.media
    if not entries:
        return None
    entry = met(entries, await world.store.count(job.id, surface))
    await world.store.counted(job.id, surface)
    return entry


async def _find(world: World, operation: Operation, call: Call, account: Account) -> Job:
    job_id = call.params.get(operation.job)
    if job_id is None:
        body = await apart(len(call.body), read_valid_body, operation, call)
        job_id = body[operation.job]
    job = await world.visible_job(job_id, account.name)
    if (
        job is None
        or job.model.provider != operation.provider
        or (operation.model is not None and job.model is not operation.model)
    ):
        hold(world, operation, call, account)  # a forced refusal of the key comes before anything else
        raise Refusal(Condition.NOT_FOUND, Detail(job=job_id))
    call.job = job.id
    if job.scenario is not None:
        call.under(job.scenario)
    return job


async def _answer(world: World, operation: Operation, call: Call, job: Job) -> Answer:
    provider = world.provider(operation.provider)
    step = await world.step(job)
    is_done = step.state is State.COMPLETED
    urls = await urls_of(world, job, step, call.is_heard) if is_done else []
    if operation.role == "status":
        return provider.status(job, step, urls)
    file = await world.files.file(await rendition_of(job, 0), call.is_heard) if is_done else b""
    return provider.result(job, step, urls, len(file), world.balance_of(job))
