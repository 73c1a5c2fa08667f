"""A report as JUnit XML, for continuous integration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from understudy_contracts.findings import Case, Finding, Outcome, Report, Table
from understudy_contracts.report.lines import lines

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> bytes:
    """Return the report as JUnit XML: one suite for each group, `skipped` for what was not reached.

    A case that has not failed has its findings, and why it is known to fail, as `system-out`. The tables of
    the report are the `system-out` of the first suite.
    """
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
    if report.tables and len(root):
        said = ElementTree.SubElement(root[0], "system-out")
        said.text = _clean("\n\n".join(map(_told, report.tables)))
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _told(table: Table) -> str:
    rows = [f"  {'  '.join(row)}" for row in (table.heads, *table.rows)]
    return "\n".join(filter(None, [table.title, *rows, table.note, table.text]))


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
        failure.text = _in_lines(case.findings)
    known = case.reason if case.outcome is Outcome.PASSED else ""
    remarks = _in_lines(case.findings) if case.outcome is not Outcome.FAILED else ""
    if known or remarks:
        said = ElementTree.SubElement(element, "system-out")
        said.text = "\n\n".join(filter(None, [_clean(known), remarks]))


def _in_lines(findings: Iterable[Finding]) -> str:
    return _clean("\n\n".join("\n".join(lines(finding)) for finding in findings))


def _clean(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return _NOT_XML.sub("�", text)
