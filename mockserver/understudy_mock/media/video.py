"""H.264 in MP4: the picture's pattern through a window that moves.

The pattern is painted once, a little larger than the video. Each frame is a copy of a part of it. Only one
frame is in memory at a time, so memory does not grow with the video's length.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import av
import numpy as np
from av.codec.context import Flags

from understudy_mock.domain.rendition import Rendition
from understudy_mock.media import picture

if TYPE_CHECKING:
    from av.video.stream import VideoStream

TIMESCALE = 512
"""Ticks a frame, for track and movie alike: durations come out exact."""

MOOV_FIXED_BYTES = 2048
MOOV_FRAME_BYTES = 24
"""Room kept for the index: about 800 bytes, and 4 to 24 a frame for its size and its chunk's place."""

X264 = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "qp": "26",
    "x264-params": "scenecut=0:no-psy=1",
}

BT709 = 1
LIMITED_RANGE = 1


def render(r: Rendition, check: Callable[[], None]) -> bytes:
    """Return the file of a bounded rendition. `check` is called before each frame and raises to give up."""
    window = Window(r)
    out = BytesIO()
    with av.open(out, "w", format="mp4", options=_mux_options(r)) as container:
        stream = container.add_stream("libx264", rate=r.fps, options=X264)
        _configure(stream, r)
        for number in range(r.frames):
            check()
            container.mux(stream.encode(window.frame(number)))
        container.mux(stream.encode(None))
    return out.getvalue()


class Window:
    """The painted pattern, and the frames cut from it."""

    def __init__(self, r: Rendition) -> None:
        look, unit = picture.look_of(r), picture.unit_of(r.width, r.height)
        self._width, self._height = r.width, r.height
        places = [picture.offset(look, number, unit) for number in range(r.frames)]
        left, top = min(x for x, _ in places), min(y for _, y in places)
        right, bottom = max(x for x, _ in places), max(y for _, y in places)
        self._places = [(x - left, y - top) for x, y in places]
        pattern = picture.field(look, left, top, right - left + r.width, bottom - top + r.height, unit)
        luma, blue, red = picture.yuv_tables(look)
        quarter = pattern[::2, ::2]
        self._planes = picture.paint(pattern, luma), picture.paint(quarter, blue), picture.paint(quarter, red)

    def frame(self, number: int) -> av.VideoFrame:
        """Return frame `number`, yuv420p. Places are even, so luma and chroma move together."""
        x, y = self._places[number]
        frame = av.VideoFrame(self._width, self._height, "yuv420p")
        frame.pts = number
        for plane, source, shrink in zip(frame.planes, self._planes, (1, 2, 2), strict=True):
            # A plane's rows are padded to line_size bytes.
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            top, left = y // shrink, x // shrink
            rows[:, : plane.width] = source[top : top + plane.height, left : left + plane.width]
        return frame


def _mux_options(r: Rendition) -> dict[str, str]:
    """Put the index first, so that players can start early, and no dates or versions inside."""
    return {
        "moov_size": str(MOOV_FIXED_BYTES + MOOV_FRAME_BYTES * r.frames),
        "fflags": "+bitexact",
        "movie_timescale": str(r.fps * TIMESCALE),
        "video_track_timescale": str(r.fps * TIMESCALE),
    }


def _configure(stream: VideoStream, r: Rendition) -> None:
    """Use one thread and a key frame every ten seconds: the bytes are always the same, and quickly made."""
    stream.width, stream.height, stream.pix_fmt = r.width, r.height, "yuv420p"
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size = 10 * r.fps
    context.flags |= Flags.bitexact
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
