"""Images, read back with Pillow."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.media.reading import never, read_film
from understudy_mock.domain.rendition import Format, Rendition
from understudy_mock.media import image, video


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (2, 2), (333, 77)])
def test_an_image_is_what_was_asked(kind: Format, width: int, height: int) -> None:
    """Format and size are exactly those of the rendition, odd sizes included, in full colour."""
    with Image.open(BytesIO(image.render(Rendition(kind, width, height)))) as opened:
        opened.load()
        assert (opened.format, opened.size, opened.mode) == (kind.upper(), (width, height), "RGB")


def test_an_image_is_not_plain() -> None:
    """There is something to see: dark and bright, and many colours."""
    with Image.open(BytesIO(image.render(Rendition("png", 320, 180)))) as opened:
        pixels = np.asarray(opened)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert pixels.std() > 20


@pytest.mark.parametrize("prompt", ["", "猫 🐈", "\udc80 lone", "x" * 100_000, "\0"])
def test_any_prompt_will_do(prompt: str) -> None:
    """No prompt is too strange to be drawn from."""
    assert image.render(Rendition("png", 8, 8, prompt=prompt))


def test_an_image_shows_the_first_frame_of_the_video() -> None:
    """The same seed and prompt look the same as a picture and as a film."""
    look = Rendition("png", 320, 180, seed=5, prompt="dunes")
    film = Rendition("mp4", 320, 180, 1, seed=5, prompt="dunes")
    with Image.open(BytesIO(image.render(look))) as opened:
        still = np.asarray(opened.convert("L")).astype(int)
    luma = read_film(video.render(film, never)).frames[0][:180].astype(int)
    assert np.corrcoef(still.ravel(), luma.ravel())[0, 1] > 0.95
