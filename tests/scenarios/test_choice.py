"""Which scenario a call is under, what a mistaken choice answers, and when each entry takes hold."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.driving import (
    KEY,
    POLLED,
    PROVIDERS,
    SUBMITS,
    Gateway,
    MakeGateway,
    balance,
    id_of,
    jobs_of,
    key_headers,
    poll,
    poll_path,
    set_account,
    state_of,
    submit,
)
from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import read_scenario
from understudy_mock.gateway.scenario_files import ScenarioFileError, read_scenarios

WAYS = ("prefer", "prompt", "key", "account", "server")
"""From the nearest to the farthest: the first that names a scenario holds."""

NAMES = dict(zip(WAYS, ("fails", "errors", "completes", "slow-queue", "never-finishes"), strict=True))


def error_text(provider: str, answer: httpx.Response) -> str:
    """Return the text of an error that the gateway words for a mistaken choice."""
    body = answer.json()
    if provider == "wavespeed":
        assert body["code"] == answer.status_code
        return str(body["message"])
    assert list(body) == ["error"]
    return str(body["error"])


async def submit_by(make_gateway: MakeGateway, provider: str, names: dict[str, str]) -> tuple[Gateway, Any]:
    """Submit with a scenario named in each of these ways, and give the job as the admin API tells it."""
    gateway = make_gateway(scenario=names.get("server"))
    key = f"scenario:{names['key']}:mine" if "key" in names else KEY
    if "account" in names:
        await set_account(gateway, key, scenario=names["account"])
    body = dict(SUBMITS[provider].body)
    if "prompt" in names:
        body["prompt"] = f"a red kite [scenario:{names['prompt']}] over the sea"
    prefer = f"scenario={names['prefer']}" if "prefer" in names else None
    await submit(gateway, provider, key=key, prefer=prefer, body=body)
    [job] = await jobs_of(gateway, key)
    return gateway, job


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_scenario_can_be_chosen_in_each_way(
    make_gateway: MakeGateway, provider: str, way: str
) -> None:
    """Prefer, prompt, key, account and server each choose by themselves."""
    _, job = await submit_by(make_gateway, provider, {way: NAMES[way]})
    assert job["scenario"] == NAMES[way]


@pytest.mark.parametrize(("nearer", "farther"), list(combinations(WAYS, 2)))
async def test_the_nearer_choice_holds(make_gateway: MakeGateway, nearer: str, farther: str) -> None:
    """Prefer before prompt before key before account before server: each pair."""
    named = {way: NAMES[way] for way in (nearer, farther)}
    for provider in PROVIDERS:
        _, job = await submit_by(make_gateway, provider, named)
        assert job["scenario"] == NAMES[nearer]


async def test_all_five_at_once_follow_prefer(make_gateway: MakeGateway) -> None:
    """With every way used, the header holds."""
    _, job = await submit_by(make_gateway, "pixazo", NAMES)
    assert job["scenario"] == NAMES["prefer"]


async def test_without_a_choice_there_is_no_scenario(make_gateway: MakeGateway) -> None:
    """Nothing is chosen by default."""
    for provider in PROVIDERS:
        _, job = await submit_by(make_gateway, provider, {})
        assert job["scenario"] is None


@pytest.mark.parametrize("key", ["scenario:fails", "scenario:fails:", "scenario:fails:a:b"])
async def test_whatever_follows_the_name_in_a_key_is_free(gateway: Gateway, key: str) -> None:
    """So that each test has an account of its own under one scenario."""
    await submit(gateway, "pixazo", key=key)
    [job] = await jobs_of(gateway, key)
    assert job["scenario"] == "fails"


async def test_keys_of_one_scenario_are_separate_accounts(gateway: Gateway) -> None:
    """Each meets the scenario's entries from the first on."""
    for key in ("scenario:rate-limited:a", "scenario:rate-limited:b"):
        assert [(await submit(gateway, "pixazo", key=key)).status_code for _ in range(2)] == [429, 202]


@pytest.mark.parametrize(
    "prefer",
    [
        "scenario=fails",
        'scenario="fails"',
        " scenario = fails ",
        "respond-async, scenario=fails",
        "scenario=fails; wait=10",
        "wait=10,scenario=fails",
        "Scenario=fails",
    ],
)
async def test_prefer_may_hold_more_than_ours(gateway: Gateway, prefer: str) -> None:
    """Other preferences (RFC 7240), quotes and blanks do not hide the scenario."""
    await submit(gateway, "pixazo", prefer=prefer)
    [job] = await jobs_of(gateway)
    assert job["scenario"] == "fails"


async def test_prefer_may_come_in_several_headers(gateway: Gateway) -> None:
    """RFC 7240: they mean what one header with all of them means."""
    usual = SUBMITS["pixazo"]
    headers = [*key_headers("pixazo").items(), ("Prefer", "scenario=fails"), ("Prefer", "respond-async")]
    await gateway.call("POST", usual.path, headers=headers, json=dict(usual.body))
    [job] = await jobs_of(gateway)
    assert job["scenario"] == "fails"


@pytest.mark.parametrize("prefer", ["respond-async", "return=minimal, wait=5", ""])
async def test_preferences_of_others_choose_nothing(make_gateway: MakeGateway, prefer: str) -> None:
    """What is not ours leaves the farther choices standing."""
    gateway = make_gateway(scenario="fails")
    await submit(gateway, "pixazo", prefer=prefer)
    [job] = await jobs_of(gateway)
    assert job["scenario"] == "fails"


# -- mistakes


MISTAKES: dict[str, dict[str, Any]] = {
    "prefer": {"prefer": "scenario=no-such"},
    "prefer empty": {"prefer": "scenario="},
    "prefer long": {"prefer": "scenario=" + "x" * 500},
    "prompt": {"prompt": "a kite [scenario:no-such]"},
    "prompt empty": {"prompt": "a kite [scenario:]"},
    "prompt blank": {"prompt": "a kite [scenario: fails]"},
    "prompt long": {"prompt": f"a kite [scenario:{'x' * 100}]"},
    "key": {"key": "scenario:no-such:mine"},
    "key empty": {"key": "scenario:"},
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_an_unknown_name_is_400_and_lists_the_known_ones(
    gateway: Gateway, provider: str, mistake: str
) -> None:
    """In the provider's own shape; nothing is created."""
    asked = dict(MISTAKES[mistake])
    prompt = asked.pop("prompt", "a kite")
    answer = await submit(gateway, provider, body={**SUBMITS[provider].body, "prompt": prompt}, **asked)
    text = error_text(provider, answer)
    assert answer.status_code == 400
    assert text.startswith("Unknown scenario")
    assert all(name in text for name in read_scenarios())
    assert not await jobs_of(gateway, asked.get("key", KEY))


@pytest.mark.parametrize("prefer", ["code=", "code=4o2", "code=40", "code=4020", "code=-12", "code=４０２"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_code_that_is_no_status_is_400(gateway: Gateway, provider: str, prefer: str) -> None:
    """At submit and, where there is one, at the status."""
    answer = await gateway.call(
        "POST",
        SUBMITS[provider].path,
        headers={**key_headers(provider), "Prefer": prefer.encode()},
        json=dict(SUBMITS[provider].body),
    )
    assert answer.status_code == 400
    assert "is not an HTTP status" in error_text(provider, answer)
    assert not await jobs_of(gateway)
    if provider in POLLED:
        job = id_of(await submit(gateway, provider))
        headers = {**key_headers(provider), "Prefer": prefer.encode()}
        asked = await gateway.call("GET", poll_path(provider, job), headers=headers)
        assert asked.status_code == 400
        assert "is not an HTTP status" in error_text(provider, asked)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_real_failure_before_the_body_stage_hides_the_mistake(
    make_gateway: MakeGateway, provider: str
) -> None:
    """No key is 401 and a full window 429, although the scenario's name is unknown."""
    gateway = make_gateway(rate_limit="1/60", api_keys=(KEY,))
    headers = {"Prefer": "scenario=no-such"}
    usual = SUBMITS[provider]
    no_key = await gateway.call("POST", usual.path, headers=headers, json=dict(usual.body))
    wrong_key = await submit(gateway, provider, key="another", prefer="scenario=no-such")
    first = await submit(gateway, provider, prefer="scenario=no-such")
    second = await submit(gateway, provider, prefer="scenario=no-such")
    assert [each.status_code for each in (no_key, wrong_key, first, second)] == [401, 401, 400, 429]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_mistaken_choice_is_told_before_a_mistaken_body(gateway: Gateway, provider: str) -> None:
    """Both are 400; the choice is what the person at the keyboard got wrong."""
    answer = await submit(gateway, provider, prefer="scenario=no-such", body=SUBMITS[provider].wrong)
    assert error_text(provider, answer).startswith("Unknown scenario")


async def test_a_mistaken_choice_counts_as_a_submit_for_nobody(gateway: Gateway) -> None:
    """The entries of the account's scenario wait for a submit that reaches them."""
    await set_account(gateway, scenario="rate-limited")
    statuses = [
        (await submit(gateway, "pixazo", prefer=prefer)).status_code
        for prefer in ("scenario=no-such", None, None)
    ]
    assert statuses == [400, 429, 202]


# -- Prefer: code=N


def documented(catalog: Catalog, *roles: str) -> list[Operation]:
    """The operations of these roles that the documentation has; tests/gateway has the others."""
    return [each for each in catalog.operations if each.role in roles and each.evidence == "documented"]


def example_body(operation: Operation) -> dict[str, Any]:
    """The least that a submit of any shipped model takes."""
    everything: dict[str, Any] = {
        "prompt": "a red kite",
        "image": "https://example.com/a.png",
        "image_url": "https://example.com/a.png",
        "image_urls": ["https://example.com/a.png"],
        "video_url": "https://example.com/a.mp4",
        "input_image_url": "https://example.com/a.png",
    }
    check = operation.body
    assert check is not None
    if not check.allows(everything):
        everything |= {"resolution": "720p", "duration": 5, "aspect_ratio": "16:9"}
    assert check.allows(everything), (operation.id, check.violations(everything))
    return everything


async def test_prefer_code_forces_every_documented_status_of_every_submit(
    gateway: Gateway, catalog: Catalog
) -> None:
    """Each operation answers each N it documents, and 400 for any other, naming those it has."""
    for operation in documented(catalog, "submit"):
        for code in (*sorted(operation.statuses), 418, 999):
            answer = await gateway.call(
                operation.method,
                operation.path,
                headers={**key_headers(operation.provider), "Prefer": f"code={code}"},
                json=example_body(operation),
            )
            known = code in operation.statuses
            assert answer.status_code == (code if known else 400), (operation.id, code, answer.text)
            if not known:
                text = error_text(operation.provider, answer)
                assert f"code={code}" in text
                assert all(str(status) in text for status in operation.statuses)
    made = [job for job in gateway.world.store if job.scenario is None]
    assert len(made) == len(list(gateway.world.store)) == len(documented(catalog, "submit"))


async def test_prefer_code_forces_every_documented_status_of_every_status_call(
    gateway: Gateway, catalog: Catalog
) -> None:
    """The same for polls and results; the next call, without it, tells the job as ever."""
    for operation in documented(catalog, "status", "result"):
        smallest = SUBMITS[operation.provider]
        path, body = smallest.path, smallest.body
        if operation.role == "result":
            assert operation.model is not None
            [maker] = [each for each in documented(catalog, "submit") if each.model is operation.model]
            path, body = maker.path, example_body(maker)
        headers = key_headers(operation.provider)
        made = await gateway.call("POST", path, headers=headers, json=body)
        job = id_of(made)
        url = operation.path.replace(f"{{{operation.job}}}", job)
        sent: dict[str, Any] = {"json": {"request_id": job}} if operation.method == "POST" else {}
        usual = await gateway.call(operation.method, url, headers=headers, **sent)
        for code in (*sorted(operation.statuses), 418):
            answer = await gateway.call(
                operation.method, url, headers={**headers, "Prefer": f"code={code}"}, **sent
            )
            known = code in operation.statuses
            expected = usual.status_code if code < 300 else code if known else 400
            assert answer.status_code == expected, (operation.id, code)
            if not known:
                assert f"code={code}" in error_text(operation.provider, answer)
        again = await gateway.call(operation.method, url, headers=headers, **sent)
        assert again.content == usual.content


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_prefer_code_is_for_one_request(make_gateway: MakeGateway, provider: str) -> None:
    """It counts for no scenario and leaves money, limits and jobs alone."""
    gateway = make_gateway(balance=5.0, scenario="submit-500")
    forced = await submit(gateway, provider, prefer="code=429")
    first, second = await submit(gateway, provider), await submit(gateway, provider)
    assert [each.status_code for each in (forced, first, second)] == [429, 500, SUBMITS[provider].accepted]
    assert await balance(gateway) == round(5 - SUBMITS[provider].price, 6)
    assert len(await jobs_of(gateway)) == 1


async def test_prefer_code_at_a_poll_is_not_counted(gateway: Gateway) -> None:
    """The job's own entries still come, all of them."""
    job = id_of(await submit(gateway, "pixazo", prefer="scenario=poll-503-twice"))
    statuses = [
        (await poll(gateway, job, "pixazo", prefer=prefer)).status_code
        for prefer in ("code=500", None, "code=404", None, None)
    ]
    assert statuses == [500, 503, 404, 503, 200]


async def test_prefer_code_yields_to_real_failures(gateway: Gateway) -> None:
    """A forced 402 does not hide a body that is wrong; a forced 429 comes before it."""
    wrong = SUBMITS["pixazo"].wrong
    late = await submit(gateway, "pixazo", prefer="code=402", body=wrong)
    soon = await submit(gateway, "pixazo", prefer="code=429", body=wrong)
    assert [late.status_code, soon.status_code] == [400, 429]


# -- each condition at its own stage


STAGES = {
    "missing_key": "key",
    "invalid_key": "key",
    "forbidden": "limit",
    "quota_exceeded": "limit",
    "rate_limited": "limit",
    "invalid_request": "body",
    "model_not_found": "model",
    "not_found": "model",
    "insufficient_balance": "balance",
    "internal_error": "end",
    "bad_gateway": "end",
    "unavailable": "end",
    "timeout": "end",
}
ORDER = ("key", "limit", "body", "model", "balance", "end")
REAL: dict[str, dict[str, int]] = {
    "limit": {"pixazo": 429, "segmind": 429, "wavespeed": 429},
    "body": {"pixazo": 400, "segmind": 400, "wavespeed": 400},
    "model": {"pixazo": 400, "segmind": 404, "wavespeed": 404},
    "balance": {"pixazo": 402, "segmind": 406, "wavespeed": 402},
}
"""What each stage answers by itself, without any scenario."""


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("real", "condition"),
    [(real, condition) for real in REAL for condition, stage in STAGES.items() if stage != real],
)
async def test_the_earlier_of_a_real_and_a_staged_failure_wins(
    make_gateway: MakeGateway, provider: str, real: str, condition: str
) -> None:
    """A scenario's 402 does not hide a real 400; its 429 comes before one; and so on for each pair."""
    gateway, usual = make_gateway(), SUBMITS[provider]
    body, key = (usual.wrong if real == "body" else usual.body), KEY
    if real == "limit":
        await set_account(gateway, rate_limit="1/60")
        await submit(gateway, provider)
    if real == "model":
        await set_account(gateway, disabled_models=[usual.model])
    if real == "balance":
        await set_account(gateway, balance_usd=0.01)
    marked = '{"error":"staged"}'
    staged = {"condition": condition, "times": "always", "body": marked}
    await set_account(gateway, scenario={"name": "staged", "submit": [staged]})
    answer = await submit(gateway, provider, key=key, body=body)
    if ORDER.index(STAGES[condition]) < ORDER.index(real):
        assert answer.text == marked
    else:
        assert answer.status_code == REAL[real][provider]
        assert answer.text != marked
    assert [job["scenario"] for job in await jobs_of(gateway)] == ([None] if real == "limit" else [])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("condition", STAGES)
async def test_no_staged_failure_hides_a_missing_key(
    make_gateway: MakeGateway, provider: str, condition: str
) -> None:
    """The key is what tells whose scenario it is."""
    gateway = make_gateway(scenario="insufficient-balance")
    await gateway.admin(
        "PUT",
        "scenario",
        json={"name": "staged", "submit": [{"condition": condition, "body": "{}", "times": "always"}]},
    )
    answer = await gateway.call("POST", SUBMITS[provider].path, json=dict(SUBMITS[provider].body))
    assert answer.status_code == 401
    assert answer.text != "{}"


@pytest.mark.parametrize("stage", ["status", "fault"])
async def test_statuses_and_faults_come_after_all_checks(gateway: Gateway, stage: str) -> None:
    """A real 400 and a real 402 win over them."""
    entry = {"status": 429} if stage == "status" else {"fault": "empty"}
    await set_account(
        gateway, scenario={"name": "late", "submit": [{**entry, "times": "always"}]}, balance_usd=0.01
    )
    wrong = await submit(gateway, "pixazo", body=SUBMITS["pixazo"].wrong)
    poor = await submit(gateway, "pixazo")
    assert [wrong.status_code, poor.status_code] == [400, 402]
    assert poor.content


@pytest.mark.parametrize("provider", POLLED)
async def test_a_poll_entry_does_not_hide_a_real_failure(make_gateway: MakeGateway, provider: str) -> None:
    """No key is 401, another's job 404; neither is counted."""
    gateway = make_gateway(scenario="poll-503-twice")
    job = id_of(await submit(gateway, provider))
    no_key = await gateway.call("GET", poll_path(provider, job))
    stranger = await poll(gateway, job, provider, key="another")
    unknown = await poll(gateway, "no-such-job", provider)
    own = [(await poll(gateway, job, provider)).status_code for _ in range(3)]
    assert [no_key.status_code, stranger.status_code, unknown.status_code] == [401, 404, 404]
    assert own == [503, 503, 200]


# -- later calls follow the job


@pytest.mark.parametrize("provider", POLLED)
@pytest.mark.parametrize("prefer", ["scenario=poll-503-twice", "scenario=no-such", "scenario=completes"])
async def test_polls_follow_the_jobs_scenario(gateway: Gateway, provider: str, prefer: str) -> None:
    """Whatever scenario a poll's header names, known or not, the job's own holds."""
    job = id_of(await submit(gateway, provider, prefer="scenario=fails"))
    gateway.advance(10)
    answer = await poll(gateway, job, provider, prefer=prefer)
    assert answer.status_code == 200
    assert state_of(answer) in ("FAILED", "failed")


async def test_a_job_keeps_its_scenario_when_the_account_gets_another(gateway: Gateway) -> None:
    """A life is planned once; so are the entries of its polls."""
    await set_account(gateway, scenario="poll-503-twice")
    job = id_of(await submit(gateway, "pixazo"))
    await set_account(gateway, scenario="fails")
    gateway.advance(10)
    answers = [await poll(gateway, job, "pixazo") for _ in range(3)]
    assert [each.status_code for each in answers] == [503, 503, 200]
    assert state_of(answers[2]) == "COMPLETED"


async def test_a_job_without_scenario_stays_without(gateway: Gateway) -> None:
    """A scenario given to the account afterwards is for later jobs."""
    job = id_of(await submit(gateway, "pixazo"))
    await set_account(gateway, scenario="poll-503-twice")
    assert (await poll(gateway, job, "pixazo")).status_code == 200


# -- where scenarios come from


FLAKY: dict[str, Any] = {
    "name": "flaky-then-fails",
    "summary": "Two 429s on submit, one broken poll, then the job FAILS.",
    "submit": [{"condition": "rate_limited", "retry_after": 1, "times": 2}],
    "poll": [{"fault": "malformed", "after": 1}],
    "job": {"queued": 2, "processing": 5, "end": "FAILED", "error": "Content policy violation"},
}
"""The README's example."""


async def plays_flaky(gateway: Gateway) -> None:
    """Drive the scenario above at Pixazo, speed 1."""
    answers = [await submit(gateway, "pixazo") for _ in range(3)]
    assert [each.status_code for each in answers] == [429, 429, 202]
    job = id_of(answers[2])
    whole, half = await poll(gateway, job, "pixazo"), await poll(gateway, job, "pixazo")
    assert half.content == whole.content[: len(whole.content) // 2]
    gateway.advance(7)
    told = (await poll(gateway, job, "pixazo")).json()
    assert (told["status"], told["error"]) == ("FAILED", "Content policy violation")


async def test_a_scenario_can_come_from_a_file(make_gateway: MakeGateway, tmp_path: Path) -> None:
    """`--scenario FILE`; it is then known by its name, too."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: flaky-then-fails\n"
        "submit: [{condition: rate_limited, retry_after: 1, times: 2}]\n"
        "poll:   [{fault: malformed, after: 1}]\n"
        'job:    {queued: 2, processing: 5, end: FAILED, error: "Content policy violation"}\n',
        encoding="utf-8",
    )
    gateway = make_gateway(scenario=str(file), speed=1)
    await plays_flaky(gateway)
    named = await submit(gateway, "pixazo", key="another", prefer="scenario=flaky-then-fails")
    assert named.status_code == 429


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("name: x\nsubmit: [{condition: timeout}, {fault: slow, seconds: -1}]\n", "/submit/1/seconds"),
        ("name: x\njob: {end: LATER}\n", "/job/end"),
        ("name: x\npol: []\n", "/pol"),
        ("name: x\nwebhook: {copies: 0}\n", "/webhook/copies"),
        ("name: x\njob: {queued: .nan}\n", "/job/queued"),
        ("name: x\nsubmit: [{condition: timeout, fault: hang}]\n", "/submit/0"),
        ("name: x\nname: y\n", "mine.yaml"),
        ("- just a list\n", "mine.yaml"),
        ("", "mine.yaml"),
        ("name: [\n", "is not YAML"),
    ],
)
def test_a_malformed_file_is_refused_with_file_and_pointer(
    make_gateway: MakeGateway, tmp_path: Path, text: str, pointer: str
) -> None:
    """The gateway does not start, and says where."""
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioFileError) as refused:
        make_gateway(scenario=str(file))
    assert str(refused.value).startswith(str(file))
    assert pointer in str(refused.value)


def test_an_unknown_server_scenario_is_refused(make_gateway: MakeGateway) -> None:
    """With the known names, before anything is served."""
    with pytest.raises(
        ScenarioFileError, match=r"no file is called 'no-such'; known are balance-runs-out, completes, "
    ):
        make_gateway(scenario="no-such")


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (
            "[hunyuan-video, hunyuan-vidoe]",
            "/1: no model is called 'hunyuan-vidoe'; did you mean hunyuan-video?",
        ),
        ("[zzz]", "/0: no model is called 'zzz'; known are "),
    ],
)
def test_a_server_scenario_that_disables_an_unknown_model_is_refused(
    make_gateway: MakeGateway, tmp_path: Path, models: str, told: str
) -> None:
    """With the nearest known one, where one is near, else with all."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\naccount: {{disabled_models: {models}}}\n")
    with pytest.raises(ScenarioFileError) as refused:
        make_gateway(scenario=str(file))
    assert str(refused.value).startswith(f"mine: /account/disabled_models{told}")


def test_a_server_scenario_may_disable_every_known_model(make_gateway: MakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\naccount: {disabled_models: [hunyuan-video, pixverse]}\n")
    chosen = make_gateway(scenario=str(file)).world.scenario
    assert chosen is not None
    assert chosen.account.disabled_models == ("hunyuan-video", "pixverse")


async def test_the_servers_scenario_can_be_put_whole(make_gateway: MakeGateway) -> None:
    """`PUT /_mock/scenario` with every field; `GET` gives it back."""
    gateway = make_gateway(speed=1)
    put = await gateway.admin("PUT", "scenario", json=FLAKY)
    got = await gateway.admin("GET", "scenario")
    assert put.status_code == got.status_code == 200
    assert put.json() == got.json() == FLAKY
    await plays_flaky(gateway)


async def test_the_servers_scenario_can_be_put_by_name_and_taken_away(gateway: Gateway) -> None:
    """`{"name": "fails"}` chooses, `{"name": null}` ends it."""
    assert (await gateway.admin("GET", "scenario")).json() == {"name": None}
    put = await gateway.admin("PUT", "scenario", json={"name": "rate-limited-for-ever"})
    assert read_scenario(put.json()) == read_scenarios()["rate-limited-for-ever"]
    assert (await submit(gateway, "pixazo")).status_code == 429
    assert (await gateway.admin("PUT", "scenario", json={"name": None})).json() == {"name": None}
    assert (await submit(gateway, "pixazo")).status_code == 202


async def test_an_accounts_scenario_can_be_put_whole(make_gateway: MakeGateway) -> None:
    """`PUT /_mock/accounts/{key}`; it holds for this account alone."""
    gateway = make_gateway(speed=1)
    put = await set_account(gateway, scenario=FLAKY)
    assert put.json()["scenario"] == "flaky-then-fails"
    await plays_flaky(gateway)
    assert (await submit(gateway, "pixazo", key="another")).status_code == 202


async def test_an_accounts_scenario_can_be_put_by_name_and_taken_away(gateway: Gateway) -> None:
    """By the key or by the account's name; null ends it."""
    name = (await set_account(gateway, scenario="rate-limited-for-ever")).json()["account"]
    assert (await submit(gateway, "pixazo")).status_code == 429
    assert (await set_account(gateway, name, scenario=None)).json()["scenario"] is None
    assert (await submit(gateway, "pixazo")).status_code == 202


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"submit": []}, "/"),
    ({"name": "a name", "job": {}}, "/name"),
    ({"name": "x", "nope": 1}, "/nope"),
    ({"name": "x", "submit": [{}]}, "/submit/0"),
    ({"name": "x", "submit": [{"condition": "timeout", "status": 500}]}, "/submit/0"),
    ({"name": "x", "submit": [{"condition": "timeout"}, {"condition": "tired"}]}, "/submit/1/condition"),
    ({"name": "x", "submit": [{"condition": "timeout", "oops": 1}]}, "/submit/0/oops"),
    ({"name": "x", "submit": [{"condition": "timeout", "where": "middle"}]}, "/submit/0"),
    ({"name": "x", "submit": [{"condition": "timeout", "seconds": 1}]}, "/submit/0"),
    ({"name": "x", "submit": [{"fault": "reset", "where": "end"}]}, "/submit/0/where"),
    ({"name": "x", "submit": [{"fault": "slow", "body": "{}"}]}, "/submit/0"),
    ({"name": "x", "submit": [{"status": 199}]}, "/submit/0/status"),
    ({"name": "x", "submit": [{"status": 500, "times": 0}]}, "/submit/0/times"),
    ({"name": "x", "submit": [{"status": 500, "times": "often"}]}, "/submit/0/times"),
    ({"name": "x", "submit": [{"status": 500, "after": -1}]}, "/submit/0/after"),
    ({"name": "x", "submit": [{"status": 429, "retry_after": "soon"}]}, "/submit/0/retry_after"),
    ({"name": "x", "job": {"outputs": 17}}, "/job/outputs"),
    ({"name": "x", "job": {"end": "FAILED", "code": "1405"}}, "/job/code"),
    ({"name": "x", "job": {"error": "e"}}, "/job"),
    ({"name": "x", "job": {"end": "COMPLETED", "end_from": "queued"}}, "/job"),
    ({"name": "x", "webhook": {"signature": "ugly"}}, "/webhook/signature"),
    ({"name": "x", "account": {"rate_limit": "ten"}}, "/account/rate_limit"),
    ({"name": "x", "account": {"balance": -1}}, "/account/balance"),
    ({"name": "x", "quirks": ["extra-fields", "no-such"]}, "/quirks/1"),
    ({"name": "x", "poll": [{"status": 500, "accept": True}]}, ""),
]


@pytest.mark.parametrize(("scenario", "pointer"), MALFORMED)
async def test_a_malformed_scenario_is_400_with_its_pointer(
    gateway: Gateway, scenario: dict[str, Any], pointer: str
) -> None:
    """At the server's address and at an account's, below `/scenario`; nothing changes."""
    server = await gateway.admin("PUT", "scenario", json=scenario)
    account = await gateway.admin("PUT", f"accounts/{KEY}", json={"scenario": scenario, "balance_usd": 1})
    for answer, prefix in ((server, ""), (account, "/scenario")):
        told = answer.json()
        assert answer.status_code == 400
        assert set(told) == {"error", "pointer"}
        assert told["error"]
        assert told["pointer"].startswith(prefix + pointer.rstrip("/"))
    assert (await gateway.admin("GET", "scenario")).json() == {"name": None}
    assert await balance(gateway) is None


@pytest.mark.parametrize("path", ["scenario", f"accounts/{KEY}"])
async def test_an_unknown_name_at_the_admin_api_is_400_and_lists_the_known(
    gateway: Gateway, path: str
) -> None:
    """With a pointer to the name."""
    body = {"name": "no-such"} if path == "scenario" else {"scenario": "no-such"}
    answer = await gateway.admin("PUT", path, json=body)
    told = answer.json()
    assert answer.status_code == 400
    assert told["pointer"] == ("/name" if path == "scenario" else "/scenario")
    assert all(name in told["error"] for name in read_scenarios())


async def test_an_object_with_a_name_alone_means_the_known_scenario(gateway: Gateway) -> None:
    """At an account as at the server; it does not put an empty scenario in the place of the known one."""
    await set_account(gateway, scenario={"name": "rate-limited-for-ever"})
    assert (await submit(gateway, "pixazo")).status_code == 429
    assert gateway.world.scenarios == read_scenarios()


async def test_one_accounts_scenario_does_not_change_what_its_name_means_to_others(gateway: Gateway) -> None:
    """Parallel tests with different keys never disturb each other."""
    await set_account(gateway, "first", scenario={"name": "rate-limited", "job": {"end": "FAILED"}})
    assert (await submit(gateway, "pixazo", key="second", prefer="scenario=rate-limited")).status_code == 429


async def test_another_scenario_of_the_same_name_begins_anew(gateway: Gateway) -> None:
    """What is put is met from its first entry on."""
    await set_account(gateway, scenario={"name": "mine", "submit": [{"status": 418}]})
    first = [(await submit(gateway, "pixazo")).status_code for _ in range(2)]
    await set_account(gateway, scenario={"name": "mine", "submit": [{"status": 419}]})
    assert [*first, (await submit(gateway, "pixazo")).status_code] == [418, 202, 419]


async def test_two_accounts_may_hold_different_scenarios_of_one_name(gateway: Gateway) -> None:
    """What one account is given does not reach another, its quirks included."""
    await set_account(gateway, "first", scenario={"name": "mine", "quirks": ["extra-fields"]})
    await set_account(gateway, "second", scenario={"name": "mine", "job": {"end": "FAILED"}})
    first = await submit(gateway, "pixazo", key="first")
    second = await submit(gateway, "pixazo", key="second")
    assert "x_undocumented" in first.json()
    assert "x_undocumented" not in second.json()


# -- `account:` is applied once


POOR: dict[str, Any] = {
    "name": "poor",
    "account": {"balance": 1.0, "rate_limit": "2/60", "disabled_models": ["hunyuan-image"]},
}


async def test_the_account_fields_make_the_account_so_when_it_first_meets_the_scenario(
    gateway: Gateway,
) -> None:
    """Not before, and not for others."""
    await set_account(gateway, scenario=POOR)
    before = (await gateway.admin("GET", f"accounts/{KEY}")).json()
    assert (before["balance_usd"], before["rate_limit"], before["disabled_models"]) == (None, None, [])
    assert (await submit(gateway, "pixazo")).status_code == 202
    after = (await gateway.admin("GET", f"accounts/{KEY}")).json()
    assert (after["balance_usd"], after["rate_limit"], after["disabled_models"]) == (
        0.6,
        "2/60",
        ["hunyuan-image"],
    )
    other = (await gateway.admin("GET", "accounts/another")).json()
    assert (other["balance_usd"], other["rate_limit"], other["disabled_models"]) == (None, None, [])


async def test_the_account_fields_are_not_applied_a_second_time(gateway: Gateway) -> None:
    """Money that is spent stays spent, and what a person sets afterwards stays set."""
    await set_account(gateway, scenario=POOR)
    assert [(await submit(gateway, "pixazo")).status_code for _ in range(3)] == [202, 202, 429]
    gateway.advance(60)
    assert (await submit(gateway, "pixazo")).status_code == 402
    await set_account(gateway, balance_usd=5, rate_limit=None, disabled_models=[])
    assert [(await submit(gateway, "pixazo")).status_code for _ in range(4)] == [202] * 4
    assert await balance(gateway) == 3.4


async def test_a_disabled_model_is_refused_and_the_others_are_not(gateway: Gateway, catalog: Catalog) -> None:
    """`disabled_models` names models by their ids."""
    await set_account(gateway, scenario=POOR)
    [image] = [each for each in catalog.operations if each.id == "submit-hunyuan-image"]
    refused = await submit(gateway, "pixazo", url=image.path)
    assert refused.status_code == 400
    assert refused.json()["message"] == "Model 'hunyuan-image' not found or is disabled"
    assert (await submit(gateway, "pixazo")).status_code == 202


async def test_a_forgotten_account_meets_its_scenario_anew(make_gateway: MakeGateway) -> None:
    """`POST /_mock/reset` begins the entries and the money again."""
    gateway = make_gateway(scenario="rate-limited")

    async def statuses() -> list[int]:
        return [(await submit(gateway, "pixazo")).status_code for _ in range(2)]

    first = await statuses()
    reset: httpx.Response = await gateway.admin("POST", "reset")
    assert reset.json() == {"jobs": 1}
    assert first == await statuses() == [429, 202]


async def test_a_shipped_name_keeps_its_meaning_and_a_reset_forgets_the_rest(gateway: Gateway) -> None:
    """A whole scenario under a shipped name is the server's alone; a new name is known until the reset."""
    own = {"name": "fails", "submit": [{"status": 418, "times": "always"}]}
    assert (await gateway.admin("PUT", "scenario", json=own)).status_code == 200
    assert (await submit(gateway, "pixazo")).status_code == 418
    assert (await submit(gateway, "pixazo", prefer="scenario=fails")).status_code == 202
    new = {"name": "brand-new", "submit": [{"status": 418, "times": "always"}]}
    assert (await gateway.admin("PUT", "scenario", json=new)).status_code == 200
    assert (await submit(gateway, "pixazo", prefer="scenario=brand-new")).status_code == 418
    await gateway.admin("POST", "reset")
    assert (await submit(gateway, "pixazo")).status_code == 202
    assert (await submit(gateway, "pixazo", prefer="scenario=brand-new")).status_code == 400


async def test_a_scenario_that_disables_an_unknown_model_is_refused(gateway: Gateway) -> None:
    """A misspelt model would do nothing, silently."""
    told = await gateway.admin(
        "PUT", "scenario", json={"name": "x", "account": {"disabled_models": ["hunyuan-vidoe"]}}
    )
    assert told.status_code == 400
    assert told.json()["pointer"] == "/account/disabled_models/0"
