"""`understudy spec PROVIDER --render OPERATION`: what would be sent, byte for byte."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.driving import KEY, MakeGateway, id_of, poll, submit
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.commands.rendering import NotRendered, Rendered, render
from understudy_mock.domain.conditions import CallError, Condition
from understudy_mock.domain.timeline import State

pytestmark = pytest.mark.anyio


def spec(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["spec", *arguments], env={"COLUMNS": "80"})


def status(sent: Rendered) -> int:
    return int(sent.line.split()[1])


def test_every_operation_is_rendered_in_every_state_with_a_documented_status(catalog: Catalog) -> None:
    for operation in catalog.operations:
        states = list(State) if operation.role in ("status", "result") else [None]
        for state in states:
            sent = render(catalog, operation.provider, operation.id, state)
            assert status(sent) in operation.statuses, (operation.id, state)
            assert status(sent) < 400 or status(sent) == 422, (operation.id, state)


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
def test_a_status_is_rendered_in_the_state_that_is_asked_for(catalog: Catalog, provider: str) -> None:
    name = {"pixazo": "get-request-status", "segmind": "get-request", "wavespeed": "get-prediction"}[provider]
    words = [json.loads(render(catalog, provider, name, state).body) for state in State]
    told = [str(word.get("data", word)["status"]).upper() for word in words]
    assert told[:3] == ["CREATED" if provider == "wavespeed" else "QUEUED", "PROCESSING", "COMPLETED"]
    assert set(told[3:]) <= {"FAILED", "ERROR"}


async def test_what_is_rendered_is_what_a_gateway_sends(catalog: Catalog, make_gateway: MakeGateway) -> None:
    """The stamps and the id have other values, and the same form."""
    gateway = make_gateway(speed=1)
    job = id_of(await submit(gateway, "wavespeed", KEY))
    answer = await poll(gateway, job, "wavespeed")
    sent = await asyncio.to_thread(render, catalog, "wavespeed", "get-prediction-result", State.QUEUED)
    own = json.loads(sent.body)["data"]
    body = sent.body.replace(own["id"].encode(), job.encode())
    body = body.replace(b"https://api.wavespeed.ai", b"http://gateway.test:8080")
    assert body == answer.content


def test_a_callback_is_rendered_with_its_signature(catalog: Catalog) -> None:
    sent = render(catalog, "wavespeed", "callback", State.FAILED)
    assert sent.line.startswith("POST ")
    assert {b"webhook-id", b"webhook-timestamp", b"webhook-signature"} <= dict(sent.headers).keys()
    assert json.loads(sent.body)["status"] == "failed"


def test_a_callback_of_a_running_job_is_rendered_where_there_are_such(catalog: Catalog) -> None:
    assert json.loads(render(catalog, "pixazo", "callback", State.PROCESSING).body)["status"] == "PROCESSING"
    with pytest.raises(NotRendered, match="when the job has ended"):
        render(catalog, "wavespeed", "callback", State.PROCESSING)


def test_a_quirk_changes_what_is_rendered(catalog: Catalog) -> None:
    bare = json.loads(
        render(catalog, "pixazo", "get-request-status", State.ERROR, quirks=("bare-failures",)).body
    )
    assert "created_at" not in bare
    extra = json.loads(render(catalog, "segmind", "get-user-credits", quirks=("extra-fields",)).body)
    assert len(extra) == 3


CONDITIONS = {
    Condition.MISSING_KEY: 401,
    Condition.RATE_LIMITED: 429,
    Condition.INVALID_REQUEST: 400,
    Condition.INSUFFICIENT_BALANCE: 402,
    Condition.TIMEOUT: 504,
    CallError.NO_ROUTE: 404,
    CallError.WRONG_METHOD: 405,
    CallError.BODY_TOO_LARGE: 413,
    CallError.HEADERS_TOO_LARGE: 431,
    CallError.NOT_JSON: 400,
    CallError.WEBHOOK_URL: 400,
    CallError.WEBHOOK_INLINE: 400,
    CallError.UNKNOWN_CHOICE: 400,
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_submit_is_rendered_in_a_condition(catalog: Catalog, condition: Condition | CallError) -> None:
    sent = render(catalog, "wavespeed", "submit-hunyuan-video-i2v", condition=condition)
    assert status(sent) == CONDITIONS[condition]


def test_a_job_of_nobody_is_really_asked_for(catalog: Catalog) -> None:
    """So its answer has the name that was asked for, which no scenario could know."""
    sent = render(catalog, "segmind", "get-request", condition=Condition.NOT_FOUND)
    assert sent.body == b'{"error":"Request nobody-s-job not found"}'
    with pytest.raises(NotRendered, match="about no job"):
        render(catalog, "segmind", "get-user-credits", condition=Condition.NOT_FOUND)


def test_the_command_prints_the_whole_answer() -> None:
    told = spec("pixazo", "--render", "submit-hunyuan-video", "--condition", "invalid_request")
    assert told.stdout == (
        "HTTP/1.1 400 Bad Request\ncontent-type: application/json\ncontent-length: 46\n\n"
        '{"error":"Missing required parameter: prompt"}\n'
    )


def test_the_command_does_not_print_the_bytes_of_a_file() -> None:
    told = spec("segmind", "--render", "submit-hunyuan-video").stdout
    assert "x-cost: 1.464\n" in told
    assert told.endswith(" bytes of video/mp4)\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--render", "get-request-status"), "--render needs a PROVIDER"),
        (("pixazo", "--state", "QUEUED"), "go with --render OPERATION"),
        (("pixazo", "--render", "nothing"), "known are submit-"),
        (("segmind", "--render", "callback"), "has no callbacks"),
        (("pixazo", "--render", "submit-hunyuan-video", "--state", "FAILED"), "leave --state out"),
        (("wavespeed", "--render", "list-models", "--condition", "model_not_found"), "does not meet"),
        (("wavespeed", "--render", "list-models", "--condition", "webhook_url"), "takes no webhook"),
    ],
)
def test_what_cannot_be_rendered_is_said(arguments: tuple[str, ...], words: str) -> None:
    result = spec(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_a_provider_of_ones_own_is_rendered() -> None:
    folder = Path(__file__).parents[1] / "wording" / "folders" / "acme"
    told = spec("acme", "--specs", str(folder), "--render", "get-job", "--state", "FAILED")
    assert '"state":"broken","error":"The model could not make this"}' in told.stdout
