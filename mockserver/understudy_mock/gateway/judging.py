"""What the admin API needs to know of the rules for clients, which another package has.

The judge is handed in. It is called in a thread, so it must read only what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from understudy_mock.gateway.journal import JournalEntry


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a client broke, in words without secrets.

    `severity` is MUST, SHOULD or INFO. `seen` is what was there, `advice` what the rule asks, and `evidence`
    shows it in lines. `calls` are the journal numbers that prove it: the breach itself comes last, followed
    by further breaches. The first only `led_to` it where that is set.
    """

    rule: str
    severity: str
    source: str
    advice: str
    seen: str
    evidence: tuple[str, ...]
    calls: tuple[int, ...]
    led_to: bool = False


class Judge(Protocol):
    """The rules for clients of one gateway."""

    def judge(
        self, entries: Sequence[JournalEntry], kept: Mapping[str, bool], changes: Sequence[int]
    ) -> list[Broken]:
        """Return what the entries of one account break.

        `kept` says of each job whether its price was kept in the end. `changes` are the numbers of entries
        before which somebody changed by hand how the provider behaves.
        """

    def tell(self, entries: Sequence[JournalEntry], broken: Sequence[Broken]) -> dict[str, Any]:
        """Return a conversation: its `text`, and its `exchanges` with what each of them broke."""
