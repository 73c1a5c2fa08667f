"""Write a report: a page and lines for people, JSON for programs, JUnit for continuous integration.

Nothing here judges, and nothing here shows a key: journals are cleaned on their way out.
"""

from __future__ import annotations

import json
from pathlib import Path

from understudy_contracts.findings import Report
from understudy_contracts.report.data import as_json
from understudy_contracts.report.journals import write_journals
from understudy_contracts.report.junit import as_junit
from understudy_contracts.report.lines import lines
from understudy_contracts.report.page import as_html
from understudy_mock.catalog import Catalog
from understudy_mock.printing import printable


def write_reports(report: Report, directory: Path, name: str, catalog: Catalog) -> list[Path]:
    """Write `name.html`, `name.json`, `name.xml` and `journals/*.har` into a directory, which is made.

    Returns the files, the journals as their folder.
    """
    directory.mkdir(parents=True, exist_ok=True)
    journals = write_journals(report, directory, name)
    page, data, junit = (directory / f"{name}.{kind}" for kind in ("html", "json", "xml"))
    # A command line or a recording may contain half a character, or one that a terminal acts upon.
    page.write_text(printable(as_html(report, catalog, journals)), "utf-8")
    data.write_text(json.dumps(as_json(report, journals), indent=2) + "\n", encoding="utf-8")
    junit.write_bytes(as_junit(report))
    return [page, data, junit, *([directory / "journals"] if any(journals) else [])]


__all__ = ["as_html", "as_json", "as_junit", "lines", "write_reports"]
