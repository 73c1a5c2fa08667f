"""Each quirk, on and off: what it changes, and that it changes nothing else."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from tests.driving import (
    KEY,
    POLLED,
    PROVIDERS,
    SUBMITS,
    Gateway,
    MakeGateway,
    id_of,
    poll,
    set_account,
    submit,
)
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())

I2V = "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request"
IMAGE = "/hunyuan-image/v1/hunyuan-image/generateRequest"
I2V_BODY = {"prompt": "a kite", "image_url": "https://example.com/a.png"}

WAYS = ("server", "account", "scenario")

Shot = dict[str, Any]
"""What a client sees of one call: status, kind of body, and the body."""


def shot(answer: httpx.Response, *names: str) -> Shot:
    """Take down an answer, with the headers of these names."""
    is_json = answer.headers.get("content-type") == "application/json"
    return {
        "status": answer.status_code,
        "type": answer.headers.get("content-type"),
        "body": answer.json() if is_json else answer.content,
        **{name: answer.headers.get(name) for name in names},
    }


def prepared(make_gateway: MakeGateway, way: str, quirk: str | None) -> Gateway:
    """Make a gateway with a quirk on in one of the three ways; None turns none on."""
    chosen = [quirk] if quirk is not None else []
    gateway = make_gateway(quirks=tuple(chosen) if way == "server" else (), speed=1)
    account = gateway.world.accounts.of(KEY)
    if way == "account":
        account.quirks = frozenset(chosen)
    return gateway


async def switch(gateway: Gateway, way: str, quirk: str | None, course: dict[str, Any] | None = None) -> None:
    """Give the account a job's course, and the quirk when it comes by account or scenario."""
    chosen = [quirk] if quirk is not None else []
    if way == "account":
        answer = await set_account(gateway, quirks=chosen)
        assert answer.json()["quirks"] == chosen
    if course or way == "scenario":
        scenario: dict[str, Any] = {"name": "drive", **(course or {})}
        if way == "scenario":
            scenario["quirks"] = chosen
        await set_account(gateway, scenario=scenario)


async def drive(
    make_gateway: MakeGateway,
    provider: str,
    way: str,
    quirk: str | None,
    course: dict[str, Any] | None = None,
) -> dict[str, Shot]:
    """Drive everything a provider has, and take down each answer; equal runs give equal shots."""
    gateway = prepared(make_gateway, way, quirk)
    await switch(gateway, way, quirk, course)
    told = {
        "wrong": shot(await submit(gateway, provider, body=SUBMITS[provider].wrong)),
        "no key": shot(await gateway.call("POST", SUBMITS[provider].path)),
    }
    first = await submit(gateway, provider)
    told["submit"] = shot(first, "x-cost", "x-seed-value", "x-generation-time")
    if provider in POLLED and first.is_success:
        await drive_job(gateway, provider, id_of(first), told)
    if provider == "pixazo":
        await drive_pixazo(gateway, told)
    await set_account(gateway, disabled_models=[SUBMITS[provider].model])
    told["disabled"] = shot(await submit(gateway, provider))
    await set_account(gateway, disabled_models=[], balance_usd=0)
    told["poor"] = shot(await submit(gateway, provider))
    return told


async def drive_job(gateway: Gateway, provider: str, job: str, told: dict[str, Shot]) -> None:
    usual = SUBMITS[provider]
    told["queued"] = shot(await poll(gateway, job, provider))
    gateway.advance(usual.queued)
    told["processing"] = shot(await poll(gateway, job, provider))
    gateway.advance(usual.total)
    told["ended"] = shot(await poll(gateway, job, provider))
    told["file"] = shot(await gateway.call("GET", f"/v1/{job}/output.mp4"))
    told["placeholder file"] = shot(await gateway.call("GET", f"/v1/{job}/output.ext"))
    told["unknown"] = shot(await poll(gateway, "no-such-job", provider))


async def drive_pixazo(gateway: Gateway, told: dict[str, Shot]) -> None:
    """The image model with sync_mode, and the image-to-video model with its result call."""
    image = await submit(gateway, "pixazo", url=IMAGE, body={"prompt": "a kite", "sync_mode": True})
    told["image submit"] = shot(image)
    plain = await submit(gateway, "pixazo", url=IMAGE, body={"prompt": "a kite"})
    gateway.advance(1_000)
    told["image"] = shot(await poll(gateway, id_of(image), "pixazo"))
    told["image without sync_mode"] = shot(await poll(gateway, id_of(plain), "pixazo"))
    video = await submit(gateway, "pixazo", url=I2V, body=I2V_BODY)
    told["i2v submit"] = shot(video)
    if "request_id" in video.json():
        gateway.advance(1_000)
        told["i2v result"] = shot(
            await submit(gateway, url=f"{I2V}-result", body={"request_id": video.json()["request_id"]})
        )


def changed(off: dict[str, Shot], on: dict[str, Shot]) -> dict[str, tuple[Any, Any]]:
    """Tell which places of which shots differ, each with its value off and on."""
    differ: dict[str, tuple[Any, Any]] = {}
    for name in off.keys() | on.keys():
        compare(name, off.get(name), on.get(name), differ)
    return differ


def compare(place: str, off: Any, on: Any, differ: dict[str, tuple[Any, Any]]) -> None:
    if isinstance(off, dict) and isinstance(on, dict):
        for name in off.keys() | on.keys():
            compare(f"{place}/{name}", off.get(name, ABSENT), on.get(name, ABSENT), differ)
    elif off != on:
        differ[place] = (off, on)


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()

FAILS = {"job": {"end": "FAILED", "error": "no"}}
SQL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def is_sql(pair: tuple[Any, Any]) -> bool:
    """The same instant, as SQL prints it."""
    off, on = pair
    return bool(SQL.fullmatch(on)) and str(off).startswith(on.replace(" ", "T"))


def is_placeholder(pair: tuple[Any, Any]) -> bool:
    off, on = pair
    return bool([re.sub(r"\.(mp4|png)$", ".ext", url) for url in off] == on)


def is_octets(pair: tuple[object, object]) -> bool:
    return pair[1] == "application/octet-stream"


def is_anything(pair: tuple[Any, Any]) -> bool:
    return True


def is_gone(pair: tuple[Any, Any]) -> bool:
    return pair[1] is ABSENT


def is_data(pair: tuple[Any, Any]) -> bool:
    head, _, data = pair[1][0].partition(",")
    return head == "data:image/png;base64" and base64.b64decode(data, validate=True).startswith(b"\x89PNG")


def gives(off: Any, on: Any) -> Callable[[tuple[Any, Any]], bool]:
    return lambda pair: pair == (off, on)


Changes = dict[str, Callable[[tuple[Any, Any]], bool]]

EXPECTED: dict[tuple[str, str], tuple[dict[str, Any] | None, Changes]] = {
    ("submit-200", "pixazo"): (
        None,
        {f"{name}/status": gives(202, 200) for name in ("submit", "image submit", "i2v submit")},
    ),
    ("direct-video", "pixazo"): (
        None,
        {
            "i2v submit/status": gives(202, 200),
            "i2v submit/body/request_id": is_gone,
            "i2v submit/body/status": is_gone,
            "i2v submit/body/polling_url": is_gone,
            "i2v submit/body/video": lambda pair: (
                set(pair[1]) == {"url", "file_name", "file_size", "content_type"}
            ),
            "i2v result": is_anything,
        },
    ),
    ("placeholder-media", "pixazo"): (
        None,
        {
            "ended/body/output/media_url": is_placeholder,
            "ended/body/output/media_type": is_octets,
            "image/body/output/media_url": is_placeholder,
            "image/body/output/media_type": is_octets,
            "image without sync_mode/body/output/media_url": is_placeholder,
            "image without sync_mode/body/output/media_type": is_octets,
            "i2v result/body/video/url": lambda pair: is_placeholder(([pair[0]], [pair[1]])),
            "i2v result/body/video/file_name": gives("output.mp4", "output.ext"),
            "file/status": gives(200, 404),
            "file/type": gives("video/mp4", "text/plain; charset=utf-8"),
            "file/body": is_anything,
            "placeholder file/status": gives(404, 200),
            "placeholder file/type": gives("text/plain; charset=utf-8", "application/octet-stream"),
            "placeholder file/body": is_anything,
        },
    ),
    ("sql-timestamps", "pixazo"): (
        None,
        {
            f"{name}/body/{stamp}": is_sql
            for name, stamp in [
                ("queued", "updated_at"),
                ("processing", "updated_at"),
                *(
                    (name, stamp)
                    for name in ("ended", "image", "image without sync_mode")
                    for stamp in ("updated_at", "completed_at")
                ),
            ]
        },
    ),
    ("iso-timestamps", "pixazo"): (None, {}),
    ("bare-failures", "pixazo"): (
        FAILS,
        {
            f"{name}/body/{stamp}": is_gone
            for name in ("ended", "image", "image without sync_mode", "i2v result")
            for stamp in ("created_at", "updated_at", "completed_at")
        },
    ),
    ("model-404", "pixazo"): (None, {"disabled/status": gives(400, 404)}),
    ("data-uri", "pixazo"): (None, {"image/body/output/media_url": is_data}),
    ("json-video", "segmind"): (
        None,
        {
            "submit/type": gives("video/mp4", "application/json"),
            "submit/body": lambda pair: (
                set(pair[1]) == {"status", "output", "video"} and pair[1]["output"] == pair[1]["video"]["url"]
            ),
        },
    ),
    ("credits-as-200", "wavespeed"): (
        None,
        {"poor/status": gives(402, 200), "poor/body/code": gives(402, 400)},
    ),
}
"""By quirk and provider: the course of the jobs, and all the places that may and must differ."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("quirk", "provider"), EXPECTED)
async def test_a_quirk_changes_this_and_nothing_else(
    make_gateway: MakeGateway, quirk: str, provider: str, way: str
) -> None:
    """By server, account or scenario, every answer but those named is the same with it and without it."""
    course, changes = EXPECTED[quirk, provider]
    off = await drive(make_gateway, provider, way, None, course)
    on = await drive(make_gateway, provider, way, quirk, course)
    differ = changed(off, on)
    assert differ.keys() == changes.keys()
    for place, holds in changes.items():
        assert holds(differ[place]), (place, differ[place])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("quirk", "provider"),
    [
        (quirk.name, provider)
        for quirk in QUIRKS.values()
        for provider in PROVIDERS
        if provider not in quirk.providers
    ],
)
async def test_a_quirk_does_nothing_at_other_providers(
    make_gateway: MakeGateway, quirk: str, provider: str, way: str
) -> None:
    """What it does not apply to answers byte for byte as without it."""
    off = await drive(make_gateway, provider, way, None)
    on = await drive(make_gateway, provider, way, quirk)
    assert changed(off, on) == {}


@pytest.mark.parametrize("way", WAYS)
async def test_odd_request_id_changes_the_id_alone(make_gateway: MakeGateway, way: str) -> None:
    """It ends in thirteen digits and is no UUID, and the job can be asked for by it."""
    gateway = prepared(make_gateway, way, "odd-request-id")
    await switch(gateway, way, "odd-request-id")
    answer = await submit(gateway, "pixazo")
    job = id_of(answer)
    assert re.fullmatch(r"hunyuan-video_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-5[0-9a-f]{3}-[0-9a-f]{13}", job)
    assert (await poll(gateway, job, "pixazo")).json()["status"] == "QUEUED"
    usual = id_of(await submit(make_gateway(), "pixazo"))
    assert re.fullmatch(
        r"hunyuan-video_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", usual
    )


def stripped(value: Any) -> tuple[Any, bool]:
    """Take the extra field off every object; tell whether each had it."""
    if isinstance(value, list):
        parts = [stripped(each) for each in value]
        return [part for part, _ in parts], all(had for _, had in parts)
    if not isinstance(value, dict):
        return value, True
    had = value.get("x_undocumented") == {"added": True}
    inner = {name: stripped(each) for name, each in value.items() if name != "x_undocumented"}
    return {name: part for name, (part, _) in inner.items()}, had and all(each for _, each in inner.values())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_extra_fields_adds_one_field_to_every_object(
    make_gateway: MakeGateway, provider: str, way: str
) -> None:
    """To good answers and errors, nested objects too; files stay, and without it everything is as before."""
    off = await drive(make_gateway, provider, way, None)
    on = await drive(make_gateway, provider, way, "extra-fields")
    assert off.keys() == on.keys()
    for name, before in off.items():
        after = on[name]
        without, had = stripped(after["body"])
        assert {**after, "body": without} == before, name
        # Before the caller is known, only the server's quirks can reach the answer.
        unreached = name == "no key" and way != "server"
        if isinstance(after["body"], dict):
            assert had is not unreached, name


def test_every_quirk_has_its_test_here() -> None:
    """A new quirk needs a line above for each provider it applies to."""
    covered = {*EXPECTED, ("odd-request-id", "pixazo"), *(("extra-fields", each) for each in PROVIDERS)}
    assert covered == {(quirk.name, provider) for quirk in QUIRKS.values() for provider in quirk.providers}


# -- the finer points


async def test_direct_video_waits_for_the_job(make_gateway: MakeGateway) -> None:
    """The answer comes when the job has ended, and its link leads to the file of the told size."""
    gateway = make_gateway(quirks=("direct-video",), speed=1)
    before = gateway.world.clock.now()
    answer = await submit(gateway, "pixazo", url=I2V, body=I2V_BODY)
    assert gateway.world.clock.now() - before == 111_000
    video = answer.json()["video"]
    file = await gateway.call("GET", video["url"])
    assert (file.status_code, len(file.content)) == (200, video["file_size"])


async def test_direct_video_tells_a_failed_job(make_gateway: MakeGateway) -> None:
    """There is no video then: 200 with the job."""
    gateway = make_gateway(quirks=("direct-video",))
    answer = await submit(gateway, "pixazo", url=I2V, body=I2V_BODY, prefer="scenario=fails")
    assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")


async def test_json_video_links_to_the_file(make_gateway: MakeGateway) -> None:
    """Its link answers the bytes that the plain answer would have held, its size is theirs."""
    body = SUBMITS["segmind"].body
    plain = await submit(make_gateway(), "segmind", body=body)
    gateway = make_gateway(quirks=("json-video",))
    answer = await submit(gateway, "segmind", body=body)
    video = answer.json()["video"]
    file = await gateway.call("GET", video["url"])
    assert file.content == plain.content
    assert video["file_size"] == len(file.content)
    assert (video["content_type"], video["file_name"]) == ("video/mp4", "output.mp4")
    for name in ("x-cost", "x-generation-time", "x-seed-value"):
        assert answer.headers[name] == plain.headers[name]


async def test_json_video_gives_segmind_downloads_that_scenarios_reach(make_gateway: MakeGateway) -> None:
    """Its files meet the job's media entries, worded by nobody: they lie at somebody else's."""
    gateway = make_gateway(quirks=("json-video",))
    url = (await submit(gateway, "segmind", prefer="scenario=media-503-once")).json()["output"]
    first, second = await gateway.call("GET", url), await gateway.call("GET", url)
    assert (first.status_code, first.text) == (503, "503 Service Unavailable\n")
    assert second.status_code == 200


async def test_credits_as_200_holds_for_a_scenarios_refusal_too(make_gateway: MakeGateway) -> None:
    """Whoever refuses for want of credit, the envelope says it."""
    gateway = make_gateway(quirks=("credits-as-200",))
    answer = await submit(gateway, "wavespeed", prefer="scenario=insufficient-balance")
    assert (answer.status_code, answer.json()["code"]) == (200, 400)
    assert "data" not in answer.json()


async def test_a_job_keeps_the_quirks_it_was_made_with(gateway: Gateway) -> None:
    """Its names and stamps do not change under a client that polls."""
    await set_account(gateway, quirks=["placeholder-media", "sql-timestamps"])
    job = id_of(await submit(gateway, "pixazo"))
    await set_account(gateway, quirks=[])
    gateway.advance(10)
    told = (await poll(gateway, job, "pixazo")).json()
    assert told["output"]["media_url"][0].endswith("/output.ext")
    assert SQL.fullmatch(told["updated_at"])


async def test_quirks_of_server_account_and_scenario_add_up(make_gateway: MakeGateway) -> None:
    """None takes another away."""
    gateway = make_gateway(quirks=("submit-200",))
    own = ["placeholder-media", "extra-fields"]
    await set_account(gateway, quirks=own, scenario={"name": "x", "quirks": ["sql-timestamps"]})
    answer = await submit(gateway, "pixazo")
    assert len(answer.json()) == 4
    gateway.advance(10)
    told = (await poll(gateway, id_of(answer), "pixazo")).json()
    assert answer.status_code == 200
    assert told["output"]["media_type"] == "application/octet-stream"
    assert SQL.fullmatch(told["completed_at"])


async def test_an_accounts_quirk_is_its_own(gateway: Gateway) -> None:
    """Another key's answers stay as documented."""
    await set_account(gateway, quirks=["submit-200"])
    assert (await submit(gateway, "pixazo")).status_code == 200
    assert (await submit(gateway, "pixazo", key="another")).status_code == 202


async def test_an_unknown_quirk_is_refused_with_its_pointer(gateway: Gateway) -> None:
    """And lists those there are."""
    answer = await gateway.admin("PUT", f"accounts/{KEY}", json={"quirks": ["submit-200", "no-such"]})
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/quirks/1")
    assert all(name in answer.json()["error"] for name in QUIRKS)


async def test_without_quirks_callbacks_and_polls_write_their_own_stamps(gateway: Gateway) -> None:
    """The status writes ISO 8601; what `iso-timestamps` changes is in callbacks alone."""
    job_id = id_of(await submit(gateway, "pixazo"))
    gateway.advance(10)
    job = await gateway.world.store.get(job_id)
    assert job is not None
    step = await gateway.world.step(job)
    provider = gateway.world.provider("pixazo")
    as_status = msgspec.json.decode(provider.status(job, step, []).body)
    as_callback = msgspec.json.decode(provider.callback(job, step, []))
    assert as_status["updated_at"].endswith("Z")
    assert SQL.fullmatch(as_callback["updated_at"])
    assert as_callback["created_at"] == as_status["created_at"]


async def test_iso_timestamps_reaches_the_stamps_of_callbacks(make_gateway: MakeGateway) -> None:
    """All three are ISO 8601 then."""
    gateway = make_gateway(quirks=("iso-timestamps",))
    job_id = id_of(await submit(gateway, "pixazo"))
    gateway.advance(10)
    job = await gateway.world.store.get(job_id)
    assert job is not None
    step = await gateway.world.step(job)
    told = msgspec.json.decode(gateway.world.provider("pixazo").callback(job, step, []))
    assert all(told[name].endswith("Z") for name in ("created_at", "updated_at", "completed_at"))
