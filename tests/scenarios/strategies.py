"""Scenarios drawn at random, valid by construction: every field, every value that is allowed."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from hypothesis import strategies as st

from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import FAULTS, Account, Course, Entry, Scenario, Webhook
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())

T = TypeVar("T")
Surface = Literal["submit", "poll", "media"]


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
seconds = st.floats(min_value=0, max_value=86_400)
usd = st.floats(min_value=0, max_value=1_000_000_000)
counts = st.integers(0, 3) | st.integers(0, 1_000_000)
times = st.integers(1, 3) | st.integers(1, 1_000_000) | st.just("always")
models = st.sampled_from(["hunyuan-video", "hunyuan-image", "pixverse", "wavespeed-ai/hunyuan-video/i2v"])


def some(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """Draw a value, or that the field is left out."""
    return st.none() | strategy


@st.composite
def entries(
    draw: st.DrawFn,
    surface: Surface,
    *,
    after: st.SearchStrategy[int] = counts,
    times: st.SearchStrategy[Any] = times,
    longest: float = 3_600,
) -> Entry:
    """Draw one thing that goes wrong on a surface. `longest` bounds hangs and slow bodies, in seconds."""
    common: dict[str, Any] = {"after": draw(after), "times": draw(times)}
    if surface == "submit":
        common["accept"] = draw(st.booleans())
    if draw(st.booleans()):
        fault = draw(st.sampled_from(sorted(FAULTS)))
        if fault == "reset":
            common["where"] = draw(some(st.sampled_from(["before", "middle", "after"])))
        if fault in ("hang", "slow"):
            common["seconds"] = draw(some(st.floats(min_value=0, max_value=longest)))
        return Entry(fault=fault, **common)  # type: ignore[arg-type]  # one of FAULTS
    common["retry_after"] = draw(some(st.integers(0, 86_400) | st.sampled_from(["http-date", "none"])))
    common["body"] = draw(some(texts))
    if draw(st.booleans()):
        return Entry(condition=draw(st.sampled_from(Condition)), **common)
    status = draw(st.integers(200, 599))
    if status in (204, 304):
        common["body"] = None
    return Entry(status=status, **common)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Draw a job's course."""
    end = draw(some(st.sampled_from(["COMPLETED", "FAILED", "ERROR", "never"])))
    given: dict[str, Any] = {
        "queued": draw(some(seconds)),
        "processing": draw(some(seconds)),
        "end": end,
        "code": draw(some(st.integers(0, 9_999))),
        "outputs": draw(some(st.integers(1, 16))),
        "nsfw": draw(st.booleans()),
        "status_name": draw(some(st.text(st.characters(codec="utf-8"), min_size=1, max_size=64))),
    }
    if end in ("FAILED", "ERROR"):
        given["error"] = draw(some(texts))
    if end in ("FAILED", "ERROR", "never"):
        given["end_from"] = draw(st.sampled_from(["queued", "processing"]))
    return Course(**given)


webhooks = st.builds(
    Webhook,
    copies=st.integers(1, 100),
    drop=st.booleans(),
    delay=seconds,
    early=st.booleans(),
    late_progress=st.booleans(),
    reorder=st.booleans(),
    signature=st.sampled_from(["good", "bad", "stale", "missing"]),
)

rate_limits = st.builds("{}/{}".format, st.integers(1, 9_999_999), st.integers(1, 9_999_999))

accounts = st.builds(
    Account,
    balance=some(usd),
    rate_limit=some(rate_limits),
    disabled_models=st.lists(models, max_size=2).map(tuple),
)

quirk_names = st.lists(st.sampled_from(sorted(QUIRKS)), max_size=3).map(tuple)


def lists_of(entry: st.SearchStrategy[Entry]) -> st.SearchStrategy[tuple[Entry, ...]]:
    """Draw the entries of one surface."""
    return st.lists(entry, max_size=4).map(tuple)


def scenarios() -> st.SearchStrategy[Scenario]:
    """Draw any scenario at all."""
    return st.builds(
        Scenario,
        name=names,
        summary=texts,
        advice=texts,
        submit=lists_of(entries("submit")),
        poll=lists_of(entries("poll")),
        media=lists_of(entries("media")),
        job=courses(),
        webhook=webhooks,
        account=accounts,
        quirks=quirk_names,
    )


def playable() -> st.SearchStrategy[Scenario]:
    """Draw scenarios whose entries are met within a few calls, and whose account is as it was."""
    short = {"after": st.integers(0, 2), "times": st.integers(1, 3), "longest": 5.0}
    return st.builds(
        Scenario,
        name=st.just("drawn"),
        submit=lists_of(entries("submit", **short)),  # type: ignore[arg-type]  # the three keywords above
        poll=lists_of(entries("poll", **short)),  # type: ignore[arg-type]
        media=lists_of(entries("media", **short)),  # type: ignore[arg-type]
        job=st.builds(Course, queued=st.just(0), processing=st.just(0), outputs=some(st.integers(1, 3))),
    )
