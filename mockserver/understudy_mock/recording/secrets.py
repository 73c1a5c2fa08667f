"""The secrets of a recording: found by where they stand, removed wherever else they stand, too.

Each is replaced by a placeholder of its own, `[key-1]`, `[secret-1]`, so two accounts stay two accounts
and a signed address stays the address that an answer named. So that a later run into the same file gives
the same value the same placeholder, the file keeps a slow, salted and shortened hash beside each.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import msgspec

from understudy_mock.domain.exchange import Headers
from understudy_mock.domain.model import Credential
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.keys import presented
from understudy_mock.recording.redact import REDACTED, SECRET_HEADERS, SHORTEST, any_form, base64_cores

_KEPT_HEADERS = frozenset(
    b"""accept accept-encoding accept-language accept-ranges access-control-allow-origin age allow
    cache-control connection content-disposition content-encoding content-language content-length
    content-range content-type date etag expect expires host idempotency-key if-match if-modified-since
    if-none-match if-range if-unmodified-since keep-alive last-modified location prefer range retry-after
    server te trailer transfer-encoding upgrade user-agent vary via warning webhook-id webhook-timestamp
    www-authenticate x-cost x-generation-time x-output-metadata x-rate-limit-remaining
    x-rate-limit-reset-at-utc x-remaining-credits x-request-id x-seed-value x-webhook-mode
    x-webhook-url""".split()
)
"""Headers whose values are kept. Of others only the name is."""

_TELLING = re.compile(rb"(?:x-)?rate-?limit.*|deprecation|sunset")
"""More headers whose values are kept: what a provider says of its limits and its plans."""

_SECRET_HEADER = re.compile(r"token|secret|auth|passw|signature|keys?(?:$|[-_])")
"""What is in the names of headers that hold secrets, as far as they are not among those above."""

_NO_SECRETS = frozenset({b"proxy-authenticate", b"access-control-request-headers", b"webhook-signature"})
"""Headers that are only called like that: what they say is no secret, or is spent."""

_MEMBERS = (
    "subscription-key|api[-_]?key|access[-_]?token|auth[-_]?token|client[-_]?secret|token|secret|password|"
    "authorization|signature|x-amz-signature|x-amz-credential|x-amz-security-token|awsaccesskeyid|"
    "x-goog-signature|x-goog-credential|googleaccessid|hmac"
)
_LIKE_MEMBERS = r"""[^"\\]{0,64}(?:secret|passw|api[-_]?key|authorization)[^"\\]{0,64}|[^"\\]{0,64}token"""
"""What JSON calls a secret by a longer name: `db_password`, `refresh_token`, `apiKeyId`."""

_NAMES = f"{_MEMBERS}|key|sig|key-pair-id|policy|hdnts|hdnea"
_STEP = "%(?:25)*"
"""An escape, also inside an address that is itself escaped."""

_IN_QUERY = re.compile(rf"""(?i)((?:[?&;]|\\u0026|&amp;)(?:{_NAMES})=)([^&#"'\s<>\\]+)""")
_IN_NESTED = re.compile(
    rf"""(?i)({_STEP}(?:3F|26)(?:{_NAMES}){_STEP}3D)((?:(?!{_STEP}(?:26|23))[^&#"'\s<>\\])+)"""
)
_IN_JSON = re.compile(rf"""(?i)("(?:{_MEMBERS}|{_LIKE_MEMBERS})"\s*:\s*")((?:[^"\\]|\\.)+)(?=")""")
_IN_FORM = re.compile(rf"""(?i)((?:^|&)(?:{_MEMBERS})=)([^&\s]+)""")
_IN_USERINFO = re.compile(r"(://[^/\s:@\"'\\]*:)([^/\s@\"'\\]+)(?=@)")
_WHSEC = re.compile(r"()(whsec_[A-Za-z0-9+/=_\-]+)")
_PLACES = (_IN_QUERY, _IN_NESTED, _IN_JSON, _IN_USERINFO, _WHSEC)

_COOKIES = frozenset({b"cookie", b"set-cookie"})
_SCHEMED = frozenset({b"authorization", b"proxy-authorization"})
_PLACEHOLDER = re.compile(r"\[[A-Za-z0-9_.\-]+\]")
_CODE = re.compile(r"%([0-9A-Fa-f]{2})|\\+u([0-9A-Fa-f]{4})")
_BINARY = 1024 * 1024
"""Bytes of a binary body up to which secrets are looked for in escaped forms, too."""

_NESTED = 4
"""How often an escaped text is unescaped to look for a secret in it."""


@dataclass(slots=True, eq=False)
class _Secret:
    """One secret, ready to be looked for."""

    value: str
    placeholder: str
    plain: tuple[str, ...]
    """What stands for it in a text without escapes: any of these, or it is not there."""
    pattern: re.Pattern[str] | None = None

    @property
    def octets(self) -> list[bytes]:
        """The same for bytes."""
        return [form.encode("utf-8", "surrogateescape") for form in self.plain]

    def is_in(self, texts: Iterable[str]) -> bool:
        """Tell whether any of some texts, the same one unescaped ever more, holds it."""
        return any(form in text for text in texts for form in self.plain)

    def out_of(self, text: str) -> str:
        """Give a text without it."""
        if self.pattern is None:
            self.pattern = re.compile(any_form(self.value))
        return self.pattern.sub(lambda _: self.placeholder, text)


@dataclass(slots=True, eq=False)
class Secrets:
    """All the secrets that a recorder has come across, and their placeholders.

    `salt` belongs to the file. `known` are the placeholders that are in it already, each with the hash of
    what it stands for. `names` are headers and parameters whose values are secret by the user's word.
    `warn` is told, once for each, what cannot be removed by value.
    """

    salt: bytes
    known: dict[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    public: Callable[[str], bool] = lambda _: False
    warn: Callable[[str], None] = lambda _: None
    _ordered: list[_Secret] = field(default_factory=list)
    _placeholders: dict[str, str] = field(default_factory=dict)

    def add(self, value: str, kind: str) -> str:
        """Make a value a secret of a kind (`key`, `secret`, a name of the user's); give its placeholder.

        One that is too short to be looked for everywhere gets a placeholder that is as good as any.
        """
        value = value.strip()
        if not value or _PLACEHOLDER.fullmatch(value):
            return value
        if value in self._placeholders:
            return self._placeholders[value]
        held = self._print(value)
        placeholder = next((name for name, other in self.known.items() if other == held), None)
        if placeholder is None:
            taken = sum(name.startswith(f"[{kind}-") for name in self.known)
            placeholder = f"[{kind}-{taken + 1}]"
            self.known[placeholder] = held
        self._placeholders[value] = placeholder
        if len(value) < SHORTEST:
            self.warn(
                f"{placeholder} has fewer than {SHORTEST} characters: it is removed where keys stand, "
                "but not looked for elsewhere"
            )
            return placeholder
        bare = value.removeprefix("whsec_")
        for one in {value, bare}:
            if len(one) >= SHORTEST and not self.public(one):
                self._ordered.append(_Secret(one, placeholder, _plain_forms(one)))
        # A longer secret may hold a shorter one, which must not leave the rest of it behind.
        self._ordered.sort(key=lambda secret: len(secret.value), reverse=True)
        return placeholder

    def learn(self, entry: JournalEntry, credentials: Iterable[Credential]) -> bool:
        """Find the secrets of an exchange by where they stand; tell whether there is a new key among them."""
        before = len(self._ordered)
        query = entry.url.partition("?")[2].encode("utf-8", "surrogateescape")
        for value in (entry.key, presented(credentials, dict(entry.request_headers), query)):
            self.add(value, "key")
        for name, raw in (*entry.request_headers, *entry.response_headers):
            text = raw.decode("latin-1").strip()
            if name == b"cookie":
                for pair in text.split(";"):
                    self._long(pair.partition("=")[2], "secret")
            elif name == b"set-cookie":
                self._long(text.partition(";")[0].partition("=")[2], "secret")
            elif name in SECRET_HEADERS:
                self._credential(name, text)
            elif name.decode("latin-1") in self.names:
                self._long(text, "secret")
            elif _is_secret(name) and not text.isdigit():
                self._long(text, "secret")
                self._long(text.partition(" ")[2], "secret")
        keys = len(self._ordered)
        for text in self._texts(entry):
            for place in _PLACES:
                for found in place.finditer(text):
                    self._long(unquote(found[2]), "secret")
        return keys > before

    def clean(self, entry: JournalEntry) -> JournalEntry:
        """Give an exchange without secrets, and with allowlisted header values alone."""
        kind = _header(entry.request_headers, b"content-type")
        request_body, response_body = (
            self.octets(entry.request_body, form=b"x-www-form-urlencoded" in kind),
            self.octets(entry.response_body),
        )
        return msgspec.structs.replace(
            entry,
            key=self.add(entry.key, "key"),
            method=self.text(entry.method),
            url=self.url(entry.url),
            job=self.text(entry.job),
            scenario=self.text(entry.scenario),
            request_headers=self.headers(entry.request_headers),
            request_body=request_body,
            request_size=len(request_body) if entry.request_body else entry.request_size,
            response_headers=self.headers(entry.response_headers),
            response_body=response_body,
            response_size=len(response_body) if entry.response_body else entry.response_size,
            error=self.text(entry.error),
            warnings=tuple(self.text(warning) for warning in entry.warnings),
        )

    def text(self, text: str) -> str:
        """Give a text without secrets."""
        text = self._by_value(text)
        for place in _PLACES:  # what is too short to have been found by value
            text = place.sub(_by_name, text)
        return text

    def url(self, url: str) -> str:
        """Give an address without secrets, one that can still be taken apart."""
        clean = self.text(url)
        for name in self.names:
            clean = re.sub(rf"(?i)([?&]{re.escape(name)}=)([^&#]*)", _by_name, clean)
        scheme, slashes, rest = clean.partition("://")
        host, slash, path = rest.partition("/")
        if slashes and "[" in host and not re.fullmatch(r"(?:.*@)?\[[0-9A-Fa-f:.%]+\](?::\d+)?", host):
            host = host.replace("[", "").replace("]", "")  # brackets there are for IPv6
        return f"{scheme}{slashes}{host}{slash}{path}"

    def octets(self, body: bytes, *, form: bool = False) -> bytes:
        """Give a body without secrets."""
        if not body:
            return body
        try:
            text, encoding = body.decode(), "utf-8"
        except UnicodeDecodeError:
            if len(body) > _BINARY and self.found_in_file(body) is None:
                return body
            text, encoding = body.decode("latin-1"), "latin-1"
        clean = self.text(text) if encoding == "utf-8" else self._by_value(text)
        if form:
            clean = _IN_FORM.sub(_by_name, clean)
        for name in self.names:
            clean = re.sub(rf'(?i)("{re.escape(name)}"\s*:\s*")((?:[^"\\]|\\.)*)', _by_name, clean)
        return clean.encode(encoding)

    def headers(self, headers: Headers) -> Headers:
        """Give headers without secrets: all the names, and the values of an allowlist."""
        return [(self._by_value_octets(name), self._header(name, value)) for name, value in headers]

    def found_in_file(self, part: bytes) -> str | None:
        """Name a secret that stands in a part of a file; None where none does.

        As it is, in base64, or in characters of two or four bytes.
        """
        readings = [part, part.replace(b"\0", b"")] if b"\0" in part else [part]
        return next(
            (one.placeholder for one in self._ordered if any(o in r for r in readings for o in one.octets)),
            None,
        )

    def found_in(self, data: bytes) -> str | None:
        """Name a secret that is still in some bytes; None where none is."""
        readings = _readings(data.decode("utf-8", "replace"))
        return next((one.placeholder for one in self._ordered if one.is_in(readings)), None)

    # -- helpers

    def _header(self, name: bytes, value: bytes) -> bytes:
        text = value.decode("latin-1")
        if name in SECRET_HEADERS and name not in _COOKIES:
            return self._by_value(self._credential(name, text.strip())).encode("latin-1", "replace")
        if name.decode("latin-1") in self.names:
            return self.add(text, "secret").encode("latin-1")
        if name not in _KEPT_HEADERS and not _TELLING.fullmatch(name):
            return REDACTED.encode()
        if name in (b"location", b"x-webhook-url"):
            return self.url(text).encode("latin-1", "replace")
        return self.text(text).encode("latin-1", "replace")

    def _credential(self, name: bytes, text: str) -> str:
        """Make what a header of a key shows a secret, and give the header's value without it."""
        scheme, space, rest = text.partition(" ")
        if name not in _SCHEMED or not space:
            return self.add(text, "key")
        value = rest.strip()
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode("latin-1").partition(":")
            except (binascii.Error, ValueError):
                user, password = "", ""
            self._long(user, "secret")
            self._long(password, "key")
        return f"{scheme} {self.add(value, 'key')}"

    def _long(self, value: str, kind: str) -> None:
        if len(value.strip()) >= SHORTEST:
            self.add(value, kind)

    def _texts(self, entry: JournalEntry) -> Iterable[str]:
        yield entry.url
        for _, value in (*entry.request_headers, *entry.response_headers):
            yield value.decode("latin-1")
        for body in (entry.request_body, entry.response_body):
            try:
                yield body.decode()
            except UnicodeDecodeError:
                continue
        if b"x-www-form-urlencoded" in _header(entry.request_headers, b"content-type"):
            for found in _IN_FORM.finditer(entry.request_body.decode("latin-1")):
                self._long(unquote(found[2]), "secret")

    def _by_value(self, text: str) -> str:
        readings = _readings(text)
        for secret in self._ordered:
            if secret.is_in(readings):
                text = secret.out_of(text)
        return text

    def _by_value_octets(self, octets: bytes) -> bytes:
        return self._by_value(octets.decode("latin-1")).encode("latin-1", "replace")

    def _print(self, value: str) -> str:
        octets = value.encode("utf-8", "surrogateescape")
        return hashlib.scrypt(octets, salt=self.salt, n=2**12, r=8, p=1, dklen=6).hex()


def _is_secret(name: bytes) -> bool:
    """Tell by a header's name whether its value is a secret."""
    if name in _KEPT_HEADERS | _NO_SECRETS or _TELLING.fullmatch(name):
        return False
    return _SECRET_HEADER.search(name.decode("latin-1")) is not None


def read_placeholders(entries: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """Collect the placeholders that entries of a file tell of, with their hashes."""
    known: dict[str, str] = {}
    for own in entries:
        held = own.get("placeholders")
        if isinstance(held, dict):
            known.update({str(name): str(value) for name, value in held.items()})
    return known


def _by_name(found: re.Match[str]) -> str:
    return found[0] if _PLACEHOLDER.search(found[2]) else f"{found[1]}{REDACTED}"


def _header(headers: Headers, wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"").lower()


def _plain_forms(secret: str) -> tuple[str, ...]:
    """Give what stands for a secret in a text without escapes."""
    readings = [secret, secret.replace(" ", "+"), secret.replace("\\", "")]
    for encoding, reading in (("utf-8", "latin-1"), ("latin-1", "utf-8")):
        try:
            readings.append(secret.encode(encoding).decode(reading))
        except UnicodeError:
            continue
    return tuple(dict.fromkeys([*readings, *base64_cores(secret)]))


def _readings(text: str) -> list[str]:
    """Give a text, what it is unescaped once, twice and so on, and each without backslashes.

    However often JSON stands inside JSON, all that differs is how many backslashes there are.
    """
    readings = [text]
    while len(readings) < _NESTED and ("%" in readings[-1] or "\\" in readings[-1]):
        plain = _CODE.sub(lambda found: chr(int(found[1] or found[2], 16)), readings[-1])
        if plain == readings[-1]:
            break
        readings.append(plain)
    return readings + [one.replace("\\", "") for one in readings if "\\" in one]
