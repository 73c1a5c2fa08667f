"""Compare reports in a table of clients and cases, as Markdown.

python -m understudy_contracts.conformance.table DIR…

Each DIR was made by `check client --report-dir`. Cases that every client passes are counted, not listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

_KNOWN = re.compile(r"(?:^known to fail: |; )([a-z0-9-]+): ")
_PASSED, _SKIPPED = "✓", "–"


def table(reports: Iterable[dict[str, Any]]) -> str:
    """Write the table."""
    every = list(reports)
    names = [report["facts"]["client"] for report in every]
    cells = [_cells(report) for report in every]
    cases = list(dict.fromkeys(name for column in cells for name in column))
    lines = [f"| case | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    good = 0
    for case in cases:
        row = [column.get(case, _SKIPPED) for column in cells]
        if set(row) <= {_PASSED, _SKIPPED}:
            good += _PASSED in row
            continue
        lines.append(f"| {case} | {' | '.join(row)} |")
    lines += ["", f"{good} more cases: passed by every client that ran them."]
    return "\n".join(lines)


def _cells(report: dict[str, Any]) -> dict[str, str]:
    """Return the results of a client's cases by name, over all providers and modes."""
    cells: dict[str, list[str]] = {}
    for case in report["cases"]:
        place = f"{case['group']}/{case['name'].split('/')[0]}"
        rules = [finding["id"] for finding in case["findings"]]
        rules += _KNOWN.findall(case["reason"])
        cells.setdefault(place, [])
        if case["outcome"] != "not reached":
            cells[place] += rules or [_PASSED]
    return {place: _cell(results) for place, results in cells.items()}


def _cell(results: list[str]) -> str:
    broken = dict.fromkeys(result for result in results if result != _PASSED)
    return ", ".join(broken) if broken else _PASSED if results else _SKIPPED


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(directories: tuple[Path, ...]) -> None:
    """Print the table of the reports in DIRECTORIES."""
    click.echo(table(json.loads((folder / "client.json").read_text()) for folder in directories))


if __name__ == "__main__":
    main()
