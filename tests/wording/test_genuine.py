"""Whether a callback is its provider's own is read by the recipe that signs it."""

from __future__ import annotations

from typing import Any

import pytest

from understudy_mock.wording import Wording, shipped
from understudy_mock.wording.scope import Problems

BODY = b'{"id": "a"}'
AT = 1_790_000_000_000


def wording(**signature: Any) -> Wording:
    """Return one that signs as WaveSpeed does, but for some parts of the recipe."""
    data = shipped()["wavespeed"].data
    return Wording.of({**data, "signature": {**data["signature"], **signature}}, Problems())


def signed(one: Wording, secret: str = "whsec_own") -> dict[bytes, bytes]:
    return dict(one.sign(secret, "event-1", AT, BODY))


def test_a_good_signature_is_genuine_however_old() -> None:
    one = shipped()["wavespeed"]
    assert one.is_genuine("whsec_own", signed(one), BODY) is True
    assert (one.stamped(signed(one)), one.tolerance) == (AT, 300_000)


@pytest.mark.parametrize("name", [b"webhook-id", b"webhook-timestamp", b"webhook-signature"])
def test_a_signature_with_a_part_missing_or_changed_is_not(name: bytes) -> None:
    one = shipped()["wavespeed"]
    headers = signed(one)
    for changed in ({**headers, name: headers[name] + b"0"}, {k: v for k, v in headers.items() if k != name}):
        assert one.is_genuine("whsec_own", changed, BODY) is False
    assert one.is_signed({k: v for k, v in headers.items() if k != name}) is False


def test_another_secret_or_body_is_not() -> None:
    one = shipped()["wavespeed"]
    assert one.is_genuine("whsec_other", signed(one), BODY) is False
    assert one.is_genuine("whsec_own", signed(one), BODY + b" ") is False


@pytest.mark.parametrize(
    "headers",
    [
        {"x-signature": "{event.signature}"},
        {"x-id": "{event.id}", "x-signature": "{event.signature}"},
        {"x-at": "{event.instant|unix}", "x-signature": "{event.signature}"},
    ],
)
def test_what_a_receiver_cannot_know_nobody_can_judge(headers: dict[str, str]) -> None:
    one = wording(headers=headers)
    assert one.is_genuine("whsec_own", signed(one), BODY) is None
    assert one.is_genuine("whsec_other", signed(one), BODY) is None


def test_a_message_of_the_body_alone_needs_no_other_header() -> None:
    one = wording(message="", headers={"x-signature": "sha256={event.signature}"})
    assert one.is_genuine("whsec_own", signed(one), BODY) is True
    assert one.is_genuine("whsec_other", signed(one), BODY) is False


def test_a_provider_that_signs_nothing_is_not_judged() -> None:
    one = shipped()["pixazo"]
    assert (one.signs, one.is_signed({}), one.is_genuine("", {}, BODY)) == (False, False, None)
