"""A file that a caller uploads."""

from __future__ import annotations

import msgspec


class Upload(msgspec.Struct, frozen=True):
    """One file that an account brought, or is about to bring. `url` is its absolute address.

    `content` is None until it has come, and `tag` names it; `ticket` names the place that waits for it, ""
    where none does, and `promised` how many bytes are to come there.
    """

    id: str
    account: str
    name: str
    media_type: str
    url: str
    content: bytes | None = None
    tag: str = ""
    ticket: str = ""
    promised: int = 0

    @property
    def size(self) -> int:
        """How large it is, in bytes."""
        return len(self.content or b"")
