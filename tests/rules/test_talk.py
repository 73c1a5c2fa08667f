"""What whoever judges did in the middle of a conversation is not laid to the client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.story import Story
from understudy_mock.catalog import Catalog

INBOX = "http://127.0.0.1:1/_mock/inbox/mine?order=7"


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
def test_callbacks_to_an_inbox_are_not_for_the_client_to_answer(
    catalog: Catalog, rule: str, answer: dict[str, Any]
) -> None:
    """Those to any other receiver still are."""
    for url, is_judged in ((INBOX, False), ("http://127.0.0.1:1/done?x=/_mock/inbox/a", True)):
        story = Story(catalog).submit(0).callback(10, "COMPLETED", url=url, **answer)
        assert (rule in story.found(secret=lambda _: "whsec_secret")) == is_judged


def test_a_client_may_poll_on_that_has_had_no_callback_itself(catalog: Catalog) -> None:
    """A job's end that was told to an inbox alone was not told to the client."""
    for url, was_told in ((INBOX, False), ("http://127.0.0.1:1/done", True)):
        story = Story(catalog).submit(0).callback(10, "COMPLETED", url=url)
        story.poll(6000).poll(12000).poll(18000)
        assert ("polled-after-terminal" in story.found()) == was_told
