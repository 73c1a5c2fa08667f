"""A user's receiver of callbacks under test: the callbacks of the document run as requests at it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import schemathesis.openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from contracts.findings import Case, Finding, Outcome, Severity
from contracts.receiver import Receiver
from contracts.server.again import again
from contracts.server.dialect import DIALECTS
from contracts.server.gateway import open_gateway
from contracts.server.generated import INTERRUPTED, what_was_said
from contracts.server.lifecycle import subjects
from contracts.server.promises.base import calls_back
from contracts.server.promises.callbacks import callbacks_sent
from contracts.server.spec import Api
from contracts.server.wire import Http, Unanswered
from mockserver.catalog.bundle import follow

_SEVERITY = {"negative_data_rejection": Severity.SHOULD}
_HOPS = frozenset({"host", "content-length", "connection", "transfer-encoding"})
_NAMES = frozenset({"request_id", "id"})
_MEANING = {
    "positive_data_acceptance": "A valid callback is taken with a 2xx.",
    "negative_data_rejection": "A callback that is none is refused.",
    "not_a_server_error": "No callback crashes the receiver.",
}


def callbacks_of(api: Api) -> dict[str, Any]:
    """Give the provider's callback, as the document describes the request. Raises LookupError."""
    for operation in api.submits:
        for callback in api.told(operation).get("callbacks", {}).values():
            for item in follow(api.document, callback).values():
                request: dict[str, Any] = item["post"]
                return request
    raise LookupError(f"{api.provider} documents no callbacks")


def check_receiver(
    url: str, api: Api, *, seed: int, examples: int, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Case]:
    """Post valid and invalid callbacks to a receiver. Raises LookupError for a provider without any."""
    progress(f"{api.provider} callbacks: as they are sent")
    yield _as_sent(url, api, seed)
    schema = schemathesis.openapi.from_dict(
        _document(url, api), config=SchemathesisConfig.from_dict(_config(url, api, seed, examples))
    )
    findings: dict[str, Finding] = {}
    tried: dict[str, int] = dict.fromkeys(_MEANING, 0)
    errors: list[str] = []
    seconds, interrupted = 0.0, False
    for event in from_schema(schema).execute():
        if isinstance(event, events.PhaseStarted):
            progress(f"{api.provider} callbacks: {event.phase.name.value}")
        elif isinstance(event, events.Interrupted):
            interrupted = True
        elif isinstance(event, events.NonFatalError):
            errors.append(str(event.value))
        elif isinstance(event, events.FatalError):
            errors.append(str(event.exception))
        elif isinstance(event, events.ScenarioFinished) and event.is_test_scenario:
            seconds += event.elapsed_time
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    tried[check.name] = tried.get(check.name, 0) + 1
                    if check.failure_info is not None and check.name not in findings:
                        failure = check.failure_info.failure
                        findings[check.name] = Finding(
                            id=f"receiver-{check.name.replace('_', '-')}",
                            severity=_SEVERITY.get(check.name, Severity.MUST),
                            source="the provider's callbacks, in its OpenAPI document",
                            expected=_MEANING.get(check.name, ""),
                            seen=": ".join(filter(None, (failure.title, failure.message))),
                            subject=url,
                            evidence=what_was_said(event.recorder, failure.case_id or case_id),
                            curl=again(check.failure_info.code_sample, base_url=url),
                        )
    for name, meaning in _MEANING.items():
        found = (findings[name],) if name in findings else ()
        outcome = Outcome.FAILED if found else Outcome.PASSED if tried[name] else Outcome.NOT_REACHED
        reason = "" if tried[name] else (errors[0] if errors else "no callback was answered")
        if interrupted and not found:
            outcome, reason = Outcome.NOT_REACHED, INTERRUPTED
        if errors and not tried[name]:
            outcome = Outcome.ERROR
        yield Case(f"{api.provider} callbacks", meaning, outcome, seconds / len(_MEANING), found, reason)
    if interrupted:
        raise KeyboardInterrupt


def _as_sent(url: str, api: Api, seed: int) -> Case:
    """Post the callbacks of whole jobs, as the gateway sends them; the first that is refused is told."""
    group, meaning = f"{api.provider} callbacks", "Callbacks as they are really sent are taken with a 2xx."
    began = time.perf_counter()
    target, receiver, wire = open_gateway(seed=seed, catalog=api.catalog), Receiver(), Http(url)
    try:
        under_test = subjects(target, [api], receiver)
        sent = callbacks_sent(next(one for one in under_test if calls_back(api, one.operation)))
        for callback in sent:
            headers = {name: value for name, value in callback.headers.items() if name not in _HOPS}
            exchange = wire.send("POST", url, headers, callback.body)
            taken = exchange.status < 300 or (_signed(api) and exchange.status in (401, 403))
            if not taken:
                finding = Finding(
                    id="receiver-as-sent",
                    severity=Severity.MUST,
                    source="the provider's callbacks, in its OpenAPI document",
                    expected=meaning,
                    seen=f"answered {exchange.status}",
                    subject=url,
                    evidence=(str(exchange),),
                    curl=again(exchange.curl, base_url=url),
                )
                return Case(group, meaning, Outcome.FAILED, time.perf_counter() - began, (finding,))
    except Unanswered as problem:
        return Case(group, meaning, Outcome.ERROR, reason=f"no answer: {problem}")
    finally:
        wire.close()
        receiver.close()
        target.close()
    outcome = Outcome.PASSED if sent else Outcome.NOT_REACHED
    return Case(group, meaning, outcome, time.perf_counter() - began)


def _signed(api: Api) -> bool:
    return DIALECTS[api.provider].signs  # a signature of ours may be refused: the secret is not the user's


def _document(url: str, api: Api) -> dict[str, Any]:
    parts = urlsplit(url)
    request = copy.deepcopy(callbacks_of(api))
    # What a receiver answers beyond its status is its own business.
    request["responses"] = {"200": {"description": "Received."}, "4XX": {"description": "Refused."}}
    components = copy.deepcopy(api.document["components"])
    for schema in components["schemas"].values():
        for name in _NAMES & schema.get("properties", {}).keys():
            # Every callback that is really sent names its job, so one without a name is none.
            schema["properties"][name].setdefault("minLength", 1)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"a receiver of {api.provider}", "version": "1"},
        "servers": [{"url": f"{parts.scheme}://{parts.netloc}"}],
        "paths": {parts.path or "/": {"post": request}},
        "components": components,
    }


def _config(url: str, api: Api, seed: int, examples: int) -> dict[str, Any]:
    signed = _signed(api)
    accepted = ["2xx", "401", "403"] if signed else ["2xx"]  # a made-up signature may be refused
    parts = urlsplit(url)
    return {
        "base-url": f"{parts.scheme}://{parts.netloc}",
        "seed": seed,
        "continue-on-failure": True,
        "workers": 1,
        "cache": {"enabled": False},
        "generation": {"database": "none", "deterministic": True, "no-shrink": True, "allow-x00": False},
        "output": {"sanitization": {"enabled": False}},
        "checks": {
            "enabled": False,
            "positive_data_acceptance": {"enabled": True, "expected-statuses": accepted},
            "negative_data_rejection": {"enabled": True, "expected-statuses": ["4xx"]},
            "not_a_server_error": {"enabled": True},
        },
        "phases": {
            "examples": {"enabled": True},
            "coverage": {"enabled": True, "unexpected-methods": []},
            "fuzzing": {"enabled": True, "generation": {"max-examples": examples}},
            "stateful": {"enabled": False},
        },
    }
