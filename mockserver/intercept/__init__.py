"""Programs whose addresses are hard-coded: a proxy and a CA of our own bring their calls to the gateway.

`authority` makes certificates, `proxy` takes CONNECT, `outer` passes on through a proxy that was there
before, `variables` tells a child process of it all, `child` runs it, `session` holds them together and
`summary` says what it came to. Nothing here knows what the gateway answers.
"""

from mockserver.intercept.child import Ended, Signals, run_child
from mockserver.intercept.session import Intercepted, intercepting
from mockserver.intercept.summary import summarise
from mockserver.intercept.variables import JAVA_OPTIONS, java_trust

__all__ = [
    "JAVA_OPTIONS",
    "Ended",
    "Intercepted",
    "Signals",
    "intercepting",
    "java_trust",
    "run_child",
    "summarise",
]
