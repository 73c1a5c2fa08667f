"""A stand-in for hosted generative-media providers: their documented APIs, served locally, faults and all.

In a program's own process: `create_app(Settings())` is an ASGI app, and `create_world` makes what lies behind
it, to be kept hold of. They are imported when they are asked for.
"""

from typing import TYPE_CHECKING, Any

from understudy_mock.version import __version__

if TYPE_CHECKING:
    from understudy_mock.app import create_app, create_world
    from understudy_mock.settings import Settings

__all__ = ["Settings", "__version__", "create_app", "create_world"]


def __getattr__(name: str) -> Any:
    if name == "Settings":
        from understudy_mock.settings import Settings

        return Settings
    if name in ("create_app", "create_world"):
        from understudy_mock import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
