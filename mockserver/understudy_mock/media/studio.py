"""The studio makes files on demand, each once for all who ask, and keeps them while there is room.

The event loop only looks files up and waits; a few threads do the work. Files that take long have threads of
their own, so that a small file need not wait for them. A file that nobody waits for any more is not made. One
lock guards all mutable state. It is held for a few dictionary steps and never while rendering, so one studio
may serve any number of event loops.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import Event, Lock
from time import monotonic
from typing import Final

from understudy_mock.domain.rendition import Rendition
from understudy_mock.media.small import small_file

LIBRARIES: Final = ("av", "PIL", "numpy", "trimesh")
CACHE_BYTES: Final = 256 * 1024 * 1024
"""Most bytes of files that are kept."""

CACHE_FILES: Final = 10_000
"""Most files that are kept, however small they are."""

MAX_THREADS: Final = 4
"""Most threads for quick files, and as many for long ones."""

QUICK_PIXELS: Final = 500_000_000
"""Pixels, in all frames together, up to which a file is quick: about half a second."""

MOST_WAITING: Final = 500
"""Most files that wait for a thread, of the quick and of the long ones each; a request for more fails."""

LINGER: Final = 5.0
"""Seconds of further work on a file after everybody left: those who left may ask again."""

Renderer = Callable[[Rendition, Callable[[], None]], bytes]
"""Makes the file of a bounded rendition. Its second argument, called now and then, raises to stop it."""


class StudioClosed(RuntimeError):
    """The studio was closed before, or while, the file was made."""


class RenderError(RuntimeError):
    """A file could not be made; the cause says why. The next request tries again."""


class StudioBusy(RuntimeError):
    """Too many files wait to be made."""


class Unwanted(RuntimeError):
    """A file was not made, because nobody waited for it any more."""


Wanted = Callable[[], bool]
"""Whether somebody who asked for a file still waits for it. Called in any thread."""


def always() -> bool:
    """Return True: the file is wanted until it is made."""
    return True


@dataclass(slots=True, eq=False)
class _Pending:
    """A file that is not made yet, and who waits for it. `left` is when nobody was first seen to wait."""

    future: Future[bytes] = field(default_factory=Future)
    waiting: dict[object, Wanted] = field(default_factory=dict)
    left: float | None = None


class _Threads:
    """A few threads, and how many files wait for one of them."""

    def __init__(self, name: str) -> None:
        self.pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1), name)
        self.waiting = 0


class Studio:
    """Makes result files. `full` is False if it only has the small shipped ones."""

    def __init__(
        self,
        *,
        small: bool = False,
        cache_bytes: int = CACHE_BYTES,
        cache_files: int = CACHE_FILES,
        most_waiting: int = MOST_WAITING,
        linger: float = LINGER,
        renderer: Renderer | None = None,
    ) -> None:
        """Make a studio with these bounds. `renderer` replaces the real one in tests."""
        self.full: Final = not small and (renderer is not None or available())
        self._renderer = renderer or render
        self._most_waiting = most_waiting
        self._linger = linger
        self._cache = Cache(cache_bytes, cache_files)
        self._pending: dict[Rendition, _Pending] = {}
        self._lock = Lock()
        self._closed = Event()
        self._quick, self._long = _Threads("studio-quick"), _Threads("studio-long")

    async def file(self, r: Rendition, wanted: Wanted = always) -> bytes:
        """Return the file's bytes; `r` need not be bounded. `wanted` returns whether the caller still waits.

        Raises RenderError, StudioBusy, Unwanted when everybody left before it was made, and StudioClosed
        after `close`. A caller that leaves, or is cancelled, does not disturb the others.
        """
        if not self.full:
            self._check_open()
            return small_file(r.format)
        waiter = object()
        file = self._find_or_start(r.bounded(), waiter, wanted)
        if isinstance(file, bytes):
            return file
        try:
            return await asyncio.shield(asyncio.wrap_future(file.future))
        finally:
            with self._lock:
                del file.waiting[waiter]

    @property
    def held(self) -> int:
        """The number of bytes kept now."""
        return self._cache.held

    def close(self) -> None:
        """Stop. Files that are being made are given up at their next frame; who waits gets StudioClosed."""
        with self._lock:
            self._closed.set()
            self._cache.clear()
        for threads in (self._quick, self._long):
            threads.pool.shutdown(wait=False)

    def _find_or_start(self, key: Rendition, waiter: object, wanted: Wanted) -> bytes | _Pending:
        with self._lock:
            self._check_open()
            kept = self._cache.get(key)
            if kept is not None:
                return kept
            pending = self._pending.get(key)
            if pending is None:
                threads = self._quick if key.width * key.height * key.frames <= QUICK_PIXELS else self._long
                if threads.waiting >= self._most_waiting:
                    raise StudioBusy("too many files wait to be made")
                # Not the executor's own future: a waiter could cancel that one while it is queued.
                pending = _Pending()
                threads.pool.submit(self._make, key, pending, threads)
                threads.waiting += 1
                self._pending[key] = pending
            pending.waiting[waiter] = wanted
            return pending

    def _make(self, key: Rendition, pending: _Pending, threads: _Threads) -> None:
        """In a worker thread, make the file, keep it and give it to all who wait."""
        with self._lock:
            threads.waiting -= 1
        try:
            self._check_wanted(key, pending, linger=0)
            data = self._renderer(key, lambda: self._check_wanted(key, pending, self._linger))
        except (StudioClosed, Unwanted) as end:
            self._finish(key, pending, None)
            pending.future.set_exception(end)
        except BaseException as cause:  # whatever it is, those who wait must learn of it
            error = RenderError(f"could not make a {key.format} file: {cause!r}")
            error.__cause__ = cause
            self._finish(key, pending, None)
            pending.future.set_exception(error)
        else:
            self._finish(key, pending, data)
            pending.future.set_result(data)

    def _check_wanted(self, key: Rendition, pending: _Pending, linger: float) -> None:
        """Raise StudioClosed after `close`, Unwanted when nobody has waited for `linger` seconds."""
        self._check_open()
        with self._lock:
            if any(wanted() for wanted in pending.waiting.values()):
                pending.left = None
                return
            pending.left = pending.left or monotonic()
            if monotonic() - pending.left >= linger:
                del self._pending[key]  # the next request starts anew
                raise Unwanted(f"nobody waits for this {key.format} file any more")

    def _finish(self, key: Rendition, pending: _Pending, data: bytes | None) -> None:
        with self._lock:
            if self._pending.get(key) is pending:
                del self._pending[key]
            if data is not None and not self._closed.is_set():
                self._cache.put(key, data)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StudioClosed("the studio is closed; make a new one")


class Cache:
    """Files by rendition, bounded by bytes and by number. Not thread-safe.

    The file that was used longest ago is removed first.
    """

    def __init__(self, limit: int, files: int) -> None:
        self._limit = limit
        self._most_files = files
        self._files: OrderedDict[Rendition, bytes] = OrderedDict()
        self.held = 0
        """Bytes held now."""

    def get(self, key: Rendition) -> bytes | None:
        """Return a file, which then counts as just used."""
        data = self._files.get(key)
        if data is not None:
            self._files.move_to_end(key)
        return data

    def put(self, key: Rendition, data: bytes) -> None:
        """Keep a file, unless it alone exceeds the limit."""
        if len(data) > self._limit:
            return
        self._files[key] = data
        self.held += len(data)
        while self.held > self._limit or len(self._files) > self._most_files:
            _, oldest = self._files.popitem(last=False)
            self.held -= len(oldest)

    def clear(self) -> None:
        """Forget every file."""
        self._files.clear()
        self.held = 0


def available() -> bool:
    """Return whether the libraries of the `media` extra are installed, without importing them."""
    return all(find_spec(name) is not None for name in LIBRARIES)


def render(r: Rendition, check: Callable[[], None]) -> bytes:
    """Return the file of a bounded rendition. The first file of a kind imports the libraries it needs."""
    if r.format == "mp4":
        from understudy_mock.media import video

        return video.render(r, check)
    if r.format == "glb":
        from understudy_mock.media import mesh

        return mesh.render(r)
    from understudy_mock.media import image

    return image.render(r)
