"""Which callbacks a job brings, and how each is worded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from understudy_mock.domain.job import Job
from understudy_mock.domain.scenario import Webhook
from understudy_mock.domain.webhook import Callback, callbacks
from understudy_mock.gateway.addresses import urls_of
from understudy_mock.gateway.turns import apart
from understudy_mock.gateway.world import World

_AS_DOCUMENTED = Webhook()


def webhook_of(job: Job) -> Webhook:
    """Return what the job's scenario does to its callbacks."""
    return job.scenario.webhook if job.scenario is not None else _AS_DOCUMENTED


class Script(Protocol):
    """What is sent, and when."""

    def callbacks(self, job: Job) -> Iterator[Callback]:
        """Plan the callbacks of a job that has a receiver, in the order they are sent."""

    async def word(self, job: Job, callback: Callback) -> bytes:
        """Return the body of a callback when it is sent."""


class AsDocumented(Script):
    """The callbacks that the provider documents, with what the job's scenario does to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def callbacks(self, job: Job) -> Iterator[Callback]:
        receiver = job.receiver
        assert receiver is not None  # the gateway plans no others
        return callbacks(job.timeline, receiver.mode, webhook_of(job), self._world.settings.speed)

    async def word(self, job: Job, callback: Callback) -> bytes:
        step = callback.step
        provider = self._world.provider(job.model.provider)
        urls = await urls_of(self._world, job, step)
        return await apart(job.weight, provider.callback, job, step, urls)
