"""Every SDK is put through every situation, and both ways."""

from __future__ import annotations

import pytest

from tests.adapters import test_segmind, test_wavespeed
from tests.adapters.driving import WAYS
from tests.adapters.installed import NODE, PYTHON

SITUATIONS = {
    "run": {"run:completes"},
    "upload": {"upload:completes"},
    "sync mode": {"sync:completes"},
    "failure": {"run:fails", "wait:fails"},
    "401": {"run:invalid-key", "wait:invalid-key"},
    "402 or 406": {"run:insufficient-balance", "wait:insufficient-balance"},
    "429": {"run:rate-limited-for-ever", "wait:rate-limited"},
    "500": {"run:submit-500", "wait:submit-500"},
    "malformed answer": {"run:poll-malformed", "wait:poll-malformed"},
}
EXPECTED = {
    "wavespeed-2.0.5": test_wavespeed.VERSION_2,
    "wavespeed-1.0.3": test_wavespeed.VERSION_1,
    "wavespeed-js-0.3.2": test_wavespeed.JAVASCRIPT,
    "segmind-1.3.0": test_segmind.EXPECTED,
}


@pytest.mark.parametrize("name", [*PYTHON, *NODE])
def test_every_sdk_meets_every_situation_both_ways(name: str) -> None:
    met = set(EXPECTED[name])
    assert [situation for situation, any_of in SITUATIONS.items() if not met & any_of] == []
    assert set(WAYS) == {"base URL", "interception"}
