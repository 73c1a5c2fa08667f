"""Take secrets out of what is written: by the name of a header or parameter, and by value everywhere.

By value means in every form in which a secret can stand in a text: as it is, percent-encoded in whole or
in part, escaped as JSON does it, and as UTF-8 or latin-1 where it has odd bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl

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

_SECRET_NAMES = r"subscription-key|api[-_]?key|key|token|access_token|signature|sig"
_SECRET_QUERY = re.compile(rf"(?i)([?&](?:{_SECRET_NAMES})=)[^&#]*")
_SECRET_NAME = re.compile(rf"(?i)(?:{_SECRET_NAMES})")

SHORTEST = 8
"""A shorter secret is not searched for by value: it would blot out innocent text."""

_SHORTEST_PART = 3
"""Fewer characters at the end of a cut text give nothing away."""

_JSON_ESCAPES = {
    '"': r"\"",
    "\\": r"\\",
    "/": r"\/",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
}


class Redactor:
    """Removes a set of secrets, wherever they stand."""

    def __init__(self, secrets: frozenset[str]) -> None:
        # A longer secret may hold a shorter one, which must not leave the rest of it behind.
        ordered = sorted(secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(any_form, ordered))) if ordered else None
        self._secrets = ordered

    def text(self, text: str) -> str:
        """Give a text without the secrets."""
        return self._pattern.sub(REDACTED, text) if self._pattern is not None else text

    def cut_text(self, text: str) -> str:
        """Give the beginning of a longer text without the secrets, nor the beginning of one at its end."""
        clean = self.text(text)
        for secret in self._secrets:
            for length in range(len(secret) - 1, _SHORTEST_PART - 1, -1):
                part = re.search(rf"(?:{_escaped(secret[:length])})\Z", clean[-6 * length :])
                if part is not None:
                    return clean[: len(clean) - len(part[0])] + REDACTED
        return clean

    def url(self, url: str) -> str:
        """Give a URL without the secrets."""
        return self.text(_SECRET_QUERY.sub(rf"\1{REDACTED}", url))

    def headers(self, headers: Headers) -> list[tuple[str, str]]:
        """Give headers as text, without the secrets and without the values that are secret by their name."""
        return [
            (
                name.decode("latin-1"),
                REDACTED if name in SECRET_HEADERS else self.text(value.decode("latin-1")),
            )
            for name, value in headers
        ]


def redactor(key: str, headers: Headers, query: str) -> Redactor:
    """Make the redactor of one exchange: of its key, and of whatever stood where keys stand."""
    found = secrets_of(key, headers, query)
    return _redactor(frozenset(secret for secret in found if len(secret) >= SHORTEST))


@lru_cache(maxsize=1024)
def _redactor(secrets: frozenset[str]) -> Redactor:
    return Redactor(secrets)


def secrets_of(key: str, headers: Headers, query: str) -> Iterable[str]:
    """Name what is secret about a call: its key, and whatever stands where keys stand. Some may be ""."""
    yield key
    for name, value in headers:
        if name in SECRET_HEADERS:
            text = value.decode("latin-1").strip()
            yield text
            yield text.partition(" ")[2].strip()
    for parameter, given in parse_qsl(query):
        if _SECRET_NAME.fullmatch(parameter):
            yield given


def any_form(secret: str) -> str:
    """Write a pattern of the secret in every form."""
    return "|".join([_escaped(secret), *(_escaped(core) for core in base64_cores(secret))])


def base64_cores(secret: str) -> list[str]:
    """Give what base64 makes of a secret that stands inside a longer text, wherever that begins.

    Three bytes become four characters, so there are three ways to fall on them; characters at the edges
    that hold bits of what stands around are left out. With the alphabets of RFC 4648, sections 4 and 5.
    """
    octets = secret.encode("utf-8", "surrogateescape")
    cores = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + octets).decode()
        last = (before + len(octets)) * 8 // 6
        cores.append(whole[(before * 8 + 5) // 6 : last])
    return list(dict.fromkeys([*cores, *(core.replace("+", "-").replace("/", "_") for core in cores)]))


def _escaped(secret: str) -> str:
    """Write a pattern of the secret however it is escaped. Header values are bytes: both readings count."""
    readings = {secret}
    try:
        readings.add(secret.encode("latin-1").decode())
    except UnicodeError:
        readings.add(secret)
    return "|".join("".join(map(_any_character, reading)) for reading in sorted(readings))


def _any_character(character: str) -> str:
    forms = [re.escape(character)]
    for encoding in ("utf-8", "latin-1"):
        octets = character.encode(encoding, "ignore")
        if octets:
            # An address inside an address is escaped once more: % is %25 there.
            forms.append("".join(f"%(?:25)*(?i:{octet:02x})" for octet in octets))
    units = character.encode("utf-16-be")
    pairs = (units[index : index + 2].hex() for index in range(0, len(units), 2))
    forms.append("".join(rf"\\+u(?i:{pair})" for pair in pairs))
    if character in _JSON_ESCAPES:
        forms.append(re.escape(_JSON_ESCAPES[character]))
    if character == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"
