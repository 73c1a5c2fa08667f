"""A job: put once, read often, never changed. Ending one by hand puts another in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from understudy_mock.domain.draw import Draw
from understudy_mock.domain.model import Model
from understudy_mock.domain.rendition import MEDIA_TYPES, Format, Rendition
from understudy_mock.domain.scenario import Scenario
from understudy_mock.domain.timeline import TERMINAL, State, Step, Timeline
from understudy_mock.domain.webhook import Receiver

_decode = msgspec.json.decode
_encode = msgspec.json.Encoder(order="sorted").encode

LARGE = 4096
"""Bytes from which a value that was asked is a part of its own, and a job's input is counted."""

_HOLE = b"\0"
"""Stands where a part of its own goes; JSON escapes it everywhere else."""


class Event(NamedTuple):
    """Something planned for the job or its money, `at` ms after the submit."""

    at: int
    event: str


def canonical(asked: dict[str, Any]) -> tuple[bytes, ...]:
    """Write what was asked as canonical JSON, in parts: each large value is one of its own.

    An image that many jobs were asked for beside different prompts is then the same part of all of them.
    """
    large = {name: _exact(_encode(value)) for name, value in asked.items() if _is_large(value)}
    if not large:
        return (_exact(_encode(asked)),)
    holes = dict.fromkeys(large, msgspec.Raw(_HOLE))
    first, *rest = _encode({**asked, **holes}).split(_HOLE)
    parts = [first]
    for name, between in zip(sorted(large), rest, strict=True):
        parts += (large[name], between)
    return tuple(parts)


def _exact(encoded: bytes) -> bytes:
    """Return the same bytes without the half as much again that the encoder reserves."""
    return memoryview(encoded).tobytes()


def _is_large(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(one, str) and len(one) >= LARGE for one in value)
    return isinstance(value, str) and len(value) >= LARGE


class Job(msgspec.Struct, frozen=True, gc=False):
    """One accepted submit.

    `asked` is the canonical JSON of what was asked, in parts, `root` the root of the job's generator,
    `created` an instant in ms since the epoch, `price` micro-USD. `origin` and `media_origin` begin the
    absolute addresses that the provider's answers hold. `held` is whether a wallet paid, `waits` whether
    the submit is answered only when the job has ended, `by_polls` whether polls, not the clock, move it on,
    `inline` whether answers hold the files themselves instead of their addresses. `drift` is how many ms the
    wall clock was ahead of `created`.
    """

    id: str
    account: str
    model: Model
    asked: tuple[bytes, ...]
    root: bytes
    created: int
    timeline: Timeline
    origin: str
    media_origin: str
    price: int
    held: bool
    outputs: int
    format: Format
    scenario: Scenario | None = None
    quirks: frozenset[str] = frozenset()
    receiver: Receiver | None = None
    waits: bool = False
    by_polls: bool = False
    inline: bool = False
    drift: int = 0

    def told_at(self, offset: int) -> int:
        """Return the instant `offset` ms after the submit, by the wall clock of the submit."""
        return self.created + self.drift + offset

    @property
    def body(self) -> bytes:
        """The canonical JSON of what was asked."""
        return b"".join(self.asked)

    @property
    def weight(self) -> int:
        """Bytes of what the caller gave for the job: what was asked, and where to call back."""
        size = len(self.asked[0]) if len(self.asked) == 1 else sum(map(len, self.asked))
        return size if self.receiver is None else size + len(self.receiver.url)

    @property
    def values(self) -> dict[str, Any]:
        """The parameters as the model sees them: what was asked over the documented defaults."""
        return self.model.values(_decode(self.body))

    @property
    def seed(self) -> int:
        """The seed that was asked for, else one drawn for this job."""
        asked = self.model.media.seed_of(self.values)
        return Draw(self.root).bits("seed", 31) if asked is None else asked

    def rendition(self, index: int) -> Rendition:
        """Return what output number `index` (from 0) is."""
        return self.model.media.rendition(self.values, self.seed, index)

    def file_name(self, index: int) -> str:
        """Return the name of output `index`: `output.mp4`, `output_2.mp4` (beyond the first: assumed)."""
        ending = "ext" if self._placeholder else self.format
        return f"output{'' if index == 0 else f'_{index + 1}'}.{ending}"

    @property
    def media_type(self) -> str:
        """The MIME type of the files."""
        return "application/octet-stream" if self._placeholder else MEDIA_TYPES[self.format]

    @property
    def _placeholder(self) -> bool:
        return "placeholder-media" in self.quirks

    def media_url(self, index: int) -> str:
        """Return where output number `index` can be fetched."""
        return f"{self.media_origin}/v1/{self.id}/{self.file_name(index)}"

    def media_urls(self, step: Step) -> list[str]:
        """Return where the files can be fetched: nowhere until the job is COMPLETED."""
        if step.state is not State.COMPLETED:
            return []
        return [self.media_url(index) for index in range(self.outputs)]

    @property
    def refunded(self) -> bool:
        """Whether the planned end gives the price back."""
        end = self.timeline.end
        return end is not None and end.state in self.model.price.refunds

    def events(self) -> Iterator[Event]:
        """List all that is planned for the job and its money, in order."""
        yield Event(0, "hold")
        for step in self.timeline.steps:
            yield Event(step.at, step.state.value)
            if step.state in TERMINAL:
                yield Event(step.at, "refund" if self.refunded else "charge")
