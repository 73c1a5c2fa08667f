"""NO_PROXY: the hosts that are called without a proxy, read as curl and requests read it."""

from __future__ import annotations

import re
from collections.abc import Mapping

EVERYTHING = "*"
"""The entry for all hosts."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def read_exceptions(environment: Mapping[str, str]) -> list[str]:
    """Return the entries of no_proxy, else of NO_PROXY."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return [entry for entry in re.split(r"[,\s]+", listed) if entry]


def covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry names this host or its domain, with or without a port."""
    if entry == EVERYTHING:
        return True
    host, entry = host.lower(), entry.lower()
    if host == entry.strip("[]"):  # also an IPv6 address, whose colons do not begin a port
        return True
    name, colon, its_port = entry.rpartition(":") if ":" in entry else (entry, "", "")
    name = name.strip("[]").removeprefix("*").strip(".")
    if not name or (colon and its_port != str(port)):
        return False
    return host == name or host.endswith(f".{name}")
