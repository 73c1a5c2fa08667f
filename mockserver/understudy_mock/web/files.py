"""Answer with a file: whole, or the range that was asked for (RFC 9110, section 14)."""

from __future__ import annotations

import hashlib
import re

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.rendition import Rendition

_RANGE = re.compile(r"^bytes=(\d{0,100})-(\d{0,100})$")


def answer_file(file: bytes, made_of: Rendition | str, media_type: str, call: Call) -> Answer:
    """Answer 200 with the file, 206 with one range of it, 304 to a caller that has it, or 416."""
    # Equal renditions are equal bytes, so what it is made of names the file without reading all of it.
    digest = hashlib.blake2b(repr(made_of).encode(), digest_size=12, usedforsecurity=False)
    tag = f'"{digest.hexdigest()}"'.encode()
    headers = [
        (b"content-type", media_type.encode()),
        (b"accept-ranges", b"bytes"),
        (b"etag", tag),
    ]
    known = call.headers.get(b"if-none-match", b"")
    if tag in (each.strip().removeprefix(b"W/") for each in known.split(b",")) or known.strip() == b"*":
        return Answer(304, b"", headers[1:])  # section 13.1.2
    # Range is defined for GET alone (section 14.2).
    asked = call.headers.get(b"range") if call.method == "GET" else None
    if asked is None or call.headers.get(b"if-range", tag) != tag:
        return Answer(200, file, headers)
    found = _RANGE.match(asked.decode("latin-1").replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return Answer(200, file, headers)  # several ranges, or another unit: the whole file is allowed
    if found[1]:
        first, last = int(found[1]), int(found[2]) if found[2] else len(file) - 1
    else:
        first, last = max(0, len(file) - int(found[2])), len(file) - 1
    last = min(last, len(file) - 1)
    if first > last:
        if found[1] and found[2] and int(found[2]) < int(found[1]):
            return Answer(200, file, headers)  # not a range at all
        return Answer(416, b"", [*headers[1:], (b"content-range", f"bytes */{len(file)}".encode())])
    content_range = f"bytes {first}-{last}/{len(file)}".encode()
    return Answer(206, file[first : last + 1], [*headers, (b"content-range", content_range)])
