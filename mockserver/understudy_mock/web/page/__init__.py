"""The page at `/_mock/`: a shell without data, its styles and scripts. It asks the admin API for its data.

It is written by hand and served as it is written: no build, no library, nothing from elsewhere. The headers
let it load only itself and the gateway's files, and let no text become markup or script.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "css": "text/css; charset=utf-8",
        "html": "text/html; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
)

_SHELL = "index.html"

_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self'{files}; media-src 'self'{files}; "
    "script-src 'self'; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Page:
    """The page's shell and its parts. `media_url` is where files are, if that is another origin."""

    def __init__(self, media_url: str | None = None) -> None:
        self._assets = dict(_read(files(__name__) / "assets"))
        parts = urlsplit(media_url or "")
        origin = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
        self._headers = {
            "Content-Security-Policy": _POLICY.format(files=origin),
            "Cache-Control": "no-cache",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Vary": "Accept",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, request: Request) -> Response:
        """Answer the page itself, or the part that the path names. Raises HTTPException (404) for another."""
        name = request.path_params.get("name", _SHELL)
        if name not in self._assets:
            raise HTTPException(404, "the page has no such part")
        return Response(self._assets[name], media_type=TYPES[name.rpartition(".")[2]], headers=self._headers)


def _read(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    """Return the parts of the page by name, as `views/jobs.js`. Types for the checker are not served."""
    found = []
    for asset in folder.iterdir():
        if asset.is_dir():
            found += _read(asset, f"{prefix}{asset.name}/")
        elif asset.name.rpartition(".")[2] in TYPES:
            found.append((prefix + asset.name, asset.read_bytes()))
    return found
