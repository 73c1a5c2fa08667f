"""The pytest plugin, as the tests of a client use it."""

from __future__ import annotations

import asyncio
import re
import socket
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.driving import key_headers
from understudy_contracts.findings import Severity
from understudy_contracts.testing import Running, Understudy
from understudy_mock.catalog import open_catalog
from understudy_mock.domain.scenario import Scenario, read_scenario
from understudy_mock.har.read import read_recording
from understudy_mock.replay.jobs import recorded_jobs
from understudy_mock.replay.recorded import RecordedJob

EXAMPLE = Path(__file__).parents[2] / "fixtures/recordings/three-providers.har"
SUBMIT = "/hunyuan-video/v1/hunyuan-video-request"


def submit(understudy: Understudy, **headers: str) -> httpx.Response:
    """Submit a job as a Pixazo client does."""
    return httpx.post(
        understudy.url("pixazo") + SUBMIT,
        json={"prompt": "a cat"},
        headers={**key_headers("pixazo", understudy.key), **headers},
    )


def poll(understudy: Understudy, submitted: httpx.Response) -> str:
    """Ask for a job's status once."""
    told = httpx.get(submitted.json()["polling_url"], headers=key_headers("pixazo", understudy.key))
    return str(told.json()["status"])


def test_a_test_starts_with_nothing(understudy: Understudy) -> None:
    """Before its first call a key has no jobs, no journal and no webhooks."""
    assert (understudy.jobs, understudy.journal, understudy.webhooks) == ([], [], [])


def test_jobs_and_journal_are_the_tests_own(understudy: Understudy) -> None:
    """A call with another key is in neither."""
    accepted = submit(understudy)
    httpx.post(
        understudy.url() + SUBMIT, json={"prompt": "a dog"}, headers=key_headers("pixazo", "somebody-else")
    )
    assert [job["id"] for job in understudy.jobs] == [accepted.json()["request_id"]]
    assert [entry.operation for entry in understudy.journal] == ["submit-hunyuan-video"]


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "somebody-elses-key"}])
@pytest.mark.parametrize("path", [SUBMIT, "/no/such/route"])
def test_calls_without_this_tests_key_do_not_conform(
    understudy: Understudy, headers: dict[str, str], path: str
) -> None:
    """assert_conforms() counts them, shows no key, and the conversation has them."""
    httpx.post(understudy.url() + path, json={"prompt": "a cat"}, headers=headers)
    assert understudy.journal == []
    with pytest.raises(AssertionError, match=rf"1 call came with no key, .*: POST {path}") as told:
        understudy.assert_conforms()
    assert "somebody-elses-key" not in str(told.value) + understudy.conversation()
    assert "(a stray: without this test's key)" in understudy.conversation()
    assert path in understudy.conversation() or "hunyuan-video" in understudy.conversation()


@pytest.mark.parametrize("place", ["header", "path", "query"])
def test_a_contradicted_route_with_the_key_is_the_tests_own(understudy: Understudy, place: str) -> None:
    """Wherever the key stands in it: the rule is told, the key is not."""
    misspelt = "/hunyuan-vidoe/v1/hunyuan-video-request"
    paths = {"path": f"/v2/requests/status/{understudy.key}", "query": f"{misspelt}?k={understudy.key}"}
    path = paths.get(place, misspelt)
    headers = {"X-Custom": understudy.key} if place == "header" else {}
    httpx.post(understudy.url() + path, json={}, headers=headers)
    with pytest.raises(AssertionError, match="MUST undocumented-route") as told:
        understudy.assert_conforms()
    assert "no key" not in str(told.value)
    assert understudy.key not in str(told.value) + understudy.conversation()


def test_what_is_only_not_simulated_breaks_nothing(understudy: Understudy) -> None:
    """It is told as such, with what would have it simulated."""
    httpx.post(understudy.url() + "/api/v3/wavespeed-ai/flux-dev", headers={"X-Custom": understudy.key})
    understudy.assert_conforms(strict=True)
    (finding,) = understudy.findings()
    assert (finding.id, finding.severity) == ("undocumented-route", Severity.INFO)
    assert "--specs" in finding.expected


def test_nothing_said_does_not_conform(understudy: Understudy) -> None:
    """A client that never came has kept no contract."""
    with pytest.raises(AssertionError, match="nothing was said: did the client use"):
        understudy.assert_conforms()


@pytest.mark.understudy(pace="manual")
def test_on_a_gateway_of_ones_own_everything_counts(understudy: Understudy) -> None:
    """A call with no key at all is in the journal, and breaks the rule about keys."""
    httpx.post(understudy.url() + SUBMIT, json={"prompt": "a cat"})
    assert [entry.status for entry in understudy.journal] == [401]
    with pytest.raises(AssertionError, match="MUST missing-key"):
        understudy.assert_conforms()


def test_what_another_test_says_late_is_not_counted(
    understudy: Understudy, understudy_gateway: Running
) -> None:
    """A call with a key that another test was given belongs to that one, whenever it comes."""
    late = Understudy(understudy_gateway, "SG_0123456789abcdef")
    late.close()
    submit(understudy)
    httpx.post(understudy.url() + "/no/route", headers=key_headers("pixazo", late.key))
    httpx.post(understudy.url() + SUBMIT, json={}, headers=key_headers("pixazo", late.key))
    understudy.assert_conforms()


def test_an_unknown_provider_is_named(understudy: Understudy) -> None:
    """url() of a provider that is not spoken for says which are."""
    with pytest.raises(ValueError, match="'pixzo'; known: pixazo, segmind, wavespeed"):
        understudy.url("pixzo")


@pytest.mark.scenario("invalid-key")
def test_the_marker_sets_the_scenario(understudy: Understudy) -> None:
    """@pytest.mark.scenario holds from the first call on."""
    assert submit(understudy).status_code == 401


LIMITED = {"submit": [{"condition": "rate_limited"}]}


@pytest.mark.parametrize(
    "form", ["name", "mapping", "nameless mapping", "value", "file", "text", "relative text"]
)
def test_a_scenario_can_be_given_in_every_form(
    understudy: Understudy, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name, a mapping, a value, and a file by its path, absolute or from the working directory."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsubmit: [{condition: rate_limited, times: always}]\n")
    monkeypatch.chdir(tmp_path)
    forms: dict[str, Any] = {
        "name": "rate-limited",
        "mapping": {"name": "mine", **LIMITED},
        "nameless mapping": LIMITED,
        "value": read_scenario({"name": "mine", **LIMITED}),
        "file": file,
        "text": str(file),
        "relative text": "mine.yaml",
    }
    understudy.play(forms[form])
    assert submit(understudy).status_code == 429


def test_a_known_name_wins_over_a_file(
    understudy: Understudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at `serve --scenario`: a file that is called like it says nothing."""
    (tmp_path / "rate-limited").write_text("name: mine\n")
    monkeypatch.chdir(tmp_path)
    understudy.play("rate-limited")
    assert submit(understudy).status_code == 429


@pytest.mark.parametrize("scenario", [{}, Scenario(name="mine")])
def test_a_scenario_in_which_nothing_happens_is_one(
    understudy: Understudy, scenario: dict[str, Any] | Scenario
) -> None:
    """It is played, and not taken for the name of another."""
    understudy.play("invalid-key")
    understudy.play(scenario)
    assert submit(understudy).status_code == 202


def test_mappings_without_a_name_are_played_each_from_its_beginning(understudy: Understudy) -> None:
    """What one has done does not count for the next."""
    for _ in range(2):
        understudy.play(LIMITED)
        assert [submit(understudy).status_code for _ in range(2)] == [429, 202]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read: No such file"),
        ("name: [", "is not YAML"),
        ("name: x\nsubmit: 3", "/submit: Expected"),
        ("name: x\naccount: {disabled_models: [nope]}", "/account/disabled_models/0: no model"),
    ],
)
def test_a_scenario_file_that_is_wrong_is_named(
    understudy: Understudy, tmp_path: Path, text: str | None, told: str
) -> None:
    """play() raises ValueError with the file, and where in it."""
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=f"{re.escape(str(file))}: .*{told}"):
        understudy.play(file)


def test_a_wrong_scenario_is_said_to_be_wrong(understudy: Understudy, tmp_path: Path) -> None:
    """play() of what is not known raises, and says what is wrong where."""
    with pytest.raises(ValueError, match="no scenario and no file is called 'no-such-scenario'; known are"):
        understudy.play("no-such-scenario")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        understudy.play(tmp_path)
    with pytest.raises(ValueError, match=r"'\.' is a directory, and no scenario is called so; known are"):
        understudy.play(".")
    with pytest.raises(ValueError, match="/scenario/submit/0/condition: "):
        understudy.play({"submit": [{"condition": "nope"}]})
    for nothing in (3, ["fails"], True):
        with pytest.raises(TypeError, match=re.escape(f"not {nothing!r}")):
            understudy.play(nothing)  # type: ignore[arg-type]


def test_webhooks_come_to_the_tests_own_address(understudy: Understudy) -> None:
    """A callback is kept with its headers and body, and the gateway's log of it can be seen."""
    submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    (came,) = understudy.wait_for_webhooks()
    assert came.told["status"] == "COMPLETED"
    assert [one["state"] for one in understudy.deliveries] == ["delivered"]


@pytest.mark.understudy(pace="manual")
def test_a_test_can_have_a_clock_of_its_own(understudy: Understudy) -> None:
    """Under the manual clock nothing moves until advance(), and callbacks that are due have come then."""
    accepted = submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    assert poll(understudy, accepted) == "QUEUED"
    understudy.advance(3600)
    assert poll(understudy, accepted) == "COMPLETED"
    assert [one.told["status"] for one in understudy.webhooks] == ["COMPLETED"]


@pytest.mark.understudy(api_keys=("some-key",))
def test_a_closed_list_of_keys_has_the_tests_own(understudy: Understudy) -> None:
    """A test that lists keys can still make calls with its own, and others are refused."""
    assert submit(understudy).status_code == 202
    other = httpx.post(
        understudy.url() + SUBMIT, json={"prompt": "x"}, headers=key_headers("pixazo", "another-key")
    )
    assert other.status_code == 401


def test_callbacks_that_do_not_come_are_an_error_that_tells_why(understudy: Understudy) -> None:
    """wait_for_webhooks() says what came, and what the gateway knows."""
    with pytest.raises(TimeoutError, match="0 of 1 callbacks came to webhook_url within 0 s; no job"):
        understudy.wait_for_webhooks(seconds=0)
    submit(understudy)
    with pytest.raises(TimeoutError, match=r"no delivery is planned: .*understudy\.webhook_url"):
        understudy.wait_for_webhooks(seconds=0)
    accepted = submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    understudy.wait_for_webhooks()
    with pytest.raises(TimeoutError, match=rf"1 of 2 callbacks .*\n.* of {accepted.json()['request_id']}: "):
        understudy.wait_for_webhooks(2, seconds=0)


@pytest.mark.understudy(admin_token="secret")
def test_an_admin_token_is_for_others(understudy: Understudy) -> None:
    """The test itself may do everything under a gateway that asks for one."""
    understudy.set_balance(0)
    assert submit(understudy).status_code == 402
    assert httpx.get(f"{understudy.url()}/_mock/jobs").status_code == 403


@pytest.mark.parametrize("change", ["balance", "limit", "scenario"])
@pytest.mark.understudy(pace="manual")
def test_what_the_test_changes_ends_a_series_of_attempts(understudy: Understudy, change: str) -> None:
    """A call that was refused may be made again after it, also where time stands still."""
    understudy.set_balance(0)
    assert submit(understudy).status_code == 402
    if change == "balance":
        understudy.set_balance(5)
    elif change == "limit":
        understudy.set_rate_limit("10/60")
    else:
        understudy.play("completes")
    submit(understudy)
    understudy.assert_conforms()
    with pytest.raises(ValueError, match="not N/SECONDS"):
        understudy.set_rate_limit("often")
    understudy.set_balance(0)
    for _ in range(2):
        submit(understudy)
    with pytest.raises(AssertionError, match="retried-insufficient-balance"):
        understudy.assert_conforms()


def test_files_are_small_unless_real_ones_are_asked_for(understudy: Understudy) -> None:
    """A download takes no rendering: tests of a client are about what it does, and not about pictures."""
    accepted = submit(understudy)
    understudy.end(accepted.json()["request_id"], "COMPLETED")
    told = httpx.get(accepted.json()["polling_url"], headers=key_headers("pixazo", understudy.key)).json()
    file = httpx.get(told["output"]["media_url"][0]).content
    assert b"ftyp" in file[:16]
    assert len(file) < 10_000


def test_the_key_cannot_be_exchanged(understudy: Understudy) -> None:
    """What is told is about the key that the test was given."""
    with pytest.raises(AttributeError):
        understudy.key = "x"  # type: ignore[misc]


def test_what_means_nothing_is_refused(understudy: Understudy) -> None:
    """With what was given and what may be: money, limits, jobs and waits."""
    for usd in (float("nan"), float("inf"), -1, 1e12):
        with pytest.raises(ValueError, match=rf"USD, not {usd!r}".replace("+", r"\+")):
            understudy.set_balance(usd)
    for nothing in ("much", True):
        with pytest.raises(TypeError, match=f"a balance is a number of USD, .* not {nothing!r}"):
            understudy.set_balance(nothing)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'10/60', or None for none, not 10"):
        understudy.set_rate_limit(10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="job nojob: there is no such job"):
        understudy.end("nojob", "FAILED")
    for number in (0, -1, True):
        with pytest.raises(ValueError, match=f"waiting for {number} callbacks"):
            understudy.wait_for_webhooks(number)
    for seconds in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="longest wait"):
            understudy.wait_for_webhooks(seconds=seconds)


@pytest.mark.understudy(pace="manual")
def test_what_is_no_time_and_no_status_is_refused(understudy: Understudy) -> None:
    """advance() and answer_webhooks_with() take nothing that means nothing."""
    for seconds in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match="seconds"):
            understudy.advance(seconds)
    for status in (99999, 0, True):
        with pytest.raises(ValueError, match="HTTP status"):
            understudy.answer_webhooks_with(status)


@pytest.mark.understudy(pace="manual")
def test_a_receiver_that_refuses_is_tried_again(understudy: Understudy) -> None:
    """answer_webhooks_with() makes the receiver fail, and the gateway tries three times in all."""
    understudy.answer_webhooks_with(500)
    submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    for seconds in (3600, 2, 6):
        understudy.advance(seconds)
        assert understudy.webhooks
    assert [one["state"] for one in understudy.deliveries] == ["given_up"]
    assert "receiver answered 500" in understudy.conversation()
    understudy.assert_conforms()  # the receiver is not the client's


@pytest.mark.understudy(pace="manual")
def test_time_moves_on_when_what_is_due_was_sent_and_answered(understudy: Understudy) -> None:
    """Steps of any length send the same, whether or not somebody looks in between."""
    understudy.answer_webhooks_with(503)
    submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    for seconds in (120, 2, 10):
        understudy.advance(seconds)
    assert len(understudy.webhooks) == 3


@pytest.mark.understudy(pace="manual", speed=1)
def test_time_stops_wherever_something_is_due(understudy: Understudy) -> None:
    """What falls due on the way is sent at its moment, with what falls due after that: retries, too."""
    understudy.answer_webhooks_with(503)
    submit(understudy, **{"X-Webhook-URL": understudy.webhook_url, "X-Webhook-Mode": "sync"})
    understudy.advance(59)
    tried = [one["attempts"] for one in understudy.deliveries if one["attempts"]]
    began = sorted([_ms(attempt["at"]) for attempt in attempts] for attempts in tried)
    assert [first - began[0][0] for first, _, _ in began] == [0, 15_000, 30_000]
    for first, second, third in began:
        assert 1_000 <= second - first <= 1_250
        assert 4_000 <= third - second <= 5_000


@pytest.mark.understudy(pace="manual")
async def test_in_an_async_test_callbacks_have_come_as_well(understudy: Understudy) -> None:
    """The plugin's receiver is not in the test's event loop: it answers while the test waits."""
    understudy.answer_webhooks_with(503)
    submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    understudy.advance(120)
    assert len(understudy.webhooks) == 3


@pytest.mark.understudy(pace="manual")
async def test_a_receiver_in_the_tests_own_loop_is_not_waited_for(understudy: Understudy) -> None:
    """It cannot answer before the test awaits something, and gets its whole time then."""
    asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 Thanks\r\n\r\n")
        await writer.drain()
        writer.close()
        asked.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        submit(understudy, **{"X-Webhook-URL": f"http://127.0.0.1:{port}/mine"})
        understudy.advance(120)
        await asyncio.wait_for(asked.wait(), 10)
        (delivery,) = await asyncio.to_thread(lambda: understudy.deliveries)
    assert delivery["state"] == "delivered"
    assert len(delivery["attempts"]) == 1


@pytest.mark.understudy(pace="manual")
def test_a_receiver_that_hangs_does_not_hang_the_test(
    understudy: Understudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for a while; then its five seconds on the gateway's clock are over, three times."""
    monkeypatch.setattr("understudy_contracts.testing.clock._SETTLED", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        submit(understudy, **{"X-Webhook-URL": f"http://127.0.0.1:{port}/mine"})
        understudy.advance(120)
        (delivery,) = understudy.deliveries
    assert delivery["state"] == "given_up"
    assert {attempt["error"] for attempt in delivery["attempts"]} == {"no answer within 5 seconds"}


def test_the_shared_clock_cannot_be_moved(understudy: Understudy) -> None:
    """advance() on the session's gateway says how to get a clock."""
    with pytest.raises(ValueError, match=r"pytest\.mark\.understudy"):
        understudy.advance(1)


async def test_an_async_test_has_all_of_it(understudy: Understudy) -> None:
    """The gateway runs outside of the test's event loop."""
    async with httpx.AsyncClient(headers=key_headers("pixazo", understudy.key)) as client:
        accepted = await client.post(
            understudy.url() + SUBMIT,
            json={"prompt": "a cat"},
            headers={"X-Webhook-URL": understudy.webhook_url},
        )
    came = await asyncio.to_thread(understudy.wait_for_webhooks)
    assert [one.told["request_id"] for one in came] == [accepted.json()["request_id"]]


def test_a_rule_that_was_broken_is_told(understudy: Understudy) -> None:
    """assert_conforms() raises with the rule, and the conversation shows it."""
    understudy.play({"name": "mine", "submit": [{"condition": "insufficient_balance", "times": "always"}]})
    submit(understudy)
    understudy.assert_conforms()
    submit(understudy)
    with pytest.raises(AssertionError, match="retried-insufficient-balance"):
        understudy.assert_conforms()
    assert "retried-insufficient-balance" in understudy.conversation()


def test_the_conversation_holds_no_key(understudy: Understudy) -> None:
    """What is printed when a test fails can be shown to anybody."""
    submit(understudy)
    assert understudy.key not in understudy.conversation()


def test_a_test_can_replay_a_recording(understudy: Understudy) -> None:
    """What was recorded is answered, and what was not is told with the nearest recording."""
    understudy.replay(EXAMPLE)
    recorded = next(job for job in _recorded_jobs() if job.id and job.operation.provider == "pixazo")
    url = understudy.url("pixazo") + urlsplit(recorded.submit.url).path
    headers = key_headers("pixazo", understudy.key)
    answers = [httpx.post(url, content=recorded.submit.request_body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 202]
    assert [job["id"] for job in understudy.jobs] == [answers[1].json()["request_id"]]
    assert understudy.misses == []
    assert httpx.post(url, json={"prompt": "never recorded"}, headers=headers).status_code == 400
    with pytest.raises(AssertionError, match="not in the recording"):
        understudy.assert_conforms()


def test_a_replay_begins_a_test(understudy: Understudy) -> None:
    """replay() is refused where something was set or said before, which it would forget."""
    submit(understudy)
    with pytest.raises(ValueError, match=r"call replay\(\) first: 1 call was made before"):
        understudy.replay(EXAMPLE)
    understudy.set_balance(5)
    with pytest.raises(ValueError, match="a replay takes its course from the recording: no scenario"):
        understudy.replay(EXAMPLE)


@pytest.mark.scenario("fails")
def test_a_replay_has_no_scenario(understudy: Understudy) -> None:
    """Neither by the marker nor by play(), before it or after it."""
    with pytest.raises(ValueError, match="a replay takes its course from the recording"):
        understudy.replay(EXAMPLE)


@pytest.mark.parametrize("scenario", ["fails", "no-such", {"job": {"end": "FAILED"}}, None])
def test_a_replay_takes_no_scenario_later(
    understudy: Understudy, scenario: str | dict[str, Any] | None
) -> None:
    """Whatever it is."""
    understudy.replay(EXAMPLE)
    with pytest.raises(ValueError, match="a replay takes its course from the recording"):
        understudy.play(scenario)


def _ms(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


def _recorded_jobs() -> tuple[RecordedJob, ...]:
    catalog = open_catalog()
    return recorded_jobs(read_recording([EXAMPLE], catalog), catalog).jobs
