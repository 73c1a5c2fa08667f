"""Make text from outside fit to be printed: whatever a recording or a client says moves no terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Give a text without characters that a terminal acts upon, and without halves of characters.

    Each becomes a replacement character; the ends of lines and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else "�" for one in text)
