"""The result files that finished jobs hand out: videos that play, images that open, meshes that load.

It knows renditions (`domain.rendition`) and nothing of jobs, providers or HTTP. Importing it is
cheap: PyAV, numpy, Pillow and trimesh are loaded by the first file that needs them.
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
