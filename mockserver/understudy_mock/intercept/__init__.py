"""Bring the calls of programs with hard-coded URLs to the gateway, by a proxy and a CA of our own.

`authority` makes certificates and `trust` writes them for each language. `proxy` takes CONNECT, and `outer`
is the proxy that was there before. `variables` is the environment of a child process, which `child` runs.
`session` puts them together, and `summary` reports the run. Nothing here knows what the gateway answers.
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
