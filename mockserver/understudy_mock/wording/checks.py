"""Everything that is wrong with a provider's folder, each with file, JSON pointer and a sentence.

Three texts are held to one another: `provider.yaml` to the format, its templates to what they may name, and
what they make to the OpenAPI documents beside it, in every state and under every quirk.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.catalog.bundle import follow
from understudy_mock.catalog.notation import escape
from understudy_mock.domain.call import Answer
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.wording.samples import (
    BALANCE,
    DETAILS,
    FILE,
    PLACE,
    samples_of_a_job,
    samples_of_facts,
)
from understudy_mock.wording.scope import Problems
from understudy_mock.wording.structure import problems_of
from understudy_mock.wording.wording import OF_JOBS, Wording

Problem = tuple[str, str]
"""A JSON pointer into `provider.yaml`, and a sentence."""

OWN_QUIRKS = frozenset({"direct-video", "placeholder-media", "data-uri", "extra-fields"})
"""Quirks with an effect of their own in the gateway, beside or instead of conditions in templates."""

_OF_SUBMITS = frozenset(
    {
        Condition.MODEL_NOT_FOUND,
        Condition.INSUFFICIENT_BALANCE,
        CallError.WEBHOOK_URL,
        CallError.WEBHOOK_INLINE,
    }
)
"""Refusals that only a submit can meet."""

_MOST_SAID = 200
"""Characters that a sentence quotes of what does not fit."""


class _Sent(NamedTuple):
    """An answer to an operation, and when it is sent: `at` is the pointer of its template."""

    at: str
    when: str
    answer: Answer


def problems_in(data: Any) -> list[Problem]:
    """List all that is wrong in a provider's description by itself: its structure, its templates, its sense.

    What has the wrong structure is left out of what is looked at further.
    """
    structural = list(problems_of(data))
    sound = _without(data, [pointer for pointer, _ in structural])
    problems = Problems()
    wording = Wording.of(sound, problems)
    _compile_all(wording)
    found = [*structural, *problems.found]
    return found or list(contradictions(wording))


def _without(data: Any, pointers: Iterable[str]) -> dict[str, Any]:
    """Return a description without what the pointers lead to, and with every block, empty if need be."""
    whole: dict[str, Any] = copy.deepcopy(dict(data)) if isinstance(data, Mapping) else {}
    for pointer in sorted(pointers, key=len, reverse=True):
        *path, last = [_unescape(step) for step in pointer.split("/")[1:]] or [""]
        part: Any = whole
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        # A list is left out as a whole, by the pointer to one of its entries.
        if isinstance(part, dict):
            part.pop(last, None)
    for block in ("states", "statuses", "shapes", "answers", "refusals", "other_statuses", "quirks"):
        whole.setdefault(block, {})
    return whole


def _unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _compile_all(wording: Wording) -> None:
    """Compile each answer for each state, without quirks, with each one, and with all of them."""
    names = frozenset(wording.data["quirks"])
    for quirks in dict.fromkeys((frozenset[str](), *(frozenset({name}) for name in sorted(names)), names)):
        if "ids" in wording.data:
            wording.compile_id(quirks)
        for role in wording.data["answers"]:
            for state in _states(role):
                for has_outputs in (False, True):
                    wording.compile_answer(f"answers/{role}", state, quirks, has_outputs)
        for what in wording.data["refusals"]:
            if what != "$form":
                wording.compile_answer(f"refusals/{what}", None, quirks)
        for state in State:
            if "callback" in wording.data:
                for has_outputs in (False, True):
                    wording.compile_callback(state, quirks, has_outputs)
    for status in wording.data["other_statuses"]:
        wording.compile_answer(f"other_statuses/{status}", None, frozenset())
    if {"algorithm", "message", "headers"} <= wording.data.get("signature", {}).keys():
        wording.compile_signature()


def _states(role: str) -> tuple[State | None, ...]:
    """Return the states in which a job can be when it is answered about; (None,) where there is no job."""
    match role:
        case "submit":
            return (State.QUEUED,)
        case "late":
            return (State.QUEUED, State.PROCESSING)
        case _:
            return tuple(State) if role in OF_JOBS else (None,)


def contradictions(wording: Wording) -> Iterator[Problem]:
    """List where `provider.yaml` contradicts itself."""
    asked = set(re.findall(r"quirk\.([a-z0-9-]+)", json.dumps(wording.data)))
    for name in wording.data.get("quirks", {}):
        if name not in asked | OWN_QUIRKS:
            own = ", ".join(sorted(OWN_QUIRKS))
            yield (
                f"/quirks/{escape(name)}",
                f"no template asks for quirk.{name}, and the gateway has no such quirk: it has {own}",
            )
    for status, what in wording.conditions.items():
        answered = wording.refusal(Refusal(what, DETAILS[0]), PLACE, frozenset()).status
        if answered != status:
            yield f"/statuses/{status}", f"means {what}, but refusals/{what} answers {answered}"


def misfits(wording: Wording, catalog: Catalog) -> Iterator[Problem]:
    """List where what is worded is not what the provider's OpenAPI documents say.

    What several operations are sent alike is said of the first.
    """
    own = [operation for operation in catalog.operations if operation.provider == wording.name]
    documents = _Documents(catalog)
    seen = set()
    for quirks in _sets(wording):
        refusals = list(_refusals(wording, quirks))
        for operation in own:
            for sent in (*_answers(wording, catalog, operation, quirks), *_met(operation, refusals)):
                for what, problem in documents.misfits(operation, sent):
                    if (sent.at, what) not in seen:
                        seen.add((sent.at, what))
                        yield sent.at, f"{sent.when} {problem}"


def unanswered(wording: Wording, catalog: Catalog) -> Iterator[Problem]:
    """List the operations of the provider that nothing answers."""
    for operation in catalog.operations:
        if (
            operation.provider == wording.name
            and _answer_of(wording, operation) not in wording.data["answers"]
        ):
            yield "/answers", f"there is no {_role(operation)!r}, which {operation.id} needs"


def _answer_of(wording: Wording, operation: Operation) -> str:
    role = _role(operation)
    return "result" if role == "finished" and role not in wording.data["answers"] else role


def _role(operation: Operation) -> str:
    """Return which answer an operation needs."""
    if operation.role == "submit" and operation.answers == "media":
        return "finished"
    return operation.role


def _sets(wording: Wording) -> list[frozenset[str]]:
    """Return the sets of quirks to try: none, and each alone that claims to be documented."""
    quirks: Mapping[str, Any] = wording.data.get("quirks", {})
    return [
        frozenset(),
        *(frozenset({name}) for name, told in quirks.items() if not told.get("undocumented", False)),
    ]


def _answers(
    wording: Wording, catalog: Catalog, operation: Operation, quirks: frozenset[str]
) -> Iterator[_Sent]:
    """Yield what an operation answers in each state, or with each kind of facts."""
    if _answer_of(wording, operation) not in wording.data["answers"]:
        return
    role = _role(operation)
    model = operation.model or next(one for one in catalog.models if one.provider == wording.name)
    under = _under(quirks)
    if role in ("submit", "status", "result", "finished"):
        states = [State.QUEUED] if role == "submit" else TERMINAL if role == "finished" else State
        for state in sorted(states, key=list(State).index):
            for job, step, urls in samples_of_a_job(wording, model, state, quirks):
                match role:
                    case "submit":
                        answer = wording.accepted(job)
                    case "status":
                        answer = wording.status(job, step, urls)
                    case "result":
                        answer = wording.result(job, step, urls, len(urls) and len(FILE), BALANCE)
                    case _:
                        answer = wording.finished(job, step, urls, FILE if urls else b"", BALANCE)
                yield _Sent(f"/answers/{role}", f"in state {state}{under}", answer)
    roles = [role] if role not in ("submit", "finished") else ["late"] if operation.wait else []
    for other in roles:
        for facts in samples_of_facts(wording, model, other):
            yield _Sent(f"/answers/{other}", f"about {type(facts).__name__}{under}", wording.answer(facts))


def _refusals(wording: Wording, quirks: frozenset[str]) -> Iterator[_Sent]:
    for what in (*Condition, *CallError):
        for detail in DETAILS:
            answer = wording.refusal(Refusal(what, detail), PLACE, quirks)
            yield _Sent(f"/refusals/{what}", f"when a call is refused{_under(quirks)}", answer)


def _under(quirks: Iterable[str]) -> str:
    return "".join(f" under the quirk {name}" for name in quirks)


def _met(operation: Operation, refusals: list[_Sent]) -> Iterator[_Sent]:
    """Yield the refusals that a call of the operation can meet, and that have a documented status."""
    for sent in refusals:
        what = sent.at.removeprefix("/refusals/")
        if what in _OF_SUBMITS and operation.role != "submit":
            continue
        if sent.answer.status in operation.statuses:
            yield sent


class _Documents:
    """The provider's documents, to hold what is sent to."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._validators: dict[tuple[str, int, str], jsonschema_rs.Validator] = {}

    def misfits(self, operation: Operation, sent: _Sent) -> Iterator[tuple[str, str]]:
        """List where an answer is not as documented: what is wrong, and the sentence about it."""
        answer = sent.answer
        if answer.status not in operation.statuses:
            known = ", ".join(map(str, sorted(operation.statuses)))
            yield f"{answer.status}", f"it answers {answer.status}, and {operation.id} documents {known}"
            return
        content = self._content(operation, answer.status)
        if not content:
            return
        kind = dict(answer.headers).get(b"content-type", b"").decode("latin-1").partition(";")[0]
        if kind not in content:
            documented = " or ".join(content)
            yield kind, f"it sends {kind or 'no body'}, and {operation.id} documents {documented}"
        elif "json" in kind:
            body = msgspec.json.decode(answer.body)
            for error in self._validator(operation, answer.status, kind, content).iter_errors(body):
                place = "".join(f"/{escape(str(part))}" for part in error.instance_path)
                text = error.message[:_MOST_SAID]
                yield (
                    f"{place} {text}",
                    f"its body is not what {operation.id} documents for {answer.status}"
                    f"{f', at {place}' if place else ''}: {text}",
                )

    def _content(self, operation: Operation, status: int) -> dict[str, Any]:
        document = self._catalog.documents[operation.provider]
        response = follow(document, self._catalog.declared(operation)["responses"][str(status)])
        content: dict[str, Any] = response.get("content", {})
        return content

    def _validator(
        self, operation: Operation, status: int, kind: str, content: dict[str, Any]
    ) -> jsonschema_rs.Validator:
        key = operation.id, status, kind
        if key not in self._validators:
            components = self._catalog.documents[operation.provider]["components"]
            schema = {"allOf": [content[kind]["schema"]], "components": components}
            self._validators[key] = jsonschema_rs.validator_for(schema)
        return self._validators[key]
