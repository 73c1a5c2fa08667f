"""What a provider documents, compiled: operations, and the models whose jobs they make.

These are values. The catalog makes them from the specs; nothing else knows what a spec looks like.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from understudy_mock.domain.conditions import Violation
from understudy_mock.domain.money import Price
from understudy_mock.domain.planning import Durations
from understudy_mock.domain.rendition import FORMATS, Format, Rendition

FPS = 24
"""Frames a second of every video (Hunyuan Video, num_frames: 129 frames at 24 a second)."""

KEPT_OF_A_PROMPT = 256
"""Characters of a prompt that stand in a rendition as they are; a longer one is there by its digest."""

MOST_REMARKS = 20
"""Mistakes, or warnings, that are named of one body; of further ones only the number is given."""

KEPT_OF_A_REMARK = 200
"""Characters of a mistake or a warning, which quote what the caller sent."""

_PIXELS = re.compile(r"^([1-9][0-9]{0,5})[x*]([1-9][0-9]{0,5})$")
_DEFAULT_SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which parameters decide width and height: either both by name, or one that names a size."""

    width: str = ""
    height: str = ""
    parameter: str = ""
    aspect: str = ""
    values: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of(self, values: Mapping[str, Any]) -> tuple[int, int]:
        """Return the size in pixels that the parameters `values` ask for."""
        if self.width:
            return int(values.get(self.width) or 0), int(values.get(self.height) or 0)
        name = str(values.get(self.parameter, ""))
        width, height = self.values.get(name) or parse_pixels(name) or _DEFAULT_SIZE
        return reshape(width, height, str(values.get(self.aspect, ""))) if self.aspect else (width, height)


def parse_pixels(text: str) -> tuple[int, int] | None:
    """Read `1280x720` or `1280*720`; None for anything else."""
    found = _PIXELS.match(text)
    return (int(found[1]), int(found[2])) if found else None


def reshape(width: int, height: int, aspect: str) -> tuple[int, int]:
    """Return a size with another aspect ratio (`9:16`) and the same short side; unchanged for no ratio."""
    first, _, second = aspect.partition(":")
    if not (first.isdecimal() and second.isdecimal() and int(first) and int(second)):
        return width, height
    across, down = int(first), int(second)
    short, long = sorted((width, height))
    if sorted((across, down)) != [9, 16]:
        # 848x480 is not quite 16:9; any other ratio is computed from the short side.
        long = round(short * max(across, down) / min(across, down))
        long += long % 2
    return (long, short) if across > down else (short, long)


@dataclass(frozen=True, slots=True)
class MediaRule:
    """Which parameters decide the files of a job. Empty names mean that the model has no such parameter."""

    format: Format | None
    format_parameter: str = ""
    size: SizeRule | None = None
    frames: str = ""
    seconds: str = ""
    count: str = ""
    faces: str = ""
    prompt: str = ""
    seed: str = ""
    random_seed: int | None = None

    def format_of(self, values: Mapping[str, Any]) -> Format:
        """Return the format of the files."""
        asked = values.get(self.format_parameter)
        return next((name for name in FORMATS if name == asked), self.format or "png")

    def count_of(self, values: Mapping[str, Any]) -> int:
        """Return how many files there are."""
        return max(1, int(values.get(self.count) or 1)) if self.count else 1

    def seed_of(self, values: Mapping[str, Any]) -> int | None:
        """Return the seed that was asked for; None when one is to be drawn."""
        seed = values.get(self.seed)
        return None if seed is None or seed == self.random_seed else int(seed)

    def rendition(self, values: Mapping[str, Any], seed: int, index: int) -> Rendition:
        """Return what file number `index` (from 0) of a job with these parameters is."""
        width, height = self.size.of(values) if self.size else (0, 0)
        frames = int(values.get(self.frames) or 0) if self.frames else 0
        if self.seconds:
            frames = int(float(values.get(self.seconds) or 0) * FPS)
        return Rendition(
            format=self.format_of(values),
            width=width,
            height=height,
            frames=frames,
            fps=FPS,
            faces=int(values.get(self.faces) or 0) if self.faces else 0,
            seed=seed,
            prompt=_short(str(values.get(self.prompt, ""))),
            index=index,
        ).bounded()


def _short(prompt: str) -> str:
    """Return a prompt, or the digest of a long one: a rendition is a key that is kept as long as its file."""
    if len(prompt) <= KEPT_OF_A_PROMPT:
        return prompt
    text = prompt.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model of a provider. `defaults` are the documented values of parameters that are left out."""

    id: str
    provider: str
    summary: str
    durations: Durations
    price: Price
    media: MediaRule
    defaults: Mapping[str, Any] = field(default_factory=dict)
    price_assumed: bool = False

    def values(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as the model sees them: what was asked over the documented defaults.

        An explicit null counts as left out (a documented sample writes defaults as null).
        """
        if None in asked.values():
            asked = {name: value for name, value in asked.items() if value is not None}
        return {**self.defaults, **asked}


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a key may stand: a header (name in lower case), a query parameter, or a bearer token."""

    place: Literal["header", "query", "bearer"]
    name: bytes


@dataclass(frozen=True, slots=True, eq=False)
class BodyCheck:
    """What the spec says of a request body. The three functions take a decoded JSON object.

    `names` are the documented parameters.
    `allows` is the quick yes or no; `violations` lists what is wrong, in the order of the documented
    parameters; `advice` lists what is accepted although the documentation says otherwise. Either list names
    the first `MOST_REMARKS`, and then says how many more there are.
    """

    names: frozenset[str]
    allows: Callable[[Any], bool]
    violations: Callable[[Any], tuple[Violation, ...]]
    advice: Callable[[Mapping[str, Any]], list[str]]

    def known(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return only the documented parameters of a body."""
        return {name: body[name] for name in self.names if name in body}


Role = Literal[
    "submit", "status", "result", "list", "secret", "balance", "models", "upload", "ticket", "keep"
]
"""What an operation is for: jobs, facts about the account, or files that callers bring."""

Evidence = Literal["documented", "vendor", "sdk"]
"""How an operation is known: from the documentation, other pages of the vendor, or client programs."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation: its route, its key, what its body must be and what it does to jobs.

    `wait` and `inline` name the body parameters that make a submit wait for its job, at most
    `wait_seconds` of provider time, and that put files into answers instead of their addresses. `file`
    names what holds the files of an upload: a field of a form, or a parameter with data URLs.
    """

    id: str
    provider: str
    method: str
    path: str
    role: Role
    answers: Literal["job", "media"] = "job"
    model: Model | None = None
    job: str = ""
    credentials: tuple[Credential, ...] = ()
    body: BodyCheck | None = None
    statuses: frozenset[int] = frozenset()
    needs_json_type: bool = False
    alias: bool = False
    poll_seconds: float | None = None
    webhook_query: str = ""
    webhook_header: bool = False
    wait: str = ""
    wait_seconds: float | None = None
    inline: str = ""
    file: str = ""
    form: bool = False
    evidence: Evidence = "documented"
