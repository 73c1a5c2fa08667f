"""The thread of a recording: one piece of work after the other, small ones before large ones."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from understudy_mock.record.worker import Worker

LARGE = 10_000_000


@pytest.fixture
def done() -> list[str]:
    return []


def _note(done: list[str], name: str) -> Callable[[], None]:
    return lambda: done.append(name)


def test_a_small_piece_waits_for_one_large_one_alone(done: list[str]) -> None:
    """And equally urgent ones keep their order."""
    worker, may_go_on = Worker("test"), Event()
    worker.submit(LARGE, may_go_on.wait)
    for size, name in ((LARGE, "large 1"), (LARGE, "large 2"), (10, "small 1"), (10, "small 2")):
        worker.submit(size, _note(done, name))
    may_go_on.set()
    worker.close()
    assert done == ["small 1", "small 2", "large 1", "large 2"]


def test_what_fails_is_told_and_the_rest_is_done(done: list[str]) -> None:
    worker = Worker("test")
    failed = worker.submit(1, lambda: 1 // 0)
    worker.submit(1, _note(done, "after"))
    worker.close()
    assert isinstance(failed.exception(), ZeroDivisionError)
    assert done == ["after"]


def test_what_nobody_waits_for_before_it_has_begun_is_left_out(done: list[str]) -> None:
    worker, may_go_on = Worker("test"), Event()
    worker.submit(1, may_go_on.wait)
    worker.submit(1, _note(done, "unwanted")).cancel()
    may_go_on.set()
    worker.close()
    assert done == []
