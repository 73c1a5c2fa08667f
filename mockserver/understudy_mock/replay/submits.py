"""A submit: each one with a recorded body gets the next job recorded for it, and then the last one again."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import Refusal
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.rendition import Rendition
from understudy_mock.domain.timeline import Step, Timeline
from understudy_mock.domain.webhook import Receiver
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.webhook_urls import asked_address, read_receiver
from understudy_mock.har.recognise import is_this_machine
from understudy_mock.replay.files import read_beside
from understudy_mock.replay.jobs import canonical
from understudy_mock.replay.miss import explain, without_keys
from understudy_mock.replay.names import ReplayedJob
from understudy_mock.replay.recorded import RecordedJob
from understudy_mock.replay.scenario import scenario_of
from understudy_mock.replay.wording import documented_answer, recorded_answer, translation
from understudy_mock.replay.world import ReplayWorld
from understudy_mock.web.routes import Found

_EARLY = 2.0
"""Real seconds that the answer waits for a callback that came before it when it was recorded."""


async def submit(
    world: ReplayWorld, operation: Operation, found: Found, call: Call, account: Account
) -> Answer:
    """Answer a submit as it was recorded, and begin the life of its job."""
    body, decoded = canonical(world.jobs.with_recorded_names(call.body), world.hosts(call))
    name = world.recorded.call_name(operation)
    candidates = world.recorded.by_body.get((name, body))
    if candidates is None:
        return world.miss(
            found, call, explain(world.recorded, operation, call, decoded, body, found.provider)
        )
    nth = account.nth(hash((name, body)))
    recorded = candidates[min(nth, len(candidates) - 1)]
    world.used.add(recorded.number)
    if not recorded.id:  # a refusal is played whatever is asked for with it
        if not recorded.is_synchronous:
            await world.take_as_long(recorded.submit)
        return recorded_answer(world, recorded.submit, call, account.name)
    try:
        receiver = read_receiver(world, operation, call, allow_http=_may_be_http(recorded, call))
    except Refusal as refusal:
        return world.miss(found, call, without_keys(call, _refused_webhook(refusal, call)))
    if not recorded.is_synchronous:
        await world.take_as_long(recorded.submit)
    # Not the gateway's own draw: a recording of that one must not meet its own names again.
    draw = Draw.of_job(world.settings.seed, account.name, f"replay {operation.id}", body, nth)
    replayed = world.jobs.add(recorded, call, account.name, world.clock.now(), world.clock.drift(), draw)
    job = _job(world, replayed, operation, draw, receiver)
    await world.put(job)
    call.job = job.id
    if receiver is not None:
        if not recorded.callbacks and not recorded.asked_for_callbacks:
            call.warnings.append("the recorded client asked for no callbacks: these are worded as documented")
        if recorded.called_back_early:
            await world.announcer.first_attempt(job, _EARLY)
    if recorded.is_synchronous:
        return await _ended(world, operation, job, replayed, call)
    return recorded_answer(world, recorded.submit, call, account.name, replayed)


def _job(
    world: ReplayWorld, replayed: ReplayedJob, operation: Operation, draw: Draw, receiver: Receiver | None
) -> Job:
    """Make the gateway's job: what a listing, a callback and a state that was not recorded need."""
    recorded, model = replayed.recorded, operation.model
    assert model is not None  # the catalog compiles no submit without one
    values = model.values(recorded.decoded) if isinstance(recorded.decoded, dict) else {}
    return Job(
        id=replayed.id,
        account=replayed.account,
        model=model,
        asked=(recorded.body if isinstance(recorded.decoded, dict) else b"{}",),
        root=draw.root,
        created=replayed.created,
        timeline=Timeline(
            tuple(Step(world.scaled(step.at), step.state) for step in recorded.steps),
            error=recorded.error,
            code=recorded.code,
            nsfw=recorded.nsfw,
            processing_as=recorded.status_name,
        ),
        origin=replayed.origin,
        media_origin=replayed.media_origin,
        price=0,
        held=False,
        outputs=max(1, len(recorded.urls)),
        format=model.media.format_of(values),
        scenario=scenario_of(recorded, world.provider(recorded.operation.provider)),
        receiver=receiver,
        waits=recorded.is_synchronous,
        by_polls=world.settings.pace == "polls" and receiver is None and not recorded.is_synchronous,
        drift=replayed.drift,
    )


async def _ended(
    world: ReplayWorld, operation: Operation, job: Job, replayed: ReplayedJob, call: Call
) -> Answer:
    """Answer a synchronous call when its job has ended."""
    submit = replayed.recorded.submit
    job = await world.ended(job)
    if (await world.step(job)).state is not replayed.recorded.steps[-1].state:  # ended by hand
        return await documented_answer(world, operation, job, replayed)
    if submit.response_body or not submit.response_size:
        return recorded_answer(world, submit, call, replayed.account, replayed)
    file = replayed.recorded.file  # the answer was a file, which is not in the recording's text
    content = await read_beside(file) if file is not None else None
    if content is None and world.settings.media == "small":
        content = await world.files.file(Rendition(job.format))
    if content is None:
        return world.file_not_recorded(call)
    headers = translation(world, submit, replayed.account, replayed).headers(submit.response_headers)
    return Answer(submit.status, content, headers)


def _may_be_http(recorded: RecordedJob, call: Call) -> bool:
    """Return whether a webhook may be `http://`: on this machine, or where the recorded one was."""

    def address(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> str:
        return asked_address(recorded.operation, dict(headers).get(b"x-webhook-url", b""), query)[1]

    query = urlsplit(recorded.submit.url).query.encode("latin-1", "replace")
    if address(recorded.submit.request_headers, query).startswith("http://"):
        return True
    try:
        host = urlsplit(address(call.headers.items(), call.query)).hostname or ""
    except ValueError:
        return False
    return is_this_machine(host)


def _refused_webhook(refusal: Refusal, call: Call) -> str:
    """Explain that a webhook's address is refused here although the recorded job was accepted."""
    text = refusal.detail.text
    if "https://" in text and "absolute" not in text:
        text += ", or lead to this machine; start with --allow-http-webhooks to allow it"
    return f"not in the recording: {call.method} {call.path} was accepted there; refused here: {text}"
