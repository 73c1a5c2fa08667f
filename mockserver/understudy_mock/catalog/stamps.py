"""The formats of time stamps, by their names in `x-stamp`."""

from __future__ import annotations

import re

_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"

_FORMS = (
    ("iso-s", re.compile(_ISO + "Z")),
    ("iso-ms", re.compile(_ISO + r"\.\d{3}Z")),
    ("iso-us", re.compile(_ISO + r"\.\d{6}Z")),
    ("iso-ns", re.compile(_ISO + r"\.\d{9}Z")),
    ("iso-offset", re.compile(_ISO + r"(\.\d+)?[+-]\d\d:?\d\d")),
    ("iso-local", re.compile(_ISO + r"(\.\d+)?")),
    ("sql", re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")),
    ("http-date", re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")),
)


def stamp_form(text: str) -> str:
    """Return the name of the format of a time stamp, `other` if it has none."""
    return next((name for name, pattern in _FORMS if pattern.fullmatch(text)), "other")
