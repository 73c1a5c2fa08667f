"""Whether `provider.yaml` has the right parts: held to `provider.schema.json`, which editors read as well.

What a template says is not looked at here: whoever compiles it knows which values and lists there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from understudy_mock.catalog.load import bundled_specs
from understudy_mock.catalog.notation import escape

SCHEMA = "provider.schema.json"
"""Stands beside the providers' folders, where editors find it by the first line of each `provider.yaml`."""

_LONGEST_QUOTE = 60
"""Characters of a value that a message quotes."""

_LIKE = 0.7
"""How alike (0 to 1) a name must be to one that is known to be taken for a slip of the pen."""

_TYPES = {
    "string": "a text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def problems_of(data: Any) -> Iterator[tuple[str, str]]:
    """List what is wrong with the structure of a provider's description: JSON pointer and sentence.

    What keeps everything else from being read comes first.
    """
    errors = [(_place(error), error) for error in _validator().iter_errors(data)]
    for pointer, error in sorted(errors, key=lambda pair: (pair[0] != "/version", pair[0].count("/"))):
        yield from _explain(pointer, error, data)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `provider.yaml`."""
    decoded: dict[str, Any] = msgspec.json.decode((bundled_specs() / SCHEMA).read_bytes())
    return decoded


@lru_cache(maxsize=1)
def _validator() -> jsonschema_rs.Validator:
    whole = schema()
    # Templates are compiled later, which finds more in them and says it better.
    whole["$defs"]["template"] = whole["$defs"]["condition"] = True
    return jsonschema_rs.validator_for(whole)


def _place(error: jsonschema_rs.ValidationError) -> str:
    return "".join(f"/{escape(str(part))}" for part in error.instance_path)


def _explain(pointer: str, error: jsonschema_rs.ValidationError, data: Any) -> Iterator[tuple[str, str]]:
    value = _at(data, error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            known = _known(error)
            for name in names:
                yield f"{pointer}/{escape(name)}", f"unknown key {name!r}{_instead(name, known)}"
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            yield pointer, _missing(pointer, str(name))
        case jsonschema_rs.ValidationErrorKind.PropertyNames(error=inner):
            name = str(inner.instance)
            yield f"{pointer}/{escape(name)}", f"{name!r} cannot be a key here{_meant(error)}"
        case jsonschema_rs.ValidationErrorKind.Enum(options=options):
            yield pointer, f"{_quote(value)} is unknown{_instead(value, [str(option) for option in options])}"
        case jsonschema_rs.ValidationErrorKind.Constant(expected_value=expected) if pointer == "/version":
            yield (
                pointer,
                f"this is version {_quote(value)} of the format, and version {expected} is read here",
            )
        case jsonschema_rs.ValidationErrorKind.Type():
            wanted = error.schema_path[:-1]
            kind = _schema_at(wanted).get("type")
            kinds = " or ".join(_TYPES[one] for one in ([kind] if isinstance(kind, str) else kind or []))
            hint = "; put it in quotes" if kind == "string" and isinstance(value, bool | int | float) else ""
            yield pointer, f"{_quote(value)} is not {kinds}{hint}"
        case _:
            yield pointer, f"{_quote(value)} does not fit{_meant(error)}"


def _missing(pointer: str, name: str) -> str:
    if pointer == "/refusals":
        return f"there is no answer for {name}: any provider may be asked for one"
    if pointer.startswith("/quirks/"):
        return f"a quirk needs a {name}, which `understudy quirks` shows"
    return f"the key {name!r} is missing"


def _known(error: jsonschema_rs.ValidationError) -> list[str]:
    return list(_schema_at(error.schema_path[:-1]).get("properties", {}))


def _meant(error: jsonschema_rs.ValidationError) -> str:
    """Return what belongs there, as far as the schema tells."""
    path = list(error.schema_path)
    while path:
        path.pop()
        described = _schema_at(path)
        if isinstance(described.get("description"), str):
            return f": {described['description'][0].lower()}{described['description'][1:]}"
    return ""


def _schema_at(path: list[str | int]) -> Mapping[str, Any]:
    """Return the part of the schema at a path, which has no references in it: they are followed."""
    part: Any = schema()
    for step in path:
        if isinstance(part, list):
            part = part[int(step)]
        elif isinstance(part, dict):
            part = part.get(str(step), {})
    return part if isinstance(part, dict) else {}


def _at(data: Any, path: list[str | int]) -> Any:
    for step in path:
        data = data[int(step)] if isinstance(data, list) else data[str(step)]
    return data


def _instead(name: Any, known: list[str]) -> str:
    close = get_close_matches(str(name), known, n=1, cutoff=_LIKE)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(name for name in known if name[0] != '$')}" if known else ""


def _quote(value: Any) -> str:
    text = msgspec.json.encode(value).decode() if isinstance(value, bool | None) else repr(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
