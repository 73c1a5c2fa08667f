"""Videos, read back with PyAV."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.media.reading import boxes, never, read_film
from understudy_mock.domain.rendition import MAX_FRAMES, Rendition
from understudy_mock.media import video


@pytest.mark.parametrize(
    ("width", "height", "frames"), [(1280, 720, 129), (854, 480, 77), (2, 2, 5), (64, 36, 1), (30, 4096, 2)]
)
def test_a_video_is_what_was_asked(width: int, height: int, frames: int) -> None:
    """Size, frame count, rate, codec, pixel format and duration are exactly those of the rendition."""
    film = read_film(video.render(Rendition("mp4", width, height, frames), never))
    assert film.size == (width, height)
    assert len(film.frames) == frames
    assert (film.codec, film.pixels, film.rate) == ("h264", "yuv420p", Fraction(24))
    assert abs(film.seconds - Fraction(frames, 24)) <= Fraction(1, 1_000_000)
    assert film.first_is_key


def test_a_4k_video_can_be_made() -> None:
    """The largest usual size works."""
    film = read_film(video.render(Rendition("mp4", 3840, 2160, 2), never))
    assert (film.size, len(film.frames)) == ((3840, 2160), 2)


@pytest.mark.parametrize("fps", [1, 24, 30, 120])
def test_the_longest_video_has_room_for_its_index(fps: int) -> None:
    """The index comes before the pictures whatever the length, so a player can start at once."""
    data = video.render(Rendition("mp4", 2, 2, MAX_FRAMES, fps=fps), never)
    order = [name for name in boxes(data) if name != "free"]
    assert order == ["ftyp", "moov", "mdat"]
    assert len(read_film(data).frames) == MAX_FRAMES


def test_the_picture_moves() -> None:
    """Each frame differs from the one before."""
    frames = read_film(video.render(Rendition("mp4", 128, 72, 12), never)).frames
    steps = [np.abs(a.astype(int) - b.astype(int)).mean() for a, b in pairwise(frames)]
    assert min(steps) > 0.5


@pytest.mark.parametrize("change", [{"seed": 2}, {"prompt": "a cat"}, {"index": 1}])
def test_seed_prompt_and_index_each_change_the_picture(change: dict[str, Any]) -> None:
    """A different seed, prompt or index gives a picture that a person would call different."""
    one, other = (
        read_film(video.render(Rendition("mp4", 128, 72, 1, **look), never)).frames[0].astype(int)
        for look in ({}, change)
    )
    assert np.abs(one - other).mean() > 5


def test_a_render_can_be_stopped_between_frames() -> None:
    """What the check raises ends the render at the next frame."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        video.render(Rendition("mp4", 64, 36, 100), check)
    assert calls == 3
