"""What jobs cost in the end, for rules that speak of money."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from understudy_mock.domain.job import Job


def read_ledger(jobs: Iterable[Job]) -> Callable[[str], bool | None]:
    """Return whether a job's price is kept, by its id: false where its end refunds it, None if unknown."""
    kept = {job.id: not job.refunded for job in jobs}
    return kept.get
