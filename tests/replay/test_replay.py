"""What a replay promises beside showing the same: cursors, names, instants, refusals, files, silence."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import T2V, Gateway, MakeGateway, fetch, key_headers, submit
from tests.replay.example import EXAMPLE
from tests.replay.recorded import record, replay
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import Draw
from understudy_mock.gateway.scenario_files import find
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import Recording
from understudy_mock.har.stamps import instant_of, move_in_json
from understudy_mock.media.small import small_file
from understudy_mock.replay.export import export
from understudy_mock.replay.jobs import recorded_jobs
from understudy_mock.replay.replay import Replay
from understudy_mock.replay.report import at_end
from understudy_mock.replay.translate import mint_like
from understudy_mock.settings import Settings

LANTERN = {"prompt": "A paper lantern drifts down a dark river"}
BOAT = {"prompt": "A paper boat"}
PIXAZO = key_headers("pixazo")
WAVESPEED = key_headers("wavespeed")


@pytest.fixture(scope="module")
def example(catalog: Catalog) -> Recording:
    return read_recording([EXAMPLE], catalog)


@pytest.fixture
def played(example: Recording, catalog: Catalog) -> Gateway:
    return Gateway(replay(example, catalog))


async def accepted(gateway: Gateway) -> str:
    """Submit the lantern until it is accepted, and give the address to poll."""
    assert (await submit(gateway, body=LANTERN)).status_code == 429
    answer = await submit(gateway, body=LANTERN)
    assert answer.status_code == 202
    return str(answer.json()["polling_url"])


async def test_each_submit_of_a_body_takes_the_next_and_repeats_the_last(
    played: Gateway,
) -> None:
    """The recorded 429 comes once; then the job, with a name of its own each time."""
    answers = [await submit(played, body=LANTERN) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 202, 202, 202]
    assert len({answer.json()["request_id"] for answer in answers[1:]}) == 3


async def test_each_key_has_cursors_of_its_own_and_sees_no_other_keys_job(played: Gateway) -> None:
    """Another key begins at the first recorded answer, and gets 404 for a job that is not its own."""
    url = await accepted(played)
    other = await submit(played, key="test-key-2", body=LANTERN)
    assert other.status_code == 429
    strange = await fetch(played, url, key="test-key-2")
    assert strange.status_code == 404
    assert "x-understudy-miss" not in strange.headers


async def test_equal_bodies_at_two_providers_are_two_things(
    make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path
) -> None:
    """Both call their operation alike; each answers with what it answered then."""
    gateway = make_gateway(speed=1)
    await submit(gateway, body=BOAT)
    await submit(gateway, "segmind", body=BOAT)
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog))
    for _ in range(2):
        assert (await submit(here, body=BOAT)).status_code == 202
        answer = await submit(here, "segmind", body=BOAT)
        assert (answer.status_code, answer.content) == (200, small_file("mp4"))


async def test_without_a_key_the_provider_refuses(played: Gateway) -> None:
    """A missing key is the gateway's own 401, and no miss."""
    answer = await played.call("POST", T2V, json=LANTERN)
    assert answer.status_code == 401
    assert "x-understudy-miss" not in answer.headers


@given(st.lists(st.integers(0, 130_000), min_size=1, max_size=12))
def test_polling_more_never_moves_a_job(example: Recording, catalog: Catalog, instants: list[int]) -> None:
    """A poll shows the same whether or not others came before it, and states never go back."""

    async def shown(when: list[int]) -> list[str]:
        gateway = Gateway(replay(example, catalog))
        url = await accepted(gateway)
        now, told = 0, []
        for instant in when:
            gateway.advance((instant - now) / 1000)
            now = instant
            told.append((await fetch(gateway, url)).text)
        return told

    ordered = sorted(instants)
    often = asyncio.run(shown(ordered))
    once = asyncio.run(shown(ordered[-1:]))
    assert often[-1] == once[-1]
    ranks = [["QUEUED", "PROCESSING", "COMPLETED"].index(json.loads(one)["status"]) for one in often]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("speed", [1.0, 10.0])
async def test_stamps_are_of_now_and_in_order(example: Recording, catalog: Catalog, speed: float) -> None:
    """A job was created now, and has completed when the clock says so: recorded durations, divided."""
    gateway = Gateway(replay(example, catalog, speed=speed))
    began = gateway.world.clock.now()
    url = await accepted(gateway)
    gateway.advance(110.9 / speed)
    assert (await fetch(gateway, url)).json()["status"] == "PROCESSING"
    gateway.advance(0.2 / speed)
    told = (await fetch(gateway, url)).json()
    assert told["status"] == "COMPLETED"
    created, ended = instant_of(told["created_at"]), instant_of(told["completed_at"])
    assert created == began
    assert ended == began + 111_000 / speed
    assert ended <= gateway.world.clock.now()


@given(
    st.lists(st.integers(1_577_836_800_000, 1_893_456_000_000), min_size=2, max_size=2),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+00:00"]),
    st.integers(0, 10**12),
)
def test_moved_stamps_keep_format_order_and_distance(instants: list[int], form: str, shift: int) -> None:
    """Whatever the format, two stamps stay as far apart as they were."""
    moments = [datetime.fromtimestamp(instant / 1000, UTC) for instant in sorted(instants)]
    written = [moment.strftime(form) for moment in moments]
    moved = json.loads(move_in_json(json.dumps(written).encode(), lambda instant: instant + shift * 1000))
    before, after = [[instant_of(one) or 0 for one in texts] for texts in (written, moved)]
    assert [len(one) for one in moved] == [len(one) for one in written]
    assert after[1] - after[0] == before[1] - before[0]


def test_a_date_in_a_prompt_stays() -> None:
    """Only a string that is a stamp and nothing else is moved."""
    body = b'{"prompt":"on 2026-05-22T13:17:32Z at sea","at":"2026-05-22T13:17:32Z"}'
    moved = move_in_json(body, lambda instant: instant + 1000)
    assert moved == b'{"prompt":"on 2026-05-22T13:17:32Z at sea","at":"2026-05-22T13:17:33Z"}'


@given(
    st.from_regex(
        r"[a-z-]{3,12}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{13}|[0-9a-f]{32}|p[A-Z0-9]{9}", fullmatch=True
    )
)
def test_a_new_name_has_the_form_of_the_recorded_one(recorded: str) -> None:
    """Kinds of characters and separators stay in their places."""
    made = mint_like(recorded, "", Draw(b"x" * 32))

    def shape(name: str) -> str:
        return "".join("x" if one.isalnum() else one for one in name)

    assert shape(made) == shape(recorded)
    assert made != recorded


async def test_polls_move_jobs_at_the_pace_of_polls(example: Recording, catalog: Catalog) -> None:
    """With --pace polls each poll shows the next thing that was recorded."""
    gateway = Gateway(replay(example, catalog, pace="polls"))
    url = await accepted(gateway)
    told = [(await fetch(gateway, url)).json()["status"] for _ in range(4)]
    assert told == ["QUEUED", "PROCESSING", "COMPLETED", "COMPLETED"]


# -- what was not recorded


async def test_a_miss_names_the_nearest_recording_field_by_field(
    played: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """In the provider's own form, in a header, on stderr once, and without the key."""
    key = "a-secret-key-123"
    body = {"prompt": f"A paper boat {key}", "num_frames": 85}
    await submit(played, key=key, body=body)
    answer = await submit(played, key=key, body=body)
    assert answer.status_code == 400
    text = answer.json()["error"]
    assert 'prompt: recorded "A paper boat", you sent "A paper boat [redacted]"' in text
    assert "num_frames: recorded nothing, you sent 85" in text
    assert answer.headers["x-understudy-miss"] == text
    assert [record.getMessage() for record in caplog.records] == [text]
    assert key not in text
    other = await played.call("POST", "/api/v3/wavespeed-ai/hunyuan-video/i2v", json={}, headers=WAVESPEED)
    assert other.json()["code"] == other.status_code == 400


async def test_a_path_that_was_not_recorded_names_the_nearest(played: Gateway) -> None:
    """Method and path are compared where there is no body to compare."""
    answer = await played.call("GET", "/api/v3/balances", headers=WAVESPEED)
    assert answer.status_code == 400
    assert "path: recorded /api/v3/balance, you sent /api/v3/balances" in answer.text


async def test_a_job_that_nobody_submitted_here_is_a_miss(played: Gateway) -> None:
    """A name from somewhere else is 404 and told: ids of a replay begin with its submits."""
    answer = await fetch(played, "/v2/requests/status/hunyuan-video_0199-unknown")
    assert answer.status_code == 404
    assert "no job has this id" in answer.headers["x-understudy-miss"]
    assert "no job has this id" in answer.json()["error"]


async def test_the_nearest_is_looked_for_at_the_same_provider_first(played: Gateway) -> None:
    """A path of another provider may look more alike, and is of no use."""
    answer = await played.call("GET", "/api/v3/hunyuan-video-request", headers=WAVESPEED)
    near = int(answer.headers["x-understudy-miss"].partition("nearest is entry ")[2].partition(":")[0])
    (entry,) = (one for one in json.loads(EXAMPLE.read_text())["log"]["entries"][near - 1 : near])
    assert entry["_understudy"]["provider"] == "wavespeed"


async def test_reset_begins_the_recording_anew(played: Gateway) -> None:
    """After a reset the first submit meets the first recorded answer again."""
    url = await accepted(played)
    assert (await played.admin("POST", "reset")).json() == {"jobs": 1}
    assert (await fetch(played, url)).status_code == 404
    assert (await submit(played, body=LANTERN)).status_code == 429


async def test_the_end_tells_what_was_asked_for_and_missed_before_a_reset(played: Gateway) -> None:
    """A suite that resets between its tests still learns what the run lacked, and what it never used."""
    assert isinstance(played.world, Replay)
    await submit(played, body=BOAT)
    await submit(played, body={"prompt": "never recorded"})
    await played.admin("POST", "reset")
    said = "\n".join(at_end(played.world))
    assert "never recorded" in said
    unused = next(line for line in at_end(played.world) if line.startswith("never asked for"))
    boat = next(
        job
        for job in played.world.recorded.jobs
        if job.decoded == BOAT and job.operation.provider == "pixazo"
    )
    assert f"entry {boat.submit.number} " not in unused


# -- addresses and files


async def test_under_genuine_names_addresses_are_genuine(played: Gateway) -> None:
    """Behind interception the client is sent to the provider's own hosts, which lead here."""
    played.client.base_url = httpx.URL("https://gateway.pixazo.ai")
    url = await accepted(played)
    assert url.startswith("https://gateway.pixazo.ai/v2/requests/status/")
    played.advance(111)
    file = (await fetch(played, url)).json()["output"]["media_url"][0]
    assert httpx.URL(file).scheme == "https"
    assert httpx.URL(file).host not in ("gateway.test", "")


async def test_files_come_from_the_recording_with_ranges_and_types(played: Gateway) -> None:
    """GET, HEAD and Range answer as for any file; before the end there is none."""
    url = await accepted(played)
    job = url.rpartition("/")[2]
    assert (await played.call("GET", f"/v1/{job}/output.mp4")).status_code == 404
    played.advance(111)
    file = (await fetch(played, url)).json()["output"]["media_url"][0]
    whole = await played.call("GET", file)
    assert whole.content == small_file("mp4")
    assert whole.headers["content-type"] == "video/mp4"
    part = await played.call("GET", file, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    same = await played.call("GET", file, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = await played.call("HEAD", file)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))


@pytest.mark.parametrize(("media", "status"), [("real", 404), ("small", 200)])
async def test_a_file_that_was_not_recorded_says_so(
    make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path, media: str, status: int
) -> None:
    """Nobody downloaded it, so it is refused with the reason, or is tiny where that was wished."""
    gateway = make_gateway(speed=1)
    told = (await submit(gateway, body=BOAT)).json()
    gateway.advance(111)
    await fetch(gateway, told["polling_url"])
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog, media=media))
    told = (await submit(here, body=BOAT)).json()
    here.advance(111)
    file = (await fetch(here, told["polling_url"])).json()["output"]["media_url"][0]
    answer = await here.call("GET", file)
    assert answer.status_code == status
    assert isinstance(here.world, Replay)
    assert here.world.misses.total() == (status == 404)
    if status == 404:
        assert "not recorded" in answer.json()["error"]


async def test_chains_stay_whole(make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path) -> None:
    """An uploaded file's new address, sent on in a submit, finds the submit of the old one."""

    async def chain(gateway: Gateway, content: bytes) -> httpx.Response:
        upload = await gateway.call(
            "POST", "/api/v3/media/upload/binary", headers=WAVESPEED, files={"file": ("a.png", content)}
        )
        url = upload.json()["data"]["download_url"]
        return await gateway.call(
            "POST", "/api/v3/wavespeed-ai/hunyuan-video/i2v", headers=WAVESPEED, json={"image": url}
        )

    gateway = make_gateway(speed=1)
    assert (await chain(gateway, b"one")).status_code == 200
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog))
    here.client.base_url = httpx.URL("http://elsewhere.test")
    answer = await chain(here, b"other bytes")
    assert answer.status_code == 200
    assert answer.json()["data"]["status"] == "created"


async def test_uploads_are_named_anew_and_serve_the_recorded_file(
    make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path
) -> None:
    """The new name is the same each time, and its address has what was downloaded from the recorded one."""

    async def upload(gateway: Gateway) -> str:
        answer = await gateway.call(
            "POST", "/api/v3/media/upload/binary", headers=WAVESPEED, files={"file": ("a.txt", b"one")}
        )
        return str(answer.json()["data"]["download_url"])

    gateway = make_gateway(speed=1)
    recorded = await upload(gateway)
    assert (await gateway.call("GET", recorded)).content == b"one"
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog))
    told = await upload(here)
    assert recorded.split("/")[4] not in told
    assert re.fullmatch(r"[0-9a-f]{32}", told.split("/")[4])
    assert await upload(here) == told
    assert (await here.call("GET", told)).content == b"one"


@pytest.mark.parametrize("speed", [1.0, 7.0])
async def test_stamps_of_whole_seconds_are_never_before_the_job(
    catalog: Catalog, tmp_path: Path, speed: float
) -> None:
    """The provider cuts its stamps; here each is rounded up, and what came after the submit stays so."""
    text = re.sub(r'(_at\\": ?\\"[^"\\]*?)\.\d{3}', r"\1", EXAMPLE.read_text())
    text = re.sub(r'("startedDateTime": "[^"]*)\.\d{3}Z', r"\1.600Z", text)
    file = tmp_path / "seconds.har"
    file.write_text(text)
    gateway = Gateway(replay(read_recording([file], catalog), catalog, speed=speed))
    gateway.advance(0.45)
    url = await accepted(gateway)
    began = gateway.world.clock.now()
    gateway.advance(120)
    told = (await fetch(gateway, url)).json()
    assert told["status"] == "COMPLETED"
    assert "." not in told["created_at"] + told["completed_at"]
    assert began <= (instant_of(told["created_at"]) or 0) < began + 1000
    assert (instant_of(told["created_at"]) or 0) <= (instant_of(told["completed_at"]) or 0)


async def test_other_calls_answer_in_recorded_order(
    make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path
) -> None:
    """Two balances were recorded: the first comes first, the second for ever."""
    gateway = make_gateway(speed=1, balance=5.0)
    submitted = {"image": "https://example.com/a.png"}
    await gateway.call("GET", "/api/v3/balance", headers=WAVESPEED)
    await gateway.call("POST", "/api/v3/wavespeed-ai/hunyuan-video/i2v", headers=WAVESPEED, json=submitted)
    await gateway.call("GET", "/api/v3/balance", headers=WAVESPEED)
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog))
    told = [
        (await here.call("GET", "/api/v3/balance", headers=WAVESPEED)).json()["data"]["balance"]
        for _ in range(3)
    ]
    assert told == [5.0, 4.6, 4.6]


async def test_what_the_recording_does_not_show_is_worded_as_documented(played: Gateway) -> None:
    """A job's result by the other call, which nobody made then, tells the same state."""
    await played.call("GET", "/_mock/health")
    url = await accepted(played)
    job = url.rpartition("/")[2]
    answer = await played.admin("POST", f"jobs/{job}/end", json={"status": "FAILED", "error": "by hand"})
    assert answer.status_code == 200
    told = (await fetch(played, url)).json()
    assert (told["status"], told["error"], told["request_id"]) == ("FAILED", "by hand", job)


# -- shapes of recordings


async def test_each_kind_of_call_shows_its_own_bodies_of_one_life(
    make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path
) -> None:
    """Segmind's status and result tell one life, although the result was asked for at its end alone."""
    headers = key_headers("segmind")

    async def told(gateway: Gateway, url: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await gateway.call("GET", url, headers=headers)).json()
        return answer

    gateway = make_gateway(speed=1)
    asked = await gateway.call("POST", "/v2/hunyuan-video", headers=headers, json=BOAT)
    urls = asked.json()
    for wait in (1, 100, 200):
        gateway.advance(wait)
        await told(gateway, urls["status_url"])
    truth = await told(gateway, urls["response_url"])
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog))
    urls = (await here.call("POST", "/v2/hunyuan-video", headers=headers, json=BOAT)).json()
    here.advance(50)
    assert (await told(here, urls["response_url"]))["status"] == "PROCESSING"  # nobody asked then
    assert (await told(here, urls["poll_url"]))["status"] == "PROCESSING"  # by its other path
    here.advance(300)
    shown = await told(here, urls["response_url"])
    assert shown["metrics"] == truth["metrics"]
    assert shown["request_id"] == urls["request_id"] != truth["request_id"]


async def test_a_job_made_from_anothers_result_is_found(
    make_gateway: MakeGateway, catalog: Catalog, tmp_path: Path
) -> None:
    """The address of a file here, sent on in the next submit, is the recorded file's."""

    async def chain(gateway: Gateway) -> httpx.Response:
        url = str((await submit(gateway, body=BOAT)).json()["polling_url"])
        gateway.advance(111)
        video = (await fetch(gateway, url)).json()["output"]["media_url"][0]
        path = "/hunyuan-video-video-to-video/v1/hunyuan-video-video-to-video-request"
        return await gateway.call("POST", path, headers=PIXAZO, json={**BOAT, "video_url": video})

    gateway = make_gateway(speed=1)
    assert (await chain(gateway)).status_code == 202
    here = Gateway(replay(record(gateway.world, catalog, tmp_path), catalog))
    for _ in range(2):
        assert (await chain(here)).status_code == 202


async def test_files_on_other_hosts_and_escaped_slashes_lead_here(catalog: Catalog, tmp_path: Path) -> None:
    """A result on a storage of its own is told and served here; what the caller brought stays as it is."""
    far = "https://bucket.storage.example/x/1.mp4?sig=abc"
    own = "https://pictures.example/cat.png"
    text = EXAMPLE.read_text()
    entries = json.loads(text)["log"]["entries"]
    job = "0123456789abcdef0123456789abcdef"
    data = {"id": job, "status": "created", "outputs": [], "input": {"image": own}}

    def say(entry: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = json.dumps({"code": 200, "message": "ok", "data": {**data, **more}}).replace("/", "\\/")
        entry["response"]["content"] = {"size": len(body), "mimeType": "application/json", "text": body}
        entry["_understudy"] |= {"job": job}
        return entry

    mine = [one for one in entries if one["_understudy"].get("provider") == "wavespeed"]
    made = next(one for one in mine if one["request"]["method"] == "POST")
    made["request"]["postData"]["text"] = json.dumps({"image": own})
    asked = [one for one in mine if one["_understudy"].get("operation") == "get-prediction-result"][-1]
    file = next(one for one in entries if one["request"]["url"].endswith(".mp4"))
    asked["request"]["url"] = f"https://api.wavespeed.ai/api/v3/predictions/{job}/result"
    file["request"]["url"] = far
    file["_understudy"] = {"kind": "call"}
    kept = [say(made), say(asked, status="completed", outputs=[far]), file]
    source = tmp_path / "far.har"
    source.write_text(json.dumps({"log": {"version": "1.2", "entries": kept}}))
    recording = read_recording([source], catalog)
    here = Gateway(replay(recording, catalog))
    made_here = await here.call(
        "POST", "/api/v3/wavespeed-ai/hunyuan-video/i2v", headers=WAVESPEED, json={"image": own}
    )
    name = made_here.json()["data"]["id"]
    here.advance(10_000)
    told = await here.call("GET", f"/api/v3/predictions/{name}/result", headers=WAVESPEED)
    assert "http:\\/\\/gateway.test:8080\\/x\\/1.mp4" in told.text
    assert told.json()["data"]["input"]["image"] == own
    assert (await here.call("GET", told.json()["data"]["outputs"][0])).content == small_file("mp4")


# -- scenarios


def test_exported_scenarios_load_and_say_what_was_recorded(
    example: Recording, catalog: Catalog, tmp_path: Path
) -> None:
    """Each job is a file that a gateway starts with; refused submits, broken polls and ends are in it."""
    written = export(recorded_jobs(example, catalog), tmp_path / "out")
    found = [find({}, str(file)) for file in written]
    assert [scenario.name for scenario in found] == [file.stem for file in written]
    lantern, boat, cat, kite = found
    assert [entry.condition for entry in lantern.submit] == ["rate_limited"]
    assert (lantern.job.queued, lantern.job.processing, lantern.job.end) == (11, 100, "COMPLETED")
    assert (boat.job.end, boat.job.error) == ("FAILED", "The model could not generate a usable result")
    assert [(entry.condition, entry.times) for entry in cat.poll] == [("unavailable", 2)]
    assert kite.job.processing == 211.32
    for file in written:
        world = create_world(Settings(scenario=str(file), media="small"), catalog=catalog)
        assert world.scenario is not None


async def test_an_exported_scenario_plays_what_was_recorded(
    example: Recording, catalog: Catalog, tmp_path: Path
) -> None:
    """A gateway under the exported file refuses once, then completes after the recorded time."""
    file = export(recorded_jobs(example, catalog), tmp_path)[0]
    options = Settings(scenario=str(file), media="small", pace="manual", speed=1)
    gateway = Gateway(create_world(options, catalog=catalog))
    url = await accepted(gateway)
    gateway.advance(110.9)
    assert (await fetch(gateway, url)).json()["status"] == "PROCESSING"
    gateway.advance(0.1)
    assert (await fetch(gateway, url)).json()["status"] == "COMPLETED"


# -- the example, and the outside


def test_the_example_holds_no_key_and_names_no_machine() -> None:
    """It ships, so anybody may read it."""
    text = EXAMPLE.read_text()
    for secret in ("an-example-key", "SG_0123456789abcdef", "/tmp", "/home", "gateway.test"):
        assert secret not in text


def test_a_replay_has_no_http_client() -> None:
    """Nothing that could ask a provider is even imported: only what sends callbacks can connect."""
    code = (
        "import sys\n"
        "from understudy_mock.app import create_app, create_replay\n"
        "import understudy_mock.har.read\n"
        "print(sorted(name for name in ('httpx', 'requests', 'urllib3', 'aiohttp')"
        " if name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# -- what has no say


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("scenario", {"name": "fails"}),
        ("accounts/test-key-1", {"balance_usd": 5}),
        ("accounts/test-key-1", {"rate_limit": "1/60"}),
        ("accounts/test-key-1", {"scenario": "fails"}),
        ("accounts/test-key-1", {"quirks": []}),
    ],
)
async def test_what_would_change_a_gateway_is_refused(
    played: Gateway, path: str, body: dict[str, Any]
) -> None:
    """A control that does nothing would look like one that does."""
    answer = await played.admin("PUT", path, json=body)
    assert answer.status_code == 409
    assert answer.json()["error"] == "a replay takes its course from the recording"


async def test_a_choice_of_scenario_is_ignored_and_noted(played: Gateway) -> None:
    """By header, prompt or key: the recording is played, and the journal says that the wish was not heard."""
    await submit(played, body=LANTERN, prefer="scenario=fails, code=402")
    await submit(played, body={"prompt": "[scenario:fails]"})
    await submit(played, body=LANTERN, key="scenario:fails")
    first, second, third = played.world.journal.since(0)
    assert (first.status, len(first.warnings), first.warnings[0][:22]) == (429, 2, "Prefer: scenario=fails")
    assert second.warnings[0].startswith("a prompt with [scenario:NAME] is ignored")
    assert (third.status, third.warnings[0][:14]) == (429, "a key of the f")
