"""The studio: one render however many ask, what is kept, and what happens when things go wrong."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from textwrap import dedent
from threading import Event, Lock
from typing import Any

import pytest

from understudy_mock.domain.rendition import FORMATS, Rendition
from understudy_mock.media import RenderError, Studio, StudioBusy, StudioClosed, Unwanted
from understudy_mock.media.small import small_file
from understudy_mock.media.studio import MAX_THREADS, render

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
"""Seconds until a test that hangs is given up; nothing waits this long otherwise."""

SAMPLES = [
    Rendition("mp4", 64, 36, 5, seed=3, prompt="a cat"),
    Rendition("png", 65, 33, seed=3),
    Rendition("jpeg", 65, 33, seed=3),
    Rendition("webp", 65, 33, seed=3),
    Rendition("glb", faces=500, seed=3),
]


class Renderer:
    """Stands in for the real renderer: counts, and can be held at a gate."""

    def __init__(self, size: int = 10, *, gated: bool = False) -> None:
        self.size = size
        self.seen: list[Rendition] = []
        self.error: Exception | None = None
        self.started, self.gate = Event(), Event()
        self._lock = Lock()
        if not gated:
            self.gate.set()

    def __call__(self, r: Rendition, check: Callable[[], None]) -> bytes:
        with self._lock:
            self.seen.append(r)
        self.started.set()
        assert self.gate.wait(PATIENCE)
        check()
        if self.error is not None:
            raise self.error
        return bytes(self.size)


@contextmanager
def studio_of(renderer: Renderer, cache_bytes: int = 1000, **bounds: Any) -> Iterator[Studio]:
    """A studio whose gate opens at the end, so that no thread is left waiting."""
    with closing(Studio(cache_bytes=cache_bytes, renderer=renderer, **bounds)) as studio:
        try:
            yield studio
        finally:
            renderer.gate.set()


async def begun(renderer: Renderer) -> None:
    """Wait until a render is under way."""
    assert await asyncio.to_thread(renderer.started.wait, PATIENCE)


def png(seed: int) -> Rendition:
    return Rendition("png", 8, 8, seed=seed)


def film(seed: int) -> Rendition:
    """One that takes long."""
    return Rendition("mp4", 4096, 2160, 1_000, seed=seed)


async def test_a_hundred_requests_are_one_render() -> None:
    """Everybody who asks for one file while it is made gets the same bytes from one render."""
    renderer = Renderer(gated=True)
    with studio_of(renderer) as studio:
        waiters = [asyncio.create_task(studio.file(png(1))) for _ in range(100)]
        await begun(renderer)
        renderer.gate.set()
        results = await asyncio.gather(*waiters)
    assert len(renderer.seen) == 1
    assert len({id(data) for data in results}) == 1


async def test_a_made_file_is_kept() -> None:
    """Asking again renders nothing, also when the request differs only in what the format ignores."""
    renderer = Renderer()
    with studio_of(renderer) as studio:
        await studio.file(Rendition("png", 8, 8))
        await studio.file(Rendition("png", 8, 8, frames=129, faces=7))
    assert renderer.seen == [Rendition("png", 8, 8, fps=0)]


async def test_the_cache_is_bounded_by_bytes_and_forgets_the_longest_unused() -> None:
    """With room for two files, the one used longest ago goes when a third comes."""
    renderer = Renderer(size=10)
    with studio_of(renderer, cache_bytes=25) as studio:
        for seed in (1, 2, 1, 3):
            await studio.file(png(seed))
        assert [r.seed for r in renderer.seen] == [1, 2, 3]
        await studio.file(png(1))
        assert [r.seed for r in renderer.seen] == [1, 2, 3]
        await studio.file(png(2))
        assert [r.seed for r in renderer.seen] == [1, 2, 3, 2]
        assert studio.held == 20


async def test_a_file_larger_than_the_cache_is_served_and_pushes_nothing_out() -> None:
    """An oversized file is made each time, and what was kept stays."""
    renderer = Renderer(size=10)
    with studio_of(renderer, cache_bytes=25) as studio:
        await studio.file(png(1))
        renderer.size = 26
        assert len(await studio.file(png(2))) == 26
        assert len(await studio.file(png(2))) == 26
        await studio.file(png(1))
    assert [r.seed for r in renderer.seen] == [1, 2, 2]


async def test_one_who_leaves_does_not_take_the_file_along() -> None:
    """When one waiter is cancelled, even the first, the others get their file from the same render."""
    renderer = Renderer(gated=True)
    with studio_of(renderer) as studio:
        first, second = (asyncio.create_task(studio.file(png(1))) for _ in range(2))
        await begun(renderer)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        renderer.gate.set()
        assert len(await second) == 10
    assert len(renderer.seen) == 1


async def test_a_render_that_everybody_left_goes_on_for_a_while() -> None:
    """Who gave up and tries again finds the file, or joins the render."""
    renderer = Renderer(gated=True)
    with studio_of(renderer, linger=60) as studio:
        only = asyncio.create_task(studio.file(png(1)))
        await begun(renderer)
        only.cancel()
        with pytest.raises(asyncio.CancelledError):
            await only
        renderer.gate.set()
        await studio.file(png(1))
    assert len(renderer.seen) == 1


async def test_a_render_that_everybody_left_is_given_up() -> None:
    """At its next frame; whoever asks afterwards gets a render of its own."""
    renderer = Renderer(gated=True)
    with studio_of(renderer, linger=0) as studio:
        heard = Event()
        heard.set()
        waiters = [asyncio.create_task(studio.file(png(1), heard.is_set)) for _ in range(2)]
        await begun(renderer)
        heard.clear()
        renderer.gate.set()
        for waiter in waiters:
            with pytest.raises(Unwanted):
                await waiter
        assert len(await studio.file(png(1))) == 10
    assert len(renderer.seen) == 2


async def test_a_render_goes_on_for_the_one_who_stays() -> None:
    renderer = Renderer(gated=True)
    with studio_of(renderer, linger=0) as studio:
        heard = Event()
        heard.set()
        left = asyncio.create_task(studio.file(png(1), heard.is_set))
        stays = asyncio.create_task(studio.file(png(1)))
        await begun(renderer)
        heard.clear()
        renderer.gate.set()
        assert len(await stays) == 10
        await left
    assert len(renderer.seen) == 1


async def test_what_waits_for_a_thread_is_not_begun_when_everybody_has_left() -> None:
    """Sixty long films whose viewers have gone cost nothing."""
    renderer = Renderer(gated=True)
    with studio_of(renderer) as studio:
        under_way = [asyncio.create_task(studio.file(film(seed))) for seed in range(MAX_THREADS)]
        await begun(renderer)
        gone = [asyncio.create_task(studio.file(film(100 + seed))) for seed in range(60)]
        await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        renderer.gate.set()
        await asyncio.gather(*under_way)
        await studio.file(film(1000))
    assert not [r for r in renderer.seen if 100 <= r.seed < 1000]


async def test_a_small_file_is_made_beside_long_ones() -> None:
    """However many of those wait."""
    gate = Event()

    def renderer(r: Rendition, check: Callable[[], None]) -> bytes:
        if r.format == "mp4":
            assert gate.wait(PATIENCE)
        return bytes(10)

    with closing(Studio(renderer=renderer)) as studio:
        long = [asyncio.create_task(studio.file(film(seed))) for seed in range(60)]
        await asyncio.sleep(0)
        assert len(await asyncio.wait_for(studio.file(png(1)), PATIENCE)) == 10
        assert not any(one.done() for one in long)
        gate.set()
        await asyncio.gather(*long)


async def test_only_so_many_files_wait_for_a_thread() -> None:
    """Whoever asks for one more is turned away; one that waits already can be joined."""
    renderer = Renderer(gated=True)
    with studio_of(renderer, most_waiting=3) as studio:
        under_way = []
        for seed in range(min(MAX_THREADS, os.cpu_count() or 1)):
            renderer.started.clear()
            under_way.append(asyncio.create_task(studio.file(png(seed))))
            await begun(renderer)
        waiting = [asyncio.create_task(studio.file(png(100 + seed))) for seed in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(StudioBusy):
            await studio.file(png(200))
        joined = asyncio.create_task(studio.file(png(100)))
        renderer.gate.set()
        await asyncio.gather(*under_way, *waiting, joined)
        assert len(await studio.file(png(200))) == 10


async def test_the_cache_is_bounded_by_files_too() -> None:
    """The smallest ones weigh less than what they are known by."""
    renderer = Renderer(size=1)
    with studio_of(renderer, cache_files=2) as studio:
        for seed in (1, 2, 3):
            await studio.file(png(seed))
        assert studio.held == 2
        await studio.file(png(1))
    assert [r.seed for r in renderer.seen] == [1, 2, 3, 1]


async def test_an_error_reaches_every_waiter_and_is_forgotten() -> None:
    """Each waiter gets the error with its cause; the next request tries again."""
    renderer = Renderer(gated=True)
    renderer.error = ValueError("no paint left")
    with studio_of(renderer) as studio:
        waiters = [asyncio.create_task(studio.file(png(1))) for _ in range(5)]
        await begun(renderer)
        renderer.gate.set()
        errors = await asyncio.gather(*waiters, return_exceptions=True)
        assert all(isinstance(e, RenderError) and e.__cause__ is renderer.error for e in errors)
        renderer.error = None
        assert len(await studio.file(png(1))) == 10
    assert len(renderer.seen) == 2


async def test_closing_ends_what_is_being_made() -> None:
    """Who waits for a running or a queued render hears that the studio is closed; so does who comes later."""
    renderer = Renderer(gated=True)
    with studio_of(renderer) as studio:
        waiters = [asyncio.create_task(studio.file(png(seed))) for seed in range(20)]
        await begun(renderer)
        studio.close()
        renderer.gate.set()
        errors = await asyncio.gather(*waiters, return_exceptions=True)
        assert all(isinstance(e, StudioClosed) for e in errors)
        assert len(renderer.seen) < 20
        with pytest.raises(StudioClosed):
            await studio.file(png(1))


async def test_a_closed_studio_hands_out_no_small_files_either() -> None:
    """Closing means the same with small files."""
    studio = Studio(small=True)
    studio.close()
    with pytest.raises(StudioClosed):
        await studio.file(png(1))


async def test_the_loop_turns_while_a_4k_video_is_made() -> None:
    """Before each frame the render waits for the event loop to answer, as it could not if it stood still."""
    loop = asyncio.get_running_loop()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1

    def render_in_step(r: Rendition, check: Callable[[], None]) -> bytes:
        def step() -> None:
            check()
            asyncio.run_coroutine_threadsafe(tick(), loop).result(PATIENCE)

        return render(r, step)

    with closing(Studio(renderer=render_in_step)) as studio:
        await studio.file(Rendition("mp4", 3840, 2160, 4))
    assert ticks == 4


async def test_all_formats_come_out_of_a_real_studio() -> None:
    """With the libraries installed, the files are real ones."""
    with closing(Studio()) as studio:
        assert studio.full
        for r in SAMPLES:
            assert await studio.file(r) != small_file(r.format)


async def test_a_small_studio_hands_out_the_shipped_files() -> None:
    """Whatever is asked, the answer is the small file of the format."""
    with closing(Studio(small=True)) as studio:
        assert not studio.full
        for kind in FORMATS:
            assert await studio.file(Rendition(kind, 1000, 1000, 100)) == small_file(kind)


def test_equal_renditions_are_equal_bytes_in_any_process() -> None:
    """A file depends on its rendition alone: not on the process, its hash seed, or what was made before."""
    here = [sha256(render(r, lambda: None)).hexdigest() for r in SAMPLES]
    again = [sha256(render(r, lambda: None)).hexdigest() for r in SAMPLES]
    elsewhere = python(
        f"""
        from hashlib import sha256
        from understudy_mock.domain.rendition import Rendition
        from understudy_mock.media.studio import MAX_THREADS, render
        found = [sha256(render(r, lambda: None)).hexdigest() for r in {SAMPLES[::-1]!r}]
        """,
        hash_seed="77",
    )
    assert here == again
    assert here[::-1] == elsewhere


def test_importing_the_package_loads_no_heavy_library() -> None:
    """Neither importing the package nor opening a studio loads PyAV, numpy, Pillow or trimesh."""
    out = python(
        """
        import sys
        from understudy_mock.media import Studio
        full = Studio().full
        found = [full, sorted({"av", "numpy", "PIL", "trimesh"} & set(sys.modules))]
        """
    )
    assert out == [True, []]


@pytest.mark.parametrize("missing", ["av", "numpy", "PIL", "trimesh"])
def test_without_a_library_there_are_small_files(missing: str) -> None:
    """If any library of the extra is absent, the studio says so and hands out the shipped files."""
    out = python(
        f"""
        import asyncio, sys
        sys.modules[{missing!r}] = None  # as if it were not installed
        from understudy_mock.domain.rendition import Rendition
        from understudy_mock.media import Studio
        studio = Studio()
        data = asyncio.run(studio.file(Rendition("png", 100, 100)))
        found = [studio.full, data.hex()]
        """
    )
    assert out == [False, small_file("png").hex()]


def python(program: str, *, hash_seed: str = "0") -> object:
    """Run a program in a fresh interpreter; gives what it left in `found`."""
    text = f"import json\n{dedent(program)}\nprint(json.dumps(found))"
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    answer: object = json.loads(done.stdout)
    return answer
