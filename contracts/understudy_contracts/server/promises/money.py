"""Promises about money: who is refused, what is charged, and what is given back."""

from __future__ import annotations

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.promises.base import Check, always
from understudy_contracts.server.subject import ACCEPTED, Broken, NotReached, Subject
from understudy_contracts.server.wire import Exchange
from understudy_mock.domain.conditions import Condition

_QUEUE = Topic("balance")
_CHARGES = Topic("charges")
_ENOUGH = 1000.0


def _refusal(subject: Subject) -> int:
    """The status of a submit that the balance does not cover."""
    return min(subject.statuses_of(Condition.INSUFFICIENT_BALANCE, 402))


def _penniless(subject: Subject) -> str:
    key = subject.target.fresh_key()
    if not subject.price:
        raise NotReached("the model costs nothing")
    subject.target.make_account(key, balance_usd=round(subject.price / 2, 6))
    return key


def refused(subject: Subject) -> None:
    """A submit that costs more than the balance gets 402, or 406 where that is documented for it."""
    exchange = subject.submit(_penniless(subject))
    key = subject.target.fresh_key()
    subject.target.make_account(key, balance_usd=_ENOUGH)
    subject.must_accept(key)
    if exchange.status != _refusal(subject):
        raise Broken(f"answered {exchange.status}, not {_refusal(subject)}", exchange)


def refusal_creates_nothing(subject: Subject) -> None:
    """A submit refused for lack of money creates no job."""
    _check_refusal(subject, "created")


def refusal_charges_nothing(subject: Subject) -> None:
    """A submit refused for lack of money charges nothing."""
    _check_refusal(subject, "charged")


def _check_refusal(subject: Subject, what: str) -> None:
    key = _penniless(subject)
    with subject.unchanged(key) as changes:
        exchange = subject.submit(key)
    if exchange.status != _refusal(subject):
        raise subject.refused(exchange, _refusal(subject))
    for change in changes:
        if change.startswith(what):
            raise Broken(f"a {exchange.status} {change}", exchange)


def mistake_is_free(subject: Subject) -> None:
    """A submit refused for its body creates nothing and charges nothing."""
    key = subject.target.fresh_key()
    subject.target.make_account(key, balance_usd=_ENOUGH)
    with subject.unchanged(key) as changes:
        exchange = subject.submit(key, b"{")
    subject.must_accept(key)
    if exchange.status < 400:
        raise NotReached(f"a body that is not JSON was answered {exchange.status}")
    if changes:
        raise Broken(f"a {exchange.status} {' and '.join(changes)}", exchange)


def completed_is_charged(subject: Subject) -> None:
    """A COMPLETED job is charged once, at its documented price."""
    cost, evidence = _cost_of(subject, "COMPLETED")
    if round(cost - subject.price, 6):
        raise Broken(f"it cost {cost:g} USD, not {subject.price:g}", evidence)


def error_is_refunded(subject: Subject) -> None:
    """A job that ends in ERROR is not charged."""
    cost, evidence = _cost_of(subject, "ERROR")
    if round(cost, 6):
        raise Broken(f"it cost {cost:g} USD", evidence)


def failed_as_documented(subject: Subject) -> None:
    """A FAILED job is charged or refunded, as the provider documents it."""
    model = subject.operation.model
    assert model is not None  # a submit has one
    expected = 0.0 if "FAILED" in model.price.refunds else subject.price
    cost, evidence = _cost_of(subject, "FAILED")
    if round(cost - expected, 6):
        raise Broken(f"it cost {cost:g} USD, not {expected:g}", evidence)


def _cost_of(subject: Subject, end: str) -> tuple[float, Exchange]:
    """Have a job end so, and tell what it cost."""
    target = subject.target
    key = target.fresh_key()
    target.make_account(key, balance_usd=_ENOUGH)
    forced = {} if end == "COMPLETED" else {"error": "forced by the check"}
    # At once: a job's own durations are no matter of its price.
    subject.force(key, f"cost-{end.lower()}", {"queued": 0, "processing": 0, "end": end, **forced})
    exchange = subject.submit(key)
    if subject.queues:
        if exchange.status not in ACCEPTED:
            raise subject.refused(exchange)
        accepted = subject.job_of(exchange)
        view = None
        for _ in range(4):
            view = subject.see(subject.poll(accepted.id, key))
            if view is not None and view.final:
                break
            target.elapse(0.01)
        if view is None or not view.final or (view.state == "COMPLETED") is not (end == "COMPLETED"):
            raise NotReached(f"the job did not end like that: {view.word if view else 'no state was read'}")
    elif (exchange.status == 200) is not (end == "COMPLETED"):
        raise NotReached(f"the submit was answered {exchange.status}")
    return _ENOUGH - target.balance(key), exchange


MONEY = (
    Check("poor-are-refused", Severity.MUST, _QUEUE, refused, always),
    Check("402-creates-nothing", Severity.MUST, _QUEUE, refusal_creates_nothing, always),
    Check("402-charges-nothing", Severity.MUST, _QUEUE, refusal_charges_nothing, always),
    Check("400-creates-nothing", Severity.MUST, _QUEUE, mistake_is_free, always),
    Check("completed-is-charged", Severity.MUST, _CHARGES, completed_is_charged, always),
    Check("error-is-refunded", Severity.MUST, _CHARGES, error_is_refunded, always),
    Check("failed-as-documented", Severity.MUST, _CHARGES, failed_as_documented, always),
)
