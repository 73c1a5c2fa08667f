"""The gateway as tests hold it in their hands: the pytest plugin is made of it, and other runners may be.

with running(Settings(allow_http_webhooks=True)) as gateway:
    understudy = Understudy(gateway, key="any-key")
"""

from understudy_contracts.testing.handle import Understudy
from understudy_contracts.testing.running import Running, running

__all__ = ["Running", "Understudy", "running"]
