"""The providers that this client speaks to. A new one is a class like these, and a line here."""

from __future__ import annotations

from .pixazo import Pixazo
from .provider import Provider
from .segmind import Segmind, SegmindQueue
from .wavespeed import WaveSpeed

_ALL: tuple[Provider, ...] = (Pixazo(), Segmind(), SegmindQueue(), WaveSpeed())

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in _ALL}


def provider_named(name: str) -> Provider:
    """Find a provider. Raises ValueError with the names there are."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise ValueError(f"unknown provider {name!r}; known are {', '.join(PROVIDERS)}") from None
