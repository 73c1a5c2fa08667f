"""`understudy check recording`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import click
import msgspec

from understudy_contracts.console import Progress
from understudy_contracts.findings import Finding, Report, count_broken, counted, in_brackets
from understudy_contracts.options import recording_options
from understudy_contracts.reached import told_of_reach, why_not_reached
from understudy_contracts.recording.drift import compare
from understudy_contracts.recording.telling import Checked, drift_lines, make_report, time_lines
from understudy_contracts.recording.times import measure
from understudy_contracts.report import as_json, lines, write_reports
from understudy_contracts.rules import RULES, judge, read_talk
from understudy_contracts.rules.talk import Talk
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.commands.common import CannotRun, check_directory
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import RecordingError
from understudy_mock.printing import printable
from understudy_mock.wording import open_wordings

_BEAT = 2.0
"""Seconds after which progress is shown."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE.har…", type=click.Path(path_type=Path))
@recording_options
def recording(
    files: tuple[Path, ...],
    report_dir: Path | None,
    form: Literal["table", "json"],
    specs: tuple[Path, ...],
    strict: bool,
) -> None:
    """Compare recorded traffic with the documentation, and check the client rules that it breaks.

    FILE.har is any HAR 1.2, plain, gzipped or zlib (.zhar): from `understudy record`, a browser, mitmproxy,
    Charles, Polly.JS.
    The report shows every field, value, type, status, header and timestamp that differs from the
    documentation, with a count and an example; the client rules that the traffic breaks; and how long the
    jobs of each model waited and worked.

    MUST breaks a program that relies on the documentation. SHOULD is only more than what is documented.
    Exit status: 0 clean, 1 findings of MUST, 2 the check could not be run.

    \b
    understudy check recording run.har
    understudy check recording monday.har tuesday.har --report-dir report
    understudy check recording run.har --format json
    """
    began = time.monotonic()
    check_directory("--report-dir", report_dir)
    progress = Progress(beat=_BEAT)
    try:
        catalog = open_catalog(specs, worded=open_wordings(specs))
        notes: list[str] = []
        checked = _check(files, catalog, progress, notes)
    except (RecordingError, SpecError) as error:
        raise CannotRun(str(error)) from None
    finally:
        progress.end()
    for note in notes:
        click.echo(printable(note), err=True)
    report = make_report(checked, seconds=time.monotonic() - began)
    if strict:
        report = report.strictly()
    if form == "json":
        click.echo(json.dumps(as_json(report), indent=2))
    else:
        _print(checked, report)
    if report_dir is not None:
        for file in write_reports(report, report_dir, "recording", catalog):
            click.echo(f"wrote {file}", err=True)
    sys.exit(report.exit_status())


def _check(files: tuple[Path, ...], catalog: Catalog, progress: Progress, notes: list[str]) -> Checked:
    """Read the files, and check each client's calls by themselves and what the provider sent together."""
    entries: list[JournalEntry] = []
    places: list[Path] = []
    talks: dict[Path, tuple[JournalEntry, ...]] = {}
    broken: list[tuple[Path, Finding]] = []
    unreached: dict[Path, dict[str, str]] = {}
    elsewhere = 0
    known: set[tuple[int, int]] = set()
    for path in files:
        with suppress(OSError):  # reading it will say what is wrong
            status = path.stat()
            if (status.st_dev, status.st_ino) in known:
                notes.append(f"{path}: is given twice, and read once")
                continue
            known.add((status.st_dev, status.st_ino))
        progress.show(f"reading {path}")
        # One by one: two runs of the same program are two runs, not one that does everything twice.
        recording = read_recording([path], catalog)
        elsewhere += recording.elsewhere
        notes += recording.notes
        talks[path] = recording.entries
        findings = judge(recording.entries, catalog, None, speed=1.0)
        broken += [(path, finding) for finding in findings]
        unreached[path] = _unreached(read_talk(recording.entries, catalog), findings)
        for entry in recording.entries:
            entries.append(msgspec.structs.replace(entry, number=len(entries) + 1))
            places.append(path)
    total = len(entries)
    comparison = compare(entries, catalog, lambda number: progress.show(f"checked {number} of {total}"))
    return Checked(
        paths=tuple(talks),
        entries=entries,
        places=places,
        talks=talks,
        elsewhere=elsewhere,
        drifts=comparison.drifts,
        answers=comparison.answers,
        unchecked=comparison.unchecked,
        compared=comparison.compared,
        broken=broken,
        times=measure(list(talks.values()), catalog),
        unreached=unreached,
    )


def _unreached(talk: Talk, found: Iterable[Finding]) -> dict[str, str]:
    return {rule.id: why for rule in RULES if (why := why_not_reached(rule, talk, found))}


def _print(checked: Checked, report: Report) -> None:
    colour = sys.stdout.isatty()
    providers = ", ".join(sorted({entry.provider for entry in checked.entries if entry.provider}))
    others = f"; {checked.elsewhere} with others are left out" if checked.elsewhere else ""
    click.echo(printable(f"{counted(len(checked.entries), 'exchange')} with {providers}{others}\n"))
    for line in drift_lines(checked, colour=colour):
        click.echo(line)
    if checked.broken:
        click.echo("\nRules that the client broke (`understudy rules` lists them all):")
    for path, finding in checked.broken:
        where = f"  in {path}" if len(checked.paths) > 1 else ""
        click.echo()
        for line in lines(finding, colour=colour):
            click.echo(line)
        if where:
            click.echo(printable(where))
    if checked.times:
        click.echo("\nHow long jobs took:")
        for line in time_lines(checked.times):
            click.echo(line)
    broken = [finding for _, finding in checked.broken]
    differ = [finding for finding in report.findings if finding not in broken]
    click.echo(
        f"\n{counted(len(differ), 'difference')}{in_brackets(differ)}; "
        f"{counted(count_broken(broken), 'client rule')} broken{in_brackets(broken)}; "
        f"{told_of_reach(checked.reached)}"
    )
