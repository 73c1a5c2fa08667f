"""The admin API below `/_mock/`: its shapes, who may use it, and that a refused change changes nothing."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import call_raw, end, id_of, open_gateway, poll, submit
from tests.web.admin.looking import get, refused
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import LAST, ManualClock, SystemClock
from understudy_mock.domain.draw import account_name
from understudy_mock.domain.scenario import Scenario
from understudy_mock.version import __version__

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ME = account_name("test-key-1")


# -- shapes


async def test_health_tells_what_this_is(catalog: Catalog) -> None:
    told = await get(open_gateway(catalog, seed=42, speed=2), "health")
    assert told == {
        "name": "understudy",
        "version": __version__,
        "providers": 3,
        "models": len(catalog.models),
        "operations": told["operations"],
        "seed": 42,
        "pace": "manual",
        "speed": 2,
    }
    assert told["operations"] > told["models"]


async def test_a_job_tells_its_whole_life(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    told = await get(gateway, f"jobs/{job}")
    events = told.pop("events")
    created = told.pop("created_at")
    assert told == {
        "id": job,
        "account": _ME,
        "provider": "pixazo",
        "model": "hunyuan-video",
        "status": "QUEUED",
        "scenario": None,
        "price_usd": 0.4,
        "files": [],
    }
    assert _STAMP.fullmatch(created)
    assert [event["event"] for event in events] == ["hold", "QUEUED", "PROCESSING", "COMPLETED", "charge"]
    assert all(set(event) == {"at", "event"} and _STAMP.fullmatch(event["at"]) for event in events)
    assert (await get(gateway, "jobs"))["jobs"] == [await get(gateway, f"jobs/{job}")]
    gateway.advance(100)
    assert (await get(gateway, f"jobs/{job}"))["files"] == [f"http://gateway.test:8080/v1/{job}/output.mp4"]


async def test_jobs_are_found_by_account_provider_and_status(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    made = {
        (provider, key): id_of(await submit(gateway, provider, key))
        for provider in ("pixazo", "wavespeed")
        for key in ("ann", "ben")
    }
    await end(gateway, made["pixazo", "ann"], "FAILED")

    async def found(**wanted: str) -> set[str]:
        return {job["id"] for job in (await get(gateway, "jobs", **wanted))["jobs"]}

    assert await found() == set(made.values())
    assert await found(account="ann") == {made["pixazo", "ann"], made["wavespeed", "ann"]}
    assert await found(account=account_name("ann")) == await found(account="ann")
    assert await found(account="nobody") == set()
    assert await found(provider="wavespeed") == {made["wavespeed", "ann"], made["wavespeed", "ben"]}
    assert await found(status="FAILED") == {made["pixazo", "ann"]}
    assert await found(status="FAILED", provider="wavespeed") == set()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_of_jobs_hold_every_job_once_newest_first(catalog: Catalog, limit: int) -> None:
    gateway = open_gateway(catalog)
    made = [id_of(await submit(gateway)) for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await get(gateway, "jobs", limit=limit, **({"cursor": cursor} if cursor else {}))
        assert len(page["jobs"]) <= limit
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
        await submit(gateway, key="somebody-new")  # does not disturb the pages that follow
    assert seen == made[::-1]


async def test_a_cursor_that_names_no_job_isrefused(catalog: Catalog) -> None:
    await refused(open_gateway(catalog), "GET", "jobs", 400, "cursor", params={"cursor": "gone"})


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "", "10001", "1.5", "9" * 5000, "²", "٣"])
async def test_a_limit_that_is_no_page_isrefused(catalog: Catalog, limit: str) -> None:
    gateway = open_gateway(catalog)
    for path in ("jobs", "journal"):
        answer = await gateway.admin("GET", path, params={"limit": limit})
        assert answer.status_code == 400


async def test_the_journal_tells_calls_as_har_entries_with_ids(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    await poll(gateway, job, key="somebody-else")
    told = await get(gateway, "journal")
    assert told["next"] is None
    assert [entry["id"] for entry in told["entries"]] == [1, 2]
    entry = told["entries"][0]
    assert entry["request"]["method"] == "POST"
    assert entry["response"]["status"] == 202
    own = entry["_understudy"]
    assert (own["job"], own["account"], own["operation"]) == (job, _ME, "submit-hunyuan-video")
    found = await get(gateway, "journal", account="somebody-else")
    assert [entry["id"] for entry in found["entries"]] == [2]
    found = await get(gateway, "journal", operation="submit-hunyuan-video")
    assert [entry["id"] for entry in found["entries"]] == [1]


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 100])
async def test_pages_of_the_journal_hold_every_entry_once_oldest_first(catalog: Catalog, limit: int) -> None:
    gateway = open_gateway(catalog)
    for number in range(10):
        await submit(gateway, key="ann" if number % 3 else "ben")
    seen: list[int] = []
    since: int | None = 0
    while since is not None:
        page = await get(gateway, "journal", since=since, limit=limit, account="ann")
        seen += [entry["id"] for entry in page["entries"]]
        since = page["next"]
    assert seen == [2, 3, 5, 6, 8, 9]


@pytest.mark.parametrize("since", ["-1", "x", "", "1.5", "9" * 5000])
async def test_a_since_that_is_no_id_isrefused(catalog: Catalog, since: str) -> None:
    gateway = open_gateway(catalog)
    for path in ("journal", "journal.har"):
        await refused(gateway, "GET", path, 400, "since", params={"since": since})


async def test_the_documents_are_served_as_openapi(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for provider in ("pixazo", "segmind", "wavespeed"):
        document = await get(gateway, f"openapi/{provider}.json")
        assert document["openapi"].startswith("3.1")
        assert document["paths"]
    assert "pixazo" in await refused(gateway, "GET", "openapi/nobody.json", 404, "")


async def test_there_are_no_deliveries_where_nobody_asked_for_any(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    assert await get(gateway, "webhooks") == {"deliveries": [], "next": None}
    await refused(gateway, "POST", "webhooks/nothing/redeliver", 404, "")


# -- ends


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/status"),
        ({"status": "QUEUED"}, "/status"),
        ({"status": "completed"}, "/status"),
        ({"status": None}, "/status"),
        ({"status": []}, "/status"),
        ({"status": {}}, "/status"),
        ({"status": "FAILED", "error": 5}, "/error"),
        ({"status": "FAILED", "why": "x"}, "/why"),
        ({"status": "FAILED", "a/b~c": "x"}, "/a~1b~0c"),
        ([], ""),
        ("FAILED", ""),
        (None, ""),
    ],
)
async def test_an_end_that_is_not_understood_is_refused_and_ends_nothing(
    catalog: Catalog, body: Any, pointer: str
) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    content = msgspec.json.encode(body)
    await refused(gateway, "POST", f"jobs/{job}/end", 400, pointer, content=content)
    assert (await get(gateway, f"jobs/{job}"))["status"] == "QUEUED"


async def test_an_unknown_job_is_a_404(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await refused(gateway, "GET", "jobs/nobody", 404, "")
    await refused(gateway, "POST", "jobs/nobody/end", 404, "", json={"status": "FAILED"})


async def test_wavespeed_jobs_whose_model_has_slashes_are_found(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway, "wavespeed"))
    assert (await get(gateway, f"jobs/{job}"))["model"] == "wavespeed-ai/hunyuan-video/i2v"


# -- accounts

_FRESH: dict[str, Any] = {
    "account": _ME,
    "balance_usd": None,
    "rate_limit": None,
    "scenario": None,
    "disabled_models": [],
    "quirks": [],
}
_CHANGES: dict[str, list[Any]] = {
    "balance_usd": [0, 1.5, 1e9, None],
    "rate_limit": ["1/60", "9999999/9999999", None],
    "disabled_models": [["hunyuan-video"], ["pixverse", "hunyuan-video"], []],
    "quirks": [["direct-video"], [], ["submit-200", "model-404"]],
    "scenario": ["calm", {"name": "own", "job": {"end": "FAILED"}}, None],
}


def _told(field: str, value: Any) -> Any:
    if field == "scenario":
        return value["name"] if isinstance(value, dict) else value
    return sorted(value) if isinstance(value, list) else value


@given(
    changes=st.lists(
        st.fixed_dictionaries({}, optional={name: st.sampled_from(v) for name, v in _CHANGES.items()}),
        max_size=4,
    )
)
async def test_a_change_replaces_the_fields_given_and_no_others(
    catalog: Catalog, changes: list[dict[str, Any]]
) -> None:
    gateway = open_gateway(catalog)
    gateway.world.learn(Scenario(name="calm"))
    expected = dict(_FRESH)
    for change in changes:
        answer = await gateway.admin("PUT", "accounts/test-key-1", json=change)
        expected |= {field: _told(field, value) for field, value in change.items()}
        assert answer.status_code == 200
        assert answer.json() == expected
    assert await get(gateway, "accounts/test-key-1") == expected


_BAD: list[tuple[str, Any, str]] = [
    ("balance_usd", -1, "/balance_usd"),
    ("balance_usd", "5", "/balance_usd"),
    ("balance_usd", True, "/balance_usd"),
    ("balance_usd", 10**30, "/balance_usd"),
    ("balance_usd", [], "/balance_usd"),
    ("rate_limit", "often", "/rate_limit"),
    ("rate_limit", 5, "/rate_limit"),
    ("rate_limit", "0/60", "/rate_limit"),
    ("rate_limit", {}, "/rate_limit"),
    ("disabled_models", "hunyuan-video", "/disabled_models"),
    ("disabled_models", ["hunyuan-video", "nobody"], "/disabled_models/1"),
    ("disabled_models", [["hunyuan-video"]], "/disabled_models/0"),
    ("disabled_models", [{}], "/disabled_models/0"),
    ("disabled_models", {"hunyuan-video": 1}, "/disabled_models"),
    ("quirks", ["odd"], "/quirks/0"),
    ("quirks", [None], "/quirks/0"),
    ("quirks", 5, "/quirks"),
    ("scenario", "nobody", "/scenario"),
    ("scenario", 5, "/scenario"),
    ("scenario", {"job": {}}, "/scenario"),
    ("scenario", {"name": "x", "job": {"end": "DONE"}}, "/scenario/job/end"),
    ("scenario", {"name": "x", "poll": [{"status": 5}]}, "/scenario/poll/0/status"),
    ("unknown", 1, "/unknown"),
]


@pytest.mark.parametrize(("field", "value", "pointer"), _BAD)
async def test_one_bad_field_refuses_the_whole_change(
    catalog: Catalog, field: str, value: Any, pointer: str
) -> None:
    gateway = open_gateway(catalog)
    good = {"balance_usd": 7, "rate_limit": "3/9", "disabled_models": ["pixverse"], "quirks": ["model-404"]}
    await refused(gateway, "PUT", "accounts/test-key-1", 400, pointer, json={**good, field: value})
    assert await get(gateway, "accounts/test-key-1") == _FRESH
    assert (await get(gateway, "scenarios"))["scenarios"] == []


async def test_a_change_takes_hold(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await gateway.admin("PUT", "accounts/test-key-1", json={"disabled_models": ["hunyuan-video"]})
    refused = await submit(gateway)
    assert refused.status_code == 400
    assert refused.json() == {
        "error": "Model not found",
        "message": "Model 'hunyuan-video' not found or is disabled",
    }
    assert (await submit(gateway, key="somebody-else")).status_code == 202


async def test_an_account_is_found_by_its_name_once_it_has_come(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=1)
    await refused(gateway, "GET", f"accounts/{_ME}", 404, "")
    await submit(gateway)
    assert (await get(gateway, f"accounts/{_ME}"))["balance_usd"] == 0.6
    assert await get(gateway, f"accounts/{_ME}") == await get(gateway, "accounts/test-key-1")


@pytest.mark.parametrize("key", ["a/b", "a b", "ü", "scenario:x:1", "..", "%", "a?b"])
async def test_an_account_may_have_an_odd_key(catalog: Catalog, key: str) -> None:
    gateway = open_gateway(catalog)
    quoted = "".join(f"%{byte:02x}" for byte in key.encode())
    told = await call_raw(gateway.app, "GET", f"/_mock/accounts/{quoted}", host=b"localhost")
    assert (told.status, told.json["account"]) == (200, account_name(key))


# -- the server's scenario


async def test_the_servers_scenario_is_named_given_whole_and_taken_away(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    assert await get(gateway, "scenario") == {"name": None}
    whole = {"name": "mine", "job": {"end": "FAILED", "error": "no"}}
    assert (await gateway.admin("PUT", "scenario", json=whole)).json() == whole
    assert await get(gateway, "scenario") == whole
    assert (await get(gateway, "scenarios"))["scenarios"] == [whole]
    assert (await gateway.admin("PUT", "scenario", json={"name": None})).json() == {"name": None}
    assert (await gateway.admin("PUT", "scenario", json={"name": "mine"})).json() == whole
    gateway_job = id_of(await submit(gateway))
    assert (await get(gateway, f"jobs/{gateway_job}"))["scenario"] == "mine"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "nobody"}, "/name"),
        ({"name": 5}, "/name"),
        ({"name": "x", "jbo": {}}, "/jbo"),
        ({"name": "x", "job": {"queued": -1}}, "/job/queued"),
        ({"job": {}}, ""),
    ],
)
async def test_a_scenario_that_is_not_understood_changes_nothing(
    catalog: Catalog, body: Any, pointer: str
) -> None:
    gateway = open_gateway(catalog)
    await refused(gateway, "PUT", "scenario", 400, pointer, json=body)
    assert await get(gateway, "scenario") == {"name": None}


# -- reset and time


async def test_a_reset_of_one_account_leaves_the_others(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=1, rate_limit="1/60")
    ann, ben = id_of(await submit(gateway, key="ann")), id_of(await submit(gateway, key="ben"))
    assert (await gateway.admin("POST", "reset", params={"account": "ann"})).json() == {"jobs": 1}
    await refused(gateway, "GET", f"jobs/{ann}", 404, "")
    assert (await get(gateway, f"jobs/{ben}"))["status"] == "QUEUED"
    accounts = {e["_understudy"]["account"] for e in (await get(gateway, "journal"))["entries"]}
    assert accounts == {account_name("ben")}
    assert (await get(gateway, "accounts/ann"))["balance_usd"] == 1
    assert (await get(gateway, "accounts/ben"))["balance_usd"] == 0.6
    assert (await submit(gateway, key="ann")).status_code == 202
    assert (await submit(gateway, key="ben")).status_code == 429


async def test_a_reset_of_all_leaves_nothing_and_begins_the_same_run_again(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, seed=5)
    first = [id_of(await submit(gateway)) for _ in range(3)]
    assert (await gateway.admin("POST", "reset")).json() == {"jobs": 3}
    assert (await get(gateway, "jobs"))["jobs"] == []
    assert (await get(gateway, "journal"))["entries"] == []
    assert [id_of(await submit(gateway)) for _ in range(3)] == first


async def test_time_is_moved_by_hand(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    before = await get(gateway, "clock")
    assert set(before) == {"now", "pace", "speed"}
    assert _STAMP.fullmatch(before["now"])
    moved = (await gateway.admin("POST", "clock/advance", json={"seconds": 0.25})).json()
    assert moved == await get(gateway, "clock")
    assert moved["now"] > before["now"]


@pytest.mark.parametrize("seconds", [-1, "5", None, True, [], 1e10])
async def test_time_is_not_moved_by_anything_else(catalog: Catalog, seconds: Any) -> None:
    gateway = open_gateway(catalog)
    before = gateway.world.clock.now()
    await refused(gateway, "POST", "clock/advance", 400, "/seconds", json={"seconds": seconds})
    assert gateway.world.clock.now() == before


@pytest.mark.parametrize("pace", ["clock", "polls"])
async def test_time_that_moves_by_itself_is_not_moved_by_hand(catalog: Catalog, pace: str) -> None:
    gateway = open_gateway(catalog, pace=pace, clock=SystemClock())
    await refused(gateway, "POST", "clock/advance", 409, "", json={"seconds": 5})


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
async def test_time_ends_before_stamps_do(catalog: Catalog, provider: str) -> None:
    """Where it ends everything is still answered, with years of four digits."""
    gateway = open_gateway(catalog, speed=0.001, rate_limit="1/9999999", quirks=("json-video",))
    clock = gateway.world.clock
    assert isinstance(clock, ManualClock)
    clock.move_to(LAST)
    told = await refused(gateway, "POST", "clock/advance", 400, "/seconds", json={"seconds": 0.001})
    assert "9990-01-01" in told
    longest = {"queued": 86_400, "processing": 86_400}
    entry = {"condition": "rate_limited", "retry_after": "http-date"}
    for number, scenario in enumerate(
        [{"name": "x", "job": longest, "webhook": {"delay": 86_400}}, {"name": "y", "submit": [entry]}]
    ):
        await gateway.admin("PUT", "accounts/test-key-1", json={"scenario": scenario})
        for _ in range(2):
            assert (await submit(gateway, provider)).status_code in ((200, 202, 429), (429,))[number]
    for path in ("jobs", "journal", "journal.har", "clock", "webhooks"):
        answer = await gateway.admin("GET", path)
        assert answer.status_code == 200
        assert not re.search(r"\b\d{5,}-\d\d-\d\d", answer.text)


# -- who may


async def test_a_page_of_another_origin_isrefused(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for origin in (b"https://evil.example", b"null", b"http://localhost:9999", b"http://[bad", b"\xff", b""):
        said = await call_raw(gateway.app, "GET", "/_mock/health", [(b"origin", origin)], host=b"localhost")
        assert (said.status, set(said.json)) == (403, {"error", "pointer"})
    own = await call_raw(
        gateway.app, "GET", "/_mock/health", [(b"origin", b"http://localhost")], host=b"localhost"
    )
    assert own.status == 200


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7"])
async def test_a_peer_that_is_not_on_this_machine_isrefused(catalog: Catalog, peer: str) -> None:
    gateway = open_gateway(catalog)
    said = await call_raw(gateway.app, "GET", "/_mock/health", client=(peer, 5), host=b"localhost")
    assert said.status == 403
    assert "--admin-token" in said.json["error"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize("host", [b"localhost:8080", b"127.0.0.1", b"[::1]:8080", b"a.localhost", b""])
async def test_a_peer_on_this_machine_is_let_in(catalog: Catalog, peer: str, host: bytes) -> None:
    gateway = open_gateway(catalog)
    assert (await call_raw(gateway.app, "GET", "/_mock/health", client=(peer, 5), host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [b"evil.example", b"127.0.0.1.evil.example", b"[", b"[::1", b"\xff.x", b"mock", b"wpad", b"192.0.2.7"],
)
async def test_a_name_that_somebody_made_lead_here_isrefused(catalog: Catalog, host: bytes) -> None:
    """DNS rebinding: the peer is this machine, but the name in Host gives the page away."""
    said = await call_raw(open_gateway(catalog).app, "GET", "/_mock/health", host=host)
    assert said.status == 403


@pytest.mark.parametrize(
    ("method", "site", "mode", "dest", "status"),
    [
        ("GET", "same-origin", "cors", "empty", 200),
        ("POST", "same-origin", "cors", "empty", 200),
        ("GET", "none", "navigate", "document", 200),
        ("GET", "cross-site", "navigate", "document", 200),
        ("GET", "same-site", "navigate", "document", 200),
        ("GET", "cross-site", "no-cors", "image", 403),
        ("GET", "same-site", "no-cors", "script", 403),
        ("GET", "cross-site", "navigate", "iframe", 403),
        ("GET", "cross-site", "", "", 403),
        ("POST", "cross-site", "navigate", "document", 403),
    ],
)
async def test_a_person_may_follow_a_link_here_and_a_page_may_embed_nothing(
    catalog: Catalog, method: str, site: str, mode: str, dest: str, status: int
) -> None:
    """Fetch Metadata: an `<img>` sends no Origin, but browsers say who asks, and what for."""
    path = "/_mock/health" if method == "GET" else "/_mock/reset"
    fetch = {"site": site, "mode": mode, "dest": dest}
    headers = [(f"sec-fetch-{name}".encode(), told.encode()) for name, told in fetch.items() if told]
    said = await call_raw(open_gateway(catalog).app, method, path, headers, host=b"localhost")
    assert said.status == status


async def test_looking_at_accounts_makes_none_and_forgets_none(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=2)
    accounts = gateway.world.accounts
    for path in (
        "accounts/nobody-yet",
        "jobs?account=nobody-yet",
        "journal?account=nobody-yet",
        "journal.har?account=nobody-yet",
    ):
        assert (await gateway.admin("GET", path)).status_code == 200
    assert accounts.named(account_name("nobody-yet")) is None
    assert (await gateway.admin("GET", "accounts/nobody-yet")).json()["balance_usd"] == 2
    assert (await gateway.admin("POST", "reset?account=nobody-yet")).json() == {"jobs": 0}
    assert accounts.named(account_name("nobody-yet")) is None


async def test_the_token_opens_the_door_to_everybody_who_shows_it_and_nobody_else(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, admin_token="s3cret-token")
    for token, status in (
        (b"Bearer s3cret-token", 200),
        (b"Bearer wrong", 403),
        (b"Bearer ", 403),
        (b"\xff", 403),
        (None, 403),
    ):
        headers = [] if token is None else [(b"authorization", token)]
        for client in (("192.0.2.7", 5), ("127.0.0.1", 5)):
            said = await call_raw(
                gateway.app, "GET", "/_mock/health", headers, client=client, host=b"mock.example"
            )
            assert said.status == status
            assert b"s3cret-token" not in said.body


async def test_the_token_does_not_open_the_door_to_another_origin(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, admin_token="s3cret-token")
    headers = [(b"authorization", b"Bearer s3cret-token"), (b"origin", b"https://evil.example")]
    assert (await call_raw(gateway.app, "GET", "/_mock/health", headers, host=b"mock.example")).status == 403


async def test_the_admin_api_is_not_in_the_journal_and_answers_no_other_paths(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for path in ("nothing", "jobs/", "health/", "clock/nothing", "../health"):
        answer = await call_raw(gateway.app, "GET", f"/_mock/{path}", host=b"localhost")
        assert answer.status == 404
        assert set(answer.json) == {"error", "pointer"}
    assert len(gateway.world.journal) == 0


@pytest.mark.parametrize(("method", "path"), [("POST", "health"), ("GET", "reset"), ("DELETE", "scenario")])
async def test_a_wrong_method_is_said_to_be_one(catalog: Catalog, method: str, path: str) -> None:
    await refused(open_gateway(catalog), method, path, 405, "")


# -- anything at all

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = st.sampled_from(
    [
        *("status", "error", "name", "summary", "submit", "poll", "job", "webhook", "account", "quirks"),
        *("balance_usd", "rate_limit", "scenario", "disabled_models", "seconds"),
    ]
)
_BODIES = (
    _ANYTHING.map(msgspec.json.encode)
    | st.dictionaries(_FIELDS, _ANYTHING, max_size=4).map(msgspec.json.encode)
    | st.dictionaries(_FIELDS, _ANYTHING, max_size=4).map(lambda b: msgspec.json.encode({"name": "x", **b}))
    | st.binary(max_size=50)
    | st.just(b"[" * 10_000)
)
_PATHS = st.sampled_from(
    [
        *(
            "jobs/JOB/end",
            "jobs/JOB",
            "jobs",
            "accounts/test-key-1",
            "accounts/other",
            "accounts/",
            "scenario",
        ),
        *("scenarios", "reset", "clock/advance", "clock", "journal", "journal.har", "health", "webhooks"),
        *("webhooks/x/redeliver", "openapi/pixazo.json", "openapi/x.json"),
    ]
)


@given(
    method=st.sampled_from(["GET", "PUT", "POST"]),
    path=_PATHS,
    query=st.dictionaries(
        st.sampled_from(["account", "provider", "status", "limit", "cursor", "since", "operation", "job"]),
        st.text(max_size=6) | st.integers().map(str),
        max_size=3,
    ),
    body=_BODIES,
)
async def test_whatever_comes_in_is_answered_as_json_and_never_with_500(
    catalog: Catalog, method: str, path: str, query: dict[str, str], body: bytes
) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    answer = await gateway.admin(method, path.replace("JOB", job), params=query, content=body)
    assert answer.status_code in (200, 400, 404, 405, 409)
    assert answer.headers["content-type"] == "application/json"
    if answer.status_code != 200:
        assert set(answer.json()) == {"error", "pointer"}
    assert (await poll(gateway, job)).status_code in (200, 404)
    assert (await submit(gateway)).status_code < 500 or path in ("scenario", "accounts/test-key-1")
