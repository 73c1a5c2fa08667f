"""The machine under the measurement: its cores, and what a process holds of its memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class CannotMeasureError(Exception):
    """Something that keeps the bench from running: one line for people."""


def two_cores() -> tuple[int, int]:
    """Choose a core for the server and another for the load; the same one twice where there is only one."""
    if not hasattr(os, "sched_setaffinity"):
        raise CannotMeasureError("this system cannot pin a process to a core: the bench needs Linux")
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextlib.contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Hold this process, and those it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def private_bytes(pid: int) -> int:
    """Tell the memory that a process has for itself alone (USS), in bytes."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {name: int(value.split()[0]) for name, _, value in (row.partition(":") for row in rows)}
    return (kib["Private_Clean"] + kib["Private_Dirty"]) * 1024


def worked_us(pid: int) -> float:
    """Tell how long the threads of a process have had a core, in microseconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1000
