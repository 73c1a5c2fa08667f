"""What one result file must be: its format, its size, and what decides its look.

A rendition says nothing about how the file is made; `media` makes it. Equal renditions stand for
equal bytes, so a rendition is also the key under which a made file is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from typing import Final, Literal, get_args

Format = Literal["mp4", "png", "jpeg", "webp", "glb"]
"""The format of a file; it is also the end of the file's name."""

FORMATS: Final[tuple[Format, ...]] = get_args(Format)

MEDIA_TYPES: Final[dict[Format, str]] = {
    "mp4": "video/mp4",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "glb": "model/gltf-binary",
}

MIN_SIDE: Final = 2
MAX_SIDE: Final = 4096
"""Longest side of a picture, in pixels."""

MAX_AREA: Final = 4096 * 2160
"""Largest picture, in pixels: cinema 4K."""

MAX_FRAMES: Final = 24 * 60
"""Longest video, in frames: one minute at the usual 24 a second."""

MAX_FPS: Final = 120
MIN_FACES: Final = 4
MAX_FACES: Final = 1_500_000


@dataclass(frozen=True, slots=True)
class Rendition:
    """One result file. `width` and `height` are pixels; `frames` is for mp4 only, `faces` for glb only."""

    format: Format
    width: int = 0
    height: int = 0
    frames: int = 0
    fps: int = 24
    faces: int = 0
    seed: int = 0
    prompt: str = ""
    index: int = 0
    """Which output of the job this is, from 0."""

    def bounded(self) -> Rendition:
        """The file that is really made: numbers within bounds, and 0 where the format has no use for one.

        Applying it twice gives what applying it once gives.
        """
        if self.format == "glb":
            faces = _clamp(self.faces, MIN_FACES, MAX_FACES)
            return replace(self, width=0, height=0, frames=0, fps=0, faces=faces)
        width, height = bounded_size(self.width, self.height)
        if self.format != "mp4":
            return replace(self, width=width, height=height, frames=0, fps=0, faces=0)
        # yuv420p keeps one colour sample for each 2x2 pixels, so both sides must be even.
        return replace(
            self,
            width=width - width % 2,
            height=height - height % 2,
            frames=_clamp(self.frames, 1, MAX_FRAMES),
            fps=_clamp(self.fps, 1, MAX_FPS),
            faces=0,
        )


def bounded_size(width: int, height: int) -> tuple[int, int]:
    """The nearest size within bounds, in pixels; what is too large shrinks and keeps its aspect ratio."""
    width, height = max(width, MIN_SIDE), max(height, MIN_SIDE)
    long_side = max(width, height)
    if long_side > MAX_SIDE:
        width, height = width * MAX_SIDE // long_side, height * MAX_SIDE // long_side
        width, height = max(width, MIN_SIDE), max(height, MIN_SIDE)
    if width * height > MAX_AREA:
        width, height = isqrt(MAX_AREA * width // height), isqrt(MAX_AREA * height // width)
    return width, height


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
