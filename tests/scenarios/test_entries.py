"""Drawn scenarios: entries are met in order, the right number of times, whatever others do meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import httpx
import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.driving import (
    KEY,
    POLLED,
    PROVIDERS,
    SUBMITS,
    Gateway,
    MakeGateway,
    files_of,
    id_of,
    jobs_of,
    key_headers,
    poll,
    poll_path,
    set_account,
    submit,
)
from tests.scenarios.strategies import playable, scenarios
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.scenario import (
    FAULTS,
    Course,
    Entry,
    Fault,
    Scenario,
    read_scenario,
    write_scenario,
)
from understudy_mock.gateway.scenario_files import read_file
from understudy_mock.settings import Settings
from understudy_mock.web import faults
from understudy_mock.web.faults.wire import Broken


@cache
def shared_catalog() -> Catalog:
    """The catalog; as a fixture, Hypothesis would print all of it with each failing example."""
    return open_catalog()


def make(**options: Any) -> Gateway:
    """A gateway for one Hypothesis example; fixtures live longer than that."""
    return Gateway(create_world(Settings(pace="manual", media="small", **options), catalog=shared_catalog()))


def expected(entries: tuple[Entry, ...], calls: int) -> list[int | None]:
    """Tell, call by call, the number of the entry that is met: spelled out, unlike the gateway's `met`."""
    row: list[int | None] = []
    for number, entry in enumerate(entries):
        if len(row) >= calls:
            break
        row += [None] * min(entry.after, calls)
        row += [number] * (calls if entry.times == "always" else min(entry.times, calls))
    return (row + [None] * calls)[:calls]


def _tellable(status: int | None) -> int | None:
    """Another status for those whose answers have no body to tell anything in."""
    return status + 1 if status in (204, 304) else status


def tagged(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Give what is worded a body that tells which entry it is."""
    return tuple(
        entry
        if entry.fault is not None
        else msgspec.structs.replace(
            entry, body=json.dumps({"entry": number}), status=_tellable(entry.status)
        )
        for number, entry in enumerate(entries)
    )


class Player:
    """One account's calls under one scenario, each checked against the entry it should meet."""

    def __init__(self, gateway: Gateway, scenario: Scenario, provider: str, key: str) -> None:
        self.gateway, self.provider, self.key = gateway, provider, key
        self.scenario = scenario
        self.account = gateway.world.accounts.of(key)
        self.account.scenario = scenario
        self.made = 0
        self.jobs: list[str] = []
        self.counts: dict[tuple[str, str], int] = {}

    def next_entry(self, surface: str, owner: str) -> Entry | None:
        nth = self.counts.get((owner, surface), 0)
        self.counts[owner, surface] = nth + 1
        entries: tuple[Entry, ...] = getattr(self.scenario, surface)
        number = expected(entries, nth + 1)[nth]
        return None if number is None else entries[number]

    async def submit(self) -> None:
        entry = self.next_entry("submit", "")
        answer = await self.observe(
            entry,
            "POST",
            SUBMITS[self.provider].path,
            dict(SUBMITS[self.provider].body),
            self.scenario.submit,
        )
        if entry is None or entry.accept:
            self.made += 1
        mine = [job for job in self.gateway.world.store if job.account == self.account.name]
        assert len(mine) == self.made
        if answer is not None and entry is None and self.provider != "segmind":
            self.jobs.append(id_of(answer))

    async def poll(self, job: str) -> None:
        entry = self.next_entry("poll", job)
        await self.observe(entry, "GET", poll_path(self.provider, job), None, self.scenario.poll)

    async def download(self, job: str) -> None:
        entry = self.next_entry("media", job)
        await self.observe(entry, "GET", f"/v1/{job}/output.mp4", None, self.scenario.media)

    async def fail(self, job: str | None) -> None:
        """Make calls that fail by themselves, which no counter may see."""
        wrong = await submit(self.gateway, self.provider, key=self.key, body=SUBMITS[self.provider].wrong)
        nobody = await self.gateway.call("POST", SUBMITS[self.provider].path)
        seen = [wrong.status_code, nobody.status_code]
        if job is not None:
            stranger = await poll(self.gateway, job, self.provider, key="a stranger")
            missing = await self.gateway.call("GET", f"/v1/{job}/output_9.mp4")
            seen += [stranger.status_code, missing.status_code]
        # A scenario's own answer at an earlier stage than the body's may come first; that one counts.
        assert seen[1:] == [401, 404, 404][: len(seen) - 1]
        if wrong.status_code != 400 or "entry" in wrong.text:
            self.counts["", "submit"] = self.counts.get(("", "submit"), 0) + 1

    async def observe(
        self, entry: Entry | None, method: str, url: str, body: Any, entries: tuple[Entry, ...]
    ) -> httpx.Response | None:
        headers = key_headers(self.provider, self.key)
        try:
            answer = await self.gateway.call(method, url, headers=headers, json=body)
        except Broken:
            assert entry is not None
            assert entry.fault in ("reset", "truncate", "hang")
            return None
        if entry is None or entry.fault == "slow":
            assert answer.is_success
            assert "entry" not in answer.text[:20]
        elif entry.fault == "html":
            assert (answer.status_code, answer.text[:6]) == (504, "<html>")
        elif entry.fault == "empty":
            assert (answer.is_success, answer.content) == (True, b"")
        elif entry.fault == "malformed":
            assert answer.is_success
            assert not answer.text.endswith("}")
        else:
            assert answer.json() == {"entry": entries.index(entry)}
            assert entry.status in (None, answer.status_code)
        return answer


CALM = {"suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}

calls = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["submit", "submit", "poll", "poll", "media", "fail"]),
    st.integers(0, 5),
)


def with_tags(scenario: Scenario) -> Scenario:
    return msgspec.structs.replace(
        scenario,
        submit=tagged(scenario.submit),
        poll=tagged(scenario.poll),
        media=tagged(scenario.media),
    )


@given(
    drawn=st.lists(st.tuples(playable(), st.sampled_from(PROVIDERS)), min_size=3, max_size=3),
    schedule=st.lists(calls, max_size=40),
)
async def test_each_account_meets_its_entries_in_order_in_any_interleaving(
    drawn: list[tuple[Scenario, str]], schedule: list[tuple[int, str, int]]
) -> None:
    """Submits count per account, polls and downloads per job; what fails by itself is not counted."""
    gateway = make()
    players = [
        Player(gateway, with_tags(scenario), provider, f"key-{number}")
        for number, (scenario, provider) in enumerate(drawn)
    ]
    for who, what, which in schedule:
        player = players[who]
        job = player.jobs[which % len(player.jobs)] if player.jobs else None
        if what == "fail":
            await player.fail(job)
        elif what == "submit" or job is None:
            await player.submit()
        elif what == "poll":
            await player.poll(job)
        else:
            await player.download(job)


@given(
    drawn=st.lists(st.tuples(playable(), st.sampled_from(PROVIDERS)), min_size=2, max_size=4),
    rounds=st.integers(1, 8),
)
async def test_accounts_at_the_same_time_do_not_disturb_each_other(
    drawn: list[tuple[Scenario, str]], rounds: int
) -> None:
    """Concurrent tasks, one an account: each sees its own entries in its own order."""
    gateway = make()

    async def play(player: Player) -> None:
        for _ in range(rounds):
            await player.submit()
            for job in player.jobs:
                await player.poll(job)
                await player.download(job)

    await asyncio.gather(
        *(
            play(Player(gateway, with_tags(scenario), provider, f"key-{number}"))
            for number, (scenario, provider) in enumerate(drawn)
        )
    )


@given(
    after=st.integers(0, 4),
    times=st.integers(1, 4),
    more=st.integers(0, 4),
    provider=st.sampled_from(PROVIDERS),
)
async def test_submits_of_one_account_at_the_same_time_meet_each_entry_so_often(
    after: int, times: int, more: int, provider: str
) -> None:
    """However many go out at once, `times` of them are refused and the others pass."""
    gateway = make()
    gateway.world.accounts.of(KEY).scenario = Scenario(
        name="drawn", submit=(Entry(status=418, after=after, times=times),)
    )
    answers = await asyncio.gather(*(submit(gateway, provider) for _ in range(after + times + more)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(418) == times
    assert len(await jobs_of(gateway)) == after + more


@pytest.mark.parametrize("provider", POLLED)
async def test_poll_and_media_entries_begin_anew_with_each_job(
    make_gateway: MakeGateway, provider: str
) -> None:
    """Two jobs of one account, asked in turn: each has its own count of each."""
    gateway = make_gateway()
    entry = [{"status": 418, "after": 1, "times": 2}]
    await set_account(
        gateway,
        scenario={"name": "x", "poll": entry, "media": entry, "job": {"queued": 0, "processing": 0}},
    )
    made = [id_of(await submit(gateway, provider)) for _ in range(2)]
    polled = [(await poll(gateway, made[n % 2], provider)).status_code for n in range(8)]
    files = files_of(await poll(gateway, made[0], provider))
    other = files_of(await poll(gateway, made[1], provider))
    loaded = [(await gateway.call("GET", (files, other)[n % 2][0])).status_code for n in range(8)]
    assert polled == loaded == [200, 200, 418, 418, 418, 418, 200, 200]


async def test_every_result_operation_counts_the_same_polls(gateway: Gateway) -> None:
    """The status call and the result call of the image-to-video page share the job's count."""
    path = "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request"
    body = {"prompt": "a kite", "image_url": "https://example.com/a.png"}
    made = await submit(gateway, "pixazo", url=path, body=body, prefer="scenario=poll-503-twice")
    job = id_of(made)
    first = await poll(gateway, job, "pixazo")
    second = await gateway.call(
        "POST", f"{path}-result", headers=key_headers("pixazo"), json={"request_id": job}
    )
    third = await poll(gateway, job, "pixazo")
    assert [each.status_code for each in (first, second, third)] == [503, 503, 200]


def test_a_fault_has_a_name_a_file_and_a_word_in_the_readme() -> None:
    """What the recipe in web/faults asks for is there for each, and nothing else is."""
    folder = Path(faults.__file__).parent
    files = {file.stem for file in folder.glob("*.py")} - {"__init__", "nothing", "wire"}
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"- a `fault` on the wire: `([^`]+)`", readme)
    assert set(get_args(Fault)) == set(FAULTS) == files == set(line.split())


ENTRIES = [
    {"condition": "timeout"},
    {"condition": "invalid_key"},
    {"status": 418},
    {"fault": "reset"},
    {"fault": "reset", "where": "middle"},
    {"fault": "reset", "where": "after"},
    {"fault": "hang", "seconds": 1},
    {"fault": "slow", "seconds": 1},
    {"fault": "truncate"},
    {"fault": "malformed"},
    {"fault": "empty"},
    {"fault": "html"},
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: "-".join(map(str, entry.values())))
async def test_accept_decides_whether_the_job_is_created(
    make_gateway: MakeGateway, provider: str, accept: bool, entry: dict[str, Any]
) -> None:
    """With `accept: true` the job is there and paid for, whatever was answered; without it there is none."""
    gateway = make_gateway(balance=10.0)
    await set_account(gateway, scenario={"name": "x", "submit": [{**entry, "accept": accept}]})
    try:
        await submit(gateway, provider)
    except Broken:
        assert entry["fault"] in ("reset", "hang", "truncate")
    kept = await jobs_of(gateway)
    account = (await gateway.admin("GET", f"accounts/{KEY}")).json()
    assert len(kept) == int(accept)
    assert account["balance_usd"] == round(10 - (SUBMITS[provider].price if accept else 0), 6)
    if accept and provider in POLLED:
        assert (await poll(gateway, kept[0]["id"], provider)).status_code == 200


async def test_the_journal_names_job_scenario_and_fault(gateway: Gateway) -> None:
    """So that what happened can be told from what the client saw."""
    await set_account(gateway, scenario={"name": "x", "submit": [{"fault": "html", "accept": True}]})
    await submit(gateway, "pixazo")
    [entry] = (await gateway.admin("GET", "journal")).json()["entries"]
    [job] = await jobs_of(gateway)
    told = entry["_understudy"]
    assert (told["fault"], told["scenario"], told["job"]) == ("html", "x", job["id"])
    assert entry["response"]["status"] == 504


# -- whatever is drawn


@given(scenario=scenarios())
@example(scenario=Scenario(name="1e5", summary="null", advice="\x85\u2028 - ", job=Course(code=0)))
@settings(**CALM)  # type: ignore[arg-type]  # one list of health checks
def test_what_is_drawn_survives_yaml_and_json_both_ways(
    scenario: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Written and read back it is equal, through text, bytes and a file, and so is what is written again."""
    data = write_scenario(scenario)
    as_yaml = yaml.safe_dump(data, sort_keys=False)
    as_json = msgspec.json.encode(data)
    file = Path(tmp_path_factory.getbasetemp()) / "drawn.yaml"
    file.write_text(as_yaml, encoding="utf-8")
    assert read_scenario(data) == scenario
    assert read_scenario(yaml.safe_load(as_yaml)) == scenario
    assert read_scenario(json.loads(as_json)) == scenario
    assert read_scenario(json.loads(json.dumps(data))) == scenario
    assert read_file(file) == scenario
    assert msgspec.json.encode(write_scenario(read_scenario(json.loads(as_json)))) == as_json


@given(scenario=scenarios())
async def test_what_is_drawn_survives_the_admin_api(scenario: Scenario) -> None:
    """PUT and GET give back the same scenario."""
    gateway = make()
    data = write_scenario(scenario)
    assume(set(data) != {"name"})  # a name alone means a known scenario
    put = await gateway.admin("PUT", "scenario", content=json.dumps(data))
    got = await gateway.admin("GET", "scenario")
    assert put.status_code == 200, put.text
    assert read_scenario(got.json()) == scenario


@contextmanager
def no_bug_of_ours() -> Iterator[None]:
    """Fail when the gateway logs a traceback: it answers its own bugs like a provider's 500."""
    caught: list[logging.LogRecord] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            caught.append(record)

    log, handler = logging.getLogger("understudy"), Catch()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
    if caught:
        _, error, _ = caught[0].exc_info or (None, None, None)
        pytest.fail(f"{caught[0].getMessage()}: {error!r}")


@given(scenario=scenarios(), provider=st.sampled_from(PROVIDERS))
@example(
    scenario=Scenario(name="x", submit=(Entry(status=500, body="plain"),), quirks=("extra-fields",)),
    provider="pixazo",
)
async def test_no_drawn_scenario_breaks_the_gateway(scenario: Scenario, provider: str) -> None:
    """Every call gets an answer or a wire fault, never a bug of ours."""
    gateway = make(balance=100.0)
    gateway.world.accounts.of(KEY).scenario = scenario

    async def attempt(method: str, url: str, **options: Any) -> httpx.Response | None:
        try:
            return await gateway.call(method, url, headers=key_headers(provider), **options)
        except Broken:
            return None

    with no_bug_of_ours():
        for _ in range(4):
            await attempt("POST", SUBMITS[provider].path, json=dict(SUBMITS[provider].body))
        for job in list(gateway.world.store):
            for advance in (0, 3_000, 3_000):
                gateway.advance(advance)
                if provider != "segmind":
                    await attempt("GET", poll_path(provider, job.id))
                await attempt("GET", f"/v1/{job.id}/{job.file_name(0)}")
        listed = await gateway.admin("GET", "jobs")
        journal = await gateway.admin("GET", "journal")
        assert (listed.status_code, journal.status_code) == (200, 200)


# -- Retry-After


def refusal(retry_after: Any, condition: str = "rate_limited") -> dict[str, Any]:
    return {"name": "x", "submit": [{"condition": condition, "retry_after": retry_after}]}


@pytest.mark.parametrize("seconds", [1, 7, 3_600])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_retry_after_n_is_told_in_the_providers_way(
    gateway: Gateway, provider: str, seconds: int
) -> None:
    """Retry-After with N and the same N in the text; at Segmind the instant, N seconds from now."""
    await set_account(gateway, scenario=refusal(seconds))
    answer = await submit(gateway, provider)
    assert answer.status_code == 429
    if provider == "segmind":
        reset = datetime.fromisoformat(answer.headers["x-rate-limit-reset-at-utc"])
        assert reset.timestamp() * 1000 == gateway.world.clock.now() + seconds * 1000
        assert "retry-after" not in answer.headers
    else:
        assert answer.headers["retry-after"] == str(seconds)
        assert str(seconds) in answer.text


@pytest.mark.parametrize("offset", [0.0, 0.001, 0.999])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_http_date_parses_and_lies_in_the_future(
    gateway: Gateway, provider: str, offset: float
) -> None:
    """Whole seconds in GMT, at least one second and at most three ahead; Segmind keeps its own instant."""
    gateway.advance(offset)
    await set_account(gateway, scenario=refusal("http-date"))
    answer = await submit(gateway, provider)
    now = datetime.fromtimestamp(gateway.world.clock.now() / 1000, UTC)
    if provider == "segmind":
        when = datetime.fromisoformat(answer.headers["x-rate-limit-reset-at-utc"])
        assert "retry-after" not in answer.headers
    else:
        assert answer.headers["retry-after"].endswith(" GMT")
        when = parsedate_to_datetime(answer.headers["retry-after"])
        assert when.microsecond == 0
    assert 1 <= (when - now).total_seconds() <= 3


@pytest.mark.parametrize("condition", ["rate_limited", "quota_exceeded"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_retry_after_none_says_nothing(gateway: Gateway, provider: str, condition: str) -> None:
    """No header tells when to come back."""
    await set_account(gateway, scenario=refusal("none", condition))
    answer = await submit(gateway, provider)
    assert answer.status_code in (403, 429)
    assert "retry-after" not in answer.headers
    assert "x-rate-limit-reset-at-utc" not in answer.headers


@pytest.mark.parametrize(("provider", "header"), [("pixazo", "1"), ("segmind", None), ("wavespeed", "1")])
async def test_without_retry_after_the_provider_says_what_it_always_says(
    gateway: Gateway, provider: str, header: str | None
) -> None:
    """A rate limit without the field is worded like a real one that ends in a second."""
    await set_account(gateway, scenario={"name": "x", "submit": [{"condition": "rate_limited"}]})
    answer = await submit(gateway, provider)
    assert answer.headers.get("retry-after") == header
    assert ("x-rate-limit-reset-at-utc" in answer.headers) == (provider == "segmind")


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_any_refusal_can_carry_retry_after(gateway: Gateway, provider: str) -> None:
    """A 503 at a poll as well, where a provider of this kind would send it."""
    scenario = {"name": "x", "poll": [{"condition": "unavailable", "retry_after": 3}]}
    await set_account(gateway, scenario=scenario)
    answer = await poll(gateway, id_of(await submit(gateway, provider)), provider)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


@pytest.mark.parametrize("retry_after", ["http-date", 0])
@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_the_text_does_not_contradict_the_header(
    gateway: Gateway, provider: str, retry_after: Any
) -> None:
    """Who reads the number in the message must not come back at another time."""
    await set_account(gateway, scenario=refusal(retry_after))
    answer = await submit(gateway, provider)
    assert "in 1 seconds" not in answer.text
    assert "after 1s" not in answer.text


async def test_a_model_refused_at_a_poll_is_named(gateway: Gateway) -> None:
    """The job tells which one it is."""
    await set_account(gateway, scenario={"name": "x", "poll": [{"condition": "model_not_found"}]})
    answer = await poll(gateway, id_of(await submit(gateway, "pixazo")), "pixazo")
    assert "'hunyuan-video'" in answer.json()["message"]


async def test_a_staged_want_of_credit_names_the_price(gateway: Gateway) -> None:
    """Segmind's text says what is there and what is needed; it cannot need nothing."""
    answer = await submit(gateway, "segmind", prefer="scenario=insufficient-balance")
    assert "needs 1.464" in answer.json()["error"]
