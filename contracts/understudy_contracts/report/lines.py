"""Findings in lines, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import click

from understudy_contracts.findings import Finding
from understudy_mock.printing import printable


def lines(finding: Finding, *, colour: bool = False) -> Iterator[str]:
    """Return a finding in lines for people."""
    severity = str(finding.severity)
    if colour:
        severity = click.style(severity, fg=finding.severity.colour, bold=True)
    at = f"  {finding.subject}" if finding.subject else ""
    yield f"{severity} {printable(finding.id + at)}"
    details = [f"  {finding.seen}", f"  expected: {finding.expected}", f"  source: {finding.source}"]
    details += [f"  shown by: {line}" for line in finding.evidence]
    if finding.curl:
        details += ["  again:", *(f"    {line}" for line in finding.curl.splitlines())]
    yield from map(printable, details)
