"""Take secrets out of what is written: by the name of a header or parameter, and by value everywhere."""

from __future__ import annotations

import re

from mockserver.domain.exchange import Headers

REDACTED = "[redacted]"

SECRET_HEADERS = frozenset(
    {
        b"ocp-apim-subscription-key",
        b"authorization",
        b"proxy-authorization",
        b"x-api-key",
        b"api-key",
        b"cookie",
        b"set-cookie",
    }
)

_SECRET_QUERY = re.compile(
    r"(?i)([?&](?:subscription-key|api[-_]?key|key|token|access_token|signature|sig)=)[^&#]*"
)
_SHORTEST = 8
"""A shorter secret is not searched for by value: it would blot out innocent text."""


def redact_headers(headers: Headers, secret: str) -> list[tuple[str, str]]:
    """Give headers as text, without secrets."""
    return [
        (
            name.decode("latin-1"),
            REDACTED if name in SECRET_HEADERS else redact_text(value.decode("latin-1"), secret),
        )
        for name, value in headers
    ]


def redact_url(url: str, secret: str) -> str:
    """Give a URL without secrets."""
    return redact_text(_SECRET_QUERY.sub(rf"\1{REDACTED}", url), secret)


def redact_text(text: str, secret: str) -> str:
    """Give a text without the secret."""
    return text.replace(secret, REDACTED) if len(secret) >= _SHORTEST else text
