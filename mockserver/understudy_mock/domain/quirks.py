"""Where two pages of the documentation disagree, a quirk switches on the reading that is not the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Quirk:
    """One such reading. `source` names the page that supports it; `providers` those it can apply to."""

    name: str
    summary: str
    source: str
    providers: tuple[str, ...]


_ALL = (
    Quirk(
        "submit-200",
        "A queued submit answers 200 instead of 202.",
        "Pixazo Hunyuan Video, image to video, Response Handling",
        ("pixazo",),
    ),
    Quirk(
        "direct-video",
        "The image-to-video submit waits and answers 200 with the video object.",
        "Pixazo Hunyuan Video, image to video, Output",
        ("pixazo",),
    ),
    Quirk(
        "placeholder-media",
        "The status calls every file output.ext and application/octet-stream.",
        "Pixazo Hunyuan and PixVerse, Response (Completed)",
        ("pixazo",),
    ),
    Quirk(
        "sql-timestamps",
        "The status, too, writes updated_at and completed_at as YYYY-MM-DD HH:MM:SS.",
        "Pixazo Hunyuan Video, Callback Payload, said to have the same shape as the status",
        ("pixazo",),
    ),
    Quirk(
        "iso-timestamps",
        "Callbacks, too, write all stamps as ISO 8601.",
        "Pixazo Hunyuan Video, Response (Completed), said to have the same shape as callbacks",
        ("pixazo",),
    ),
    Quirk(
        "bare-failures",
        "The status of a FAILED or ERROR job has no timestamps.",
        "Pixazo Hunyuan Video, Error via Status/Webhook",
        ("pixazo",),
    ),
    Quirk(
        "odd-request-id",
        "Ids end in thirteen digits and are no valid UUIDs.",
        "a media address seen at the provider in June 2026",
        ("pixazo",),
    ),
    Quirk(
        "model-404",
        "A disabled model is 404 instead of 400.",
        "Pixazo Hunyuan Video, Response Handling, row Not Found",
        ("pixazo",),
    ),
    Quirk(
        "data-uri",
        "With sync_mode the image comes as a data URI inside media_url.",
        "Pixazo Hunyuan, Generate image request, sync_mode",
        ("pixazo",),
    ),
    Quirk(
        "json-video",
        "The synchronous submit answers JSON that links to the video instead of its bytes.",
        "Segmind Hunyuan Video, Python sample, which reads response.json()",
        ("segmind",),
    ),
    Quirk(
        "credits-as-200",
        "Too little credit is answered with HTTP 200 and code 400 in the envelope.",
        "seen in a client of the provider; the documentation has no status for it",
        ("wavespeed",),
    ),
    Quirk(
        "extra-fields",
        "Every JSON object of an answer has one more, undocumented field.",
        "assumed: providers add fields without notice",
        ("pixazo", "segmind", "wavespeed"),
    ),
)

QUIRKS: Mapping[str, Quirk] = MappingProxyType({quirk.name: quirk for quirk in _ALL})


def quirks_of(provider: str) -> frozenset[str]:
    """Return the names of the quirks that can apply to a provider."""
    return frozenset(quirk.name for quirk in _ALL if provider in quirk.providers)
