"""The bounds of a rendition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy_mock.domain.rendition import (
    FORMATS,
    MAX_AREA,
    MAX_FACES,
    MAX_FPS,
    MAX_FRAMES,
    MAX_SIDE,
    MEDIA_TYPES,
    MIN_FACES,
    MIN_SIDE,
    Rendition,
)

numbers = st.one_of(st.integers(-10, 10_000), st.integers())
renditions = st.builds(
    Rendition,
    format=st.sampled_from(FORMATS),
    width=numbers,
    height=numbers,
    frames=numbers,
    fps=numbers,
    faces=numbers,
    seed=st.integers(),
    prompt=st.text(),
    index=st.integers(0, 8),
)


@settings(deadline=None)
@given(renditions)
def test_every_rendition_is_within_bounds_once_bounded(r: Rendition) -> None:
    """Whatever is asked, what is made can be made."""
    made = r.bounded()
    if made.format == "glb":
        assert MIN_FACES <= made.faces <= MAX_FACES
        assert (made.width, made.height, made.frames) == (0, 0, 0)
        return
    assert min(made.width, made.height) >= MIN_SIDE
    assert max(made.width, made.height) <= MAX_SIDE
    assert made.width * made.height <= MAX_AREA
    assert made.faces == 0
    if made.format == "mp4":
        assert made.width % 2 == made.height % 2 == 0
        assert 1 <= made.frames <= MAX_FRAMES
        assert 1 <= made.fps <= MAX_FPS


@settings(deadline=None)
@given(renditions)
def test_bounding_is_idempotent_and_leaves_the_look_alone(r: Rendition) -> None:
    """Bounding twice gives what bounding once gives, and never touches seed, prompt or index."""
    made = r.bounded()
    assert made.bounded() == made
    assert (made.seed, made.prompt, made.index) == (r.seed, r.prompt, r.index)


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ((1280, 720), (1280, 720)),
        ((3840, 2160), (3840, 2160)),
        ((2160, 3840), (2160, 3840)),
        ((7680, 4320), (3964, 2230)),
        ((8192, 1024), (4096, 512)),
        ((855, 481), (854, 480)),
        ((0, 0), (2, 2)),
        ((3, 3), (2, 2)),
    ],
)
def test_a_video_is_as_large_as_asked_or_shrinks_in_proportion(
    asked: tuple[int, int], made: tuple[int, int]
) -> None:
    """Sizes within bounds are kept; larger ones keep their aspect ratio; odd ones are rounded down."""
    bounded = Rendition("mp4", *asked, frames=1).bounded()
    assert (bounded.width, bounded.height) == made


def test_every_format_has_a_media_type() -> None:
    assert set(MEDIA_TYPES) == set(FORMATS)
    assert MEDIA_TYPES["glb"] == "model/gltf-binary"
