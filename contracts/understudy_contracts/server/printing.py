"""The results of a run, for people at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import click

from understudy_contracts.findings import Case, Finding, Outcome, Report, weighed
from understudy_contracts.report import lines
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.run import Run
from understudy_contracts.server.summary import summarise
from understudy_mock.printing import printable

_SHOWN = 12
"""Places that are named of many."""


def print_report(report: Report, run: Run) -> None:
    """Print findings, what was not reached and why, each area in short, and the coverage."""
    click.echo(printable(report.title))
    _print_findings(report.findings)
    _print_unreached(report.cases)
    areas = list(summarise(report.cases))
    if areas:
        click.echo("\nin short:")
        click.echo("\n".join(f"  {name:<10} {verdict}" for name, verdict in areas))
    count = Counter(case.outcome for case in report.cases)
    outcomes = ", ".join(f"{count[outcome]} {outcome}" for outcome in Outcome if count[outcome])
    findings = f"; findings: {weighed(report.findings)}" if report.findings else ""
    seconds = report.facts["seconds"]
    click.echo(f"\nchecks: {outcomes or 'none'}{findings}; {seconds} s; --seed {run.seed} repeats this run")
    if run.coverage is not None:
        click.echo(run.coverage.line())
        _print_missing(run.coverage)


def _print_findings(findings: Iterable[Finding]) -> None:
    """Print one finding of each kind, and where else there were such."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.id, []).append(finding)
    for first, *others in kinds.values():
        click.echo("")
        for line in lines(first, colour=True):
            click.echo(line)
        subjects = list(dict.fromkeys(one.subject for one in others if one.subject != first.subject))
        if subjects:
            click.echo(printable(f"  also at: {_shortened(subjects)}"))


def _print_unreached(cases: Iterable[Case]) -> None:
    reasons: dict[str, Counter[str]] = {}
    for case in cases:
        if case.outcome in (Outcome.NOT_REACHED, Outcome.ERROR):
            reasons.setdefault(f"{case.outcome}: {case.reason}", Counter())[case.name] += 1
    for reason, names in reasons.items():
        click.echo(printable(f"\n{reason}"))
        click.echo(
            f"  {', '.join(f'{name} ({count})' if count > 1 else name for name, count in names.items())}"
        )


def _print_missing(coverage: Coverage) -> None:
    """Print what was not seen and why: operations that lack the same for the same reason share a line."""
    lacking: dict[str, dict[str, list[int]]] = {}
    for name, status, why in coverage.missing():
        lacking.setdefault(why, {}).setdefault(name, []).append(status)
    for why, by_name in lacking.items():
        alike: dict[tuple[int, ...], list[str]] = {}
        for name, statuses in by_name.items():
            alike.setdefault(tuple(statuses), []).append(name)
        click.echo(f"  not seen, {why}:")
        for statuses_lacking, names in alike.items():
            click.echo(f"    {', '.join(map(str, statuses_lacking))} at {_shortened(names)}")


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
