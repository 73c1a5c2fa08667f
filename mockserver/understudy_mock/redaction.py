"""Remove secrets from whatever is written: by where they stand, and by value wherever else they are.

A secret is found where secrets stand: in a header, a parameter, a cookie or a JSON member that is called like
one, in front of the host of an address. What is found, and is long enough, is then removed by value, too.
By value means in every form in which a text can hold it: as it is, percent-encoded, escaped as JSON does it,
in base64, as UTF-8 or latin-1. A text is unescaped as a whole (`fold`) and searched then, so the work grows
with the text and with nothing else: what counts as a secret is bounded in number and in length.

`Redactor` is for journals and for what people are shown, `Secrets` for a recorder, which knows more and more
of them. Nothing here knows what an exchange is for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote

import msgspec

from understudy_mock.domain.call import Headers
from understudy_mock.gateway.journal import JournalEntry

REDACTED = "[redacted]"

SHORTEST = 8
"""Characters of the shortest secret that is searched for by value. A shorter one would blot out innocent
text: it is removed where secrets stand, and only there."""

LONGEST = 4096
"""Characters of the longest secret that is searched for by value. A longer one is no key."""

MOST = 128
"""Secrets that are searched for by value at once, keys first, then those that were found last."""

MOST_NAMED = 10_000
"""Secrets of one recording that get a placeholder of their own; further ones become `[redacted]`."""

_SHORTEST_PART = 3
"""Fewer characters of a secret's beginning, at the end of a text that was cut, give nothing away."""

_NESTED = 3
"""How often a text is unescaped: an address in an address in JSON is escaped that often."""

_LONGEST_NAME = 64
"""Characters of the longest name of a parameter or a JSON member that is looked at."""

_LONGEST_USER = 1024
"""Characters of the longest `user:password@` that is looked for."""

_KEYLIKE = 16
"""Letters and digits in a row, both among them, that look like a key."""

SECRET_HEADERS = frozenset(
    b"ocp-apim-subscription-key authorization proxy-authorization x-api-key api-key cookie set-cookie".split()
)

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
"""Headers whose values are kept. Of others that came from outside only the name is."""

_TELLING = re.compile(rb"(?:x-)?rate-?limit.*|deprecation|sunset")
"""More headers whose values are kept: what a provider says of its limits and its plans."""

_NO_SECRETS = frozenset({b"proxy-authenticate", b"access-control-request-headers", b"webhook-signature"})
"""Headers that are only called like secrets: what they say is none, or is spent."""

_SECRET_HEADER = re.compile(r"token|secret|auth|passw|signature|keys?(?:$|[-_\d])")
_SECRET_MEMBER = re.compile(
    r"(?i)\A(?:subscription-key|signature|x-amz-signature|x-amz-credential|awsaccesskeyid|x-goog-signature|"
    r"x-goog-credential|googleaccessid|hmac|bearer|credentials?)\Z|token\Z|secret|passw|api[-_]?key|"
    r"authorization|(?:subscription|openai|access|private|auth|client|account|license)[-_]?keys?\Z"
)
"""What JSON calls a secret: `token`, `db_password`, `refresh_token`, `apiKeyId`, `subscription-key`."""

_SECRET_PARAMETER = re.compile(r"(?i)key|sig|key-pair-id|policy|hdnts|hdnea|pw|pwd|pass")
"""What else a parameter of an address is called that is one, or signs the address."""

_MAYBE_SECRET = re.compile(r"(?i)auth|code|session(?:[-_]?id)?|sid|jwt|state")
"""What a parameter is called that is one where its value looks like a key."""

_NAME = rf"""((?:[^"\\]|\\u[0-9a-fA-F]{{4}}){{1,{_LONGEST_NAME}}})"""
_MEMBER = re.compile(rf'("{_NAME}"\s*+:\s*+")((?:[^"\\]++|\\.)++)', re.DOTALL)
_NESTED_MEMBER = re.compile(rf"""(\\"([^"\\]{{1,{_LONGEST_NAME}}})\\++"\s*+:\s*+\\++")([^"\\]++)""")
"""A member of JSON that stands as a text in other JSON."""

_LIST_MEMBER = re.compile(rf'("{_NAME}"\s*+:\s*+\[)(\s*+"[^\[\]]++)')
"""A member that is a list of texts."""

_LISTED = re.compile(rf'("([^"\\]{{1,{_LONGEST_NAME}}})"\s*+,\s*+")([^"\\]++)')
"""A header in JSON as a list of name and value."""

_NAMED = re.compile(
    rf'("name"\s*+:\s*+"([^"\\]{{1,{_LONGEST_NAME}}})"\s*+,\s*+"value"\s*+:\s*+")((?:[^"\\]++|\\.)++)',
    re.DOTALL,
)
"""A header in JSON as an object with its name and its value."""

_PART = re.compile(
    rf'(name="([^"\r\n]{{1,{_LONGEST_NAME}}})"\r?\n(?:content-type:[^\r\n]{{1,200}}\r?\n)?\r?\n)([^\r\n]++)',
    re.IGNORECASE,
)
"""A field of a multipart form that is no file (RFC 7578)."""

_PARAMETER = re.compile(
    rf"""((?:[?&;#]|\\u0026)([^=?&;#"'\s<>\\]{{1,{_LONGEST_NAME}}})=)([^&#"'\s<>\\]++)""", re.IGNORECASE
)
_NESTED_PARAMETER = re.compile(
    rf"""(%(?:25)*+(?:3F|26)([\w.~-]{{1,{_LONGEST_NAME}}})%(?:25)*+3D)((?:(?!%(?:25)*+2[36])[^&#"'\s<>\\])++)""",
    re.IGNORECASE,
)
"""A parameter of an address that stands escaped inside another one."""

_FIELD = re.compile(rf"((?:^|&)([^=&\s]{{1,{_LONGEST_NAME}}})=)([^&\s]++)")
_USER = re.compile(rf"""(://)()([^/\s?#"'<>\\@]{{1,{_LONGEST_USER}}}+)(?=@)""")
_WHSEC = re.compile(r"()(whsec_)([A-Za-z0-9+/=_\-]++)")
_MARK = re.compile(r"\[(?:redacted|[A-Za-z0-9_.\-]+-\d+)\]")
"""What stands where a secret was."""

_STRING = re.compile(r'"([^"\\]*+)"')
_SEGMENT = re.compile(r"""[^/?&#=;,\s"'<>\\]++""")
_RUN = re.compile(r"[A-Za-z0-9]++")
_BRACKETS = re.compile(r"(?:[^@]*@)?\[[0-9A-Fa-f:.%]+\](?::\d+)?")
_PUNCTUATION = re.compile(r"[^\w\-]")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,19}://)([^/?#]*+)")
"""The beginning of a whole address: its scheme, and its host with all that belongs to it."""

_FREE = frozenset(
    b"user-agent accept accept-language cache-control expect te trailer upgrade via warning".split()
)
"""Headers whose values are free text, and name nothing that must be found again."""

_LOST = frozenset({401, 403, 404, 405})
"""Statuses of a call whose address leads nowhere, or whose key may stand in it."""

_COOKIES = frozenset({b"cookie", b"set-cookie"})
_SCHEMED = frozenset({b"authorization", b"proxy-authorization"})


# -- one form for all

_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SLASHES = re.compile(r"\\+")
_PERCENT = re.compile(r"%(?:25)*([0-9a-fA-F]{2})")
_STEPS = (_UNICODE, _SLASHES, _PERCENT)
"""What is unescaped, in this order. However often JSON stands inside JSON, only the number of backslashes
differs, and of an escaped % only the number of 25s: so the one are dropped, the others read over."""

_TRIED = 64
"""Places at the end of a text that was cut where a secret may begin, as far as all of them are tried."""

_LONGEST_TORN = 16
"""Characters at the end of a text that was cut in which an escape may be that was cut."""

_TORN = re.compile(
    rf"(?:\\{{1,{_LONGEST_TORN}}}(?:u[0-9a-fA-F]{{0,3}})?|%(?:25){{0,{_LONGEST_TORN}}}[0-9a-fA-F]?)\Z"
)

_ALIKE = str.maketrans("+\b\f\n\r\t", " bfnrt")
"""Forms have + for a space, and of `\\n` an n is left when backslashes are dropped."""


def fold(text: str) -> str:
    """Return a text as it reads without escapes, for searching: each way to write something folds alike."""
    for _ in range(_NESTED):
        before = text
        if "\\" in text:
            text = _UNICODE.sub(_character, text).replace("\\", "")
        if "%" in text:
            text = _PERCENT.sub(_character, text)
        if text == before:
            break
    return text.translate(_ALIKE)


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _places(text: str) -> tuple[array[int], array[int]]:
    """Return where each character of the folded text begins and ends in the text itself.

    Backslashes belong to the character behind them: half an escape must not be left over.
    """
    begins, ends = array("I", range(len(text))), array("I", range(1, len(text) + 1))
    for pattern in _STEPS * _NESTED:
        kept_begins, kept_ends, done = array("I"), array("I"), 0
        for match in pattern.finditer(text):
            first, last = match.span()
            kept_begins += begins[done:first]
            kept_ends += ends[done:first]
            if pattern is not _SLASHES:
                kept_begins.append(begins[first])
                kept_ends.append(ends[last - 1])
            elif last < len(text):
                begins[last] = begins[first]
            done = last
        if done:
            begins, ends = kept_begins + begins[done:], kept_ends + ends[done:]
            text = pattern.sub("" if pattern is _SLASHES else _character, text)
    return begins, ends


@lru_cache(maxsize=2 * MOST)
def _forms(secret: str, *, is_key: bool) -> tuple[str, ...]:
    """Return the forms of a secret before anything is escaped: headers are bytes, and both readings count.

    A key also as base64 has it inside a longer text, wherever that begins (RFC 4648, sections 4 and 5): three
    bytes become four characters, so there are three ways to fall on them, and characters at the edges that
    hold bits of what stands around are left out.
    """
    forms = [secret]
    for written, read in (("latin-1", "utf-8"), ("utf-8", "latin-1")):
        with suppress(UnicodeError):
            forms.append(secret.encode(written).decode(read))
    octets = secret.encode("utf-8", "surrogatepass")
    for before in range(3) if is_key else ():
        whole = base64.b64encode(b"\0" * before + octets).decode()
        core = whole[(before * 8 + 5) // 6 : (before + len(octets)) * 8 // 6]
        forms += [core, core.replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(forms))


class _Values:
    """The secrets that are searched for by value, with what takes their place."""

    def __init__(self) -> None:
        # Replaced as a whole, never changed: one thread may add while others search.
        self._placeholders: dict[str, tuple[str, bool]] = {}
        self._needles: tuple[dict[str, tuple[str, bool]], list[tuple[str, str]]] = ({}, [])

    def add(self, secret: str, placeholder: str, *, is_key: bool) -> bool:
        """Search for one more; return whether there is room. The oldest that is no key makes room."""
        if secret in self._placeholders or not SHORTEST <= len(secret) <= LONGEST:
            return True
        placeholders = dict(self._placeholders)
        if len(placeholders) >= MOST:
            oldest = next((held for held, (_, key) in placeholders.items() if not key), None)
            if oldest is None:
                return False
            del placeholders[oldest]
        placeholders[secret] = placeholder, is_key
        self._placeholders = placeholders
        return True

    def clean(self, text: str, *, is_cut: bool = False) -> str:
        """Return a text without them; a text that `is_cut` also without the beginning of one at its end."""
        needles = self._all()
        if not needles or not text:
            return text
        folded = fold(text)
        readings = [(text, False)] if folded == text else [(text, False), (folded, True)]
        spans = []
        for needle, placeholder in needles:
            for reading, is_folded in readings:
                at = reading.find(needle)
                while at >= 0:
                    spans.append((at, at + len(needle), placeholder, is_folded))
                    at = reading.find(needle, at + len(needle))
        if is_cut and (torn := self._torn(text, needles)) is not None:
            spans.append(torn)
        return _replaced(text, spans) if spans else text

    def found_in(self, text: str) -> str | None:
        """Name one that is in a text; None where none is."""
        folded = fold(text)
        readings = (text,) if folded == text else (folded, text)
        return next((name for needle, name in self._all() if any(needle in one for one in readings)), None)

    def found_in_file(self, part: bytes) -> str | None:
        """Name one that is in some bytes, as it is, in base64, or in characters of two or four bytes."""
        readings = [part, part.replace(b"\0", b"")] if b"\0" in part else [part]
        for secret, (placeholder, is_key) in self._placeholders.items():
            forms = (form.encode("latin-1", "replace") for form in _forms(secret, is_key=is_key))
            if any(form in reading for form in forms for reading in readings):
                return placeholder
        return None

    def _all(self) -> list[tuple[str, str]]:
        """Return what to look for. A longer secret may hold a shorter one, so it comes first."""
        placeholders, needles = self._placeholders, self._needles
        if needles[0] is not placeholders:
            pairs = {}
            for secret, (placeholder, is_key) in placeholders.items():
                for form in (secret, *map(fold, _forms(secret, is_key=is_key))):
                    if len(form) >= SHORTEST:  # of one that is made of escapes too little may be left
                        pairs[form] = placeholder
            longest_first = sorted(pairs.items(), key=lambda pair: len(pair[0]), reverse=True)
            needles = self._needles = (placeholders, longest_first)
        return needles[1]

    def _torn(self, text: str, needles: list[tuple[str, str]]) -> tuple[int, int, str, bool] | None:
        """Find the longest beginning of a secret at the end of a text, be it cut within an escape."""
        torn = _TORN.search(text[-_LONGEST_TORN:])
        whole = len(text) - (len(torn[0]) if torn is not None else 0)
        best: tuple[int, int, str, bool] | None = None
        for end in {len(text), whole}:
            window = max(0, end - 2 * LONGEST)
            folded = fold(text[window:end])
            for needle, placeholder in needles:
                at = max(-1, len(folded) - len(needle))
                for _ in range(_TRIED):
                    at = folded.find(needle[:_SHORTEST_PART], at + 1)
                    if at < 0 or needle.startswith(folded[at:]):
                        break
                if at >= 0:
                    begin = window + _places(text[window:end])[0][at]
                    if best is None or begin < best[0]:
                        best = (begin, len(text), placeholder, False)
        return best


def _replaced(text: str, spans: list[tuple[int, int, str, bool]]) -> str:
    """Replace spans, some of which are of the folded text; where two overlap by the longest one's."""
    begins, ends = _places(text) if any(is_folded for *_, is_folded in spans) else ((), ())
    there = sorted(
        (begins[begin], ends[end - 1], place) if is_folded else (begin, end, place)
        for begin, end, place, is_folded in spans
    )
    parts: list[str] = []
    done = longest = 0
    end = -1
    for begin, its_end, placeholder in there:
        if begin >= end:
            parts += (text[done:begin], placeholder)
            longest = 0
        if its_end - begin > longest:
            longest = its_end - begin
            parts[-1] = placeholder
        done = end = max(end, its_end)
    return "".join((*parts, text[done:]))


# -- where secrets stand


def is_secret_header(name: bytes) -> bool:
    """Return whether a header's value is a secret, by its name in lower case."""
    if name in SECRET_HEADERS:
        return True
    if name in _KEPT_HEADERS | _NO_SECRETS or _TELLING.fullmatch(name):
        return False
    return _SECRET_HEADER.search(name.decode("latin-1")) is not None


def _is_keylike(text: str) -> bool:
    """Return whether a text holds many letters and digits in a row, both among them."""
    runs = (run for run in _RUN.findall(text) if len(run) >= _KEYLIKE)
    return any(not run.isalpha() and not run.isdigit() for run in runs)


def _is_member(name: str, _: str) -> bool:
    return _SECRET_MEMBER.search(fold(name)) is not None


def _is_listed(name: str, value: str) -> bool:
    """Two texts side by side are a header where both look like it."""
    return _is_named(name, value) and (_is_keylike(value) or _SCHEME.match(value) is not None)


def _is_named(name: str, value: str) -> bool:
    return _is_member(name, value) or is_secret_header(name.lower().encode("latin-1", "replace"))


def _is_parameter(name: str, value: str) -> bool:
    name = unquote(name)
    if _is_member(name, value) or _SECRET_PARAMETER.fullmatch(name):
        return True
    return _MAYBE_SECRET.fullmatch(name) is not None and _is_keylike(value)


def _is_credential(_: str, value: str) -> bool:
    return _is_keylike(value)


def _always(_: str, __: str) -> bool:
    return True


_Place = tuple[re.Pattern[str], Callable[[str, str], bool], str]
"""A pattern of what stands before a secret, its name and the secret; which names and values count; and
characters without one of which there is nothing to look for."""

_SCHEME = re.compile(r"(?i)(?:bearer|basic|key|token)\s")


_BEARER = re.compile(r"((bearer)(?:[ +]|%20))([\w.~+/=:\-]++)", re.IGNORECASE)
_BASIC = re.compile(r"((basic)(?:[ +]|%20))([\w.~+/=:\-]++)", re.IGNORECASE)
_KEY = re.compile(r"((key)(?:[ +]|%20))([\w.~+/=:\-]++)", re.IGNORECASE)
_TOKEN = re.compile(r"((token)(?:[ +]|%20))([\w.~+/=:\-]++)", re.IGNORECASE)
"""A credential behind its scheme, as a header has it, in any text."""

_PLACES: tuple[_Place, ...] = (
    (_MEMBER, _is_member, '"'),
    (_NESTED_MEMBER, _is_member, '\\"'),
    (_LIST_MEMBER, _is_member, "["),
    (_LISTED, _is_listed, ","),
    (_NAMED, _is_named, '"value"'),
    (_PART, _is_member, 'name="'),
    (_BEARER, _is_credential, "earer"),
    (_BASIC, _is_credential, "asic"),
    (_KEY, _is_credential, "ey"),
    (_TOKEN, _is_credential, "oken"),
    (_PARAMETER, _is_parameter, "="),
    (_NESTED_PARAMETER, _is_parameter, "%"),
    (_USER, _always, "@"),
    (_WHSEC, _always, "whsec_"),
)
_FORM: tuple[_Place, ...] = ((_FIELD, _is_parameter, "="),)


def secrets_of(
    key: str, url: str, headers: Headers, bodies: Iterable[bytes] = (), names: Collection[str] = ()
) -> Iterator[tuple[str, bool]]:
    """Name what is secret about an exchange, and whether it is a key. The same may come twice, and may be "".

    `key` is what the caller showed where the documents say. `names` are headers, parameters and members that
    hold secrets by somebody's word, in lower case.
    """
    yield key, True
    for name, raw in headers:
        text = raw.decode("latin-1").strip()
        if name in _COOKIES:
            pairs = islice(text.split(";", MOST), 1 if name == b"set-cookie" else MOST)
            yield from ((pair.partition("=")[2].strip(), False) for pair in pairs)
        elif name in SECRET_HEADERS:
            yield from _credentials(name, text)
        elif name.decode("latin-1") in names:
            yield text, False
        elif is_secret_header(name) and not text.isdigit():
            yield text, False
            yield text.partition(" ")[2].strip(), False
    places = _PLACES + _FORM if _is_form(headers) else _PLACES
    yield from _standing(url, _PLACES, names)
    for _, value in headers:
        yield from _standing(value.decode("latin-1"), _PLACES, names)
    for body in bodies:
        with suppress(UnicodeDecodeError):
            yield from _standing(body.decode(), places, names)


def _credentials(name: bytes, text: str) -> Iterator[tuple[str, bool]]:
    """Name the secrets in a header of a key: the whole, what follows a scheme, and what Basic hides."""
    scheme, space, rest = text.partition(" ")
    if name not in _SCHEMED or not space:
        yield text, True
        return
    yield rest.strip(), True
    if scheme.lower() == "basic" and len(rest) <= LONGEST:
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode("latin-1").partition(":")
        except (binascii.Error, ValueError):
            return
        yield user, False
        yield password, True


def _standing(text: str, places: Iterable[_Place], names: Collection[str]) -> Iterator[tuple[str, bool]]:
    for pattern, is_secret, mark in places:
        if mark not in text:
            continue
        for match in pattern.finditer(text):
            _, name, secret = match.groups()
            if not (is_secret(name, secret) or name.lower() in names):
                continue
            if pattern is _LIST_MEMBER:
                yield from ((text, False) for text in _STRING.findall(secret) if len(text) <= LONGEST)
            elif len(secret) <= LONGEST:
                if pattern is _WHSEC:
                    yield name + secret, False
                for part in secret.split(":", 1) if pattern is _USER else (secret,):
                    yield unquote(part), False


def _is_form(headers: Headers) -> bool:
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    return b"x-www-form-urlencoded" in kind.lower()


class Redactor:
    """Removes secrets: those it is given by value, and others by where they stand."""

    @classmethod
    def of(cls, secrets: Mapping[str, bool], keys: Iterable[str] = ()) -> Redactor:
        """Make the redactor of some secrets, each with whether it is a key, and of more `keys`."""
        return Redactor([*keys, *(secret for secret, is_key in secrets.items() if is_key)], secrets)

    def __init__(self, keys: Iterable[str], others: Iterable[str] = ()) -> None:
        self.names: Collection[str] = ()
        self._values = _Values()
        for given, is_key in ((keys, True), (others, False)):
            for secret in given:
                self._values.add(secret, REDACTED, is_key=is_key)

    def values(self, text: str) -> str:
        """Return a text without the secrets that are known by value."""
        return self._values.clean(text)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return self._by_place(self._values.clean(text), _PLACES) if text else text

    def cut_text(self, text: str) -> str:
        """Return the beginning of a longer text without secrets, nor the beginning of one at its end."""
        return self._by_place(self._values.clean(text, is_cut=True), _PLACES)

    def url(self, url: str) -> str:
        """Return an address without secrets, one that can still be taken apart."""
        scheme, slashes, rest = self.text(url).partition("://")
        host, slash, path = rest.partition("/")
        if slashes and "[" in host and not _BRACKETS.fullmatch(host):
            host = host.replace("[", "").replace("]", "")  # brackets there are for IPv6
        return f"{scheme}{slashes}{host}{slash}{path}"

    def suspicious_url(self, url: str) -> str:
        """Return an address without secrets, and without what looks like one in its path or its parameters.

        For addresses that are secrets as a whole, as those of callbacks are, or that lead nowhere.
        """
        clean = self.url(url)
        whole = _ADDRESS.match(clean)
        if whole is None:  # a path
            return _SEGMENT.sub(_unlike_a_key, clean)
        # No brackets in a host: they are for IPv6.
        host = ".".join("redacted" if _is_keylike(label) else label for label in whole[2].split("."))
        return whole[1] + host + _SEGMENT.sub(_unlike_a_key, clean[whole.end() :])

    def suspicious_text(self, text: str) -> str:
        """Return a text without secrets, and without what looks like one.

        For texts that quote a path, which is no whole address, and may be anything.
        """
        return _SEGMENT.sub(_unlike_a_key, self.text(text))

    def headers(self, headers: Headers, *, are_ours: bool = False) -> list[tuple[str, str]]:
        """Return headers as text: all the names, and the values that cannot be secrets.

        What came from outside keeps the values of an allowlist alone. Where they `are_ours` all are kept
        that are not called like secrets.
        """
        return [
            (self.text(name.decode("latin-1")), self._header(name, value, are_ours=are_ours))
            for name, value in headers
        ]

    def octets(self, body: bytes, *, is_form: bool = False) -> bytes:
        """Return a body without secrets."""
        try:
            text, encoding = body.decode(), "utf-8"
        except UnicodeDecodeError:
            return self._values.clean(body.decode("latin-1")).encode("latin-1")
        text = self.text(text)
        return (self._by_place(text, _FORM) if is_form else text).encode(encoding)

    def _header(self, name: bytes, value: bytes, *, are_ours: bool) -> str:
        text = value.decode("latin-1")
        is_kept = name in _KEPT_HEADERS or _TELLING.fullmatch(name) is not None
        if is_secret_header(name) or name.decode("latin-1") in self.names or not (is_kept or are_ours):
            return REDACTED
        if name == b"x-webhook-url":
            return self.suspicious_url(text)
        if name in _FREE:
            return _SEGMENT.sub(_unlike_a_key, self.text(text))
        return self.url(text) if name == b"location" else self.text(text)

    def _by_place(self, text: str, places: Iterable[_Place]) -> str:
        """Remove what stands where secrets stand, also what is too short to be searched for by value."""
        for pattern, is_secret, mark in places:
            if mark in text:

                def replaced(match: re.Match[str], is_secret: Callable[[str, str], bool] = is_secret) -> str:
                    before, name, secret = match.groups()
                    if not (is_secret(name, secret) or name.lower() in self.names):
                        return match[0]
                    if match.re is _LIST_MEMBER:
                        return before + _STRING.sub(f'"{REDACTED}"', secret)
                    left, marks = _MARK.subn("", secret)
                    return match[0] if marks and len(left) < SHORTEST else f"{before}{REDACTED}"

                text = pattern.sub(replaced, text)
        return text


def _unlike_a_key(match: re.Match[str]) -> str:
    return REDACTED if _is_keylike(match[0]) else match[0]


def command_line(command: Iterable[str]) -> str:
    """Return a command as a shell takes it, without the secrets that stand in it literally."""
    shown: list[str] = []
    is_secret = False
    for word in command:
        name, equals, value = word.partition("=")
        is_named = _is_parameter(name.lstrip("-"), value) and not name.endswith(("-file", "_file", "_FILE"))
        if is_secret or (_is_keylike(word) and not _PUNCTUATION.search(word)):
            shown.append(REDACTED)
        elif equals and is_named:
            shown.append(f"{name}={REDACTED}")
        else:
            shown.append(Redactor(()).text(word))
        is_secret = is_named and not equals and word.startswith("-")
    return shlex.join(shown)


def is_lost(entry: JournalEntry) -> bool:
    """Return whether a call was for nothing here: then anything may stand in its address, even a key."""
    return entry.status in _LOST and not entry.job and not (entry.operation and entry.key)


def redactor(entry: JournalEntry, keys: Iterable[str] = ()) -> Redactor:
    """Make the redactor of one exchange: of what is secret about it, and of other known `keys`."""
    return redactor_of([entry], keys)


def redactor_of(entries: Iterable[JournalEntry], keys: Iterable[str] = ()) -> Redactor:
    """Make one redactor of many exchanges."""
    return Redactor.of(secrets_in(entries), keys)


def secrets_in(entries: Iterable[JournalEntry], names: Collection[str] = ()) -> dict[str, bool]:
    """Name what is secret about some exchanges, and whether it is a key.

    What looks like a key in the address of a lost call is a secret, too, unless it is the id of a job.
    """
    entries = tuple(entries)
    jobs = {entry.job for entry in entries}
    secrets: dict[str, bool] = {}
    for entry in entries:
        if is_lost(entry):
            whole = _ADDRESS.match(entry.url)
            parts = _SEGMENT.findall(entry.url, whole.end() if whole is not None else 0)
            for part in parts:
                if _is_keylike(part) and part not in jobs:
                    secrets.setdefault(part, False)
        headers = [*entry.request_headers, *entry.response_headers]
        bodies = entry.request_body, entry.response_body
        for secret, is_key in secrets_of(entry.key, entry.url, headers, bodies, names):
            secrets[secret] = is_key or secrets.get(secret, False)
    return secrets


# -- a recorder's secrets


class Secrets(Redactor):
    """All the secrets that a recorder has come across, and their placeholders.

    Each is replaced by a placeholder of its own, `[key-1]`, `[secret-1]`, so two accounts stay two accounts
    and a signed address stays the address that an answer named. So that a later run into the same file
    gives the same value the same placeholder, the file keeps a salted print beside each, of so few bits
    that it fits very many values and tells nobody which one it was.

    `salt` belongs to the file. `known` are the placeholders that are in it already, each with its print.
    `names` are headers and parameters whose values are secret by the user's word, in lower case; what is
    `public` is no secret; `warn` is told, once for each, what cannot be removed by value.
    """

    def __init__(
        self,
        salt: bytes,
        known: dict[str, str] | None = None,
        *,
        names: Collection[str] = (),
        public: Callable[[str], bool] = lambda _: False,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(())
        self.known = known if known is not None else {}
        self.names = names
        self._salt = salt
        self._public = public
        self._warn = warn
        self._placeholders: dict[str, str] = {}
        self._printed = {(_kind_of(name), held): name for name, held in reversed(self.known.items())}
        self._numbers: dict[str, int] = {}
        for name in self.known:
            self._numbers[_kind_of(name)] = self._numbers.get(_kind_of(name), 0) + 1

    def add(self, value: str, kind: str) -> str:
        """Make a value a secret of a kind (`key`, `secret`, a name of the user's); return its placeholder.

        One that is too short to be looked for everywhere gets a placeholder that is as good as any.
        """
        value = value.strip()
        if not value or _MARK.fullmatch(value):
            return value
        if value in self._placeholders:
            return self._placeholders[value]
        placeholder = self._placeholder(value, kind)
        is_key = kind != "secret"
        self._placeholders[value] = placeholder
        if len(self._placeholders) > MOST_NAMED:
            del self._placeholders[next(iter(self._placeholders))]
        if is_key and not SHORTEST <= len(value) <= LONGEST:
            why = f"fewer than {SHORTEST}" if len(value) < SHORTEST else f"more than {LONGEST}"
            self._warn(
                f"{placeholder} has {why} characters: it is removed where keys stand, "
                "but not looked for elsewhere"
            )
        is_room = True
        for form in {value, value.removeprefix("whsec_")}:
            if not self._public(form):
                is_room &= self._values.add(form, placeholder, is_key=is_key)
        if not is_room:
            self._warn(
                f"{placeholder} is one of more than {MOST} keys: it is removed where keys stand, "
                "but not looked for elsewhere"
            )
        return placeholder

    def _placeholder(self, value: str, kind: str) -> str:
        held = self._print(value)
        known = self._printed.get((kind, held))
        if known is not None and known not in self._placeholders.values():
            return known
        number = self._numbers.get(kind, 0) + 1
        if number > MOST_NAMED:
            return REDACTED
        self._numbers[kind] = number
        placeholder = f"[{kind}-{number}]"
        self.known[placeholder] = held
        self._printed.setdefault((kind, held), placeholder)
        return placeholder

    def learn(self, entry: JournalEntry, key: str = "") -> bool:
        """Find the secrets of an exchange by where they stand; return whether there is a new key among them.

        `key` is what the call shows where the provider's documents have its key.
        """
        is_new = False
        for value, is_key in ((key, True), *secrets_in([entry], self.names).items()):
            value = value.strip()
            is_new |= is_key and len(value) >= SHORTEST and value not in self._placeholders
            if is_key or len(value) >= SHORTEST:
                self.add(value, "key" if is_key else "secret")
        return is_new

    def clean(self, entry: JournalEntry) -> JournalEntry:
        """Return an exchange without secrets, and with allowlisted header values alone."""
        request_body = self.octets(entry.request_body, is_form=_is_form(entry.request_headers))
        response_body = self.octets(entry.response_body)
        return msgspec.structs.replace(
            entry,
            key=self.add(entry.key, "key"),
            method=self.text(entry.method),
            url=self.suspicious_url(entry.url) if is_lost(entry) else self.url(entry.url),
            job=self.text(entry.job),
            scenario=self.text(entry.scenario),
            request_headers=self.pairs(entry.request_headers),
            request_body=request_body,
            request_size=len(request_body) if entry.request_body else entry.request_size,
            response_headers=self.pairs(entry.response_headers),
            response_body=response_body,
            response_size=len(response_body) if entry.response_body else entry.response_size,
            error=self.text(entry.error),
            warnings=tuple(self.text(warning) for warning in entry.warnings),
        )

    def pairs(self, headers: Headers) -> Headers:
        """Return headers without secrets: all the names, and the values of an allowlist."""
        return [
            (self._values.clean(name.decode("latin-1")).encode("latin-1", "replace"), self._pair(name, value))
            for name, value in headers
        ]

    def found_in_file(self, part: bytes) -> str | None:
        """Name a secret that stands in a part of a file; None where none does."""
        return self._values.found_in_file(part)

    def found_in(self, data: bytes) -> str | None:
        """Name a secret that is still in some bytes of text; None where none is."""
        return self._values.found_in(data.decode("utf-8", "replace"))

    def _pair(self, name: bytes, value: bytes) -> bytes:
        text = value.decode("latin-1")
        if name in SECRET_HEADERS and name not in _COOKIES:
            scheme, space, rest = text.strip().partition(" ")
            if name not in _SCHEMED or not space:
                return self.add(text, "key").encode("latin-1")
            return f"{self._values.clean(scheme)} {self.add(rest, 'key')}".encode("latin-1")
        if name.decode("latin-1") in self.names:
            return self.add(text, "secret").encode("latin-1")
        return self._header(name, value, are_ours=False).encode("latin-1", "replace")

    def _print(self, value: str) -> str:
        octets = value.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(octets, digest_size=_PRINT, key=self._salt).hexdigest()


_PRINT = 2
"""Bytes of a print. A key of any worth has eight times as many and more: every 65,536th of all keys fits."""


def _kind_of(placeholder: str) -> str:
    return placeholder.strip("[]").rpartition("-")[0]
