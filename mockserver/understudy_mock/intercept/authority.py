"""A new certificate authority for each run. Its key stays in memory."""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.utils import CryptographyDeprecationWarning

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")

JAVA_PASSWORD = "understudy"
"""Java requires one for every trust store, although nothing in this one is secret."""


class Authority:
    """A CA with one server certificate, which names the providers' real hosts."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._ca = trustme.CA(organization_name="Understudy", organization_unit_name="for this run only")
        self._server = self._ca.issue_cert(*hosts, "localhost", "127.0.0.1", common_name="Understudy")

    @property
    def certificate(self) -> bytes:
        """The CA's own certificate, PEM."""
        return self._ca.cert_pem.bytes()

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context for the gateway, with the certificate of all hosts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # ssl reads keys only from files; trustme uses a private temporary one and deletes it at once.
        self._server.configure_cert(context)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts only this CA."""
        return ssl.create_default_context(cadata=self.certificate.decode())

    def write_java_truststore(self, file: Path, others: bytes) -> None:
        """Write a PKCS 12 trust store with this CA and those in `others` (PEM)."""
        with warnings.catch_warnings():
            # Some old roots have invalid serial numbers. The system trusts them, so we do.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            certificates = _read(self.certificate + others)
        named = [PKCS12Certificate(cert, f"ca-{index}".encode()) for index, cert in enumerate(certificates)]
        file.write_bytes(serialize_java_truststore(named, BestAvailableEncryption(JAVA_PASSWORD.encode())))


def _read(bundle: bytes) -> list[x509.Certificate]:
    """Return each certificate once. Like other readers, ignore what is not a certificate."""
    certificates = []
    for block in dict.fromkeys(_BLOCK.findall(bundle)):
        with suppress(ValueError):
            certificates.append(x509.load_pem_x509_certificate(block))
    return certificates
