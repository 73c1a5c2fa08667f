"""Rules over journals written by hand: where each begins to hold, and where it does not yet."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.rules.story import JOB, KEY, URL, Story
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import RULES, Claim, Output
from understudy_mock.catalog import Catalog
from understudy_mock.wording import shipped


@pytest.fixture
def story(catalog: Catalog) -> Story:
    return Story(catalog)


def done(**more: Any) -> Claim:
    return Claim(**{"outcome": "completed", "job_id": JOB, "media": (Output(URL),), "key": KEY, **more})


def test_a_good_conversation_breaks_nothing(story: Story) -> None:
    story.submit(0).poll(6000).poll(12000, "COMPLETED").media(12010)
    assert story.found(done()) == {}
    assert story.found() == {}


def test_ids_are_unique_and_every_rule_says_where_it_is_from() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source_at(shipped()) and rule.advice.endswith(".") for rule in RULES)


def test_a_finding_shows_the_exchanges_without_the_key(story: Story) -> None:
    story.submit(0).poll(6000, "FAILED")
    for at in (12000, 18000, 24000):
        story.poll(at, "FAILED", request_headers=[(b"ocp-apim-subscription-key", KEY.encode())])
    finding = story.found()["polled-after-terminal"]
    assert [line.split(" ")[0] for line in finding.evidence] == [
        "+6.000s",
        "+12.000s",
        "+18.000s",
        "+24.000s",
    ]
    assert KEY not in str(finding)


@pytest.mark.parametrize(
    ("gap", "broken"),
    [
        (100, {"polled-faster-than-declared": Severity.MUST}),
        (600, {"polled-too-fast": Severity.SHOULD}),
        (6000, {}),
    ],
)
def test_polling_is_held_to_what_is_declared_and_to_what_is_documented(
    story: Story, gap: int, broken: dict[str, Severity]
) -> None:
    """By a rule for each, so that one rule weighs the same everywhere; what breaks both breaks the first."""
    story.submit(0).poll(6000).poll(6000 + gap, "COMPLETED")
    found = story.found(done(min_poll_ms=500))
    assert {rule: finding.severity for rule, finding in found.items()} == broken


@pytest.mark.parametrize(
    ("retry_after", "gap", "rule"),
    [
        (b"0", 10, ""),
        (b"1", 1010, ""),
        (b"1", 500, "polled-too-fast"),
        (b"1", 100, "polled-faster-than-declared"),
    ],
)
def test_a_poll_that_comes_back_when_it_was_told_is_not_too_fast(
    story: Story, retry_after: bytes, gap: int, rule: str
) -> None:
    story.submit(0).poll(6000, status=429, headers=[(b"retry-after", retry_after)])
    found = story.poll(6000 + gap, "COMPLETED").found(done(min_poll_ms=500))
    assert set(found) - {"ignored-retry-after"} == ({rule} if rule else set())


def test_what_one_answer_asked_for_excuses_no_later_poll(story: Story) -> None:
    story.submit(0).poll(6000, status=429, headers=[(b"retry-after", b"0")])
    found = story.poll(6010).poll(6020, "COMPLETED").found(done(min_poll_ms=500))
    finding = found["polled-faster-than-declared"]
    assert (finding.severity, finding.exchanges) == (Severity.MUST, (3, 4))


def test_documented_intervals_are_divided_by_the_speed(story: Story) -> None:
    story.submit(0).poll(60).poll(120, "COMPLETED")
    assert "polled-too-fast" in story.found(alone=True)
    assert story.found(alone=True, speed=100.0) == {}


def test_two_who_wait_for_one_job_may_ask_twice_as_often(story: Story) -> None:
    """Where nobody knows that one client is alone, three polls within an interval are too many."""
    story.submit(0).poll(6000).poll(6100).poll(11000).poll(11100, "COMPLETED")
    assert "polled-too-fast" in story.found(alone=True)
    assert story.found() == {}
    assert "polled-too-fast" in Story(story.catalog).submit(0).poll(6000).poll(6100).poll(6200).found()


def test_a_body_that_was_refused_is_told_with_what_nobody_documents(story: Story) -> None:
    story.submit(0, 400, sent={"prompt": 5, "zz": 1})
    assert sorted(story.found()) == ["invalid-body", "undocumented-parameter"]
    assert story.found()["undocumented-parameter"].seen.endswith("documents no parameter 'zz'")


@pytest.mark.parametrize(("again", "kept"), [(500, False), (960, True), (1100, True)])
def test_retry_after_is_kept_to_a_twentieth(story: Story, again: int, kept: bool) -> None:
    story.submit(0, 429, headers=[(b"retry-after", b"1")]).submit(again)
    assert ("ignored-retry-after" not in story.found()) is kept


def test_retry_after_is_read_as_a_date_and_as_segminds_instant(story: Story) -> None:
    at = 1_790_000_000_000
    date = (b"retry-after", b"Mon, 21 Sep 2026 14:13:22 GMT")  # two seconds later
    story.submit(at, 429, headers=[date]).submit(at + 1000)
    assert "ignored-retry-after" in story.found()
    instant = (b"x-rate-limit-reset-at-utc", b"2026-09-21T14:13:22.000Z")
    other = Story(story.catalog).submit(at, 429, headers=[instant]).submit(at + 2100)
    assert "ignored-retry-after" not in other.found()


def test_a_crash_after_a_good_answer_is_not_laid_to_parsing(story: Story) -> None:
    story.submit(0).poll(6000)
    assert "Find out why it ended" in story.found(done(outcome="crashed"))["crashed"].expected
    story.poll(12000, fault="html")
    assert "before you parse" in story.found(done(outcome="crashed"))["crashed"].expected


def test_two_equal_jobs_are_one_too_many_only_when_one_was_wanted(story: Story) -> None:
    story.submit(0).submit(5000, job="hunyuan-video_2")
    assert "submitted-twice" in story.found(done())
    assert "submitted-twice" not in story.found()


@pytest.mark.parametrize("fault", ["", "reset"])
def test_two_submits_at_once_may_be_two_variations(story: Story, fault: str) -> None:
    """Also where the answer to one was lost: the other was under way, and answers to nothing."""
    story.submit(0, duration=50.0, fault=fault).submit(10, job="hunyuan-video_2")
    assert story.found() == {}
    assert story.found(done())["submitted-twice"].severity is Severity.MUST


@pytest.mark.parametrize(
    ("charged", "seen"),
    [
        (
            {JOB: True, "hunyuan-video_2": True},
            "the client sent the same submit twice, which made two jobs, and both are charged",
        ),
        ({JOB: True, "hunyuan-video_2": False}, "the client sent the same submit twice, which made two jobs"),
        ({}, "the client sent the same submit twice, which made two jobs"),
        ({JOB: False, "hunyuan-video_2": True}, None),
    ],
)
def test_what_is_said_of_money_stands_in_the_ledger(
    story: Story, charged: dict[str, bool], seen: str | None
) -> None:
    """A job whose price came back cost nothing, and may be tried anew."""
    story.submit(0, fault="reset").submit(5000, job="hunyuan-video_2")
    finding = story.found(charged=charged.get).get("submitted-twice")
    assert (finding and finding.seen) == seen


def test_a_submit_after_a_lost_answer_is_doubtful_whoever_sends_it(story: Story) -> None:
    story.submit(0, fault="reset").submit(5000, job="hunyuan-video_2")
    assert "submitted-twice" in story.found()


def test_a_poll_that_met_a_page_may_be_repeated_and_one_that_was_refused_may_not(story: Story) -> None:
    polled = {"operation": "get-request-status", "job": JOB}
    story.submit(0).add(6000, "GET", f"/v2/requests/status/{JOB}", 404, **polled).poll(12000)
    assert "retried-refusal" not in story.found()
    story.poll(18000, status=404).poll(24000)
    assert "retried-refusal" in story.found(alone=True)


def test_a_refused_submit_may_not_be_repeated_even_where_it_met_a_page(story: Story) -> None:
    sent = {"operation": "submit-hunyuan-video", "sent": {"prompt": "a cat"}}
    for at in (0, 5000):
        story.add(at, "POST", "/hunyuan-video/v1/hunyuan-video-request", 403, **sent)
    assert "retried-refusal" in story.found(alone=True)


@pytest.mark.parametrize(
    ("status", "rule"), [(402, "retried-insufficient-balance"), (401, "retried-refusal")]
)
def test_two_that_met_a_refusal_once_are_not_one_that_tries_again(
    story: Story, status: int, rule: str
) -> None:
    """Nobody knows where a client is not known to be alone: three tries are one client's."""
    story.submit(0, status).submit(5000, status)
    assert story.found()[rule].severity is Severity.INFO
    assert story.found(alone=True)[rule].severity is Severity.MUST
    assert story.submit(10000, status).found()[rule].severity is Severity.MUST


def test_nobody_can_tell_a_failed_synchronous_job_from_other_trouble(story: Story) -> None:
    more = {"provider": "segmind", "operation": "submit-hunyuan-video", "sent": {"prompt": "a cat"}}
    story.add(0, "POST", "/v1/hunyuan-video", 500, {"error": "no"}, **more)
    for kind in ("job_failed", "server"):
        assert "wrong-error-kind" not in story.found(done(outcome="failed", error_kind=kind, mode="sync"))
    assert "wrong-error-kind" in story.found(done(outcome="failed", error_kind="auth", mode="sync"))


@pytest.mark.parametrize(("fault", "severity"), [("", Severity.MUST), ("reset", Severity.SHOULD)])
def test_a_callback_about_a_job_nobody_heard_of_is_hard_to_take(
    story: Story, fault: str, severity: Severity
) -> None:
    story.submit(0, fault=fault).callback(6000, "COMPLETED")
    found = story.found(done(outcome="failed", mode="webhook", handled=0))
    assert found["ignored-callback"].severity is severity


def test_an_empty_file_is_told_as_such(story: Story) -> None:
    claim = done(media=(Output(URL, "0" * 64),), digests=frozenset({"1" * 64}))
    assert (
        "An empty file"
        in story.submit(0).poll(6000, "COMPLETED").media(6010).found(claim)["wrong-output"].expected
    )


def test_a_key_at_the_media_is_a_leak_wherever_it_stands(story: Story) -> None:
    story.submit(0).poll(6000, "COMPLETED").media(6010, request_headers=[(b"x-anything", KEY.encode())])
    assert "leaked-key" in story.found()


def test_verifying_polls_are_allowed_after_a_callback(story: Story) -> None:
    story.submit(0).callback(6000, "COMPLETED").poll(6010, "PROCESSING").poll(12000, "PROCESSING")
    assert "polled-after-terminal" not in story.found()
    story.poll(18000, "PROCESSING")
    assert "polled-after-terminal" in story.found()


def test_a_callback_that_came_after_the_conclusion_does_not_excuse_it(story: Story) -> None:
    story.submit(0).callback(1000, "PROCESSING").callback(3000, "COMPLETED")
    claim = Claim("failed", mode="webhook", job_id=JOB, error_kind="job_failed", concluded=1500)
    assert set(story.found(claim)) == {"took-unfinished-for-finished"}


@pytest.mark.parametrize(
    ("status", "kind", "right"),
    [
        (400, "validation", True),
        (401, "auth", True),
        (402, "insufficient_balance", True),
        (403, "rate_limited", True),
        (404, "not_found", True),
        (402, "server", False),
        (401, "", False),
    ],
)
def test_the_kind_of_an_error_follows_from_its_status(
    story: Story, status: int, kind: str, right: bool
) -> None:
    story.submit(0, status)
    found = story.found(Claim("rejected", error_kind=kind))
    assert ("wrong-error-kind" not in found) is right


def test_giving_up_after_a_lost_submit_is_right_and_after_a_429_is_not(story: Story) -> None:
    claim = Claim("failed", error_kind="server")
    assert story.submit(0, 504).found(claim) == {}
    limited = Story(story.catalog).submit(0, 429)
    assert set(limited.found(Claim("rejected", error_kind="rate_limited"))) == {"gave-up-on-transient-error"}


@pytest.mark.parametrize(
    ("told", "choked"),
    [
        ({"code": 200, "message": "success", "data": {"id": "p" * 32, "status": "created"}}, True),
        ({"error": "unknown key", "message": "unknown key"}, False),
        (None, False),
    ],
)
def test_only_an_answer_that_tells_of_a_job_is_a_good_one(story: Story, told: object, choked: bool) -> None:
    """HTTP 200 alone makes none."""
    more = {"provider": "wavespeed", "operation": "submit-hunyuan-video-i2v", "sent": {"image": "x"}}
    story.add(0, "POST", "/api/v3/wavespeed-ai/hunyuan-video/i2v", 200, told, **more)
    found = story.found(Claim("failed", mode="sync", error_kind="server"))
    assert ("choked-on-good-answer" in found) is choked


def test_without_a_claim_a_job_that_was_left_is_only_worth_knowing(story: Story) -> None:
    finding = story.submit(0).poll(6000).found()["never-finished"]
    assert finding.severity is Severity.INFO


def test_a_callback_nobody_took_counts_when_the_client_was_there_to_take_it(story: Story) -> None:
    story.submit(0).callback(6000, "COMPLETED", status=0, error="ConnectError")
    assert story.found()["callback-not-acknowledged"].severity is Severity.INFO
    assert story.found(done(mode="webhook"))["callback-not-acknowledged"].severity is Severity.MUST


def test_another_jobs_file_is_the_wrong_output(story: Story) -> None:
    story.submit(0).poll(6000, "COMPLETED")
    claim = done(media=(Output("http://gateway/v1/other/output.mp4"),))
    assert set(story.found(claim)) == {"wrong-output"}


def test_who_had_connected_before_the_answer_is_no_retry(catalog: Catalog) -> None:
    """Two workers each submit once; the first one's connection breaks before the second one has sent."""

    def found(connected: int) -> dict[str, Finding]:
        story = Story(catalog).submit(1_000, duration=50.0, fault="reset")
        return story.submit(1_055, job="hunyuan-video_2", connected=connected).found()

    assert "submitted-twice" in found(0)
    assert "submitted-twice" in found(1_051)
    assert "submitted-twice" not in found(1_040)


@pytest.mark.parametrize(
    ("connections", "connected", "pause", "repeated"),
    [
        ((1, 2), (0, 0), 5, False),  # both were open
        ((1, 2), (0, 1_001), 5, False),
        ((1, 2), (0, 0), 80, True),  # nobody takes that long to begin
        ((1, 2), (0, 1_236), 240, False),  # who keeps a connection opens no other to try again
        ((1, 2), (0, 2_099), 1_100, True),  # but then it may have been closed
        ((1, 1), (0, 0), 5, True),
        ((1, 2), (999, 1_001), 5, False),  # instants are rounded, so nobody knows
        ((1, 2), (999, 1_003), 5, True),  # who opens a connection for each call
        ((0, 0), (0, 0), 5, True),  # a recording that names none
    ],
)
def test_a_call_on_another_open_connection_is_no_reaction(
    connections: tuple[int, int], connected: tuple[int, int], pause: int, repeated: bool, catalog: Catalog
) -> None:
    first, second = zip(connections, connected, strict=True)
    story = Story(catalog).submit(1_000, 401, connection=first[0], connected=first[1])
    story.submit(1_000 + pause, 401, connection=second[0], connected=second[1])
    assert ("retried-refusal" in story.found(alone=True)) is repeated


def test_two_processes_are_not_told_as_one_that_tries_again(catalog: Catalog) -> None:
    """Programs side by side, or a script of curls: nobody knows, so it is only worth knowing."""

    def severities(first: int, second: int, **more: Any) -> dict[str, Severity]:
        story = Story(catalog).submit(1_000, fault="reset", process=first)
        story.submit(2_000, job="hunyuan-video_2", process=second)
        wait = [(b"retry-after", b"9")]
        story.submit(3_000, 429, sent={"prompt": "b"}, process=first, headers=wait)
        story.submit(4_000, 429, sent={"prompt": "b"}, process=second, headers=wait)
        for at in range(5_000, 9_000, 1_000):
            story.submit(at, 402, sent={"prompt": "c"}, process=first if at == 5_000 else second + at)
        return {name: finding.severity for name, finding in story.found(**more).items()}

    rules = {"submitted-twice", "ignored-retry-after", "retried-insufficient-balance"}
    apart, same, unknown = severities(7, 8), severities(7, 7), severities(0, 0)
    assert {name: apart[name] for name in rules} == dict.fromkeys(rules, Severity.INFO)
    assert same["submitted-twice"] is same["ignored-retry-after"] is Severity.MUST
    assert unknown["submitted-twice"] is unknown["ignored-retry-after"] is Severity.MUST
    alone = severities(7, 8, alone=True)
    assert {name: alone[name] for name in rules} == dict.fromkeys(rules, Severity.MUST)


@pytest.mark.parametrize(
    ("processes", "severity"),
    [
        ((7, 7, 7, 7, 7), Severity.MUST),
        ((0, 0, 0, 0, 0), Severity.MUST),
        ((7, 8, 9, 10, 11), Severity.INFO),
        ((7, 8, 7, 8, 7), Severity.INFO),
        ((7, 8, 8, 8, 8), Severity.MUST),
    ],
)
def test_a_job_that_several_processes_look_at_is_polled_on_by_none_of_them(
    catalog: Catalog, processes: tuple[int, ...], severity: Severity
) -> None:
    """Each is told of the end by its own first look; only one that goes on after that breaks the rule."""
    story = Story(catalog).submit(0, process=processes[0])
    for number, process in enumerate(processes, 1):
        story.poll(number * 5_000, "COMPLETED", process=process)
    found = story.found()["polled-after-terminal"]
    assert found.severity is severity
    assert story.found(alone=True)["polled-after-terminal"].severity is Severity.MUST


def test_three_processes_that_wait_for_one_job_do_not_poll_too_fast(catalog: Catalog) -> None:
    """Each keeps the documented interval; one alone that polls as often does not."""

    def found(processes: tuple[int, ...]) -> bool:
        story = Story(catalog).submit(0)
        for number in range(9):
            story.poll(6_000 + 1_700 * number, process=processes[number % 3])
        return "polled-too-fast" in story.found()

    assert [found((7, 8, 9)), found((7, 7, 7)), found((0, 0, 0))] == [False, True, True]


@pytest.mark.parametrize("missing", range(6))
def test_no_rule_of_time_judges_a_call_without_an_instant(catalog: Catalog, missing: int) -> None:
    """Whichever it is: with all of them the same calls break three rules."""

    def found(*untimed: int) -> set[str]:
        story = Story(catalog).submit(0, 429, headers=[(b"retry-after", b"9")])
        story.submit(1_000).poll(1_100).poll(1_200).poll(1_300).poll(1_400, "COMPLETED")
        story.entries = [
            msgspec.structs.replace(entry, is_timed=entry.number - 1 not in untimed)
            for entry in story.entries
        ]
        return set(story.found())

    assert found() == {"ignored-retry-after", "polled-too-fast"}
    assert ("ignored-retry-after" in found(missing)) is (missing > 1)
    assert found(*range(6)) == set()


def test_looks_at_a_finished_job_are_not_polled_too_fast(catalog: Catalog) -> None:
    story = Story(catalog).submit(0)
    for at in (9_000, 10_000, 11_000):
        story.poll(at, "COMPLETED")
    assert "polled-too-fast" not in story.found()
