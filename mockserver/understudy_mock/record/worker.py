"""A thread that does one piece of work after the other, small ones first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from queue import PriorityQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")

_SMALL = 256 * 1024
"""Bytes up to which a piece of work is small: it takes some ms."""

_Piece = tuple[bool, int, Future[Any] | None, Callable[[], Any]]


class Worker:
    """The thread, and what waits for it. Equally urgent pieces are done in the order in which they came."""

    def __init__(self, name: str) -> None:
        self._waiting: PriorityQueue[_Piece] = PriorityQueue()
        self._numbers = count()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, size: int, work: Callable[[], Result]) -> Future[Result]:
        """Have some work on `size` bytes done. A small piece need not wait for large ones, but for one."""
        future: Future[Result] = Future()
        self._waiting.put((size > _SMALL, next(self._numbers), future, work))
        return future

    def close(self) -> None:
        """Wait until all that was asked for is done, and end the thread."""
        self._waiting.put((True, next(self._numbers), None, lambda: None))
        self._thread.join()

    def _work(self) -> None:
        while (piece := self._waiting.get())[2] is not None:
            _, _, future, work = piece
            if future is None or not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # whoever asked for it decides
                future.set_exception(error)
            del piece, future, work  # or a body would be held until the next piece comes
