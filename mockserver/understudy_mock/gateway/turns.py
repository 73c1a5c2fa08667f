"""Work that would hold the event loop: much of it is done a little at a time, what is large in a thread.

A piece of work takes at most some 20 ms, or the gateway's other callers wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

Item = TypeVar("Item")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_TURN = 0.004
"""Real seconds of work until others have their turn."""

LARGE = 256 * 1024
"""Bytes from which on a body is read in a thread: what takes a millisecond or more."""

_FREED = 32
"""Objects that are let go of at a time."""

_reader = ThreadPoolExecutor(1, "large-bodies")
"""Large bodies are read one after the other: threads that all want the interpreter slow the loop down."""


async def in_turns(items: Iterable[Item], turn: float = _TURN) -> AsyncIterator[Item]:
    """Iterate over some items, and let others have their turn after each `turn` real seconds.

    The items must not change meanwhile: pass a copy, or what is held by nothing else.
    """
    await asyncio.sleep(0)  # to copy a hundred thousand of them was a turn of its own
    began = perf_counter()
    for item in items:
        yield item
        if perf_counter() - began > turn:
            await asyncio.sleep(0)
            began = perf_counter()


async def let_go(*held: list[Any]) -> None:
    """Empty some lists a little at a time: to free a hundred thousand objects takes a while, too."""
    for items in held:
        async for _ in in_turns(range(0, len(items), _FREED)):
            del items[-_FREED:]


async def apart(
    size: int, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Do some work on `size` bytes: here where they are few, in a thread where they are many.

    The work must read only what does not change, and must be as good at any later moment.
    """
    if size < LARGE:
        return work(*arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_reader, partial(work, *arguments, **named))
