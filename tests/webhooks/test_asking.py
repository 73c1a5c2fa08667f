"""How a submit asks for callbacks, and which addresses are refused at once or only when they are used."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import quote

import pytest

from tests.driving import fetch, key_headers, submit
from tests.webhooks.receiving import BODIES, PIXAZO, WAVESPEED, Stage, staged
from understudy_mock.catalog import Catalog
from understudy_mock.webhooks import Delivery, DeliveryState

WHOLE = 3.7
SEGMIND = "/v1/hunyuan-video"


async def _sent_to(stage: Stage, url: str, status: int = 202) -> list[str]:
    """Submit with this address and tell the paths that were called when the job has ended."""
    answer = await stage.post(url=url)
    assert answer.status_code == status, answer.text
    await stage.advance(WHOLE)
    return [one.path for one in stage.receiver.received]


# -- modes


async def test_terminal_is_the_default_mode(catalog: Catalog) -> None:
    """Exactly one POST."""
    async with staged(catalog) as stage:
        await stage.submit()
        await stage.advance(WHOLE)
        await stage.advance(60)
        assert stage.receiver.statuses == ["COMPLETED"]


async def test_sync_tells_progress_on_every_tick_and_then_the_end(catalog: Catalog) -> None:
    """111 provider seconds are seven ticks of 15 and the end."""
    async with staged(catalog) as stage:
        await stage.submit(mode="sync")
        await stage.advance(WHOLE)
        assert stage.receiver.statuses == ["PROCESSING"] * 7 + ["COMPLETED"]


@pytest.mark.parametrize("mode", ["every-poll", "SYNCHRONOUS", "1"])
async def test_an_unknown_mode_is_read_as_terminal_and_noted(catalog: Catalog, mode: str) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit(mode=mode)
        await stage.advance(WHOLE)
        assert stage.receiver.statuses == ["COMPLETED"]
        [entry] = [one for one in stage.gateway.world.journal.since(0) if one.job == job.id and one.warnings]
        assert "X-Webhook-Mode" in entry.warnings[0]


@pytest.mark.parametrize("mode", ["sync", "SYNC", " sync "])
async def test_the_mode_is_read_as_people_write_it(catalog: Catalog, mode: str) -> None:
    async with staged(catalog) as stage:
        await stage.submit(mode=mode)
        await stage.advance(WHOLE)
        assert len(stage.receiver.received) == 8


async def test_a_mode_without_an_address_asks_for_nothing(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        headers = {**key_headers("pixazo"), "X-Webhook-Mode": "sync"}
        answer = await stage.gateway.call("POST", PIXAZO, json=BODIES[PIXAZO], headers=headers)
        assert answer.status_code == 202
        await stage.advance(WHOLE)
        assert (stage.receiver.received, stage.deliveries()) == ([], [])


async def test_an_empty_address_asks_for_nothing(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        assert await _sent_to(stage, "") == []


async def test_every_submit_of_pixazo_takes_a_webhook(catalog: Catalog) -> None:
    submits = [o for o in catalog.operations if o.provider == "pixazo" and o.role == "submit"]
    assert submits
    assert all(operation.webhook_header for operation in submits)


# -- WaveSpeed and Segmind


async def _ask_wavespeed(stage: Stage, query: str) -> Any:
    return await submit(stage.gateway, "wavespeed", url=f"{WAVESPEED}?{query}", body=BODIES[WAVESPEED])


async def test_wavespeeds_webhook_is_a_query_parameter(catalog: Catalog) -> None:
    """Encoded as it should be, a whole query of its own included."""
    async with staged(catalog) as stage:
        url = f"{stage.receiver.url}/hook?token=a b&job=1"
        answer = await _ask_wavespeed(stage, "webhook=" + quote(url.replace(" ", "+"), safe=""))
        assert answer.status_code == 200
        await stage.advance(60)
        assert [one.path for one in stage.receiver.received] == ["/hook?token=a+b&job=1"]


async def test_wavespeeds_webhook_may_come_unencoded(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        answer = await _ask_wavespeed(stage, f"webhook={stage.receiver.url}/hook?token=a")
        assert answer.status_code == 200
        await stage.advance(60)
        assert [one.path for one in stage.receiver.received] == ["/hook?token=a"]


async def test_wavespeeds_callback_is_the_bare_prediction_and_what_was_asked(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit(WAVESPEED)
        await stage.advance(60)
        [callback] = stage.receiver.received
        polled = await fetch(stage.gateway, f"/api/v3/predictions/{job.id}/result", "wavespeed")
        assert callback.told == {**polled.json()["data"], "input": BODIES[WAVESPEED]}


async def test_wavespeed_knows_no_header_and_pixazo_no_parameter(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        url = f"{stage.receiver.url}/hook"
        headers = {**key_headers("wavespeed"), "X-Webhook-URL": url}
        await stage.gateway.call("POST", WAVESPEED, json=BODIES[WAVESPEED], headers=headers)
        await stage.gateway.call(
            "POST", PIXAZO, json=BODIES[PIXAZO], headers=key_headers("pixazo"), params={"webhook": url}
        )
        await stage.advance(60)
        assert (stage.receiver.received, stage.deliveries()) == ([], [])


async def test_segmind_calls_nobody_back(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        url = f"{stage.receiver.url}/hook"
        headers = {**key_headers("segmind"), "X-Webhook-URL": url}
        answer = await stage.gateway.call(
            "POST", SEGMIND, json={"prompt": "a boat"}, headers=headers, params={"webhook": url}
        )
        assert answer.status_code == 200
        await stage.advance(60)
        assert (stage.receiver.received, stage.deliveries()) == ([], [])


async def test_a_query_of_many_parameters_is_no_error(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        assert (await _ask_wavespeed(stage, "a=1&" * 1_500 + "b=2")).status_code == 200


# -- addresses refused at submit


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1/hook", "must use https://"),
        ("http://hooks.example.com/hook", "must use https://"),
        ("ftp://127.0.0.1/hook", "must be an absolute https:// URL"),
        ("127.0.0.1/hook", "must be an absolute https:// URL"),
        ("/hook", "must be an absolute https:// URL"),
        ("https://", "must be an absolute https:// URL"),
        ("https:///hook", "must be an absolute https:// URL"),
        ("https://127.0.0.1:99999/", "is not a URL"),
        ("https://[::1/", "is not a URL"),
        (
            "https://93.184.216.34/hook",
            "must not leave this machine; start the gateway with --allow-webhook-host to allow it",
        ),
        (
            "https://[2606:2800:220:1::1]/",
            "must not leave this machine; start the gateway with --allow-webhook-host to allow it",
        ),
        (
            "https://0.0.0.0/",
            "must not leave this machine; start the gateway with --allow-webhook-host to allow it",
        ),
        (
            "https://169.254.169.254/latest/meta-data",
            "must not leave this machine; start the gateway with --allow-webhook-host to allow it",
        ),
    ],
)
async def test_a_wrong_address_is_refused_in_the_providers_words(
    catalog: Catalog, url: str, problem: str
) -> None:
    """400, no job, no delivery: `http://` and what is no URL or an address elsewhere."""
    async with staged(catalog, allow_http_webhooks=False) as stage:
        answer = await stage.post(url=url)
        assert answer.status_code == 400
        assert answer.json() == {"error": "Invalid webhook URL", "message": f"X-Webhook-URL {problem}"}
        answer = await stage.post(WAVESPEED, url=url)
        assert answer.status_code == 400
        assert answer.json() == {"code": 400, "message": f"webhook {problem}"}
        assert len(stage.gateway.world.store) == 0
        assert list(stage.sender.upcoming()) == []


async def test_http_is_refused_byte_for_byte(catalog: Catalog) -> None:
    """The whole answer is as it was decided; the documentation says only that it is rejected."""
    async with staged(catalog, allow_http_webhooks=False) as stage:
        answer = await stage.post(url="http://127.0.0.1:9/hook")
        assert answer.content == (
            b'{"error":"Invalid webhook URL","message":"X-Webhook-URL must use https://"}'
        )
        assert answer.headers["content-type"] == "application/json"


async def test_a_wrong_body_is_told_before_a_wrong_address(catalog: Catalog) -> None:
    async with staged(catalog, allow_http_webhooks=False) as stage:
        headers = {**key_headers("pixazo"), "X-Webhook-URL": "http://127.0.0.1/"}
        answer = await stage.gateway.call("POST", PIXAZO, json={}, headers=headers)
        assert answer.json() == {"error": "Missing required parameter: prompt"}


async def test_a_wrong_address_is_told_before_an_empty_wallet(catalog: Catalog) -> None:
    """And takes no money."""
    async with staged(catalog, allow_http_webhooks=False, balance=0.0) as stage:
        assert (await stage.post(url="http://127.0.0.1/")).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "[::1]", "localhost", "hooks.example.com"])
async def test_loopback_and_names_are_accepted(catalog: Catalog, host: str) -> None:
    async with staged(catalog, allow_http_webhooks=False) as stage:
        assert (await stage.post(url=f"https://{host}:8443/hook")).status_code == 202


@pytest.mark.parametrize("allowed", ["93.184.216.34", "2606:2800:220:1::AB"])
async def test_an_allowed_address_is_accepted(catalog: Catalog, allowed: str) -> None:
    """However it is written."""
    async with staged(catalog, allow_webhook_hosts=(allowed,)) as stage:
        host = f"[{allowed.lower()}]" if ":" in allowed else allowed
        assert (await stage.post(url=f"https://{host}/hook")).status_code == 202


# -- names, looked up when they are used


class Names:
    """The resolver of the test's event loop: what each name leads to, one answer after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._look_up)

    async def _look_up(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        addresses = self._answers[host.partition(".")[0]]
        found = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kinds = (socket.AF_INET6 if ":" in address else socket.AF_INET for address in found)
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, port))
            for kind, address in zip(kinds, found, strict=True)
        ]


async def _deliver_to(stage: Stage, name: str) -> Delivery:
    port = stage.receiver.url.rpartition(":")[2]
    job = await stage.submit(url=f"http://{name}:{port}/hook")
    await stage.advance(WHOLE)
    [delivery] = stage.deliveries(job)
    return delivery


async def test_a_name_that_leads_to_this_machine_is_called(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(catalog) as stage:
        Names(monkeypatch, here=[["127.0.0.1"]])
        delivery = await _deliver_to(stage, "here.example.com")
        assert delivery.state is DeliveryState.DELIVERED
        port = stage.receiver.url.rpartition(":")[2]
        assert stage.receiver.received[0].headers["host"] == f"here.example.com:{port}"


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "10.0.0.1", "169.254.169.254", "0.0.0.0", "2606:2800::1"]
)
async def test_a_name_that_leads_elsewhere_is_refused_in_the_log(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Without a connection and without another attempt; the reason names the flag."""
    async with staged(catalog) as stage:
        names = Names(monkeypatch, away=[[address]])
        delivery = await _deliver_to(stage, "away.example.com")
        assert delivery.state is DeliveryState.REFUSED
        [attempt] = delivery.attempts
        assert attempt.status is None
        assert "--allow-webhook-host away.example.com" in attempt.error
        await stage.advance(60)
        assert names.asked == ["away.example.com"]
        assert stage.receiver.received == []


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 64 + ".example", "two..dots.example"])
async def test_a_name_that_leads_nowhere_is_refused_in_the_log(catalog: Catalog, name: str) -> None:
    async with staged(catalog) as stage:
        delivery = await _deliver_to(stage, name)
        assert (delivery.state, len(delivery.attempts)) == (DeliveryState.REFUSED, 1)
        assert "is not known here" in delivery.attempts[0].error


@pytest.mark.parametrize(
    "path",
    [
        "/_mock/reset",
        "/_mock",
        "/_mock/",
        "/%5fmock/reset",
        "/_mock%2Freset",
        "/%5Fm%6Fck/reset?account=x",
        "/_mock/reset;x",
        "/_mock/reset#x",
        "/_mock/inbox",
        "/_mock/inbox/a/../../reset",
        "/_mock/inbox/a%2f..%2f..%2freset",
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "here.example.com"])
async def test_a_callback_to_an_admin_api_is_refused_in_the_log(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, path: str, host: str
) -> None:
    """Whatever the host is called, however the path is written: nothing is sent there."""
    async with staged(catalog) as stage:
        here: list[list[str]] = [["127.0.0.1"]]
        Names(monkeypatch, here=here, localhost=here)
        port = stage.receiver.url.rpartition(":")[2]
        job = await stage.submit(url=f"http://{host}:{port}{path}")
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        assert (delivery.state, len(delivery.attempts)) == (DeliveryState.REFUSED, 1)
        assert "admin API" in delivery.attempts[0].error
        assert stage.receiver.received == []


async def test_a_callback_whose_path_only_looks_like_the_admin_apis_is_sent(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit(url=f"{stage.receiver.url}/_mocking/hook?next=/_mock/reset")
        await stage.advance(WHOLE)
        assert [delivery.state for delivery in stage.deliveries(job)] == [DeliveryState.DELIVERED]


async def test_a_name_is_looked_up_for_each_connection(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: it led to this machine first and leads elsewhere by the second attempt."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = ["reset"]
        Names(monkeypatch, turns=[["127.0.0.1"], ["93.184.216.34"]])
        delivery = await _deliver_to(stage, "turns.example.com")
        assert len(delivery.attempts) == 1
        await stage.advance(1.25)
        assert delivery.state is DeliveryState.REFUSED
        assert len(stage.receiver.received) == 1


async def test_a_name_that_leads_elsewhere_first_is_called_once_it_leads_here(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(catalog) as stage:
        Names(monkeypatch, turns=[["93.184.216.34"], ["127.0.0.1"]])
        delivery = await _deliver_to(stage, "turns.example.com")
        assert stage.receiver.received == []
        await stage.sender.redeliver(delivery)
        assert delivery.state is DeliveryState.DELIVERED


async def test_of_several_addresses_only_those_here_are_tried(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next one where the first does not listen."""
    async with staged(catalog) as stage:
        Names(monkeypatch, both=[["93.184.216.34", "127.0.0.99", "127.0.0.1"]])
        delivery = await _deliver_to(stage, "both.example.com")
        assert delivery.state is DeliveryState.DELIVERED


async def test_an_allowed_name_may_lead_anywhere(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is connected to, in whatever case it was written; that nobody listens there is a plain failure."""
    async with staged(catalog, allow_webhook_hosts=("Away.Example.com",)) as stage:
        Names(monkeypatch, away=[[]])
        delivery = await _deliver_to(stage, "away.example.com")
        assert delivery.state is DeliveryState.RETRYING


async def test_refusals_do_not_pause_a_receiver(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(catalog) as stage:
        Names(monkeypatch, away=[["93.184.216.34"]])
        states = {(await _deliver_to(stage, "away.example.com")).state for _ in range(7)}
        assert states == {DeliveryState.REFUSED}
