"""Programs whose addresses are hard-coded: a proxy and a CA of our own bring their calls to the gateway.

`authority` makes certificates, `proxy` takes CONNECT, `variables` tells a child process of both, `child`
runs it, `session` holds them together and `summary` says what it came to. Nothing here knows what the
gateway answers.
"""

from mockserver.intercept.child import Ended, run_child
from mockserver.intercept.session import Intercepted, intercepting
from mockserver.intercept.summary import summarise

__all__ = ["Ended", "Intercepted", "intercepting", "run_child", "summarise"]
