"""Programs whose addresses are hard-coded: a proxy and a CA of our own bring their calls to the gateway.

`authority` makes certificates, `proxy` takes CONNECT, `outer` passes on through a proxy that was there
before, `variables` tells a child process of it all, `child` runs it, `session` holds them together and
`summary` says what it came to. Nothing here knows what the gateway answers.
"""

from understudy_mock.intercept.child import Ended, Signals, run_child
from understudy_mock.intercept.session import Intercepted, intercepting
from understudy_mock.intercept.summary import refusals, summarise

__all__ = [
    "Ended",
    "Intercepted",
    "Signals",
    "intercepting",
    "refusals",
    "run_child",
    "summarise",
]
