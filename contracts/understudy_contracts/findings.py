"""What a check found: findings, and the outcome of each case. Values only; `report` writes them down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from understudy_contracts.claim import Claim
from understudy_mock.gateway.journal import JournalEntry


class Severity(StrEnum):
    """How much a finding weighs: MUST breaks the contract, SHOULD is unwise, INFO is worth knowing."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    INFO = "INFO"

    @property
    def rank(self) -> int:
        """0 for the weightiest."""
        return list(Severity).index(self)

    @property
    def colour(self) -> str:
        """The colour of its name on a terminal."""
        return _COLOURS[self]


_COLOURS = {Severity.MUST: "red", Severity.SHOULD: "yellow", Severity.INFO: "blue"}


def failing(*, strict: bool = False) -> frozenset[Severity]:
    """Return the severities that fail a check: MUST, and with `strict` also SHOULD."""
    return frozenset({Severity.MUST, Severity.SHOULD} if strict else {Severity.MUST})


class Outcome(StrEnum):
    """The outcome of a case. One that could not be reached has not passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, by the id of the rule or check that was broken.

    `source` is where the rule comes from, `expected` what it asks, in a sentence, and `seen` what was there
    instead. `subject` is what it is about (an operation, a client's case), `evidence` shows it in lines.
    `exchanges` are the journal numbers that prove it: the breach itself comes last, followed by further
    breaches; the first only `led_to` it where that is set. `curl` is commands that show it again ("" where
    there are none).
    """

    id: str
    severity: Severity
    source: str
    expected: str
    seen: str
    subject: str = ""
    evidence: tuple[str, ...] = ()
    exchanges: tuple[int, ...] = ()
    led_to: bool = False
    curl: str = ""

    @property
    def message(self) -> str:
        """What was seen and what was expected, in two sentences."""
        return f"{self.seen.rstrip('.')}. {self.expected}"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was tried. `reason` says why it was not reached, or what broke the harness.

    `row` and `column` place it in a table; where they are "", group and name do. `expected` and `seen` are
    the result that it should have and the one that it had. `journal` is what went in and out, `claim` what a
    client concluded from it, and `again` what plays it again: commands, or a scenario. All may be empty.
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
    """Return the outcome of a case with these findings: MUST fails it, and nothing else does."""
    broken = any(finding.severity in failing() for finding in findings)
    return Outcome.FAILED if broken else Outcome.PASSED


def count_broken(findings: Iterable[Finding]) -> int:
    """Return how many findings say that something is wrong: INFO is only worth knowing."""
    return sum(finding.severity is not Severity.INFO for finding in findings)


def weighed(findings: Iterable[Finding]) -> str:
    """Return `2 MUST, 1 SHOULD`, the weightiest first; "" for none."""
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])


def in_brackets(findings: Iterable[Finding]) -> str:
    """Return ` (2 MUST, 1 SHOULD)`, to be written after their number; "" for none."""
    counts = weighed(findings)
    return f" ({counts})" if counts else ""


def counted(number: int, noun: str) -> str:
    """Return `1 exchange` or `2 exchanges`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table in a report. One that `leads` stands before the findings.

    `note` is a sentence about it, and `text` is to be copied from it as it stands; "" for none.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text: str = ""
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a whole run. `facts` are further results in JSON's types: seed, coverage, versions.

    `tables` show such results to people.
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
        """Return the same report, where a finding of SHOULD fails its case, as one of MUST does."""
        return replace(self, cases=tuple(map(_strictly, self.cases)))

    def exit_status(self) -> int:
        """0 clean, 1 when a case has failed, 2 when the harness itself broke."""
        outcomes = {case.outcome for case in self.cases}
        if Outcome.FAILED in outcomes:
            return 1
        return 2 if Outcome.ERROR in outcomes else 0


def _strictly(case: Case) -> Case:
    breaks = any(finding.severity in failing(strict=True) for finding in case.findings)
    return replace(case, outcome=Outcome.FAILED) if breaks and case.outcome is Outcome.PASSED else case
