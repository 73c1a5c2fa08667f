"""The results of a search for people: findings with the scenario that shows each, files, and a report."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from understudy_contracts.conversation import as_text, shorten, tell
from understudy_contracts.findings import Case, Finding, Outcome, Report, Severity, Table, counted, outcome_of
from understudy_contracts.rules import RULES
from understudy_contracts.search.mischiefs import SPEED
from understudy_contracts.search.search import Exploration, Found
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.domain.scenario import Scenario, write_scenario

_TURNS = 40
_WIDTH = 100
_EXCUSED_BY_NOTHING = frozenset(rule.id for rule in RULES if not rule.timed)
"""The rules that a busy machine cannot make a client break. `unexpected-result` is no rule, so not in it."""


def scenario_of(found: Found) -> Scenario:
    """Return the found scenario with a name and a summary of its own."""
    what = textwrap.shorten(found.finding.message, 160, placeholder=" …")
    name = f"breaks-{found.finding.id}"
    return msgspec.structs.replace(found.drawn.scenario, name=name, summary=f"{found.finding.id}: {what}")


def write_found(found: Found, again: Sequence[str] = ()) -> str:
    """Write the found scenario as a file that `understudy serve --scenario` plays.

    Comments say what a scenario does not hold: the call that meets it, and the commands `again`.
    """
    notes = [
        f"breaks the rule {found.finding.id}, {frequency(found)}",
        f"at {found.drawn.place}, model {model_of(found)}, when asked for",
        _input(found),
        *again,
    ]
    if any("{key}" in (entry.body or "") for entry in found.drawn.scenario.submit):
        notes.append("{key} stands for the client's own key: put it there before you serve this file")
    comments = "".join(f"# {line}\n" for text in notes for line in text.splitlines())
    data = write_scenario(scenario_of(found))
    return comments + write_yaml(data, width=_WIDTH)


def save(exploration: Exploration, directory: Path, *, seed: int, command: str) -> dict[str, Path]:
    """Write a file for each finding, by rule; the directory is made when there is something to write."""
    files = {}
    for found in exploration.found:
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"breaks-{found.finding.id}.yaml"
        # By its name alone: the file may be moved, or sent to somebody.
        file.write_text(
            write_found(found, [serve(Path(file.name), seed), command]), "utf-8", "backslashreplace"
        )
        files[found.finding.id] = file
    return files


def serve(file: Path, seed: int) -> str:
    """Write the command that plays a saved scenario."""
    options = f"--speed {SPEED:g} --seed {seed} --allow-http-webhooks"
    return f"understudy serve --scenario {shlex.quote(str(file))} {options}"


def frequency(found: Found) -> str:
    """Return how often it broke the rule, in words."""
    if not found.shrunk:
        return "seen once, neither repeated nor made smaller: the search was interrupted"
    if found.repeatable:
        return f"seen {found.seen} of {found.played} times"
    return f"flaky: seen {found.seen} of {found.played}"


def severity_of(found: Found) -> Severity:
    """Return the severity: SHOULD at most where it was seen once and a busy machine can be the cause."""
    once = found.seen <= 1 and not found.repeatable
    if once and found.finding.id not in _EXCUSED_BY_NOTHING:
        return max(Severity.SHOULD, found.finding.severity, key=lambda severity: severity.rank)
    return found.finding.severity


def model_of(found: Found) -> str:
    """Return the id of the model that was asked."""
    model = found.drawn.operation.model
    assert model is not None  # a submit has one
    return model.id


def _input(found: Found) -> str:
    return json.dumps(dict(found.drawn.input), ensure_ascii=False)


def conversation(found: Found, catalog: Catalog) -> str:
    """Return the run that shows a finding: who said what, and what the client concluded."""
    played = found.conversation
    return as_text(shorten(tell(played.journal, catalog, [found.finding], claim=played.claim), _TURNS))


def findings(
    exploration: Exploration, files: Mapping[str, Path], *, seed: int, command: str
) -> list[Finding]:
    """Make the findings of a report."""
    results = []
    for found in exploration.found:
        scenario = json.dumps(msgspec.to_builtins(write_scenario(found.drawn.scenario)), ensure_ascii=False)
        evidence = [
            f"{frequency(found)}; first met by example {found.examples}",
            f"scenario {scenario}",
            f"input {_input(found)}",
            *found.finding.evidence,
        ]
        again = [command]
        if found.finding.id in files:
            again.insert(0, serve(files[found.finding.id], seed))
        results.append(
            replace(
                found.finding,
                severity=severity_of(found),
                subject=f"{found.drawn.place} {model_of(found)}",
                evidence=tuple(evidence),
                curl="\n".join(again),
            )
        )
    return results


def summary(exploration: Exploration, seed: int) -> Iterator[str]:
    """Return in a line or two what a search has tried, and what it has not."""
    if exploration.untried:
        yield (
            f"{exploration.untried} of {exploration.kinds} kinds of provider behaviour were not tried: "
            "give more examples, or more time"
        )
    stopped = ", stopped by time" if exploration.out_of_time else ""
    early = ", interrupted" if exploration.interrupted else stopped
    skipped = f", {exploration.unsupported} unsupported" if exploration.unsupported else ""
    yield (
        f"{counted(exploration.examples, 'example')}{early}{skipped}, "
        f"{counted(exploration.plays, 'run')} of the client, "
        f"{counted(len(exploration.found), 'rule')} broken, {exploration.seconds:.1f} s, seed {seed}"
    )


def report(
    exploration: Exploration,
    findings: Iterable[Finding],
    files: Mapping[str, Path],
    facts: Mapping[str, Any],
) -> Report:
    """Make the report: a case for each finding, for each place without one, and for a fault of the harness.

    So each finding counts once, even where only cases are counted.
    """
    cases: list[Case] = []
    at: dict[str, list[tuple[Finding, Found]]] = {str(place): [] for place in exploration.places}
    for finding, found in zip(findings, exploration.found, strict=True):
        at[str(found.drawn.place)].append((finding, found))
    for place, broken in at.items():
        number = exploration.by_place.get(place, 0)
        seen = f"{counted(number, 'example')} {'was' if number == 1 else 'were'} played"
        if not broken:
            reason = "" if number else "no example was drawn here"
            if exploration.out_of_time and not exploration.examples:
                reason = "the time was up before an example could be played"
            if exploration.examples == exploration.unsupported:
                reason = reason or "the client answered unsupported to every example"
            outcome = Outcome.NOT_REACHED if reason else Outcome.PASSED
            cases.append(Case(place, "examples", outcome, reason=reason, seen=seen))
            continue
        seen += f"; {counted(len(broken), 'rule')} broken: {', '.join(finding.id for finding, _ in broken)}"
        for finding, found in broken:
            cases.append(
                Case(
                    place,
                    finding.id,
                    outcome_of([finding]),
                    findings=(finding,),
                    seen=seen,
                    journal=found.conversation.journal,
                    claim=found.conversation.claim,
                    again=write_found(found),
                )
            )
    if exploration.faults:
        reason = f"a fault of the harness, not of the client: {exploration.faults[0]}"
        cases.append(Case("explore", "harness", Outcome.ERROR, reason=reason))
    client = exploration.hello.client
    name = f"{client.name} {client.version}".strip()
    whole = {
        "client": name,
        **facts,
        "seconds": round(exploration.seconds, 1),
        "examples": exploration.examples,
        "plays": exploration.plays,
        "unsupported": exploration.unsupported,
        "out_of_time": exploration.out_of_time,
        "interrupted": exploration.interrupted,
        "kinds": exploration.kinds,
        "kinds_not_tried": exploration.untried,
        "found": [_as_json(found, files) for found in exploration.found],
        "coverage": exploration.coverage.as_json(),
    }
    return Report(f"client {name}, explored", tuple(cases), whole, (_table(exploration),))


def _table(exploration: Exploration) -> Table:
    """Return the same table of what was covered as on the console."""
    coverage = exploration.coverage
    rows = tuple(
        (condition, str(number), f"{len(coverage.reach[condition])} of {len(RULES)}")
        for condition, number in sorted(coverage.met.items())
    )
    notes = [f"never in reach: {', '.join(coverage.unreached)}"] if coverage.unreached else []
    if exploration.untried:
        notes.append(
            f"{exploration.untried} of {exploration.kinds} kinds of provider behaviour were not tried"
        )
    return Table("What was covered", ("condition met", "examples", "rules in reach"), rows, ". ".join(notes))


def _as_json(found: Found, files: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "rule": found.finding.id,
        "provider": found.drawn.place.provider,
        "mode": found.drawn.place.mode,
        "webhook_mode": found.drawn.place.webhook_mode,
        "model": model_of(found),
        "input": dict(found.drawn.input),
        "scenario": msgspec.to_builtins(write_scenario(scenario_of(found))),
        "file": str(files.get(found.finding.id, "")),
        "seen": found.seen,
        "played": found.played,
        "examples": found.examples,
    }
