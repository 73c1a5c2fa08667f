"""How long jobs took: exactly where the provider wrote it down, within its bound where only polls tell."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.recording.drawing import made
from tests.recording.traffic import entries_of, live
from tests.rules.story import JOB, Story
from tests.scenarios.calls import PROVIDERS
from tests.support import MakeGateway
from understudy_contracts.recording.times import Phase, measure
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.catalog.catalog import build_catalog
from understudy_mock.catalog.load import bundled_specs, parse_document, read_documents
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.gateway.journal import JournalEntry

CATALOG = open_catalog()
BEGAN = 1_790_000_000_000
OPERATIONS = {f"{one.provider} {one.id}": one for one in CATALOG.operations}


def wave(name: str, at: int, status: str, job: str = "w1") -> JournalEntry:
    """A WaveSpeed call at an instant in ms, which tells of no time but the clock's."""
    operation = OPERATIONS[f"wavespeed {name}"]
    outputs = ["https://e.com/a.mp4"] if status == "completed" else []
    told = {"code": 200, "message": "", "data": {"id": job, "status": status, "outputs": outputs}}
    path = operation.path.replace("{id}", job)
    kind = [(b"content-type", b"application/json")]
    entry = made(operation, path, kind, b"{}", 200, kind, msgspec.json.encode(told))
    return msgspec.structs.replace(entry, at=BEGAN + at, job=job, duration=40.0)


def watched(queued: int, processing: int, gap: int, job: str = "w1") -> list[JournalEntry]:
    """A job of these durations in ms, accepted 20 ms after it was sent, polled every `gap` ms to its end."""
    entries = [wave("submit-hunyuan-video-i2v", 0, "created", job)]
    at = 0
    while True:
        at += gap
        # A call acts in its middle, the submit as well as a poll, so `at` is the age of the job.
        status = "created" if at < queued else "processing" if at < queued + processing else "completed"
        entries.append(wave("get-prediction-result", at, status, job))
        if status == "completed":
            return entries


@given(st.integers(0, 60_000), st.integers(1, 60_000), st.integers(1_000, 30_000))
def test_the_true_time_is_within_the_bound_at_any_cadence(queued: int, processing: int, gap: int) -> None:
    [times] = measure([watched(queued, processing, gap)], CATALOG)
    true: dict[Phase, int] = {"queued": queued, "processing": processing, "total": queued + processing}
    for phase, milliseconds in true.items():
        for sample in times.samples[phase]:
            assert abs(sample.seconds - milliseconds / 1000) <= sample.bound + 1e-9
            assert sample.bound <= gap / 1000 + 0.04 + 1e-9


def test_a_job_with_a_call_without_an_instant_has_no_times_by_polls() -> None:
    """Its neighbour has. Where none has an instant, the course names no day."""
    untimed = [
        msgspec.structs.replace(one, is_timed=place != 2)
        for place, one in enumerate(watched(3_000, 20_000, 5_000, "w1"))
    ]
    [times] = measure([[*untimed, *watched(3_000, 20_000, 5_000, "w2")]], CATALOG)
    assert {phase: len(samples) for phase, samples in times.samples.items()} == {
        "queued": 1,
        "processing": 1,
        "total": 1,
    }
    assert times.jobs == 2
    times.last = 0
    assert "a recording of 2 jobs: medians" in times.course()


@given(st.integers(1, 10_000), st.integers(11_000, 60_000))
def test_a_phase_that_no_poll_saw_is_not_guessed(processing: int, gap: int) -> None:
    """When the work began and ended between two polls, only the time in all is known."""
    queued = 500
    assume(queued + processing < gap)
    [times] = measure([watched(queued, processing, gap)], CATALOG)
    assert (times.spread("queued"), times.spread("processing")) == (None, None)
    assert times.spread("total") is not None
    assert times.course() == ""


def test_percentiles_are_over_jobs() -> None:
    entries = [
        entry for number in range(1, 21) for entry in watched(1_000 * number, 10_000, 1_000, f"w{number}")
    ]
    [times] = measure([entries], CATALOG)
    spread = times.spread("queued")
    assert spread is not None
    assert times.jobs == spread.count == 20
    assert spread.p50 == pytest.approx(10.5, abs=1)
    assert spread.p95 == pytest.approx(19.05, abs=1)


def test_jobs_of_the_same_name_in_two_files_are_two() -> None:
    [times] = measure([watched(2_000, 9_000, 1_000), watched(4_000, 9_000, 1_000)], CATALOG)
    assert times.jobs == 2


def test_a_failed_job_tells_nothing_of_the_time_in_process() -> None:
    entries = watched(5_000, 9_000, 1_000)
    told = {"code": 200, "message": "", "data": {"id": "w1", "status": "failed", "outputs": []}}
    entries[-1] = msgspec.structs.replace(
        entries[-1], response_body=(body := msgspec.json.encode(told)), response_size=len(body)
    )
    [times] = measure([entries], CATALOG)
    assert times.spread("queued") is not None
    assert times.spread("processing") is None


COURSES: dict[str, dict[Phase, tuple[float, float]]] = {
    "pixazo": {"queued": (11, 0), "processing": (100, 0), "total": (111, 0)},
    "segmind": {"processing": (211.32, 0)},
    "wavespeed": {"queued": (5, 3), "processing": (60, 0)},
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_gateway_takes_the_documented_time(
    make_gateway: MakeGateway, catalog: Catalog, provider: str
) -> None:
    """Stamps and metrics tell it exactly, whatever the gap between polls."""
    gateway = make_gateway(speed=1)
    await live(gateway, provider)
    [times] = measure([entries_of(gateway)], catalog)
    for phase, (seconds, most) in COURSES[provider].items():
        spread = times.spread(phase)
        assert spread is not None
        assert spread.p50 == pytest.approx(seconds, abs=most)
        assert spread.bound <= most


async def test_stamps_without_fractions_are_bounded_by_their_second(
    make_gateway: MakeGateway, catalog: Catalog
) -> None:
    gateway = make_gateway(speed=1, quirks=("sql-timestamps",))
    await live(gateway, "pixazo")
    [times] = measure([entries_of(gateway)], catalog)
    spread = times.spread("processing")
    assert spread is not None
    assert spread.p50 == pytest.approx(100)
    assert 0.9 < spread.bound < 1


async def test_the_course_is_ready_for_the_spec(make_gateway: MakeGateway, catalog: Catalog) -> None:
    """As it stands: the model's own document takes it, and then says what was measured."""
    gateway = make_gateway(speed=2)
    await live(gateway, "pixazo")
    [times] = measure([entries_of(gateway)], catalog)
    course: dict[str, Any] = yaml.safe_load(times.course())["course"]
    documents = [document for document in read_documents([bundled_specs()]) if document.provider == "pixazo"]
    path = "/hunyuan-video/v1/hunyuan-video-request"
    [own] = [document for document in documents if path in document.data["paths"]]
    own.data["paths"][path]["post"]["x-model"]["course"].update(course)
    documents[documents.index(own)] = parse_document(own.file, write_yaml(own.data).encode())
    changed = build_catalog(documents)
    [model] = [
        model for model in changed.models if model.id == "hunyuan-video" and model.provider == "pixazo"
    ]
    assert (model.durations.queued, model.durations.processing) == (5.5, 50)


def test_the_jobs_of_a_model_without_a_document_are_measured(catalog: Catalog) -> None:
    """Its submit is not judged, and its answer holds the job's id."""
    story = Story(catalog)
    accepted = {"request_id": JOB, "status": "QUEUED", "polling_url": "x"}
    story.add(0, "POST", "/new-model/v1/request", 202, accepted)
    story.poll(5_000).poll(11_000, "COMPLETED")
    (times,) = measure([story.entries], catalog)
    assert (times.provider, times.model, times.jobs) == ("pixazo", "new-model/v1/request", 1)
    assert times.spread("total") is not None


def test_without_a_clock_no_time_is_measured(catalog: Catalog) -> None:
    story = Story(catalog).submit(0).poll(0).poll(0, "COMPLETED")
    (times,) = measure([story.entries], catalog)
    assert [times.spread(phase) for phase in ("queued", "processing", "total")] == [None, None, None]
