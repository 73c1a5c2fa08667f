"""The journal of each case, as HAR: any viewer of recordings opens it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from contracts.findings import Report
from mockserver.recording.har import write_har

FOLDER = "journals"

_UNSAFE = re.compile(r"[^a-z0-9.-]+")
_LONGEST = 80


def write_journals(report: Report, directory: Path) -> list[str]:
    """Write each case's journal, and tell each case's file relative to the directory ("" for none).

    Cases that share a journal share the file; files of an earlier run are removed.
    """
    folder = directory / FOLDER
    if folder.is_dir():
        for old in folder.glob("*.har"):
            old.unlink()
    names: list[str] = []
    written: dict[int, str] = {}
    for number, case in enumerate(report.cases, 1):
        if not case.journal:
            names.append("")
            continue
        name = written.get(id(case.journal))
        if name is None:
            folder.mkdir(exist_ok=True)
            name = written[id(case.journal)] = (
                f"{FOLDER}/{number:03}-{_safe(f'{case.group}-{case.name}')}.har"
            )
            (directory / name).write_bytes(msgspec.json.encode(write_har(case.journal)))
        names.append(name)
    return names


def _safe(name: str) -> str:
    """Make a name that every file system takes."""
    return _UNSAFE.sub("-", name.lower())[:_LONGEST].strip("-.")
