"""Promises about where a job is and what polls say of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, pairwise

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.dialect import RANK, Dialect, View
from understudy_contracts.server.promises.base import Check, queued
from understudy_contracts.server.spec import Api
from understudy_contracts.server.stamps import is_after, read_stamp
from understudy_contracts.server.subject import Broken, NotReached, Subject, Walk
from understudy_contracts.server.wire import is_absolute
from understudy_mock.domain.model import Operation

_FIELDS = Topic("fields")
_POLLS = Topic("polls")
_LIFE = Topic("ends")
_SUBMIT = Topic("submit")


def _must_move(walks: list[Walk]) -> None:
    """Raise NotReached unless some job was seen in two states: else nothing of its life was seen."""
    if not any(len({view.word for _, view in walk.views}) > 1 for walk in walks):
        words = sorted({view.word for walk in walks for _, view in walk.views})
        raise NotReached(f"the job had only one state: {words[0]}" if words else "no poll returned a job")


def _must_end(walks: list[Walk]) -> None:
    """Raise NotReached unless some job was seen to end."""
    if all(walk.end is None for walk in walks):
        raise NotReached("no job ended during the check")


def _must_know(walks: list[Walk]) -> None:
    """Raise NotReached when a state is not documented: what it means is not known."""
    for walk in walks:
        for _, view in walk.views:
            if not view.state:
                raise NotReached(
                    f"the state was {view.word!r}, which is not documented: see documented-states"
                )


def _must_tell(walks: list[Walk]) -> None:
    """Raise NotReached unless some poll was about a job."""
    if not any(walk.views for walk in walks):
        raise NotReached("no poll returned a job")


def completes(subject: Subject) -> None:
    """An accepted job ends, and its state is then COMPLETED."""
    walk = subject.walk()
    if walk.end is None:
        if walk.views:
            _must_know([walk])
        seen = ", ".join(dict.fromkeys(view.word for _, view in walk.views)) or "nothing readable"
        raise Broken(
            f"the job did not end within {len(walk.polls)} polls: {seen}",
            walk.submit,
            *(exchange for exchange, _ in walk.polls[-1:]),
            hint="it should be in a final state after a while: repeat the last call",
        )
    exchange, view = walk.last()
    if view.state != "COMPLETED":
        raise Broken(f"a job without any fault ended {view.word}", walk.submit, exchange)


def never_back(subject: Subject) -> None:
    """The state of a job never goes back."""
    for walk in subject.walks():
        known = [(exchange, view) for exchange, view in walk.until_end if view.state]
        for (one, before), (two, after) in pairwise(known):
            if RANK[after.state] < RANK[before.state]:
                raise Broken(f"{after.word} came after {before.word}", walk.submit, one, two)
    _must_know(subject.walks())
    _must_move(subject.walks())


def absorbs(subject: Subject) -> None:
    """A final state is final: later polls return the same."""
    for walk in subject.walks():
        if walk.end is None:
            continue
        first, end = walk.last()
        between = [first]
        for exchange, view in walk.polls[walk.end + 1 :]:
            between.append(exchange)
            if view is not None and view.content != end.content:
                raise Broken(f"after {end.word} {_changed(view, end)}", walk.submit, *between)
    _must_end(subject.walks())
    if not any(walk.end is not None and walk.views[-1] != walk.last() for walk in subject.walks()):
        raise NotReached("no poll after the end returned a job")


def _changed(view: View, end: View) -> str:
    """Return what a later poll has in the place of what the end had."""
    if view.word != end.word:
        return f"the job was reported as {view.word}"
    if view.id != end.id:
        return f"another job was reported, {view.id}"
    return "another error was reported" if view.error != end.error else "other files were reported"


def documented_words(subject: Subject) -> None:
    """Every status of a job is documented."""
    for walk in subject.walks():
        for exchange, view in walk.views:
            if not view.state:
                known = ", ".join(subject.dialect.states)
                raise Broken(
                    f"{view.word!r} is not documented; documented are {known}", walk.submit, exchange
                )
    _must_tell(subject.walks())


def is_kept(subject: Subject) -> None:
    """The key that made a job can always read it."""
    for walk in subject.walks():
        for index, (exchange, _) in enumerate(walk.polls):
            if exchange.status in (404, 410):
                problem = f"a poll of the key's own job was answered {exchange.status}"
                raise Broken(problem, walk.submit, *walk.leading_to(index))
    _must_move(subject.walks())


def no_crash(subject: Subject) -> None:
    """No poll for a job that exists gets 5xx."""
    for walk in subject.walks():
        for index, (exchange, _) in enumerate(walk.polls):
            if exchange.status >= 500:
                problem = f"a poll was answered {exchange.status}"
                raise Broken(problem, walk.submit, *walk.leading_to(index))
    _must_tell(subject.walks())


def nothing_early(subject: Subject) -> None:
    """Output, error and the final timestamp are empty until the job has ended."""
    completed = subject.dialect.stamps.get("completed", "")
    for walk in subject.walks():
        for exchange, view in walk.views:
            if view.final or not view.state:
                break  # at the end, or where it is not known whether that is one
            early = [
                name
                for name, value in (
                    ("the output", view.outputs),
                    ("the error", view.error),
                    (completed, view.stamps.get(completed)),
                )
                if value
            ]
            if early:
                raise Broken(f"{', '.join(early)} present while {view.word}", walk.submit, exchange)
    _must_know(subject.walks())
    if all(view.final for walk in subject.walks() for _, view in walk.views[:1]):
        raise NotReached("no poll returned a job before its end")


def complete_at_end(subject: Subject) -> None:
    """At the end, a good job has an output, a bad one an error, and both the time of their end."""
    completed = subject.dialect.stamps.get("completed", "")
    for walk in subject.walks():
        if walk.end is None:
            continue
        exchange, view = walk.last()
        if (
            view.state == "COMPLETED"
            and not view.outputs
            and subject.api.result_of(subject.operation) is None
        ):
            raise Broken(f"{view.word} without an output", walk.submit, exchange)
        if view.state != "COMPLETED" and view.outputs:
            raise Broken(f"{view.word} with an output", walk.submit, exchange)
        if view.state in ("FAILED", "ERROR") and not view.error:
            raise Broken(f"{view.word} without a reason", walk.submit, exchange)
        if completed and not view.stamps[completed]:
            raise Broken(f"{view.word} without {completed}", walk.submit, exchange)
    _must_end(subject.walks())


def stamps(subject: Subject) -> None:
    """Timestamps are well-formed, in order, and never go back."""
    for walk in subject.walks():
        before: dict[str, str] = {}
        for exchange, view in walk.until_end:
            stamps = {name: text for name, text in view.stamps.items() if text is not None}
            complaint = _wrong_stamps(stamps, before, subject.dialect.stamps)
            if complaint:
                raise Broken(complaint, walk.submit, exchange)
            before = stamps
    if not any(any(view.stamps.values()) for walk in subject.walks() for _, view in walk.views):
        raise NotReached("no poll had a timestamp")
    _must_move(subject.walks())


def _wrong_stamps(stamps: Mapping[str, str], before: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Return what is wrong with a poll's timestamps after those of the poll before; "" where nothing is.

    `names` are those of the stamps by what they are of.
    """
    created, changed = names.get("created", ""), names.get("changed", "")
    for name, text in stamps.items():
        try:
            read_stamp(text)
        except (ValueError, TypeError) as problem:
            return f"{name}: {problem}"
    if any(is_after(one, other) for one, other in combinations(stamps.values(), 2)):
        return f"stamps are not in order: {dict(stamps)}"
    if created in before:
        now = stamps.get(created)
        if now is None or is_after(now, before[created]) or is_after(before[created], now):
            return f"{created} has changed"
    if changed in before and changed in stamps and is_after(before[changed], stamps[changed]):
        return f"{changed} has gone back"
    return ""


def same_job(subject: Subject) -> None:
    """The address in the submit's answer leads to the same job."""
    key = subject.target.fresh_key()
    accepted, submitted = subject.accept(key)
    if not subject.target.is_own(accepted.url):
        if not is_absolute(accepted.url):
            raise Broken(f"it is not an absolute address: {accepted.url!r}", submitted)
        # Not called: the key is for this server, and another one may be the provider itself.
        raise Broken(f"it leads to another server: {accepted.url}", submitted)
    exchange = subject.target.call("GET", accepted.url, subject.credentials(key))
    view = subject.see(exchange)
    if view is None or view.id != accepted.id:
        elsewhere = "no job" if view is None else f"the job {view.id}"
        raise Broken(f"it leads to {elsewhere}, not to {accepted.id}", submitted, exchange)


def unique_ids(subject: Subject) -> None:
    """Every submit makes its own job, even if the bodies are equal."""
    key = subject.target.fresh_key()
    (one, first), (two, second) = subject.accept(key), subject.accept(key)
    if one.id == two.id:
        raise Broken(f"two submits were given the same id {one.id}", first, second)


def _names_address(api: Api, operation: Operation) -> bool:
    return queued(api, operation) and bool(api.wording.reads.places("poll_url"))


def _stamped(api: Api, operation: Operation) -> bool:
    return queued(api, operation) and bool(Dialect(api.wording).stamps)


STATES = (
    Check("job-completes", Severity.MUST, _LIFE, completes, free=True),
    Check("states-never-go-back", Severity.MUST, _LIFE, never_back, free=True),
    Check("terminal-absorbs", Severity.MUST, _LIFE, absorbs, free=True),
    Check("documented-states", Severity.MUST, _FIELDS, documented_words, free=True),
    Check("job-is-kept", Severity.MUST, _POLLS, is_kept, free=True),
    Check("polls-do-not-crash", Severity.MUST, _POLLS, no_crash, free=True),
    Check("nothing-early", Severity.MUST, _FIELDS, nothing_early, free=True),
    Check("complete-at-the-end", Severity.MUST, _FIELDS, complete_at_end, free=True),
    Check("stamps", Severity.MUST, _FIELDS, stamps, _stamped, free=True),
    Check("polling-url", Severity.MUST, _SUBMIT, same_job, _names_address),
    Check("unique-ids", Severity.MUST, _SUBMIT, unique_ids),
)
