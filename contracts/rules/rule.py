"""What a rule is: an id, how much it weighs, where it comes from, what to do, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.findings import Severity
from contracts.rules.talk import Exchange, Talk


@dataclass(frozen=True, slots=True)
class Breach:
    """Where a talk breaks a rule. `severity`, `source` and `advice` are the rule's own unless given.

    `about` names the member of the answers that the rule looked at, so that the evidence shows it.
    """

    what: str
    proof: tuple[Exchange, ...] = ()
    severity: Severity | None = None
    source: str = ""
    advice: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` finds where a talk breaks it.

    Where it is `timed`, a busy machine can make a good client break it; nothing excuses the others.
    """

    id: str
    severity: Severity
    source: str
    advice: str
    check: Callable[[Talk], Iterator[Breach]]
    timed: bool = False
