"""One run of checks: what it plans, what comes of it, and its report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from understudy_contracts.console import Progress
from understudy_contracts.findings import Case, Outcome, Report, Table
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.phases import INTERRUPTED
from understudy_contracts.server.spec import Api
from understudy_contracts.server.summary import summarise


class Run:
    """Gathers the cases of one run. `planned` are those to come: by group and name, the promise."""

    def __init__(self, apis: list[Api], seed: int) -> None:
        self.apis = apis
        self.seed = seed
        self.title = ""
        self.cases: list[Case] = []
        self.planned: dict[tuple[str, str], str] = {}
        self.coverage: Coverage | None = None
        self.facts: dict[str, Any] = {"seed": seed, "providers": [api.provider for api in apis]}
        self._began = time.perf_counter()
        self._progress = Progress()
        self._asked_to_end = False

    def ask_to_end(self) -> None:
        """End here, or at the next progress: what is called in between may catch this."""
        self._asked_to_end = True
        raise KeyboardInterrupt

    def progress(self, text: str) -> None:
        """Show on stderr what is being done. Raises KeyboardInterrupt once it was asked to end."""
        if self._asked_to_end:
            raise KeyboardInterrupt
        self._progress.show(f"{time.perf_counter() - self._began:4.0f} s  {text}")

    def gather(self, cases: Iterable[Case]) -> None:
        """Keep each case as soon as it is there: the next one may be interrupted."""
        for case in cases:
            self.cases.append(case)

    def cut_short(self) -> None:
        """Mark the run as interrupted: what was planned and has no case was not reached."""
        self.facts["interrupted"] = True
        self.title += " (interrupted)"
        known = {(case.group, case.name) for case in self.cases}
        # Generated calls are counted by operation, and planned by provider.
        known |= {(case.group.partition(" ")[0], case.name) for case in self.cases}
        for (group, name), promise in self.planned.items():
            if (group, name) not in known:
                reached = Outcome.NOT_REACHED
                self.cases.append(Case(group, name, reached, reason=INTERRUPTED, expected=promise))

    def why_nothing_was_reached(self) -> str:
        """Return what kept most cases from being reached; "" where one of them was."""
        if any(case.outcome is not Outcome.NOT_REACHED for case in self.cases):
            return ""
        reasons = Counter(case.reason for case in self.cases)
        reason = reasons.most_common(1)[0][0] if reasons else "no submit is documented"
        return f"{reason}; allow more with --max-spend" if reason.endswith("are left") else reason

    def report(self) -> Report:
        """Close the run."""
        self._progress.end()
        self.facts["seconds"] = round(time.perf_counter() - self._began, 1)
        if self.coverage is not None:
            self.facts["coverage"] = self.coverage.as_json()
        tables = []
        if areas := tuple(summarise(self.cases)):
            tables.append(Table("In short", ("area", "what of it holds"), areas, leads=True))
        if self.coverage is not None:
            tables.append(self.coverage.table())
        return Report(f"understudy check server: {self.title}", tuple(self.cases), self.facts, tuple(tables))
