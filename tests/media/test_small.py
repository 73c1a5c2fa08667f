"""The files that ship with the package."""

from fractions import Fraction
from io import BytesIO

import pytest
from PIL import Image

from tests.media.reading import boxes, read_film, read_mesh
from understudy_mock.domain.rendition import FORMATS, Format
from understudy_mock.media.small import small_file


@pytest.mark.parametrize("kind", FORMATS)
def test_small_files_are_small(kind: Format) -> None:
    """No shipped file reaches 2 KB."""
    assert 0 < len(small_file(kind)) < 2048


def test_the_small_video_plays() -> None:
    """It is H.264 with a few frames, and its index comes first."""
    film = read_film(small_file("mp4"))
    assert (film.codec, film.pixels, film.rate, len(film.frames)) == ("h264", "yuv420p", Fraction(24), 8)
    assert film.first_is_key
    names = boxes(small_file("mp4"))
    assert names.index("moov") < names.index("mdat")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_small_images_open(kind: Format) -> None:
    """Each is a whole image of its format."""
    with Image.open(BytesIO(small_file(kind))) as opened:
        opened.load()
        assert opened.format == kind.upper()


def test_the_small_mesh_loads() -> None:
    """It is a closed body."""
    assert read_mesh(small_file("glb")).is_watertight
