"""One tiny valid file a format, shipped with the package.

They serve when speed is all that counts, and when the `media` extra is not installed.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from understudy_mock.domain.rendition import EXTENSIONS, Format


@cache
def small_file(kind: Format) -> bytes:
    """The shipped file of a format (under 2 KB); it is the same for every rendition."""
    return (files("understudy_mock.media") / "small" / f"output.{EXTENSIONS[kind]}").read_bytes()
