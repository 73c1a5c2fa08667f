"""Servers broken on purpose: the real gateway, each with one small change, and the checks that see it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from dataclasses import replace as with_fields
from functools import partial
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy_contracts.server.gateway import gateway_settings, open_app
from understudy_contracts.server.spec import Api
from understudy_contracts.server.target import Target
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Answer
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.rendition import Rendition
from understudy_mock.domain.scenario import Scenario, Webhook
from understudy_mock.domain.timeline import TERMINAL, State, Step
from understudy_mock.domain.webhook import Receiver
from understudy_mock.gateway.world import World

replace = msgspec.structs.replace


@dataclass(frozen=True)
class Server:
    """One broken server: what it does wrong, how it is made so, and the ids of the checks that catch it."""

    name: str
    damage: Callable[[World], None] | None
    caught_by: frozenset[str]
    wrap: Callable[[ASGIApp, World], ASGIApp] | None = None
    only: str = ""
    """The provider that can be broken so; any where it is empty."""


def start(server: Server | None, catalog: Catalog, pace: Any = "manual", seed: int = 0) -> Target:
    """Start a broken server, or with None the gateway as it is."""
    world = create_world(gateway_settings(pace, seed), catalog=catalog)
    app = create_app(world=world)
    if server is not None:
        if server.damage is not None:
            server.damage(world)
        if server.wrap is not None:
            app = server.wrap(app, world)
    return open_app(app, seed=seed)


# -- ways to break a part


class Misworded:
    """A provider's wording with some of its functions replaced."""

    def __init__(self, inner: Any, functions: dict[str, Callable[..., Any]]) -> None:
        self._inner = inner
        for name, function in functions.items():
            setattr(self, name, partial(function, getattr(inner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def wording(**functions: Callable[..., Any]) -> Callable[[World], None]:
    """Replace functions of the provider's wording; each is given the right one first."""

    def damage(world: World) -> None:
        right, made = world.provider, {}

        def wrong(name: str) -> Any:
            if name not in made:
                made[name] = Misworded(right(name), functions)
            return made[name]

        world.provider = wrong  # type: ignore[method-assign]

    return damage


def planning(change: Callable[[Job], Job]) -> Callable[[World], None]:
    """Change every job when it is kept."""

    def damage(world: World) -> None:
        right = world.put

        async def wrong(job: Job) -> None:
            await right(change(job))

        world.put = wrong  # type: ignore[method-assign]

    return damage


def keeping(after: Callable[[World, Job], None]) -> Callable[[World], None]:
    """Do something after every job is kept."""

    def damage(world: World) -> None:
        right = world.put

        async def wrong(job: Job) -> None:
            await right(job)
            after(world, job)

        world.put = wrong  # type: ignore[method-assign]

    return damage


def edited(answer: Answer, change: Callable[[dict[str, Any]], None]) -> Answer:
    """Change the job that an answer tells."""
    told = json.loads(answer.body)
    change(told.get("data", told))
    return Answer(answer.status, json.dumps(told).encode(), answer.headers)


class Polls:
    """Tells something else at some polls of each job, counted from 1.

    Made for one server: equal seeds make equal ids, and what one has counted would count at the next.
    """

    def __init__(self, numbers: Iterable[int], wrong: Callable[..., Any]) -> None:
        self._seen: Counter[str] = Counter()
        self._struck = set(numbers)
        self._wrong = wrong

    def __call__(self, right: Callable[..., Answer], job: Job, step: Step, urls: list[str]) -> Answer:
        self._seen[job.id] += 1
        if self._seen[job.id] in self._struck:
            told: Answer = self._wrong(right, job, step, urls)
            return told
        return right(job, step, urls)


def polls(numbers: Iterable[int], wrong: Callable[..., Any]) -> Callable[[World], None]:
    """Have some polls of each job tell something else, counted from 1."""
    numbers = tuple(numbers)
    return lambda world: wording(status=Polls(numbers, wrong))(world)


Redo = Callable[[], Any]


def answering(
    status: tuple[int, ...], act: Callable[[World, str, Callable[[], Any]], Any]
) -> Callable[[ASGIApp, World], ASGIApp]:
    """Act when a submit is answered with a status, given the world, the key, and a way to do it again.

    When it returns messages, those are the answer.
    """

    def wrap(app: ASGIApp, world: World) -> ASGIApp:
        async def wrong(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].startswith("/_mock"):
                await app(scope, receive, send)
                return
            request = await _whole(receive)

            async def once() -> list[Message]:
                sent: list[Message] = []

                async def again() -> Message:
                    return request

                async def keep(message: Message) -> None:
                    sent.append(message)

                await app(scope, again, keep)
                return sent

            sent = await once()
            if sent[0]["status"] in status:
                sent = await act(world, _key(scope), once) or sent
            for message in sent:
                await send(message)

        return wrong

    return wrap


async def _whole(receive: Receive) -> Message:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return {"type": "http.request", "body": body, "more_body": False}


def _key(scope: Scope) -> str:
    headers = dict(scope["headers"])
    for name in (b"ocp-apim-subscription-key", b"x-api-key", b"authorization"):
        if name in headers:
            return str(headers[name].decode().removeprefix("Bearer "))
    return ""


def asking(change: Callable[[Scope, bytes, World], bytes]) -> Callable[[ASGIApp, World], ASGIApp]:
    """Change every call before it is served."""

    def wrap(app: ASGIApp, world: World) -> ASGIApp:
        async def wrong(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith("/_mock"):
                await app(scope, receive, send)
                return
            scope = {**scope, "headers": list(scope["headers"])}
            body = change(scope, (await _whole(receive))["body"], world)

            async def changed() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            await app(scope, changed, send)

        return wrong

    return wrap


# -- what is wrong


def _back(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    if step.state is State.PROCESSING:
        step = step._replace(state=State.QUEUED)
    answer: Answer = right(job, step, urls)
    return answer


def _leave_terminal() -> Callable[..., Answer]:
    seen: Counter[str] = Counter()

    def status(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
        seen[job.id] += step.state in TERMINAL
        if seen[job.id] == 3:
            step, urls = step._replace(state=State.PROCESSING), []
        answer: Answer = right(job, step, urls)
        return answer

    return status


def _crash(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    raise RuntimeError("broken on purpose")


def _lose(world: World) -> None:
    right, seen = world.visible_job, Counter[str]()

    async def wrong(job_id: str, account: str) -> Job | None:
        seen[job_id] += 1
        return None if seen[job_id] == 4 else await right(job_id, account)

    world.visible_job = wrong  # type: ignore[method-assign]


def _show_to_all(world: World) -> None:
    async def wrong(job_id: str, account: str) -> Job | None:
        return await world.store.get(job_id)

    world.visible_job = wrong  # type: ignore[method-assign]


def _running(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    return right(replace(job, timeline=with_fields(job.timeline, processing_as="RUNNING")), step, urls)  # type: ignore[no-any-return]


def _cancelled(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    def rename(told: dict[str, Any]) -> None:
        if told["status"] in ("FAILED", "failed"):
            told["status"] = "CANCELLED"

    return edited(right(job, step, urls), rename)


def _other_case(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    return edited(right(job, step, urls), lambda told: told.update(status=told["status"].swapcase()))


def _crash_in_text(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    return Answer(500, b"boom", [(b"content-type", b"text/plain")])


def _early_output(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    early = [job.media_url(0)] if step.state is State.PROCESSING else urls
    return right(job, step, early)  # type: ignore[no-any-return]


def _no_reason(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    bare = replace(job, timeline=with_fields(job.timeline, error=None))
    return edited(
        right(bare, step, urls), lambda told: told.update(error=None if told["error"] is None else "")
    )


def _restamp(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    return right(replace(job, created=job.created + 1000), step, urls)  # type: ignore[no-any-return]


def _never(job: Job) -> Job:
    end = job.timeline.end
    if end is None or end.state is not State.COMPLETED:
        return job
    return replace(job, timeline=with_fields(job.timeline, steps=job.timeline.steps[:-1]))


def _reuse(right: Any, model: Any, created: int, draw: Any, quirks: Any) -> str:
    return f"{model.id.replace('/', '-')}_{created}"


def _elsewhere(right: Any, job: Job) -> Answer:
    return right(replace(job, origin=job.origin + "/elsewhere"))  # type: ignore[no-any-return]


def _drop_field(right: Any, job: Job, step: Step, urls: list[str]) -> Answer:
    return edited(
        right(job, step, urls), lambda told: told.pop("model_id" if "model_id" in told else "model")
    )


def _no_header(right: Any, *asked: Any) -> Answer:
    answer: Answer = right(*asked)
    if answer.status == 429:
        kept = [one for one in answer.headers if one[0] not in (b"retry-after", b"x-rate-limit-reset-at-utc")]
        return Answer(answer.status, answer.body, kept)
    return answer


def _in_text(right: Any, *asked: Any) -> Answer:
    answer: Answer = right(*asked)
    kept = [one for one in answer.headers if one[0] != b"content-type"]
    return Answer(answer.status, answer.body, [*kept, (b"content-type", b"text/plain")])


def _wait(factor: float) -> Callable[..., Answer]:
    def wrong(right: Any, refusal: Any, place: Any, quirks: Any) -> Answer:
        detail = refusal.detail
        if detail.retry_after is not None and detail.resets_at is not None:
            wait = detail.retry_after
            wrong_wait = max(1, round(wait * factor))
            changed = with_fields(
                detail, retry_after=wrong_wait, resets_at=detail.resets_at + (wrong_wait - wait) * 1000
            )
            refusal = type(refusal)(refusal.what, changed)
        return right(refusal, place, quirks)  # type: ignore[no-any-return]

    return wrong


def _keep_on(state: State) -> Callable[[World, Job], None]:
    def after(world: World, job: Job) -> None:
        end, wallet = job.timeline.end, world.wallet_of(job)
        if wallet is not None and end is not None and end.state is state:
            wallet.keep(job.id)

    return after


def _charge_more(state: State) -> Callable[[World, Job], None]:
    def after(world: World, job: Job) -> None:
        end, wallet = job.timeline.end, world.wallet_of(job)
        if wallet is not None and end is not None and end.state is state:
            wallet.hold(job.price, world.clock.now())

    return after


async def _never_refuse(world: World, key: str, again: Redo) -> Any:
    world.accounts.of(key).fund(1000)
    return await again()


async def _charge(world: World, key: str, again: Redo) -> None:
    wallet = world.accounts.of(key).wallet
    if wallet is not None:
        wallet.hold(1, world.clock.now())


async def _create_unpaid(world: World, key: str, again: Redo) -> None:
    account = world.accounts.of(key)
    wallet = account.wallet
    account.wallet = None
    await again()
    account.wallet = wallet


async def _create_unlimited(world: World, key: str, again: Redo) -> None:
    account = world.accounts.of(key)
    window = account.window
    account.window = None
    await again()
    account.window = window


async def _never_limit(world: World, key: str, again: Redo) -> Any:
    world.accounts.of(key).window = None
    return await again()


def _lend_key(scope: Scope, body: bytes, world: World) -> bytes:
    if not _key(scope):
        scope["headers"] += [
            (b"ocp-apim-subscription-key", b"lent"),
            (b"x-api-key", b"lent"),
            (b"authorization", b"Bearer lent"),
        ]
    return body


def _complete_body(scope: Scope, body: bytes, world: World) -> bytes:
    operation = _operation(scope, world)
    if operation is None or operation.role != "submit":
        return body
    example = Api(operation.provider, world.catalog).example(operation)
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    return json.dumps({**example, **(told if isinstance(told, dict) else {})}).encode()


def _operation(scope: Scope, world: World) -> Operation | None:
    found = (
        one for one in world.catalog.operations if (one.method, one.path) == (scope["method"], scope["path"])
    )
    return next(found, None)


def _any_address(scope: Scope, body: bytes, world: World) -> bytes:
    headers = dict(scope["headers"])
    if not headers.get(b"x-webhook-url", b"http").startswith(b"http"):
        scope["headers"] = [one for one in scope["headers"] if one[0] != b"x-webhook-url"]
    if b"webhook=" in scope["query_string"] and b"webhook=http" not in scope["query_string"]:
        scope["query_string"] = b""
    return body


def _crash_on_unknown(world: World) -> None:
    right = world.visible_job

    async def wrong(job_id: str, account: str) -> Job | None:
        found = await right(job_id, account)
        if found is None:
            raise RuntimeError("broken on purpose")
        return found

    world.visible_job = wrong  # type: ignore[method-assign]


def _twice(job: Job) -> Job:
    scenario = job.scenario or Scenario(name="broken")
    return replace(job, scenario=replace(scenario, webhook=Webhook(copies=2)))


def _mode(mode: Any) -> Callable[[Job], Job]:
    def change(job: Job) -> Job:
        return job if job.receiver is None else replace(job, receiver=Receiver(job.receiver.url, mode))

    return change


def _announce_early(world: World) -> None:
    right = world.announcer.plan
    # The callbacks are due as if the job had been made long ago.
    world.announcer.plan = lambda job: right(replace(job, created=job.created - 10**7))  # type: ignore[method-assign]


def _other_callback(right: Any, job: Job, step: Step, urls: list[str]) -> Any:
    return right(job, step, [f"{url}.other" for url in urls])


def _other_end(right: Any, job: Job, step: Step, urls: list[str]) -> Any:
    return right(job, step._replace(state=State.ERROR) if step.state is State.FAILED else step, urls)


def _other_signature(right: Any, secret: str, *rest: Any) -> Any:
    return right(secret + "?", *rest)


class _OtherFiles:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def file(self, rendition: Rendition, *waiting: Any) -> bytes:
        await self._inner.file(rendition, *waiting)
        return b"%PDF-1.7 is no film"

    def close(self) -> None:
        self._inner.close()


def _other_files(world: World) -> None:
    world.files = _OtherFiles(world.files)


def _server(name: str, damage: Callable[[World], None] | None, *caught_by: str, **more: Any) -> Server:
    return Server(name, damage, frozenset(caught_by), **more)


_ALL = range(1, 1000)
_SCHEMA = ("answers-as-documented", "every-other-status")
_REFUSALS = ("every-documented-status", "every-other-status")

SERVERS = (
    _server("status goes back", polls([5], _back), "states-never-go-back"),
    _server("leaves a final state", wording(status=_leave_terminal()), "terminal-absorbs"),
    _server("job lost at a poll", _lose, "job-is-kept"),
    _server("job never ends", planning(_never), "job-completes"),
    _server("id reused", wording(mint_id=_reuse), "unique-ids"),
    _server("status outside the enum", polls(_ALL, _running), "documented-states"),
    _server("FAILED told as CANCELLED", polls(_ALL, _cancelled), "documented-states"),
    _server("status in the other case", polls(_ALL, _other_case), "documented-states"),
    _server("crash at a poll", polls([3], _crash), "polls-do-not-crash"),
    _server("crash in plain text at a poll", polls([3], _crash_in_text), "polls-do-not-crash"),
    _server("output before the end", polls(_ALL, _early_output), "nothing-early"),
    _server("failure without a reason", polls(_ALL, _no_reason), "complete-at-the-end"),
    _server("created_at changes", polls([4], _restamp), "stamps"),
    _server("polling_url leads elsewhere", wording(accepted=_elsewhere), "polling-url"),
    _server("status lacks a field", polls(_ALL, _drop_field), *_SCHEMA),
    _server("no key check", None, "submit-needs-key", "poll-needs-key", wrap=asking(_lend_key)),
    _server("no validation", None, "body-is-validated", wrap=asking(_complete_body)),
    _server("another key's job readable", _show_to_all, "foreign-job-unreadable"),
    _server("crash on an unknown job", _crash_on_unknown, "unknown-job"),
    _server("402 never", None, "poor-are-refused", wrap=answering((402, 406), _never_refuse)),
    _server("402 that charges", None, "402-charges-nothing", wrap=answering((402, 406), _charge)),
    _server("402 that creates", None, "402-creates-nothing", wrap=answering((402, 406), _create_unpaid)),
    _server("400 that charges", None, "400-creates-nothing", wrap=answering((400,), _charge)),
    _server("429 never", None, "rate-limited", wrap=answering((429,), _never_limit)),
    _server("429 that creates", None, "429-creates-nothing", wrap=answering((429,), _create_unlimited)),
    _server(
        "429 without Retry-After",
        wording(refusal=_no_header),
        "429-tells-when",
        "every-other-status",
    ),
    _server("refusals in plain text", wording(refusal=_in_text), *_REFUSALS),
    _server("Retry-After too long", wording(refusal=_wait(3)), "retry-after-honest"),
    _server("Retry-After too short", wording(refusal=_wait(0.5)), "retry-after-honest"),
    _server("ERROR charged", keeping(_keep_on(State.ERROR)), "error-is-refunded"),
    _server("FAILED charged twice", keeping(_charge_more(State.FAILED)), "failed-as-documented"),
    _server("COMPLETED charged twice", keeping(_charge_more(State.COMPLETED)), "completed-is-charged"),
    _server("callback early", _announce_early, "callback-not-early"),
    _server("callback twice", planning(_twice), "callback-once-at-end"),
    _server("progress in terminal mode", planning(_mode("sync")), "callback-once-at-end"),
    _server("sync mode without progress", planning(_mode("terminal")), "callback-progress", only="pixazo"),
    _server("callback to any address", None, "callback-address", wrap=asking(_any_address)),
    _server("callback differs from the status", wording(callback=_other_callback), "callback-equals-status"),
    _server(
        "callback tells FAILED as ERROR",
        wording(callback=_other_end),
        "callback-equals-status",
        only="pixazo",
    ),
    _server("callback badly signed", wording(sign=_other_signature), "callback-signed", only="wavespeed"),
    _server("media of another type", _other_files, "media"),
)
