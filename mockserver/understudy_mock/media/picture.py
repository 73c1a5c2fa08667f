"""The look: a seeded field of colour, drawn as one byte a pixel and a palette of 256 colours.

Video, image and mesh all take their colours from here. A field is a sum of waves that run across, down and
along both diagonals; each wave is a one-dimensional table, so a picture of any size costs a few additions a
pixel. The sum wraps at 256 and so does the palette, therefore the colours flow without seams.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from understudy_mock.domain.rendition import Rendition

Bytes: TypeAlias = npt.NDArray[np.uint8]

BAND_ROWS = 64
"""Rows worked on at a time: temporary arrays stay small, and other threads get a turn between bands."""

MIN_UNIT = 64
"""Pictures smaller than this (pixels) show a part of the pattern, not all of it squeezed together."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Two sines along one direction; `cycles` per picture length, `swing` in field steps (256 a turn)."""

    cycles: float
    phase: float
    swing: float

    def table(self, positions: npt.NDArray[np.int64], unit: int) -> npt.NDArray[np.uint16]:
        """Return the wave's height at each position (pixels), in 1/256 field steps, wrapped to 16 bits."""
        turn = 2 * np.pi * (positions * (self.cycles / unit) + self.phase)
        height = self.swing * (np.sin(turn) + 0.3 * np.sin(2 * turn + self.phase))
        wrapped: npt.NDArray[np.uint16] = (np.rint(height * 256).astype(np.int64) & 0xFFFF).astype(np.uint16)
        return wrapped


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that seed, prompt and index determine."""

    palette: tuple[tuple[int, int, int], ...]
    """256 RGB colours; the last runs into the first."""
    across: Wave
    down: Wave
    falling: Wave
    rising: Wave
    drift: tuple[float, float]
    """Movement per frame, right and down, as a share of the picture's long side."""


def look_of(r: Rendition) -> Look:
    """Return the look of a rendition. The prompt may hold any characters, lone surrogates included."""
    text = f"{r.seed}/{r.index}/{r.prompt}".encode("utf-8", "surrogatepass")
    rng = Random(int.from_bytes(blake2b(text, digest_size=16).digest(), "big"))
    return Look(
        palette=_palette(rng),
        across=_wave(rng, 0.6, 1.4, 46),
        down=_wave(rng, 0.6, 1.4, 46),
        falling=_wave(rng, 0.4, 1.0, 40),
        rising=_wave(rng, 0.4, 1.0, 40),
        drift=(_drift(rng), _drift(rng)),
    )


def unit_of(width: int, height: int) -> int:
    """Return the length, in pixels, that the pattern is scaled to: the look is the same at every size."""
    return max(width, height, MIN_UNIT)


def offset(look: Look, frame: int, unit: int) -> tuple[int, int]:
    """Return where the window on the pattern is at a frame: (right, down) from its start, in even pixels.

    The window goes to and fro within an eighth of the picture's length, so a long video needs no larger one.
    """
    reach = _even(max(8, unit // 8))
    return _bounce(look.drift[0], frame, unit, reach), _bounce(look.drift[1], frame, unit, reach)


def field(look: Look, left: int, top: int, width: int, height: int, unit: int) -> Bytes:
    """Return the pattern's window at (left, top), as palette indexes of shape (height, width)."""
    xs, ys = np.arange(left, left + width), np.arange(top, top + height)
    across = look.across.table(xs, unit)
    down = look.down.table(ys, unit)
    # Along a diagonal only x + y (or x - y) matters: row y is the table from y on, without a copy.
    falling = look.falling.table(np.arange(left + top, left + top + width + height), unit)
    rising = look.rising.table(np.arange(left - top - height, left - top + width), unit)
    out = np.empty((height, width), np.uint8)
    for y0, y1 in bands(height):
        total = down[y0:y1, None] + across[None, :]
        total += _sliding(falling, y0, y1, width)
        total += _sliding(rising[::-1], y0, y1, width)[:, ::-1]
        total >>= 8
        out[y0:y1] = total
    return out


def paint(indexes: Bytes, table: Bytes) -> Bytes:
    """Look up indexes (height, width) in a table (256, ...). Return an array (height, width, ...)."""
    out = np.empty(indexes.shape + table.shape[1:], np.uint8)
    for y0, y1 in bands(len(indexes)):
        np.take(table, indexes[y0:y1], axis=0, out=out[y0:y1], mode="clip")
    return out


def rgb_table(look: Look) -> Bytes:
    """Return the palette, shape (256, 3)."""
    return np.array(look.palette, np.uint8)


def yuv_tables(look: Look) -> tuple[Bytes, Bytes, Bytes]:
    """Return the palette as luma and two chroma tables of 256 (ITU-R BT.709, limited range)."""
    red, green, blue = rgb_table(look).astype(np.float64).T / 255
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    y = np.rint(16 + 219 * luma).astype(np.uint8)
    u = np.rint(128 + 224 * (blue - luma) / 1.8556).astype(np.uint8)
    v = np.rint(128 + 224 * (red - luma) / 1.5748).astype(np.uint8)
    return y, u, v


def bands(height: int) -> Iterator[tuple[int, int]]:
    """Yield rows 0..height in runs of at most BAND_ROWS: pairs (first, past the last)."""
    for y in range(0, height, BAND_ROWS):
        yield y, min(y + BAND_ROWS, height)


def _sliding(table: npt.NDArray[np.uint16], y0: int, y1: int, width: int) -> npt.NDArray[np.uint16]:
    """Return rows y0..y1 of the matrix whose row y is table[y : y + width], as a view."""
    return np.lib.stride_tricks.sliding_window_view(table, width)[y0:y1]


def _palette(rng: Random) -> tuple[tuple[int, int, int], ...]:
    """Return 256 colours through four anchors, dark and bright in turn, so that shapes show."""
    hue = rng.random()
    anchors = [
        colorsys.hsv_to_rgb((hue + turn + rng.uniform(-0.06, 0.06)) % 1, saturation, value)
        for turn, saturation, value in (
            (0.0, rng.uniform(0.7, 0.95), rng.uniform(0.2, 0.35)),
            (rng.uniform(0.08, 0.2), rng.uniform(0.6, 0.9), rng.uniform(0.75, 0.95)),
            (rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.5), rng.uniform(0.9, 1.0)),
            (rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.9), rng.uniform(0.5, 0.7)),
        )
    ]
    return tuple(_between(anchors, step / 64) for step in range(256))


def _between(anchors: list[tuple[float, float, float]], place: float) -> tuple[int, int, int]:
    """Return the colour at a place (0 up to the number of anchors) on the closed way through the anchors."""
    here = anchors[int(place)]
    there = anchors[(int(place) + 1) % len(anchors)]
    share = (1 - math.cos(math.pi * (place % 1))) / 2
    red, green, blue = (round(255 * (a + (b - a) * share)) for a, b in zip(here, there, strict=True))
    return red, green, blue


def _wave(rng: Random, low: float, high: float, swing: float) -> Wave:
    return Wave(cycles=rng.uniform(low, high), phase=rng.random(), swing=swing * rng.uniform(0.7, 1.3))


def _drift(rng: Random) -> float:
    return rng.choice((-1, 1)) * rng.uniform(0.0015, 0.004)


def _bounce(drift: float, frame: int, unit: int, reach: int) -> int:
    """Return the place of a walk that starts at 0 and turns back at +reach and -reach, in even pixels."""
    step = _even(max(2, round(abs(drift) * unit)))
    place = reach - abs((frame * step + reach) % (4 * reach) - 2 * reach)
    return place if drift > 0 else -place


def _even(value: int) -> int:
    return value - value % 2
