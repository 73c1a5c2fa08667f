"""Examples for the search, as Hypothesis draws them: what is asked for where, and what the provider does.

A scenario is a short list of mischiefs on top of a provider that behaves. So the smallest scenario that
breaks a client names the one thing that did it. Everything that is drawn can be played.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st

from understudy_contracts.conformance.cases import usual_inputs
from understudy_contracts.conformance.protocol import Hello
from understudy_contracts.search.mischiefs import (
    DATA_URI,
    DIRECT,
    SHOWN_BY,
    Mischief,
    compose,
    kinds,
    mischiefs,
    simpler,
)
from understudy_contracts.search.places import Place, places_of
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.bundle import follow
from understudy_mock.catalog.describe import example
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Scenario

_MOST_MISCHIEFS = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """One example: what is asked for where, and what the provider does about it."""

    place: Place
    operation: Operation
    input: Mapping[str, Any]
    mischiefs: tuple[Mischief, ...]
    scenario: Scenario

    def simpler(self, catalog: Catalog) -> Iterator[Drawn]:
        """Return the same with one mischief less, with a simpler one, and with the documented input."""
        for index in range(len(self.mischiefs)):
            fewer = self.mischiefs[:index] + self.mischiefs[index + 1 :]
            yield self._with(fewer)
        for index, mischief in enumerate(self.mischiefs):
            for other in simpler(mischief):
                yield self._with((*self.mischiefs[:index], other, *self.mischiefs[index + 1 :]))
        usual = usual_body(catalog, self.place, self.operation)
        if usual != self.input and "data-uri" not in self.scenario.quirks:
            yield replace(self, input=usual)

    def _with(self, mischiefs: tuple[Mischief, ...]) -> Drawn:
        return replace(self, mischiefs=mischiefs, scenario=compose(mischiefs, self.operation))

    @property
    def name(self) -> bytes:
        """What tells two examples apart."""
        parts = (self.place, self.operation.id, self.input, self.scenario)
        return msgspec.json.encode(parts, order="deterministic")


def drawn(catalog: Catalog, hello: Hello, where: list[Place]) -> st.SearchStrategy[Drawn]:
    """Draw examples at these places (at least one) for a client that can do what `hello` says."""
    inputs = {place: _inputs(catalog, place) for place in where}
    drawn_mischiefs = {place: mischiefs(place, hello) for place in where}

    @st.composite
    def draw_one(draw: st.DrawFn) -> Drawn:
        place = draw(st.sampled_from(where))
        chosen = draw(st.lists(drawn_mischiefs[place], max_size=_MOST_MISCHIEFS))
        operation, body = draw(inputs[place])
        if not _answers_directly(catalog, operation):
            chosen = [mischief for mischief in chosen if mischief != DIRECT]
        if DATA_URI in chosen and "sync_mode" in _parameters(catalog, operation):
            body = {**body, "sync_mode": True}
        return Drawn(place, operation, body, tuple(chosen), compose(chosen, operation))

    return draw_one()


def singles(catalog: Catalog, hello: Hello, where: list[Place], seed: int) -> list[Drawn]:
    """List examples with one mischief each, and what it takes to see it.

    Each mischief comes once, at a place that the seed picks, before any comes at a second place.
    """
    random = Random(seed)
    met_at: dict[str, list[tuple[Place, Mischief]]] = {}
    for place in where:
        for mischief in (single for kind in kinds(place, hello) for single in kind.singles()):
            met_at.setdefault(repr(mischief), []).append((place, mischief))
    rounds = [random.sample(pairs, len(pairs)) for pairs in met_at.values()]
    random.shuffle(rounds)
    plain = [Drawn(place, *_asked(catalog, place, None), (), Scenario(name="drawn")) for place in where]
    chosen = [pair for nth in range(len(where)) for pairs in rounds for pair in pairs[nth : nth + 1]]
    return plain + [_single(catalog, place, mischief) for place, mischief in chosen]


def _single(catalog: Catalog, place: Place, mischief: Mischief) -> Drawn:
    operation, body = _asked(catalog, place, mischief)
    chosen = (mischief, *SHOWN_BY.get(str(mischief.effect), ()))
    return Drawn(place, operation, body, chosen, compose(chosen, operation))


def _asked(catalog: Catalog, place: Place, mischief: Mischief | None) -> tuple[Operation, dict[str, Any]]:
    """Ask for what is usual, or for what a quirk is about."""
    submits = _submits(catalog, place)
    operation = submits[0]
    if mischief == DIRECT:
        operation = next(submit for submit in submits if _answers_directly(catalog, submit))
    elif mischief == DATA_URI:
        operation = next(submit for submit in submits if "sync_mode" in _parameters(catalog, submit))
    body = usual_body(catalog, place, operation)
    return operation, {**body, "sync_mode": True} if mischief == DATA_URI else body


def _inputs(catalog: Catalog, place: Place) -> st.SearchStrategy[tuple[Operation, dict[str, Any]]]:
    """Draw a submit and its body: a documented one, with up to two other values that the spec allows."""
    submits = _submits(catalog, place)
    # The usual model three times: others are the same code at most providers, and clients know fewer.
    weighted = [submits[0], submits[0], submits[0], *submits[1:]]

    @st.composite
    def draw_one(draw: st.DrawFn) -> tuple[Operation, dict[str, Any]]:
        operation = draw(st.sampled_from(weighted))
        body = usual_body(catalog, place, operation)
        others = list(_others(catalog, operation))
        if others:
            for name, value in draw(st.lists(st.sampled_from(others), max_size=2)):
                changed = {**body, name: value}
                if _allowed(operation, changed, body):
                    body = changed
        return operation, body

    return draw_one()


def _submits(catalog: Catalog, place: Place) -> list[Operation]:
    """List the submits of a place, that of the usual model first."""
    fitting = [operation for operation in catalog.operations if place in places_of(operation)]
    return sorted(fitting, key=lambda submit: _usual_input(submit) is None)


def _allowed(operation: Operation, changed: dict[str, Any], before: dict[str, Any]) -> bool:
    """Return whether the spec allows a body, and warns of nothing that it did not warn of before."""
    check = operation.body
    return check is None or (
        check.allows(changed) and set(check.advice(changed)) <= set(check.advice(before))
    )


def usual_body(catalog: Catalog, place: Place, operation: Operation) -> dict[str, Any]:
    """Return the body to send where nothing else is asked: that of the cases, else the documented one."""
    usual = _usual_input(operation)
    body = dict(example(catalog, operation) if usual is None else usual)
    if place.mode == "sync" and operation.wait:
        body[operation.wait] = True
    return body


def _usual_input(operation: Operation) -> Mapping[str, Any] | None:
    """Return the input of the cases where they ask for the operation's model."""
    usual = usual_inputs().get(operation.provider)
    if usual is None or operation.model is None or operation.model.id != usual.model:
        return None
    return usual.input


_NOT_VARIED = frozenset({"sync_mode", "enable_sync_mode", "enable_base64_output", "base64"})
"""Parameters that change the form of the answer: modes and quirks cover them."""

_TEXTS = ("a", 'Ein Löwe, 獅子, 🦁 "in" <b>Zürich</b>\n& more', "very " * 400 + "long")


def _others(catalog: Catalog, operation: Operation) -> Iterator[tuple[str, Any]]:
    """List values of each parameter that are worth trying: the edges of its range, and every choice."""
    for name, schema in _parameters(catalog, operation).items():
        if name in _NOT_VARIED:
            continue
        for branch in schema.get("anyOf", [schema]):
            if "enum" in branch:
                yield from ((name, value) for value in branch["enum"])
            elif branch.get("type") == "boolean":
                yield from ((name, value) for value in (True, False))
            elif branch.get("type") in ("integer", "number"):
                edges = (branch.get("minimum"), branch.get("maximum"), branch.get("default"))
                yield from ((name, value) for value in edges if value is not None)
            elif branch.get("type") == "string" and name in ("prompt", "negative_prompt"):
                yield from ((name, value) for value in _TEXTS)


def _parameters(catalog: Catalog, operation: Operation) -> dict[str, dict[str, Any]]:
    document = catalog.documents[operation.provider]
    described = catalog.declared(operation)
    schema = follow(document, described["requestBody"]["content"]["application/json"]["schema"])
    return {name: follow(document, inner) for name, inner in schema.get("properties", {}).items()}


def _answers_directly(catalog: Catalog, operation: Operation) -> bool:
    """Return whether a submit can be answered with its result: its model has a call of its own for that."""
    return any(other.role == "result" and other.model is operation.model for other in catalog.operations)
