"""Where files are asked for: made on demand, once however many ask, and kept while there is room.

The event loop only looks things up and waits; the work is done by a few threads. Every mutable thing here is
guarded by one lock, which is held for a few dictionary steps and never while rendering, so one studio may
serve any number of event loops.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from threading import Event, Lock
from typing import Final

from understudy_mock.domain.rendition import Rendition
from understudy_mock.media.small import small_file

LIBRARIES: Final = ("av", "PIL", "numpy", "trimesh")
CACHE_BYTES: Final = 256 * 1024 * 1024
MAX_THREADS: Final = 4

Renderer = Callable[[Rendition, Callable[[], None]], bytes]
"""Makes the file of a bounded rendition; calls its second argument now and then, which raises to stop it."""


class StudioClosed(RuntimeError):
    """A file was asked for, or still being made, when its studio was closed."""


class RenderError(RuntimeError):
    """A file could not be made; the cause says why. Asking again tries again."""


class Studio:
    """Makes result files. `full` says whether they are real ones or the small shipped ones."""

    def __init__(
        self, *, small: bool = False, cache_bytes: int = CACHE_BYTES, renderer: Renderer | None = None
    ) -> None:
        """`cache_bytes` bounds the files kept. `renderer` stands in for the real one, in tests."""
        self.full: Final = not small and (renderer is not None or available())
        self._renderer = renderer or render
        self._cache = Cache(cache_bytes)
        self._flights: dict[Rendition, Future[bytes]] = {}
        self._lock = Lock()
        self._closed = Event()
        self._pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1), "studio")

    async def file(self, r: Rendition) -> bytes:
        """The file's bytes; `r` need not be bounded. Raises RenderError, or StudioClosed after `close`.

        A waiter that is cancelled leaves the others, and the render, alone.
        """
        if not self.full:
            self._check_open()
            return small_file(r.format)
        found = self._find_or_start(r.bounded())
        if isinstance(found, bytes):
            return found
        return await asyncio.shield(asyncio.wrap_future(found))

    @property
    def held(self) -> int:
        """Bytes kept now."""
        return self._cache.held

    def close(self) -> None:
        """Stop: what is being made is given up at its next frame, and who waits for it gets StudioClosed."""
        with self._lock:
            self._closed.set()
            self._cache.clear()
        self._pool.shutdown(wait=False)

    def _find_or_start(self, key: Rendition) -> bytes | Future[bytes]:
        with self._lock:
            self._check_open()
            kept = self._cache.get(key)
            if kept is not None:
                return kept
            flight = self._flights.get(key)
            if flight is None:
                # Not the executor's own future: that one could be cancelled by a waiter while it is queued.
                flight = Future()
                self._pool.submit(self._fly, key, flight)
                self._flights[key] = flight
            return flight

    def _fly(self, key: Rendition, flight: Future[bytes]) -> None:
        """In a worker thread: make the file, keep it, tell everybody who waits."""
        try:
            self._check_open()
            data = self._renderer(key, self._check_open)
        except StudioClosed as closed:
            self._land(key, None)
            flight.set_exception(closed)
        except BaseException as cause:  # whatever it is, somebody waits to hear of it
            error = RenderError(f"could not make a {key.format} file: {cause!r}")
            error.__cause__ = cause
            self._land(key, None)
            flight.set_exception(error)
        else:
            self._land(key, data)
            flight.set_result(data)

    def _land(self, key: Rendition, data: bytes | None) -> None:
        with self._lock:
            self._flights.pop(key, None)
            if data is not None and not self._closed.is_set():
                self._cache.put(key, data)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StudioClosed("the studio is closed; make a new one")


class Cache:
    """Files by rendition, bounded by their bytes; what was used longest ago goes first. Not thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
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
        while self.held > self._limit:
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
