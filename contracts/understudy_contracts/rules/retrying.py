"""Rules about trying again: when to, when not to, how long to wait, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise

from understudy_contracts.findings import Severity, counted
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.rule import Breach, Rule, Topic
from understudy_contracts.rules.talk import Talk, purpose
from understudy_mock.domain.timeline import State

_RETRY_AFTER = "RFC 9110, 10.2.3"
"""Where the header is from."""

_AT_ONCE = 50
"""ms below which a retry did not wait. Jitter can make one wait that short, but hardly two in a row."""

_TRIES = 3
"""Equal calls that count as one client's retries, where there may be several: two may be two clients."""

_MOST_SUBMITS = 10
"""Refused submits in a row that are too many for a client that declares no max_attempts (assumed)."""

_ENOUGH = 3
"""Transient errors in a row after which a client may give up (assumed)."""


def _came_back_early(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        if not all(call.is_timed for call in tries):
            continue
        polls = tries[0].part in ("poll", "result")
        for call, again in _polled_early(tries, talk.alone) if polls else _tried_early(tries):
            assert call.wait is not None  # without a time nothing is early
            yield _against_the_clock(talk, call, again, call.wait - call.ends)


def _polled_early(tries: list[Exchange], alone: bool) -> Iterator[tuple[Exchange, Exchange]]:
    """Pair answers that named a time with a poll that came before it.

    Another client may poll once in between.
    """
    for call in tries:
        early = [again for again in tries if call.is_early(again)]
        if len(early) > (0 if alone else 1):
            yield call, early[0 if alone else 1]


def _tried_early(tries: list[Exchange]) -> list[tuple[Exchange, Exchange]]:
    """Pair answers that named a time with submits, or downloads, that came before it.

    Several clients may make the same call at the same time. A client that comes early after another's
    refusal has ignored nothing, and each comes back in time. So the early calls that count are as many as the
    refusals to which nobody came back.
    """
    waiting: list[Exchange] = []
    early = []
    for again in tries:
        refused = [call for call in waiting if call.precedes(again)]
        patient = [call for call in refused if not call.is_early(again)]
        if patient:
            waiting.remove(patient[0])
        elif refused:
            early.append((refused[-1], again))
        if again.wait is not None and again.wait > again.ends:
            waiting.append(again)
    return early[: len(waiting)]


def _against_the_clock(talk: Talk, call: Exchange, again: Exchange, wait: float) -> Breach:
    """Return the breach of a call that came too early, with the header and the document that says so."""
    text = (
        f"the client came back after {again.begins - call.ends:.0f} ms; "
        f"{call.wait_header} of HTTP {call.entry.status} said to wait {wait:.0f} ms"
    )
    severity = _doubtful(talk, call, again)
    source, advice = "", ""
    if call.wait_header != "Retry-After":
        source = Topic("come_back").at(talk.wordings, call.entry.provider)
        advice = f"Wait until the instant in {call.wait_header}. It is in UTC; there is no Retry-After."
    elif call.reads.retry_header != "retry-after":
        source = _RETRY_AFTER
    return Breach(text, (call, again), severity, source, _advice(severity) or advice)


def _no_backoff(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        for limited, run in groupby(tries, key=lambda call: call.status == 429 and call.wait is None):
            if not limited:
                continue
            refused = list(run)
            following = [call for call in tries if refused[-1].precedes(call)][:1]
            pauses = [call.pause_before(again) for call, again in pairwise([*refused, *following])]
            if len(pauses) > 1 and all(pause is not None and pause < _AT_ONCE for pause in pauses):
                waits = ", ".join(f"{pause:.0f}" for pause in pauses if pause is not None)
                proof = (*refused, *following)[:_TRIES]
                severity = _doubtful(talk, *refused, *following)
                text = f"the client did not wait between {len(pauses) + 1} tries: {waits} ms"
                yield Breach(text, proof, severity, advice=_advice(severity))


def _paid_again(talk: Talk) -> Iterator[Breach]:
    for call, again, severity in _repeated(talk, lambda call: call.error_kinds == {"insufficient_balance"}):
        if call.part == "submit":
            text = f"the client submitted again after {call.answer}, which means too little money"
            yield Breach(text, (call, again), severity, advice=_advice(severity))


def _refused_again(talk: Talk) -> Iterator[Breach]:
    for call, again, severity in _repeated(talk, _is_refusal):
        yield Breach(
            f"the client repeated the same call after {call.answer}",
            (call, again),
            severity,
            advice=_advice(severity),
            about="error",
        )


def _is_refusal(call: Exchange) -> bool:
    refused = call.error_kinds & {"auth", "validation", "not_found"} and call.wait is None and not call.broken
    # A page instead of JSON comes from a proxy, and proxies recover. But a submit may have been refused
    # by the provider's gateway, which answers with pages, too.
    by_provider = call.part == "submit" or call.body is not None
    # A status that tells of a failed job is an end, not a refusal.
    return bool(refused) and by_provider and call.view is None and call.part != "media"


def _doubtful(talk: Talk, *calls: Exchange) -> Severity | None:
    """Return INFO for calls of several processes; None leaves the severity to the rule.

    They may be of one program that tries again, such as a script of curls, or of several, which do not know
    of each other.
    """
    processes = {call.entry.process for call in calls if call.entry.process}
    return Severity.INFO if len(processes) > 1 and not talk.alone else None


def _advice(severity: Severity | None) -> str:
    """Return the advice for a repetition that may be no fault; "" leaves that to the rule."""
    return "Nothing needs fixing if these are two programs. One program should not do so." if severity else ""


def _repeated(
    talk: Talk, refuses: Callable[[Exchange], bool]
) -> Iterator[tuple[Exchange, Exchange, Severity | None]]:
    """Return the calls that were repeated after a refusal, and the severity of each repetition.

    Where two calls may be those of two clients, each met the refusal once: that is only INFO.
    """
    for tries in talk.attempts():
        pairs = [(call, again) for call, again in pairwise(tries) if refuses(call) and call.precedes(again)]
        own = [pair for pair in pairs if not _doubtful(talk, *pair)]
        enough = talk.alone or len(own) >= _TRIES - 1
        for call, again in pairs:
            yield call, again, _doubtful(talk, call, again) if enough else Severity.INFO


def _submitted_twice(talk: Talk) -> Iterator[Breach]:
    for tries in talk.attempts():
        made = [call for call in tries if call.part == "submit" and call.job]
        for call, again in pairwise(made):
            # Without a claim nobody knows that one job was wanted. Two are suspect if the first looked lost;
            # otherwise, or at the same time, they may be two variations.
            lost = (call.broken or call.status >= 500) and call.precedes(again)
            if (talk.claim is not None or lost) and _costs(talk, call) is not False:
                both = _costs(talk, call) and _costs(talk, again)
                money = ", and both are charged" if both else ""
                text = f"the client sent the same submit twice, which made two jobs{money}"
                severity = _doubtful(talk, call, again)
                yield Breach(text, (call, again), severity, advice=_advice(severity))


def _costs(talk: Talk, call: Exchange) -> bool | None:
    """Return whether the job of a submit is paid for; None where that is unknown."""
    if talk.charged is not None:
        return talk.charged(call.job)
    model = call.operation.model if call.operation is not None else None
    failed = call.view is not None and call.view.end == "FAILED"
    return False if failed and model is not None and State.FAILED in model.price.refunds else None


def _gave_up(talk: Talk) -> Iterator[Breach]:
    claim = talk.claim
    if claim is None:
        yield from _left_in_trouble(talk)
        return
    last = talk.last
    if claim.outcome not in ("failed", "rejected") or last is None or not last.transient or last.hung_up:
        return
    run = _transient_run(talk, last)
    if last.part == "submit":
        # After a 5xx or a lost answer a second submit could be a second job: giving up is right.
        if last.status == 429 and not last.broken and len(run) < 2:
            yield Breach("the client gave up after one 429, which made no job", (last,))
    elif len(run) < _ENOUGH:
        yield Breach(f"the client gave up after {counted(len(run), 'transient error')}", tuple(run))


def _left_in_trouble(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        if job.end is None and job.polls and job.polls[-1].transient:
            run = _transient_run(talk, job.polls[-1])
            if len(run) < _ENOUGH:
                text = f"the client did not poll job {job.id} again after a transient error"
                yield Breach(text, tuple(run), Severity.SHOULD)


def _transient_run(talk: Talk, last: Exchange) -> list[Exchange]:
    tries = [call for call in talk.calls if purpose(call) == purpose(last)]
    run: list[Exchange] = []
    for call in reversed(tries[: tries.index(last) + 1]):
        if not call.transient:
            break
        run.insert(0, call)
    return run


def _in_turn(tries: list[Exchange]) -> list[Exchange]:
    """Leave out calls that were sent while another try was going on: those are of several clients."""
    turns: list[Exchange] = []
    for call in tries:
        if not turns or turns[-1].precedes(call):
            turns.append(call)
    return turns


def _for_ever(talk: Talk) -> Iterator[Breach]:
    most = (talk.claim.max_attempts if talk.claim is not None else 0) or _MOST_SUBMITS
    for tries in talk.attempts():
        if tries[0].part not in ("submit", "media"):
            continue  # a job that was accepted may be asked for until the deadline
        for is_transient, group in groupby(_in_turn(tries), key=lambda call: call.transient):
            run = list(group)
            if is_transient and len(run) > most:
                text = f"the client tried {len(run)} times in a row; {most} are enough"
                severity = _doubtful(talk, *run)
                yield Breach(text, (run[0], run[-1]), severity, advice=_advice(severity))


def _refused(*kinds: str) -> Callable[[Talk], bool]:
    return lambda talk: any(
        call.error_kinds & set(kinds) for call in talk.calls if not call.broken and purpose(call) is not None
    )


RULES = (
    Rule(
        "ignored-retry-after",
        Severity.MUST,
        Topic("come_back", _RETRY_AFTER),
        "Wait at least as long as Retry-After says. It is a number of seconds or an HTTP date.",
        _came_back_early,
        premise=lambda talk: any(call.wait is not None and call.wait > call.ends for call in talk.calls),
        timed=True,  # a busy machine notes the end of an answer late
    ),
    Rule(
        "no-backoff",
        Severity.SHOULD,
        "assumed: what every provider that limits rates asks of its clients",
        "If no header says how long, back off by yourself: wait longer after each refusal.",
        _no_backoff,
        premise=lambda talk: any(call.status == 429 and call.wait is None for call in talk.calls),
        timed=True,
    ),
    Rule(
        "retried-insufficient-balance",
        Severity.MUST,
        Topic("balance"),
        "Do not resubmit when the balance is too low: only a top-up helps.",
        _paid_again,
        premise=_refused("insufficient_balance"),
    ),
    Rule(
        "retried-refusal",
        Severity.MUST,
        "RFC 9110, 15.5: 4xx is the client's mistake",
        "Do not repeat a call that was refused for its key, address or content: it will be refused again.",
        _refused_again,
        premise=_refused("auth", "validation", "not_found"),
        timed=True,  # abandoned polls may all be read, and refused, at once
    ),
    Rule(
        "submitted-twice",
        Severity.MUST,
        "no provider documents an idempotency key, so every POST counts as a new job (assumed)",
        "Submit again only if certainly no job was made: after a 429, or if nothing was sent.",
        _submitted_twice,
        premise=lambda talk: bool(talk.jobs),
    ),
    Rule(
        "gave-up-on-transient-error",
        Severity.MUST,
        Topic("come_back", "RFC 9110, 15.6: 5xx is the server's failure"),
        "Try again after 429, 5xx and broken answers. The job is not lost.",
        _gave_up,
        premise=lambda talk: any(call.transient for call in talk.calls),
        timed=True,
        of_end=True,
    ),
    Rule(
        "unbounded-retries",
        Severity.MUST,
        "assumed: a caller waits for an answer, whatever it is",
        "Give up after a few tries (the max_attempts that you declare) and say why.",
        _for_ever,
        premise=lambda talk: any(call.transient for call in (*talk.submits, *talk.of("media"))),
    ),
)
