"""What stands between braces in a text: `{path|filter|…}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from understudy_mock.domain.timeline import State
from understudy_mock.wording.scope import Scope
from understudy_mock.wording.values import FILTERS, OPEN, Context, Value

_EXPRESSION = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Otherwise(NamedTuple):
    """The filter `or:X`: X where there is no value, or an empty text."""

    value: Any


class Expression(NamedTuple):
    """A value and its filters, in their order."""

    value: Value
    filters: tuple[Callable[[Any], Any] | Otherwise, ...]

    @property
    def is_sure(self) -> bool:
        """Whether it is always there."""
        return not self.value.maybe or any(isinstance(one, Otherwise) for one in self.filters)

    def read(self) -> Callable[[Context], Any]:
        """Return what reads the value; None where it is missing."""
        read, filters = self.value.read, self.filters
        if not filters:
            return read
        (first, *more) = filters
        if not more and not isinstance(first, Otherwise) and not self.value.maybe:
            only = first  # nearly all of them: no loop
            return lambda context: only(read(context))

        def filtered(context: Context) -> Any:
            value = read(context)
            for one in filters:
                if isinstance(one, Otherwise):
                    value = one.value if value is None or value == "" else value
                elif value is not None:
                    value = one(value)
            return value

        return filtered


class Static(NamedTuple):
    """A value that is known."""

    value: Any


class Nested(NamedTuple):
    """Another template inside a text."""

    node: Any
    at: str


def parts_of(text: str, scope: Scope, at: str) -> Iterator[Any]:
    """Part a text at its expressions; neighbouring literals are one."""
    literal, done = "", 0
    for match in _EXPRESSION.finditer(text):
        literal += text[done : match.start()]
        done = match.end()
        if match[0] in ("{{", "}}"):
            literal += match[0][0]
            continue
        if match[1] is None:
            scope.problems.add(at, f"a single {match[0]!r}: write {match[0] * 2!r} for a brace")
            continue
        expression = _expression(match[1], scope, at)
        if expression is None:
            continue
        if literal:
            yield literal
        literal = ""
        yield expression
    literal += text[done:]
    if literal or not text:
        yield literal


def _expression(source: str, scope: Scope, at: str) -> Any:
    path, *filters = source.split("|")
    path = path.strip()
    if path in scope.texts:
        return Nested(*scope.texts[path])
    value = _status(scope) if path == "job.status" and scope.state is not None else named(path, scope, at)
    if value is None:
        return None
    functions: list[Callable[[Any], Any] | Otherwise] = []
    for one in filters:
        name, colon, argument = one.strip().partition(":")
        if name == "or" and colon:
            functions.append(Otherwise(_literal(argument)))
        elif name in FILTERS and not colon:
            functions.append(FILTERS[name])
        else:
            known = ", ".join([*FILTERS, "or:…"])
            scope.problems.add(at, f"unknown filter {one.strip()!r}; known are {known}")
    if not functions and (fixed := always(value, scope)) is not OPEN:
        return Static(fixed)
    return Expression(value, tuple(functions))


def _status(scope: Scope) -> Value:
    """Return the provider's word for the job's state; a scenario can have another one for PROCESSING."""
    assert scope.state is not None
    word = scope.words.get(scope.state, scope.state.value)
    if scope.state is State.PROCESSING:
        return Value(lambda context: context.job.timeline.processing_as or word)
    return Value(lambda context: word, fixed=word)


def always(value: Value | None, scope: Scope) -> Any:
    """Return what a value always is in this state; OPEN where that differs."""
    if value is None or value.fixed is not OPEN:
        return OPEN if value is None else value.fixed
    if value.without_outputs is not OPEN and not scope.has_outputs:
        return value.without_outputs
    if scope.state is None or scope.state is State.COMPLETED:
        return OPEN
    return value.unless_completed


def named(path: Any, scope: Scope, at: str) -> Value | None:
    """Return the value of a name; None, and a problem, for one that is not known here."""
    value = scope.names.get(path) if isinstance(path, str) else None
    if value is None:
        scope.problems.add(at, f"unknown value {path!r}; here are {', '.join(sorted(scope.names))}")
    return value


def _literal(text: str) -> Any:
    """Return what follows `or:`: a number, true, false or null as such, anything else as a text."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if value is None or isinstance(value, bool | int | float) else text
