"""Check a user's receiver of callbacks: post callbacks of every kind to it, good and bad ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from understudy_contracts.callback_inbox import Callback, Receiver
from understudy_contracts.findings import Case, Finding, Outcome, Severity, outcome_of
from understudy_contracts.receiver.posts import (
    AS_SENT,
    KINDS,
    RECEIVED,
    UNSIGNED,
    Kind,
    Post,
    Wanted,
    as_sent,
    drawn,
    spoiled,
)
from understudy_contracts.rules.rule import text_of
from understudy_contracts.server.again import again
from understudy_contracts.server.gateway import open_gateway
from understudy_contracts.server.lifecycle import subjects
from understudy_contracts.server.phases import INTERRUPTED
from understudy_contracts.server.promises.base import calls_back
from understudy_contracts.server.promises.webhooks import callbacks_sent
from understudy_contracts.server.spec import Api
from understudy_contracts.server.wire import Exchange, Http, Unanswered
from understudy_mock.catalog.bundle import follow
from understudy_mock.webhooks.sender import TIMEOUT
from understudy_mock.wording import shipped

_CRASH = Kind(
    "receiver-crashes",
    "any callback",
    "No callback crashes the receiver or makes it slow.",
    Wanted.SURVIVED,
    Severity.MUST,
    RECEIVED,
)
_PATIENCE = TIMEOUT / 1000
"""Real seconds in which a receiver has to answer a callback: as long as the gateway waits."""

_LONGEST = 60.0
"""Real seconds after which nothing more is posted: a slow receiver has shown enough."""

_MOST_READ = 1024 * 1024
"""Bytes of a receiver's answer that are read: only its status counts."""

_BEHIND = (400, 401, 403)
"""How a receiver refuses a signature."""

_MADE_UP = "every callback was refused with {}: signatures are made up here, so nothing was reached"

_UNKNOWN = "every callback was answered 404: no handler is there, or it knows only its own jobs"


class Absent(Exception):
    """Nothing listens where the receiver should be."""


def documented_callback(api: Api) -> dict[str, Any]:
    """Return how the document describes the provider's callback. Raises LookupError."""
    for operation in api.submits:
        for callback in api.catalog.declared(operation).get("callbacks", {}).values():
            for item in follow(api.document, callback).values():
                request: dict[str, Any] = item["post"]
                return request
    raise LookupError(f"{api.provider} documents no callbacks")


@dataclass
class _Seen:
    """The answers to the posted callbacks. `ended` is why the check stopped early, "" if it did not."""

    answers: dict[str, list[Exchange]] = field(default_factory=dict)
    crashes: dict[str, tuple[Post, str]] = field(default_factory=dict)
    ended: str = ""
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def posted(self) -> int:
        """How many were answered."""
        return sum(map(len, self.answers.values()))


def check_receiver(
    url: str, api: Api, *, seed: int, examples: int, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Case]:
    """Post real callbacks to a receiver, `examples` others like them, and ones that no provider sends.

    Raises Absent where nothing listens, and KeyboardInterrupt after the cases of a run that was cut short.
    """
    seen = _Seen()
    wire = Http(url, _MOST_READ)
    try:
        with closing(_posts(api, seed, examples, progress)) as posts:
            for post in posts:
                _post(wire, url, post, seen)
                if seen.ended:
                    break
    except KeyboardInterrupt:
        seen.ended, seen.interrupted = INTERRUPTED, True
    finally:
        wire.close()
    group = f"{api.provider} callbacks"
    signs = api.wording.signs
    seconds = seen.seconds / (len(KINDS) + 1)
    for kind in KINDS:
        if kind.wanted is not Wanted.SURVIVED and (signs or kind is not UNSIGNED):
            yield _judge(group, url, kind, seen, seconds, signs=signs)
    yield _uncrashed(group, url, seen, seconds)
    if seen.interrupted:
        raise KeyboardInterrupt


def _posts(
    api: Api, seed: int, examples: int, progress: Callable[[str], None]
) -> Generator[Post, None, None]:
    """Make the callbacks, the most important first: the time of a slow receiver is soon used up."""
    wording, random = api.wording, Random(seed)
    every: list[Callback] = []
    target = open_gateway(seed=seed, catalog=api.catalog, mount=api.mount)
    receiver = Receiver()
    try:
        for subject in subjects(target, [api], receiver):
            if not calls_back(api, subject.operation):
                continue
            progress(f"{api.provider} callbacks: of {subject.operation.id}")
            sent = callbacks_sent(subject)
            yield from as_sent(sent)
            if not every:
                yield from spoiled(sent, wording, random)
            every += sent
    finally:
        receiver.close()
        target.close()
    progress(f"{api.provider} callbacks: drawn ones")
    yield from islice(drawn(every, wording, random), examples)


def _post(wire: Http, url: str, post: Post, seen: _Seen) -> None:
    began = time.perf_counter()
    try:
        exchange = wire.send("POST", url, post.headers, post.body, _PATIENCE)
    except Unanswered as problem:
        if problem.absent:
            if not seen.posted and not seen.crashes:
                raise Absent(str(problem)) from None
            seen.ended = "the receiver no longer listens"
        said = seen.ended or "the connection was closed"
        if problem.late:
            said = f"no answer within {_PATIENCE:g} s"
        elif problem.endless:
            said = f"an answer of more than {_MOST_READ // 1024} KB"
        seen.crashes.setdefault(post.kind.id, (post, said))
        if problem.late or problem.endless:
            seen.ended = said  # each one more would take as long
        return
    seen.seconds += time.perf_counter() - began
    seen.answers.setdefault(post.kind.id, []).append(exchange)
    if exchange.status >= 500:
        seen.crashes.setdefault(post.kind.id, (post, f"answered {exchange.status}"))
    if seen.seconds > _LONGEST:
        a_post = seen.seconds / seen.posted
        seen.ended = f"the receiver takes {a_post:.1f} s for a callback, and the {_LONGEST:g} s are used up"


def _judge(group: str, url: str, kind: Kind, seen: _Seen, seconds: float, *, signs: bool) -> Case:
    answers = seen.answers.get(kind.id, [])
    reason = _why_all_refused(seen, signs=signs)
    if reason and kind.wanted is Wanted.TAKEN and answers:
        return Case(group, kind.promise, Outcome.NOT_REACHED, seconds, reason=reason)
    wrong = next((one for one in answers if not _is_well(kind, one.status)), None)
    findings: tuple[Finding, ...] = ()
    if wrong is not None:
        said = f"{kind.words} was answered {wrong.status}"
        findings = (_finding(kind, said, url, wrong),)
    elif kind.wanted is Wanted.TAKEN and kind.id in seen.crashes:
        post, said = seen.crashes[kind.id]
        lost = Exchange("POST", url, post.headers, post.body, 0)
        findings = (_finding(kind, f"{kind.words}: {said}", url, lost),)
    if findings:
        return Case(group, kind.promise, outcome_of(findings), seconds, findings)
    if seen.ended or not answers:
        before = f"; the {len(answers)} before were right" if answers else ""
        reason = f"{seen.ended or 'none was answered'}{before}" if not seen.interrupted else INTERRUPTED
        return Case(group, kind.promise, Outcome.NOT_REACHED, seconds, reason=reason)
    if reason and kind is not UNSIGNED:
        return Case(group, kind.promise, Outcome.NOT_REACHED, seconds, reason=reason)
    return Case(group, kind.promise, Outcome.PASSED, seconds)


def _is_well(kind: Kind, status: int) -> bool:
    if kind.wanted is Wanted.TAKEN:
        return 200 <= status < 300
    return kind.wanted is Wanted.SURVIVED or not 200 <= status < 300


def _why_all_refused(seen: _Seen, *, signs: bool) -> str:
    """Return why a receiver that refuses every real callback may be right; "" where it is not."""
    statuses = {one.status for one in seen.answers.get(AS_SENT.id, ())}
    if statuses == {404}:
        return _UNKNOWN
    # A signature of ours may be refused: the secret is not the user's.
    if signs and len(statuses) == 1 and statuses <= set(_BEHIND):
        return _MADE_UP.format(*statuses)
    return ""


def _uncrashed(group: str, url: str, seen: _Seen, seconds: float) -> Case:
    if seen.crashes:
        by_id = {kind.id: kind for kind in KINDS}
        places: dict[str, list[str]] = {}
        for kind, (_, said) in seen.crashes.items():
            places.setdefault(said, []).append(by_id[kind].words)
        crashes = "; ".join(f"{said} at {', '.join(words)}" for said, words in places.items())
        (post, _), *_ = seen.crashes.values()
        wrong = next((one for one in seen.answers.get(post.kind.id, ()) if one.status >= 500), None)
        lost = wrong or Exchange("POST", url, post.headers, post.body, 0)
        finding = _finding(_CRASH, crashes, url, lost)
        return Case(group, _CRASH.promise, Outcome.FAILED, seconds, (finding,))
    if seen.interrupted or seen.ended:
        return Case(group, _CRASH.promise, Outcome.NOT_REACHED, seconds, reason=seen.ended)
    return Case(group, _CRASH.promise, Outcome.PASSED, seconds)


def _finding(kind: Kind, said: str, url: str, one: Exchange) -> Finding:
    return Finding(
        id=kind.id,
        severity=kind.severity,
        source=text_of(kind.source, shipped()),
        expected=kind.promise,
        seen=said,
        subject=url,
        evidence=(str(one) if one.status else f"POST {url} -> no answer",),
        curl=again(one.curl, base_url=url),
    )
