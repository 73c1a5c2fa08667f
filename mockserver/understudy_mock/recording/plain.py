"""Make bodies searchable: without their content coding (RFC 9110, section 8.4.1), and as UTF-8."""

from __future__ import annotations

import codecs
import re
import zlib

_CHARSET = re.compile(r"(?i);\s*charset\s*=\s*[\"']?([\w.:+-]+)")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ASCII = "".join(map(chr, range(0x20, 0x7F)))
_WIDE = (
    (re.compile(rb"(?:[\t\n\r -~]\0\0\0){2,}\Z"), "utf-32-le"),
    (re.compile(rb"(?:\0\0\0[\t\n\r -~]){2,}\Z"), "utf-32-be"),
    (re.compile(rb"(?:[\t\n\r -~]\0){2,}\Z"), "utf-16-le"),
    (re.compile(rb"(?:\0[\t\n\r -~]){2,}\Z"), "utf-16-be"),
)
"""How a text of wide characters begins that does not say so (RFC 4627, section 3)."""


def uncoded(body: bytes, encoding: bytes, most: int) -> bytes | None:
    """Undo a Content-Encoding. None for a coding that is not known here, damage, and more than `most` bytes.

    Of a body that was cut off, what there is.
    """
    for coding in reversed(encoding.lower().split(b",")):
        match coding.strip():
            case b"" | b"identity":
                continue
            case b"gzip" | b"x-gzip":
                made = _inflated(body, 31, most)
            case b"deflate":  # many send it without the wrapper of zlib
                made = _inflated(body, 15, most)
                made = _inflated(body, -15, most) if made is None else made
            case _:
                return None
        if made is None:
            return None
        body = made
    return body


def _inflated(body: bytes, bits: int, most: int) -> bytes | None:
    parts: list[bytes] = []
    while body:
        machine = zlib.decompressobj(wbits=bits)
        try:
            parts.append(machine.decompress(body, most + 1))
        except zlib.error:
            return None
        if machine.unconsumed_tail or sum(map(len, parts)) > most:
            return None
        body = machine.unused_data  # gzip may have several members
    return b"".join(parts)


def as_utf8(body: bytes, kind: bytes) -> bytes | None:
    """Give a text as UTF-8 if it is in a charset in which a key cannot be seen; others as they are.

    None where it is not what its Content-Type `kind` says.
    """
    charset = _charset(body, kind)
    if not charset:
        return body
    try:
        return body.decode(charset).encode()
    except (UnicodeError, LookupError):
        return None


def _charset(body: bytes, kind: bytes) -> str:
    """Name the charset; "" for one that holds ASCII as it is."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return charset
    for pattern, charset in _WIDE:
        if pattern.match(body[:16]):
            return charset
    found = _CHARSET.search(kind.decode("latin-1"))
    if found is None:
        return ""
    try:
        return "" if _ASCII.encode(found[1]) == _ASCII.encode() else found[1]
    except (LookupError, UnicodeError):
        return ""
