"""Plan the whole life of a job when it is submitted. Nothing about it is decided later."""

from __future__ import annotations

import msgspec

from understudy_mock.domain.call import Call
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model, Operation
from understudy_mock.domain.planning import COMPLETES, Ending, plan, plan_documented
from understudy_mock.domain.scenario import Course, Scenario
from understudy_mock.domain.timeline import State, Timeline
from understudy_mock.domain.webhook import Receiver
from understudy_mock.gateway import messages
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.body import Asked
from understudy_mock.gateway.world import World
from understudy_mock.wording import Wording

_AS_DOCUMENTED = Course()


class Submission(msgspec.Struct, frozen=True):
    """A submit that has passed every check."""

    operation: Operation
    model: Model
    call: Call
    account: Account
    asked: Asked
    scenario: Scenario | None
    receiver: Receiver | None


def plan_job(world: World, submission: Submission) -> Job:
    """Plan the job of a submit."""
    operation, model, account = submission.operation, submission.model, submission.account
    asked, scenario, receiver = submission.asked, submission.scenario, submission.receiver
    provider = world.provider(operation.provider)
    nth = account.nth(hash((operation.id, asked.name)))
    draw = Draw.of_job(world.settings.seed, account.name, operation.id, asked.name, nth)
    created, drift = world.clock.now(), world.clock.drift()
    course = scenario.job if scenario is not None else _AS_DOCUMENTED
    quirks = _quirks(world, submission)
    waits = asked.waits or operation.answers == "media"
    waits = waits or ("direct-video" in quirks and model in world.direct_models)
    return Job(
        id=provider.mint_id(model, created + drift, draw, quirks),
        account=account.name,
        model=model,
        asked=world.store.shared(asked.parts) if len(asked.parts) > 1 else asked.parts,
        root=draw.root,
        created=created,
        timeline=_timeline(world, model, course, _ending(world, course, provider, draw)),
        origin=submission.call.origin,
        media_origin=submission.call.media_origin,
        price=submission.call.price,
        held=account.wallet is not None,
        outputs=course.outputs or model.media.count_of(asked.values),
        format=model.media.format_of(asked.values),
        scenario=scenario,
        quirks=quirks,
        receiver=receiver,
        waits=waits,
        by_polls=world.settings.pace == "polls" and receiver is None and not waits,
        inline=asked.inline,
        drift=drift,
    )


def _quirks(world: World, submission: Submission) -> frozenset[str]:
    """Return the quirks of the server, the account and the scenario that can apply to the provider."""
    quirks = world.quirks | submission.account.quirks
    if submission.scenario is not None:
        quirks |= frozenset(submission.scenario.quirks)
    return quirks & world.provider(submission.operation.provider).quirks if quirks else quirks


def _timeline(world: World, model: Model, course: Course, ending: Ending) -> Timeline:
    speed = world.settings.speed
    # Most jobs go as documented. To see that by identity spares hashing a whole course each time.
    if course is _AS_DOCUMENTED and ending is COMPLETES:
        return plan_documented(model.durations, speed)
    return plan(model.durations, course, ending, speed)


def _ending(world: World, course: Course, provider: Wording, draw: Draw) -> Ending:
    """Decide how the job ends where its scenario does not: by the safety checker, by chance, or well."""
    if course.end in ("FAILED", "ERROR"):
        reason = messages.failure if course.end == "FAILED" else messages.system_error
        documented = provider.failures.get(course.code) if course.code is not None else None
        if course.error is not None or course.code is not None:
            return Ending(State(course.end), course.error or documented or reason(draw)[1])
        code, text = reason(draw)
        return Ending(State(course.end), text, code)
    if course.nsfw and provider.unsafe_end is not State.COMPLETED:
        blocked = "Content policy violation: the output was blocked by the safety checker"
        return Ending(provider.unsafe_end, blocked)
    if course.end is not None:
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
