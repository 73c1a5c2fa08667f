"""Hypothesis strategies for the domain's values: timelines, courses, entries and whole scenarios."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.planning import Durations, Ending
from understudy_mock.domain.scenario import FAULTS, Account, Course, Entry, Scenario, Webhook
from understudy_mock.domain.timeline import TERMINAL, State, Step, Timeline
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())

FINAL = sorted(TERMINAL)

RANK = {
    State.QUEUED: 0,
    State.PROCESSING: 1,
    State.COMPLETED: 2,
    State.FAILED: 2,
    State.ERROR: 2,
}

ages = st.integers(0, 10_000)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z")
_seconds = st.floats(0, 86_400, allow_nan=False) | st.integers(0, 86_400).map(float)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Draw lives with every legal course, instants that coincide included."""
    first, second = sorted(draw(st.tuples(ages, ages)))
    steps = [Step(0, State.QUEUED)]
    if draw(st.booleans()):
        steps.append(Step(first, State.PROCESSING))
    if draw(st.booleans()):
        steps.append(Step(second, draw(st.sampled_from(FINAL))))
    return Timeline(tuple(steps))


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value or None."""
    return st.none() | strategy


@st.composite
def entries(draw: st.DrawFn, *, accept: bool = False) -> Entry:
    """Draw what a surface meets once or more often."""
    fields: dict[str, Any] = {
        "after": draw(st.integers(0, 5)),
        "times": draw(st.integers(1, 5) | st.just("always")),
    }
    what = draw(st.sampled_from(["condition", "status", "fault"]))
    if what == "fault":
        fault = draw(st.sampled_from(sorted(FAULTS)))
        fields["fault"] = fault
        if fault == "reset":
            fields["where"] = draw(some(st.sampled_from(["before", "middle", "after"])))
        if fault in ("hang", "slow"):
            fields["seconds"] = draw(some(st.floats(0, 3_600)))
    else:
        fields[what] = draw(
            st.sampled_from(list(Condition)) if what == "condition" else st.integers(200, 599)
        )
        waits = st.integers(0, 86_400) | st.sampled_from(["http-date", "none"])
        fields["retry_after"] = draw(some(waits))
        if fields.get("status") not in (204, 304):
            fields["body"] = draw(some(texts))
    if accept:
        fields["accept"] = draw(st.booleans())
    return Entry(**fields)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Draw a job's course as a scenario words it."""
    end = draw(some(st.sampled_from(["COMPLETED", "FAILED", "ERROR", "never"])))
    fields: dict[str, Any] = {"end": end}
    if end in ("FAILED", "ERROR"):
        fields["error"] = draw(some(texts))
    if end in ("FAILED", "ERROR", "never"):
        fields["end_from"] = draw(st.sampled_from(["queued", "processing"]))
    return Course(
        queued=draw(some(_seconds)),
        processing=draw(some(_seconds)),
        code=draw(some(st.integers(0, 9_999))),
        outputs=draw(some(st.integers(1, 16))),
        nsfw=draw(st.booleans()),
        status_name=draw(some(texts.filter(bool))),
        **fields,
    )


durations = st.builds(Durations, _seconds, _seconds)
endings = st.builds(
    Ending, st.sampled_from(FINAL), st.none() | st.just("because"), st.none() | st.integers(1, 9)
)
speeds = st.floats(0.001, 1_000_000)

webhooks = st.builds(
    Webhook,
    copies=st.integers(1, 100),
    drop=st.booleans(),
    delay=_seconds,
    early=st.booleans(),
    late_progress=st.booleans(),
    reorder=st.booleans(),
    signature=st.sampled_from(["good", "bad", "stale", "missing"]),
)
accounts = st.builds(
    Account,
    balance=some(st.floats(0, 1_000_000_000)),
    rate_limit=some(st.builds("{}/{}".format, st.integers(1, 999), st.integers(1, 999))),
    disabled_models=st.lists(names, max_size=2).map(tuple),
)
scenarios = st.builds(
    Scenario,
    name=names,
    summary=texts,
    advice=texts,
    submit=st.lists(entries(accept=True), max_size=3).map(tuple),
    poll=st.lists(entries(), max_size=3).map(tuple),
    media=st.lists(entries(), max_size=3).map(tuple),
    job=courses(),
    webhook=webhooks,
    account=accounts,
    quirks=st.lists(st.sampled_from(list(QUIRKS)), unique=True, max_size=3).map(tuple),
)
