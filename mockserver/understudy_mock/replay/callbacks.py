"""Callbacks: the recorded ones, translated; as documented where the recorded client asked for none."""

from __future__ import annotations

from collections.abc import Iterator

from understudy_mock.domain.job import Job
from understudy_mock.domain.scenario import Webhook
from understudy_mock.domain.timeline import State, Step
from understudy_mock.domain.webhook import Callback, callbacks
from understudy_mock.replay.wording import result_urls, translation
from understudy_mock.replay.world import ReplayWorld


def plan(world: ReplayWorld, job: Job) -> Iterator[Callback]:
    """Walk the callbacks of a job that has a receiver, in the order in which they are sent."""
    replayed, receiver = world.jobs.get(job.id), job.receiver
    assert receiver is not None  # the gateway plans no others
    recorded = replayed.recorded if replayed is not None else None
    if (
        recorded is None
        or job.timeline.steps[-1].state is not recorded.steps[-1].state  # ended by hand
        or not (recorded.callbacks or recorded.asked_for_callbacks)
    ):
        yield from callbacks(job.timeline, receiver.mode, Webhook(), world.settings.speed)
        return
    keys: dict[bytes, str] = {}
    is_over = False
    for number, callback in enumerate(recorded.callbacks):
        is_over = is_over or callback.event == "terminal"
        if receiver.mode == "terminal" and not is_over:
            continue  # progress after the end came in any mode
        first = keys.setdefault(callback.entry.request_body, f"r{number}")
        key = first if first == f"r{number}" else f"{first}-{number}"  # a copy shares the first one's key
        at = world.scaled(callback.at)
        yield Callback(at, key, callback.event, Step(at, callback.state))


async def word(world: ReplayWorld, job: Job, callback: Callback) -> bytes:
    """Return the body of a callback: the recorded one, translated, or the documented one."""
    replayed = world.jobs.get(job.id)
    number = callback.key.rpartition("-")[2].removeprefix("r")
    if replayed is not None and callback.key.startswith("r") and number.isdecimal():
        entry = replayed.recorded.callbacks[int(number)].entry
        return translation(world, entry, job.account, replayed).body(entry.request_body)
    urls: list[str] = []
    if replayed is not None and callback.step.state is State.COMPLETED:
        urls = result_urls(world, replayed)
    return world.provider(job.model.provider).callback(job, callback.step, urls)
