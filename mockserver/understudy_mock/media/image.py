"""PNG, JPEG and WebP: the first frame of the video that the same seed would give."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from PIL import Image

from understudy_mock.domain.rendition import Format, Rendition
from understudy_mock.media import picture

SAVE: Final[dict[Format, dict[str, Any]]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 88},
    "webp": {"quality": 80, "method": 1},
}
"""Pillow's options, for speed: nobody keeps these files."""


def render(r: Rendition) -> bytes:
    """Return the file of a bounded rendition."""
    look = picture.look_of(r)
    indexes = picture.field(look, 0, 0, r.width, r.height, picture.unit_of(r.width, r.height))
    out = BytesIO()
    pixels = picture.paint(indexes, picture.rgb_table(look))
    Image.fromarray(pixels).save(out, r.format, **SAVE[r.format])
    return out.getvalue()
