"""A poll: where a job is depends on its recorded life and its age alone; each failed poll comes once.

So any pace of polling sees one consistent life. For a moment that the recording does not show, the answer
is worded as documented.
"""

from __future__ import annotations

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import Condition, Refusal
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Entry
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.replay.names import ReplayedJob
from understudy_mock.replay.recorded import RecordedState
from understudy_mock.replay.wording import documented_answer, recorded_answer, translated_answer
from understudy_mock.replay.world import ReplayWorld


async def poll(world: ReplayWorld, operation: Operation, call: Call, account: Account, job: Job) -> Answer:
    """Answer a call about a job of this replay. Raises Refusal where it is not the caller's."""
    is_own = job.account == account.name and job.model.provider == operation.provider
    if not is_own or (operation.model is not None and job.model is not operation.model):
        raise Refusal(Condition.NOT_FOUND)
    call.job = job.id
    replayed = world.jobs.get(job.id)
    if replayed is None:
        raise Refusal(Condition.NOT_FOUND)
    state = await _state(world, operation, job, replayed)
    fault = None
    if (failed := _next_failed_poll(replayed, state)) is not None:
        if failed.fault != "slow":
            await world.take_as_long(failed)
            return recorded_answer(world, failed, call, account.name, replayed)
        fault = Entry(fault="slow", seconds=min(3600, failed.duration / 1000))
    if state is None:
        answer = await documented_answer(world, operation, job, replayed)
    else:
        replayed.shown_since = max(replayed.shown_since, state.since)
        answer = translated_answer(world, state.entry, call, account.name, replayed)
    answer.fault = fault
    if job.by_polls:
        await world.polled(job)
    return answer


async def _state(
    world: ReplayWorld, operation: Operation, job: Job, replayed: ReplayedJob
) -> RecordedState | None:
    """Return what this operation answers about the job now; None where that was not recorded."""
    now = (await world.step(job)).state
    age = await world.store.age(job, world.clock.now())
    states = replayed.recorded.states.get(world.recorded.call_name(operation), ())
    fitting = [state for state in states if state.state is now]
    begun = [state for state in fitting if world.scaled(state.since) <= age]
    return begun[-1] if begun else fitting[0] if fitting else None


def _next_failed_poll(replayed: ReplayedJob, state: RecordedState | None) -> JournalEntry | None:
    """Take the next failed poll, if its place has come: the state before it was shown, or is over.

    Where no good poll was recorded, the last failed one holds.
    """
    failed = replayed.recorded.failed_polls
    if replayed.failed_polls >= len(failed):
        return failed[-1].entry if failed and not replayed.recorded.states else None
    poll = failed[replayed.failed_polls]
    since = state.since if state is not None else -1
    if poll.after is not None and replayed.shown_since < poll.after and since <= poll.after:
        return None
    replayed.failed_polls += 1
    return poll.entry
