"""A trace is what Perfetto opens: a track for each job, in the order of time, with what has happened."""

from __future__ import annotations

import json
import stat
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.asking import QUEUED_S, SPEED, WHOLE_S, end, id_of, open_gateway, poll, submit
from tests.support import Gateway, MakeGateway
from tests.web.admin.looking import get
from tests.webhooks.receiving import staged
from understudy_mock.catalog import Catalog
from understudy_mock.gateway import trace as module
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.shown import Shown
from understudy_mock.gateway.trace import trace_events
from understudy_mock.web.trace import save_trace

Event = dict[str, Any]


def tracks(events: list[Event]) -> dict[tuple[int, int], list[Event]]:
    """Check the form of some events, and return those that are no names by their track.

    The form is that of the document "Trace Event Format".
    """
    by_track: dict[tuple[int, int], list[Event]] = defaultdict(list)
    named = set()
    for event in events:
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        track = event["pid"], event["tid"]
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            assert event["args"]["name"]
            named.add(track)
            continue
        assert event["ph"] in ("X", "i")
        assert isinstance(event["ts"], int)
        assert track in named
        assert event["pid"] != event["tid"]
        if event["ph"] == "X":
            assert event["dur"] >= 0
        else:
            assert event["s"] == "t"
        by_track[track].append(event)
    for own in by_track.values():
        instants = [event["ts"] for event in own]
        assert instants == sorted(instants)
        slices = [event for event in own if event["ph"] == "X"]
        for earlier, later in pairwise(slices):
            assert earlier["ts"] + earlier["dur"] <= later["ts"]
    return by_track


def shown(events: list[Event]) -> list[tuple[str, str]]:
    return [(event["ph"], event["name"]) for event in events]


async def trace(gateway: Gateway) -> list[list[Event]]:
    """Return the events of each track."""
    return list(tracks((await get(gateway, "trace.json"))["traceEvents"]).values())


async def test_a_job_is_a_track_with_its_states_its_polls_and_its_end(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    created = gateway.world.clock.now()
    job = id_of(await submit(gateway))
    gateway.advance(1)
    await poll(gateway, job)
    gateway.advance(WHOLE_S)
    [track] = await trace(gateway)
    assert shown(track) == [
        ("X", "QUEUED"),
        ("i", "submit-hunyuan-video 202"),
        ("X", "PROCESSING"),
        ("i", "get-request-status 200"),
        ("i", "COMPLETED"),
    ]
    queued, _, processing, polled, completed = track
    begins = round(QUEUED_S * 1000 / SPEED)
    assert queued["ts"] == created * 1000
    assert queued["dur"] == begins * 1000
    assert processing["ts"] + processing["dur"] == completed["ts"]
    assert polled["ts"] == (created + 1000) * 1000
    assert polled["args"] == {"number": 2, "status": 200, "ms": 0.0}


async def test_what_is_planned_for_later_is_said_and_not_shown_as_done(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    gateway.advance(1)
    [track] = await trace(gateway)
    assert shown(track) == [("X", "QUEUED"), ("i", "submit-hunyuan-video 202"), ("X", "PROCESSING")]
    last = track[-1]
    assert last["ts"] + last["dur"] == gateway.world.clock.now() * 1000
    assert last["args"]["planned_ms_after_submit"] == [[round(WHOLE_S * 1000 / SPEED), "COMPLETED"]]


async def test_a_job_that_was_ended_by_hand_ends_there(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    gateway.advance(0.1)
    await end(gateway, job, "FAILED", error="out of paint")
    gateway.advance(60)
    [track] = await trace(gateway)
    assert track[-1]["name"] == "FAILED"
    assert track[-1]["args"] == {"error": "out of paint"}
    assert track[-1]["ts"] == track[0]["ts"] + 100_000


async def test_a_job_that_polls_move_says_so(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, pace="polls")
    job = id_of(await submit(gateway))
    await poll(gateway, job)
    [track] = await trace(gateway)
    assert track[0]["name"] == "PROCESSING, moved by polls"


async def test_calls_about_no_job_have_a_track_for_each_account(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway, prompt=7)
    await submit(gateway, key="test-key-2", prompt=7)
    await poll(gateway, "no-such-job")
    await gateway.call("GET", "/nowhere")
    mine, others, nobody = await trace(gateway)
    assert shown(mine) == [("i", "submit-hunyuan-video 400"), ("i", "get-request-status 404")]
    assert shown(others) == [("i", "submit-hunyuan-video 400")]
    assert shown(nobody) == [("i", "GET /nowhere 404")]
    assert nobody[0]["args"]["why"].startswith("route:")


async def test_faults_are_marked(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    job = id_of(await submit(gateway, prompt="a cat [scenario:poll-malformed]"))
    await poll(gateway, job)
    [track] = await trace(gateway)
    [marked] = [event for event in track if "fault" in event["cat"]]
    assert marked["name"] == "get-request-status 200 ✗ malformed"
    assert marked["args"]["scenario"] == "poll-malformed"


async def test_callbacks_are_on_the_track_of_their_job(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit()
        await stage.advance(600)
        [track] = await trace(stage.gateway)
        [callback] = [event for event in track if event["cat"] == "callback"]
        assert callback["name"] == "webhook terminal 200"
        assert callback["args"]["to"] == f"{stage.receiver.url}/hook"


async def test_what_is_left_out_is_counted(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_JOBS", 2)
    monkeypatch.setattr(module, "MOST_EXCHANGES", 3)
    gateway = open_gateway(catalog)
    for number in range(5):
        await submit(gateway, prompt=f"boat {number}")
    document = await get(gateway, "trace.json")
    assert document["otherData"]["jobs"] == {"shown": 2, "kept": 5}
    assert document["otherData"]["exchanges"] == {"shown": 3, "made": 5}
    assert len(tracks(document["traceEvents"])) == 3  # two jobs, and calls about jobs that are left out


async def test_no_key_is_in_a_trace(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    key = "SG_4f1c2d3e4b5a6978"
    await submit(gateway, key=key, prompt=7)
    await gateway.call("GET", f"/{key}/x?token={key}")
    assert key not in json.dumps(await get(gateway, "trace.json"))


async def test_a_saved_trace_is_the_same_and_for_its_owner_alone(catalog: Catalog, tmp_path: Path) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    await save_trace(tmp_path / "trace.json", gateway.world)
    assert json.loads((tmp_path / "trace.json").read_text("utf-8")) == await get(gateway, "trace.json")
    assert stat.S_IMODE((tmp_path / "trace.json").stat().st_mode) == 0o600


_ENTRIES = st.lists(
    st.builds(
        JournalEntry,
        method=st.just("GET"),
        url=st.text(max_size=10),
        at=st.integers(0, 10**13),
        account=st.sampled_from(["", "acct_1", "acct_2"]),
        kind=st.sampled_from(["call", "delivery"]),
        operation=st.sampled_from(["", "get-request"]),
        status=st.integers(0, 599),
        fault=st.sampled_from(["", "reset"]),
    )
)


@given(_ENTRIES)
def test_any_journal_is_a_trace_with_each_exchange_once(entries: list[JournalEntry]) -> None:
    found = tracks(list(trace_events([], entries, 0, Shown(list))))
    assert sum(map(len, found.values())) == len(entries)
