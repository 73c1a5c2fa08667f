"""A model that nobody has heard of, from one YAML file: everything about it works, and no code knows it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from PIL import Image

from tests.driving import Gateway, fetch, key_headers
from understudy_mock.app import create_world
from understudy_mock.media import Studio
from understudy_mock.settings import Settings

pytestmark = pytest.mark.anyio

WOODCUT = r"""
openapi: 3.1.0
info: {title: Woodcut Nine, version: "9"}
x-provider: pixazo
servers:
  - url: https://gateway.pixazo.ai
security:
  - subscriptionKey: []
paths:
  /woodcut-9/v1/woodcut-9-request:
    post:
      operationId: submit-woodcut-9
      summary: Queue a woodcut.
      parameters:
        - $ref: 'common.yaml#/components/parameters/webhookUrl'
        - $ref: 'common.yaml#/components/parameters/webhookMode'
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/woodcut-9-input'}
      responses:
        '202': {$ref: 'common.yaml#/components/responses/Accepted'}
        '400': {$ref: 'common.yaml#/components/responses/BadRequest'}
        '401': {$ref: 'common.yaml#/components/responses/Unauthorized'}
        '402': {$ref: 'common.yaml#/components/responses/InsufficientBalance'}
      callbacks:
        job: {$ref: 'common.yaml#/components/callbacks/Job'}
      x-operation: {role: submit, answers: job, assumed: Invented for a test.}
      x-model:
        id: woodcut-9
        summary: Woodcut Nine
        course: {queued: 7, processing: 20, assumed: Invented for a test.}
        price:
          per: job
          rates:
            - {when: {paper: washi}, usd: 0.75}
            - {usd: 0.25}
          assumed: Invented for a test.
        media:
          format: {parameter: file}
          size: {parameter: paper, values: {washi: 120x80, card: 60x90}}
          count: prints
          prompt: motif
          assumed: Invented for a test.
components:
  schemas:
    woodcut-9-input:
      title: Woodcut9Input
      type: object
      required: [motif]
      properties:
        motif: {type: string, minLength: 1, pattern: '\S'}
        paper: {type: string, enum: [washi, card], default: card}
        file: {type: string, enum: [png, webp], default: png}
        prints: {type: integer, minimum: 1, maximum: 3, default: 1}
"""


@pytest.fixture
def gateway(tmp_path: Path, studio: Studio) -> Gateway:
    """A gateway at documented speed, with one dollar, real files and the new model."""
    (tmp_path / "woodcut.yaml").write_text(WOODCUT, encoding="utf-8")
    settings = Settings(specs=(tmp_path,), pace="manual", speed=1.0, balance=1.0)
    return Gateway(create_world(settings, files=studio))


async def submit(gateway: Gateway, **body: Any) -> httpx.Response:
    url = "/woodcut-9/v1/woodcut-9-request"
    return await gateway.call("POST", url, json=body, headers=key_headers("pixazo"))


async def poll(gateway: Gateway, accepted: httpx.Response) -> dict[str, Any]:
    answer = await fetch(gateway, accepted.json()["polling_url"])
    assert answer.status_code == 200
    job: dict[str, Any] = answer.json()
    return job


async def test_it_is_counted(gateway: Gateway) -> None:
    assert (await gateway.admin("GET", "health")).json()["models"] == 15


async def test_it_is_routed(gateway: Gateway) -> None:
    answer = await submit(gateway, motif="a heron")
    assert answer.status_code == 202
    assert answer.json()["request_id"].startswith("woodcut-9_")


async def test_it_wants_a_key_like_its_siblings(gateway: Gateway) -> None:
    answer = await gateway.call("POST", "/woodcut-9/v1/woodcut-9-request", json={"motif": "a heron"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Missing required parameter: motif"),
        ({"motif": "\n"}, "Missing required parameter: motif"),
        ({"motif": "a heron", "paper": "vellum"}, "Invalid value for parameter: paper"),
        ({"motif": "a heron", "prints": 4}, "Invalid value for parameter: prints"),
    ],
)
async def test_it_is_validated(gateway: Gateway, body: dict[str, Any], error: str) -> None:
    answer = await submit(gateway, **body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


@pytest.mark.parametrize(("paper", "left"), [("washi", 0.25), ("card", 0.75)])
async def test_it_is_priced(gateway: Gateway, paper: str, left: float) -> None:
    await submit(gateway, motif="a heron", paper=paper)
    account = (await gateway.admin("GET", "accounts/test-key-1")).json()
    assert account["balance_usd"] == left


async def test_it_is_refused_when_the_balance_is_too_small(gateway: Gateway) -> None:
    assert (await submit(gateway, motif="a heron", paper="washi")).status_code == 202
    assert (await submit(gateway, motif="a heron", paper="washi")).status_code == 402


async def test_it_takes_its_own_time(gateway: Gateway) -> None:
    accepted = await submit(gateway, motif="a heron")
    seen = []
    for seconds in (6.999, 0.001, 19.999, 0.001):
        gateway.advance(seconds)
        seen.append((await poll(gateway, accepted))["status"])
    assert seen == ["QUEUED", "PROCESSING", "PROCESSING", "COMPLETED"]


@pytest.mark.parametrize(("paper", "file", "size"), [("washi", "png", (120, 80)), ("card", "webp", (60, 90))])
async def test_its_files_have_the_sizes_and_formats_of_its_own_table(
    gateway: Gateway, paper: str, file: str, size: tuple[int, int]
) -> None:
    accepted = await submit(gateway, motif="a heron", paper=paper, file=file, prints=3)
    gateway.advance(27)
    output = (await poll(gateway, accepted))["output"]
    assert output["media_type"] == f"image/{file}"
    assert [url.rpartition("/")[2] for url in output["media_url"]] == [
        f"output.{file}",
        f"output_2.{file}",
        f"output_3.{file}",
    ]
    seen = set()
    for url in output["media_url"]:
        answer = await gateway.call("GET", url)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"image/{file}"
        with Image.open(BytesIO(answer.content)) as picture:
            assert (picture.size, picture.format) == (size, file.upper())
        seen.add(answer.content)
    assert len(seen) == 3


async def test_it_is_in_the_document_that_the_gateway_hands_out(gateway: Gateway) -> None:
    document = (await gateway.admin("GET", "openapi/pixazo.json")).json()
    assert "/woodcut-9/v1/woodcut-9-request" in document["paths"]
    validate(document)
