"""The admin API below `/_mock/`: look into the gateway and change what it does, in JSON.

For loopback peers only, unless an admin token is set; then for whoever shows it. A file for each subject; the
table of all calls is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp

from understudy_mock.domain.timeline import State
from understudy_mock.gateway.judging import Judge
from understudy_mock.gateway.world import World
from understudy_mock.web.admin.about import About
from understudy_mock.web.admin.accounts import Accounts
from understudy_mock.web.admin.answers import render_error, render_http_error
from understudy_mock.web.admin.asking import LARGEST_PAGE, AdminError
from understudy_mock.web.admin.changes import Feed
from understudy_mock.web.admin.clock import Clock
from understudy_mock.web.admin.contents import Contents, Page, to_the_index
from understudy_mock.web.admin.guard import Guard
from understudy_mock.web.admin.inbox import Inboxing, Receiving, nobody_listens
from understudy_mock.web.admin.jobs import ENDS, Jobs
from understudy_mock.web.admin.journal import HarWriter, Journal
from understudy_mock.web.admin.rules import Rules
from understudy_mock.web.admin.scenarios import Scenarios
from understudy_mock.web.admin.table import (
    COUNT,
    ROOT,
    TEXT,
    AdminCall,
    list_of,
    opened,
    record,
    routes_of,
)
from understudy_mock.web.admin.trace import Trace
from understudy_mock.web.admin.webhooks import Webhooks
from understudy_mock.webhooks import DeliveryState, Sender

__all__ = ["AdminCall", "HarWriter", "make_admin"]

_LIMIT = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_LIST_OF_TEXTS = list_of(TEXT)
_STATE = {"enum": list(State)}
_ACCOUNT = record(
    account=TEXT,
    balance_usd={"type": ["number", "null"]},
    rate_limit=_NULLABLE_TEXT,
    scenario={"type": ["string", "object", "null"]},
    disabled_models=_LIST_OF_TEXTS,
    quirks=_LIST_OF_TEXTS,
)
_ACCOUNT_CHANGE = {
    "type": "object",
    "properties": {name: schema for name, schema in _ACCOUNT["properties"].items() if name != "account"},
    "additionalProperties": False,
}
_COUNTED_ACCOUNT = record(**_ACCOUNT["properties"], calls=COUNT, jobs=COUNT)
_PLACE = record(place=TEXT, name=TEXT)
_MODELS = record(
    models=list_of(
        record(
            id=TEXT,
            provider=TEXT,
            summary=TEXT,
            operation=TEXT,
            method=TEXT,
            path=TEXT,
            keys=list_of(_PLACE),
            webhook={**_PLACE, "type": ["object", "null"]},
            example={"type": "object"},
            price_usd={"type": "number"},
            seconds=list_of({"type": "number"}),
        )
    )
)
_QUIRKS = record(quirks=list_of(record(name=TEXT, summary=TEXT, source=TEXT, providers=_LIST_OF_TEXTS)))
_JOB = record(
    id=TEXT,
    account=TEXT,
    provider=TEXT,
    model=TEXT,
    status=_STATE,
    scenario=_NULLABLE_TEXT,
    price_usd={"type": "number"},
    created_at=TEXT,
    events=list_of(record(at=TEXT, event=TEXT)),
    files=_LIST_OF_TEXTS,
)
_DELIVERY = record(
    id=TEXT,
    job_id=TEXT,
    url=TEXT,
    event=TEXT,
    due_at=TEXT,
    state={"enum": list(DeliveryState)},
    attempts=list_of(
        record(
            at=TEXT,
            status={"type": ["integer", "null"]},
            latency_ms={"type": "number"},
            error=_NULLABLE_TEXT,
            call={"type": ["integer", "null"]},
        )
    ),
)
_MANNER = {"anyOf": [{"type": "integer", "minimum": 200, "maximum": 599}, {"enum": ["slow", "closes"]}]}
_INBOX = record(name=TEXT, received=COUNT, kept=COUNT, answer=_MANNER)
_RECEIVED = record(at=COUNT, headers=list_of(_LIST_OF_TEXTS), body=TEXT, size=COUNT, job=TEXT, delivery=TEXT)
_ENTRY = record(id=COUNT, startedDateTime=TEXT, time={"type": "number"})
_SEVERITY = {"enum": ["MUST", "SHOULD", "INFO"]}
_FINDINGS = record(
    calls=COUNT,
    judging={"type": "boolean"},
    findings=list_of(
        record(
            rule=TEXT,
            severity=_SEVERITY,
            summary=TEXT,
            text=TEXT,
            advice=TEXT,
            source=TEXT,
            account=TEXT,
            job=_NULLABLE_TEXT,
            calls=list_of(COUNT),
        )
    ),
)
_CONVERSATION = record(
    text=TEXT,
    exchanges=list_of(
        record(
            call=COUNT,
            at=COUNT,
            text=TEXT,
            findings=list_of(record(rule=TEXT, severity=_SEVERITY, text=TEXT)),
        )
    ),
)
_CLOCK = record(now=TEXT, pace=TEXT, speed={"type": "number"})
_CHANGES = record(
    run=TEXT,
    now=COUNT,
    speed={"type": "number"},
    pace=TEXT,
    next=COUNT,
    gone=COUNT,
    restarted={"type": "boolean"},
    changes=list_of(record(n=COUNT, kind=TEXT)),
)


def make_admin(
    world: World,
    sender: Sender,
    write_har: HarWriter,
    judge: Callable[[], Judge | None],
    page: Page | None = None,
) -> ASGIApp:
    """Make the admin app of one world. `write_har` renders journal entries, with their secrets removed.

    `judge` makes what knows the rules for clients, if it is there, and `page` serves the page for people.
    """
    contents = Contents(world, page)
    calls = contents.calls = tuple(_table(world, sender, write_har, judge, contents, page))
    app = Starlette(
        routes=[Route(ROOT.rstrip("/"), to_the_index), *routes_of(calls)],
        exception_handlers={
            AdminError: render_error,
            HTTPException: render_http_error,
            ClientDisconnect: nobody_listens,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, world.settings.admin_token, opened(calls))


def _table(
    world: World,
    sender: Sender,
    write_har: HarWriter,
    judge: Callable[[], Judge | None],
    contents: Contents,
    page: Page | None,
) -> Iterator[AdminCall]:
    """List all calls. The first whose path fits answers."""
    about = About(world)
    yield AdminCall("GET", "", "This list, or the page for people", contents.index, open=True)
    if page is not None:
        yield AdminCall("GET", "page/{name:path}", "A file of the page", page, refuses=(404,), open=True)
    yield AdminCall("GET", "openapi.json", "The OpenAPI document of the admin API itself", contents.document)
    yield AdminCall(
        "GET",
        "openapi/{provider}.json",
        "The OpenAPI document of a provider",
        about.openapi,
        refuses=(404,),
    )
    yield AdminCall("GET", "health", "That the gateway is there, and what it is", about.health)
    yield AdminCall("GET", "settings", "The settings, without keys", about.settings)
    yield AdminCall("GET", "models", "Models, with an example of a submit", about.models, answers=_MODELS)
    yield AdminCall("GET", "quirks", "Quirks that can be switched on", about.quirks, answers=_QUIRKS)
    feed = Feed(world, sender)
    yield AdminCall(
        "GET",
        "changes",
        "What has changed: jobs, calls, callbacks, accounts; follow=1 streams it as JSON lines",
        feed.listing,
        query={"since": COUNT, "limit": _LIMIT, "follow": {"enum": [0, 1]}},
        answers=_CHANGES,
        media=("application/x-ndjson",),
        refuses=(400, 503),
    )
    jobs = Jobs(world)
    yield AdminCall(
        "GET",
        "jobs",
        "Jobs, newest first",
        jobs.listing,
        query={"account": TEXT, "provider": TEXT, "status": _STATE, "limit": _LIMIT, "cursor": TEXT},
        answers=record(jobs=list_of(_JOB), next=_NULLABLE_TEXT),
        refuses=(400,),
    )
    yield AdminCall(
        "POST",
        "jobs/{job_id:path}/end",
        "End a job now",
        jobs.end,
        body={**record(status={"enum": ENDS}, error=_NULLABLE_TEXT), "required": ["status"]},
        answers=_JOB,
        refuses=(400, 404, 409, 413),
    )
    rules = Rules(world, judge)
    yield AdminCall(
        "GET",
        "jobs/{job_id:path}/conversation",
        "What was said about a job, and which rules that broke",
        rules.conversation,
        answers=_CONVERSATION,
        refuses=(404, 501),
    )
    yield AdminCall(
        "GET",
        "findings",
        "The rules that clients broke, as far as the journal still shows it",
        rules.findings,
        query={"account": TEXT},
        answers=_FINDINGS,
        refuses=(501,),
    )
    yield AdminCall("GET", "jobs/{job_id:path}", "One job", jobs.one, answers=_JOB, refuses=(404,))
    webhooks = Webhooks(world, sender)
    yield AdminCall(
        "GET",
        "webhooks",
        "Deliveries of callbacks: those in the log, oldest first, then the next planned one of each job",
        webhooks.listing,
        query={"job": TEXT, "state": {"enum": list(DeliveryState)}, "since": TEXT, "limit": _LIMIT},
        answers=record(deliveries=list_of(_DELIVERY), next=_NULLABLE_TEXT),
        refuses=(400,),
    )
    yield AdminCall(
        "POST",
        "webhooks/redeliver",
        "Send again, now, what did not arrive: all of it, or what is in a state, or went to an address",
        webhooks.redeliver_all,
        body=record(state={"enum": list(DeliveryState)}, url=TEXT),
        answers=record(deliveries=COUNT),
        refuses=(400, 409, 413),
    )
    yield AdminCall(
        "POST",
        "webhooks/trigger",
        "Send the callback of a job that was made up; error goes with FAILED and ERROR",
        webhooks.trigger,
        body={
            **record(provider=TEXT, model=TEXT, end={"enum": ENDS}, url=TEXT, account=TEXT, error=TEXT),
            "required": ["model", "url"],
        },
        answers=_DELIVERY,
        refuses=(400, 404, 409, 413),
    )
    yield AdminCall(
        "POST",
        "webhooks/{delivery_id:path}/redeliver",
        "Send a delivery again, now",
        webhooks.redeliver,
        answers=_DELIVERY,
        refuses=(404,),
    )
    yield from _inbox_calls(world)
    journal = Journal(world, write_har)
    wanted = {
        "account": TEXT,
        "operation": TEXT,
        "job": TEXT,
        "status": {"type": "string", "pattern": "^(0|[1-5](xx|[0-9]{2}))$"},
        "text": TEXT,
        "since": COUNT,
    }
    yield AdminCall(
        "GET",
        "journal",
        "Calls and callbacks with heads and bodies, oldest first",
        journal.listing,
        query={**wanted, "limit": _LIMIT},
        answers=record(entries=list_of(_ENTRY), next={"type": ["integer", "null"]}),
        refuses=(400,),
    )
    yield AdminCall(
        "GET", "journal.har", "The same as a HAR document", journal.har, query=wanted, refuses=(400,)
    )
    yield AdminCall("GET", "journal/{number}", "One of them", journal.one, answers=_ENTRY, refuses=(404,))
    yield AdminCall(
        "GET",
        "trace.json",
        "What has happened, as Chrome trace events for https://ui.perfetto.dev: a track for each job",
        Trace(world).whole,
        answers=record(traceEvents=list_of(record(ph=TEXT, name=TEXT))),
    )
    accounts = Accounts(world)
    yield AdminCall(
        "GET",
        "accounts",
        "The accounts in use, the one used last first",
        accounts.listing,
        answers=record(accounts=list_of(_COUNTED_ACCOUNT)),
    )
    place = "accounts/{account:path}"
    yield AdminCall(
        "GET", place, "An account, by its key or its name", accounts.one, answers=_ACCOUNT, refuses=(404,)
    )
    yield AdminCall(
        "PUT",
        place,
        "Change some fields of an account",
        accounts.change,
        body=_ACCOUNT_CHANGE,
        answers=_ACCOUNT,
        refuses=(400, 404, 409, 413),
    )
    scenarios = Scenarios(world)
    yield AdminCall("GET", "scenario", "The server's scenario", scenarios.current)
    yield AdminCall(
        "PUT",
        "scenario",
        "Set the server's scenario: by its name, null for none, or a whole scenario",
        scenarios.change,
        body=record(name=_NULLABLE_TEXT),
        refuses=(400, 409, 413),
    )
    yield AdminCall("GET", "scenarios", "The scenarios that are known", scenarios.listing)
    clock = Clock(world, sender)
    yield AdminCall(
        "POST",
        "reset",
        "Forget jobs, journal, money and limits of an account, or of all",
        clock.reset,
        query={"account": TEXT},
        answers=record(jobs=COUNT),
    )
    yield AdminCall("GET", "clock", "What time it is here", clock.now, answers=_CLOCK)
    yield AdminCall(
        "POST",
        "clock/advance",
        "Move time on, under --pace manual: by seconds, or to when something is planned next",
        clock.advance,
        body=record(seconds={"type": "number", "minimum": 0}, to={"enum": ["next"]}),
        answers=_CLOCK,
        refuses=(400, 409, 413),
    )


def _inbox_calls(world: World) -> Iterator[AdminCall]:
    """List the calls about inboxes."""
    inboxes = Inboxing(world)
    place = "inbox/{name}"
    yield AdminCall(
        "GET", "inbox", "The inboxes there are", inboxes.listing, answers=record(inboxes=list_of(_INBOX))
    )
    yield AdminCall(
        "POST",
        place,
        "Receive a callback; an inbox exists from its first one on",
        Receiving(world.inboxes, world.clock).receive,
        body={},
        answers={},
        refuses=(404, 413, 503),
    )
    yield AdminCall(
        "GET",
        place,
        "What came to an inbox, newest last, and how it answers",
        inboxes.one,
        answers=record(**_INBOX["properties"], callbacks=list_of(_RECEIVED)),
        refuses=(404,),
    )
    yield AdminCall(
        "PUT",
        place,
        "Set how an inbox answers: with a status, slow (too late), or closes (the connection)",
        inboxes.change,
        body={**record(answer=_MANNER), "required": ["answer"]},
        answers=_INBOX,
        refuses=(400, 404, 413),
    )
    yield AdminCall(
        "DELETE",
        place,
        "Forget an inbox: what has come to it, and how it answers",
        inboxes.forget,
        answers=_INBOX,
        refuses=(404,),
    )
