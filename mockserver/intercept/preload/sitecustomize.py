"""Loaded by a Python child at its start: leads direct connections to the providers' hosts to the gateway.

Clients that read proxy variables do not need it; urllib3 and aiohttp do not read them. Knows nothing of
Understudy's own packages, which the child's interpreter may not have.
"""

import os
import socket
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

_told = os.environ.get("_UNDERSTUDY_INTERCEPT", "").split()
_port, _hosts = (int(_told[0]), frozenset(_told[1:])) if _told else (0, frozenset())
_resolve = socket.getaddrinfo


def _getaddrinfo(host, port, *args, **kwargs):  # type: ignore[no-untyped-def]
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if isinstance(name, str) and name.lower() in _hosts and port in (443, "443", "https"):
        return _resolve("127.0.0.1", _port, *args, **kwargs)
    return _resolve(host, port, *args, **kwargs)


if _hosts:
    socket.getaddrinfo = _getaddrinfo

# Another sitecustomize may stand behind this one on the path; it is the one the program expects.
_here = Path(__file__).resolve().parent
_spec = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if Path(entry).resolve() != _here])
if _spec is not None and _spec.loader is not None:
    _spec.loader.exec_module(module_from_spec(_spec))
