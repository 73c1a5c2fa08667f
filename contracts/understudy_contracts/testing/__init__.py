"""The gateway for tests: the pytest plugin uses it, and other test runners can.

with running(Settings(allow_http_webhooks=True)) as gateway:
    understudy = Understudy(gateway, key="any-key")
"""

from understudy_contracts.testing.handle import Understudy
from understudy_contracts.testing.running import Running, running

__all__ = ["Running", "Understudy", "running"]
