"""Undo what hides the text of a body: Content-Encodings and charsets."""

from __future__ import annotations

import codecs
import re
import zlib

_CODINGS = 4
"""Content-Encodings one upon the other that are undone."""

_MEMBERS = 1000
"""Members of one gzip stream that are read: each costs, and may be empty."""

_CHARSET = re.compile(r"(?i);\s*+charset\s*+=\s*+[\"']?([\w.:+-]{1,40})")
_PLAIN_CHARSETS = re.compile(
    r"(?i)utf-?8|(?:us-)?ascii|latin-?1|iso-8859-\d+|(?:windows-|cp)125\d|gb2312|gbk|gb18030|big5|shift_jis|"
    r"euc-(?:jp|kr)|koi8-[ru]"
)
"""Charsets that hold ASCII as it is: a key can be seen in them."""

_WIDE_CHARSETS = re.compile(r"(?i)utf-(?:16|32)(?:-?[bl]e)?")
"""Charsets that are read here to be searched. No other name reaches a codec of Python: some take time that
grows with the square of the text."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = (
    (re.compile(rb"(?:[\t\n\r -~]\0\0\0){2,8}\Z"), "utf-32-le"),
    (re.compile(rb"(?:\0\0\0[\t\n\r -~]){2,8}\Z"), "utf-32-be"),
    (re.compile(rb"(?:[\t\n\r -~]\0){2,8}\Z"), "utf-16-le"),
    (re.compile(rb"(?:\0[\t\n\r -~]){2,8}\Z"), "utf-16-be"),
)
"""How a text of wide characters begins that does not say so (RFC 4627, section 3)."""


def uncoded(body: bytes, encoding: bytes, most: int) -> bytes | None:
    """Undo a Content-Encoding (RFC 9110, section 8.4.1). Of a body that was cut off, return what there is.

    None for a coding that is not known here, more than a few of them, damage, and more than `most` bytes.
    """
    codings = encoding.lower().split(b",", _CODINGS)
    if len(codings) > _CODINGS:
        return None
    for coding in reversed(codings):
        match coding.strip():
            case b"" | b"identity":
                continue
            case b"gzip" | b"x-gzip":
                plain = _inflated(body, 31, most)
            case b"deflate":  # many send it without the wrapper of zlib
                plain = _inflated(body, 15, most)
                plain = _inflated(body, -15, most) if plain is None else plain
            case _:
                return None
        if plain is None:
            return None
        body = plain
    return body


def _inflated(body: bytes, bits: int, most: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    for _ in range(_MEMBERS):
        machine = zlib.decompressobj(wbits=bits)
        try:
            parts.append(machine.decompress(body, most - size + 1))
        except zlib.error:
            return None
        size += len(parts[-1])
        if machine.unconsumed_tail or size > most:
            return None
        body = machine.unused_data  # gzip may have several members
        if not body:
            return b"".join(parts)
    return None


def as_utf8(body: bytes, kind: bytes) -> bytes | None:
    """Return a text as UTF-8 if it is in a charset in which a key cannot be seen; others as they are.

    None where it is not what its Content-Type `kind` says, or in a charset that is not known here.
    """
    charset = next((name for mark, name in _BOMS if body.startswith(mark)), "")
    charset = charset or next((name for pattern, name in _WIDE if pattern.match(body[:16])), "")
    if not charset:
        match = _CHARSET.search(kind.decode("latin-1"))
        if match is None or _PLAIN_CHARSETS.fullmatch(match[1]):
            return body
        if not _WIDE_CHARSETS.fullmatch(match[1]):
            return None
        charset = match[1]
    try:
        return body.decode(charset).encode()
    except UnicodeError:
        return None
