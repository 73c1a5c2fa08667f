"""Where files are asked for: made on demand, once however many ask, and kept while there is room.

The event loop only looks things up and waits; the work is done by a few threads. Files that take long have
threads of their own, so a small one is made beside them and not after them. What nobody waits for any more is
not made. Every mutable thing here is
guarded by one lock, which is held for a few dictionary steps and never while rendering, so one studio may
serve any number of event loops.
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
"""Bytes of files kept."""

CACHE_FILES: Final = 10_000
"""Files kept, however small they are."""

MAX_THREADS: Final = 4
"""Threads for quick files, and as many for long ones."""

QUICK_PIXELS: Final = 500_000_000
"""Pixels, in all frames together, up to which a file is quick: about half a second."""

MOST_WAITING: Final = 500
"""Files that wait for a thread, quick ones and long ones each; whoever asks for one more is turned away."""

LINGER: Final = 5.0
"""Seconds that a file under way is worked on after everybody left: who gave up may try again."""

Renderer = Callable[[Rendition, Callable[[], None]], bytes]
"""Makes the file of a bounded rendition; calls its second argument now and then, which raises to stop it."""


class StudioClosed(RuntimeError):
    """A file was asked for, or still being made, when its studio was closed."""


class RenderError(RuntimeError):
    """A file could not be made; the cause says why. Asking again tries again."""


class StudioBusy(RuntimeError):
    """Too many files wait to be made already."""


class Unwanted(RuntimeError):
    """A file was not made, because nobody waited for it any more."""


Wanted = Callable[[], bool]
"""Whether somebody who asked for a file still waits for it. Called in any thread."""


def always() -> bool:
    """Want a file to the end."""
    return True


@dataclass(slots=True, eq=False)
class _Flight:
    """A file that is to be made, and everybody who waits for it. `left` is when nobody was found to."""

    future: Future[bytes] = field(default_factory=Future)
    waiting: dict[object, Wanted] = field(default_factory=dict)
    left: float | None = None


class _Lane:
    """A few threads, and how many files wait for one of them."""

    def __init__(self, name: str) -> None:
        self.pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1), name)
        self.waiting = 0


class Studio:
    """Makes result files. `full` says whether they are real ones or the small shipped ones."""

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
        """Keep and queue so much. `renderer` stands in for the real one, in tests."""
        self.full: Final = not small and (renderer is not None or available())
        self._renderer = renderer or render
        self._most_waiting = most_waiting
        self._linger = linger
        self._cache = Cache(cache_bytes, cache_files)
        self._flights: dict[Rendition, _Flight] = {}
        self._lock = Lock()
        self._closed = Event()
        self._quick, self._long = _Lane("studio-quick"), _Lane("studio-long")

    async def file(self, r: Rendition, wanted: Wanted = always) -> bytes:
        """The file's bytes; `r` need not be bounded. `wanted` tells whether the asker still waits for it.

        Raises RenderError, StudioBusy, Unwanted when everybody left before it was made, and StudioClosed
        after `close`. One who leaves, or is cancelled, leaves the others alone.
        """
        if not self.full:
            self._check_open()
            return small_file(r.format)
        waiter = object()
        found = self._find_or_start(r.bounded(), waiter, wanted)
        if isinstance(found, bytes):
            return found
        try:
            return await asyncio.shield(asyncio.wrap_future(found.future))
        finally:
            with self._lock:
                del found.waiting[waiter]

    @property
    def held(self) -> int:
        """Bytes kept now."""
        return self._cache.held

    def close(self) -> None:
        """Stop: what is being made is given up at its next frame, and who waits for it gets StudioClosed."""
        with self._lock:
            self._closed.set()
            self._cache.clear()
        for lane in (self._quick, self._long):
            lane.pool.shutdown(wait=False)

    def _find_or_start(self, key: Rendition, waiter: object, wanted: Wanted) -> bytes | _Flight:
        with self._lock:
            self._check_open()
            kept = self._cache.get(key)
            if kept is not None:
                return kept
            flight = self._flights.get(key)
            if flight is None:
                lane = self._quick if key.width * key.height * key.frames <= QUICK_PIXELS else self._long
                if lane.waiting >= self._most_waiting:
                    raise StudioBusy("too many files wait to be made")
                # Not the executor's own future: that one could be cancelled by a waiter while it is queued.
                flight = _Flight()
                lane.pool.submit(self._fly, key, flight, lane)
                lane.waiting += 1
                self._flights[key] = flight
            flight.waiting[waiter] = wanted
            return flight

    def _fly(self, key: Rendition, flight: _Flight, lane: _Lane) -> None:
        """In a worker thread: make the file, keep it, tell everybody who waits."""
        with self._lock:
            lane.waiting -= 1
        try:
            self._check_wanted(key, flight, linger=0)
            data = self._renderer(key, lambda: self._check_wanted(key, flight, self._linger))
        except (StudioClosed, Unwanted) as end:
            self._land(key, flight, None)
            flight.future.set_exception(end)
        except BaseException as cause:  # whatever it is, somebody waits to hear of it
            error = RenderError(f"could not make a {key.format} file: {cause!r}")
            error.__cause__ = cause
            self._land(key, flight, None)
            flight.future.set_exception(error)
        else:
            self._land(key, flight, data)
            flight.future.set_result(data)

    def _check_wanted(self, key: Rendition, flight: _Flight, linger: float) -> None:
        """Raise StudioClosed after `close`, and Unwanted when nobody has waited for `linger` seconds."""
        self._check_open()
        with self._lock:
            if any(wanted() for wanted in flight.waiting.values()):
                flight.left = None
                return
            flight.left = flight.left or monotonic()
            if monotonic() - flight.left >= linger:
                del self._flights[key]  # whoever asks from now on starts anew
                raise Unwanted(f"nobody waits for this {key.format} file any more")

    def _land(self, key: Rendition, flight: _Flight, data: bytes | None) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if data is not None and not self._closed.is_set():
                self._cache.put(key, data)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StudioClosed("the studio is closed; make a new one")


class Cache:
    """Files by rendition, bounded by their bytes and their number. Not thread-safe.

    What was used longest ago goes first.
    """

    def __init__(self, limit: int, files: int) -> None:
        self._limit = limit
        self._most_files = files
        self._files: OrderedDict[Rendition, bytes] = OrderedDict()
        self.held = 0
        """Bytes held now."""

    def get(self, key: Rendition) -> bytes | None:
        """The file, which then counts as just used."""
        data = self._files.get(key)
        if data is not None:
            self._files.move_to_end(key)
        return data

    def put(self, key: Rendition, data: bytes) -> None:
        """Keep a file, unless it alone is over the limit."""
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
    """Whether the libraries of the `media` extra are installed; none of them is loaded to find out."""
    return all(find_spec(name) is not None for name in LIBRARIES)


def render(r: Rendition, check: Callable[[], None]) -> bytes:
    """Make the file of a bounded rendition; the first one of a kind imports the libraries it needs."""
    if r.format == "mp4":
        from understudy_mock.media import video

        return video.render(r, check)
    if r.format == "glb":
        from understudy_mock.media import mesh

        return mesh.render(r)
    from understudy_mock.media import image

    return image.render(r)
