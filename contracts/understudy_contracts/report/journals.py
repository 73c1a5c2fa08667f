"""The journal of each case, as HAR: any viewer of recordings opens it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from understudy_contracts.findings import Report
from understudy_mock.har.write import save_har

FOLDER = "journals"

_UNSAFE = re.compile(r"[^a-z0-9.-]+")
_LONGEST = 80


def write_journals(report: Report, directory: Path, run: str) -> list[str]:
    """Write each case's journal, and return each case's file relative to the directory ("" for none).

    Cases that share a journal share the file, which is called after the `run`; files of an earlier run are
    removed.
    """
    folder = directory / FOLDER
    if folder.is_dir():
        for old in folder.glob("*.har"):
            old.unlink()
    cases = Counter(id(case.journal) for case in report.cases)
    names: list[str] = []
    written: dict[int, str] = {}
    for number, case in enumerate(report.cases, 1):
        if not case.journal:
            names.append("")
            continue
        name = written.get(id(case.journal))
        if name is None:
            folder.mkdir(exist_ok=True)
            of = run if cases[id(case.journal)] > 1 else f"{case.group}-{case.name}"
            name = written[id(case.journal)] = f"{FOLDER}/{number:03}-{_safe(of)}.har"
            save_har(directory / name, case.journal)
        names.append(name)
    return names


def _safe(name: str) -> str:
    """Make a name that every file system takes."""
    return _UNSAFE.sub("-", name.lower())[:_LONGEST].strip("-.")
