"""Laws of a job's life: its state is a function of how old it is, and nothing else moves it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.domain.drawing import FINAL, RANK, ages, timelines
from understudy_mock.domain.timeline import TERMINAL, State, Step, Timeline


@given(timelines(), ages, ages)
def test_states_never_go_back(timeline: Timeline, one: int, other: int) -> None:
    earlier, later = sorted((one, other))
    assert RANK[timeline.at(earlier).state] <= RANK[timeline.at(later).state]
    assert timeline.at(earlier).at <= timeline.at(later).at


@given(timelines(), ages, ages)
def test_a_final_state_absorbs(timeline: Timeline, age: int, more: int) -> None:
    step = timeline.at(age)
    if step.state in TERMINAL:
        assert timeline.at(age + more) == step == timeline.end


@given(timelines(), st.lists(ages, max_size=20), ages)
def test_polling_any_number_of_times_gives_what_one_poll_gives(
    timeline: Timeline, polls: list[int], age: int
) -> None:
    alone = timeline.at(age)
    for earlier in polls:
        timeline.at(earlier)
        timeline.after(earlier)
    assert timeline.at(age) == alone


@given(timelines())
def test_after_walks_every_instant_and_ends(timeline: Timeline) -> None:
    walked, age = [], timeline.after(-1)
    while age is not None:
        walked.append(age)
        age = timeline.after(age)
    assert walked == sorted({step.at for step in timeline.steps})


@given(timelines(), ages)
def test_nothing_happens_before_what_after_tells(timeline: Timeline, age: int) -> None:
    following = timeline.after(age)
    if following is None:
        assert timeline.at(age) == timeline.at(10**9)
    else:
        assert timeline.at(following - 1) == timeline.at(age) != timeline.at(following)


@given(timelines())
def test_a_step_holds_from_its_own_millisecond_and_not_one_earlier(timeline: Timeline) -> None:
    for step in timeline.steps[1:]:
        assert RANK[timeline.at(step.at).state] >= RANK[step.state]
        if step.at:
            assert RANK[timeline.at(step.at - 1).state] < RANK[step.state]


@given(timelines(), ages, st.sampled_from(FINAL), ages)
def test_ending_by_hand_keeps_the_past_and_is_final(
    timeline: Timeline, age: int, state: State, probe: int
) -> None:
    assume(timeline.at(age).state not in TERMINAL)
    before = timeline.steps
    ended = timeline.ended(age, state, "by hand", 7)
    assert ended.at(probe) == (timeline.at(probe) if probe < age else Step(age, state))
    assert ended.end == Step(age, state)
    assert (ended.error, ended.code, ended.nsfw) == ("by hand", 7, False)
    assert timeline.steps == before
    with pytest.raises(ValueError, match="already ended"):
        ended.ended(age + probe, state, None)


@given(timelines(), ages, st.sampled_from([State.QUEUED, State.PROCESSING]))
def test_only_a_final_state_ends_a_job(timeline: Timeline, age: int, state: State) -> None:
    with pytest.raises(ValueError, match="does not end"):
        timeline.ended(age, state, None)


def test_a_job_without_a_final_step_never_ends() -> None:
    timeline = Timeline((Step(0, State.QUEUED), Step(5, State.PROCESSING)))
    assert timeline.end is None
    assert timeline.at(10**12).state is State.PROCESSING
