"""Work that would hold the event loop: much of it is done a little at a time, what is large in a thread.

A piece of work takes at most some 20 ms, or the gateway's other callers wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

Item = TypeVar("Item")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_TURN = 0.004
"""Real seconds of work until others have their turn."""

LARGE = 256 * 1024
"""Bytes from which on a body is read in a thread: what takes a millisecond or more."""

_FREED = 32
"""Objects that are let go of at a time."""


class Turnstile:
    """Lets some pass in each turn of the event loop, first come, first served.

    What falls due together would else begin together, and nobody else's call would be answered meanwhile.
    """

    __slots__ = ("_is_turning", "_left", "_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_turning = False

    async def passed(self) -> None:
        """Wait to pass."""
        loop = asyncio.get_running_loop()
        if not self._is_turning:
            self._is_turning = True
            loop.call_soon(self._turn, loop)
        if self._left:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = self._most
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        self._is_turning = self._left < self._most
        if self._is_turning:
            loop.call_soon(self._turn, loop)


_turnstiles: WeakKeyDictionary[asyncio.AbstractEventLoop, Turnstile] = WeakKeyDictionary()
"""Where long pieces of work wait for their turns, by event loop: in each turn of it one of them goes on."""

_reader = ThreadPoolExecutor(1, "large-bodies")
"""Large bodies are read one after the other: threads that all want the interpreter slow the loop down."""


async def in_turns(items: Iterable[Item], turn: float = _TURN) -> AsyncIterator[Item]:
    """Iterate over some items, and let others have their turn after each `turn` real seconds.

    However many do so at once, only one of them goes on before all other callers have had their turn. The
    items must not change meanwhile: pass a copy, or what is held by nothing else.
    """
    await _next_turn()  # to copy a hundred thousand of them was a turn of its own
    began = perf_counter()
    for item in items:
        yield item
        if perf_counter() - began > turn:
            await _next_turn()
            began = perf_counter()


async def _next_turn() -> None:
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    turnstile = _turnstiles.get(loop)
    if turnstile is None:
        turnstile = _turnstiles[loop] = Turnstile(1)
    await turnstile.passed()


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
