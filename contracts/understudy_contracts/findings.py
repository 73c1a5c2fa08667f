"""What a check has to say: findings, and the outcome of each case. Values only; `report` writes them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from understudy_contracts.claim import Claim
from understudy_mock.gateway.journal import JournalEntry


class Severity(StrEnum):
    """How much a finding weighs. MUST breaks the contract, SHOULD is unwise, INFO is worth knowing."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    INFO = "INFO"


class Outcome(StrEnum):
    """What became of a case. One that could not be reached has not passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, by the id of the rule or check that says so.

    `source` is where the rule comes from, `expected` what it asks, in a sentence, and `seen` what was there
    instead. `subject` is what it was found at (an operation, a client's case), `evidence` shows it in lines,
    `exchanges` are the journal numbers that prove it, the breach itself last, and those of more like it after
    them; `curl` is commands that show it again ("" where there are none).
    """

    id: str
    severity: Severity
    source: str
    expected: str
    seen: str
    subject: str = ""
    evidence: tuple[str, ...] = ()
    exchanges: tuple[int, ...] = ()
    curl: str = ""

    @property
    def message(self) -> str:
        """What was seen and what is expected, in two sentences."""
        return f"{self.seen.rstrip('.')}. {self.expected}"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was tried. `reason` says why it was not reached, or what broke the harness.

    `row` and `column` place it in a table, by group and name where they are "". `expected` and `seen` say
    what it should come to and what it came to, `journal` is what went in and out, `claim` what a client
    concluded of it, and `again` what plays it again: commands, or a scenario. All may be empty.
    """

    group: str
    name: str
    outcome: Outcome
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    row: str = ""
    column: str = ""
    expected: str = ""
    seen: str = ""
    journal: tuple[JournalEntry, ...] = ()
    claim: Claim | None = None
    again: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """What else a page shows, row by row, with a sentence below it ("" for none)."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `facts` is what else is worth keeping, in JSON's types: seed, coverage, versions.

    `table` is for people, of what stands in `facts` for programs.
    """

    title: str
    cases: tuple[Case, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    table: Table | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of their cases."""
        return tuple(finding for case in self.cases for finding in case.findings)

    def exit_status(self, *, strict: bool = False) -> int:
        """0 clean, 1 findings that count (MUST; if `strict`, SHOULD too), 2 when the harness itself broke."""
        counted = {Severity.MUST, Severity.SHOULD} if strict else {Severity.MUST}
        if any(finding.severity in counted for finding in self.findings):
            return 1
        return 2 if any(case.outcome is Outcome.ERROR for case in self.cases) else 0
