"""Take secrets out of what is written: by the name of a header or parameter, and by value everywhere.

By value means in every form in which a secret can stand in a text: as it is, percent-encoded in whole or
in part, escaped as JSON does it, and as UTF-8 or latin-1 where it has odd bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property, lru_cache
from urllib.parse import parse_qsl

from understudy_mock.domain.exchange import Headers

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

_WIDEST = 12
"""Characters that one is escaped to at most, so that it is looked for at the end of a cut text."""

_END = rf"(?:[%\\][%\\u0-9a-fA-F]{{0,{_WIDEST}}})?\Z"
"""The end of a text, with an escape that was cut."""

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
        self._forms = [form for secret in sorted(secrets, key=len, reverse=True) for form in _forms(secret)]
        self._plain = list(map(_with_spaces, self._forms))
        self._window = _WIDEST * max(map(len, self._forms), default=0)

    def text(self, text: str) -> str:
        """Give a text without the secrets."""
        # The pattern takes longer to make than most journals take to be written: first see if it is needed.
        if not self._forms or (not _is_escaped(text) and not self._is_plain_in(_with_spaces(text))):
            return text
        return self._anywhere.sub(REDACTED, text)

    def cut_text(self, text: str) -> str:
        """Give the beginning of a longer text without the secrets, nor the beginning of one at its end."""
        clean = self.text(text)
        start = max(0, len(clean) - self._window)
        end = clean[start:]
        if not self._forms or (not _is_escaped(end) and not self._begins_at_the_end_of(_with_spaces(end))):
            return clean
        return clean[:start] + self._at_the_end.sub(REDACTED, end)

    def _is_plain_in(self, text: str) -> bool:
        return any(form in text for form in self._plain)

    def _begins_at_the_end_of(self, text: str) -> bool:
        return any(
            text.endswith(form[:length])
            for form in self._plain
            if form[:_SHORTEST_PART] in text
            for length in range(_SHORTEST_PART, len(form))
        )

    @cached_property
    def _anywhere(self) -> re.Pattern[str]:
        return re.compile("|".join(map(_escaped, self._forms)))

    @cached_property
    def _at_the_end(self) -> re.Pattern[str]:
        return re.compile("|".join(map(_escaped_beginning, self._forms)))

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
    return "|".join(map(_escaped, _forms(secret)))


def _forms(secret: str) -> list[str]:
    """Give the secret as it can stand before anything is escaped. Headers are bytes: both readings count."""
    readings = {secret}
    with suppress(UnicodeError):
        readings.add(secret.encode("latin-1").decode())
    return [*sorted(readings), *base64_cores(secret)]


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


def _is_escaped(text: str) -> bool:
    """Whether anything in a text may stand for something else: else a secret stands there as it is."""
    return "%" in text or "\\" in text


def _with_spaces(text: str) -> str:
    """Read + as a space, as forms have it."""
    return text.replace("+", " ")


def _escaped(form: str) -> str:
    """Write a pattern of a form however it is escaped."""
    return "".join(map(_any_character, form))


def _escaped_beginning(form: str) -> str:
    """Write a pattern of every beginning of a form at the end of a text, be it cut within an escape.

    Where the end is reached, each further character is as good as there: so one pattern holds all.
    """
    first, rest = form[:_SHORTEST_PART], form[_SHORTEST_PART:-1]
    return _escaped(first) + "".join(f"(?:(?={_END})|{_any_character(one)})" for one in rest) + _END


@lru_cache(maxsize=1024)
def _any_character(character: str) -> str:
    """Write a pattern of a character in every form."""
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
        # JSON inside JSON has more backslashes.
        forms.insert(0, rf"\\+{re.escape(_JSON_ESCAPES[character][1:])}")
    if character == "\\":
        forms.insert(0, r"\\+")
    if character == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(dict.fromkeys(forms))})"
