"""A report in JSON's types, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from understudy_contracts.findings import Finding, Report, Severity


def as_json(report: Report, journals: Sequence[str] = ()) -> dict[str, Any]:
    """Return the report in JSON's types. Times are in seconds; `journals` name each case's HAR file."""
    return {
        "title": report.title,
        "facts": dict(report.facts),
        "weights": {str(one): sum(f.severity is one for f in report.findings) for one in Severity},
        "tables": [
            {
                "title": table.title,
                "heads": list(table.heads),
                "rows": [list(row) for row in table.rows],
                "note": table.note,
                "text": table.text,
            }
            for table in report.tables
        ],
        "cases": [
            {
                "group": case.group,
                "name": case.name,
                "outcome": str(case.outcome),
                "seconds": round(case.seconds, 3),
                "reason": case.reason,
                "expected": case.expected,
                "seen": case.seen,
                "again": case.again,
                "journal": journal or "",
                "findings": [_finding(finding) for finding in case.findings],
            }
            for case, journal in zip_longest(report.cases, journals[: len(report.cases)])
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "source": finding.source,
        "expected": finding.expected,
        "seen": finding.seen,
        "subject": finding.subject,
        "evidence": list(finding.evidence),
        "exchanges": list(finding.exchanges),
        "curl": finding.curl,
    }
