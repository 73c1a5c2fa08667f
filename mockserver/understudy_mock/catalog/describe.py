"""Describe operations as text for `understudy spec`, and write requests that people can copy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from understudy_mock.catalog.bundle import follow
from understudy_mock.catalog.catalog import Catalog
from understudy_mock.domain.model import Operation


def describe(catalog: Catalog, operation: Operation) -> str:
    """Return the description of an operation: route, statuses, parameters, duration and price."""
    return "\n".join(_lines(catalog, operation))


def example(catalog: Catalog, operation: Operation) -> dict[str, Any]:
    """Return the documented example of an operation's body; {} where there is none."""
    content = catalog.declared(operation).get("requestBody", {}).get("content", {})
    examples = content.get("application/json", {}).get("examples", {})
    first: dict[str, Any] = next(iter(examples.values()), {})
    found: dict[str, Any] = first.get("value", {})
    return found


def example_request(catalog: Catalog, operation: Operation, url: str, shown_key: str) -> str:
    """Return a curl command that makes the documented request."""
    body = json.dumps(example(catalog, operation))
    key = next((c.name.decode() for c in operation.credentials if c.place == "header"), "authorization")
    return (
        f"curl -X {operation.method} {url}{catalog.mount(operation.provider)}{operation.path} \\\n"
        f"  -H 'Content-Type: application/json' -H '{key.title()}: {shown_key}' \\\n"
        f"  -d '{body}'"
    )


_EVIDENCE = {
    "documented": "documented",
    "vendor": "observed: on other pages of the vendor",
    "sdk": "observed: in client programs",
}


def _lines(catalog: Catalog, operation: Operation) -> Iterator[str]:
    document, declared = catalog.documents[operation.provider], catalog.declared(operation)
    statuses = " ".join(str(status) for status in sorted(operation.statuses))
    also = ", another path of the same operation" if operation.alias else ""
    known = _EVIDENCE[operation.evidence]
    yield f"\n{operation.provider}  {operation.method} {operation.path}  ({known}{also})"
    yield f"  {declared.get('summary', operation.id)}  [{operation.id}]"
    yield f"  answers {statuses}"
    if (model := declared.get("x-model")) is not None:
        course, price = model["course"], model["price"]
        guessed = " (assumed)" if "assumed" in course and "source" not in course else ""
        yield f"  takes {course['queued'] + course['processing']:g} s{guessed}; costs {_price(price)}"
    for name, schema, required in _parameters(document, declared):
        evidence = schema.get("x-evidence", "documented")
        note = f"  ({_EVIDENCE[evidence]})" if evidence != "documented" else ""
        yield f"    {name:<28}{_shape(schema)}{', required' if required else ''}{note}"
    yield from _answers(document, declared)
    yield from _callbacks(document, declared)


def _answers(document: dict[str, Any], declared: dict[str, Any]) -> Iterator[str]:
    """Yield the members of successful answers, and the headers of all answers."""
    for status, written in declared["responses"].items():
        answer = follow(document, written)
        for kind, content in answer.get("content", {}).items():
            if int(status) >= 300:
                continue
            members = ", ".join(_members(document, content.get("schema", {})))
            yield f"  {status} {kind}{f': {members}' if members else ''}"
        if headers := answer.get("headers"):
            yield f"  {status} headers: {', '.join(headers)}"


def _callbacks(document: dict[str, Any], declared: dict[str, Any]) -> Iterator[str]:
    for callback in declared.get("callbacks", {}).values():
        for place, item in follow(document, callback).items():
            for method, written in item.items():
                content = written.get("requestBody", {}).get("content", {}).get("application/json", {})
                members = ", ".join(_members(document, content.get("schema", {})))
                asked = place.removeprefix("{$request.").removesuffix("}").replace(".", " ")
                yield f"  calls back ({asked}) by {method.upper()}: {members}"
                names = [follow(document, parameter)["name"] for parameter in written.get("parameters", [])]
                if names:
                    yield f"    with headers {', '.join(names)}"


def _members(document: dict[str, Any], schema: dict[str, Any], deep: int = 2) -> Iterator[str]:
    """Yield the names of an object's members; those of an inner object follow in braces."""
    whole = follow(document, schema)
    for part in whole.get("allOf", ()):
        yield from _members(document, part, deep)
    for name, inner in whole.get("properties", {}).items():
        member = follow(document, inner)
        shapes = [member, *member.get("anyOf", ()), *member.get("oneOf", ())] if deep > 1 else []
        within = [inner_name for shape in shapes for inner_name in _members(document, shape, deep - 1)]
        yield f"{name} {{{', '.join(within)}}}" if within else name


def _price(price: dict[str, Any]) -> str:
    amounts = sorted({rate["usd"] for rate in price["rates"]})
    span = f"{amounts[0]:g}" if len(amounts) == 1 else f"{amounts[0]:g} to {amounts[-1]:g}"
    return f"{span} USD a {price['per']}{' (assumed)' if 'assumed' in price else ''}"


def _parameters(
    document: dict[str, Any], declared: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for parameter in (follow(document, p) for p in declared.get("parameters", [])):
        yield parameter["name"], parameter["schema"], parameter.get("required", False)
    schema = declared.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is not None:
        body = follow(document, schema)
        for name, inner in body.get("properties", {}).items():
            yield name, follow(document, inner), name in body.get("required", ())


def _shape(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        shape = " or ".join(_shape(branch) for branch in schema["anyOf"])
    else:
        kind = schema.get("type", "any")
        shape = "/".join(kind) if isinstance(kind, list) else str(kind)
        if "enum" in schema:
            shape += " " + "|".join(str(value) for value in schema["enum"])
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None or high is not None:
            shape += f" {'' if low is None else low}..{'' if high is None else high}"
    return f"{shape} = {schema['default']!r}" if schema.get("default") is not None else shape
