"""A submit, from the key to the answer. Read this first: everything else serves it.

The order of checks is Pixazo's (key, rate and quota, body, webhook, model, balance) and serves all
providers; the route was found before. Each check raises a `Refusal`, which the web layer has worded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Violation
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.job import LARGE as LARGE_PART
from understudy_mock.domain.job import Job, canonical
from understudy_mock.domain.model import Model, Operation
from understudy_mock.domain.planning import COMPLETES, Durations, Ending, plan, plan_documented
from understudy_mock.domain.quirks import quirks_of
from understudy_mock.domain.scenario import Job as Wish
from understudy_mock.domain.scenario import Scenario
from understudy_mock.domain.timeline import TERMINAL, State, Timeline
from understudy_mock.domain.webhook import Receiver
from understudy_mock.gateway import messages
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.addresses import rendition_of, urls_of
from understudy_mock.gateway.journal import cut
from understudy_mock.gateway.keys import authenticate
from understudy_mock.gateway.play import Play, open_play
from understudy_mock.gateway.turns import LARGE, apart
from understudy_mock.gateway.webhook_urls import read_receiver
from understudy_mock.gateway.world import World
from understudy_mock.providers import Provider

_decode = msgspec.json.decode
_encode = msgspec.json.Encoder(order="sorted").encode
_AS_DOCUMENTED = Wish()

_EARLY = 2.0
"""Real seconds that a submit's answer is held back at most for a callback to come first."""


async def submit(world: World, operation: Operation, call: Call) -> Answer:
    """Accept a job and answer as documented, or raise the Refusal that says why not."""
    model = operation.model
    assert model is not None  # the catalog compiles no submit without one
    account = authenticate(world, operation.credentials, call)
    asked = await apart(len(call.body), understand, operation, call)
    play = open_play(world, operation, call, account)
    play.strike("key")
    limit(world, account)
    play.strike("limit")
    play.refuse_mistake()
    if asked.refusal is not None:
        raise asked.refusal
    call.warnings.extend(asked.advice)
    play.strike("body")
    receiver = read_receiver(world, operation, call)
    if receiver is not None and asked.inline:
        raise Refusal(CallError.WEBHOOK_INLINE, Detail(text="A webhook cannot carry the files themselves"))
    allow_model(account, model)
    play.strike("model")
    call.price = afford(world, account, model, asked.values)
    play.strike("balance")
    play.strike("end")
    job = plan_job(world, operation, call, account, asked, play.scenario, receiver)
    if job.waits:
        # What was asked is in the job by now, where it is counted; nothing else holds it for minutes.
        del asked
        call.body = cut(call.body)
    return await accept(world, operation, call, account, job, play)


def limit(world: World, account: Account) -> None:
    """Count the submit in the account's rate window."""
    if account.window is None:
        return
    now = world.clock.now()
    wait = account.window.enter(now)
    if wait:
        resets_at = now + world.clock.drift() + wait * 1000
        raise Refusal(Condition.RATE_LIMITED, Detail(retry_after=wait, resets_at=resets_at))


@dataclass(slots=True)
class Asked:
    """What a body asks for, as far as anything depends on it, or why it is refused.

    `parts` are its canonical JSON in parts, `name` what stands for it where equal bodies are counted,
    `values` the parameters that the spec knows over their documented defaults.
    """

    refusal: Refusal | None = None
    advice: tuple[str, ...] = ()
    parts: tuple[bytes, ...] = ()
    name: bytes = b""
    values: dict[str, Any] = field(default_factory=dict)
    waits: bool = False
    inline: bool = False


def understand(operation: Operation, call: Call) -> Asked:
    """Read a submit's body and find everything that the spec does not allow, in one pass."""
    assert operation.model is not None  # as above
    check = operation.body
    try:
        body = asked_of(operation, call)
    except Refusal as refusal:
        return Asked(refusal)
    parts = (_encode(body),) if len(call.body) < LARGE_PART else canonical(body)
    return Asked(
        advice=tuple(check.advice(body)) if check is not None else (),
        parts=parts,
        name=_name(parts),
        values=operation.model.values(
            body if check is None or check.names.issuperset(body) else check.known(body)
        ),
        waits=operation.wait != "" and body.get(operation.wait) is True,
        inline=operation.inline != "" and body.get(operation.inline) is True,
    )


def _name(parts: tuple[bytes, ...]) -> bytes:
    """Give what stands for a body: itself, or a hash of a large one."""
    if sum(map(len, parts)) < LARGE:
        return b"".join(parts)
    hash(parts)  # a part keeps its hash: the store looks for equal ones by it, and not in this thread
    digest = blake2b(digest_size=32, usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.digest()


def asked_of(operation: Operation, call: Call) -> dict[str, Any]:
    """Read a JSON body that the spec allows. Raises Refusal."""
    body = read_body(operation, call)
    obey(operation, body)
    return body


def obey(operation: Operation, body: dict[str, Any]) -> None:
    """Refuse a body that the spec does not allow."""
    check = operation.body
    if check is None:
        return
    try:
        if check.allows(body):
            return
        violations = check.violations(body)
    except ValueError:  # nested deeper than the validator goes
        raise Refusal(CallError.NOT_JSON) from None
    raise Refusal(Condition.INVALID_REQUEST, Detail(violations=violations))


def read_body(operation: Operation, call: Call) -> dict[str, Any]:
    """Decode a JSON object, whatever its Content-Type says unless the spec asks for JSON."""
    if operation.needs_json_type:
        declared = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if declared != b"application/json":
            raise Refusal(CallError.WRONG_CONTENT_TYPE)
    if call.oversize:
        raise Refusal(CallError.BODY_TOO_LARGE)
    try:
        body = _decode(call.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise Refusal(CallError.NOT_JSON) from None
    if not isinstance(body, dict):
        violation = Violation("", missing=False, reason="is not a JSON object")
        raise Refusal(Condition.INVALID_REQUEST, Detail(violations=(violation,)))
    return body


def allow_model(account: Account, model: Model) -> None:
    """Refuse a model that the account may not use."""
    if model.id in account.disabled_models:
        raise Refusal(Condition.MODEL_NOT_FOUND, Detail(model=model.id))


def afford(world: World, account: Account, model: Model, values: dict[str, Any]) -> int:
    """Price the job, in micro-USD, and refuse what the wallet cannot pay."""
    price = model.price.of(values)
    if account.wallet is not None:
        balance = account.wallet.balance(world.clock.now())
        if balance < price:
            raise Refusal(Condition.INSUFFICIENT_BALANCE, Detail(balance=balance, price=price))
    return price


def plan_job(
    world: World,
    operation: Operation,
    call: Call,
    account: Account,
    asked: Asked,
    scenario: Scenario | None,
    receiver: Receiver | None,
) -> Job:
    """Plan the job's whole life. Nothing about it is decided later."""
    model = operation.model
    assert model is not None  # as above
    provider = world.provider(operation.provider)
    nth = account.nth(hash((operation.id, asked.name)))
    draw = Draw.of_job(world.settings.seed, account.name, operation.id, asked.name, nth)
    created, drift = world.clock.now(), world.clock.drift()
    wish = scenario.job if scenario is not None else _AS_DOCUMENTED
    ending = _ending(world, wish, provider, draw)
    quirks = world.quirks | account.quirks
    if scenario is not None:
        quirks |= frozenset(scenario.quirks)
    if quirks:
        quirks &= quirks_of(operation.provider)
    waits = operation.answers == "media" or ("direct-video" in quirks and model in world.direct_models)
    waits = waits or asked.waits
    return Job(
        id=provider.mint_id(model, created + drift, draw, quirks),
        account=account.name,
        model=model,
        asked=world.store.shared(asked.parts) if len(asked.parts) > 1 else asked.parts,
        root=draw.root,
        created=created,
        timeline=_timeline(model.durations, wish, ending, world.settings.speed),
        origin=call.origin,
        media_origin=call.media_origin,
        price=call.price,
        held=account.wallet is not None,
        outputs=wish.outputs or model.media.count_of(asked.values),
        format=model.media.format_of(asked.values),
        scenario=scenario,
        quirks=quirks,
        receiver=receiver,
        waits=waits,
        by_polls=world.settings.pace == "polls" and receiver is None and not waits,
        inline=asked.inline,
        drift=drift,
    )


def _timeline(course: Durations, wish: Wish, ending: Ending, speed: float) -> Timeline:
    # Most jobs go as documented; telling so by identity spares hashing a whole wish each time.
    if wish is _AS_DOCUMENTED and ending is COMPLETES:
        return plan_documented(course, speed)
    return plan(course, wish, ending, speed)


def _ending(world: World, wish: Wish, provider: Provider, draw: Draw) -> Ending:
    """Decide how the job ends where its scenario does not: by the safety checker, by chance, or well."""
    if wish.end in ("FAILED", "ERROR"):
        word = messages.failure if wish.end == "FAILED" else messages.system_error
        known = provider.failures.get(wish.code) if wish.code is not None else None
        if wish.error is not None or known is not None or wish.code is not None:
            return Ending(State(wish.end), wish.error or known or word(draw)[1])
        code, text = word(draw)
        return Ending(State(wish.end), text, code)
    if wish.nsfw and provider.unsafe_end is not State.COMPLETED:
        blocked = "Content policy violation: the output was blocked by the safety checker"
        return Ending(provider.unsafe_end, blocked)
    if wish.end is not None:
        return COMPLETES
    fails, errs = world.settings.fail_rate, world.settings.error_rate
    if fails or errs:
        chance = draw.fraction("ending")
        if chance < fails:
            code, text = messages.failure(draw)
            return Ending(State.FAILED, text, code)
        if chance < fails + errs:
            code, text = messages.system_error(draw)
            return Ending(State.ERROR, text, code)
    return COMPLETES


async def accept(
    world: World, operation: Operation, call: Call, account: Account, job: Job, play: Play
) -> Answer:
    """Keep the job and answer; a fault without `accept` answers as if it had been kept."""
    if play.keeps_job:
        if account.wallet is not None:
            account.wallet.hold(job.price, world.clock.now())
        await world.put(job)
        call.job = job.id
        if job.receiver is not None and play.scenario is not None and play.scenario.webhook.early:
            await world.announcer.first_attempt(job, _EARLY)
    play.count()
    play.answer_accepted()
    provider = world.provider(operation.provider)
    if not job.waits:
        answer = provider.accepted(job)
    else:
        answer = (
            await _wait_for(world, operation, call, job)
            if play.keeps_job
            else await _finished(world, call, job)
        )
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
        facts = {"job": job, "step": step, "seconds": seconds}
        return world.provider(operation.provider).tell("wait", facts)
    return await _finished(world, call, job)


async def _finished(world: World, call: Call, job: Job) -> Answer:
    step = job.timeline.steps[-1]
    urls = await urls_of(world, job, step, call.is_heard)
    done = step.state is State.COMPLETED
    file = await world.files.file(await rendition_of(job, 0), call.is_heard) if done else b""
    provider, balance = world.provider(job.model.provider), world.balance_of(job)
    size = job.weight + sum(map(len, urls))
    return await apart(size, provider.finished, job, step, urls, file, balance)
