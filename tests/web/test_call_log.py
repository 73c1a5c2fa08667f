"""The call log: each exchange is a line, none controls a terminal or shows a key, and nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.asking import T2V, id_of, open_gateway, poll, submit
from tests.support import Gateway, MakeGateway, key_headers
from tests.webhooks.receiving import staged
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.shown import Shown
from understudy_mock.web import call_log as module
from understudy_mock.web.call_log import Batches, Form, JsonLine, TextLine, call_log


class Written:
    """Takes what is written."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, data: bytes) -> None:
        self.data += data

    @property
    def lines(self) -> list[str]:
        return self.data.decode().splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


async def logged(gateway: Gateway, form: Form, *calls: Callable[[], Any]) -> Written:
    written = Written()
    with call_log(gateway.world, form, write=written):
        for call in calls:
            await call()
    return written


def text_line(**facts: Any) -> str:
    return TextLine(Shown(list))(JournalEntry(**{"method": "GET", "url": "/", **facts}))


async def test_a_call_is_a_line_with_time_status_operation_duration_and_job(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    written = await logged(gateway, "lines", lambda: submit(gateway))
    [job] = [job.id for job in gateway.world.store]
    when = time.strftime("%H:%M:%S", time.localtime(gateway.world.clock.now() // 1000))
    [line] = written.lines
    assert re.fullmatch(rf"{when}\.000  202  submit-hunyuan-video +0\.0 ms  {job}", line)


async def test_a_refusal_says_why_and_which_scenario_wanted_it(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    written = await logged(
        gateway,
        "lines",
        lambda: submit(gateway, prompt=7),
        lambda: submit(gateway, prompt="a cat [scenario:rate-limited]"),
    )
    assert re.search(r" 400  submit-hunyuan-video .* ms  body: prompt ", written.lines[0])
    assert re.search(r" 429  .* ms  \[rate-limited\]  the scenario rate-limited answers", written.lines[1])


async def test_a_call_to_nothing_shows_its_path(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    written = await logged(gateway, "lines", lambda: gateway.call("GET", "/nowhere?n=1"))
    assert re.search(r" 404  GET /nowhere\?n=1 .* route: ", written.lines[0])


async def test_a_callback_is_a_line_with_its_address(catalog: Catalog) -> None:
    written = Written()
    async with staged(catalog) as stage:
        with call_log(stage.gateway.world, "lines", write=written):
            job = await stage.submit()
            await stage.advance(600)
    assert re.search(
        rf" 200  → webhook terminal .* {job.id}  .*to {stage.receiver.url}/hook$", written.lines[-1]
    )


@pytest.mark.parametrize("form", ["lines", "json"])
async def test_no_line_shows_a_key_wherever_the_caller_puts_it(catalog: Catalog, form: Form) -> None:
    """In the path without a header, in a query, as the name of a job or of a member, and as another's key."""
    gateway = open_gateway(catalog)
    key, other = "SG_4f1c2d3e4b5a6978", "short-key-of-another"
    headers = key_headers("pixazo", key)
    written = await logged(
        gateway,
        form,
        lambda: submit(gateway, key=other),
        lambda: gateway.call("GET", f"/{key}/http://x.test/{other}"),
        lambda: gateway.call("GET", f"/nowhere?token={key}", headers=headers),
        lambda: gateway.call("GET", f"/v2/requests/status/{key}", headers=headers),
        lambda: gateway.call("POST", T2V, json={key: 1, "prompt": 3}, headers=headers),
        lambda: submit(gateway, key=key, webhook=f"https://x.test/{key}"),
    )
    assert len(written.lines) == 6
    assert key not in written.data.decode()
    assert other not in written.data.decode()


async def test_json_lines_hold_the_facts_of_the_other_form(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    written = await logged(
        gateway,
        "json",
        lambda: submit(gateway),
        lambda: submit(gateway, prompt="a cat [scenario:rate-limited]"),
        lambda: gateway.call("GET", "/nowhere"),
    )
    made, limited, nowhere = written.objects
    [job] = [job.id for job in gateway.world.store]
    assert made | {"time": "", "account": ""} == {
        "time": "",
        "call": 1,
        "kind": "call",
        "status": 202,
        "ms": 0.0,
        "method": "POST",
        "operation": "submit-hunyuan-video",
        "provider": "pixazo",
        "job": job,
        "account": "",
    }
    assert limited["status"] == 429
    assert limited["scenario"] == "rate-limited"
    assert limited["why"]
    assert nowhere["path"] == "/nowhere"
    assert "operation" not in nowhere


async def test_off_leaves_the_journal_alone(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    with call_log(gateway.world, "off"):
        assert gateway.world.journal.listener is None


def test_a_break_of_the_connection_is_named_beside_its_scenario() -> None:
    line = text_line(operation="get-request", status=0, scenario="poll-reset", fault="reset", error="gone")
    assert " ---  get-request" in line
    assert line.endswith("[poll-reset: reset]  gone")


def test_colours_are_only_where_they_are_asked_for() -> None:
    entry = JournalEntry(method="GET", url="/", operation="get-request", status=503)
    coloured = TextLine(Shown(list), colour=True)(entry)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == TextLine(Shown(list))(entry)
    assert "\x1b[31m503" in coloured


_ANY = st.text(st.characters(), max_size=30)
"""Also halves of characters."""


@given(
    st.builds(
        JournalEntry,
        method=st.text(st.characters(codec="ascii"), max_size=5),
        url=_ANY,
        operation=_ANY,
        job=_ANY,
        scenario=_ANY,
        error=_ANY,
        why=_ANY,
        kind=st.sampled_from(["call", "delivery"]),
        status=st.sampled_from([0, 200, 404, 500]),
    )
)
def test_whatever_a_caller_sends_is_one_printable_line(entry: JournalEntry) -> None:
    assert TextLine(Shown(list))(entry).isprintable()
    assert json.loads(JsonLine(Shown(list))(entry))["method"] == entry.method


async def test_lines_that_nobody_reads_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stuck pipe holds neither the loop nor more than so many lines; what is read afterwards says so."""
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    monkeypatch.setattr(module, "_EVERY", 0)
    stuck, reads = Event(), Event()
    written = Written()

    def write(data: bytes) -> None:
        stuck.set()
        reads.wait()
        written(data)

    entry = JournalEntry(method="GET", url="/", operation="get-request", status=200)
    batches = Batches(TextLine(Shown(list)), write)
    batches.add(entry)
    while not stuck.is_set():  # noqa: ASYNC110 (the thread sets it)
        await asyncio.sleep(0)
    for _ in range(12):
        batches.add(entry)
    reads.set()
    batches.close()
    assert [line[14:17] for line in written.lines[:-1]] == ["200"] * 6
    assert written.lines[-1] == "… 7 lines were dropped: stderr did not take them"


async def test_lines_that_cannot_be_written_are_counted_in_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_EVERY", 0)
    written, failed = Written(), Event()

    def write(data: bytes) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("the disk is full")
        written(data)

    entry = JournalEntry(method="GET", url="/", operation="get-request", status=200)
    batches = Batches(TextLine(Shown(list)), write)
    batches.add(entry)
    while not failed.is_set() or batches.is_busy:  # noqa: ASYNC110 (as above)
        await asyncio.sleep(0)
    batches.add(entry)
    batches.close()
    assert len(written.lines) == 2
    assert written.lines[-1].startswith("… 1 line was dropped")


async def test_a_poll_is_logged_under_its_job(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    written = await logged(gateway, "json", lambda: poll(gateway, job))
    assert written.objects[0]["job"] == job
