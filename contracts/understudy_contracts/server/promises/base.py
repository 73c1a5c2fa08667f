"""What a check is, and where it applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.spec import Api
from understudy_contracts.server.subject import Subject
from understudy_mock.domain.model import Operation


def always(api: Api, operation: Operation) -> bool:
    """For every submit."""
    return True


def queued(api: Api, operation: Operation) -> bool:
    """For submits that answer with a job."""
    return operation.answers == "job"


def calls_back(api: Api, operation: Operation) -> bool:
    """For submits that take the address of a receiver."""
    return queued(api, operation) and (operation.webhook_header or bool(operation.webhook_query))


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `slow` ones wait: where the clock is not manual, they run once a provider.

    `free` ones make no submit but the one that all of them follow: they can be asked where each costs.
    `applies` tells by the document alone whether there is such a promise, `needs` whether it is asked here.
    """

    id: str
    severity: Severity
    source: str | Topic
    run: Callable[[Subject], None]
    applies: Callable[[Api, Operation], bool] = queued
    slow: bool = False
    free: bool = False
    needs: Callable[[Subject], bool] = lambda subject: True

    @property
    def promise(self) -> str:
        """The promise in words."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]

    def suits(self, subject: Subject) -> bool:
        """Whether it is to run on a subject."""
        return (
            self.applies(subject.api, subject.operation)
            and (not self.slow or subject.first or subject.target.pace == "manual")
            and self.needs(subject)
        )
