"""A client in this process: a function, or an adapter, driven as a program would be."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

import msgspec

from understudy_contracts.conformance.child import Died, Misspoke
from understudy_contracts.conformance.drivers import in_a_thread
from understudy_contracts.conformance.protocol import Hello, ProtocolError, Released, Result, Run, convert

Answer = Result | Mapping[str, Any]
Callee = Callable[[Run], Answer | Awaitable[Answer]]

_END = 3.0
"""Seconds that an adapter has to release a case."""


class _Overdue(Exception):
    """Its time has passed. Not TimeoutError, which a client may raise as well."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a client raised, handed on as a value.

    Raised once more, SystemExit would end a loop, CancelledError would look like a search that is stopped,
    and StopIteration would get lost.
    """

    error: BaseException

    def __str__(self) -> str:
        """Write what it is and where it came from."""
        text = ": ".join(filter(None, (type(self.error).__name__, str(self.error))))
        place = _place(self.error)
        return f"{text} ({place})" if place else text


class Adapter(Protocol):
    """What a program answers, as methods: an object like `adapters.reference.Reference`."""

    def hello(self) -> Mapping[str, Any]:
        """Return name, providers, capabilities and timing."""

    def run(self, case: Mapping[str, Any]) -> Any:
        """Run one case and return the result, or a coroutine of it."""

    def release(self) -> Any:
        """Close what the case kept open."""


class Inside:
    """One lane: a thread with an event loop of its own, so that a client that blocks stops only itself."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="client", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._closing:
            # SystemExit in a task of the client's leaves the loop; whoever awaits the task gets it, too.
            with suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()

    async def hello(self) -> Hello:
        """Return what it can do. Raises Died."""
        try:
            return convert(dict(self._adapter.hello()), Hello)
        except ProtocolError as error:
            raise Died(str(error)) from None

    async def run(self, case: Run) -> Result | None:
        """Run a case; None when its budget has passed. Raises Died for what it raises, and Misspoke."""
        fields = msgspec.to_builtins(case)
        try:
            answer = await self._within(lambda: self._adapter.run(fields), case.budget_ms / 1000)
        except _Overdue:
            return None
        if isinstance(answer, Result):
            return answer
        if not isinstance(answer, Mapping):
            raise Misspoke(f"the client returned {type(answer).__name__}; a result or a mapping was expected")
        try:
            return convert(dict(answer), Result)
        except ProtocolError as error:
            raise Misspoke(str(error)) from None

    async def release(self) -> int | None:
        """Have it close what the case kept open. Raises Died for what it raises."""
        try:
            answer = await self._within(self._adapter.release, _END)
            return convert(dict(answer), Released).handled if isinstance(answer, Mapping) else None
        except (_Overdue, ProtocolError):
            return None
        except Died as death:
            raise Died(f"the client raised {death}") from None

    async def kill(self) -> None:
        """End the thread."""
        await self.close()

    async def close(self) -> None:
        """End the thread; one that a client blocks for ever is left behind, and ends with the process."""
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _END)
        if not self._thread.is_alive():
            self._loop.close()

    async def _within(self, call: Callable[[], Any], seconds: float) -> Any:
        """Make a call in the client's thread, and wait for it no longer than this.

        Raises _Overdue, and Died for whatever the client raises. A CancelledError that the call ends with
        is the client's; that the caller itself is cancelled raises in the waiting.
        """
        future = asyncio.run_coroutine_threadsafe(_called(call), self._loop)
        done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=seconds)
        if not done:
            future.cancel()
            raise _Overdue
        ended = done.pop()
        # It may also have cancelled the task that it runs in, and raised nothing.
        answer = _Raised(asyncio.CancelledError()) if ended.cancelled() else ended.result()
        if isinstance(answer, _Raised):
            raise Died(str(answer))
        return answer


async def _called(call: Callable[[], Any]) -> Any:
    try:
        answer = call()
        return await answer if inspect.isawaitable(answer) else answer
    except BaseException as error:
        return _Raised(error)


def _caught(call: Callable[[Run], Any], run: Run) -> Any:
    try:
        return call(run)
    except BaseException as error:
        return _Raised(error)


def _place(error: BaseException) -> str:
    """Return the file and line that an error came from, "" where it was raised nowhere.

    Like pytest, it skips frames that ask to be hidden, such as those of `pytest.fail`.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    shown = [(frame, line) for frame, line in frames if not frame.f_locals.get("__tracebackhide__")] or frames
    if not shown:
        return ""
    frame, line = shown[-1]
    return f"{PurePath(frame.f_code.co_filename).name}:{line}"


class Function:
    """Makes an adapter of a function that does a whole run.

    A function that is not a coroutine runs in a thread of its own, so that one that hangs holds nobody up.
    """

    def __init__(self, call: Callee, hello: Hello) -> None:
        self._call = call
        self._hello = hello

    def hello(self) -> Mapping[str, Any]:
        """Return what was declared for it."""
        hello: dict[str, Any] = msgspec.to_builtins(self._hello)
        return hello

    async def run(self, case: Mapping[str, Any]) -> Any:
        """Call it."""
        run = msgspec.convert(dict(case), Run)
        answer = await in_a_thread(lambda: _caught(self._call, run))
        return await answer if inspect.isawaitable(answer) else answer

    def release(self) -> None:
        """Nothing is held."""


def declared(providers: Iterable[str], capabilities: Iterable[str], timing: Mapping[str, int]) -> Hello:
    """Return the hello of a function. Raises ProtocolError for what the protocol does not know."""
    hello = {"providers": list(providers), "capabilities": list(capabilities), "timing": dict(timing)}
    return convert(hello, Hello)
