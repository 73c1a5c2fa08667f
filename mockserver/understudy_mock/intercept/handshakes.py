"""TLS handshakes after which nobody asks anything: there is no call to tell of, only a host."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_ABOUT_TRUST = frozenset(
    ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "UNSUPPORTED_CERTIFICATE", "ACCESS_DENIED")
)
"""Alerts of a client that does not trust a certificate (RFC 8446, section 6.2), as OpenSSL names them."""

_UNNAMED = "a host that is not named"


@dataclass(slots=True)
class Handshakes:
    """What became of them, by host; whatever is not in the certificate counts as unnamed.

    `refused` were broken off with an alert about the certificate. `unused` were broken off without one, or
    stood and no byte came: so do Node, Java and GnuTLS where they do not trust a certificate.
    Others, too, may open what they do not use.
    """

    refused: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)


def watch(context: ssl.SSLContext, hosts: Iterable[str]) -> Handshakes:
    """Count the handshakes of a server's context from now on."""
    known = frozenset(hosts)
    counted = Handshakes()

    class Watched(ssl.SSLObject):
        host = _UNNAMED
        is_used = False

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLError as error:
                _, _, alert = (error.reason or "").partition("_ALERT_")
                if alert in _ABOUT_TRUST:
                    counted.refused[self.host] += 1
                    counted.unused[self.host] -= 1
                raise

        def read(self, len: int = 1024, buffer: Any = None) -> bytes:
            data = super().read(len, buffer)  # with a buffer it is the number of bytes
            if data and not self.is_used:
                self.is_used = True
                counted.unused[self.host] -= 1
            return data

    def name(line: ssl.SSLObject | ssl.SSLSocket, host: str | None, _: ssl.SSLContext) -> None:
        if isinstance(line, Watched):
            host = (host or "").lower()
            line.host = host if host in known else _UNNAMED
            counted.unused[line.host] += 1

    context.sslobject_class = Watched
    context.sni_callback = name
    return counted
