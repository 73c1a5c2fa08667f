"""What a client says it concluded, and what it declares of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a client returned; `sha256` where it was fetched."""

    url: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A client's conclusion about the one job that it was asked for.

    `outcome` is a word of the protocol, or `none` when nothing came within the budget, `crashed` when the
    program ended instead, and `misspoke` when its answer broke the protocol. `left` is what went wrong at
    the release, "" for nothing. `handled` counts how often the client acted on the job's end, None where it
    does not say. `kinds` are the error kinds that fit, where the status alone does not decide; `digests` are
    the SHA-256 of the files that the job really made. `concluded` is when the client concluded, in ms since
    the epoch. Times are in ms, 0 where they are unknown.
    """

    outcome: str
    mode: str = "poll"
    key: str = ""
    job_id: str = ""
    media: tuple[Output, ...] = ()
    error_kind: str = ""
    http_status: int | None = None
    message: str = ""
    handled: int | None = None
    capabilities: frozenset[str] = frozenset()
    min_poll_ms: int = 0
    max_attempts: int = 0
    kinds: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    concluded: int = 0
    left: str = ""
