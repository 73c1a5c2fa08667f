"""A client in this process: a function, or an adapter, driven as a program would be."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from contracts.conformance.drivers import Died, Misspoke, in_a_thread
from contracts.conformance.protocol import Hello, ProtocolError, Released, Result, Run, convert

Answer = Result | Mapping[str, Any]
Callee = Callable[[Run], Answer | Awaitable[Answer]]

_T = TypeVar("_T")
_END = 3.0
"""Seconds that an adapter has to release a case."""


class _Overdue(Exception):
    """Its time has passed. Not TimeoutError, which a client may raise as well."""


class Adapter(Protocol):
    """An object like `contracts.adapters.reference.Reference`: what a program answers, as methods."""

    def hello(self) -> Mapping[str, Any]:
        """Tell name, providers, capabilities and timing."""

    def run(self, case: Mapping[str, Any]) -> Any:
        """Run one case, and say what came of it; a coroutine or the answer itself."""

    def release(self) -> Any:
        """Let go of what the case kept open."""


class Inside:
    """One lane: a thread with an event loop of its own, so that a client that blocks stops only itself."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="client", daemon=True)
        self._thread.start()

    async def hello(self) -> Hello:
        """Ask what it can do. Raises Died."""
        try:
            return convert(dict(self._adapter.hello()), Hello)
        except ProtocolError as error:
            raise Died(str(error)) from None

    async def run(self, case: Run) -> Result | None:
        """Run a case; None when its budget has passed. Raises Died for an exception, and Misspoke."""
        fields = msgspec.to_builtins(case)
        try:
            told = await self._within(lambda: self._adapter.run(fields), case.budget_ms / 1000)
        except _Overdue:
            return None
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
            raise Died(f"{type(error).__name__}: {error} ({place})") from None
        if isinstance(told, Result):
            return told
        if not isinstance(told, Mapping):
            raise Misspoke(f"the client returned {type(told).__name__}; a result or a mapping was expected")
        try:
            return convert(dict(told), Result)
        except ProtocolError as error:
            raise Misspoke(str(error)) from None

    async def release(self) -> int | None:
        """Have it let go of the case."""
        try:
            told = await self._within(self._adapter.release, _END)
            return convert(dict(told), Released).handled if isinstance(told, Mapping) else None
        except (_Overdue, ProtocolError):
            return None

    async def kill(self) -> None:
        """End the thread."""
        await self.close()

    async def close(self) -> None:
        """End the thread; one that a client blocks for ever is left behind, and ends with the process."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _END)
        if not self._thread.is_alive():
            self._loop.close()

    async def _within(self, call: Callable[[], Any], seconds: float) -> Any:
        """Make a call in the client's thread, and wait for it no longer than this. Raises _Overdue."""
        future = asyncio.run_coroutine_threadsafe(_called(call), self._loop)
        done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=seconds)
        if not done:
            future.cancel()
            raise _Overdue
        return done.pop().result()


async def _called(call: Callable[[], Any]) -> Any:
    told = call()
    return await told if inspect.isawaitable(told) else told


class Function:
    """Makes an adapter of a function that does a whole run.

    A function that is not a coroutine runs in a thread of its own, so that one that hangs holds nobody up.
    """

    def __init__(self, call: Callee, hello: Hello) -> None:
        self._call = call
        self._hello = hello

    def hello(self) -> Mapping[str, Any]:
        """Tell what was declared for it."""
        told: dict[str, Any] = msgspec.to_builtins(self._hello)
        return told

    async def run(self, case: Mapping[str, Any]) -> Any:
        """Call it."""
        run = msgspec.convert(dict(case), Run)
        told = await in_a_thread(lambda: self._call(run))
        return await told if inspect.isawaitable(told) else told

    def release(self) -> None:
        """Nothing is held."""


def declared(providers: Iterable[str], capabilities: Iterable[str], timing: Mapping[str, int]) -> Hello:
    """Make the hello of a function. Raises ProtocolError for what the protocol does not know."""
    told = {"providers": list(providers), "capabilities": list(capabilities), "timing": dict(timing)}
    return convert(told, Hello)
