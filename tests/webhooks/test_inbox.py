"""Callbacks to the gateway's own inboxes: no flag, no program of one's own, and nobody else gets in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.driving import Gateway, call_raw
from tests.webhooks.receiving import PIXAZO, WAVESPEED, Stage, staged
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.inbox import KEPT_OF_AN_INBOX
from understudy_mock.settings import MAX_BODY
from understudy_mock.web.admin.inbox import MAX_BODIES
from understudy_mock.webhooks import DeliveryState

WHOLE = 111
HERE = "http://gateway.test:8080"
MINE = f"{HERE}/_mock/inbox/mine"


async def _inbox(gateway: Gateway, name: str = "mine", **options: Any) -> Any:
    answer = await gateway.admin("GET", f"inbox/{name}", **options)
    assert answer.status_code == 200
    return answer.json()


async def _post(gateway: Gateway, content: bytes = b"{}", **headers: str) -> httpx.Response:
    return await gateway.admin("POST", "inbox/mine", content=content, headers=headers)


# -- the gateway's own callbacks


@pytest.mark.parametrize("operation", [PIXAZO, WAVESPEED])
async def test_an_inbox_receives_what_the_gateway_sends(catalog: Catalog, operation: str) -> None:
    """By http and without a flag; with the job and the delivery, and with the headers that came."""
    async with staged(catalog, allow_http_webhooks=False) as stage:
        job = await stage.submit(operation, url=f"{MINE}?order=7")
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        assert delivery.state is DeliveryState.DELIVERED
        inbox = await _inbox(stage.gateway)
        [callback] = inbox.pop("callbacks")
        assert inbox == {"name": "mine", "received": 1, "kept": 1, "answer": 200}
        body = callback["body"].encode()
        assert job.id in callback["body"]
        assert (callback["job"], callback["delivery"], callback["at"], callback["size"]) == (
            job.id,
            delivery.id,
            stage.clock.now(),
            len(body),
        )
        headers = dict(callback["headers"])
        assert headers["host"] == "gateway.test:8080"
        assert headers["content-length"] == str(len(body))
        assert ("webhook-signature" in headers) == (operation == WAVESPEED)
        [entry] = [one for one in stage.gateway.world.journal.since(0) if one.kind == "delivery"]
        assert (entry.status, entry.request_body) == (200, body)


@pytest.mark.parametrize("options", [{}, {"admin_token": "s3cret-token"}])
async def test_the_gateway_reaches_its_inbox_by_whatever_name_it_was_called(
    catalog: Catalog, options: dict[str, Any]
) -> None:
    """It need not be this machine's, nor the token be known: what it sends never leaves the process."""
    async with staged(catalog, allow_http_webhooks=False, **options) as stage:
        await stage.submit(url="http://mock.lan/_mock/inbox/mine", headers={"Host": "mock.lan"})
        await stage.advance(WHOLE)
        assert len(stage.gateway.world.inboxes.callbacks("mine")) == 1


async def test_another_gateways_inbox_on_this_machine_needs_no_flag(catalog: Catalog) -> None:
    """Neither for http:// nor for its path; elsewhere, and for other paths, both are as strict as ever."""
    async with staged(catalog, allow_http_webhooks=False) as stage:
        job = await stage.submit(url=f"{stage.receiver.url}/_mock/inbox/theirs")
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(job)] == [DeliveryState.DELIVERED]
        assert [one.path for one in stage.receiver.received] == ["/_mock/inbox/theirs"]
        for url in (
            "http://93.184.216.34/_mock/inbox/a",
            "https://93.184.216.34/_mock/inbox/a",
            "http://other.lan/_mock/inbox/a",
            f"{HERE}/_mock/reset",
            f"{HERE}/_mock/inbox/a/b",
        ):
            assert (await stage.post(url=url)).status_code == 400


@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (500, {""}),
        (302, {""}),
        ("slow", {"no answer within 5 seconds"}),
        ("closes", {"ConnectionResetError: the inbox closed the connection"}),
    ],
)
async def test_an_inbox_fails_as_it_is_told(catalog: Catalog, answer: int | str, errors: set[str]) -> None:
    """Each way is a failed attempt, that is repeated and given up; set right again, it receives."""
    async with staged(catalog) as stage:
        await stage.gateway.admin("PUT", "inbox/mine", json={"answer": answer})
        job = await stage.submit(url=MINE)
        await _run_out(stage)
        [delivery] = stage.deliveries(job)
        assert str(delivery.state) == "given_up"
        assert {attempt.error for attempt in delivery.attempts} == errors
        status = answer if isinstance(answer, int) else None
        assert [attempt.status for attempt in delivery.attempts] == [status] * 3
        assert (await _inbox(stage.gateway))["received"] == 3
        await stage.gateway.admin("PUT", "inbox/mine", json={"answer": 204})
        await stage.sender.redeliver(delivery)
        assert str(delivery.state) == "delivered"


async def _run_out(stage: Stage) -> None:
    """Let each attempt, and each wait between, take the time that it takes."""
    stage.clock.advance(WHOLE)
    async with asyncio.timeout(5):
        while list(stage.sender.upcoming()) or any(
            one.state in (DeliveryState.PLANNED, DeliveryState.RETRYING) for one in stage.sender.log
        ):
            await asyncio.sleep(0)
            moment = stage.sender.next_moment()
            if moment is not None:
                stage.clock.move_to(moment)


async def test_a_callback_made_up_by_hand_reaches_the_inbox(catalog: Catalog) -> None:
    """As the page sends one, which names the gateway as the browser does."""
    async with staged(catalog) as stage:
        answer = await stage.gateway.admin(
            "POST",
            "webhooks/trigger",
            json={"model": "hunyuan-video", "url": "http://localhost/_mock/inbox/mine"},
        )
        assert answer.status_code == 200
        await stage.advance(1)
        assert json.loads((await _inbox(stage.gateway))["callbacks"][0]["body"])["status"] == "COMPLETED"


# -- what comes from outside


async def test_a_callback_that_somebody_posts_is_kept_as_it_came(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        answer = await _post(stage.gateway, "ä".encode() + b"\xff", **{"X-Mine": "1"})
        assert (answer.status_code, answer.content) == (200, b"")
        [callback] = (await _inbox(stage.gateway))["callbacks"]
        assert (callback["body"], callback["size"], callback["job"]) == ("ä\ufffd", 3, "")
        assert "x-mine" in dict(callback["headers"])


async def test_an_inbox_keeps_the_last_ones(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        for number in range(KEPT_OF_AN_INBOX + 5):
            await _post(stage.gateway, str(number).encode())
        inbox = await _inbox(stage.gateway)
        assert (inbox["received"], inbox["kept"]) == (KEPT_OF_AN_INBOX + 5, KEPT_OF_AN_INBOX)
        assert [one["body"] for one in inbox["callbacks"]] == [
            str(number) for number in range(5, KEPT_OF_AN_INBOX + 5)
        ]
        assert (await stage.gateway.admin("GET", "inbox")).json() == {
            "inboxes": [{"name": "mine", "received": 205, "kept": 200, "answer": 200}]
        }


async def test_nobody_on_the_network_posts_to_an_inbox(catalog: Catalog) -> None:
    """Nor does a page of another origin; with a token, those that show it do."""
    async with staged(catalog) as stage:
        app = stage.gateway.app
        origin = [(b"origin", b"https://evil.example")]
        token = [(b"authorization", b"Bearer s3cret-token")]
        asked = await call_raw(app, "POST", "/_mock/inbox/mine", client=("192.0.2.7", 5), host=b"localhost")
        assert asked.status == 403
        assert (await call_raw(app, "POST", "/_mock/inbox/mine", origin, host=b"localhost")).status == 403
        assert list(stage.gateway.world.inboxes) == []
    async with staged(catalog, admin_token="s3cret-token") as stage:
        app = stage.gateway.app
        for headers, status in (([], 403), (token, 200)):
            answer = await stage.gateway.call("POST", MINE, content=b"{}", headers=dict(headers))
            assert answer.status_code == status
        assert len(stage.gateway.world.inboxes.callbacks("mine")) == 1


async def test_keys_are_not_shown(catalog: Catalog) -> None:
    """Neither that of the job, nor any that stands in a header or a body; nor the beginning of one."""
    async with staged(catalog) as stage:
        key = "sk-live-0123456789abcdef"
        await stage.submit(url=MINE, key=key)
        await _post(
            stage.gateway, f'{{"note": "{key}", "api_key": "short"}}'.encode(), authorization=f"Bearer {key}"
        )
        await _post(stage.gateway, b"x" * (64 * 1024 - 12) + key.encode())
        shown = (await stage.gateway.admin("GET", "inbox/mine")).text
        assert "sk-live" not in shown
        assert "short" not in shown
        callbacks = json.loads(shown)["callbacks"]
        assert callbacks[0]["body"] == '{"note": "[redacted]", "api_key": "[redacted]"}'
        assert callbacks[1]["size"] == 64 * 1024 + 12


async def test_what_is_too_large_or_too_much_at_once_is_refused(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        assert (await _post(stage.gateway, b"x" * (MAX_BODY + 1))).status_code == 413
        most = MAX_BODIES // MAX_BODY
        halves = asyncio.Event()

        async def half() -> Any:
            yield b"x" * (MAX_BODY - 1)
            await halves.wait()
            yield b"x"

        async def post_half() -> int:
            url = "http://localhost/_mock/inbox/mine"
            return (await stage.gateway.call("POST", url, content=half())).status_code

        posting = [asyncio.create_task(post_half()) for _ in range(most)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await _post(stage.gateway, b"x" * MAX_BODY)).status_code == 503
        assert (await _post(stage.gateway, b"x" * 1000)).status_code == 200
        halves.set()
        assert await asyncio.gather(*posting) == [200] * most
        assert (await _post(stage.gateway, b"x" * MAX_BODY)).status_code == 200


# -- asking and setting


@pytest.mark.parametrize("answer", [None, True, 99, 199, 600, 200.5, "hang", "", [], {}])
async def test_what_is_no_answer_is_refused(catalog: Catalog, answer: Any) -> None:
    async with staged(catalog) as stage:
        refused = await stage.gateway.admin("PUT", "inbox/mine", json={"answer": answer})
        assert (refused.status_code, refused.json()["pointer"]) == (400, "/answer")
        assert list(stage.gateway.world.inboxes) == []


async def test_an_inbox_that_nobody_has_used_is_empty_and_looking_makes_none(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        empty = {"name": "mine", "received": 0, "kept": 0, "answer": 200, "callbacks": []}
        assert await _inbox(stage.gateway) == empty
        assert (await stage.gateway.admin("GET", "inbox")).json() == {"inboxes": []}
        for method in ("GET", "POST", "PUT", "DELETE"):
            refused = await stage.gateway.admin(method, "inbox/.hidden", json={"answer": 200})
            assert refused.status_code == 404
            assert "name" in refused.json()["error"]


async def test_an_inbox_is_forgotten_when_asked_and_with_the_rest(catalog: Catalog) -> None:
    """DELETE forgets it with its answer; a reset of an account what came about its jobs; one of all, all."""
    async with staged(catalog) as stage:
        gateway = stage.gateway
        await gateway.admin("PUT", "inbox/mine", json={"answer": 500})
        await _post(gateway)
        answer = await gateway.admin("DELETE", "inbox/mine")
        assert answer.json() == {"name": "mine", "received": 0, "kept": 0, "answer": 200}
        assert (await _inbox(gateway))["callbacks"] == []
        await stage.submit(url=MINE, key="key-of-one")
        await stage.submit(url=MINE, key="key-of-another")
        await stage.advance(WHOLE)
        await _post(gateway)
        await gateway.admin("POST", "reset", params={"account": "key-of-one"})
        assert (await _inbox(gateway))["kept"] == 2
        await gateway.admin("POST", "reset")
        assert (await gateway.admin("GET", "inbox")).json() == {"inboxes": []}


async def test_the_feed_tells_of_inboxes(catalog: Catalog) -> None:
    """What came, how it answers, and that it is empty again."""
    async with staged(catalog) as stage:
        rows = []
        since = 0
        for method, body in (("POST", b"{}"), ("PUT", b'{"answer": "slow"}'), ("DELETE", b"")):
            await stage.gateway.admin(method, "inbox/mine", content=body)
            changes = (await stage.gateway.admin("GET", "changes", params={"since": since})).json()
            since = changes["next"]
            rows += [(row["kind"], row["name"], row["received"], row["answer"]) for row in changes["changes"]]
        assert rows == [("inbox", "mine", 1, 200), ("inbox", "mine", 1, "slow"), ("inbox", "mine", 0, 200)]
