"""Rules about what a client concludes. All but a few need its claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from understudy_contracts.findings import Severity, counted
from understudy_contracts.rules.rule import ENDS, PROTOCOL, Breach, Rule
from understudy_contracts.rules.talk import Talk
from understudy_mock.redaction import SHORTEST


def _failure_for_success(talk: Talk) -> Iterator[Breach]:
    if talk.claim is None or talk.claim.outcome != "completed":
        return
    end = talk.end
    if talk.job is None:
        yield Breach("says completed, and no job was ever made", tuple(talk.submits[-1:]))
    elif end is not None and end.told is not None and end.told.end == "FAILED":
        yield Breach(f"says completed, and the job was told to be {end.told.word or 'failed'}", (end,))


def _unfinished_for_finished(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or talk.end is not None:
        return
    if claim.outcome == "completed" or (claim.outcome == "failed" and claim.error_kind == "job_failed"):
        last = [one for one in job.telling if not one.told or not one.told.end][-1:]
        if last or claim.outcome == "completed":
            word = last[0].told.word if last and last[0].told is not None else "nothing"
            yield Breach(f"says {claim.outcome}, and all that was told of the job is {word}", tuple(last))


def _choked(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, talk.last
    if claim is None or last is None or claim.outcome not in ("failed", "rejected"):
        return
    end = talk.end
    if claim.error_kind == "job_failed" and end is not None and end.told is not None:
        if end.told.end == "COMPLETED":
            yield Breach("says that the job failed, and it was told to be completed", (end,))
    elif claim.error_kind != "job_failed" and last.good:
        heard = [one for one in talk.callbacks if one.begins > last.begins]
        text = f"says {claim.outcome} ({claim.error_kind or 'no kind'}) where nothing was wrong"
        yield Breach(text, (last, *heard[-1:]))


_DIED = (
    "Find out why it ended, as no answer was bad: its caller is left without a conclusion, or the job's id."
)


def _hung_up(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, talk.last
    if claim is None or last is None or claim.outcome not in ("failed", "rejected") or not last.hung_up:
        return
    sync = last.part == "submit" and claim.mode == "sync"
    what = "the synchronous submit" if sync else f"the {last.part}"
    text = f"hung up before the answer to {what} was there, and says {claim.outcome}"
    advice = "Give a synchronous submit as long as the whole job may take: its answer is the result."
    yield Breach(text, (last,), advice=advice if sync else "")


_RAISED = "the client raised"
_ENDS = ("the client ended", _RAISED)
"""How what went wrong at the release begins, where it was no word that the protocol does not know."""


def _crashed(talk: Talk) -> Iterator[Breach]:
    claim, proof = talk.claim, tuple(talk.exchanges[-1:])
    if claim is None:
        return
    if claim.outcome == "crashed":
        good = talk.last is None or talk.last.good
        yield Breach(claim.message or "the client ended", proof, advice=_DIED if good else "")
    elif claim.outcome == "adapter_error":
        text = f"the adapter answered adapter_error: {claim.message or 'it does not say why'}"
        advice = "Look at the exception: the adapter did not expect it, be it its own or the library's."
        yield Breach(text, proof, source=f"{PROTOCOL}, result", advice=advice)
    elif claim.left.startswith(_ENDS):
        advice = "Stay until stdin ends: after `release` comes the next case."
        if claim.left.startswith(_RAISED):
            advice = "Catch what can go wrong when a case is let go of: the next one comes after it."
        text = f"at release, {claim.left}"
        yield Breach(text, proof, source=f"{PROTOCOL}, release", advice=advice)


def _misspoke(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, tuple(talk.exchanges[-1:])
    if claim is None:
        return
    if claim.outcome == "misspoke":
        yield Breach(claim.message, last)
    elif claim.left and not claim.left.startswith(_ENDS):
        yield Breach(f"at release: {claim.left}", last)


def _never_finished(talk: Talk) -> Iterator[Breach]:
    if talk.claim is not None:
        if talk.claim.outcome == "none":
            said = f"; {talk.claim.message}" if talk.claim.message else ""
            yield Breach(f"came to no conclusion within its time{said}", tuple(talk.exchanges[-1:]))
        return
    for job in talk.jobs.values():
        if job.end is None and job.polls and not job.polls[-1].passing and job.known:
            text = f"job {job.id} was left before its end was told"
            yield Breach(text, (job.polls[-1],), Severity.INFO)


def _wrong_output(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or claim.outcome != "completed" or talk.end is None:
        return
    foreign = [one.url for one in claim.media if one.url and job.urls and one.url not in job.urls]
    if foreign:
        yield Breach(f"{foreign[0][:200]} is no file of this job", (talk.end,))
        return
    spoilt = [one for one in claim.media if one.sha256 and claim.digests and one.sha256 not in claim.digests]
    if spoilt:
        last = job.media[-1:]
        empty = bool(last) and last[0].entry.method == "GET" and not last[0].entry.response_size
        advice = "A file of no bytes is none, whatever its status says: ask for it again." if empty else ""
        yield Breach("what was fetched is not the file that the job made", tuple(last), advice=advice)


def _missed_outputs(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or claim.outcome != "completed" or talk.end is None:
        return
    files = max(len(job.urls), 1)
    if len(claim.media) < files and talk.end.told is not None and talk.end.told.end == "COMPLETED":
        made = counted(files, "file")
        text = (
            f"the job made {made}, {len(claim.media)} {'was' if len(claim.media) == 1 else 'were'} returned"
        )
        yield Breach(text, (talk.end,), about="outputs")


def _no_job_id(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or not job.known:
        return
    ended = claim.outcome in ("completed", "timeout") or (
        claim.outcome == "failed" and claim.error_kind == "job_failed"
    )
    if ended and claim.job_id not in talk.jobs:
        text = (
            f"the job id {claim.job_id!r} is not the one that was told" if claim.job_id else "tells no job id"
        )
        yield Breach(text, tuple(job.submits[:1]))


def _wrong_kind(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, talk.last
    if claim is None or last is None or claim.outcome not in ("rejected", "failed") or last.hung_up:
        return
    fitting = claim.kinds or last.kinds
    if last.told is not None and last.told.end == "FAILED":
        fitting = frozenset({"job_failed"}) | (last.kinds if last.part == "submit" else frozenset())
    elif claim.error_kind == "job_failed" and not last.kinds:
        return
    if fitting and claim.error_kind not in fitting:
        kind = f"says {claim.error_kind}" if claim.error_kind else "names no error kind"
        yield Breach(f"{kind} of {last.answer}; it is {' or '.join(sorted(fitting))}", (last,), about="error")


def _key_in_error(talk: Talk) -> Iterator[Breach]:
    claim = talk.claim
    # A short one may stand there by chance.
    if claim is not None and len(claim.key) >= SHORTEST and claim.key in claim.message:
        yield Breach("the error text holds the key", tuple(talk.calls[-1:]))


def _end(word: str) -> Callable[[Talk], bool]:
    def is_told(talk: Talk) -> bool:
        end = talk.end
        return end is not None and end.told is not None and end.told.end == word

    return is_told


def _is_unfinished_at_first(talk: Talk) -> bool:
    at_once = any(one.told is not None and one.told.end for one in talk.submits)
    return bool(talk.jobs) and not at_once


def _ends_wrong(talk: Talk) -> bool:
    return talk.last is not None and bool(talk.last.kinds)


RULES = (
    Rule(
        "took-failure-for-success",
        Severity.MUST,
        ENDS,
        "Go by the job's status, not by HTTP 200.",
        _failure_for_success,
        premise=_end("FAILED"),
        of_claim=True,
    ),
    Rule(
        "took-unfinished-for-finished",
        Severity.MUST,
        ENDS,
        "Only what the provider names an end is one; anything else, progress callbacks included, is not.",
        _unfinished_for_finished,
        premise=_is_unfinished_at_first,
        of_claim=True,
        assumed="that an unknown status is no end",
    ),
    Rule(
        "choked-on-good-answer",
        Severity.MUST,
        "the documentation's own variants (`understudy quirks`); that unknown fields may come is assumed",
        "Ignore what you do not know, and take every documented form.",
        _choked,
        premise=lambda talk: talk.last is not None and not talk.last.kinds,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "hung-up-too-soon",
        Severity.MUST,
        "assumed: an answer that dribbles in, or that waits for the job, is an answer",
        "Give a request the time that its answer takes, and try again after a timeout of your own.",
        _hung_up,
        premise=lambda talk: talk.last is not None,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "broke-the-protocol",
        Severity.MUST,
        f"{PROTOCOL}, result and release",
        "Mend the adapter: each answer is one line of JSON with the id and the type that are asked for.",
        _misspoke,
        of_claim=True,
        harmless=True,
    ),
    Rule(
        "crashed",
        Severity.MUST,
        "assumed: gateways answer in HTML, or not at all, and the caller wants to know",
        "Look at status and type before you parse, and catch what parsing raises.",
        _crashed,
        of_claim=True,
    ),
    Rule(
        "never-finished",
        Severity.MUST,
        "assumed: no document promises that a job ends",
        "Have a deadline, and a timeout for each request that is shorter.",
        _never_finished,
        premise=lambda talk: talk.claim is not None or bool(talk.of("poll")),
        timed=True,
    ),
    Rule(
        "wrong-output",
        Severity.MUST,
        "the providers' documentation of results: where the files are",
        "Return the addresses of the final answer as they stand, and compare what came with Content-Length.",
        _wrong_output,
        premise=_end("COMPLETED"),
        of_claim=True,
    ),
    Rule(
        "missed-outputs",
        Severity.MUST,
        "the providers' documentation of results: lists of files",
        "Return every file, in order.",
        _missed_outputs,
        premise=_end("COMPLETED"),
        of_claim=True,
    ),
    Rule(
        "no-job-id",
        Severity.MUST,
        "assumed: a job that was paid for can be found only by its id",
        "Tell the job's id with every conclusion, so that it can be looked up later.",
        _no_job_id,
        premise=lambda talk: talk.job is not None and talk.job.known,
        of_claim=True,
        harmless=True,
    ),
    Rule(
        "wrong-error-kind",
        Severity.MUST,
        f"{PROTOCOL}, result: kinds",
        "Tell apart what the caller can do about it: fix the request, the key, the balance, or wait.",
        _wrong_kind,
        premise=_ends_wrong,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "key-in-error-text",
        Severity.MUST,
        "assumed: what stands in an error ends in logs",
        "Take the key out of every text: logs and tickets are read by others.",
        _key_in_error,
        premise=_ends_wrong,
        of_claim=True,
        harmless=True,
    ),
)
