"""A life is planned once, from the documented durations, the scenario's course and the speed."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.domain.drawing import RANK, courses, durations, endings, speeds
from understudy_mock.domain.planning import COMPLETES, Durations, Ending, plan
from understudy_mock.domain.scenario import Course
from understudy_mock.domain.timeline import State, Step

_DURATIONS = Durations(11, 100)


@given(durations, courses(), endings, speeds)
def test_every_plan_is_a_legal_life(
    durations: Durations, course: Course, ending: Ending, speed: float
) -> None:
    steps = plan(durations, course, ending, speed).steps
    assert steps[0] == Step(0, State.QUEUED)
    assert [s.at for s in steps] == sorted(s.at for s in steps)
    ranks = [RANK[s.state] for s in steps]
    assert ranks == sorted(set(ranks))


@given(durations, courses(), endings, speeds)
def test_durations_are_divided_by_the_speed_to_the_nearest_millisecond(
    durations: Durations, course: Course, ending: Ending, speed: float
) -> None:
    queued = durations.queued if course.queued is None else course.queued
    processing = durations.processing if course.processing is None else course.processing
    timeline = plan(durations, course, ending, speed)
    started = next((s.at for s in timeline.steps if s.state is State.PROCESSING), None)
    if started is not None:
        assert abs(started - queued * 1000 / speed) <= 0.5
    if timeline.end is not None:
        whole = queued if course.end_from == "queued" else queued + processing
        assert abs(timeline.end.at - whole * 1000 / speed) <= 1


@given(durations, courses(), endings, speeds)
def test_equal_arguments_share_one_timeline(
    durations: Durations, course: Course, ending: Ending, speed: float
) -> None:
    again = plan(Durations(durations.queued, durations.processing), course, ending, speed)
    assert plan(durations, course, ending, speed) is again


@given(durations, courses(), endings, speeds)
def test_the_course_decides_the_end_and_the_ending_holds_where_it_names_none(
    durations: Durations, course: Course, ending: Ending, speed: float
) -> None:
    end = plan(durations, course, ending, speed).end
    if course.end == "never":
        assert end is None
    else:
        assert end is not None
        assert end.state == (course.end or ending.state)


@given(durations, courses(), endings, speeds)
def test_an_error_and_its_code_belong_to_failed_jobs_alone(
    durations: Durations, course: Course, ending: Ending, speed: float
) -> None:
    timeline = plan(durations, course, ending, speed)
    if timeline.end is None or timeline.end.state is State.COMPLETED:
        assert timeline.error is None
        assert timeline.code is None
    else:
        assert timeline.error == (course.error if course.error is not None else ending.error)
        assert timeline.code == (course.code if course.code is not None else ending.code)


@given(st.floats(0.001, 1e6))
@example(1.0)
@example(30.0)
def test_a_documented_job_takes_111_seconds_over_the_speed(speed: float) -> None:
    steps = plan(_DURATIONS, Course(), COMPLETES, speed).steps
    queued, processing = round(11_000 / speed), round(100_000 / speed)
    assert steps == (
        Step(0, State.QUEUED),
        Step(queued, State.PROCESSING),
        Step(queued + processing, State.COMPLETED),
    )


def test_a_job_that_ends_in_the_queue_is_never_processed() -> None:
    timeline = plan(_DURATIONS, Course(end="ERROR", end_from="queued"), COMPLETES, 1)
    assert timeline.steps == (Step(0, State.QUEUED), Step(11_000, State.ERROR))


def test_a_job_stuck_in_the_queue_stays_queued() -> None:
    timeline = plan(_DURATIONS, Course(end="never", end_from="queued"), COMPLETES, 1)
    assert timeline.steps == (Step(0, State.QUEUED),)
