"""How a client under test is run: one process for many cases, one process a case, or by a person.

A driver is one lane: it runs one case after another, and lanes run beside each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

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
from understudy_mock.options import environment_of_children
from understudy_mock.watchdog import Watchdog

_T = TypeVar("_T")

_START = 20.0
"""Seconds that a client has to start and say hello."""

_END = 3.0
"""Seconds that a client has to end, or to release."""

_EXIT = 1.0
"""Seconds that a client has to end after it has closed its stdout."""

_LINE = 16 * 1024 * 1024
"""Bytes of a line; a longer one is dropped."""

_CHUNK = 64 * 1024
_NOISE = 20
_WAITING = 1000
"""Messages that nobody has waited for yet; more are noise."""

_WAITING_BYTES = _LINE
"""Bytes of the lines of those messages, all together; what goes beyond is noise."""


_Answer = TypeVar("_Answer", Result, Released)


class Died(Exception):
    """The client ended, or broke the protocol, before it had answered."""


class Misspoke(Died):
    """What the client said is not what the protocol asks for."""


class Closed(Misspoke):
    """The client has closed its stdout, and runs on: no answer can come any more."""


class Late(Died):
    """The budget has passed without an answer. The text is what was said instead, "" for nothing."""


class Driver(Protocol):
    """One lane."""

    async def hello(self) -> Hello:
        """Start, and tell what the client can do. Raises Died."""

    async def run(self, case: Run) -> Result | None:
        """Run a case; None where nobody says what came of it. Raises Died, Misspoke and Late."""

    async def release(self) -> int | None:
        """Let go of the case; give the final count of callbacks handled, None where it is not told.

        Raises Died when the client ends instead, and Misspoke.
        """

    async def close(self) -> None:
        """End."""

    async def kill(self) -> None:
        """End at once, by force, and all that was started with it."""


_groups: set[int] = set()
"""The process groups that run: theirs are not ended by Ctrl-C, which reaches this process's group alone."""


@functools.cache
def _watchdog() -> Watchdog:
    """The one of this process: it ends the clients where this process is killed, and itself with it."""
    return Watchdog()


def kill_all() -> None:
    """End every client by force, where nobody waits for them any more."""
    for group in list(_groups):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


class _Child:
    """A process of which stdout is read in lines. What is no message, and stderr, is noise."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        _groups.add(process.pid)
        _watchdog().watch(process.pid)
        self.noise: deque[str] = deque(maxlen=_NOISE)
        self.wrong = ""
        self._messages: asyncio.Queue[tuple[dict[str, Any] | Misspoke | None, int]] = asyncio.Queue()
        """What came, and the bytes of its line; None is the end."""
        self._waiting = 0
        assert process.stdout is not None  # both were asked for
        assert process.stderr is not None
        self._tasks = [
            asyncio.create_task(self._listen(process.stdout)),
            asyncio.create_task(self._drain(process.stderr)),
        ]

    @classmethod
    async def start(cls, command: Sequence[str], variables: Mapping[str, str] | None = None) -> _Child:
        """Start a process in a group of its own. Raises Died."""
        pipe = asyncio.subprocess.PIPE
        environment = {**environment_of_children(), **(variables or {})}
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise Died(f"{command[0]} cannot be started: {error.strerror}") from None
        return cls(process)

    async def say(self, line: bytes) -> None:
        """Write a line."""
        assert self._process.stdin is not None  # it was asked for
        try:
            self._process.stdin.write(line)
            await self._process.stdin.drain()
        except (ConnectionError, RuntimeError):
            return  # that it has ended is told when it is listened to

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.returncode

    def hang_up(self) -> None:
        """Close its stdin."""
        assert self._process.stdin is not None  # it was asked for
        self._process.stdin.close()

    async def hear(self, wrong: Callable[[dict[str, Any]], str], seconds: float) -> dict[str, Any]:
        """Wait for a message with which nothing is wrong.

        Raises Late, or Misspoke where something was wrong with the last one. Raises at once: Died when the
        process ends, Closed when it ends its stdout alone, and Misspoke for a line that cannot be read.
        """
        self.wrong = ""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    told, size = await self._messages.get()
                    self._waiting -= size
                    if told is None:
                        self._messages.put_nowait((None, 0))
                        if not await self._ended(_EXIT):
                            raise Closed(f"the client closed its stdout, and runs on{self._tail()}")
                        raise Died(f"the client ended with status {self._process.returncode}{self._tail()}")
                    if isinstance(told, Misspoke):
                        raise told
                    mistake = wrong(told)
                    if not mistake:
                        return told
                    line = msgspec.json.encode(told).decode()
                    self.wrong = f"{mistake}: {_cut(line)}"
                    self.noise.append(line[:500])
        except TimeoutError:
            if self.wrong:
                raise Misspoke(f"the last line that it wrote {self.wrong}") from None
            raise Late(self._tail().removeprefix("; ")) from None

    async def end(self) -> None:
        """End it: by closing its stdin, then by force."""
        self.hang_up()
        if not await self._ended(_END):
            await self.kill()
        _groups.discard(self._process.pid)
        _watchdog().forget(self._process.pid)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def kill(self) -> None:
        """End it, and all that it started, by force."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._ended(_END)

    async def _ended(self, seconds: float) -> bool:
        # What the client has started may hold its stdout open: that is not waited for without end.
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _tail(self) -> str:
        return "; it said: " + " | ".join(list(self.noise)[-5:]) if self.noise else ""

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        async for line in _lines(stream):
            size = len(line or b"")
            has_room = self._messages.qsize() < _WAITING and self._waiting + size <= _WAITING_BYTES
            told = _read(line) if line is not None and has_room else None
            if told is None:
                self._note(line)
            else:
                self._waiting += size
                self._messages.put_nowait((told, size))
        self._messages.put_nowait((None, 0))

    async def _drain(self, stream: asyncio.StreamReader) -> None:
        async for line in _lines(stream):
            self._note(line)

    def _note(self, line: bytes | None) -> None:
        text = (
            f"a line of more than {_LINE} bytes" if line is None else line[:2000].decode("utf-8", "replace")
        )
        if text.strip():
            self.noise.append(text.rstrip()[:500])


def _read(line: bytes) -> dict[str, Any] | Misspoke | None:
    """Read a line, and say what is wrong with one that only looks like a message."""
    try:
        return read(line)
    except ProtocolError as error:
        return Misspoke(f"{error}; it wrote {_cut(line[:2000].decode('utf-8', 'replace').strip())}")


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes | None]:
    """Read until the end, whatever comes: line by line, None for each that is too long to be kept."""
    kept, dropped = bytearray(), False
    while chunk := await stream.read(_CHUNK):
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            yield None if dropped or len(kept) + len(part) > _LINE else bytes(kept) + part
            kept.clear()
            dropped = False
        dropped = dropped or len(kept) + len(rest) > _LINE
        if dropped:
            kept.clear()
        else:
            kept += rest
    if kept or dropped:
        yield None if dropped else bytes(kept)


def _cut(text: str, longest: int = 300) -> str:
    return text if len(text) <= longest else text[:longest] + " …"


class Lasting:
    """One process that runs many cases, one after another; started anew when it has ended or hangs."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: _Child | None = None
        self._number = 0

    async def hello(self) -> Hello:
        """Start the process and ask what it can do."""
        self._child = await _Child.start(self._command)
        try:
            return convert(await self._ask("hello", b"", _START), Hello)
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
        self._number += 1
        try:
            told = await self._ask("run", write(str(self._number), "run", case), case.budget_ms / 1000)
            return _convert(told, Result)
        except (Died, asyncio.CancelledError):
            await self._drop()  # it may be in the middle of something that nobody will look at
            raise

    async def release(self) -> int | None:
        """Have it let go of the case."""
        if self._child is None:
            return None
        try:
            return _convert(await self._ask("release", b"", _END), Released).handled
        except Late:
            await self._drop()
            return None
        except Died:
            await self._drop()
            raise

    async def kill(self) -> None:
        """End the process at once."""
        if self._child is not None:
            await self._child.kill()

    async def close(self) -> None:
        """End the process."""
        if self._child is not None:
            await self._child.end()
            self._child = None

    async def _ask(self, kind: str, line: bytes, seconds: float) -> dict[str, Any]:
        assert self._child is not None  # the callers have started it
        if not line:
            self._number += 1
            line = write(str(self._number), kind, Greeting() if kind == "hello" else None)
        await self._child.say(line)
        answer = {"hello": "hello", "run": "result", "release": "released"}[kind]
        number = str(self._number)
        return await self._child.hear(lambda told: _mistake(told, number, answer), seconds)

    async def _drop(self) -> None:
        if self._child is not None:
            await self._child.kill()
            await self._child.end()
            self._child = None


async def in_a_thread(call: Callable[[], _T]) -> _T:
    """Call in a daemon thread: unlike those of an executor, it is not waited for when the process ends.

    What is called raises nothing but an Exception: a future, and the thread, are no place for the others.
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


def _mistake(told: dict[str, Any], number: str, answer: str) -> str:
    """Say what keeps a message from being the answer that is waited for; "" for nothing."""
    for name, wanted in (("id", number), ("type", answer)):
        found = told.get(name)
        # An id may come back as a number: languages differ in what they make of "1".
        if name == "id" and isinstance(found, int) and not isinstance(found, bool):
            found = str(found)
        if found is None:
            return f'has no "{name}" (it wants "{wanted}")'
        if found != wanted:
            return f'has the "{name}" {_cut(str(found), 40)!r}, not "{wanted}"'
    return ""


def _convert(told: dict[str, Any], kind: type[_Answer]) -> _Answer:
    """Read an answer. Raises Misspoke with the line."""
    try:
        return convert(told, kind)
    except ProtocolError as error:
        raise Misspoke(f"{error}; it wrote {_cut(msgspec.json.encode(told).decode())}") from None


PREFIX = "CONFORMANCE_"


class PerCase:
    """One process a case: variables say what to do, the input is the one line on stdin.

    It prints its result and may stay until stdin is closed; a second line may tell the final `handled`.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: _Child | None = None

    async def hello(self) -> Hello:
        """Ask what it can do; one that does not answer can do nothing but poll."""
        began = time.monotonic()
        child = await _Child.start(self._command, {PREFIX + "CASE": "hello"})
        child.hang_up()
        try:
            told = await child.hear(lambda m: _lacks(m, "capabilities", "providers"), _START)
            hello = convert(told, Hello)
        except ProtocolError as error:
            raise Died(str(error)) from None
        except Died:
            hello = Hello()
        finally:
            took = time.monotonic() - began
            await child.end()
        # Every case starts the program again, so that every case gets the time for it.
        timing = msgspec.structs.replace(
            hello.timing, start_ms=max(hello.timing.start_ms, round(took * 1000))
        )
        return msgspec.structs.replace(hello, timing=timing)

    async def run(self, case: Run) -> Result | None:
        """Run a case."""
        variables = {
            PREFIX + "CASE": case.case,
            PREFIX + "PROVIDER": case.provider,
            PREFIX + "MODEL": case.model,
            PREFIX + "BASE_URL": case.base_url,
            PREFIX + "API_KEY": case.api_key,
            PREFIX + "MODE": case.mode,
            PREFIX + "BUDGET_MS": str(case.budget_ms),
            PREFIX + "WEBHOOK_SECRET": case.webhook_secret,
            PREFIX + "WEBHOOK_MODE": case.webhook_mode,
        }
        self._child = await _Child.start(self._command, variables)
        await self._child.say(write_input(case.input))
        try:
            told = await self._child.hear(lambda m: _lacks(m, "outcome"), case.budget_ms / 1000)
        except (Misspoke, Late):
            raise
        except Died as death:
            if self._child.status == 0:  # it did not crash: it says nothing that is a result
                wrong = f"the last line {self._child.wrong}" if self._child.wrong else str(death)
                raise Misspoke(f"no line with an outcome was printed; {wrong}") from None
            raise
        return _convert(told, Result)

    async def release(self) -> int | None:
        """Close its stdin, and hear whether it tells a final count."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.hang_up()
        try:
            return _convert(await child.hear(lambda m: _lacks(m, "handled"), _END), Released).handled
        except Closed:
            return None  # it has no more to tell
        except Misspoke:
            raise
        except Died:
            return None  # it has ended, and told no count
        finally:
            await child.end()

    async def kill(self) -> None:
        """End the process of the case at once."""
        if self._child is not None:
            await self._child.kill()

    async def close(self) -> None:
        """End what is left."""
        if self._child is not None:
            await self._child.kill()
            await self._child.end()
            self._child = None


def _lacks(told: dict[str, Any], *names: str) -> str:
    return "" if any(name in told for name in names) else f'has no "{names[0]}"'


class Attached:
    """A person: is told where the gateway is, and presses Enter, or pastes a result, when done."""

    async def hello(self) -> Hello:
        """A person can do anything."""
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
                told = read(line.encode("utf-8", "replace"))
                if told is not None:
                    return convert(told, Result)
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
