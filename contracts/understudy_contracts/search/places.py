"""Where a client can be tried: a provider, and how its result is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from understudy_contracts.conformance.protocol import Hello, Mode
from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.wording import shipped

MODES: tuple[Mode, ...] = ("poll", "webhook", "sync")

_SIMPLEST = (("poll", "terminal"), ("sync", "terminal"), ("webhook", "terminal"), ("webhook", "sync"))
"""The ways to wait for a result, the simplest first."""


class Place(NamedTuple):
    """A provider, how its result is waited for, and which callbacks are asked for."""

    provider: str
    mode: Mode
    webhook_mode: Literal["terminal", "sync"] = "terminal"

    def __str__(self) -> str:
        return f"{self.provider}/{self.mode}"

    @property
    def at_once(self) -> bool:
        """Whether the answer to a submit is the file itself: the client polls and fetches nothing."""
        return self.mode == "sync" and shipped()[self.provider].sends_file

    def polls(self, hello: Hello) -> bool:
        """Return whether a client polls here, or may have to."""
        return not self.at_once and (self.mode == "poll" or "webhook-poll-fallback" in hello.capabilities)


def places_of(operation: Operation) -> Iterator[Place]:
    """List where an operation serves to submit. What is known from client programs alone is left out."""
    if operation.role != "submit" or operation.alias or operation.evidence == "sdk":
        return
    provider = operation.provider
    if operation.answers == "media":
        yield Place(provider, "sync")
        return
    yield Place(provider, "poll")
    if operation.wait:
        yield Place(provider, "sync")
    if operation.webhook_query or operation.webhook_header:
        yield Place(provider, "webhook")
    if operation.webhook_header:
        yield Place(provider, "webhook", "sync")


def every_place(catalog: Catalog) -> list[Place]:
    """List where any client can be tried: the simplest way first, and documented submits before others."""
    operations = sorted(catalog.operations, key=lambda operation: operation.evidence != "documented")
    found = dict.fromkeys(place for operation in operations for place in places_of(operation))
    return sorted(found, key=lambda place: _SIMPLEST.index((place.mode, place.webhook_mode)))


def places(
    catalog: Catalog, hello: Hello, providers: Iterable[str] = (), modes: Iterable[str] = MODES
) -> list[Place]:
    """Return where a client can be tried, the simplest place first."""
    wanted, allowed = set(providers), set(modes)
    return [
        place
        for place in every_place(catalog)
        if (not wanted or place.provider in wanted)
        and (not hello.providers or place.provider in hello.providers)
        and place.mode in allowed
        and (place.mode == "poll" or place.mode in hello.capabilities)
    ]


def lacking(catalog: Catalog, hello: Hello, providers: Sequence[str], modes: Sequence[str]) -> str:
    """Return why one of these providers or modes cannot be tried anywhere; "" where each can."""
    every, possible = every_place(catalog), places(catalog, hello, providers, modes)
    for provider in providers:
        if hello.providers and provider not in hello.providers:
            return f"the client does not support {provider}; it supports {', '.join(hello.providers)}"
    for mode in modes:
        if mode in {place.mode for place in possible}:
            continue
        if mode != "poll" and mode not in hello.capabilities:
            claimed = ", ".join(sorted(hello.capabilities)) or "none"
            return f"mode {mode!r} needs the capability {mode!r}; the client's capabilities: {claimed}"
        offering = " and ".join(dict.fromkeys(place.provider for place in every if place.mode == mode))
        return f"mode {mode!r} is only available for {offering}, not for {', '.join(providers)}"
    for provider in providers:
        if provider in {place.provider for place in possible}:
            continue
        offered = ", ".join(dict.fromkeys(place.mode for place in every if place.provider == provider))
        return f"{provider} has none of the modes {', '.join(modes)}; it has {offered or 'none'}"
    return ""
