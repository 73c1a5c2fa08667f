"""How each provider words its answers: one small module per provider, no decisions."""

from collections.abc import Mapping
from types import MappingProxyType

from understudy_mock.providers.base import Provider
from understudy_mock.providers.pixazo import Pixazo
from understudy_mock.providers.segmind import Segmind
from understudy_mock.providers.wavespeed import WaveSpeed

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.name: provider for provider in (Pixazo(), Segmind(), WaveSpeed())}
)

__all__ = ["PROVIDERS", "Provider"]
