"""The pytest plugin, as the tests of a client use it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from contracts.testing import Running, Understudy
from mockserver.catalog import open_catalog
from mockserver.domain.scenario import Job, Scenario
from mockserver.recording.distil import Take, distil
from mockserver.recording.read import read_recording
from tests.support import key_headers

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
    assert path in understudy.conversation() or "hunyuan-video" in understudy.conversation()


@pytest.mark.parametrize("place", ["header", "path", "query"])
def test_an_undocumented_route_with_the_key_is_the_tests_own(understudy: Understudy, place: str) -> None:
    """Wherever the key stands in it: the rule is told, the key is not."""
    path = {"path": f"/no/{understudy.key}/route", "query": f"/no/route?k={understudy.key}"}.get(place, "/no")
    headers = {"X-Custom": understudy.key} if place == "header" else {}
    httpx.post(understudy.url() + path, json={}, headers=headers)
    with pytest.raises(AssertionError, match="MUST undocumented-route") as told:
        understudy.assert_conforms()
    assert "no key" not in str(told.value)
    assert understudy.key not in str(told.value) + understudy.conversation()


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
    with pytest.raises(ValueError, match="'pixzo'; known are pixazo, segmind, wavespeed"):
        understudy.url("pixzo")


@pytest.mark.scenario("invalid-key")
def test_the_marker_sets_the_scenario(understudy: Understudy) -> None:
    """@pytest.mark.scenario holds from the first call on."""
    assert submit(understudy).status_code == 401


@pytest.mark.parametrize("form", ["name", "mapping", "scenario", "file"])
def test_a_scenario_can_be_given_in_every_form(understudy: Understudy, form: str, tmp_path: Path) -> None:
    """A name, a mapping, a value and a file mean the same."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsubmit: [{condition: rate_limited, times: always}]\n")
    forms = {
        "name": "rate-limited",
        "mapping": {"name": "mine", "submit": [{"condition": "rate_limited"}]},
        "scenario": Scenario(name="mine", job=Job(end="FAILED")),
        "file": file,
    }
    understudy.play(forms[form])  # type: ignore[arg-type]
    assert submit(understudy).status_code == (202 if form == "scenario" else 429)


def test_a_wrong_scenario_is_said_to_be_wrong(understudy: Understudy) -> None:
    """play() of what is not known raises, and says what is wrong where."""
    with pytest.raises(ValueError, match="scenario"):
        understudy.play("no-such-scenario")


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
    with pytest.raises(TimeoutError, match="0 of 1 callbacks came within 0 s; no job was made"):
        understudy.wait_for_webhooks(seconds=0)
    submit(understudy)
    with pytest.raises(TimeoutError, match=r"no delivery is planned: .*understudy\.webhook_url"):
        understudy.wait_for_webhooks(seconds=0)
    accepted = submit(understudy, **{"X-Webhook-URL": understudy.webhook_url})
    understudy.wait_for_webhooks()
    with pytest.raises(TimeoutError, match=rf"1 of 2 callbacks .*\n.* of {accepted.json()['request_id']}: "):
        understudy.wait_for_webhooks(2, seconds=0)


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
    recorded = next(take for take in _takes() if take.job and take.operation.provider == "pixazo")
    url = understudy.url("pixazo") + urlsplit(recorded.submit.url).path
    headers = key_headers("pixazo", understudy.key)
    answers = [httpx.post(url, content=recorded.submit.request_body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 202]
    assert [job["id"] for job in understudy.jobs] == [answers[1].json()["request_id"]]
    assert understudy.misses == []
    assert httpx.post(url, json={"prompt": "never recorded"}, headers=headers).status_code == 400
    with pytest.raises(AssertionError, match="not in the recording"):
        understudy.assert_conforms()


def _takes() -> tuple[Take, ...]:
    catalog = open_catalog()
    return distil(read_recording([EXAMPLE], catalog), catalog).takes
