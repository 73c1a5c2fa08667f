"""Write a report down: JSON for programs, JUnit for continuous integration, lines for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click

from contracts.findings import Case, Finding, Outcome, Report, Severity

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOURS = {Severity.MUST: "red", Severity.SHOULD: "yellow", Severity.INFO: "blue"}


def write_reports(report: Report, directory: Path, name: str) -> list[Path]:
    """Write `name.json` and `name.xml` into a directory, which is made. Returns what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{name}.json", directory / f"{name}.xml"]
    files[0].write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    files[1].write_bytes(as_junit(report))
    return files


def as_json(report: Report) -> dict[str, Any]:
    """Give the report in JSON's types. Times are in seconds."""
    return {
        "title": report.title,
        "facts": dict(report.facts),
        "cases": [
            {
                "group": case.group,
                "name": case.name,
                "outcome": str(case.outcome),
                "seconds": round(case.seconds, 3),
                "reason": case.reason,
                "findings": [_finding(finding) for finding in case.findings],
            }
            for case in report.cases
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


def as_junit(report: Report) -> bytes:
    """Give the report as JUnit XML: one suite a group, `skipped` for what was not reached."""
    root = ElementTree.Element("testsuites", name=_clean(report.title))
    groups: dict[str, list[Case]] = {}
    for case in report.cases:
        groups.setdefault(case.group, []).append(case)
    for group, cases in groups.items():
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_clean(group),
            tests=str(len(cases)),
            failures=str(_count(cases, Outcome.FAILED)),
            errors=str(_count(cases, Outcome.ERROR)),
            skipped=str(_count(cases, Outcome.NOT_REACHED)),
            time=f"{sum(case.seconds for case in cases):.3f}",
        )
        for case in cases:
            _add_case(suite, case)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _count(cases: list[Case], outcome: Outcome) -> int:
    return sum(case.outcome is outcome for case in cases)


def _add_case(suite: ElementTree.Element, case: Case) -> None:
    element = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(case.group),
        name=_clean(case.name),
        time=f"{case.seconds:.3f}",
    )
    if case.outcome is Outcome.NOT_REACHED:
        ElementTree.SubElement(element, "skipped", message=_clean(f"not reached: {case.reason}"))
    elif case.outcome is Outcome.ERROR:
        ElementTree.SubElement(element, "error", message=_clean(case.reason))
    elif case.outcome is Outcome.FAILED:
        first = case.findings[0].message if case.findings else case.reason
        failure = ElementTree.SubElement(element, "failure", message=_clean(first))
        failure.text = _clean("\n\n".join("\n".join(lines(finding)) for finding in case.findings))


def _clean(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return _NOT_XML.sub("�", text)


def lines(finding: Finding, *, colour: bool = False) -> Iterator[str]:
    """Tell a finding in lines for people."""
    severity = str(finding.severity)
    if colour:
        severity = click.style(severity, fg=_COLOURS[finding.severity], bold=True)
    at = f"  {finding.subject}" if finding.subject else ""
    yield f"{severity} {finding.id}{at}"
    yield f"  {finding.seen}"
    yield f"  expected: {finding.expected}"
    yield f"  source: {finding.source}"
    yield from (f"  shown by: {line}" for line in finding.evidence)
    if finding.curl:
        yield "  again:"
        yield from (f"    {line}" for line in finding.curl.splitlines())
