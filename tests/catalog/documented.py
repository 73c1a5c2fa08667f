"""What the providers' pages say of each model's parameters, written down by hand and not from specs/.

In the order of the pages. Where pages disagree or are silent, the value is the project's decision on it,
with its name beside it (PX-10, IMG-4, …).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["text", "url", "integer", "number", "boolean", "choice"]

ABSENT: Final = object()
"""Stands for a parameter that is left out, or for a default that there is none of."""


@dataclass(frozen=True)
class Parameter:
    """One row of a page. `advised` is a range that only `strict` enforces; `loose` is accepted unless strict.

    A `nullable` parameter has null as its documented default.
    """

    name: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False
    default: Any = ABSENT
    nullable: bool = False
    loose: tuple[Any, ...] = ()
    advised: tuple[float, float] | None = None
    blank_is_missing: bool = True

    def good(self) -> list[Any]:
        """Values as documented: each choice, each bound."""
        low, high = self.advised or (self.low, self.high)
        match self.kind:
            case "text":
                values: list[Any] = ["a red kite", "ключ 鳥 🪁"] if self.required else ["a red kite", ""]
            case "url":
                values = ["https://example.com/a.png", "http://example.com:8080/a.png?b=c", "HTTPS://e.com/a"]
            case "boolean":
                values = [True, False]
            case "choice":
                values = list(self.choices)
            case "integer":
                values = [low if low is not None else -(2**31), high if high is not None else 2**31 - 1]
            case _:
                values = [low if low is not None else 0.0, 2.5 if high is None else high, 1]
        return [*values, None] if self.nullable else values

    def bad(self) -> list[Any]:
        """One value of each kind that is refused: other types, outside the choices, just outside a bound."""
        match self.kind:
            case "text":
                values: list[Any] = [5, True, ["a"], {"a": 1}]
            case "url":
                values = [
                    5,
                    True,
                    ["https://e.com/a"],
                    "not an address",
                    "ftp://e.com/a",
                    "https://",
                    "e.com/a",
                ]
            case "boolean":
                values = ["true", 0, 1, [True]]
            case "choice":
                values = [
                    "nonsense",
                    True,
                    [],
                    f"{self.choices[0]} ",
                    12345,
                    *([] if self.required else [""]),
                ]
            case "integer":
                values = ["twelve", "7", 2.5, True, [1], {}]
                values += [] if self.low is None else [self.low - 1]
                values += [] if self.high is None else [self.high + 1]
            case _:
                values = ["2.5", True, [1.5]]
                values += [] if self.low is None else [self.low - 0.001]
                values += [] if self.high is None else [self.high + 0.001]
        return values if self.nullable or self.required else [*values, None]

    def missing(self) -> list[Any]:
        """Values that count as left out where the parameter is required."""
        blank = ["", " \t\n"] if self.blank_is_missing else [""]
        return [ABSENT, None, *(blank if self.kind in ("text", "url") else [])]


@dataclass(frozen=True)
class Page:
    """One submit operation: where it is, the least that it accepts, and its parameters in order."""

    provider: str
    operation: str
    path: str
    least: dict[str, Any]
    parameters: tuple[Parameter, ...]


def _prompt() -> Parameter:
    return Parameter("prompt", "text", required=True)


def _url(name: str) -> Parameter:
    return Parameter(name, "url", required=True)


def _choice(name: str, *choices: Any, default: Any = ABSENT, **more: Any) -> Parameter:
    return Parameter(name, "choice", choices, default=default, **more)


def _switch(name: str, default: Any) -> Parameter:
    return Parameter(name, "boolean", default=default, nullable=default is None)


def _whole(name: str, low: int | None, high: int | None, default: Any, **more: Any) -> Parameter:
    return Parameter(name, "integer", low=low, high=high, default=default, **more)


_SEED = Parameter("seed", "integer")
_WIDE_OR_TALL = _choice("aspect_ratio", "16:9", "9:16", default="16:9")
_HUNYUAN_SIZES = _choice("resolution", "480p", "580p", "720p", default="720p")
_PIXVERSE_SHAPES = _choice(
    "aspect_ratio", "16:9", "4:3", "1:1", "3:4", "9:16", "2:3", "3:2", "21:9", default="16:9"
)
_PIXVERSE_SIZES = _choice("resolution", "360p", "540p", "720p", "1080p", default="720p")
_PIXVERSE_SECONDS = _whole("duration", 1, 15, 5)
_STYLES = _choice("style", "anime", "3d_animation", "clay", "comic", "cyberpunk")
_PICTURE = "https://example.com/a.png"

_V6_AND_C1_TEXT = (
    _prompt(),
    Parameter("negative_prompt", "text", default=""),
    _PIXVERSE_SHAPES,
    _PIXVERSE_SIZES,
    _PIXVERSE_SECONDS,
    _STYLES,
    _SEED,
    _switch("generate_audio_switch", False),
    _switch("generate_multi_clip_switch", False),
    _choice("thinking_type", "enabled", "disabled", "auto"),  # PV-3: no default here
)

PAGES: Final = (
    Page(
        "pixazo",
        "submit-hunyuan-video",
        "/hunyuan-video/v1/hunyuan-video-request",
        {"prompt": "a"},
        (
            _prompt(),
            _whole("num_inference_steps", 1, 50, 30),
            _switch("pro_mode", False),
            _WIDE_OR_TALL,
            _HUNYUAN_SIZES,
            _choice("num_frames", 85, 129, default=129, loose=("85", "129")),  # T2V-3
            _switch("enable_safety_checker", False),
            _SEED,
        ),
    ),
    Page(
        "pixazo",
        "submit-hunyuan-video-image-to-video",
        "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request",
        {"prompt": "a", "image_url": _PICTURE},
        (
            _prompt(),
            _url("image_url"),
            _SEED,
            _WIDE_OR_TALL,
            _choice("resolution", "720p", "1080p", "480p", default="720p"),
            _choice("num_frames", "129", "65", "33", default="129", loose=(129, 65, 33)),  # I2V-7
            _switch("i2v_stability", False),
        ),
    ),
    Page(
        "pixazo",
        "submit-hunyuan-video-video-to-video",
        "/hunyuan-video-video-to-video/v1/hunyuan-video-video-to-video-request",
        {"prompt": "a", "video_url": "https://example.com/a.mp4"},
        (
            _prompt(),
            _url("video_url"),
            Parameter("strength", "number", low=0.0, high=1.0, default=0.85),  # V2V-2: inclusive
            _SEED,
            _switch("pro_mode", False),
            _WIDE_OR_TALL,
            _HUNYUAN_SIZES,
            _choice("num_frames", "129", "85", default="129", loose=(129, 85)),  # V2V-1
            _switch("enable_safety_checker", True),
        ),
    ),
    Page(
        "pixazo",
        "submit-hunyuan-image",
        "/hunyuan-image/v1/hunyuan-image/generateRequest",
        {"prompt": "a"},
        (
            _prompt(),
            Parameter("negative_prompt", "text", default=""),
            _choice(
                "image_size",
                "square_hd",
                "square",
                "portrait_4_3",
                "portrait_16_9",
                "landscape_4_3",
                "landscape_16_9",
                default="square_hd",
            ),
            _whole("num_images", 1, 4, 1),  # IMG-4: the lower bounds, here and below
            _whole("num_inference_steps", 1, None, 28),
            Parameter("guidance_scale", "number", low=0, default=7.5),
            Parameter("seed", "integer", default=None, nullable=True),  # IMG-3: null is left out
            _switch("enable_safety_checker", True),
            _switch("sync_mode", None),
            _choice("output_format", "jpeg", "png", default="png"),
            _switch("enable_prompt_expansion", None),
        ),
    ),
    Page(
        "pixazo",
        "submit-hunyuan3d-3-0-api-294",
        "/hunyuan3d-3-0-api-294/v1/hunyuan3d-3-0-api-request",
        {"input_image_url": _PICTURE},
        (
            _url("input_image_url"),
            Parameter("prompt", "text", default=""),
            _whole(
                "face_count", 1, None, 500000, advised=(40000, 1500000), loose=(1, 39999, 1500001)
            ),  # 3D-3
        ),
    ),
    Page(
        "pixazo",
        "submit-hunyuan-image-3-0-instruct",
        "/hunyuan-image-3-0-instruct/v1/hunyuan-image-3-0-instruct-request",
        {"prompt": "a"},
        (
            _prompt(),
            _choice("image_size", "auto", "512x512", "1024x1024", "768x1344", "1344x768", default="auto"),
            _whole("num_images", 1, 4, 1),
            Parameter(
                "guidance_scale",
                "number",
                low=0,
                default=3.5,
                advised=(1.0, 10.0),  # INS-1
                loose=(0, 0.999, 10.001, 500),
            ),
            _switch("enable_safety_checker", True),
            _choice("output_format", "png", "jpeg", "webp", default="png"),
        ),
    ),
    Page(
        "pixazo",
        "submit-pixverse-v6-text-to-video",
        "/pixverse-v6-text-to-video/v1/pixverse-v6-text-to-video-request",
        {"prompt": "a"},
        _V6_AND_C1_TEXT,
    ),
    Page(
        "pixazo",
        "submit-pixverse-v6-image-to-video",
        "/pixverse-v6-image-to-video/v1/pixverse-v6-image-to-video-request",
        {"prompt": "a", "image_url": _PICTURE},
        (
            _prompt(),
            _choice("resolution", "360p", "480p", "720p", "1080p", default="720p", loose=("540p",)),  # PV-1
            _PIXVERSE_SECONDS,
            Parameter("negative_prompt", "text"),
            _url("image_url"),
            _STYLES,
            _SEED,
            _switch("generate_audio_switch", False),
            _switch("generate_multi_clip_switch", False),
            _choice("thinking_type", "enabled", "disabled", "auto", default="auto"),
        ),
    ),
    Page(
        "pixazo",
        "submit-pixverse-c1-text-to-video",
        "/pixverse-c1-text-to-video/v1/pixverse-c1-text-to-video-request",
        {"prompt": "a"},
        _V6_AND_C1_TEXT,
    ),
    Page(
        "pixazo",
        "submit-pixverse-c1-image-to-video",
        "/pixverse-c1-image-to-video/v1/pixverse-c1-image-to-video-request",
        {"prompt": "a", "image_url": _PICTURE},
        (
            _prompt(),
            _url("image_url"),
            _PIXVERSE_SIZES,
            _PIXVERSE_SECONDS,
            _SEED,
            _switch("generate_audio_switch", False),
        ),
    ),
    Page(
        "pixazo",
        "submit-pixverse",
        "/pixverse/v1/pixverse-request",
        {"prompt": "a", "aspect_ratio": "16:9", "resolution": "720p", "duration": 5},
        (
            _prompt(),
            _choice("aspect_ratio", "16:9", "9:16", "1:1", "4:3", "3:4", required=True),  # PV-8
            _choice("resolution", "720p", "1080p", "2160p", required=True),
            _choice("duration", 3, 5, 7, 10, required=True, loose=("3", "5", "7", "10")),  # PV-9
            Parameter("negative_prompt", "text"),
        ),
    ),
    Page(
        "pixazo",
        "submit-pixverse-i2v",
        "/pixverse-i2v/v1/pixverse-i2v-request",
        {"prompt": "a", "resolution": "720p", "duration": "5", "image_url": _PICTURE},
        (
            _prompt(),
            _choice("resolution", "720p", "1080p", required=True),
            _choice("duration", "5", "10", required=True, loose=(5, 10)),  # PV-9
            Parameter("negative_prompt", "text"),
            _url("image_url"),
        ),
    ),
    Page(
        "segmind",
        "submit-hunyuan-video",
        "/v1/hunyuan-video",
        {"prompt": "a"},
        (
            _prompt(),  # SG-2: required, although a default stands beside it
            _whole("embedded_guidance_scale", 1, 10, 6),
            Parameter("flow_shift", "number", low=1, high=15, default=7),
            _whole("height", 1, 1280, 480),
            _whole("infer_steps", 1, 70, 40),
            Parameter(
                "negative_prompt", "text", default="Aerial view, overexposed, low quality, deformation"
            ),
            _whole("seed", None, None, 96501778),
            _whole("video_length", 1, 129, 77),
            _whole("width", 1, 1280, 854),
        ),
    ),
    Page(
        "wavespeed",
        "submit-hunyuan-video-i2v",
        "/api/v3/wavespeed-ai/hunyuan-video/i2v",
        {"image": _PICTURE},
        (
            Parameter("prompt", "text"),  # WS-1: optional
            Parameter("image", "text", required=True, blank_is_missing=False),
            _whole("num_inference_steps", 1, 30, 30),
            _whole("duration", 5, 10, 5),  # WS-7: any whole number
            _whole("seed", -1, 2147483647, -1),
            _choice("size", "1280*720", "720*1280", default="1280*720"),  # WS-8: an asterisk
            _switch("enable_safety_checker", True),
        ),
    ),
)


def rows(
    *, required: bool = False, loose: bool = False, provider: str = ""
) -> Iterator[tuple[Page, Parameter]]:
    """Walk the parameters of all pages: all, or those that are required or have loose values."""
    for page in PAGES:
        for parameter in page.parameters:
            if (
                (parameter.required or not required)
                and (parameter.loose or not loose)
                and provider in ("", page.provider)
            ):
                yield page, parameter


def row_name(page: Page, parameter: Parameter) -> str:
    """Name a row for a test's id."""
    return f"{page.provider}-{page.operation.removeprefix('submit-')}-{parameter.name}"
