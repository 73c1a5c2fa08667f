"""A live provider, where every submit costs: one example a model, within what may be spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from understudy_contracts.findings import Case
from understudy_contracts.server.lifecycle import run_check
from understudy_contracts.server.promises import CHECKS
from understudy_contracts.server.subject import Subject
from understudy_contracts.server.target import NotReached
from understudy_contracts.server.wire import PATIENCE, Exchange, Unanswered, Wire

_TRIES = 3
"""How often a poll is made that gets no answer: a job that is paid for is not given up at once."""


class Purse:
    """A wire that pays for submits: one a model, within `limit` USD, and none after one got no answer.

    Whatever checks do, no submit is made twice: one without an answer may have been accepted, and paid for.
    """

    def __init__(self, wire: Wire, limit: float, progress: Callable[[str], None] = lambda _: None) -> None:
        self.base_url = wire.base_url
        self.limit = limit
        self.left = limit
        self._wire = wire
        self._progress = progress
        self._subject: Subject | None = None
        self._refusals: dict[str, str] = {}
        self._lost = ""

    def open(self, subject: Subject) -> None:
        """Let the checks of a subject make its submit."""
        self._subject = subject

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, patience: float = PATIENCE
    ) -> Exchange:
        """Make a call to an absolute URL. Raises NotReached where it may not be made, or gets no answer."""
        subject = self._subject
        if subject is not None and self._is_submit(subject, method, url):
            return self._pay(subject, method, url, headers, body, patience)
        if self._lost:
            raise NotReached(self._lost)
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._wire.send(method, url, headers, body, patience)
            except Unanswered as problem:
                if not tries_left:
                    raise NotReached(f"no answer: {problem}") from problem
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close the wire."""
        self._wire.close()

    def _is_submit(self, subject: Subject, method: str, url: str) -> bool:
        path = url.removeprefix(self.base_url).partition("?")[0]
        return any((one.method, one.path) == (method, path) for one in subject.api.submits)

    def _pay(
        self,
        subject: Subject,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        patience: float,
    ) -> Exchange:
        model = subject.operation.model
        assert model is not None  # a submit has one
        price = subject.price
        if self._lost:
            raise NotReached(self._lost)
        if model.id in self._refusals:
            raise NotReached(self._refusals[model.id])
        if price > self.left:
            raise NotReached(f"a submit costs {price:g} USD; {self.left:g} of {self.limit:g} are left")
        self._refusals[model.id] = "each model gets one submit, and this one was made"
        self.left = max(self.left - price, 0.0)
        self._progress(
            f"submit to {subject.name} for {price:g} USD; {self.left:g} of {self.limit:g} are left"
        )
        try:
            exchange = self._wire.send(method, url, headers, body, patience)
        except Unanswered as problem:
            if problem.absent:
                self.left = min(self.left + price, self.limit)
                self._lost = f"nothing answers: {problem}"
            else:
                self._lost = (
                    f"the submit to {subject.name} got no answer and may have been accepted; nothing more "
                    f"is submitted or spent: {problem}"
                )
            raise NotReached(self._lost) from problem
        if 400 <= exchange.status < 500:
            self.left = min(self.left + price, self.limit)  # what is refused costs nothing
            self._progress(f"{subject.name} answered {exchange.status}, so nothing was spent")
        elif exchange.status >= 500:
            self._progress(
                f"{subject.name} answered {exchange.status}; it may have been accepted, and paid for"
            )
        return exchange


def run_live(under_test: Iterable[Subject], purse: Purse) -> Iterator[Case]:
    """Run the free checks, one submit a model, until what is in the purse (USD) is used up.

    The subjects' target has to have the purse as its wire.
    """
    seen = set()
    for subject in under_test:
        model = subject.operation.model
        assert model is not None  # a submit has one
        if model.id in seen:
            continue
        seen.add(model.id)
        purse.open(subject)
        for check in CHECKS:
            if check.free and check.suits(subject):
                yield run_check(check, subject)
