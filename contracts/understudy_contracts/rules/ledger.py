"""What jobs cost in the end, for rules that speak of money."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from understudy_mock.domain.job import Job


def read_ledger(jobs: Iterable[Job]) -> Callable[[str], bool | None]:
    """Tell of each job whether its price is kept: false where its end gives it back, None of others."""
    kept = {job.id: not job.refunded for job in jobs}
    return kept.get
