"""Calls that Schemathesis makes up from a provider's document: examples, edges, chance, and chains of links.

Only the events of its engine are documented; the version is pinned for the rest. Addresses of receivers
are left out: those that a generator makes up belong to somebody. The promises try them instead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import requests
import schemathesis
import schemathesis.openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import AuthScenario, IgnoredAuth, UnsupportedMethodResponse
from schemathesis.schemas import BaseSchema

from understudy_contracts.findings import Case, Finding, Outcome, Severity
from understudy_contracts.server.again import again
from understudy_contracts.server.phases import INTERRUPTED, PHASES
from understudy_contracts.server.spec import Api
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import Exchange, Inside
from understudy_mock.catalog.bundle import follow
from understudy_mock.domain.model import Operation

MOST_READ = 64 * 1024 * 1024
"""Bytes of one answer to a generated call that are read, once decompressed."""

_AT_ONCE = 64 * 1024
_FILES = ("video/", "audio/", "image/", "model/", "application/octet-stream")
"""How the media types of files begin; the checks look at their status and their headers alone."""

_SHOWN = 1000
_UNSERVED = "generated: operations that are not served"
_ACCEPTS = ["2xx", "401", "402", "403", "404", "406", "409", "422", "429", "5xx"]
_REJECTS = ["400", "401", "402", "404", "405", "406", "409", "413", "415", "422", "429"]
_ASKS = {
    "not_a_server_error": "No call brings about a server error that is not documented.",
    "status_code_conformance": "Every answer has a documented status.",
    "content_type_conformance": "Every answer has a documented media type.",
    "response_headers_conformance": "Every answer has its documented headers.",
    "response_schema_conformance": "Every answer's body is as documented.",
    "negative_data_rejection": "What the document forbids is refused.",
    "positive_data_acceptance": "What the document allows is accepted.",
    "missing_required_header": "A call without a required header is refused.",
    "unsupported_method": "A method that is not documented is refused with 405.",
    "ignored_auth": "A call without the key, or with a wrong one, is refused.",
    "ensure_resource_availability": "What was made can be asked for.",
}
"""What each of Schemathesis's checks asks, in a sentence."""
_NEEDLESS = ("", "No examples in schema")
"""Why a phase has nothing to do at an operation, as Schemathesis says it: it needs nothing there."""

_BLANK = r"the '\S' pattern"
"""How the engine tells of a text that had to hold something."""

_ANY_KEY = "the keys are made up: give a real one with --key to see that another one is refused"
_NOT_IMPLEMENTED = 501
"""What a server answers to a method that it does not know at all: RFC 9110, 15.6.2."""

_METHODS = ["get", "put", "post", "delete", "patch", "options"]
"""Tried where they are not documented. QUERY and TRACE are not: what is in between refuses them."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is tried: examples an operation when fuzzing, and chains of links.

    `most_read` is how many bytes of one answer are read, once decompressed.
    """

    fuzzing: int = 10
    chains: int = 10
    phases: tuple[str, ...] = PHASES
    most_read: int = MOST_READ


@dataclass
class _Tally:
    """What one operation met in one phase."""

    calls: int = 0
    seconds: float = 0.0
    skipped: str = ""
    stopped: bool = False
    errors: list[str] = field(default_factory=list)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)


def generate(
    target: Target,
    api: Api,
    *,
    seed: int,
    budget: Budget,
    pointless: Mapping[str, str] = MappingProxyType({}),
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Case]:
    """Run the phases on one provider. The same seed makes the same calls.

    `pointless` tells, by id, of operations that are left out and why: of calls to what is not there nothing
    is learned, at much length.

    The engine swallows an interrupt and ends. So that nobody takes that for a whole run, KeyboardInterrupt
    is raised here again, after the cases that were finished.
    """
    key = target.fresh_key()
    if target.is_understudy and target.pace != "polls":
        # Short lives, so that calls that wait for their job do not wait long.
        life = 0.02 * target.speed
        scenario = {"name": "check-generated", "job": {"queued": life, "processing": life}}
        target.make_account(key, scenario=scenario)
    for operation in api.checked:
        if operation.id in pointless:
            place = f"{api.provider} {operation.method} {operation.path}"
            yield Case(place, _UNSERVED, Outcome.NOT_REACHED, reason=pointless[operation.id])
    tried = [operation for operation in api.checked if operation.id not in pointless]
    if not tried:
        return
    config = SchemathesisConfig.from_dict(_config(target, api, key, seed, budget))
    schema = schemathesis.openapi.from_dict(_document(target, api, tried), config=config)
    if isinstance(target.wire, Inside):
        schema.app = target.wire.house.bridge(target.wire.app)
    tallies: dict[tuple[str, str], _Tally] = {}
    interrupted = False
    for event in _events(schema, budget.most_read):
        if isinstance(event, events.PhaseStarted) and event.phase.name.value.lower() != "probing":
            progress(f"generated calls: {api.provider}, {event.phase.name.value.lower()}")
        elif isinstance(event, events.ScenarioFinished) and event.is_test_scenario:
            tally = tallies.setdefault((event.phase.value, event.label or "chains of links"), _Tally())
            _count(target, tally, event)
        elif isinstance(event, events.NonFatalError):
            where = (event.phase.value if event.phase else "schema", event.label)
            tally = tallies.setdefault(where, _Tally())
            if isinstance(event.value, requests.RequestException):
                tally.findings.setdefault((event.label, "no_answer"), _unanswered(target, event))
            else:
                tally.errors.append(str(event.value))
        elif isinstance(event, events.FatalError):
            tallies.setdefault(("schema", api.provider), _Tally()).errors.append(str(event.exception))
        elif isinstance(event, events.Interrupted):
            interrupted = True
            break
    for (phase, label), tally in tallies.items():
        if tally.calls or tally.findings or tally.errors or tally.stopped or tally.skipped not in _NEEDLESS:
            yield _case(api, phase, label, tally)
    if target.key is None:
        # Ours are made up, so a server that takes any key, or none of ours, shows nothing here.
        yield Case(api.provider, "generated: a wrong key", Outcome.NOT_REACHED, reason=_ANY_KEY)
    if interrupted:
        raise KeyboardInterrupt


_bounded: dict[int, int] = {}
"""Bytes that are read of an answer, by the identity of the schema: the hook below is one for a process."""


def _events(schema: BaseSchema, most_read: int) -> Iterator[events.EngineEvent]:
    """Run the engine, and read no more of an answer than there is room for."""
    _bounded[id(schema)] = most_read
    try:
        yield from from_schema(schema).execute()
    finally:
        del _bounded[id(schema)]


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Have the answer to a call of ours read within bounds."""
    most_read = _bounded.get(id(case.operation.schema))
    if most_read is not None and case.operation.schema.app is None:
        kwargs["hooks"] = {"response": partial(_read, most_read)}


def _read(most: int, response: requests.Response, *_: Any, **__: Any) -> None:
    """Read an answer, of a file no more than its beginning: the engine keeps the answers of a whole phase.

    Raises ChunkedEncodingError, which the engine takes for a broken answer, where there is too much of it.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return  # the engine itself ends those
    kept, size = bytearray(), 0
    for part in response.iter_content(_AT_ONCE):
        size += len(part)
        if size > most:
            response.close()
            text = f"the answer has more than {most:,} bytes"
            raise requests.exceptions.ChunkedEncodingError(text, request=response.request, response=response)
        if not kind.startswith(_FILES) or len(kept) < _AT_ONCE:
            kept += part
    response._content = bytes(kept)


def _case(api: Api, phase: str, label: str, tally: _Tally) -> Case:
    outcome, reason = Outcome.PASSED, ""
    if tally.findings:
        # What was found is true, whatever else broke.
        outcome, reason = Outcome.FAILED, tally.errors[0] if tally.errors else ""
    elif tally.errors:
        outcome, reason = Outcome.ERROR, tally.errors[0]
    elif tally.stopped:
        outcome, reason = Outcome.NOT_REACHED, INTERRUPTED
    elif not tally.calls:
        outcome, reason = Outcome.NOT_REACHED, tally.skipped or "nothing to try"
    name = f"generated: {phase.lower()}"
    return Case(
        f"{api.provider} {label}", name, outcome, tally.seconds, tuple(tally.findings.values()), reason
    )


def _count(target: Target, tally: _Tally, event: events.ScenarioFinished) -> None:
    recorder: ScenarioRecorder = event.recorder
    tally.seconds += event.elapsed_time
    if event.status is Status.SKIP:
        tally.skipped = event.skip_reason or ""
    tally.stopped = tally.stopped or event.status is Status.INTERRUPTED
    for interaction in recorder.interactions.values():
        if interaction.response is None:
            continue
        tally.calls += 1
        target.calls += 1
        request = interaction.request
        seen = Exchange(
            request.method,
            request.uri,
            {name: ", ".join(values) for name, values in request.headers.items()},
            request.body or b"",
            interaction.response.status_code,
        )
        for watcher in target.watchers:
            watcher(seen)
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            if _is_about_us(target, failure):
                continue
            label = f"{recorder.cases[case_id].value.operation.label}"
            finding = Finding(
                id=f"generated-{check.name.replace('_', '-')}",
                severity=Severity.MUST,
                source=f"the provider's OpenAPI document; Schemathesis, {check.name}",
                expected=_ASKS.get(check.name, f"What Schemathesis calls {check.name.replace('_', ' ')}."),
                seen=target.hide(_told(failure)),
                subject=label,
                evidence=tuple(map(target.hide, what_was_said(recorder, failure.case_id or case_id))),
                curl=target.hide(
                    again(
                        check.failure_info.code_sample,
                        base_url=target.base_url,
                        key=target.key or "",
                        inside=target.is_inside,
                    )
                ),
            )
            tally.findings.setdefault((label, f"{check.name} {failure.title}"), finding)


def _told(failure: Failure) -> str:
    """Return what failed, without the engine's guess at the cause, which is often wrong."""
    return ": ".join(filter(None, (failure.title, failure.message.partition("\nHint: ")[0])))


def _unanswered(target: Target, event: events.NonFatalError) -> Finding:
    """Return the finding about a call without an answer; Schemathesis makes no more such calls after it."""
    sample = event.info.code_sample or ""
    command = again(sample, base_url=target.base_url, key=target.key or "", inside=target.is_inside)
    return Finding(
        id="generated-no-answer",
        severity=Severity.MUST,
        source="the provider's OpenAPI document; RFC 9110, 3.4",
        expected="Every call is answered.",
        seen=target.hide(f"no answer: {event.value}"),
        subject=event.label,
        curl=target.hide(command) if sample else "",
    )


def _is_about_us(target: Target, failure: Failure) -> bool:
    """Whether a failure comes of how the server is asked: it says nothing of the server."""
    if isinstance(failure, UnsupportedMethodResponse):
        return failure.status_code == _NOT_IMPLEMENTED
    if (target.key is None or target.is_understudy) and isinstance(failure, IgnoredAuth):
        # A made-up key that is taken is no wrong one, and an Understudy takes any but with --api-key.
        return failure.scenario is not AuthScenario.NO_AUTH
    # That a blank text counts as missing is assumed: a stranger may see it otherwise.
    blank = isinstance(failure, AcceptedNegativeData) and _BLANK in failure.message
    return blank and not target.is_understudy


def what_was_said(recorder: ScenarioRecorder, case_id: str) -> tuple[str, ...]:
    """Return a call of the engine and its answer in a line; nothing where it got no answer."""
    interaction = recorder.interactions.get(case_id)
    if interaction is None or interaction.response is None:
        return ()
    request, response = interaction.request, interaction.response
    said = (response.content or b"")[:_SHOWN].decode("utf-8", "replace")
    return (f"{request.method} {request.uri} -> {response.status_code} {said}",)


def _config(target: Target, api: Api, key: str, seed: int, budget: Budget) -> dict[str, Any]:
    checks: dict[str, Any] = {
        "positive_data_acceptance": {"expected-statuses": _ACCEPTS},
        "negative_data_rejection": {"expected-statuses": _REJECTS},
        # 402 and 429 come before the body at no provider, but a missing header is 401 at all of them.
        "missing_required_header": {"expected-statuses": ["400", "401", "403", "404", "406", "415", "422"]},
        "use_after_free": {"enabled": False},
        # Documented 5xx are answers like others; undocumented ones are a matter of status_code_conformance.
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx"]},
    }
    if api.wording.reads.wrong_method != 405:
        checks["unsupported_method"] = {"enabled": False}
    phases: dict[str, Any] = {name: {"enabled": name in budget.phases} for name in PHASES}
    phases["coverage"]["unexpected-methods"] = _METHODS
    phases["fuzzing"]["generation"] = {"max-examples": budget.fuzzing}
    phases["stateful"]["generation"] = {"max-examples": budget.chains, "no-shrink": True}
    phases["stateful"]["inference"] = {"algorithms": []}
    phases["stateful"]["max-steps"] = 8
    return {
        "base-url": target.base_url,
        # A redirect is an answer to judge; what it leads to would be judged in its place, and at length.
        "max-redirects": 0,
        "seed": seed,
        "continue-on-failure": True,
        "workers": 1,
        "cache": {"enabled": False},
        "generation": {"database": "none", "deterministic": True, "no-shrink": True, "allow-x00": False},
        "output": {"sanitization": {"enabled": False}},
        "checks": checks,
        "phases": phases,
        "auth": {"openapi": _auth(api, key)},
    }


def _auth(api: Api, key: str) -> dict[str, Any]:
    """Return where the key goes, in the first way that the document has."""
    name, scheme = next(iter(api.document["components"]["securitySchemes"].items()))
    return {name: {"bearer": key} if scheme["type"] == "http" else {"api_key": key}}


def _document(target: Target, api: Api, tried: Sequence[Operation]) -> dict[str, Any]:
    """Return the document with this server and some operations in it, and without receiver addresses."""
    document = copy.deepcopy(api.document)
    document["servers"] = [{"url": target.base_url}]
    paths = document.pop("paths")
    document["paths"] = {}
    for one in tried:
        operation = paths[one.path][one.method.lower()]
        operation.pop("servers", None)
        operation.pop("callbacks", None)
        operation["parameters"] = [
            parameter
            for parameter in operation.get("parameters", [])
            if not _leads_away(follow(document, parameter), one.webhook_query)
            # What a mode that is none means is assumed, and without a receiver it means nothing.
            and (target.is_understudy or follow(document, parameter)["name"] != "X-Webhook-Mode")
        ]
        document["paths"].setdefault(one.path, {})[one.method.lower()] = operation
    _drop_links(document, {one.id for one in tried})
    return document


def _drop_links(document: dict[str, Any], names: set[str]) -> None:
    """Drop links to operations that are not tried: a single one fails all chains."""
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                links = response.get("links", {})
                for name, link in list(links.items()):
                    if follow(document, link)["operationId"] not in names:
                        del links[name]


def _leads_away(parameter: dict[str, Any], webhook_query: str) -> bool:
    return parameter["name"] == "X-Webhook-URL" or bool(webhook_query and parameter["name"] == webhook_query)
