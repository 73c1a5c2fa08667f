"""Where a client can be tried: a provider, and how its result is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from understudy_contracts.conformance.protocol import Hello, Mode
from understudy_mock.catalog import Catalog
from understudy_mock.wording import shipped

MODES: tuple[Mode, ...] = ("poll", "webhook", "sync")


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


def _every_place(catalog: Catalog) -> list[Place]:
    """List where any client can be tried, the simplest place first."""
    submits = [one for one in catalog.operations if one.role == "submit" and not one.alias]
    polled = (Place(one.provider, "poll") for one in submits if one.answers != "media")
    waiting = (Place(one.provider, "sync") for one in submits if one.answers == "media" or one.wait)
    called = (Place(one.provider, "webhook") for one in submits if one.webhook_query or one.webhook_header)
    told = (Place(one.provider, "webhook", "sync") for one in submits if one.webhook_header)
    return list(dict.fromkeys((*polled, *waiting, *called, *told)))


def places(
    catalog: Catalog, hello: Hello, providers: Iterable[str] = (), modes: Iterable[str] = MODES
) -> list[Place]:
    """Return where a client can be tried, the simplest place first."""
    wanted, allowed = set(providers), set(modes)
    return [
        place
        for place in _every_place(catalog)
        if (not wanted or place.provider in wanted)
        and (not hello.providers or place.provider in hello.providers)
        and place.mode in allowed
        and (place.mode == "poll" or place.mode in hello.capabilities)
    ]


def lacking(catalog: Catalog, hello: Hello, providers: Sequence[str], modes: Sequence[str]) -> str:
    """Return why one of these providers or modes cannot be tried anywhere; "" where each can."""
    every, possible = _every_place(catalog), places(catalog, hello, providers, modes)
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
