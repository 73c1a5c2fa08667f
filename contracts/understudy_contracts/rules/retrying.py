"""Rules about trying again: when one must, when one must not, how long one waits, and when one stops."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Exchange, Talk, purpose

_AT_ONCE = 100
"""ms below which a retry did not wait."""

_GROWS = 1.1
"""By what factor a wait must exceed the one before to have grown."""

_MOST_SUBMITS = 10
"""Refused submits in a row that are too many for a client that declares no max_attempts (assumed)."""

_ENOUGH = 3
"""Passing errors in a row after which a client may give up (assumed)."""


def _came_back_early(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for one, again in pairwise(tries):
            if one.wait is None or not (one.wait > one.ends):
                continue
            if one.is_early(again):
                yield _against_the_clock(one, again, one.wait - one.ends)


def _against_the_clock(one: Exchange, again: Exchange, told: float) -> Breach:
    """Tell of a return at the wrong time, by the header that was sent and who documents it."""
    text = (
        f"came back after {again.begins - one.ends:.0f} ms; "
        f"{one.clock} of HTTP {one.entry.status} told it to wait {told:.0f} ms"
    )
    if one.clock == "Retry-After":
        document = {"pixazo": "Pixazo, 429: Retry-After; ", "wavespeed": "WaveSpeed, 429: Retry-After; "}
        return Breach(text, (one, again), source=f"{document.get(one.entry.provider, '')}RFC 9110, 10.2.3")
    advice = f"Wait until the instant that {one.clock} names; it is in UTC, and there is no Retry-After."
    return Breach(text, (one, again), source=f"Segmind, 429: {one.clock}", advice=advice)


def _came_back_late(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for one, again in pairwise(tries):
            if one.wait is None or not (one.wait > one.ends):
                continue  # told to wait no time at all, a client keeps to its own
            told = one.wait - one.ends
            if again.begins > one.ends + 2 * told + 2000:
                yield _against_the_clock(one, again, told)


def _no_backoff(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for limited, run in groupby(tries, key=lambda one: one.status == 429 and one.wait is None):
            if not limited:
                continue
            refused = list(run)
            following = [one for one in tries if one.begins >= refused[-1].ends][:1]
            steps = list(pairwise([*refused, *following]))
            gaps = [again.begins - one.ends for one, again in steps]
            if gaps and gaps[0] < _AT_ONCE:
                yield Breach(f"tried again after {gaps[0]:.0f} ms", steps[0])
            elif any(later < earlier * _GROWS for earlier, later in pairwise(gaps)):
                waits = ", ".join(f"{gap:.0f}" for gap in gaps)
                yield Breach(f"the waits between tries do not grow: {waits} ms", tuple(refused[:3]))


def _paid_again(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for one, again in pairwise(tries):
            if one.part == "submit" and one.kinds == {"insufficient_balance"}:
                sources = {
                    "pixazo": "Pixazo, 402 Insufficient Balance",
                    "segmind": "Segmind, 406 Insufficient Credits",
                    "wavespeed": "WaveSpeed: too little credit, as 402 (assumed) or as 200 with code 400",
                }
                source = sources.get(one.entry.provider, "")
                yield Breach(
                    f"submitted again without money: {one.answer} said so", (one, again), source=source
                )


def _refused_again(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for one, again in pairwise(tries):
            refused = one.kinds & {"auth", "validation", "not_found"} and one.wait is None and not one.broken
            # A page in the place of an answer is a proxy's, and proxies come to themselves; but a submit
            # may have been refused by the gateway in front, which answers with pages, too.
            by_provider = one.part == "submit" or one.body is not None
            # Segmind's queue tells a job's failure by 422: an end, and no refusal.
            if refused and by_provider and one.told is None and one.part != "media":
                yield Breach(f"the same call was made again after {one.answer}", (one, again), about="error")


def _submitted_twice(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        made = [one for one in tries if one.part == "submit" and one.job]
        for one, again in pairwise(made):
            # Without a claim nobody knows that one was wanted; two are doubtful when the first looked lost,
            # and less so when nobody had waited for it: they may be two variations.
            if talk.claim is not None or one.broken or one.status >= 500:
                yield Breach("the same submit made two jobs, and both are charged", (one, again))
            elif again.begins < one.ends:
                text = "the same submit was sent twice at once: two jobs, and both are charged"
                yield Breach(text, (one, again), Severity.SHOULD)


def _gave_up(talk: Talk) -> Iterator[Breach]:
    claim = talk.claim
    if claim is None:
        yield from _left_in_trouble(talk)
        return
    last = talk.last
    if claim.outcome not in ("failed", "rejected") or last is None or not last.passing or last.hung_up:
        return
    run = _passing_run(talk, last)
    if last.part == "submit":
        # After a 5xx or a lost answer a second submit could be a second job: giving up is right.
        if last.status == 429 and not last.broken and len(run) < 2:
            yield Breach("gave up after one 429, which made no job", (last,))
    elif len(run) < _ENOUGH:
        yield Breach(f"gave up after {len(run)} passing error{'s' * (len(run) > 1)}", tuple(run))


def _left_in_trouble(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        if job.end is None and job.polls and job.polls[-1].passing:
            run = _passing_run(talk, job.polls[-1])
            if len(run) < _ENOUGH:
                text = f"job {job.id} was not asked for again after a passing error"
                yield Breach(text, tuple(run), Severity.SHOULD)


def _passing_run(talk: Talk, last: Exchange) -> list[Exchange]:
    tries = [one for one in talk.calls if purpose(one) == purpose(last)]
    run: list[Exchange] = []
    for one in reversed(tries[: tries.index(last) + 1]):
        if not one.passing:
            break
        run.insert(0, one)
    return run


def _for_ever(talk: Talk) -> Iterator[Breach]:
    most = (talk.claim.max_attempts if talk.claim is not None else 0) or _MOST_SUBMITS
    for tries in talk.attempts():
        if tries[0].part not in ("submit", "media"):
            continue  # a job that was accepted may be asked for until the deadline
        for passing, group in groupby(tries, key=lambda one: one.passing):
            run = list(group)
            if passing and len(run) > most:
                yield Breach(f"{len(run)} tries in a row; {most} are enough", (run[0], run[-1]))


RULES = (
    Rule(
        "ignored-retry-after",
        Severity.MUST,
        "Pixazo and WaveSpeed, 429: Retry-After; Segmind, 429: x-rate-limit-reset-at-utc; RFC 9110, 10.2.3",
        "Wait as long as Retry-After says, a number of seconds or an HTTP date.",
        _came_back_early,
        timed=True,  # the end of an answer is noted after it was sent, and later on a busy machine
    ),
    Rule(
        "overslept-retry-after",
        Severity.SHOULD,
        "assumed: twice the time that was told and 2 s is late enough for anybody",
        "Come back soon after the time that was told; it is in seconds.",
        _came_back_late,
        timed=True,
    ),
    Rule(
        "no-backoff",
        Severity.SHOULD,
        "assumed: what every provider that limits rates asks of its clients",
        "Where no time is told, wait by yourself, longer after each refusal.",
        _no_backoff,
        timed=True,
    ),
    Rule(
        "retried-insufficient-balance",
        Severity.MUST,
        "Pixazo, 402 Insufficient Balance; Segmind, 406 Insufficient Credits",
        "Do not submit again for want of money: only a top-up helps.",
        _paid_again,
    ),
    Rule(
        "retried-refusal",
        Severity.MUST,
        "RFC 9110, 15.5: 4xx is the client's mistake",
        "Do not repeat a call that was refused for what it is: it will not get better.",
        _refused_again,
        timed=True,  # polls that the client gave up may all be read, and refused, at once
    ),
    Rule(
        "submitted-twice",
        Severity.MUST,
        "no provider documents an idempotency key, so every POST is taken for a new job (assumed)",
        "Submit again only when it is certain that no job was made: after a 429, or when nothing was sent.",
        _submitted_twice,
    ),
    Rule(
        "gave-up-on-transient-error",
        Severity.MUST,
        "RFC 9110, 15.6: 5xx is the server's failure; Pixazo and WaveSpeed, 429: try again",
        "Try again after 429, 5xx and broken answers; the job is not lost.",
        _gave_up,
        timed=True,
    ),
    Rule(
        "unbounded-retries",
        Severity.MUST,
        "assumed: a caller waits for an answer, whatever it is",
        "Give up after a few tries (the max_attempts you declare) and say why.",
        _for_ever,
    ),
)
