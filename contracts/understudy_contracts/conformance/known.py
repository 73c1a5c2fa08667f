"""Known failures: what is expected to fail still runs, and must fail. Each has a reason.

A line is `CASE` or `CASE:RULE`, then `#` and the reason. A case may be a glob.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from understudy_contracts.conformance.cases import matches
from understudy_contracts.findings import Case, Finding, Outcome, Severity, outcome_of

_NEVER_EXCUSED = "crashed"

STALE = "known-failing"
"""The group of the failed cases that stand for lines of the file that excused nothing."""


class KnownError(Exception):
    """A file of known failures that is not understood."""


@dataclass(frozen=True, slots=True)
class Known:
    """One entry: the case fails, or breaks this one rule, for a known reason. `place` is file and line."""

    case: str
    rule: str
    reason: str
    place: str

    def excuses(self, case_id: str, finding: Finding) -> bool:
        """Return whether a finding at a case is the known one. A crash of the client is never excused."""
        return (
            matches(case_id, self.case)
            and self.rule in ("", finding.id)
            and finding.severity is not Severity.INFO
            and finding.id != _NEVER_EXCUSED
        )


def read_known(file: Path, rules: Collection[str]) -> list[Known]:
    """Read a file of known failures of these rules. Raises KnownError with the line."""
    entries = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KnownError(f"{file}: {error}") from None
    for number, line in enumerate(lines, 1):
        named, _, reason = line.partition("#")
        if not named.strip():
            continue
        if not reason.strip():
            raise KnownError(f"{file}:{number}: a known failure needs a reason: {named.strip()}  # why")
        case, _, rule = named.strip().partition(":")
        if rule and rule not in rules:
            near = get_close_matches(rule, rules, 1)
            hint = f"; did you mean {near[0]}?" if near else "; `understudy rules` lists them"
            raise KnownError(f"{file}:{number}: unknown rule {rule!r}{hint}")
        entries.append(Known(case, rule, reason.strip(), f"{file}:{number}"))
    return entries


def excuse(cases: Iterable[Case], known: list[Known], left_out: Collection[str] = ()) -> list[Case]:
    """Take out known findings, and add a failed case for each entry that excused nothing.

    An entry about cases that were not reached, or are `left_out` (ids), is left alone.
    """
    used: set[Known] = set()
    results: list[Case] = []
    everything = list(cases)
    for case in everything:
        case_id = f"{case.group}/{case.name}"
        kept, reasons = [], []
        for finding in case.findings:
            entries = [entry for entry in known if entry.excuses(case_id, finding)]
            used.update(entries)
            if entries:
                reasons.append(f"{finding.id}: {entries[0].reason}")
            else:
                kept.append(finding)
        if reasons:
            reason = f"known to fail: {'; '.join(reasons)}"
            results.append(replace(case, findings=tuple(kept), outcome=outcome_of(kept), reason=reason))
        else:
            results.append(case)
    return [
        *results,
        *(
            _stale(entry, everything)
            for entry in known
            if entry not in used
            and _tried(entry, everything)
            and not any(matches(case, entry.case) for case in left_out)
        ),
    ]


def _tried(entry: Known, cases: list[Case]) -> bool:
    """Return whether the entry's cases ran; one that names no case is stale, too."""
    named = [case for case in cases if matches(f"{case.group}/{case.name}", entry.case)]
    return not named or any(case.outcome in (Outcome.PASSED, Outcome.FAILED) for case in named)


def _stale(entry: Known, cases: list[Case]) -> Case:
    named = any(matches(f"{case.group}/{case.name}", entry.case) for case in cases)
    text = "it passes now" if named else "no case has this name"
    rule = f":{entry.rule}" if entry.rule else ""
    finding = Finding(
        id="stale-known-failure",
        severity=Severity.MUST,
        source=entry.place,
        expected="Remove the line from the file: what it lists must fail.",
        seen=f"{entry.case}{rule} is listed as known to fail, but {text}",
    )
    return Case(
        STALE,
        f"{entry.case}{rule}",
        Outcome.FAILED,
        findings=(finding,),
        row=f"{entry.case}{rule}",
        column="known failures",
    )
