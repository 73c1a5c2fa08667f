"""A journal told as a conversation: everything is said, in order, by whom, and without the key."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.story import JOB, KEY, Story
from understudy_contracts.conversation import Turn, as_text, plain, shorten, tell
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import Claim, judge
from understudy_mock.catalog import Catalog


@pytest.fixture
def story(catalog: Catalog) -> Story:
    return Story(catalog)


def told(story: Story, claim: Claim | None = None) -> list[Turn]:
    findings = story.found(claim).values()
    return tell(story.entries, story.catalog, findings, claim=claim)


def said(turns: list[Turn]) -> list[tuple[str, str]]:
    return [(turn.who, turn.text) for turn in turns]


def test_a_job_reads_from_its_submit_to_its_file(story: Story) -> None:
    story.submit(0, 429, headers=[(b"retry-after", b"1")]).submit(1100)
    story.poll(7000).poll(13000, "COMPLETED").media(13010)
    assert said(told(story)) == [
        ("client", "submits hunyuan-video"),
        ("provider", "429, come back in 1 s"),
        ("client", "submits hunyuan-video"),
        ("provider", f"202, job {JOB}, QUEUED"),
        ("client", f"polls job {JOB}"),
        ("provider", "200, PROCESSING"),
        ("client", f"polls job {JOB}"),
        ("provider", "200, COMPLETED, 1 file"),
        ("client", f"downloads output.mp4 of job {JOB}"),
        ("provider", "200, 0 bytes"),
    ]


def test_a_callback_is_told_with_what_the_receiver_answered(story: Story) -> None:
    story.submit(0).callback(6000, "COMPLETED", 204).callback(7000, "COMPLETED", 0, error="ConnectError")
    assert said(told(story))[2:4] == [
        ("callback", "COMPLETED → receiver answered 204"),
        ("callback", "COMPLETED → no answer: ConnectError"),
    ]


def test_what_was_done_to_the_wire_is_told(story: Story) -> None:
    story.submit(0).poll(6000, status=0, fault="reset")
    turn = told(story)[3]
    assert (turn.text, turn.fault) == ("breaks the connection", "reset")


def test_a_broken_rule_stands_at_the_exchange_that_broke_it(story: Story) -> None:
    story.submit(0)
    for at in (6000, 12000, 18000, 24000):
        story.poll(at, "FAILED")
    broken = [(turn.number, turn.who, [one.id for one in turn.broke]) for turn in told(story) if turn.broke]
    assert broken == [(number, "provider", ["polled-after-terminal"]) for number in (3, 4, 5)]
    assert (
        "✗ MUST polled-after-terminal: the client polled job hunyuan-video_1 after an answer said that "
        "it had ended" in as_text(told(story))
    )


def test_each_breach_of_a_rule_is_marked_and_told_once(story: Story) -> None:
    """Be they one breach of many calls, or many of two: the first in words, the others as above."""
    story.submit(0, 402).submit(1000, 402).submit(2000, 402)
    turns = told(story)
    assert [turn.number for turn in turns if turn.broke] == [2, 3]
    text = as_text(turns)
    assert text.count("✗ MUST retried-insufficient-balance: the client submitted again after HTTP 402") == 1
    assert text.count("✗ MUST retried-insufficient-balance, as above") == 1


def test_what_no_exchange_proves_stands_at_the_end_with_the_conclusion(story: Story) -> None:
    claim = Claim("failed", error_kind="server", message="gave up")
    finding = Finding("unexpected-result", Severity.MUST, "s", "e", "2 jobs were made")
    last = tell(story.submit(0).entries, story.catalog, [finding], claim=claim)[-1]
    assert (last.text, last.detail, last.broke) == ("concludes: failed, server", "gave up", (finding,))


def test_an_answer_stands_above_what_was_asked_because_of_it(story: Story) -> None:
    """Also where both are in the same millisecond; the times that are shown never go back."""
    story.submit(0, duration=1.9).poll(1, duration=0.4).poll(1, "COMPLETED", duration=0.7).media(1)
    turns = told(story)
    assert [(turn.number, turn.who) for turn in turns] == [
        (number, who) for number in (1, 2, 3, 4) for who in ("client", "provider")
    ]
    shown = [line.split("s ")[0] for line in as_text(turns).splitlines() if line.lstrip().startswith("+")]
    assert shown == sorted(shown)


def test_what_was_asked_meanwhile_stands_in_between(story: Story) -> None:
    """An exchange that lasts is told where it began and where it ended."""
    story.poll(5, duration=2.0).submit(0, duration=9.0)
    assert [(turn.number, turn.who) for turn in told(story)] == [
        (2, "client"),
        (1, "client"),
        (1, "provider"),
        (2, "provider"),
    ]


def test_a_conclusion_without_any_call_has_no_time(catalog: Catalog) -> None:
    """There is no beginning that it could be counted from."""
    claim = Claim("none", concluded=1_795_876_084_460)
    assert as_text(tell([], catalog, claim=claim)).split() == ["client", "concludes", "nothing"]


def test_the_key_is_nowhere(story: Story) -> None:
    """Not in an address, a body, an answer, an error, nor in what the client concludes."""
    header = [(b"authorization", b"Bearer another-secret")]
    story.submit(0, 400, sent={"prompt": KEY}, request_headers=header)
    story.add(10, "GET", f"/nowhere?token=abc&x={KEY}", 404, {"error": f"{KEY} another-secret"})
    story.callback(20, "COMPLETED", 0, error=f"cannot reach {KEY}")
    text = as_text(told(story, Claim("failed", key=KEY, message=f"key {KEY} is bad", error_kind="server")))
    assert KEY not in text
    assert "another-secret" not in text
    assert "token=abc" not in text


def test_nothing_is_told_of_an_empty_journal(catalog: Catalog) -> None:
    assert tell([], catalog) == []


@given(st.text())
def test_what_is_shown_cannot_move_the_cursor(text: str) -> None:
    assert plain(text).isprintable()


@given(st.lists(st.booleans(), max_size=60), st.integers(2, 20))
def test_shortening_keeps_every_breach_and_counts_what_it_leaves_out(broken: list[bool], most: int) -> None:
    finding = Finding("r", Severity.MUST, "s", "e", "seen")
    turns = [Turn(n, "client", str(n), n, broke=(finding,) * one) for n, one in enumerate(broken)]
    kept = shorten(turns, most)
    real = [turn for turn in kept if turn.who != "note"]
    left = sum(int(turn.text.split()[1]) for turn in kept if turn.who == "note")
    assert [turn for turn in real if turn.broke] == [turn for turn in turns if turn.broke]
    assert len(real) + left == len(turns)
    assert len([turn for turn in real if not turn.broke]) <= most


def test_colour_is_off_unless_asked_for(story: Story) -> None:
    turns = told(story.submit(0))
    assert "\x1b" not in as_text(turns)
    assert "\x1b[36mclient" in as_text(turns, colour=True)


def test_a_body_is_shown_by_its_beginning_alone(story: Story) -> None:
    turns = told(story.submit(0, sent={"prompt": "a" * 5000}))
    assert turns[0].detail.startswith('{"prompt":"aaa')
    assert len(turns[0].detail) < 300
    assert msgspec.json.encode(turns[0])  # values alone, so that reports can keep them


def test_every_breach_stands_at_its_own_call(story: Story) -> None:
    """The first, too, where one call alone is wrong; each severity says once what was seen."""
    for path in ("/api/v3/balanc", "/health", "/api/v3/blance", "/version"):
        story.add(0, "GET", path, 404, {"error": "not found"})
    findings = judge(story.entries, story.catalog)
    turns = tell(story.entries, story.catalog, findings)
    marked = {turn.number: [finding.severity for finding in turn.broke] for turn in turns if turn.broke}
    assert marked == {1: ["MUST"], 2: ["INFO"], 3: ["MUST"], 4: ["INFO"]}
    text = as_text(turns)
    assert text.count("✗ MUST undocumented-route: ") == text.count("✗ INFO undocumented-route: ") == 1
    assert text.count(", as above") == 2
