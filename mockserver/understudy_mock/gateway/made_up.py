"""A job that nobody has submitted and that has ended, made for the callback that somebody wants to see."""

from __future__ import annotations

from typing import Any

import msgspec

from understudy_mock.catalog.describe import example
from understudy_mock.domain.call import Call
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.timeline import State
from understudy_mock.domain.webhook import Receiver
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.body import read_submit
from understudy_mock.gateway.plan import Submission, plan_job
from understudy_mock.gateway.world import World


def make_up(
    world: World,
    operation: Operation,
    account: Account,
    receiver: Receiver,
    origin: str,
    end: State,
    error: str | None,
) -> Job:
    """Return a job of the account, made with the documented example of a submit, that ends as it begins.

    Its terminal callback goes to `receiver`. `origin` begins the addresses of its files. It costs nothing.
    """
    model = operation.model
    assert model is not None  # the catalog compiles no submit without one
    body: Any = example(world.catalog, operation)
    call = Call("POST", operation.path, b"", {}, msgspec.json.encode(body), origin, _media(world, origin), {})
    call.headers[b"content-type"] = b"application/json"
    asked = read_submit(operation, model, call)
    if asked.refusal is not None:
        raise asked.refusal
    job = plan_job(world, Submission(operation, model, call, account, asked, None, receiver))
    return msgspec.structs.replace(
        job, timeline=job.timeline.ended(0, end, error), held=False, waits=False, by_polls=False
    )


def _media(world: World, origin: str) -> str:
    return (world.settings.media_url or origin).rstrip("/")
