"""What a check has to say: findings, and the outcome of each case. Values only; `report` writes them down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """Tell what becomes of a case in which this was found: MUST fails it, and nothing else does."""
    broken = any(finding.severity is Severity.MUST for finding in findings)
    return Outcome.FAILED if broken else Outcome.PASSED


def count_broken(findings: Iterable[Finding]) -> int:
    """Count the findings that say something is wrong: INFO is only worth knowing."""
    return sum(finding.severity is not Severity.INFO for finding in findings)


def weighed(findings: Iterable[Finding]) -> str:
    """`2 MUST, 1 SHOULD`, the weightiest first; "" for none."""
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])


def in_brackets(findings: Iterable[Finding]) -> str:
    """` (2 MUST, 1 SHOULD)`, to be written behind how many there are; "" for none."""
    told = weighed(findings)
    return f" ({told})" if told else ""


@dataclass(frozen=True, slots=True)
class Table:
    """What else a report tells, row by row. One that `leads` stands before what was found.

    `note` is a sentence about it, and `text` what is to be copied from it as it stands; "" for none.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text: str = ""
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `facts` is what else is worth keeping, in JSON's types: seed, coverage, versions.

    `tables` are what else there is to say, for people first.
    """

    title: str
    cases: tuple[Case, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of their cases."""
        return tuple(finding for case in self.cases for finding in case.findings)

    def strictly(self) -> Report:
        """The same where a finding of SHOULD fails its case, as one of MUST does."""
        return replace(self, cases=tuple(map(_strictly, self.cases)))

    def exit_status(self) -> int:
        """0 clean, 1 when a case has failed, 2 when the harness itself broke."""
        outcomes = {case.outcome for case in self.cases}
        if Outcome.FAILED in outcomes:
            return 1
        return 2 if Outcome.ERROR in outcomes else 0


def _strictly(case: Case) -> Case:
    unwise = any(finding.severity is Severity.SHOULD for finding in case.findings)
    return replace(case, outcome=Outcome.FAILED) if unwise and case.outcome is Outcome.PASSED else case
