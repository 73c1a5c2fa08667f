"""Conversations and broken rules of a running gateway, judged by whatever judge is passed in."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.gateway.asking import end, id_of, open_gateway, poll, submit
from tests.support import Gateway, key_headers
from tests.web.admin.looking import get, refused
from understudy_contracts.live import LiveJudge
from understudy_mock.app import create_app
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.judging import Broken, Judge
from understudy_mock.gateway.world import World

_KEY = "test-key-1"
_ME = account_name(_KEY)
_FORCED = {**key_headers("pixazo", _KEY), "Prefer": "code=500"}


def _judged(catalog: Catalog, judge: Any = LiveJudge, **options: Any) -> Gateway:
    """Make a gateway with a judge."""
    gateway = open_gateway(catalog, **options)
    gateway.app = create_app(world=gateway.world, judge=judge)
    gateway.client = httpx.AsyncClient(
        transport=httpx.ASGITransport(gateway.app), base_url="http://gateway.test:8080"
    )
    return gateway


async def _findings(gateway: Gateway, **wanted: Any) -> dict[str, Any]:
    """Ask until everything has been judged."""
    while (found := await get(gateway, "findings", **wanted))["judging"]:
        pass
    assert isinstance(found, dict)
    return found


class Counting(Judge):
    """Finds one thing in each account, and notes what it was asked to judge."""

    def __init__(self, world: World) -> None:
        self.asked: list[list[int]] = []
        self.kept: list[Mapping[str, bool]] = []
        self.changes: list[Sequence[int]] = []
        self.threads: set[str] = set()

    def judge(
        self, entries: Sequence[JournalEntry], kept: Mapping[str, bool], changes: Sequence[int]
    ) -> list[Broken]:
        numbers = [entry.number for entry in entries]
        self.asked.append(numbers)
        self.kept.append(kept)
        self.changes.append(changes)
        self.threads.add(threading.current_thread().name)
        return [Broken("a-rule", "MUST", "a source", "do better", "it was bad", ("proof",), (numbers[-1],))]

    def tell(self, entries: Sequence[JournalEntry], broken: Sequence[Broken]) -> dict[str, Any]:
        return {"text": str([entry.number for entry in entries]), "exchanges": [one.rule for one in broken]}


async def test_without_the_rules_nothing_is_judged(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    for path in ("findings", f"jobs/{job}/conversation"):
        assert "understudy_contracts" in await refused(gateway, "GET", path, 501, "")


async def test_a_broken_rule_is_listed_with_its_source_its_advice_and_its_calls(catalog: Catalog) -> None:
    gateway = _judged(catalog)
    job = id_of(await submit(gateway, colour="red"))
    found = await _findings(gateway)
    assert found["calls"] == 1
    [finding] = [one for one in found["findings"] if one["rule"] == "undocumented-parameter"]
    assert (finding["severity"], finding["account"], finding["job"]) == ("SHOULD", _ME, job)
    assert finding["calls"] == [1]
    assert "colour" in finding["summary"]
    assert all(finding[name] for name in ("source", "advice", "text"))


async def test_findings_can_be_those_of_one_account(catalog: Catalog) -> None:
    gateway = _judged(catalog)
    await submit(gateway, key="ann", colour="red")
    await submit(gateway, key="ben")
    assert len((await _findings(gateway))["findings"]) == 1
    assert len((await _findings(gateway, account="ann"))["findings"]) == 1
    assert await _findings(gateway, account="ben") == {"calls": 1, "findings": [], "judging": False}


async def test_only_what_was_added_to_is_judged_again(catalog: Catalog) -> None:
    gateway = _judged(catalog, judge := _once(Counting))
    await submit(gateway, key="ann")
    await submit(gateway, key="ben")
    await _findings(gateway)
    assert judge.made.asked == [[1], [2]]
    await _findings(gateway)
    assert judge.made.asked == [[1], [2]]
    await submit(gateway, key="ben")
    await _findings(gateway)
    assert judge.made.asked == [[1], [2], [2, 3]]
    assert judge.made.threads == {"rules_0"}


async def test_the_judge_knows_what_was_kept_and_what_was_changed_by_hand(catalog: Catalog) -> None:
    gateway = _judged(catalog, judge := _once(Counting))
    job = id_of(await submit(gateway))
    await end(gateway, job, "FAILED")
    await poll(gateway, job)
    await _findings(gateway)
    assert job in judge.made.kept[-1]
    assert judge.made.changes[-1] == (2,)


async def test_what_is_reset_is_not_judged_any_more(catalog: Catalog) -> None:
    gateway = _judged(catalog)
    await submit(gateway, colour="red")
    assert (await _findings(gateway))["findings"]
    await gateway.admin("POST", "reset")
    assert await _findings(gateway) == {"calls": 0, "findings": [], "judging": False}


async def test_a_conversation_tells_what_was_said_about_a_job_and_nothing_else(catalog: Catalog) -> None:
    gateway = _judged(catalog)
    job = id_of(await submit(gateway, colour="red"))
    other = id_of(await submit(gateway, prompt="another"))
    await poll(gateway, job)
    told = await get(gateway, f"jobs/{job}/conversation")
    assert [one["call"] for one in told["exchanges"]] == [1, 3]
    assert told["exchanges"][0]["at"] == gateway.world.clock.now()
    assert [one["rule"] for one in told["exchanges"][0]["findings"]] == ["undocumented-parameter"]
    assert told["exchanges"][1]["findings"] == []
    assert "submits hunyuan-video" in told["text"]
    assert "✗ SHOULD undocumented-parameter" in told["text"]
    assert other not in told["text"]
    assert _KEY not in str(told)


async def test_nobody_is_accused_of_what_may_still_come(catalog: Catalog) -> None:
    """A client that has polled once, or met an error, has not given up: it is still at work."""
    gateway = _judged(catalog)
    job = id_of(await submit(gateway))
    await poll(gateway, job)
    gateway.advance(10)
    await gateway.call("GET", f"/v2/requests/status/{job}", headers=_FORCED)
    assert (await _findings(gateway))["findings"] == []


async def test_a_job_whose_calls_are_not_kept_has_an_empty_conversation(catalog: Catalog) -> None:
    gateway = _judged(catalog, journal=0)
    job = id_of(await submit(gateway))
    assert await get(gateway, f"jobs/{job}/conversation") == {"text": "", "exchanges": []}
    await refused(gateway, "GET", "jobs/nothing/conversation", 404, "")


def _once(judge: type[Counting]) -> Any:
    """Return what makes a judge, and keeps it as `made`."""

    def make(world: World) -> Counting:
        make.made = judge(world)  # type: ignore[attr-defined]
        return make.made  # type: ignore[attr-defined,no-any-return]

    return make
