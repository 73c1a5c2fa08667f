"""TLS handshakes without a call afterwards. The journal has no entry for them, so they are counted here."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_ABOUT_TRUST = frozenset(
    ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "UNSUPPORTED_CERTIFICATE", "ACCESS_DENIED")
)
"""Alerts of clients that do not trust a certificate (RFC 8446, section 6.2), by their OpenSSL names."""

_UNNAMED = "an unknown host"


@dataclass(slots=True)
class Handshakes:
    """Handshakes by host; all hosts that are not in the certificate count as one.

    `refused` ended with an alert about the certificate. `unused` ended without an alert, or succeeded and no
    byte followed. Node, Java and GnuTLS do the latter when they do not trust a certificate, but other
    programs may also open connections that they do not use.
    """

    refused: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)


def watch(context: ssl.SSLContext, hosts: Iterable[str]) -> Handshakes:
    """Count the handshakes of a server's context from now on. Return the running counts."""
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
            data = super().read(len, buffer)  # with a buffer this is the number of bytes
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
