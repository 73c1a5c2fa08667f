"""The result files of finished jobs: videos that play, images that open, meshes that load.

This room knows renditions (`domain.rendition`), but no jobs, providers or HTTP. Its import is cheap: PyAV,
numpy, Pillow and trimesh are imported when the first file needs them.
"""

from understudy_mock.media.studio import (
    RenderError,
    Studio,
    StudioBusy,
    StudioClosed,
    Unwanted,
    Wanted,
    always,
)

__all__ = ["RenderError", "Studio", "StudioBusy", "StudioClosed", "Unwanted", "Wanted", "always"]
