"""Laws of the plan: which callbacks a life brings, when each is due, and what it tells."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_mock.domain.scenario import Webhook
from understudy_mock.domain.timeline import TERMINAL, State, Step, Timeline
from understudy_mock.domain.webhook import MAX_PROGRESS, TICK, Callback, Mode, callbacks

ENOUGH = 300
"""Callbacks looked at of a job that never ends."""

AS_DOCUMENTED = Webhook()
ENDS = [State.COMPLETED, State.FAILED, State.ERROR]

modes: st.SearchStrategy[Mode] = st.sampled_from(("terminal", "sync"))
speeds = st.sampled_from([0.5, 7.0, 30.0, 70.0, 200.0, 1000.0, 1e6]) | st.floats(0.5, 1e6)
delays = st.just(0.0) | st.floats(0, 100)


@st.composite
def timelines(draw: st.DrawFn, *, ends: bool | None = None) -> Timeline:
    """Draw lives with every legal course, instants that coincide included."""
    first, second = sorted(draw(st.tuples(st.integers(0, 600), st.integers(0, 600))))
    steps = [Step(0, State.QUEUED)]
    if draw(st.booleans()):
        steps.append(Step(first, State.PROCESSING))
    if draw(st.booleans()) if ends is None else ends:
        steps.append(Step(second, draw(st.sampled_from(ENDS))))
    return Timeline(tuple(steps))


def wishes(**given_fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Webhook]:
    """Draw mischief; a field not given is drawn, too."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "copies": st.integers(1, 4),
        "drop": st.booleans(),
        "delay": delays,
        "early": st.booleans(),
        "late_progress": st.booleans(),
        "reorder": st.booleans(),
        "signature": st.sampled_from(["good", "bad", "stale", "missing"]),
    }
    return st.builds(Webhook, **(drawn | given_fields))


def plan(timeline: Timeline, mode: Mode, wish: Webhook, speed: float) -> list[Callback]:
    """Plan a life, or the beginning of one that does not end."""
    planned = callbacks(timeline, mode, wish, speed)
    return list(planned if timeline.end is not None else islice(planned, ENOUGH))


def due(planned: list[Callback], after: int, until: int) -> list[Callback]:
    """Tell which are due over (after, until]."""
    return [callback for callback in planned if after < callback.at <= until]


def end_of(timeline: Timeline) -> Step:
    """The end of a life that is known to have one."""
    assert timeline.end is not None
    return timeline.end


# -- laws of every plan


@given(timelines(), modes, wishes(), speeds, st.tuples(*[st.integers(-1, 2_000)] * 3))
def test_due_over_a_to_c_are_those_over_a_to_b_and_then_those_over_b_to_c(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float, cuts: tuple[int, int, int]
) -> None:
    a, b, c = sorted(cuts)
    planned = plan(timeline, mode, wish, speed)
    assert due(planned, a, c) == due(planned, a, b) + due(planned, b, c)


@given(timelines(), modes, wishes(), speeds)
def test_planning_twice_gives_the_same_plan(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float
) -> None:
    assert plan(timeline, mode, wish, speed) == plan(timeline, mode, wish, speed)


@given(timelines(), modes, wishes(), speeds)
def test_offsets_never_fall(timeline: Timeline, mode: Mode, wish: Webhook, speed: float) -> None:
    planned = plan(timeline, mode, wish, speed)
    assert all(one.at <= next_one.at for one, next_one in pairwise(planned))
    assert all(callback.at >= 0 for callback in planned)


@given(timelines(), modes, wishes(), speeds)
def test_no_two_callbacks_of_a_job_have_one_key(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float
) -> None:
    planned = plan(timeline, mode, wish, speed)
    assert len({callback.key for callback in planned}) == len(planned)


@given(timelines(), modes, wishes(), speeds)
def test_nothing_is_told_before_it_is_so(timeline: Timeline, mode: Mode, wish: Webhook, speed: float) -> None:
    """Each callback tells a step of the life that the job has reached when the callback is due."""
    for callback in plan(timeline, mode, wish, speed):
        assert callback.step in timeline.steps
        assert callback.step.at <= callback.at
        assert (callback.event == "terminal") is (callback.step.state in TERMINAL)


# -- the two modes


@given(timelines(ends=True), wishes(drop=st.just(False), late_progress=st.just(False)), speeds)
def test_terminal_mode_brings_exactly_one_at_the_end(timeline: Timeline, wish: Webhook, speed: float) -> None:
    """Once for each copy, the wished delay later, and nothing else."""
    end = end_of(timeline)
    planned = plan(timeline, "terminal", wish, speed)
    assert len(planned) == wish.copies
    assert {callback.at for callback in planned} == {end.at + round(wish.delay * 1000 / speed)}
    assert {callback.step for callback in planned} == {end}


@given(timelines(ends=False), wishes(), speeds)
def test_terminal_mode_brings_nothing_for_a_job_that_never_ends(
    timeline: Timeline, wish: Webhook, speed: float
) -> None:
    assert plan(timeline, "terminal", wish, speed) == []


@given(timelines(), speeds)
def test_sync_ticks_are_at_most_15_provider_seconds_apart(timeline: Timeline, speed: float) -> None:
    """From the submit to the end; beyond one tick a ms there is no finer time."""
    planned = plan(timeline, "sync", AS_DOCUMENTED, speed)
    longest = max(1.0, TICK * 1000 / speed)
    instants = [0, *(callback.at for callback in planned)]
    assert all(later - earlier <= longest for earlier, later in pairwise(instants))


@given(timelines(ends=True), speeds)
def test_sync_ends_with_the_terminal_one_after_progress_alone(timeline: Timeline, speed: float) -> None:
    """Progress is told strictly before the end, each as the job is at that tick."""
    planned = list(callbacks(timeline, "sync", AS_DOCUMENTED, speed))
    end = end_of(timeline)
    *progress, last = planned
    assert (last.at, last.event, last.step) == (end.at, "terminal", end)
    for callback in progress:
        assert callback.event == "progress"
        assert callback.at < end.at
        assert callback.step == timeline.at(callback.at)


@given(timelines(ends=False), wishes(drop=st.just(False)), speeds)
def test_sync_for_a_job_that_never_ends_tells_progress_a_thousand_times(
    timeline: Timeline, wish: Webhook, speed: float
) -> None:
    planned = list(callbacks(timeline, "sync", wish, speed))
    assert len(planned) == MAX_PROGRESS * wish.copies
    assert all(callback.event == "progress" for callback in planned)
    assert planned[-1].at > planned[0].at


@given(wishes(drop=st.just(False), late_progress=st.just(False), copies=st.just(1)), st.integers(0, 3))
def test_a_life_longer_than_all_progress_still_tells_its_end(wish: Webhook, more: int) -> None:
    timeline = Timeline((Step(0, State.QUEUED), Step(TICK * 1000 * (MAX_PROGRESS + more), State.COMPLETED)))
    planned = list(callbacks(timeline, "sync", wish, 1.0))
    assert sum(callback.event == "terminal" for callback in planned) == 1
    assert len(planned) == 1 + MAX_PROGRESS - (more == 0)


# -- mischief


@given(timelines(), modes, wishes(drop=st.just(True)), speeds)
def test_dropped_means_none(timeline: Timeline, mode: Mode, wish: Webhook, speed: float) -> None:
    assert plan(timeline, mode, wish, speed) == []


@given(timelines(ends=True), modes, wishes(copies=st.just(1)), speeds, st.integers(2, 5))
def test_n_copies_are_n_of_each_one_right_after_the_other(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float, copies: int
) -> None:
    once = list(callbacks(timeline, mode, wish, speed))
    many = list(callbacks(timeline, mode, changed(wish, copies=copies), speed))
    assert [callback._replace(key="") for callback in many] == [
        callback._replace(key="") for callback in once for _ in range(copies)
    ]
    assert [callback.key for callback in many[::copies]] == [callback.key for callback in once]


@given(timelines(ends=True), modes, wishes(delay=st.just(0.0)), speeds, delays)
def test_a_delay_shifts_all_and_changes_nothing_else(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float, delay: float
) -> None:
    shift = round(delay * 1000 / speed)
    prompt = list(callbacks(timeline, mode, wish, speed))
    delayed = list(callbacks(timeline, mode, changed(wish, delay=delay), speed))
    assert delayed == [callback._replace(at=callback.at + shift) for callback in prompt]


@given(timelines(), modes, speeds)
def test_reordering_swaps_neighbours(timeline: Timeline, mode: Mode, speed: float) -> None:
    """Each is told once, as it would have been, and at most one place away from where it belongs."""
    straight = plan(timeline, mode, AS_DOCUMENTED, speed)
    swapped = plan(timeline, mode, Webhook(reorder=True), speed)
    if timeline.end is None:  # an even number of an endless row: whole pairs
        straight, swapped = straight[:100], swapped[:100]
    place = {callback.key: index for index, callback in enumerate(straight)}
    for index, callback in enumerate(swapped):
        assert abs(place[callback.key] - index) <= 1
        assert callback.step == straight[place[callback.key]].step
    assert len(swapped) == len(straight)


@given(timelines(ends=True), speeds)
def test_reordered_the_final_one_comes_before_some_progress(timeline: Timeline, speed: float) -> None:
    """Where there is any progress to tell, the final one is the last but one, at its own instant."""
    swapped = list(callbacks(timeline, "sync", Webhook(reorder=True), speed))
    if len(swapped) > 1:
        assert [callback.event for callback in swapped[-2:]] == ["terminal", "progress"]
        assert swapped[-2].at == swapped[-1].at == end_of(timeline).at
    else:
        assert [callback.event for callback in swapped] == ["terminal"]


@given(timelines(ends=True), modes, wishes(drop=st.just(False), late_progress=st.just(True)), speeds)
def test_late_progress_comes_after_the_end_and_tells_of_before(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float
) -> None:
    planned = list(callbacks(timeline, mode, wish, speed))
    delay = round(wish.delay * 1000 / speed)
    late = planned[-wish.copies :]
    assert {callback.event for callback in late} == {"progress"}
    assert {callback.step for callback in late} == {timeline.steps[-2]}
    assert all(callback.at > end_of(timeline).at + delay for callback in late)
    without = list(callbacks(timeline, mode, changed(wish, late_progress=False), speed))
    assert planned[: -wish.copies] == without


# -- ended by hand


@given(
    timelines(),
    modes,
    wishes(drop=st.just(False), reorder=st.just(False)),
    speeds,
    st.integers(0, 600),
    st.sampled_from(ENDS),
)
def test_ending_by_hand_keeps_what_was_due_before(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float, age: int, state: State
) -> None:
    """The shorter life's plan begins with what was due, so nothing sent is sent again or in another form."""
    if timeline.at(age).state in TERMINAL:
        with pytest.raises(ValueError, match="already ended"):
            timeline.ended(age, state, None)
        return
    before = due(plan(timeline, mode, wish, speed), -1, age - 1)
    after = plan(timeline.ended(age, state, None), mode, wish, speed)
    assert after[: len(before)] == before
    told = [callback for callback in after if callback.event == "terminal"]
    assert len(told) == wish.copies
    assert {callback.step for callback in told} == {Step(age, state)}


@given(timelines(), modes, wishes(drop=st.just(False)), speeds, st.integers(0, 600))
def test_ending_by_hand_keeps_the_keys_of_what_was_due(
    timeline: Timeline, mode: Mode, wish: Webhook, speed: float, age: int
) -> None:
    """Reordered or not: whoever leaves out the keys already sent sends each of the others once."""
    if timeline.at(age).state in TERMINAL:
        return
    before = due(plan(timeline, mode, wish, speed), -1, age - 1)
    after = plan(timeline.ended(age, State.FAILED, "by hand"), mode, wish, speed)
    assert {callback.key for callback in before} <= {callback.key for callback in after}


def changed(wish: Webhook, **changes: Any) -> Webhook:
    """Change fields of a wish."""
    fields = {name: getattr(wish, name) for name in Webhook.__struct_fields__}
    return Webhook(**(fields | changes))
