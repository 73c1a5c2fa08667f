"""NO_PROXY: the hosts that are not to be reached through a proxy, read as curl and requests read it."""

from __future__ import annotations

import re
from collections.abc import Mapping

EVERYTHING = "*"
"""The entry that leaves nothing to a proxy."""


def read_exceptions(environment: Mapping[str, str]) -> list[str]:
    """Give the entries of no_proxy, else of NO_PROXY."""
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return [entry for entry in re.split(r"[,\s]+", given) if entry]


def covers(entry: str, host: str, port: int) -> bool:
    """Tell whether an entry names this host: itself or its domain, with or without a port."""
    if entry == EVERYTHING:
        return True
    host, entry = host.lower(), entry.lower()
    if host == entry.strip("[]"):  # also an IPv6 address, whose colons are no port's
        return True
    name, colon, its_port = entry.rpartition(":") if ":" in entry else (entry, "", "")
    name = name.strip("[]").removeprefix("*").strip(".")
    if not name or (colon and its_port != str(port)):
        return False
    return host == name or host.endswith(f".{name}")
