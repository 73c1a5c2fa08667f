"""How a client under test is run: one process for many cases, one process a case, or by a person.

A driver is one lane: it runs one case after another. Several lanes run at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from understudy_contracts.conformance.child import Child, Closed, Died, Late, Misspoke, cut
from understudy_contracts.conformance.protocol import (
    CAPABILITIES,
    Greeting,
    Hello,
    ProtocolError,
    Released,
    Result,
    Run,
    convert,
    read,
    write,
    write_input,
)

_T = TypeVar("_T")
_Answer = TypeVar("_Answer", Result, Released)

_START = 20.0
"""Seconds that a client has to start and say hello."""

_RELEASE = 3.0
"""Seconds that a client has to release a case."""

PREFIX = "CONFORMANCE_"


class Driver(Protocol):
    """One lane."""

    async def hello(self) -> Hello:
        """Start, and return what the client can do. Raises Died."""

    async def run(self, case: Run) -> Result | None:
        """Run a case; None where a person gives no result. Raises Died, Misspoke and Late."""

    async def release(self) -> int | None:
        """Close what the case kept open; return the final count of callbacks handled, None if unknown.

        Raises Died when the client ends instead, and Misspoke.
        """

    async def close(self) -> None:
        """End."""

    async def kill(self) -> None:
        """End at once, by force, and all that was started with it."""


class _Program:
    """A driver of a program, of which at most one process runs."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: Child | None = None

    async def kill(self) -> None:
        """End the process at once, by force."""
        if self._child is not None:
            await self._child.kill()

    async def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    async def _drop(self) -> None:
        await self.kill()
        await self.close()


class Lasting(_Program):
    """One process that runs many cases, one after another; started anew when it has ended or hangs."""

    _number = 0

    async def hello(self) -> Hello:
        """Start the process and ask what it can do."""
        self._child = await Child.start(self._command)
        try:
            return convert(await self._ask("hello", Greeting(), _START), Hello)
        except Late as late:
            await self._drop()
            raise Died(f"no hello within {_START:g} s{f'; {late}' if str(late) else ''}") from None
        except (Died, ProtocolError) as error:
            await self._drop()
            raise Died(str(error)) from None

    async def run(self, case: Run) -> Result | None:
        """Run a case."""
        if self._child is None:
            await self.hello()
        try:
            return _convert(await self._ask("run", case, case.budget_ms / 1000), Result)
        except (Died, asyncio.CancelledError):
            await self._drop()  # it may be in the middle of something that nobody will look at
            raise

    async def release(self) -> int | None:
        """Have it close what the case kept open."""
        if self._child is None:
            return None
        try:
            return _convert(await self._ask("release", None, _RELEASE), Released).handled
        except Late:
            await self._drop()
            return None
        except Died:
            await self._drop()
            raise

    async def _ask(self, kind: str, fields: msgspec.Struct | None, seconds: float) -> dict[str, Any]:
        assert self._child is not None  # the callers have started it
        self._number += 1
        number = str(self._number)
        await self._child.say(write(number, kind, fields))
        answer = {"hello": "hello", "run": "result", "release": "released"}[kind]
        return await self._child.hear(lambda message: _mistake(message, number, answer), seconds)


class PerCase(_Program):
    """One process a case: variables say what to do, the input is the one line on stdin.

    It prints its result and may stay until stdin is closed; a second line may hold the final `handled`.
    """

    async def hello(self) -> Hello:
        """Ask what it can do; a program that does not answer can only poll."""
        began = time.monotonic()
        child = await Child.start(self._command, {PREFIX + "CASE": "hello"})
        child.hang_up()
        try:
            message = await child.hear(lambda m: _lacks(m, "capabilities", "providers"), _START)
            hello = convert(message, Hello)
        except ProtocolError as error:
            raise Died(str(error)) from None
        except Died:
            hello = Hello()
        finally:
            took = time.monotonic() - began
            await child.end()
        # Every case starts the program again, so that every case gets the time for it.
        start_ms = max(hello.timing.start_ms, round(took * 1000))
        replaced = msgspec.structs.replace
        return replaced(hello, timing=replaced(hello.timing, start_ms=start_ms))

    async def run(self, case: Run) -> Result | None:
        """Run a case."""
        fields = [name for name in case.__struct_fields__ if name != "input"]
        variables = {PREFIX + name.upper(): str(getattr(case, name)) for name in fields}
        self._child = await Child.start(self._command, variables)
        await self._child.say(write_input(case.input))
        try:
            message = await self._child.hear(lambda m: _lacks(m, "outcome"), case.budget_ms / 1000)
        except (Misspoke, Late):
            raise
        except Died as death:
            if self._child.status == 0:  # it did not crash, but printed no result
                wrong = f"the last line {self._child.wrong}" if self._child.wrong else str(death)
                raise Misspoke(f"no line with an outcome was printed; {wrong}") from None
            raise
        return _convert(message, Result)

    async def release(self) -> int | None:
        """Close its stdin, and read the final count, if it prints one."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.hang_up()
        try:
            return _convert(await child.hear(lambda m: _lacks(m, "handled"), _RELEASE), Released).handled
        except Closed:
            return None  # it has no more to say
        except Misspoke:
            raise
        except Died:
            return None  # it has ended without a count
        finally:
            await child.end()

    async def close(self) -> None:
        """End what is left, by force."""
        await self.kill()
        await super().close()


class Attached:
    """A person, who sees where the gateway is, runs the client, and pastes a result or presses Enter."""

    async def hello(self) -> Hello:
        """Assume that a person can do everything."""
        return Hello(capabilities=frozenset(CAPABILITIES))

    async def run(self, case: Run) -> Result | None:
        """Show the case and wait, without a budget."""
        lines = [
            "",
            f"case      {case.case}",
            f"base URL  {case.base_url}",
            f"key       {case.api_key}",
            f"model     {case.provider} {case.model}   mode {case.mode}",
            f"input     {write_input(case.input).decode().strip()}",
        ]
        if case.webhook_secret:
            lines.append(f"secret    {case.webhook_secret}")
        lines.append("Run your client, then paste its result as one line of JSON, or press Enter for none: ")
        prompt = "\n".join(lines)
        while True:
            sys.stderr.write(prompt)
            sys.stderr.flush()
            line = await in_a_thread(sys.stdin.readline)
            if not line:
                sys.stderr.write("\nthe input has ended: judged without a result\n")
                return None
            if not line.strip():
                return None
            try:
                message = read(line.encode("utf-8", "replace"))
                if message is not None:
                    return convert(message, Result)
                why = "it is no JSON object"
            except ProtocolError as error:
                why = str(error)
            prompt = f"that is no result ({why}); paste again, or press Enter for none: "

    async def release(self) -> int | None:
        """Nothing is held."""
        return None

    async def kill(self) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Nothing is held."""


async def in_a_thread(call: Callable[[], _T]) -> _T:
    """Call in a daemon thread: unlike an executor's, it does not keep the process alive.

    The call may raise only an Exception: neither a future nor a thread can carry the others.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(set_it: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.done() else set_it(value))

    def work() -> None:
        try:
            settle(done.set_result, call())
        except Exception as error:
            settle(done.set_exception, error)

    threading.Thread(target=work, name="client-call", daemon=True).start()
    return await done


def _mistake(message: dict[str, Any], number: str, answer: str) -> str:
    """Return what keeps a message from being the expected answer; "" for nothing."""
    for name, wanted in (("id", number), ("type", answer)):
        value = message.get(name)
        # An id may come back as a number: languages differ in what they make of "1".
        if name == "id" and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None:
            return f'has no "{name}" (it wants "{wanted}")'
        if value != wanted:
            return f'has the "{name}" {cut(str(value), 40)!r}, not "{wanted}"'
    return ""


def _convert(message: dict[str, Any], kind: type[_Answer]) -> _Answer:
    """Return a message as an answer. Raises Misspoke with the line."""
    try:
        return convert(message, kind)
    except ProtocolError as error:
        raise Misspoke(f"{error}; it wrote {cut(msgspec.json.encode(message).decode())}") from None


def _lacks(message: dict[str, Any], *names: str) -> str:
    return "" if any(name in message for name in names) else f'has no "{names[0]}"'
