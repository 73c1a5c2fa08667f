"""Findings in lines, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import click

from understudy_contracts.findings import Finding, Severity
from understudy_mock.printing import printable

_COLOURS = {Severity.MUST: "red", Severity.SHOULD: "yellow", Severity.INFO: "blue"}


def lines(finding: Finding, *, colour: bool = False) -> Iterator[str]:
    """Tell a finding in lines for people."""
    severity = str(finding.severity)
    if colour:
        severity = click.style(severity, fg=_COLOURS[finding.severity], bold=True)
    at = f"  {finding.subject}" if finding.subject else ""
    yield f"{severity} {printable(finding.id + at)}"
    told = [f"  {finding.seen}", f"  expected: {finding.expected}", f"  source: {finding.source}"]
    told += [f"  shown by: {line}" for line in finding.evidence]
    if finding.curl:
        told += ["  again:", *(f"    {line}" for line in finding.curl.splitlines())]
    yield from map(printable, told)
