"""What whoever judges did in the middle of a conversation is not laid to the client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.story import Story
from understudy_mock.catalog import Catalog


@pytest.fixture
def story(catalog: Catalog) -> Story:
    return Story(catalog)


@pytest.mark.parametrize(
    ("status", "rule"), [(402, "retried-insufficient-balance"), (401, "retried-refusal")]
)
def test_a_refused_call_may_be_made_again_after_a_change(story: Story, status: int, rule: str) -> None:
    """Once: the change is between two calls, and further ones are held to the rule again."""
    at_once: dict[str, Any] = {"duration": 0.0}  # time stands still
    story.submit(0, status, **at_once).submit(0, 202, **at_once)
    assert rule in story.found(alone=True)
    assert rule in story.found(alone=True, changes=(1,))
    assert rule not in story.found(alone=True, changes=(2,))
    story.submit(0, status, **at_once).submit(0, status, **at_once)
    assert rule in story.found(alone=True, changes=(2,))


def test_a_change_does_not_make_a_client_give_up_sooner(story: Story) -> None:
    """Three passing errors in a row are three, whatever changed in between."""
    story.submit(0).poll(6000, status=503).poll(12000, status=503).poll(24000, status=503)
    assert "gave-up-on-transient-error" not in story.found(changes=(4,))


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("callback-not-acknowledged", {"status": 503}),
        ("callback-acknowledged-late", {"duration": 3000.0}),
        ("accepted-forged-callback", {"provider": "wavespeed"}),
    ],
)
def test_callbacks_to_whoever_judges_are_not_for_the_client_to_answer(
    story: Story, rule: str, answer: dict[str, Any]
) -> None:
    """Those to any other receiver still are."""
    story.submit(0).callback(10, "COMPLETED", **answer)
    judged: dict[str, Any] = {"secret": lambda _: "whsec_secret"}
    assert rule in story.found(**judged)
    assert rule in story.found(receiver="http://127.0.0.1:2", **judged)
    assert rule not in story.found(receiver="http://127.0.0.1:1", **judged)


def test_callbacks_to_a_gateways_inbox_are_not_for_the_client_to_answer(story: Story) -> None:
    """Whoever looks at the gateway tells the inbox how to answer."""
    story.submit(0).callback(10, "COMPLETED", status=500, url="http://127.0.0.1:1/_mock/inbox/mine")
    assert "callback-not-acknowledged" not in story.found()
    story.callback(20, "COMPLETED", status=500, url="http://127.0.0.1:1/inbox/_mock/inbox/mine")
    assert "callback-not-acknowledged" in story.found()


def test_a_client_may_poll_on_that_has_had_no_callback_itself(story: Story) -> None:
    """A job's end that was told to whoever judges alone was not told to the client."""
    story.submit(0).callback(10, "COMPLETED").poll(6000).poll(12000).poll(18000)
    assert "polled-after-terminal" in story.found()
    assert "polled-after-terminal" not in story.found(receiver="http://127.0.0.1:1")
