"""`understudy check recording`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
import msgspec

from understudy_contracts.findings import Finding, Report, count_broken, in_brackets
from understudy_contracts.options import recording_options
from understudy_contracts.reached import told_of_reach, why_not_reached
from understudy_contracts.recording.drift import find_differences
from understudy_contracts.recording.patch import Patch, write_patch
from understudy_contracts.recording.telling import Checked, counted, drift_lines, make_report, time_lines
from understudy_contracts.recording.times import measure
from understudy_contracts.report import as_json, lines, write_reports
from understudy_contracts.rules import RULES, judge, read_talk
from understudy_contracts.rules.talk import Talk
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.catalog.source import read_sources
from understudy_mock.commands.common import CannotRun, check_directory
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import RecordingError
from understudy_mock.printing import printable

_PATIENCE = 2.0
"""Seconds after which progress is told."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE.har…", type=click.Path(path_type=Path))
@recording_options
def recording(
    files: tuple[Path, ...],
    patch_file: Path | None,
    report_dir: Path | None,
    form: Literal["table", "json"],
    specs: tuple[Path, ...],
    strict: bool,
) -> None:
    """Tell where recorded traffic and the documentation differ, and which client rules it breaks.

    FILE.har is any HAR 1.2, plain, gzipped or zlib (.zhar): from `understudy record`, a browser, mitmproxy,
    Charles, Polly.JS.
    Told are fields, values, types, statuses, headers and stamps that are not as documented, with how often
    and one example; the rules that the client broke; and how long each model's jobs waited and worked.

    MUST is what breaks a program that relies on the documentation, SHOULD what is only more than documented.
    Exit status: 0 clean, 1 findings of MUST, 2 could not be run.

    \b
    understudy check recording run.har
    understudy check recording monday.har tuesday.har --report-dir report
    understudy check recording run.har --patch accept.patch; git apply accept.patch
    """
    began = time.monotonic()
    check_directory("--report-dir", report_dir)
    progress = _Progress()
    try:
        catalog = open_catalog(specs)
        notes: list[str] = []
        checked = _check(files, catalog, progress, notes)
        patch = None
        if patch_file is not None and checked.drifts:
            progress.tell("writing the patch")
            day = datetime.fromtimestamp(max(e.at for e in checked.entries) / 1000, UTC).date()
            sources = read_sources(specs)
            patch = write_patch(
                checked.drifts, checked.entries, catalog, sources, f"a recording, {day.isoformat()}"
            )
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
        _tell(checked, report)
    if report_dir is not None:
        for file in write_reports(report, report_dir, "recording", catalog):
            click.echo(f"wrote {file}", err=True)
    if patch_file is not None:
        _write(patch_file, patch, len(checked.drifts))
    sys.exit(report.exit_status())


def _check(files: tuple[Path, ...], catalog: Catalog, progress: _Progress, notes: list[str]) -> Checked:
    """Read and judge the files: each client's talk by itself, the provider's words together."""
    entries: list[JournalEntry] = []
    places: list[Path] = []
    talks: dict[Path, tuple[JournalEntry, ...]] = {}
    broken: list[tuple[Path, Finding]] = []
    unreached: dict[Path, dict[str, str]] = {}
    elsewhere = 0
    known: set[tuple[int, int]] = set()
    for path in files:
        with suppress(OSError):  # which reading it will tell
            held = path.stat()
            if (held.st_dev, held.st_ino) in known:
                notes.append(f"{path}: is given twice, and read once")
                continue
            known.add((held.st_dev, held.st_ino))
        progress.tell(f"reading {path}")
        # One by one: two runs of the same program are two runs, not one that does everything twice.
        read = read_recording([path], catalog)
        elsewhere += read.elsewhere
        notes += read.notes
        talks[path] = read.entries
        found = judge(read.entries, catalog, None, speed=1.0)
        broken += [(path, finding) for finding in found]
        unreached[path] = _unreached(read_talk(read.entries, catalog), {finding.id for finding in found})
        for entry in read.entries:
            entries.append(msgspec.structs.replace(entry, number=len(entries) + 1))
            places.append(path)
    total = len(entries)
    drifts, answers, unchecked = find_differences(
        entries, catalog, lambda number: progress.tell(f"checked {number} of {total}")
    )
    return Checked(
        paths=tuple(talks),
        entries=entries,
        places=places,
        talks=talks,
        elsewhere=elsewhere,
        drifts=drifts,
        answers=answers,
        unchecked=unchecked,
        broken=broken,
        times=measure(list(talks.values()), catalog),
        unreached=unreached,
    )


def _unreached(talk: Talk, broken: Collection[str]) -> dict[str, str]:
    return {rule.id: why for rule in RULES if (why := why_not_reached(rule, talk, broken))}


def _tell(checked: Checked, report: Report) -> None:
    colour = sys.stdout.isatty()
    providers = ", ".join(sorted({entry.provider for entry in checked.entries if entry.provider}))
    others = f"; {checked.elsewhere} with others are left out" if checked.elsewhere else ""
    click.echo(printable(f"{counted(len(checked.entries), 'exchange')} with {providers}{others}\n"))
    for line in drift_lines(checked, colour=colour):
        click.echo(line)
    if checked.broken:
        click.echo("\nRules that the client broke (`understudy rules` has them all):")
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


def _write(file: Path, patch: Patch | None, total: int) -> None:
    if patch is None or not patch.diff:
        reason = "nothing differs" if patch is None else "nothing that differs can be patched"
        click.echo(f"no patch: {reason}", err=True)
    else:
        try:
            file.write_text(patch.diff, "utf-8", "backslashreplace")
        except OSError as error:
            raise CannotRun(f"{file}: cannot be written: {error.strerror}") from None
        left = f", leaves {len(patch.left)}" if patch.left else ""
        click.echo(
            f"wrote {file}: accepts {total - len(patch.left)} of {counted(total, 'difference')}{left}",
            err=True,
        )
    for drift in patch.left if patch is not None else ():
        where = f"{drift.kind}, {drift.provider} {drift.operation}, {drift.where}"
        click.echo(printable(f"  by hand: {where}"), err=True)


class _Progress:
    """Says on stderr what is being done, once that takes longer than two seconds."""

    def __init__(self) -> None:
        self._doing = ""
        self._shown = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    def tell(self, doing: str) -> None:
        """Note what is being done now."""
        self._doing = doing

    def end(self) -> None:
        """Leave the line."""
        self._ended.set()
        self._thread.join()
        if self._shown and sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)

    def _show(self) -> None:
        while not self._ended.wait(_PATIENCE):
            self._shown = self._doing
            if sys.stderr.isatty():
                click.echo(f"\r\x1b[K{self._shown} …", nl=False, err=True)
            else:
                click.echo(f"{self._shown} …", err=True)
