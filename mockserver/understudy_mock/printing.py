"""Make text from outside fit to be printed: nothing in it controls a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text without characters that a terminal acts upon, and without halves of characters.

    Each becomes a replacement character; the ends of lines and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)
