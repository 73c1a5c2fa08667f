"""Compile a bundled document into operations and models: routes, keys, body checks, prices and file rules."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
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

_MOST_ERRORS = 1000
"""Errors of one body that are looked at; a list has one for each entry."""

_TRAITS = (
    "role",
    "answers",
    "job",
    "alias",
    "poll_seconds",
    "wait",
    "wait_seconds",
    "inline",
    "file",
    "evidence",
)
"""Keys of `x-operation` that an Operation has as they are."""


class _Written:
    """An operation as written in a document. `document` is the bundled one, `file` the one of its author."""

    def __init__(self, document: dict[str, Any], path: str, method: str, files: Mapping[str, str]) -> None:
        self.document, self.path, self.method = document, path, method
        self.operation: dict[str, Any] = document["paths"][path][method]
        self.traits: dict[str, Any] = self.operation["x-operation"]
        self.file = files[self.operation["operationId"]]
        content = self.operation.get("requestBody", {}).get("content", {})
        self.is_form = "multipart/form-data" in content
        schema = content.get("application/json", {}).get("schema")
        self.schema: dict[str, Any] | None = None if schema is None else follow(document, schema)
        shape = self.schema or {}
        self.properties = {name: follow(document, p) for name, p in shape.get("properties", {}).items()}
        self.required = frozenset(shape.get("required", ()))

    @property
    def defaults(self) -> dict[str, Any]:
        """The documented values of parameters that are left out."""
        return {name: p["default"] for name, p in self.properties.items() if p.get("default") is not None}

    def error(self, place: str, message: str) -> SpecError:
        """Return an error about `place`, a JSON pointer inside the operation."""
        return SpecError(self.file, f"/paths/{escape(self.path)}/{self.method}{place}", message)


def compile_operations(joined: dict[str, Any], files: Mapping[str, str], *, strict: bool) -> list[Operation]:
    """Compile every operation of a bundled document. Raises SpecError.

    `files` is the file of each `operationId`, for errors. `strict` accepts only the documented types, refuses
    unknown parameters and enforces ranges that are only advice.
    """
    every = [
        _Written(joined, path, method, files) for path, item in joined["paths"].items() for method in item
    ]
    models: dict[str, Model] = {}
    for written in every:
        if "x-model" in written.operation:
            model = _model(written)
            if model.id in models:
                raise written.error("/x-model/id", f"the model {model.id} is described twice")
            models[model.id] = model
    return [_operation(written, models, strict) for written in every]


def _operation(written: _Written, models: Mapping[str, Model], strict: bool) -> Operation:
    operation, traits = written.operation, written.traits
    _refuse_unknown_names(written, models)
    parameters = [follow(written.document, parameter) for parameter in operation.get("parameters", [])]
    webhooks = {p["in"]: p["name"] for p in parameters if "webhook" in p["name"].lower()}
    return Operation(
        id=operation["operationId"],
        provider=written.document["x-provider"],
        method=written.method.upper(),
        path=written.path,
        model=models.get(_model_id(operation) or ""),
        credentials=_credentials(written),
        body=_body_check(written, written.schema, strict) if written.schema is not None else None,
        statuses=frozenset(int(status) for status in operation["responses"]),
        needs_json_type=traits.get("content_type") == "json",
        webhook_query=webhooks.get("query", ""),
        webhook_header="header" in webhooks,
        form=written.is_form,
        **{key: traits[key] for key in _TRAITS if key in traits},
    )


def _model_id(operation: dict[str, Any]) -> str | None:
    described = operation.get("x-model", {})
    model_id: str | None = described.get("id", operation["x-operation"].get("model"))
    return model_id


def _refuse_unknown_names(written: _Written, models: Mapping[str, Model]) -> None:
    """Refuse an `x-operation` that names a model, a job or a parameter that does not exist."""
    traits, model_id = written.traits, _model_id(written.operation)
    if traits["role"] == "submit" and model_id is None:
        raise written.error("", "a submit needs x-model, or x-operation/model for another's model")
    if model_id is not None and model_id not in models:
        raise written.error("/x-operation/model", f"no operation submits to a model {model_id}")
    job = traits.get("job")
    if job is not None and f"{{{job}}}" not in written.path and job not in written.required:
        raise written.error("/x-operation/job", f"neither path nor body always has {job!r}")
    for key in ("wait", "inline") if written.is_form else ("wait", "inline", "file"):
        if key in traits and traits[key] not in written.properties:
            raise written.error(f"/x-operation/{key}", f"the body has no parameter {traits[key]!r}")


def _credentials(written: _Written) -> tuple[Credential, ...]:
    schemes = written.document["components"].get("securitySchemes", {})
    credentials = []
    for name in (name for alternative in written.operation.get("security", []) for name in alternative):
        if name not in schemes:
            raise written.error("/security", f"unknown security scheme {name!r}")
        scheme = schemes[name]
        if scheme["type"] == "http":
            credentials.append(Credential("bearer", b"authorization"))
        elif scheme["in"] == "header":
            credentials.append(Credential("header", scheme["name"].lower().encode()))
        else:
            credentials.append(Credential("query", scheme["name"].encode()))
    return tuple(credentials)


# -- bodies


def _body_check(written: _Written, schema: dict[str, Any], strict: bool) -> BodyCheck:
    properties, components = written.properties, written.document["components"]
    narrow = {name: p["x-strict"] for name, p in properties.items() if "x-strict" in p}
    if strict:
        schema = {**schema, "properties": {**properties, **narrow}, "additionalProperties": False}
    try:
        validator = jsonschema_rs.validator_for({**schema, "components": components}, validate_formats=True)
        documented = {name: jsonschema_rs.validator_for(s) for name, s in narrow.items()}
    except (ValueError, jsonschema_rs.ValidationError) as error:
        reason = " ".join(str(error).split())
        raise written.error("/requestBody", f"is not a usable schema: {reason}") from None
    for name, default in ((name, p["default"]) for name, p in properties.items() if "default" in p):
        if not jsonschema_rs.validator_for({**properties[name], "components": components}).is_valid(default):
            place = f"/requestBody/properties/{escape(name)}/default"
            raise written.error(place, f"the parameter does not allow {default!r}")
    return BodyCheck(
        names=frozenset(properties),
        allows=validator.is_valid,
        violations=_violations_by(validator, list(properties), written.required),
        advice=_advice_by(frozenset(properties), documented),
    )


def _violations_by(
    validator: jsonschema_rs.Validator, order: list[str], required: frozenset[str]
) -> Callable[[Any], tuple[Violation, ...]]:
    """Return the function that lists what is wrong with a body; `order` is that of the parameters."""

    def violations(body: Any) -> tuple[Violation, ...]:
        by_name: dict[str, Violation] = {}
        more = 0
        for error in islice(validator.iter_errors(body), _MOST_ERRORS):
            named, unnamed = _explain(error, required, body)
            more += unnamed
            for violation in named:
                if len(by_name) < MOST_REMARKS:
                    by_name.setdefault(violation.name, violation)
                elif violation.name not in by_name:
                    more += 1
        listed = sorted(by_name.values(), key=lambda v: order.index(v.name) if v.name in order else -1)
        if more:
            listed.append(Violation(f"({more} more)", missing=False, reason="each has a mistake of its own"))
        return tuple(listed)

    return violations


def _advice_by(
    known: frozenset[str], documented: Mapping[str, jsonschema_rs.Validator]
) -> Callable[[Mapping[str, Any]], list[str]]:
    """Return the function that lists what a body may hold although the documentation says otherwise."""

    def advice(body: Mapping[str, Any]) -> list[str]:
        remarks: list[str] = []
        if not known.issuperset(body):
            unknown = (name for name in body if name not in known)
            remarks += [f"undocumented parameter: {_cut(name)}" for name in islice(unknown, MOST_REMARKS)]
            more = len(body) - sum(name in body for name in known) - MOST_REMARKS
            if more > 0:
                remarks.append(f"{more} more undocumented parameters")
        for name, check in documented.items():
            if name in body and not check.is_valid(body[name]):
                errors = islice(check.iter_errors(body[name]), MOST_REMARKS)
                remarks += [f"{name} is documented otherwise: {_short(error.message)}" for error in errors]
        return remarks

    return advice


def _explain(
    error: jsonschema_rs.ValidationError, required: frozenset[str], body: Any
) -> tuple[list[Violation], int]:
    """Return the mistakes that an error stands for, at most `MOST_REMARKS`, and how many more there are."""
    if not error.instance_path:
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.Required(property=name):
                return [Violation(str(name), missing=True, reason="is required")], 0
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
                listed = [
                    Violation(_cut(name), missing=False, reason="is not a known parameter")
                    for name in names[:MOST_REMARKS]
                ]
                return listed, len(names) - len(listed)
            case _:
                return [Violation("", missing=False, reason=_short(error.message))], 0
    name = str(error.instance_path[0])
    value = body[name]
    blank = value is None or (isinstance(value, str) and not value.strip())
    return [Violation(name, missing=name in required and blank, reason=_short(error.message))], 0


def _short(text: str) -> str:
    """Shorten a message, which quotes a value of any length."""
    return textwrap.shorten(text[: 2 * KEPT_OF_A_REMARK], KEPT_OF_A_REMARK, placeholder=" …")


def _cut(name: str) -> str:
    return name if len(name) <= KEPT_OF_A_REMARK else name[:KEPT_OF_A_REMARK] + "…"


# -- models


def _model(written: _Written) -> Model:
    described = written.operation["x-model"]
    media, price = described["media"], described["price"]
    for place, name in _named_parameters(described):
        if name not in written.properties:
            raise written.error(f"/x-model/{place}", f"the body has no parameter {name!r}")
    _refuse_contradictions(written, media, price)
    return Model(
        id=described["id"],
        provider=written.document["x-provider"],
        summary=described["summary"],
        durations=Durations(float(described["course"]["queued"]), float(described["course"]["processing"])),
        price=Price(
            rates=tuple(
                Rate(micro_usd(rate["usd"]), tuple(rate.get("when", {}).items())) for rate in price["rates"]
            ),
            per_second=media["length"]["seconds"] if price["per"] == "second" else None,
            refunds=frozenset(State(name) for name in price.get("refunds", ("ERROR",))),
        ),
        price_assumed="assumed" in price,
        media=_media(media),
        defaults=written.defaults,
    )


def _named_parameters(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """List the body parameters that an `x-model` names, each with its place in there."""
    media = described["media"]
    for rate in described["price"]["rates"]:
        yield from (("price/rates", name) for name in rate.get("when", {}))
    yield from ((f"media/{key}", media[key]) for key in _OF_MEDIA if key in media)
    yield from ((f"media/length/{key}", name) for key, name in media.get("length", {}).items())
    yield from ((f"media/size/{key}", name) for key, name in media.get("size", {}).items() if key != "values")
    if not isinstance(media["format"], str):
        yield "media/format", media["format"]["parameter"]


def _refuse_contradictions(written: _Written, media: dict[str, Any], price: dict[str, Any]) -> None:
    """Refuse a model whose parts do not fit together: it would make odd files at odd prices."""
    size, length = media.get("size", {}), media.get("length", {})
    if price["per"] == "second" and "seconds" not in length:
        raise written.error("/x-model/price/per", "a price per second needs media/length/seconds")
    if all("when" in rate for rate in price["rates"]) and price["per"] == "job":
        raise written.error("/x-model/price/rates", "the last rate must always apply: remove its `when`")
    always = written.required | written.defaults.keys()
    for where, name in (
        *(("size", size[key]) for key in ("width", "height", "parameter") if key in size),
        *(("length", name) for name in length.values()),
    ):
        if name not in always:
            raise written.error(f"/x-model/media/{where}", f"{name!r} is neither required nor has a default")
    for value in written.properties[size["parameter"]].get("enum", ()) if "parameter" in size else ():
        if value not in size.get("values", {}) and parse_pixels(str(value)) is None:
            raise written.error("/x-model/media/size/values", f"there is no size for {value!r}")
    if media["format"] == "mp4" and not length:
        raise written.error("/x-model/media", "a video needs a length")


_OF_MEDIA = ("count", "faces", "prompt", "seed")
"""Keys of `x-model/media` that name a parameter, and that a MediaRule has as they are."""


def _media(media: dict[str, Any]) -> MediaRule:
    fixed = isinstance(media["format"], str)
    return MediaRule(
        format=media["format"] if fixed else None,
        format_parameter="" if fixed else media["format"]["parameter"],
        size=_size(media["size"]) if "size" in media else None,
        random_seed=media.get("random_seed"),
        **media.get("length", {}),
        **{key: media[key] for key in _OF_MEDIA if key in media},
    )


def _size(size: dict[str, Any]) -> SizeRule:
    values = {name: parse_pixels(text) for name, text in size.get("values", {}).items()}
    return SizeRule(
        **{**size, "values": {name: pixels for name, pixels in values.items() if pixels is not None}}
    )
