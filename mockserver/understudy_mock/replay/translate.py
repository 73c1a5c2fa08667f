"""Translate what was recorded into what is said now: other ids, other addresses, other instants.

Bodies are changed as bytes, so spacing, order and escapes stay as the provider wrote them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection
from dataclasses import dataclass

from understudy_mock.domain.call import Headers
from understudy_mock.domain.draw import Draw
from understudy_mock.har.stamps import move_in_json, move_text
from understudy_mock.redaction import REDACTED

_WORD = re.compile(rb"[A-Za-z0-9_-]{6,}")
_ADDRESS = re.compile(rb"(https?):(\\?/\\?/)([A-Za-z0-9.\-_:\[\]]+)")
_WHOLE = re.compile(rb'"(https?):(\\?/\\?/)([^"\s/\\?#]++)([^"\s]*+)"')
_HEX = "0123456789abcdef"
_KINDS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)

_OWN = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"content-length",
        b"content-encoding",
        b"date",
        b"server",
        b"set-cookie",
        b"upgrade",
        b"trailer",
    }
)
"""Headers of the recorded connection or server: this one has its own."""

_RETRY_AFTER = b"retry-after"


@dataclass(frozen=True, slots=True)
class Translation:
    """How to say one recorded answer now.

    `hosts` are the recorded network locations, `known` leads from a recorded id to the id here, and
    `brought` holds the addresses that the caller brought itself. `move` is for instants of the job's life,
    `from_now` for those that count from the answer. `is_api` distinguishes calls from files by their path.
    `job` is the recorded id and the id here. `retry_header` is the provider's own beside Retry-After.
    """

    origin: str
    media_origin: str
    hosts: Collection[str]
    known: Callable[[str], str | None]
    move: Callable[[int], int]
    from_now: Callable[[int], int]
    is_api: Callable[[str], bool]
    job: tuple[str, str] = ("", "")
    brought: Collection[str] = ()
    retry_header: bytes = _RETRY_AFTER

    def body(self, body: bytes) -> bytes:
        """Translate a body. Anything but text comes through unchanged."""
        if not body or b"\0" in body:
            return body
        body = _WHOLE.sub(self._foreign, body)
        body = self._text(body)
        return move_in_json(body, self.move)

    def headers(self, headers: Headers) -> Headers:
        """Translate headers, without those of the recorded connection and those that were redacted."""
        translated: Headers = []
        for name, value in headers:
            if name in _OWN or REDACTED.encode() in value:
                continue
            text = self._text(value).decode("latin-1")
            counts_from_now = name in (_RETRY_AFTER, self.retry_header)
            move = self.from_now if counts_from_now else self.move
            translated.append((name, move_text(text, move).encode("latin-1", "replace")))
        return translated

    def _text(self, text: bytes) -> bytes:
        recorded, own = self.job
        if recorded:
            text = text.replace(recorded.encode(), own.encode())
        text = _WORD.sub(self._word, text)
        return _ADDRESS.sub(self._address, text)

    def _word(self, match: re.Match[bytes]) -> bytes:
        name = self.known(match[0].decode())
        return match[0] if name is None else name.encode()

    def _address(self, match: re.Match[bytes]) -> bytes:
        """Lead an address at a recorded host here."""
        _, slashes, host = match.groups()
        if host.decode().lower() not in self.hosts:
            return match[0]
        rest = match.string[match.end() :]
        path = re.split(rb'["\s?#<>]', rest, maxsplit=1)[0].replace(b"\\/", b"/").decode("latin-1")
        return self._begin(path, slashes)

    def _foreign(self, match: re.Match[bytes]) -> bytes:
        """Lead a file's address here, wherever it was, unless the caller has brought it."""
        scheme, slashes, host, rest = match.groups()
        url = b"".join((scheme, b"://", host, rest.replace(b"\\/", b"/"))).decode("latin-1")
        if url in self.brought or host.decode("latin-1").lower() in self.hosts:
            return match[0]
        path = re.split(r"[?#]", rest.replace(b"\\/", b"/").decode("latin-1"), maxsplit=1)[0]
        return b'"' + self._begin(path, slashes) + rest + b'"'

    def _begin(self, path: str, slashes: bytes) -> bytes:
        origin = (self.origin if self.is_api(path) else self.media_origin).encode()
        return origin.replace(b"/", b"\\/") if b"\\" in slashes else origin


def ids_in(text: str) -> set[str]:
    """Return what may be ids of jobs in a text."""
    return set(re.findall(_WORD.pattern.decode(), text))


def mint_like(recorded: str, minted: str, draw: Draw) -> str:
    """Make an id in the form of a recorded one: the provider's own `minted` id where it has that form.

    Otherwise each digit and letter is replaced by one of its kind, and a model's name in front stays.
    """
    if _form(recorded) == _form(minted):
        return minted
    head, mark, tail = recorded.rpartition("_")
    if not re.search(r"[0-9]", tail):
        head, mark, tail = "", "", recorded
    is_hex = re.fullmatch(r"[0-9a-f-]+", tail) is not None
    bits = draw.bits("name", 512)
    made = []
    for character in tail:
        kind = next((kind for kind in _KINDS if character in kind), character)
        if is_hex and character != "-":
            kind = _HEX
        bits, index = divmod(bits, len(kind))
        made.append(kind[index])
    return head + mark + "".join(made)


def _form(name: str) -> str:
    return re.sub(r"[0-9a-f]", "x", name)
