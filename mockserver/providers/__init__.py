"""How each provider words its answers: one small module a provider, no decisions."""

from collections.abc import Mapping
from types import MappingProxyType

from mockserver.providers.base import Provider
from mockserver.providers.pixazo import Pixazo
from mockserver.providers.segmind import Segmind
from mockserver.providers.wavespeed import WaveSpeed

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.name: provider for provider in (Pixazo(), Segmind(), WaveSpeed())}
)

__all__ = ["PROVIDERS", "Provider"]
