"""The gateway as tests hold it in their hands: what the pytest plugin is made of. Other runners can use it, too.

with running(Settings(allow_http_webhooks=True)) as gateway:
    understudy = Understudy(gateway, key="any-key")
"""

from contracts.testing.handle import Understudy
from contracts.testing.running import Running, running

__all__ = ["Running", "Understudy", "running"]
