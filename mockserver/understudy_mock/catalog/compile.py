"""Turn a bundled document into operations and models: every route, key, body check, price and file rule."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from understudy_mock.catalog.bundle import follow
from understudy_mock.catalog.load import SpecError
from understudy_mock.catalog.notation import escape
from understudy_mock.domain.conditions import Violation
from understudy_mock.domain.model import (
    KEPT_OF_A_REMARK,
    MOST_REMARKS,
    BodyCheck,
    Credential,
    MediaRule,
    Model,
    Operation,
    SizeRule,
    parse_pixels,
)
from understudy_mock.domain.money import Price, Rate, micro_usd
from understudy_mock.domain.planning import Durations
from understudy_mock.domain.timeline import State

_JSON = "application/json"

_MOST_ERRORS = 1000
"""Errors of one body that are looked at; a list has one for each entry."""


def compile_operations(joined: dict[str, Any], files: Mapping[str, str], *, strict: bool) -> list[Operation]:
    """Compile every operation of a bundled document.

    `files` tells which file an `operationId` came from, for errors. `strict` takes the documented types
    alone, refuses unknown parameters and enforces ranges that are only advice. Raises SpecError.
    """
    places = [
        (f"/paths/{escape(path)}/{method}", path, method, operation)
        for path, item in joined["paths"].items()
        for method, operation in item.items()
    ]
    models: dict[str, Model] = {}
    for pointer, _, _, operation in places:
        if "x-model" in operation:
            file = files[operation["operationId"]]
            model = _model(joined, operation, file, pointer)
            if model.id in models:
                raise SpecError(file, f"{pointer}/x-model/id", f"the model {model.id} is described already")
            models[model.id] = model
    return [
        _operation(joined, path, method, operation, models, files[operation["operationId"]], pointer, strict)
        for pointer, path, method, operation in places
    ]


def _operation(
    joined: dict[str, Any],
    path: str,
    method: str,
    operation: dict[str, Any],
    models: Mapping[str, Model],
    file: str,
    pointer: str,
    strict: bool,
) -> Operation:
    does = operation["x-operation"]
    if does["role"] == "submit" and "x-model" not in operation and "model" not in does:
        raise SpecError(file, pointer, "a submit needs x-model, or x-operation/model for another's model")
    model_id = operation["x-model"]["id"] if "x-model" in operation else does.get("model")
    if model_id is not None and model_id not in models:
        raise SpecError(file, f"{pointer}/x-operation/model", f"no operation submits to a model {model_id}")
    parameters = [follow(joined, parameter) for parameter in operation.get("parameters", [])]
    webhooks = {p["in"]: p["name"] for p in parameters if "webhook" in p["name"].lower()}
    schema = _body_schema(joined, operation)
    job = does.get("job")
    if job is not None and f"{{{job}}}" not in path and job not in (schema or {}).get("required", ()):
        raise SpecError(file, f"{pointer}/x-operation/job", f"neither path nor body always has {job!r}")
    form = "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
    for key in ("wait", "inline") if form else ("wait", "inline", "file"):
        if key in does and does[key] not in (schema or {}).get("properties", {}):
            raise SpecError(file, f"{pointer}/x-operation/{key}", f"the body has no parameter {does[key]!r}")
    return Operation(
        id=operation["operationId"],
        provider=joined["x-provider"],
        method=method.upper(),
        path=path,
        role=does["role"],
        answers=does.get("answers", "job"),
        model=models[model_id] if model_id is not None else None,
        job=does.get("job", ""),
        credentials=_credentials(joined, operation, file, pointer),
        body=_body_check(joined, schema, file, pointer, strict) if schema is not None else None,
        statuses=frozenset(int(status) for status in operation["responses"]),
        needs_json_type=does.get("content_type") == "json",
        alias=does.get("alias", False),
        poll_seconds=does.get("poll_seconds"),
        webhook_query=webhooks.get("query", ""),
        webhook_header="header" in webhooks,
        wait=does.get("wait", ""),
        wait_seconds=does.get("wait_seconds"),
        inline=does.get("inline", ""),
        file=does.get("file", ""),
        form=form,
        evidence=does.get("evidence", "documented"),
    )


def _credentials(
    joined: dict[str, Any], operation: dict[str, Any], file: str, pointer: str
) -> tuple[Credential, ...]:
    schemes = joined["components"].get("securitySchemes", {})
    found = []
    for alternative in operation.get("security", []):
        for name in alternative:
            if name not in schemes:
                raise SpecError(file, f"{pointer}/security", f"no security scheme is called {name!r}")
            scheme = schemes[name]
            if scheme["type"] == "http":
                found.append(Credential("bearer", b"authorization"))
            elif scheme["in"] == "header":
                found.append(Credential("header", scheme["name"].lower().encode()))
            else:
                found.append(Credential("query", scheme["name"].encode()))
    return tuple(found)


# -- bodies


def _body_schema(joined: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get(_JSON, {}).get("schema")
    return follow(joined, schema) if schema is not None else None


def _refuse_odd_defaults(joined: dict[str, Any], properties: dict[str, Any], file: str, pointer: str) -> None:
    """Refuse a default that the parameter itself does not allow."""
    for name, told in properties.items():
        if "default" in told:
            allowed = jsonschema_rs.validator_for({**told, "components": joined["components"]})
            if not allowed.is_valid(told["default"]):
                place = f"{pointer}/requestBody/properties/{escape(name)}/default"
                raise SpecError(file, place, f"the parameter does not allow {told['default']!r}")


def _body_check(
    joined: dict[str, Any], schema: dict[str, Any], file: str, pointer: str, strict: bool
) -> BodyCheck:
    properties = {name: follow(joined, p) for name, p in schema.get("properties", {}).items()}
    narrow = {name: p["x-strict"] for name, p in properties.items() if "x-strict" in p}
    if strict:
        schema = {**schema, "properties": {**properties, **narrow}, "additionalProperties": False}
    whole = {**schema, "components": joined["components"]}
    try:
        validator = jsonschema_rs.validator_for(whole, validate_formats=True)
        documented = {name: jsonschema_rs.validator_for(s) for name, s in narrow.items()}
    except (ValueError, jsonschema_rs.ValidationError) as error:
        reason = " ".join(str(error).split())
        raise SpecError(file, f"{pointer}/requestBody", f"is not a usable schema: {reason}") from None
    _refuse_odd_defaults(joined, properties, file, pointer)
    order = list(properties)
    required = frozenset(schema.get("required", ()))

    def violations(body: Any) -> tuple[Violation, ...]:
        found: dict[str, Violation] = {}
        more = 0
        for error in islice(validator.iter_errors(body), _MOST_ERRORS):
            named, unnamed = _explain(error, required, body)
            more += unnamed
            for violation in named:
                if len(found) < MOST_REMARKS:
                    found.setdefault(violation.name, violation)
                elif violation.name not in found:
                    more += 1
        told = sorted(found.values(), key=lambda v: order.index(v.name) if v.name in order else -1)
        if more:
            told.append(Violation(f"({more} more)", missing=False, reason="each has a mistake of its own"))
        return tuple(told)

    known = frozenset(properties)

    def advice(body: Mapping[str, Any]) -> list[str]:
        said: list[str] = []
        if not known.issuperset(body):
            unknown = (name for name in body if name not in known)
            said += [f"undocumented parameter: {_cut(name)}" for name in islice(unknown, MOST_REMARKS)]
            more = len(body) - sum(name in body for name in known) - MOST_REMARKS
            if more > 0:
                said.append(f"{more} more undocumented parameters")
        for name, check in documented.items():
            if name in body and not check.is_valid(body[name]):
                errors = islice(check.iter_errors(body[name]), MOST_REMARKS)
                said += [f"{name} is documented otherwise: {_short(error.message)}" for error in errors]
        return said

    return BodyCheck(names=known, allows=validator.is_valid, violations=violations, advice=advice)


def _explain(
    error: jsonschema_rs.ValidationError, required: frozenset[str], body: Any
) -> tuple[list[Violation], int]:
    """Give what an error means, at most `MOST_REMARKS` mistakes, and how many more there are."""
    if not error.instance_path:
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.Required(property=name):
                return [Violation(str(name), missing=True, reason="is required")], 0
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
                told = [
                    Violation(_cut(name), missing=False, reason="is not a known parameter")
                    for name in names[:MOST_REMARKS]
                ]
                return told, len(names) - len(told)
            case _:
                return [Violation("", missing=False, reason=_short(error.message))], 0
    name = str(error.instance_path[0])
    value = body[name]
    blank = value is None or (isinstance(value, str) and not value.strip())
    return [Violation(name, missing=name in required and blank, reason=_short(error.message))], 0


def _short(text: str) -> str:
    """Shorten a message: it quotes the value, which may be megabytes long."""
    return textwrap.shorten(text[: 2 * KEPT_OF_A_REMARK], KEPT_OF_A_REMARK, placeholder=" …")


def _cut(name: str) -> str:
    return name if len(name) <= KEPT_OF_A_REMARK else name[:KEPT_OF_A_REMARK] + "…"


# -- models


def _model(joined: dict[str, Any], operation: dict[str, Any], file: str, pointer: str) -> Model:
    told = operation["x-model"]
    schema = _body_schema(joined, operation) or {}
    properties = {name: follow(joined, p) for name, p in schema.get("properties", {}).items()}
    media, price = told["media"], told["price"]

    def parameter(name: str, where: str) -> str:
        if name not in properties:
            raise SpecError(file, f"{pointer}/x-model/{where}", f"the body has no parameter {name!r}")
        return name

    for rate in price["rates"]:
        for name in rate.get("when", {}):
            parameter(name, "price/rates")
    for key in ("count", "faces", "prompt", "seed"):
        if key in media:
            parameter(media[key], f"media/{key}")
    for key, name in media.get("length", {}).items():
        parameter(name, f"media/length/{key}")
    for key in ("width", "height", "parameter", "aspect"):
        if key in media.get("size", {}):
            parameter(media["size"][key], f"media/size/{key}")
    length = media.get("length", {})
    if price["per"] == "second" and "seconds" not in length:
        raise SpecError(file, f"{pointer}/x-model/price/per", "a price per second needs media/length/seconds")
    _refuse_contradictions(told, schema, properties, file, f"{pointer}/x-model")
    fixed = isinstance(media["format"], str)
    return Model(
        id=told["id"],
        provider=joined["x-provider"],
        summary=told["summary"],
        durations=Durations(float(told["course"]["queued"]), float(told["course"]["processing"])),
        price=Price(
            rates=tuple(
                Rate(micro_usd(rate["usd"]), tuple(rate.get("when", {}).items())) for rate in price["rates"]
            ),
            per_second=length["seconds"] if price["per"] == "second" else None,
            refunds=frozenset(State(name) for name in price.get("refunds", ("ERROR",))),
        ),
        price_assumed="assumed" in price,
        media=MediaRule(
            format=media["format"] if fixed else None,
            format_parameter="" if fixed else parameter(media["format"]["parameter"], "media/format"),
            size=_size(media["size"]) if "size" in media else None,
            frames=length.get("frames", ""),
            seconds=length.get("seconds", ""),
            count=media.get("count", ""),
            faces=media.get("faces", ""),
            prompt=media.get("prompt", ""),
            seed=media.get("seed", ""),
            random_seed=media.get("random_seed"),
        ),
        defaults={name: p["default"] for name, p in properties.items() if p.get("default") is not None},
    )


def _refuse_contradictions(
    told: dict[str, Any], schema: dict[str, Any], properties: dict[str, Any], file: str, pointer: str
) -> None:
    """Refuse a model whose parts do not fit together: it would start, and make odd files at odd prices."""
    media = told["media"]
    if all("when" in rate for rate in told["price"]["rates"]) and told["price"]["per"] == "job":
        raise SpecError(file, f"{pointer}/price/rates", "the last rate must hold always: it needs no `when`")
    always = {name for name, p in properties.items() if p.get("default") is not None}
    always.update(schema.get("required", ()))
    size, length = media.get("size", {}), media.get("length", {})
    for where, name in (
        *(("size", size[k]) for k in ("width", "height", "parameter") if k in size),
        *(("length", name) for name in length.values()),
    ):
        if name not in always:
            raise SpecError(
                file, f"{pointer}/media/{where}", f"{name!r} is neither required nor has a default"
            )
    if "parameter" in size:
        known = size.get("values", {})
        for value in properties[size["parameter"]].get("enum", ()):
            if value not in known and parse_pixels(str(value)) is None:
                raise SpecError(file, f"{pointer}/media/size/values", f"there is no size for {value!r}")
    if media["format"] == "mp4" and not length:
        raise SpecError(file, f"{pointer}/media", "a video needs a length")


def _size(told: dict[str, Any]) -> SizeRule:
    values = {name: parse_pixels(text) for name, text in told.get("values", {}).items()}
    return SizeRule(
        width=told.get("width", ""),
        height=told.get("height", ""),
        parameter=told.get("parameter", ""),
        aspect=told.get("aspect", ""),
        values={name: pixels for name, pixels in values.items() if pixels is not None},
    )
