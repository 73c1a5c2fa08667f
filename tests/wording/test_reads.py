"""What is worded is read back: two texts, `answers` and `reads`, that nobody derives from one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from understudy_mock.catalog.catalog import build_catalog
from understudy_mock.catalog.load import bundled_specs, read_documents
from understudy_mock.domain.call import Answer
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.job import Job
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.har.body import decode
from understudy_mock.wording import Wording, open_wordings
from understudy_mock.wording.reads import Reads, Told
from understudy_mock.wording.samples import BALANCE, DETAILS, FILE, PLACE, samples_of_a_job

FOLDERS = Path(__file__).parent / "folders"
WORDINGS = open_wordings((FOLDERS,))
MODELS = {model.provider: model for model in build_catalog(read_documents([bundled_specs(), FOLDERS])).models}
NO_QUIRKS: frozenset[str] = frozenset()

every_provider = pytest.mark.parametrize("name", WORDINGS)
every_state = pytest.mark.parametrize("state", State)


def read(wording: Wording, answer: Answer) -> Told:
    headers = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
    reads, body = Reads.of(wording.data), decode(answer.body)
    return reads.told(body, headers) or Told(reads.job(body, headers))


def check(told: Told, job: Job, state: State, urls: list[str]) -> None:
    """A word, an id or an address that is told is the job's."""
    assert told.job in ("", job.id)
    assert told.word == "" or state in told.states
    assert told.urls in ((), tuple(urls), tuple(urls[:1]))
    if job.timeline.error is not None and told.word:
        assert told.error == job.timeline.error


@every_state
@every_provider
def test_a_status_is_read_back(name: str, state: State) -> None:
    wording = WORDINGS[name]
    for job, step, urls in samples_of_a_job(wording, MODELS[name], state, NO_QUIRKS):
        told = read(wording, wording.status(job, step, urls))
        check(told, job, state, urls)
        assert (told.job, bool(told.word)) == (job.id, True)
        assert bool(told.error) == (state in (State.FAILED, State.ERROR)) or job.timeline.error is None


@every_provider
def test_a_submit_is_read_back(name: str) -> None:
    wording = WORDINGS[name]
    for job, _, _ in samples_of_a_job(wording, MODELS[name], State.QUEUED, NO_QUIRKS):
        told = read(wording, wording.accepted(job))
        check(told, job, State.QUEUED, [])
        assert told.job == job.id
        assert told.poll_url.startswith(job.origin) or name == "acme"


@every_state
@pytest.mark.parametrize("name", [name for name in WORDINGS if "result" in WORDINGS[name].data["answers"]])
def test_a_result_is_read_back(name: str, state: State) -> None:
    wording = WORDINGS[name]
    for job, step, urls in samples_of_a_job(wording, MODELS[name], state, NO_QUIRKS):
        told = read(wording, wording.result(job, step, urls, len(FILE), BALANCE))
        check(told, job, state, urls)
        assert bool(told.urls) == (state is State.COMPLETED)


def test_an_answer_that_is_the_file_itself_is_read_back() -> None:
    wording = WORDINGS["segmind"]
    for job, step, urls in samples_of_a_job(wording, MODELS["segmind"], State.COMPLETED, NO_QUIRKS):
        told = read(wording, wording.finished(job, step, urls, FILE, BALANCE))
        assert (told.job, told.word, told.urls) == (job.id, "", ())


@every_state
@pytest.mark.parametrize("name", [name for name in WORDINGS if "callback" in WORDINGS[name].data])
def test_a_callback_is_read_back(name: str, state: State) -> None:
    wording = WORDINGS[name]
    reads = Reads.of(wording.data)
    for job, step, urls in samples_of_a_job(wording, MODELS[name], state, NO_QUIRKS):
        told = reads.told(msgspec.json.decode(wording.callback(job, step, urls)))
        assert told is not None
        assert told.job == job.id
        if name == "fal":  # its callbacks have words of their own, and come at the end alone
            if state in TERMINAL:
                assert told.end == ("COMPLETED" if state is State.COMPLETED else "FAILED")
        else:
            check(told, job, state, urls)


def test_the_code_of_a_failure_is_read_back() -> None:
    wording = WORDINGS["wavespeed"]
    (job, step, urls), (bare, _, _) = samples_of_a_job(wording, MODELS["wavespeed"], State.FAILED, NO_QUIRKS)
    assert read(wording, wording.status(job, step, urls)).code == 1
    assert read(wording, wording.status(bare, step, urls)).code == 1405


@every_provider
def test_every_refusal_that_has_a_text_is_read_back(name: str) -> None:
    """It is a part of the body, and one of what is sent in every case where there is a body in JSON."""
    wording = WORDINGS[name]
    reads = Reads.of(wording.data)
    for what in (*Condition, *CallError):
        answer = wording.refusal(Refusal(what, DETAILS[0]), PLACE, NO_QUIRKS)
        body = decode(answer.body)
        if body is None:
            continue  # a page
        text = reads.refusal(body)
        assert text, what
        assert msgspec.json.encode(text)[1:-1] in answer.body


@pytest.mark.parametrize(
    ("name", "header"),
    [("pixazo", "retry-after"), ("segmind", "x-rate-limit-reset-at-utc"), ("wavespeed", "retry-after")],
)
def test_when_to_come_back_is_read_back(name: str, header: str) -> None:
    wording = WORDINGS[name]
    answer = wording.refusal(Refusal(Condition.RATE_LIMITED, DETAILS[0]), PLACE, NO_QUIRKS)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    assert Reads.of(wording.data).retry_after(headers) == headers[header]
    assert Reads.of(wording.data).retry_after({}) == ""


STRANGE: list[Any] = [
    None,
    [],
    {},
    "text",
    {"request_id": 7, "status": None, "output": [None, 3], "error": {"a": 1}},
    {"data": []},
    {"data": {"id": [], "status": {}, "outputs": {"0": "x"}, "code": True, "urls": "x"}},
    {"status": "unheard-of"},
]


@pytest.mark.parametrize("body", STRANGE)
@every_provider
def test_what_nobody_documents_reads_as_nothing(name: str, body: Any) -> None:
    told = Reads.of(WORDINGS[name].data).told(body) or Told("")
    assert told._replace(word="") == Told("")


@pytest.mark.parametrize("word", ["cancelled", "Timeout", "DELETED"])
def test_further_words_are_read_in_any_case(word: str) -> None:
    told = Reads.of(WORDINGS["wavespeed"].data).told({"data": {"id": "x", "status": word}})
    assert told == Told("x", word, (State.FAILED,))


def test_a_word_for_two_ends_is_read_as_both() -> None:
    told = Reads.of(WORDINGS["wavespeed"].data).told({"data": {"status": "failed"}})
    assert told == Told("", "failed", (State.FAILED, State.ERROR))


def test_a_failure_without_a_word_of_its_own_is_told_by_what_only_it_has() -> None:
    reads = Reads.of(WORDINGS["fal"].data)
    assert reads.told({"status": "COMPLETED"}) == Told("", "COMPLETED", (State.COMPLETED,))
    failed = Told("", "COMPLETED", (State.FAILED, State.ERROR), error="x")
    assert reads.told({"status": "COMPLETED", "error": "x"}) == failed
