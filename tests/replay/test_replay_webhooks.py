"""Which webhook addresses a replay takes, and that a refusal of its own never looks like a recorded one."""

from __future__ import annotations

import pytest

from tests.driving import Gateway, key_headers, submit
from tests.replay.example import EXAMPLE
from tests.replay.recorded import replay
from understudy_mock.catalog import Catalog
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import Recording

T2V = "/hunyuan-video/v1/hunyuan-video-request"
I2V = "/api/v3/wavespeed-ai/hunyuan-video/i2v"
BOAT = {"prompt": "A paper boat"}
CAT = {"image": "https://example.com/cat.png", "prompt": "The cat yawns"}
MISS = "x-understudy-miss"


@pytest.fixture(scope="module")
def example(catalog: Catalog) -> Recording:
    return read_recording([EXAMPLE], catalog)


@pytest.fixture
def played(example: Recording, catalog: Catalog) -> Gateway:
    """A replay as the command starts it: without the option that allows http webhooks."""
    return Gateway(replay(example, catalog, allow_http_webhooks=False))


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]:9"])
async def test_http_webhooks_to_this_machine_are_taken(played: Gateway, host: str) -> None:
    """Whoever replays listens here, without a certificate."""
    hook = f"http://{host}/done"
    pixazo = await played.call(
        "POST", T2V, json=BOAT, headers={**key_headers("pixazo"), "X-Webhook-URL": hook}
    )
    assert pixazo.status_code == 202
    url = f"{I2V}?webhook={hook}"
    assert (await submit(played, "wavespeed", url=url, body=CAT)).status_code == 200
    assert not played.world.misses  # type: ignore[attr-defined]


async def test_a_scheme_that_was_recorded_is_taken(played: Gateway) -> None:
    """The recorded client asked for http and was accepted: so is this one, whatever its host is called."""
    url = f"{I2V}?webhook=http://my-receiver.example/done"
    assert (await submit(played, "wavespeed", url=url, body=CAT)).status_code == 200


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("http://my-receiver.example/done", "--allow-http-webhooks"),
        ("https://203.0.113.9/done", "--allow-webhook-host"),
        ("ftp://127.0.0.1/done", "must be an absolute https:// URL"),
    ],
)
async def test_an_address_that_stays_refused_is_a_miss(played: Gateway, hook: str, said: str) -> None:
    """Nobody recorded this refusal: it is marked, counted, and says what would allow it."""
    headers = {**key_headers("pixazo"), "X-Webhook-URL": hook}
    answer = await played.call("POST", T2V, json=BOAT, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert said in answer.headers[MISS]
    assert list(played.world.misses) == [answer.json()["error"]]  # type: ignore[attr-defined]
