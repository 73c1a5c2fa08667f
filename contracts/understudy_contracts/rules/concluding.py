"""Rules about what a client concludes. Most need its claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from understudy_contracts.findings import Severity, counted
from understudy_contracts.rules.rule import PROTOCOL, Breach, Rule, Topic
from understudy_contracts.rules.talk import Talk
from understudy_mock.redaction import SHORTEST


def _failure_for_success(talk: Talk) -> Iterator[Breach]:
    if talk.claim is None or talk.claim.outcome != "completed":
        return
    end = talk.end
    if talk.job is None:
        yield Breach("the client says completed, but no job was ever made", tuple(talk.submits[-1:]))
    elif end is not None and end.view is not None and end.view.end == "FAILED":
        yield Breach(
            f"the client says completed, but the job's status was {end.view.word or 'failed'}", (end,)
        )


def _unfinished_for_finished(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or talk.end is not None:
        return
    if claim.outcome == "completed" or (claim.outcome == "failed" and claim.error_kind == "job_failed"):
        last = [call for call in job.answers if not call.view or not call.view.end][-1:]
        if last or claim.outcome == "completed":
            word = last[0].view.word if last and last[0].view is not None else "nothing"
            yield Breach(
                f"the client says {claim.outcome}, but the last status of the job was {word}", tuple(last)
            )


def _choked(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, talk.last
    if claim is None or last is None or claim.outcome not in ("failed", "rejected"):
        return
    end = talk.end
    if claim.error_kind == "job_failed" and end is not None and end.view is not None:
        if end.view.end == "COMPLETED":
            yield Breach("the client says that the job failed, but its status was completed", (end,))
    elif claim.error_kind != "job_failed" and last.good:
        heard = [call for call in talk.callbacks if call.begins > last.begins]
        text = f"the client says {claim.outcome} ({claim.error_kind or 'no kind'}), but nothing was wrong"
        yield Breach(text, (last, *heard[-1:]))


_DIED = "Find out why it ended: no answer was bad. Its caller gets no conclusion, and not the job's id."


def _hung_up(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, talk.last
    if claim is None or last is None or claim.outcome not in ("failed", "rejected") or not last.hung_up:
        return
    sync = last.part == "submit" and claim.mode == "sync"
    what = "the synchronous submit" if sync else f"the {last.part}"
    text = f"the client hung up before the answer to {what} came, and says {claim.outcome}"
    advice = "Give a synchronous submit the time of the whole job: its answer is the result."
    yield Breach(text, (last,), advice=advice if sync else "")


_RAISED = "the client raised"
_ENDS = ("the client ended", _RAISED)
"""How the text begins of what went wrong at the release, unless it broke the protocol."""


def _crashed(talk: Talk) -> Iterator[Breach]:
    claim, proof = talk.claim, tuple(talk.exchanges[-1:])
    if claim is None:
        return
    if claim.outcome == "crashed":
        good = talk.last is None or talk.last.good
        yield Breach(claim.message or "the client ended", proof, advice=_DIED if good else "")
    elif claim.outcome == "adapter_error":
        text = f"the adapter answered adapter_error: {claim.message or 'it does not say why'}"
        advice = "Look at the exception, the adapter's own or the library's: the adapter did not expect it."
        yield Breach(text, proof, source=f"{PROTOCOL}, result", advice=advice)
    elif claim.left.startswith(_ENDS):
        advice = "Do not exit before stdin ends: the next case comes after `release`."
        if claim.left.startswith(_RAISED):
            advice = "Catch what can go wrong at the release: the next case comes after it."
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
            noise = f"; {talk.claim.message}" if talk.claim.message else ""
            yield Breach(
                f"the client came to no conclusion within its time{noise}", tuple(talk.exchanges[-1:])
            )
        return
    for job in talk.jobs.values():
        if job.end is None and job.polls and not job.polls[-1].transient and job.known:
            text = f"the client stopped polling job {job.id} before it ended"
            yield Breach(text, (job.polls[-1],), Severity.INFO)


def _wrong_output(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or claim.outcome != "completed" or talk.end is None:
        return
    foreign = [output.url for output in claim.media if output.url and job.urls and output.url not in job.urls]
    if foreign:
        yield Breach(f"{foreign[0][:200]} is not a file of this job", (talk.end,))
        return
    spoilt = [
        output
        for output in claim.media
        if output.sha256 and claim.digests and output.sha256 not in claim.digests
    ]
    if spoilt:
        last = job.media[-1:]
        empty = bool(last) and last[0].entry.method == "GET" and not last[0].entry.response_size
        advice = "An empty file is none, whatever its HTTP status. Download it again." if empty else ""
        yield Breach("the downloaded file is not the one that the job made", tuple(last), advice=advice)


def _missed_outputs(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or claim.outcome != "completed" or talk.end is None:
        return
    files = max(len(job.urls), 1)
    if len(claim.media) < files and talk.end.view is not None and talk.end.view.end == "COMPLETED":
        made = counted(files, "file")
        text = f"the job made {made}, the client returned {len(claim.media)}"
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
            f"the client returned the job id {claim.job_id!r}, which is not the provider's"
            if claim.job_id
            else "the client returned no job id"
        )
        yield Breach(text, tuple(job.submits[:1]))


def _wrong_kind(talk: Talk) -> Iterator[Breach]:
    claim, last = talk.claim, talk.last
    if claim is None or last is None or claim.outcome not in ("rejected", "failed") or last.hung_up:
        return
    fitting = claim.kinds or last.error_kinds
    if last.view is not None and last.view.end == "FAILED":
        fitting = frozenset({"job_failed"}) | (last.error_kinds if last.part == "submit" else frozenset())
    elif claim.error_kind == "job_failed" and not last.error_kinds:
        return
    if fitting and claim.error_kind not in fitting:
        kind = f"calls it {claim.error_kind}" if claim.error_kind else "names no error kind"
        right = " or ".join(sorted(fitting))
        yield Breach(f"after {last.answer} the client {kind}; right is {right}", (last,), about="error")


def _key_in_error(talk: Talk) -> Iterator[Breach]:
    claim = talk.claim
    # A short key may appear there by chance.
    if claim is not None and len(claim.key) >= SHORTEST and claim.key in claim.message:
        yield Breach("the client's error text contains the key", tuple(talk.calls[-1:]))


def _end(word: str) -> Callable[[Talk], bool]:
    def has_ended(talk: Talk) -> bool:
        end = talk.end
        return end is not None and end.view is not None and end.view.end == word

    return has_ended


def _is_unfinished_at_first(talk: Talk) -> bool:
    at_once = any(call.view is not None and call.view.end for call in talk.submits)
    return bool(talk.jobs) and not at_once


def _ends_wrong(talk: Talk) -> bool:
    return talk.last is not None and bool(talk.last.error_kinds)


RULES = (
    Rule(
        "took-failure-for-success",
        Severity.MUST,
        Topic("ends"),
        "Look at the job's status, not at HTTP 200.",
        _failure_for_success,
        premise=_end("FAILED"),
        of_claim=True,
    ),
    Rule(
        "took-unfinished-for-finished",
        Severity.MUST,
        Topic("ends"),
        "A job has ended only when its status is a documented end. Progress callbacks are not.",
        _unfinished_for_finished,
        premise=_is_unfinished_at_first,
        of_claim=True,
        assumed="that an unknown status is no end",
    ),
    Rule(
        "choked-on-good-answer",
        Severity.MUST,
        "the documentation's own variants (`understudy quirks`); that new fields may appear is assumed",
        "Ignore unknown fields, and accept every documented form.",
        _choked,
        premise=lambda talk: talk.last is not None and not talk.last.error_kinds,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "hung-up-too-soon",
        Severity.MUST,
        "assumed: an answer that comes slowly, or that waits for the job, is an answer",
        "Give a request the time that its answer takes, and try again after your own timeout.",
        _hung_up,
        premise=lambda talk: talk.last is not None,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "broke-the-protocol",
        Severity.MUST,
        f"{PROTOCOL}, result and release",
        "Fix the adapter: each answer is one line of JSON with the id of the request and the right type.",
        _misspoke,
        of_claim=True,
        harmless=True,
    ),
    Rule(
        "crashed",
        Severity.MUST,
        "assumed: proxies answer in HTML, or not at all, and the caller wants to know that",
        "Check status and content type before you parse, and catch the errors of parsing.",
        _crashed,
        of_claim=True,
    ),
    Rule(
        "never-finished",
        Severity.MUST,
        "assumed: no document promises that a job ends",
        "Set a deadline, and a shorter timeout for each request.",
        _never_finished,
        premise=lambda talk: talk.claim is not None or bool(talk.of("poll")),
        timed=True,
        of_end=True,
    ),
    Rule(
        "wrong-output",
        Severity.MUST,
        "the providers' documentation of results: where the files are",
        "Return the addresses of the final answer unchanged, and check downloads against Content-Length.",
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
        "assumed: only its id finds a job that was paid for",
        "Return the job's id with every conclusion, so that the job can be looked up later.",
        _no_job_id,
        premise=lambda talk: talk.job is not None and talk.job.known,
        of_claim=True,
        harmless=True,
    ),
    Rule(
        "wrong-error-kind",
        Severity.MUST,
        f"{PROTOCOL}, result: kinds",
        "Say what the caller can do: fix the request, the key or the balance, or wait.",
        _wrong_kind,
        premise=_ends_wrong,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "key-in-error-text",
        Severity.MUST,
        "assumed: error texts end up in logs",
        "Remove the key from every text: other people read logs and tickets.",
        _key_in_error,
        premise=_ends_wrong,
        of_claim=True,
        harmless=True,
    ),
)
