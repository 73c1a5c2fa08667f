"""What each provider's wording sends, written down: every answer by state, condition and quirk.

`python -m tests.wording.golden` writes the files in `golden/` anew. They were first written by the Python
modules that worded the providers before `provider.yaml` did; change one only together with its source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.call import Answer
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Violation
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.facts import (
    Balance,
    JobPage,
    Models,
    Secret,
    StillRunning,
    Stored,
    Ticket,
    Upload,
    Uploaded,
)
from understudy_mock.domain.job import Job, canonical
from understudy_mock.domain.model import Model
from understudy_mock.domain.timeline import State, Step, Timeline
from understudy_mock.wording import Place, shipped

FOLDER = Path(__file__).parent / "golden"

_CREATED = 1_790_000_000_123
_ODD = 'a "quoted" \\ text: é 猫 {braces} 100%\n'
_PLACE = Place(
    "gateway.test", "/hunyuan-video/v1/hunyuan-video-request", "0f0e0d0c-0b0a-4908-8706-050403020100"
)


def _timeline(end: State, **fields: Any) -> Timeline:
    return Timeline((Step(0, State.QUEUED), Step(5_250, State.PROCESSING), Step(110_875, end)), **fields)


_LIVES = {
    "completed": _timeline(State.COMPLETED),
    "flagged": _timeline(State.COMPLETED, nsfw=True),
    "failed": _timeline(State.FAILED, error=_ODD, code=1402),
    "failed without a reason": _timeline(State.FAILED),
    "failed, flagged": _timeline(State.FAILED, error="", nsfw=True),
    "error": _timeline(State.ERROR, error="worker died"),
    "another word": _timeline(State.COMPLETED, processing_as="warming_up"),
    "at once": Timeline((Step(0, State.QUEUED), Step(40, State.COMPLETED))),
}


def _job(model: Model, life: Timeline, quirks: frozenset[str], outputs: int = 1) -> Job:
    root = bytes(range(32))
    asked = canonical({"prompt": _ODD, "seed": 7})
    return Job(
        id=shipped()[model.provider].mint_id(model, _CREATED, Draw(root), quirks),
        account="acct_00000000",
        model=model,
        asked=asked,
        root=root,
        created=_CREATED,
        timeline=life,
        origin="https://api.test",
        media_origin="https://files.test",
        price=1_250_000,
        held=True,
        outputs=outputs,
        format=model.media.format_of({}),
        quirks=quirks,
    )


def _sets(wording: Any, model: Model) -> Iterator[frozenset[str]]:
    """Yield no quirk, each one, each pair of those that change answers about jobs, and all."""

    def sent(*quirks: str) -> list[str]:
        return [_written(answer) for _, answer in _of_jobs(wording, model, frozenset(quirks))]

    names = sorted(wording.quirks)
    as_documented = sent()
    telling = [name for name in names if sent(name) != as_documented]
    every = [frozenset[str](), *(frozenset({name}) for name in names)]
    every += [frozenset({name, other}) for name in telling for other in telling if name < other]
    yield from dict.fromkeys([*every, frozenset(names)])


def _of_jobs(wording: Any, model: Model, quirks: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for life, timeline in _LIVES.items():
        job = _job(model, timeline, quirks, outputs=2 if life == "flagged" else 1)
        if life == "completed":
            yield "submit", wording.accepted(job)
            yield "late", wording.answer(StillRunning(job, timeline.steps[0], 90.0))
        for step in timeline.steps:
            urls = job.media_urls(step)
            where = f"{life}, {step.state}"
            yield f"{where}: status", wording.status(job, step, urls)
            yield f"{where}: callback", wording.callback(job, step, urls)
            yield f"{where}: result", wording.result(job, step, urls, 34_567, 8_750_000)
            yield f"{where}: finished", wording.finished(job, step, urls, b"<file>", 8_750_000)


def _of_lookups(wording: Any, catalog: Catalog) -> Iterator[tuple[str, Any]]:
    models = [model for model in catalog.models if model.provider == wording.name]
    jobs = [_job(models[0], life, frozenset()) for life in _LIVES.values()]
    items = [(job, job.timeline.steps[-1], job.media_urls(job.timeline.steps[-1])) for job in jobs]
    file = Upload("file-1", "acct_00000000", "cat é.png", "image/png", "https://files.test/cat.png", b"12345")
    for name, facts in {
        "secret": Secret("whsec_0123456789abcdef"),
        "balance": Balance(12_345_678, alias=False),
        "balance at the second path": Balance(0, alias=True),
        "models": Models([(model, 1_250_000 + index) for index, model in enumerate(models)]),
        "no models": Models([]),
        "list": JobPage(2, 42, items),
        "empty list": JobPage(1, 0, []),
        "upload": Uploaded([file]),
        "ticket": Ticket(file, "https://api.test/put/1"),
        "keep": Stored(),
    }.items():
        yield name, wording.answer(facts)
    yield "signature", wording.sign("whsec_0123456789abcdef", "event-1", _CREATED, b'{"id":"1"}')


def _of_refusals(wording: Any, quirks: frozenset[str]) -> Iterator[tuple[str, Any]]:
    violations = (
        Violation("prompt", missing=True, reason="is required"),
        Violation("seed", missing=False, reason="is no integer"),
        Violation("", missing=False, reason=_ODD),
    )
    details = {
        "plain": Detail(),
        "told": Detail(
            violations=violations[:1],
            text=_ODD,
            retry_after=93_784,
            resets_at=_CREATED,
            allowed=("GET", "POST"),
            model="a/model",
            job='job "1"',
            balance=1_234_500,
            price=2_000_000,
        ),
        "several": Detail(violations=violations, retry_after=0, allowed=("PUT",), balance=0),
        "the body": Detail(violations=violations[2:]),
    }
    for what in (*Condition, *CallError):
        for name, detail in details.items():
            yield f"{what}, {name}", wording.refusal(Refusal(what, detail), _PLACE, quirks)
    yield "422", wording.unconditioned(422)


def _written(sent: Any) -> str:
    match sent:
        case None:
            return "nothing"
        case Answer():
            headers = [f"{name.decode()}: {value.decode('latin-1')}" for name, value in sent.headers]
            return "\n".join([str(sent.status), *headers, "", sent.body.decode()]).rstrip("\n")
        case bytes():
            return sent.decode()
        case _:
            return "\n".join(f"{name.decode()}: {value.decode()}" for name, value in sent)


def golden(provider: str, catalog: Catalog) -> str:
    """Return the file of a provider: what is sent, each text once, below the cases in which it is."""
    wording = shipped()[provider]
    cases: dict[str, list[str]] = {}
    models = [model for model in catalog.models if model.provider == provider]
    kinds = {model.media.format_of({}): model for model in reversed(models)}
    for quirks in _sets(wording, models[0]):
        under = " ".join(sorted(quirks)) or "as documented"
        for model in kinds.values() if not quirks else models[:1]:
            for name, sent in _of_jobs(wording, model, quirks):
                cases.setdefault(_written(sent), []).append(f"{under} | {model.id} | {name}")
        if len(quirks) < 2:
            for name, sent in _of_refusals(wording, quirks):
                cases.setdefault(_written(sent), []).append(f"{under} | {name}")
    for name, sent in _of_lookups(wording, catalog):
        cases.setdefault(_written(sent), []).append(name)
    return "".join("".join(f"## {name}\n" for name in names) + f"{text}\n\n" for text, names in cases.items())


def main() -> None:
    """Write the files anew."""
    catalog = open_catalog()
    FOLDER.mkdir(exist_ok=True)
    for provider in catalog.providers:
        (FOLDER / f"{provider}.txt").write_text(golden(provider, catalog), encoding="utf-8")


if __name__ == "__main__":
    main()
