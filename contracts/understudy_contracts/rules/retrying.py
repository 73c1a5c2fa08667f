"""Rules about trying again: when one must, when one must not, how long one waits, and when one stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise

from understudy_contracts.findings import Severity, counted
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Exchange, Talk, purpose
from understudy_mock.domain.timeline import State

_AT_ONCE = 50
"""ms below which a retry did not wait. Chance makes a wait that short, too, but hardly two in a row."""

_TRIES = 3
"""Equal calls that are one client trying again, where it is not known to be alone: two may be two clients."""

_MOST_SUBMITS = 10
"""Refused submits in a row that are too many for a client that declares no max_attempts (assumed)."""

_ENOUGH = 3
"""Passing errors in a row after which a client may give up (assumed)."""


def _came_back_early(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        polls = tries[0].part in ("poll", "result")
        for one, again in _polled_early(tries, talk.alone) if polls else _tried_early(tries):
            assert one.wait is not None  # what told no time cannot be early
            yield _against_the_clock(one, again, one.wait - one.ends)


def _polled_early(tries: list[Exchange], alone: bool) -> Iterator[tuple[Exchange, Exchange]]:
    """Pair answers that told a time with a poll that came before it.

    Another client may come once in between, with a poll of its own.
    """
    for one in tries:
        early = [again for again in tries if one.is_early(again)]
        if len(early) > (0 if alone else 1):
            yield one, early[0 if alone else 1]


def _tried_early(tries: list[Exchange]) -> list[tuple[Exchange, Exchange]]:
    """Pair answers that told a time with submits, or downloads, that came before it.

    Several clients may make the same call side by side. One that comes early after another's refusal has
    ignored nothing, and each of them comes back in time: so as many have ignored it as never did.
    """
    waiting: list[Exchange] = []
    early = []
    for again in tries:
        refused = [one for one in waiting if one.precedes(again)]
        patient = [one for one in refused if not one.is_early(again)]
        if patient:
            waiting.remove(patient[0])
        elif refused:
            early.append((refused[-1], again))
        if again.wait is not None and again.wait > again.ends:
            waiting.append(again)
    return early[: len(waiting)]


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


def _no_backoff(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for limited, run in groupby(tries, key=lambda one: one.status == 429 and one.wait is None):
            if not limited:
                continue
            refused = list(run)
            following = [one for one in tries if refused[-1].precedes(one)][:1]
            rests = [one.rest(again) for one, again in pairwise([*refused, *following])]
            if len(rests) > 1 and all(rest is not None and rest < _AT_ONCE for rest in rests):
                waits = ", ".join(f"{rest:.0f}" for rest in rests if rest is not None)
                proof = (*refused, *following)[:_TRIES]
                yield Breach(f"did not wait between {len(rests) + 1} tries: {waits} ms", proof)


def _paid_again(talk: Talk) -> Iterator[Breach]:
    for one, again, severity in _repeated(talk, lambda one: one.kinds == {"insufficient_balance"}):
        if one.part == "submit":
            sources = {
                "pixazo": "Pixazo, 402 Insufficient Balance",
                "segmind": "Segmind, 406 Insufficient Credits",
                "wavespeed": "WaveSpeed: too little credit, as 402 (assumed) or as 200 with code 400",
            }
            source = sources.get(one.entry.provider, "")
            text = f"submitted again without money: {one.answer} said so"
            yield Breach(text, (one, again), severity, source=source, advice=_advice(severity))


def _refused_again(talk: Talk) -> Iterator[Breach]:
    for one, again, severity in _repeated(talk, _is_refusal):
        yield Breach(
            f"the same call was made again after {one.answer}",
            (one, again),
            severity,
            advice=_advice(severity),
            about="error",
        )


def _is_refusal(one: Exchange) -> bool:
    refused = one.kinds & {"auth", "validation", "not_found"} and one.wait is None and not one.broken
    # A page in the place of an answer is a proxy's, and proxies come to themselves; but a submit
    # may have been refused by the gateway in front, which answers with pages, too.
    by_provider = one.part == "submit" or one.body is not None
    # Segmind's queue tells a job's failure by 422: an end, and no refusal.
    return bool(refused) and by_provider and one.told is None and one.part != "media"


def _advice(severity: Severity | None) -> str:
    """Say what is right about a repetition that may be no fault; "" leaves that to the rule."""
    return "Nothing has to be mended if these are two programs: one should not try again." if severity else ""


def _repeated(
    talk: Talk, refuses: Callable[[Exchange], bool]
) -> Iterator[tuple[Exchange, Exchange, Severity | None]]:
    """Give the calls that were made again after a refusal had come, and how much that weighs.

    Two of them are only worth knowing where they may be those of two clients: each has met it once.
    """
    for tries in talk.attempts():
        pairs = [(one, again) for one, again in pairwise(tries) if refuses(one) and one.precedes(again)]
        enough = talk.alone or len(pairs) >= _TRIES - 1
        for one, again in pairs:
            yield one, again, None if enough else Severity.INFO


def _submitted_twice(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        made = [one for one in tries if one.part == "submit" and one.job]
        for one, again in pairwise(made):
            # Without a claim nobody knows that one was wanted: two are doubtful when the first looked lost,
            # and else, or side by side, they may be two variations.
            lost = (one.broken or one.status >= 500) and one.precedes(again)
            if (talk.claim is not None or lost) and _costs(talk, one) is not False:
                both = _costs(talk, one) and _costs(talk, again)
                money = ", and both are charged" if both else ""
                yield Breach(f"the same submit made two jobs{money}", (one, again))


def _costs(talk: Talk, one: Exchange) -> bool | None:
    """Tell whether the job of a submit is paid for; None where nobody knows."""
    if talk.charged is not None:
        return talk.charged(one.job)
    model = one.operation.model if one.operation is not None else None
    failed = one.told is not None and one.told.end == "FAILED"
    return False if failed and model is not None and State.FAILED in model.price.refunds else None


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
        yield Breach(f"gave up after {counted(len(run), 'passing error')}", tuple(run))


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


def _in_turn(tries: list[Exchange]) -> list[Exchange]:
    """Leave out what was sent while another try was under way: those are several clients'."""
    turns: list[Exchange] = []
    for one in tries:
        if not turns or turns[-1].precedes(one):
            turns.append(one)
    return turns


def _for_ever(talk: Talk) -> Iterator[Breach]:
    most = (talk.claim.max_attempts if talk.claim is not None else 0) or _MOST_SUBMITS
    for tries in talk.attempts():
        if tries[0].part not in ("submit", "media"):
            continue  # a job that was accepted may be asked for until the deadline
        for passing, group in groupby(_in_turn(tries), key=lambda one: one.passing):
            run = list(group)
            if passing and len(run) > most:
                yield Breach(f"{len(run)} tries in a row; {most} are enough", (run[0], run[-1]))


def _refused(*kinds: str) -> Callable[[Talk], bool]:
    return lambda talk: any(one.kinds & set(kinds) for one in talk.calls if not one.broken)


RULES = (
    Rule(
        "ignored-retry-after",
        Severity.MUST,
        "Pixazo and WaveSpeed, 429: Retry-After; Segmind, 429: x-rate-limit-reset-at-utc; RFC 9110, 10.2.3",
        "Wait at least as long as Retry-After says, a number of seconds or an HTTP date.",
        _came_back_early,
        premise=lambda talk: any(one.wait is not None and one.wait > one.ends for one in talk.calls),
        timed=True,  # the end of an answer is noted after it was sent, and later on a busy machine
    ),
    Rule(
        "no-backoff",
        Severity.SHOULD,
        "assumed: what every provider that limits rates asks of its clients",
        "Where no time is told, wait by yourself, longer after each refusal.",
        _no_backoff,
        premise=lambda talk: any(one.status == 429 and one.wait is None for one in talk.calls),
        timed=True,
    ),
    Rule(
        "retried-insufficient-balance",
        Severity.MUST,
        "Pixazo, 402 Insufficient Balance; Segmind, 406 Insufficient Credits",
        "Do not submit again for want of money: only a top-up helps.",
        _paid_again,
        premise=_refused("insufficient_balance"),
    ),
    Rule(
        "retried-refusal",
        Severity.MUST,
        "RFC 9110, 15.5: 4xx is the client's mistake",
        "Do not repeat a call that was refused for what it is: it will not get better.",
        _refused_again,
        premise=_refused("auth", "validation", "not_found"),
        timed=True,  # polls that the client gave up may all be read, and refused, at once
    ),
    Rule(
        "submitted-twice",
        Severity.MUST,
        "no provider documents an idempotency key, so every POST is taken for a new job (assumed)",
        "Submit again only when it is certain that no job was made: after a 429, or when nothing was sent.",
        _submitted_twice,
        premise=lambda talk: bool(talk.jobs),
    ),
    Rule(
        "gave-up-on-transient-error",
        Severity.MUST,
        "RFC 9110, 15.6: 5xx is the server's failure; Pixazo and WaveSpeed, 429: try again",
        "Try again after 429, 5xx and broken answers; the job is not lost.",
        _gave_up,
        premise=lambda talk: any(one.passing for one in talk.calls),
        timed=True,
    ),
    Rule(
        "unbounded-retries",
        Severity.MUST,
        "assumed: a caller waits for an answer, whatever it is",
        "Give up after a few tries (the max_attempts you declare) and say why.",
        _for_ever,
        premise=lambda talk: any(one.passing for one in (*talk.submits, *talk.of("media"))),
    ),
)
