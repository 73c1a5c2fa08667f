"""The process of a client: its lines are messages or noise, and it ends with everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec

from understudy_contracts.conformance.protocol import ProtocolError, read
from understudy_mock.options import environment_of_children
from understudy_mock.watchdog import Watchdog

_END = 3.0
"""Seconds that a client has to end."""

_EXIT = 1.0
"""Seconds that a client has to end after it has closed its stdout."""

_LINE = 16 * 1024 * 1024
"""Bytes of a line; a longer one is dropped."""

_CHUNK = 64 * 1024
_NOISE = 20
_WAITING = 1000
"""Messages that nobody has read yet; more are noise."""

_WAITING_BYTES = _LINE
"""Bytes of the lines of those messages, all together; more are noise."""


class Died(Exception):
    """The client ended, or broke the protocol, before it had answered."""


class Misspoke(Died):
    """The client's answer breaks the protocol."""


class Closed(Misspoke):
    """The client has closed its stdout, but still runs: no answer can come any more."""


class Late(Died):
    """The budget has passed without an answer. The text is what the client printed instead, if anything."""


_groups: set[int] = set()
"""The process groups that run. Ctrl-C does not reach them, only the group of this process."""


@functools.cache
def _watchdog() -> Watchdog:
    """Return the watchdog of this process: it ends the clients if this process is killed."""
    return Watchdog()


def kill_all() -> None:
    """End every client by force."""
    for group in list(_groups):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


class Child:
    """A process whose stdout is read in lines. Lines that are no messages, and stderr, are noise."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        _groups.add(process.pid)
        _watchdog().watch(process.pid)
        self.noise: deque[str] = deque(maxlen=_NOISE)
        self.wrong = ""
        self._messages: asyncio.Queue[tuple[dict[str, Any] | Misspoke | None, int]] = asyncio.Queue()
        """What came, and the bytes of its line; None is the end of stdout."""
        self._waiting = 0
        assert process.stdout is not None  # both were asked for
        assert process.stderr is not None
        self._tasks = [
            asyncio.create_task(self._listen(process.stdout)),
            asyncio.create_task(self._drain(process.stderr)),
        ]

    @classmethod
    async def start(cls, command: Sequence[str], variables: Mapping[str, str] | None = None) -> Child:
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
            return  # it has ended, which `hear` will report

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.returncode

    def hang_up(self) -> None:
        """Close its stdin."""
        assert self._process.stdin is not None  # it was asked for
        self._process.stdin.close()

    async def hear(self, wrong: Callable[[dict[str, Any]], str], seconds: float) -> dict[str, Any]:
        """Return the next message for which `wrong` returns "".

        Raises Late when the time has passed, or Misspoke if something was wrong with the last message. Raises
        at once: Died when the process ends, Closed when it only closes its stdout, and Misspoke for a line
        that looks like a message and cannot be read.
        """
        self.wrong = ""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message, size = await self._messages.get()
                    self._waiting -= size
                    if message is None:
                        self._messages.put_nowait((None, 0))
                        if not await self._ended(_EXIT):
                            raise Closed(f"the client closed its stdout, and runs on{self._tail()}")
                        raise Died(f"the client ended with status {self._process.returncode}{self._tail()}")
                    if isinstance(message, Misspoke):
                        raise message
                    mistake = wrong(message)
                    if not mistake:
                        return message
                    line = msgspec.json.encode(message).decode()
                    self.wrong = f"{mistake}: {cut(line)}"
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
        # What the client has started may hold its stdout open: the wait for that has an end.
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
            message = _read(line) if line is not None and has_room else None
            if message is None:
                self._note(line)
            else:
                self._waiting += size
                self._messages.put_nowait((message, size))
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
    """Return a line's message, what is wrong with one that only looks like it, or None for noise."""
    try:
        return read(line)
    except ProtocolError as error:
        return Misspoke(f"{error}; it wrote {cut(line[:2000].decode('utf-8', 'replace').strip())}")


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes | None]:
    """Read line by line until the end; None stands for a line that is too long."""
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


def cut(text: str, longest: int = 300) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= longest else text[:longest] + " …"
