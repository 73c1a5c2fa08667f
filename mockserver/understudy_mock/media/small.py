"""One tiny valid file per format, shipped with the package.

They are served with `--media small`, and without the `media` extra.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from understudy_mock.domain.rendition import Format


@cache
def small_file(kind: Format) -> bytes:
    """Return the shipped file of a format (under 2 KB), the same for every rendition."""
    return (files("understudy_mock.media") / "small" / f"output.{kind}").read_bytes()
