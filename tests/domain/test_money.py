"""Money is whole micro-USD; refunds fall due at their instant, and never twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from understudy_mock.domain.money import MICRO, Price, Rate, Wallet, micro_usd, usd


@given(st.integers(0, 10**15))
def test_micro_usd_and_back_is_exact(micro: int) -> None:
    assert micro_usd(Decimal(micro) / MICRO) == micro
    assert micro_usd(usd(micro)) == micro


def test_prices_that_floats_cannot_hold_are_exact() -> None:
    assert micro_usd(0.1) + micro_usd(0.2) == micro_usd(0.3)
    assert micro_usd("1.464") == 1_464_000


class WalletAgainstModel(RuleBasedStateMachine):
    """A wallet does what a list of postings does: the balance is their sum up to now."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.wallet = Wallet(1_000)
        self.postings = [(0, 1_000)]
        self.expected: dict[str, tuple[int | None, int]] = {}
        self.jobs = 0

    def balance(self) -> int:
        for job, (instant, price) in list(self.expected.items()):
            if instant is not None and instant <= self.now:
                self.postings.append((instant, price))
                del self.expected[job]
        return sum(amount for _, amount in self.postings)

    @rule(price=st.integers(0, 700), wait=st.none() | st.integers(0, 100))
    def hold(self, price: int, wait: int | None) -> None:
        covered = self.balance() >= price
        assert self.wallet.hold(price, self.now) is covered
        if covered:
            self.postings.append((self.now, -price))
            instant = None if wait is None else self.now + wait
            self.wallet.expect_refund(f"job-{self.jobs}", price, instant)
            self.expected[f"job-{self.jobs}"] = (instant, price)
            self.jobs += 1

    @rule(ms=st.integers(0, 60))
    def wait(self, ms: int) -> None:
        self.now += ms

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        job = f"job-{data.draw(st.integers(0, self.jobs - 1))}"
        self.balance()
        self.wallet.balance(self.now)
        self.wallet.refund(job)
        if job in self.expected:
            self.postings.append((self.now, self.expected.pop(job)[1]))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        job = f"job-{data.draw(st.integers(0, self.jobs - 1))}"
        self.balance()
        self.wallet.balance(self.now)
        self.wallet.keep(job)
        _, price = self.expected.pop(job, (None, 0))
        if price and (wait := data.draw(st.none() | st.integers(0, 100))) is not None:
            self.wallet.expect_refund(job, price, self.now + wait)
            self.expected[job] = (self.now + wait, price)

    @invariant()
    def balances_agree(self) -> None:
        assert self.wallet.balance(self.now) == self.balance() >= 0


TestWallet = WalletAgainstModel.TestCase
TestWallet.settings = settings(stateful_step_count=30, deadline=None)


def test_a_refund_comes_at_its_millisecond_and_not_one_earlier() -> None:
    wallet = Wallet(100)
    assert wallet.hold(60, 0)
    wallet.expect_refund("job", 60, 500)
    assert wallet.balance(499) == 40
    assert wallet.balance(500) == 100
    assert wallet.balance(10_000) == 100


def test_a_refund_that_was_put_off_does_not_come_at_its_old_instant() -> None:
    wallet = Wallet(100)
    assert wallet.hold(60, 0)
    wallet.expect_refund("job", 60, 500)
    wallet.keep("job")
    wallet.expect_refund("job", 60, 900)
    assert [wallet.balance(at) for at in (499, 500, 899, 900)] == [40, 40, 40, 100]


def test_a_wallet_pays_its_last_cent_and_no_more() -> None:
    wallet = Wallet(100)
    assert wallet.hold(100, 0)
    assert not wallet.hold(1, 0)
    assert wallet.balance(0) == 0


_VALUES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2) | st.booleans() | st.none(), max_size=3)
_RATES = st.lists(
    st.builds(Rate, st.integers(0, 10**7), _VALUES.map(lambda when: tuple(when.items()))), max_size=5
)


@given(_RATES, _VALUES, st.integers(1, 15))
def test_the_first_rate_that_fits_is_the_price(
    rates: list[Rate], values: dict[str, Any], seconds: int
) -> None:
    fitting = [r.price for r in rates if all(values.get(k) == v for k, v in r.when)]
    expected = fitting[0] if fitting else 0
    assert Price(tuple(rates)).of(values) == expected
    asked = {**values, "duration": seconds}
    assert Price(tuple(rates), per_second="duration").of(asked) == expected * seconds


def test_a_length_in_digits_is_a_length() -> None:
    assert Price((Rate(10),), per_second="duration").of({"duration": "5"}) == 50
