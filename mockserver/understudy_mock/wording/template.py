"""Templates: JSON with values in it, compiled to bytes with slots.

A template is compiled once for a job's state and a set of quirks. What these decide is decided then; what is
left are the bytes that are always the same, and slots that are filled from a `Context`.

- A text holds values: `{path|filter|…}`, and `{{` and `}}` for braces. One that is a single value keeps its
  type.
- `$by: path` chooses an entry by a value, `else` for the rest. `$if: condition` has `then` and `else`. `$or`
  is the first of a list that is there.
- `$each`, `$first` and `$join` walk a list and `do` something with each `item`. `$join` puts `with` between
  and `before` in front. For an empty list the last two have an `else`.
- In an object, `$use` puts the members of shapes in its place, in order. Alone, it is the shape itself. A
  member `name?` is left out where its value is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from understudy_mock.catalog.notation import escape
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.wording.expressions import Nested, Static, always, named, parts_of
from understudy_mock.wording.scope import COMPACT, Scope
from understudy_mock.wording.values import ITEMS, OPEN, Context

_MAY_BE_MISSING = "the value may be missing: end the member's name in `?`, or give it |or:… or an else"

Render = Callable[[Context], bytes | None]
"""Makes some bytes of JSON; None where the value is missing."""

_encode = msgspec.json.encode

MISSING = object()
"""Stands for a value that is left out for certain."""

_KEYWORDS = {
    "$by": None,
    "$if": {"then", "else"},
    "$or": set[str](),
    "$each": {"do"},
    "$first": {"do", "else"},
    "$join": {"do", "with", "before", "else"},
}

Piece = bytes | Render
"""Bytes that are always the same, or a slot that is always filled."""


def compile_json(node: Any, scope: Scope, at: str) -> Callable[[Context], bytes]:
    """Compile a template of a whole JSON body; `at` is its JSON pointer."""
    value = _value(node, scope, at)
    return _joined(_present(value, scope, at))


def compile_text(node: Any, scope: Scope, at: str) -> Callable[[Context], str]:
    """Compile a template of a text that is no JSON, such as a header's value."""
    if isinstance(node, str):
        return _text(node, scope, at)
    made = _joined(_present(_value(node, scope, at), scope, at))

    def read(context: Context) -> str:
        value = msgspec.json.decode(made(context))
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    return read


def decide(node: Any, scope: Scope, at: str) -> tuple[Any, str]:
    """Follow `$by: job.state` and `$if` of quirks, which must leave nothing open, to what they choose."""
    while isinstance(node, dict) and ("$by" in node or "$if" in node):
        if "$by" in node:
            chosen = _chosen(node, scope, at)
        else:
            truth = _decided(node["$if"], scope, f"{at}/$if")
            if callable(truth):
                scope.problems.add(f"{at}/$if", "only quirks and job.state can decide here")
                truth = True
            chosen = ("then" if truth else "else",)
        if callable(chosen) or chosen[0] not in node:
            scope.problems.add(at, f"nothing is said for {scope.state or 'this case'}")
            return {}, at
        node, at = node[chosen[0]], f"{at}/{escape(chosen[0])}"
    return node, at


# -- values


_Made = list[Piece] | Render | object
"""Pieces of a value that is there, a slot that may be missing, or MISSING."""


def _value(node: Any, scope: Scope, at: str) -> Any:
    match node:
        case str():
            return _from_text(node, scope, at)
        case {"$use": str(name), **rest} if not rest:
            return _shape(name, scope, f"{at}/$use")
        case dict():
            words = [name for name in node if name.startswith("$") and name != "$use"]
            if not words:
                return _object(node, scope, at)
            word = words[0]
            if len(words) > 1 or word not in _KEYWORDS:
                scope.problems.add(f"{at}/{escape(words[-1])}", f"unknown word {words[-1]!r} in a template")
                return [b"null"]
            allowed = _KEYWORDS[word]
            for name in node:
                if name != word and allowed is not None and name not in allowed:
                    scope.problems.add(f"{at}/{escape(name)}", f"{name!r} does not belong to {word}")
            return _WORDS[word](node, scope, at)
        case list():
            return _array([_value(inner, scope, f"{at}/{index}") for index, inner in enumerate(node)])
        case _:
            return [_encode(node)]


def _shape(name: str, scope: Scope, at: str) -> Any:
    """Return the value of a shape, whatever it is."""
    if name not in scope.shapes:
        known = ", ".join(sorted(scope.shapes)) or "none"
        scope.problems.add(at, f"unknown shape {name!r}; known are {known}")
    elif name in scope.using:
        scope.problems.add(at, f"the shape {name!r} uses itself")
    else:
        inside = replace(scope, using=(*scope.using, name))
        return _value(scope.shapes[name], inside, f"/shapes/{escape(name)}")
    return [b"null"]


def _array(values: list[Any]) -> Any:
    parts: list[Piece] = [b"["]
    for value in (value for value in values if value is not MISSING):
        if len(parts) > 1:
            parts.append(b",")
        parts += value if isinstance(value, list) else [_or_null(value)]
    return [*parts, b"]"]


class _Member(NamedTuple):
    node: Any
    scope: Scope
    at: str
    optional: bool
    only_if: Callable[[Context], bool] | None = None


def _object(node: dict[str, Any], scope: Scope, at: str) -> Any:
    members: dict[str, _Member] = {}
    _collect(node, scope, at, None, members)
    style = scope.style
    parts: list[Piece] = [style.opens]
    for name, member in members.items():
        inner = member.scope if style is COMPACT else replace(member.scope, style=COMPACT)
        value = _value(member.node, inner, member.at)
        key = _encode(name) + style.colon
        if value is MISSING:
            if not member.optional:
                scope.problems.add(
                    member.at, f"{name!r} may be missing: end its name in `?`, or give an else"
                )
            continue
        is_first = len(parts) == 1
        before = key if is_first else style.comma + key
        if isinstance(value, list) and member.only_if is None:
            parts += [before, *value]
            continue
        if is_first:
            scope.problems.add(member.at, "the first member of an object must always be there")
        if not member.optional and not isinstance(value, list):
            scope.problems.add(member.at, _MAY_BE_MISSING)
        parts.append(_optional(before, value, member.only_if))
    return [*parts, style.closes]


def _optional(before: bytes, value: Any, only_if: Callable[[Context], bool] | None) -> Render:
    made: Render = _joined(value) if isinstance(value, list) else value

    def render(context: Context) -> bytes:
        if only_if is not None and not only_if(context):
            return b""
        rendered = made(context)
        return b"" if rendered is None else before + rendered

    return render


def _collect(
    node: dict[str, Any],
    scope: Scope,
    at: str,
    only_if: Callable[[Context], bool] | None,
    members: dict[str, _Member],
) -> None:
    """Gather the members of an object in their order. One that comes again takes the place of the first."""
    for name, value in node.items():
        if name == "$use":
            _take_shapes(value, scope, f"{at}/$use", only_if, members)
        else:
            bare = name.removesuffix("?")
            members[bare] = _Member(value, scope, f"{at}/{escape(name)}", name.endswith("?"), only_if)


def _take_shapes(
    used: Any,
    scope: Scope,
    at: str,
    only_if: Callable[[Context], bool] | None,
    members: dict[str, _Member],
) -> None:
    """Gather the members of shapes: of one by its name, of several in a list, some only `$if`."""
    if isinstance(used, list):
        for index, one in enumerate(used):
            _take_shapes(one, scope, f"{at}/{index}", only_if, members)
        return
    if isinstance(used, dict) and "$if" in used and set(used) <= {"$if", "then", "else"}:
        truth = _decided(used["$if"], scope, f"{at}/$if")
        if not callable(truth):
            _take_shapes(used.get("then" if truth else "else", []), scope, at, only_if, members)
            return
        if "else" in used or only_if is not None:
            scope.problems.add(at, "a $use that a value decides has no else, and none inside it")
        _take_shapes(used.get("then", []), scope, f"{at}/then", truth, members)
        return
    shape = scope.shapes.get(used) if isinstance(used, str) else None
    if shape is None:
        scope.problems.add(
            at, f"unknown shape {used!r}; known are {', '.join(sorted(scope.shapes)) or 'none'}"
        )
    elif not isinstance(shape, dict) or any(name.startswith("$") and name != "$use" for name in shape):
        scope.problems.add(at, f"the shape {used!r} is no object, so it has no members")
    elif used in scope.using:
        scope.problems.add(at, f"the shape {used!r} uses itself")
    else:
        inside = replace(scope, using=(*scope.using, used))
        _collect(shape, inside, f"/shapes/{escape(used)}", only_if, members)


# -- words


def _by(node: dict[str, Any], scope: Scope, at: str) -> Any:
    chosen = _chosen(node, scope, at)
    if not callable(chosen):
        (name,) = chosen
        return _value(node[name], scope, f"{at}/{escape(name)}") if name in node else MISSING
    values = {
        name: _value(inner, scope, f"{at}/{escape(name)}") for name, inner in node.items() if name != "$by"
    }
    made = {name: _slot(value) for name, value in values.items()}
    other = made.get("else", _never)

    def render(context: Context) -> bytes | None:
        return made.get(chosen(context), other)(context)

    is_sure = "else" in values and all(isinstance(value, list) for value in values.values())
    return [render] if is_sure else render


def _chosen(node: dict[str, Any], scope: Scope, at: str) -> Any:
    """Return the name of the entry that `$by` chooses, in a tuple, or what finds it in a context."""
    path = node["$by"]
    if path == "job.state":
        known = {state.value for state in State}
        for name in node:
            if name not in known and name not in ("$by", "else"):
                scope.problems.add(
                    f"{at}/{escape(name)}", f"unknown state {name!r}; known are {', '.join(State)}"
                )
        if scope.state is None:
            scope.problems.add(f"{at}/$by", "there is no job here, so no job.state")
            return ("else",)
        return (scope.state.value if scope.state.value in node else "else",)
    value = named(path, scope, f"{at}/$by")
    if value is None:
        return ("else",)
    read = value.read
    return lambda context: str(read(context))


def _if(node: dict[str, Any], scope: Scope, at: str) -> Any:
    truth = _decided(node["$if"], scope, f"{at}/$if")
    branches = [
        _value(node[name], scope, f"{at}/{name}") if name in node else MISSING for name in ("then", "else")
    ]
    if not callable(truth):
        return branches[0 if truth else 1]
    then, other = map(_slot, branches)
    if all(isinstance(branch, list) for branch in branches):
        return [lambda context: (then if truth(context) else other)(context)]
    return lambda context: (then if truth(context) else other)(context)


def _decided(condition: Any, scope: Scope, at: str) -> Any:
    """Return whether a condition holds, or what finds it out in a context."""
    match condition:
        case str() if condition.startswith("quirk."):
            name = condition.removeprefix("quirk.")
            if name not in scope.known_quirks:
                known = ", ".join(sorted(scope.known_quirks)) or "none"
                scope.problems.add(at, f"unknown quirk {name!r}; known are {known}")
            return name in scope.quirks
        case "job.is_done":
            return scope.state in TERMINAL
        case str():
            value = named(condition, scope, at)
            known = always(value, scope)
            return (False if value is None else value.read) if known is OPEN else bool(known)
        case {"not": inner, **rest} if not rest:
            truth = _decided(inner, scope, f"{at}/not")
            return (lambda context: not truth(context)) if callable(truth) else not truth
        case {"all": [*parts], **rest} if not rest:
            return _combined(parts, scope, f"{at}/all", stops_at=False)
        case {"any": [*parts], **rest} if not rest:
            return _combined(parts, scope, f"{at}/any", stops_at=True)
    scope.problems.add(at, "a condition is quirk.NAME, a value, or {not: …}, {all: […]}, {any: […]}")
    return False


def _combined(parts: Sequence[Any], scope: Scope, at: str, *, stops_at: bool) -> Any:
    truths = [_decided(part, scope, f"{at}/{index}") for index, part in enumerate(parts)]
    if any(truth is stops_at for truth in truths):
        return stops_at
    reads = [truth for truth in truths if callable(truth)]
    if not reads:
        return not stops_at
    combine = any if stops_at else all
    return lambda context: combine(read(context) for read in reads)


def _or(node: dict[str, Any], scope: Scope, at: str) -> Any:
    choices = node["$or"]
    if not isinstance(choices, list) or not choices:
        scope.problems.add(f"{at}/$or", "$or takes a list")
        return [b"null"]
    made = [_value(one, scope, f"{at}/$or/{index}") for index, one in enumerate(choices)]
    made = [value for value in made if value is not MISSING]
    if not made:
        return MISSING
    first = next((index for index, value in enumerate(made) if isinstance(value, list)), len(made))
    if first == 0:
        return made[0]
    slots = [_slot(value) for value in made[: first + 1]]

    def render(context: Context) -> bytes | None:
        return next((got for slot in slots if (got := slot(context)) is not None), None)

    return [render] if first < len(made) else render


def _walk(
    word: str, node: dict[str, Any], scope: Scope, at: str
) -> tuple[Callable[[Context], Any], Callable[[Context], bytes]] | None:
    """Return how a list is read, and how one of what it holds is rendered."""
    path = node[word]
    value = named(path, scope, f"{at}/{word}")
    if value is None or path not in ITEMS:
        if value is not None:
            scope.problems.add(f"{at}/{word}", f"{path} is no list; lists are {', '.join(sorted(ITEMS))}")
        return None
    if "do" not in node:
        scope.problems.add(at, f"{word} has no `do`")
        return None
    if path == "jobs":
        return value.read, _each_job(node["do"], scope, f"{at}/do")
    inner = replace(scope, names={**scope.names, **ITEMS[path]})
    return value.read, _joined(_present(_value(node["do"], inner, f"{at}/do"), inner, f"{at}/do"))


def _each_job(node: Any, scope: Scope, at: str) -> Callable[[Context], bytes]:
    """Return what renders one job of a list: it has a state and quirks of its own."""
    names = {**scope.names, **ITEMS["jobs"]}
    variants: dict[tuple[State, frozenset[str], bool], Callable[[Context], bytes]] = {}

    def variant(state: State, quirks: frozenset[str], has_outputs: bool) -> Callable[[Context], bytes]:
        own = replace(scope, names=names, state=state, quirks=quirks, has_outputs=has_outputs)
        return _joined(_present(_value(node, own, at), own, at))

    for state in State:  # all that is wrong is found now
        variants[state, frozenset(), True] = variant(state, frozenset(), has_outputs=True)

    def render(context: Context) -> bytes:
        job, step, urls = context.item
        key = step.state, job.quirks, bool(urls)
        chosen = variants.get(key)
        if chosen is None:
            chosen = variants[key] = variant(*key)
        return chosen(Context(job, step, urls))

    return render


def _rendered(context: Context, items: Any, do: Callable[[Context], bytes]) -> Iterator[bytes]:
    outer = context.item
    for item in items:
        context.item = item
        yield do(context)
    context.item = outer


def _each(node: dict[str, Any], scope: Scope, at: str) -> Any:
    walked = _walk("$each", node, scope, at)
    if walked is None or always(scope.names[node["$each"]], scope) == []:
        return [b"[]"]
    read, do = walked
    return [lambda context: b"[" + b",".join(_rendered(context, read(context), do)) + b"]"]


def _first(node: dict[str, Any], scope: Scope, at: str) -> Any:
    walked = _walk("$first", node, scope, at)
    other = _value(node["else"], scope, f"{at}/else") if "else" in node else MISSING
    if walked is None:
        return [b"null"]
    read, do = walked
    otherwise = _slot(other)

    def render(context: Context) -> bytes | None:
        rendered = next(_rendered(context, read(context)[:1], do), None)
        return otherwise(context) if rendered is None else rendered

    return [render] if isinstance(other, list) else render


def _join(node: dict[str, Any], scope: Scope, at: str) -> Any:
    walked = _walk("$join", node, scope, at)
    other = _value(node["else"], scope, f"{at}/else") if "else" in node else MISSING
    glue, before = (_inside_a_string(_plain(node, name, scope, at)) for name in ("with", "before"))
    if walked is None:
        return [b'""']
    read, do = walked
    otherwise = _slot(other)

    def render(context: Context) -> bytes | None:
        parts = [_as_part(part) for part in _rendered(context, read(context), do)]
        return b'"' + before + glue.join(parts) + b'"' if parts else otherwise(context)

    return [render] if isinstance(other, list) else render


def _plain(node: dict[str, Any], name: str, scope: Scope, at: str) -> str:
    text = node.get(name, "")
    if isinstance(text, str):
        return text
    scope.problems.add(f"{at}/{name}", f"{name!r} is a text")
    return ""


_WORDS: Mapping[str, Callable[[dict[str, Any], Scope, str], Any]] = {
    "$by": _by,
    "$if": _if,
    "$or": _or,
    "$each": _each,
    "$first": _first,
    "$join": _join,
}


# -- texts


def _from_text(text: str, scope: Scope, at: str) -> Any:
    parts = list(parts_of(text, scope, at))
    if len(parts) == 1 and not isinstance(parts[0], str):
        return _nested(parts[0], scope) if isinstance(parts[0], Nested) else _single(parts[0])
    pieces: list[Piece] = [b'"']
    for part in parts:
        if isinstance(part, str):
            pieces.append(_inside_a_string(part))
        elif isinstance(part, Static):
            pieces.append(_inside_a_string(_as_text(part.value)))
        elif isinstance(part, Nested):
            pieces.append(_stripped(_joined(_present(_nested(part, scope), scope, part.at))))
        else:
            if not part.is_sure:
                scope.problems.add(at, "a value inside a text may be missing: give it |or:…")
            pieces.append(_in_string(part.read()))
    return [*pieces, b'"']


def _nested(part: Nested, scope: Scope) -> Any:
    return _value(part.node, replace(scope, texts={}), part.at)


def _single(part: Any) -> Any:
    if isinstance(part, Static):
        return [_encode(part.value)]
    read = part.read()
    if part.value.raw:
        return [read]
    if part.is_sure:
        return [lambda context: _encode(read(context))]

    def render(context: Context) -> bytes | None:
        value = read(context)
        return None if value is None else _encode(value)

    return render


def _text(text: str, scope: Scope, at: str) -> Callable[[Context], str]:
    made: list[Callable[[Context], str]] = []
    for part in parts_of(text, scope, at):
        if isinstance(part, str):
            made.append(_always(part))
        elif isinstance(part, Static):
            made.append(_always(_as_text(part.value)))
        elif isinstance(part, Nested):
            made.append(compile_text(part.node, replace(scope, texts={}), part.at))
        else:
            if not part.is_sure:
                scope.problems.add(at, "a value inside a text may be missing: give it |or:…")
            made.append(_read_text(part.read()))
    if len(made) == 1:
        return made[0]
    return lambda context: "".join([part(context) for part in made])


def _always(text: str) -> Callable[[Context], str]:
    return lambda context: text


def _read_text(read: Callable[[Context], Any]) -> Callable[[Context], str]:
    return lambda context: _as_text(read(context))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _inside_a_string(text: str) -> bytes:
    return _encode(text)[1:-1]


def _in_string(read: Callable[[Context], Any]) -> Render:
    def render(context: Context) -> bytes:
        value = read(context)
        return _encode(value)[1:-1] if isinstance(value, str) else _inside_a_string(_as_text(value))

    return render


def _stripped(made: Callable[[Context], bytes]) -> Render:
    return lambda context: _as_part(made(context))


def _as_part(encoded: bytes) -> bytes:
    """Return what some JSON is inside a string: a text without its quotes, anything else as it is written."""
    return encoded[1:-1] if encoded[:1] == b'"' else _inside_a_string(encoded.decode())


# -- pieces


def _present(value: Any, scope: Scope, at: str) -> list[Piece]:
    """Return the pieces of a value that must be there."""
    if isinstance(value, list):
        return value
    if value is MISSING:
        scope.problems.add(at, "nothing is said for this case")
        return [b"null"]
    scope.problems.add(at, "the value may be missing here: give it |or:… or an else")
    return [_or_null(value)]


def _or_null(render: Render) -> Render:
    return lambda context: b"null" if (made := render(context)) is None else made


def _slot(value: Any) -> Render:
    if value is MISSING:
        return _never
    return _joined(value) if isinstance(value, list) else value


def _never(context: Context) -> None:
    return None


def _joined(pieces: list[Piece]) -> Callable[[Context], bytes]:
    """Return what puts pieces together: the bytes between slots are one format string."""
    form, slots = b"", []
    for piece in pieces:
        if isinstance(piece, bytes):
            form += piece.replace(b"%", b"%%")
        else:
            form += b"%b"
            slots.append(piece)
    if not slots:
        whole = form.replace(b"%%", b"%")
        return lambda context: whole
    if form == b"%b":
        return slots[0]  # type: ignore[return-value]
    if len(slots) == 1:
        (slot,) = slots
        return lambda context: form % slot(context)
    return lambda context: form % tuple([slot(context) for slot in slots])
