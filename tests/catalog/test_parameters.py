"""Every documented parameter of every model: what is accepted, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.catalog.documented import ABSENT, PAGES, Page, Parameter, row_name, rows
from tests.driving import Gateway, key_headers
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.settings import Settings

pytestmark = pytest.mark.anyio

ACCEPTED = {"pixazo": 202, "segmind": 200, "wavespeed": 200}


def each(chosen: list[tuple[Page, Parameter]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("page", "parameter"), [pytest.param(*row, id=row_name(*row)) for row in chosen]
    )


each_page = pytest.mark.parametrize(
    "page", [pytest.param(page, id=f"{page.provider}-{page.operation}") for page in PAGES]
)


async def submit(gateway: Gateway, page: Page, **changes: Any) -> httpx.Response:
    """Submit the least body with changes; ABSENT leaves a parameter out."""
    body = {name: value for name, value in {**page.least, **changes}.items() if value is not ABSENT}
    return await gateway.call("POST", page.path, json=body, headers=key_headers(page.provider))


async def last_warnings(gateway: Gateway) -> list[str]:
    """The warnings of the last exchange in the journal."""
    entries = (await gateway.admin("GET", "journal?limit=10000")).json()["entries"]
    warnings: list[str] = entries[-1]["_understudy"].get("warnings", [])
    return warnings


def complaint(page: Page, answer: httpx.Response) -> str:
    """The text of a 400, whose body must have its provider's shape and nothing else."""
    body = answer.json()
    if page.provider == "wavespeed":
        assert set(body) == {"code", "message"}
        assert body["code"] == 400
        text = body["message"]
    else:
        assert set(body) <= ({"error", "errors"} if page.provider == "pixazo" else {"error"})
        text = body["error"]
    assert isinstance(text, str)
    return text


def invalid(page: Page, name: str) -> str:
    """How a provider's complaint about a value begins, or is as a whole at Pixazo."""
    return {
        "pixazo": f"Invalid value for parameter: {name}",
        "segmind": f"Invalid parameters: {name} is invalid",
        "wavespeed": f"{name} is invalid",
    }[page.provider]


def missing(page: Page, name: str) -> str:
    """How a provider complains that a parameter is missing."""
    return {
        "pixazo": f"Missing required parameter: {name}",
        "segmind": f"Invalid parameters: {name} is required",
        "wavespeed": f"{name} is required",
    }[page.provider]


def says(page: Page, text: str, wanted: str) -> bool:
    return text == wanted if page.provider == "pixazo" else text.startswith(wanted)


@each(list(rows()))
async def test_documented_values_are_accepted_without_a_warning(
    gateway: Gateway, page: Page, parameter: Parameter
) -> None:
    refused = {}
    for value in parameter.good():
        answer = await submit(gateway, page, **{parameter.name: value})
        warnings = await last_warnings(gateway)
        if answer.status_code != ACCEPTED[page.provider] or warnings:
            refused[repr(value)] = (answer.status_code, answer.text[:200], warnings)
    assert refused == {}


@each(list(rows()))
async def test_values_outside_the_documentation_are_refused_by_name(
    gateway: Gateway, page: Page, parameter: Parameter
) -> None:
    wrong = {}
    for value in parameter.bad():
        answer = await submit(gateway, page, **{parameter.name: value})
        if answer.status_code != 400:
            wrong[repr(value)] = str(answer.status_code)
        elif not says(page, text := complaint(page, answer), invalid(page, parameter.name)):
            wrong[repr(value)] = text
    assert wrong == {}


@each(list(rows(required=True)))
async def test_required_parameters_are_missed_by_name(
    gateway: Gateway, page: Page, parameter: Parameter
) -> None:
    wrong = {}
    for value in parameter.missing():
        answer = await submit(gateway, page, **{parameter.name: value})
        if answer.status_code != 400:
            wrong[repr(value)] = str(answer.status_code)
        elif not says(page, text := complaint(page, answer), missing(page, parameter.name)):
            wrong[repr(value)] = text
    assert wrong == {}


@each_page
async def test_optional_parameters_may_be_left_out(gateway: Gateway, page: Page) -> None:
    answer = await submit(gateway, page)
    assert answer.status_code == ACCEPTED[page.provider]


@each_page
async def test_several_violations_are_told_together_in_documented_order(gateway: Gateway, page: Page) -> None:
    # Backwards, so that the order of the answer cannot be that of the request.
    changes = {parameter.name: parameter.bad()[0] for parameter in reversed(page.parameters)}
    answer = await submit(gateway, page, **changes)
    assert answer.status_code == 400
    names = [parameter.name for parameter in page.parameters]
    if page.provider == "pixazo":
        errors = [f"Invalid value for parameter: {name}" for name in names]
        assert answer.json() == {"error": errors[0], "errors": errors}
    else:
        text = complaint(page, answer)
        places = [text.find(f"{name} is invalid: ") for name in names]
        assert -1 not in places
        assert places == sorted(places)


@pytest.mark.parametrize("page", [page for page in PAGES if page.operation == "submit-pixverse"])
async def test_missing_and_invalid_parameters_keep_the_documented_order(gateway: Gateway, page: Page) -> None:
    answer = await submit(gateway, page, duration=4, aspect_ratio=ABSENT, prompt="  ")
    errors = [
        "Missing required parameter: prompt",
        "Missing required parameter: aspect_ratio",
        "Invalid value for parameter: duration",
    ]
    assert answer.json() == {"error": errors[0], "errors": errors}


@each_page
async def test_a_refused_submit_makes_no_job(gateway: Gateway, page: Page) -> None:
    await submit(gateway, page, **{page.parameters[0].name: 5})
    assert (await gateway.admin("GET", "jobs")).json()["jobs"] == []


@each_page
async def test_undocumented_parameters_are_accepted_and_noted(gateway: Gateway, page: Page) -> None:
    answer = await submit(gateway, page, shot_type="customize", Prompt="b")
    assert answer.status_code == ACCEPTED[page.provider]
    noted = await last_warnings(gateway)
    assert len(noted) == 2
    assert any("shot_type" in warning for warning in noted)
    assert any("Prompt" in warning for warning in noted)


@each(list(rows(loose=True)))
async def test_loose_values_are_accepted_and_noted(
    gateway: Gateway, page: Page, parameter: Parameter
) -> None:
    wrong = {}
    for value in parameter.loose:
        answer = await submit(gateway, page, **{parameter.name: value})
        noted = await last_warnings(gateway)
        if answer.status_code != ACCEPTED[page.provider] or not any(parameter.name in n for n in noted):
            wrong[repr(value)] = (answer.status_code, noted)
    assert wrong == {}


# -- strict: the documentation at its word


@pytest.fixture(scope="module")
def strict_catalog() -> Catalog:
    return open_catalog(strict=True)


@pytest.fixture
def strict(strict_catalog: Catalog) -> Gateway:
    settings = Settings(strict=True, pace="manual", media="small")
    return Gateway(create_world(settings, catalog=strict_catalog))


@each(list(rows()))
async def test_strict_accepts_documented_values(strict: Gateway, page: Page, parameter: Parameter) -> None:
    refused = {}
    for value in parameter.good():
        answer = await submit(strict, page, **{parameter.name: value})
        if answer.status_code != ACCEPTED[page.provider]:
            refused[repr(value)] = answer.text[:200]
    assert refused == {}


@each(list(rows(loose=True)))
async def test_strict_refuses_loose_values(strict: Gateway, page: Page, parameter: Parameter) -> None:
    wrong = {}
    for value in parameter.loose:
        answer = await submit(strict, page, **{parameter.name: value})
        if answer.status_code != 400 or invalid(page, parameter.name) not in complaint(page, answer):
            wrong[repr(value)] = answer.text[:200]
    assert wrong == {}


@each_page
async def test_strict_refuses_undocumented_parameters(strict: Gateway, page: Page) -> None:
    answer = await submit(strict, page, shot_type="customize")
    assert answer.status_code == 400
    assert says(page, complaint(page, answer), invalid(page, "shot_type"))


# -- what the specs say


def properties_of(catalog: Catalog, page: Page) -> tuple[dict[str, Any], list[str]]:
    """The body's properties in a bundled document, and the names of the required ones."""
    document = catalog.documents[page.provider]
    content = document["paths"][page.path]["post"]["requestBody"]["content"]["application/json"]
    schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return schema["properties"], schema["required"]


@each_page
def test_the_spec_names_the_documented_parameters_and_no_others(catalog: Catalog, page: Page) -> None:
    properties, required = properties_of(catalog, page)
    documented = [name for name, told in properties.items() if "x-evidence" not in told]
    assert documented == [parameter.name for parameter in page.parameters]
    assert sorted(required) == sorted(p.name for p in page.parameters if p.required)


@each(list(rows()))
def test_the_spec_has_the_documented_default(catalog: Catalog, page: Page, parameter: Parameter) -> None:
    told = properties_of(catalog, page)[0][parameter.name]
    default = told.get("default", ABSENT)
    # Python takes True for 1.
    assert (default, isinstance(default, bool)) == (parameter.default, isinstance(parameter.default, bool))


@each([row for row in rows() if row[1].kind == "choice"])
def test_the_spec_lists_the_documented_choices(catalog: Catalog, page: Page, parameter: Parameter) -> None:
    told = properties_of(catalog, page)[0][parameter.name]
    branches = told.get("anyOf", [told])
    listed = [value for branch in branches for value in branch["enum"]]
    wanted = [*parameter.choices, *parameter.loose]
    assert sorted(map(repr, listed)) == sorted(map(repr, wanted))


@each([row for row in rows() if row[1].kind in ("integer", "number")])
def test_the_spec_has_the_documented_range(catalog: Catalog, page: Page, parameter: Parameter) -> None:
    told = properties_of(catalog, page)[0][parameter.name]
    assert (told.get("minimum"), told.get("maximum")) == (parameter.low, parameter.high)
    if parameter.advised is not None:
        assert (told["x-strict"]["minimum"], told["x-strict"]["maximum"]) == parameter.advised


def test_every_submit_is_on_a_page_and_nothing_else_is(catalog: Catalog) -> None:
    documented = [o for o in catalog.operations if o.evidence == "documented"]
    submits = {(o.provider, o.id, o.path) for o in documented if o.role == "submit"}
    assert submits == {(page.provider, page.operation, page.path) for page in PAGES}
