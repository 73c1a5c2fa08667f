"""Report the results of a check: as a report for programs, and as tables for people."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from understudy_contracts.conversation import plain
from understudy_contracts.findings import Case, Finding, Outcome, Report, Table, counted, outcome_of
from understudy_contracts.recording.difference import MEANINGS, Drift
from understudy_contracts.recording.times import ModelTimes, Phase, Spread
from understudy_contracts.rules import RULES
from understudy_mock.domain.clock import iso_ms
from understudy_mock.gateway.journal import JournalEntry

_PHASES: Mapping[Phase, str] = MappingProxyType(
    {"queued": "queued", "processing": "in process", "total": "in all"}
)
_MARKS = ("p50", "p95", "n")


@dataclass(frozen=True, slots=True)
class Checked:
    """The results of a check of some files.

    `places` has the file of each entry, `talks` each file's entries with the numbers of that file, which the
    client rules name. `answers` counts the answers to documented calls, and `unchecked` those of them that
    are not in the files. `compared` are the operations (provider and id) with an answer that is. `unreached`
    has for each file the rules that were not reached, and why.
    """

    paths: tuple[Path, ...]
    entries: Sequence[JournalEntry]
    places: Sequence[Path]
    talks: Mapping[Path, tuple[JournalEntry, ...]]
    elsewhere: int
    drifts: Sequence[Drift]
    broken: Sequence[tuple[Path, Finding]]
    times: Sequence[ModelTimes]
    answers: int
    unchecked: int
    compared: Collection[tuple[str, str]]
    unreached: Mapping[Path, Mapping[str, str]]

    @property
    def reached(self) -> int:
        """How many client rules were in reach in any of the files."""
        return sum(any(rule.id not in rules for rules in self.unreached.values()) for rule in RULES)

    def example(self, drift: Drift) -> str:
        """Return the file, the instant and the call that show a difference."""
        entry = self.entries[drift.example - 1]
        when = f"{iso_ms(entry.at)}, " if entry.is_timed else ""
        return f"{self.places[drift.example - 1]}, {when}{entry.method} {_path(entry)}"


def _path(entry: JournalEntry) -> str:
    # What follows ? is left out: there may be a key in it.
    return entry.url.partition("?")[0]


def make_report(checked: Checked, *, seconds: float) -> Report:
    """Return the report: a case for each difference, each operation without one, and each client rule."""
    cases = [_case(drift, checked) for drift in checked.drifts]
    seen = dict.fromkeys(
        (e.provider, e.operation) for e in checked.entries if e.operation and e.kind == "call"
    )
    odd = {(drift.provider, drift.operation) for drift in checked.drifts}
    cases += [
        Case(
            " ".join(one),
            "as documented",
            Outcome.PASSED if one in checked.compared else Outcome.NOT_REACHED,
            reason="" if one in checked.compared else "no answer of it is in the recording",
            column="documentation: kept",
        )
        for one in seen
        if one not in odd
    ]
    for rule in RULES:
        # Each file is a conversation of its own, so each is shown by itself.
        broken: dict[Path, list[Finding]] = {}
        for path, finding in checked.broken:
            if finding.id == rule.id:
                broken.setdefault(path, []).append(finding)
        for path, findings in broken.items():
            reason = checked.unreached[path].get(rule.id, "")
            name = rule.id if len(checked.paths) == 1 else f"{rule.id} in {path}"
            cases.append(
                Case(
                    "client rules",
                    name,
                    Outcome.NOT_REACHED if reason else outcome_of(findings),
                    reason=reason,
                    findings=tuple(findings),
                    row=rule.id,
                    column="client rules: verdict",
                    expected=rule.advice,
                    journal=checked.talks[path],
                )
            )
        if not broken:
            reasons = [rules.get(rule.id, "") for rules in checked.unreached.values()]
            reason = reasons[0] if all(reasons) else ""
            cases.append(
                Case(
                    "client rules",
                    rule.id,
                    Outcome.NOT_REACHED if reason else Outcome.PASSED,
                    reason=reason,
                    row=rule.id,
                    column="client rules: verdict",
                    expected=rule.advice,
                )
            )
    title = f"recording {', '.join(map(str, checked.paths))}"
    tables = (_times(checked.times),) if checked.times else ()
    return Report(title, tuple(cases), _facts(checked, seconds), tables)


def _case(drift: Drift, checked: Checked) -> Case:
    finding = Finding(
        id=str(drift.kind),
        severity=drift.severity,
        source=f"{drift.provider} specs{f', {drift.first.place}' if drift.first.place else ''}",
        expected=f"{MEANINGS[drift.kind]} Documented: {drift.first.documented}.",
        seen=_headline(drift),
        subject=f"{drift.provider} {drift.operation}, {drift.where}",
        evidence=(checked.example(drift),),
        exchanges=(drift.example,),
    )
    return Case(
        f"{drift.provider} {drift.operation}",
        f"{drift.kind} {drift.where}",
        outcome_of([finding]),
        findings=(finding,),
        column=f"documentation: {drift.kind}",
        journal=(checked.entries[drift.example - 1],),
    )


def _headline(drift: Drift) -> str:
    """Return where something differs and what was there: `response 200 /error: missing (2 times)`."""
    times = f" ({drift.count} times)" if drift.count > 1 else ""
    return f"{drift.where}: {drift.text}{times}"


def _facts(checked: Checked, seconds: float) -> dict[str, Any]:
    return {
        "files": [str(path) for path in checked.paths],
        "exchanges": len(checked.entries),
        "elsewhere": checked.elsewhere,
        "answers": checked.answers,
        "unchecked": checked.unchecked,
        "seconds": round(seconds, 1),
        "drift": [
            {
                "provider": drift.provider,
                "operation": drift.operation,
                "kind": str(drift.kind),
                "severity": str(drift.severity),
                "where": drift.where,
                "place": drift.first.place,
                "documented": drift.first.documented,
                "seen": drift.text,
                "count": drift.count,
                "example": {
                    "file": str(checked.places[drift.example - 1]),
                    "startedDateTime": _started(checked.entries[drift.example - 1]),
                },
            }
            for drift in checked.drifts
        ],
        "times": [
            {
                "provider": one.provider,
                "model": one.model,
                "jobs": one.jobs,
                **{phase: _spread(one.spread(phase)) for phase in _PHASES},
                "course": one.course(),
            }
            for one in checked.times
        ],
    }


def _started(entry: JournalEntry) -> str | None:
    return iso_ms(entry.at) if entry.is_timed else None


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {"p50_s": spread.p50, "p95_s": spread.p95, "n": spread.count, "within_s": spread.bound}


# -- for people


def drift_lines(checked: Checked, *, colour: bool) -> Iterator[str]:
    """Return the differences as a table: what differs and how often, then what is documented and was seen."""
    if checked.unchecked:
        yield (
            f"{checked.unchecked} of {counted(checked.answers, 'answer')} "
            f"{'has' if checked.unchecked == 1 else 'have'} no body or never came here: not checked."
        )
    if not checked.drifts:
        if not checked.unchecked:
            yield "Everything is as documented."
        elif checked.unchecked < checked.answers:
            yield "What could be checked is as documented."
        return
    rows = [
        tuple(
            map(plain, (str(d.severity), f"{d.count}×", str(d.kind), f"{d.provider} {d.operation}", d.where))
        )
        for d in checked.drifts
    ]
    heads = ("WEIGHT", "COUNT", "DIFFERENCE", "OPERATION", "WHERE")
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    yield _row(heads, widths)
    for drift, row in zip(checked.drifts, rows, strict=True):
        line = _row(row, widths)
        if colour:
            line = line.replace(row[0], click.style(row[0], fg=drift.severity.colour, bold=True), 1)
        yield line
        yield f"        documented: {plain(drift.first.documented)}; seen: {plain(drift.text)}"
        yield f"        in {plain(checked.example(drift))}"


def _times(times: Sequence[ModelTimes]) -> Table:
    """Return the times of each model as a table, then as the specs write them."""
    rows = tuple(
        (
            f"{one.provider} {one.model}",
            str(one.jobs),
            *(text for phase in _PHASES for text in _cells(one.spread(phase))),
        )
        for one in times
    )
    heads = ("model", "jobs", *(f"{words} {mark}" for words in _PHASES.values() for mark in _MARKS))
    note = "Seconds."
    if any(spread and spread.bound for one in times for spread in map(one.spread, _PHASES)):
        note += " ± is how far polls could miss the instant: half of the gap between two of them."
    courses = [
        f"For x-model of {one.model} ({one.provider}):\n{textwrap.indent(course.rstrip(), '  ')}"
        for one in times
        if (course := one.course())
    ]
    return Table("How long jobs took", heads, rows, note, "\n\n".join(courses))


def time_lines(times: Sequence[ModelTimes]) -> Iterator[str]:
    """Return the same in lines, for a terminal."""
    table = _times(times)
    phases = [name for words in _PHASES.values() for name in (f"{words.upper()} {_MARKS[0]}", *_MARKS[1:])]
    heads = ("MODEL", "JOBS", *phases)
    widths = [max(map(len, column)) for column in zip(heads, *table.rows, strict=True)]
    yield _row(heads, widths)
    yield from (_row(row, widths) for row in table.rows)
    yield table.note
    if table.text:
        yield f"\n{table.text}"


def _cells(spread: Spread | None) -> tuple[str, str, str]:
    if spread is None:
        return "–", "–", "0"
    bound = f" ± {spread.bound:g}" if spread.bound else ""
    return f"{spread.p50:g}{bound}", f"{spread.p95:g}", str(spread.count)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
