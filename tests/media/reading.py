"""Reading the made files back, with other code than made them where there is any."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import trimesh


@dataclass(frozen=True)
class Film:
    """What a player would find in an MP4."""

    codec: str
    pixels: str | None
    rate: Fraction | None
    seconds: Fraction
    frames: list[npt.NDArray[np.uint8]]
    """Decoded luma and chroma, one array a frame."""
    size: tuple[int, int]
    first_is_key: bool


def never() -> None:
    """The check of a render that nobody stops."""


def read_film(data: bytes) -> Film:
    """Decode a whole MP4."""
    with av.open(BytesIO(data), "r") as container:
        assert container.duration is not None
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return Film(
            codec=stream.codec_context.name,
            pixels=stream.codec_context.pix_fmt,
            rate=stream.average_rate,
            seconds=Fraction(container.duration, av.time_base),
            frames=[np.asarray(frame.to_ndarray(), np.uint8) for frame in frames],
            size=(frames[0].width, frames[0].height),
            first_is_key=frames[0].key_frame,
        )


def read_mesh(data: bytes) -> Any:
    """The one body of a GLB; untyped, as trimesh's types know less than its bodies can do."""
    return trimesh.load(BytesIO(data), file_type="glb", force="mesh")


def boxes(data: bytes) -> list[str]:
    """The names of an MP4's outermost boxes, in order."""
    names, place = [], 0
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        names.append(name.decode("ascii"))
        place += size
    assert place == len(data)
    return names
