"""Promises about callbacks: how many come, when, and what they say."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial

from understudy_contracts.callback_inbox import Callback
from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.dialect import Unreadable, View
from understudy_contracts.server.promises.base import Check, calls_back
from understudy_contracts.server.spec import Api
from understudy_contracts.server.stamps import read_stamp
from understudy_contracts.server.subject import ACCEPTED, ENDS, Broken, NotReached, Subject
from understudy_contracts.server.wire import Exchange, is_near
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.model import Operation

_SOURCE = Topic("callbacks")
_SETTLED = frozenset({"delivered", "given_up", "paused", "refused"})
_COURSE = 40.0
"""Provider seconds of a forced job: two ticks of the queue fit in."""

_AT_ONCE = 0.0
"""Provider seconds of one of which only the end matters."""

_INTERVAL = 15.0
"""Seconds between two callbacks of progress at most (as documented for X-Webhook-Mode)."""

_RESENT = 1.5
"""Real seconds within which a stranger's first retry is seen, which nothing asked for."""

_PATIENCE = 5.0
_POLLS = 60
_SHORT = 0.01


@dataclass
class _Followed:
    """One job with a receiver: its callbacks in the order they came, and whether it had ended by then.

    None for one that came while the status was no documented one.
    """

    submit: Exchange
    key: str
    end: Exchange | None = None
    view: View | None = None
    callbacks: list[tuple[Callback, View | None, bool | None]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long the job took at most, in real seconds; 0 where its end was not seen."""
        return 0.0 if self.end is None else (self.end.at + self.end.took - self.submit.at) / 1000

    @property
    def final(self) -> list[Callback]:
        """The callbacks that reported the end."""
        return [callback for callback, view, _ in self.callbacks if view is not None and view.final]


def _follow(subject: Subject, mode: str, end: str = "COMPLETED", course: float = _COURSE) -> _Followed:
    """Follow one job with a receiver; the same one for every check of a mode and end. Raises NotReached."""
    return subject.once(f"callbacks, {mode}, {end}", partial(_follow_one, subject, mode, end, course))


def _follow_one(subject: Subject, mode: str, end: str, course: float = _COURSE) -> _Followed:
    target = subject.target
    key = target.fresh_key()
    path = subject.inbox.new_path()
    pause = min(1.0, target.patience / 20)
    if target.is_understudy:
        reason = {} if end == "COMPLETED" else {"error": "forced by the check"}
        half = course / 2
        subject.force(
            key, f"callbacks-{end.lower()}", {"queued": half, "processing": half, "end": end, **reason}
        )
        pause = max(course / target.speed / 8, _SHORT)
    elif not is_near(target.base_url):
        raise NotReached("a server elsewhere cannot reach a receiver on this machine")
    exchange = subject.submit(key, webhook=subject.inbox.url + path, mode=mode)
    if exchange.status == 400:
        raise NotReached(
            "it accepts no http:// receiver: " + exchange.content[:200].decode("utf-8", "replace")
        )
    if exchange.status not in ACCEPTED:
        raise subject.refused(exchange)
    name = subject.job_of(exchange).id
    job = _Followed(exchange, key)
    deadline = time.monotonic() + target.patience
    polls = 0
    while time.monotonic() < deadline and (polls < _POLLS or not target.is_understudy):
        polls += 1
        _settle(subject, name)
        came = subject.inbox.at(path)
        polled = subject.poll(name, key)
        view = subject.see(polled)
        ended = view.final if view is not None and view.state else None
        _take(subject, job, came, ended=ended)
        if ended:
            job.end, job.view = polled, view
            break
        target.elapse(pause)
    if job.view is not None:
        # What comes after the end: at most a tick later, if anything does.
        subject.inbox.wait(path, len(job.callbacks) + (not job.final), _PATIENCE if not job.final else 0)
        later = 0.05 if target.is_understudy or not subject.first else _RESENT
        target.elapse(pause * 3 if target.pace == "manual" else later)
        _settle(subject, name)
        _take(subject, job, subject.inbox.at(path), ended=True)
    return job


def callbacks_sent(subject: Subject) -> list[Callback]:
    """Have an Understudy send the callbacks of a job of each end, progress included. Raises NotReached."""
    return [one for end in ENDS for one, _, _ in _follow_one(subject, "sync", end).callbacks]


def _take(subject: Subject, job: _Followed, came: list[Callback], *, ended: bool | None) -> None:
    for callback in came[len(job.callbacks) :]:
        try:
            view = subject.dialect.view(callback.told, callback=True)
        except Unreadable:
            view = None
        job.callbacks.append((callback, view, ended))


def _settle(subject: Subject, name: str) -> None:
    """Wait until what is due was sent, where the server tells."""
    if not subject.target.is_understudy:
        return
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        now = subject.target.now()
        if not any(_is_due(delivery, now) for delivery in subject.target.deliveries(name)):
            return
        time.sleep(0.002)


def _is_due(delivery: dict[str, object], now: float) -> bool:
    return delivery["state"] not in _SETTLED and read_stamp(str(delivery["due_at"])) <= now


def once_at_end(subject: Subject) -> None:
    """In terminal mode one callback comes, when the job has ended."""
    job = _follow(subject, "terminal")
    if job.view is None:
        raise NotReached("the job did not end during the check")
    if len(job.callbacks) != 1 or len(job.final) != 1:
        raise Broken(
            f"{len(job.callbacks)} callbacks came, {len(job.final)} of them about the end",
            *_evidence(job),
        )


def not_early(subject: Subject) -> None:
    """No callback reports the end before the status does."""
    job = _follow(subject, "terminal")
    for _, view, ended in job.callbacks:
        if view is not None and view.final and ended is None:
            raise NotReached(f"a callback reported {view.word} while no poll returned a documented state")
        if view is not None and view.final and not ended:
            raise Broken(f"a callback reported {view.word} before the status did", *_evidence(job))
    if not job.final:
        raise NotReached("no callback reported an end")


def progress_then_end(subject: Subject) -> None:
    """In sync mode callbacks report progress until the end, and then the end once."""
    job = _follow(subject, "sync")
    if job.view is None:
        raise NotReached("the job did not end during the check")
    kinds = ["end" if view is not None and view.final else "progress" for _, view, _ in job.callbacks]
    if "progress" not in kinds:
        if not subject.target.is_understudy and job.seconds <= _INTERVAL:
            raise NotReached(
                f"the job took {job.seconds:.1f} s, and progress is due every {_INTERVAL:g} s at the latest"
            )
        raise Broken("no callback reported progress", *_evidence(job))
    if "end" not in kinds:
        raise Broken("no callback reported the end", *_evidence(job))
    if kinds.count("end") == 1 and kinds[-1] != "end":
        raise Broken("a callback reported progress after the end", *_evidence(job))


def equals_status(subject: Subject) -> None:
    """The last callback is equal to the status, except for the timestamps."""
    _must_equal(subject, _follow(subject, "terminal"))
    if subject.target.is_understudy:
        for end in ENDS[1:]:
            _must_equal(subject, _follow(subject, "terminal", end, _AT_ONCE))


def _must_equal(subject: Subject, job: _Followed) -> None:
    if job.view is None:
        raise NotReached("the job did not end during the check")
    if not job.final:
        raise NotReached("no callback reported the end")
    view = subject.dialect.view(job.final[-1].told, callback=True)
    if view.word == job.view.word and job.view.state in ENDS[1:] and not job.view.error:
        raise NotReached("the status had no reason to compare: see complete-at-the-end")
    # A callback may leave things out that the status has; what it tells must agree.
    if subject.api.result_of(subject.operation) is not None and not job.view.outputs:
        view = replace(view, outputs=(), media_type="")  # a status of which the result stands elsewhere
    if view.word != job.view.word:
        view = replace(
            view, error=job.view.error
        )  # callbacks in words of their own tell the reason in theirs
    if view.content != job.view.content:
        raise Broken(f"the callback had {view.content}, the status {job.view.content}", *_evidence(job))


def signed(subject: Subject) -> None:
    """A signed callback has a signature that its secret verifies."""
    job = _follow(subject, "terminal")
    if not job.callbacks:
        raise NotReached("no callback came")
    operation = next((one for one in subject.api.operations if one.role == "secret"), None)
    if operation is None:
        raise NotReached("no operation returns the secret")
    asked = subject.target.call(operation.method, operation.path, subject.credentials(job.key))
    wording = subject.api.wording
    secret = wording.reads.secret(asked.json)
    if not secret:
        raise NotReached(f"the secret is unknown: {operation.id} was answered {asked.status}")
    callback = job.callbacks[0][0]
    missing = [name for name in wording.signature_headers if name not in callback.headers]
    if missing:
        raise Broken(f"the callback has no {', '.join(missing)}", job.submit, asked)
    headers = {name.encode(): value.encode("latin-1") for name, value in callback.headers.items()}
    is_genuine = wording.is_genuine(secret, headers, callback.body)
    if is_genuine is None:
        raise NotReached("no header carries what is signed with the body")
    if not is_genuine:
        sent = ", ".join(f"{name}: {callback.headers[name]}" for name in wording.signature_headers)
        raise Broken(f"the signature does not verify ({sent})", job.submit, asked)


def refused_address(subject: Subject) -> None:
    """An address that is not an http(s) URL is refused."""
    key = subject.target.fresh_key()
    answered = {url: subject.submit(key, webhook=url) for url in ("ftp://127.0.0.1/callback", "callback")}
    # A server that refuses everything has not refused an address.
    subject.must_accept(key)
    for url, exchange in answered.items():
        if exchange.status not in subject.statuses_of(Condition.INVALID_REQUEST, 400):
            raise Broken(f"{url!r} was answered {exchange.status}", exchange)


def _evidence(job: _Followed) -> list[Exchange]:
    seen = [job.submit] if job.end is None else [job.submit, job.end]
    return seen + [
        Exchange("POST", callback.path, callback.headers, callback.body, 200, {}, callback.body)
        for callback, _, _ in job.callbacks
    ]


def _has_modes(api: Api, operation: Operation) -> bool:
    return calls_back(api, operation) and operation.webhook_header


def _signs(api: Api, operation: Operation) -> bool:
    return calls_back(api, operation) and api.wording.signs


CALLBACKS = (
    Check("callback-once-at-end", Severity.MUST, _SOURCE, once_at_end, calls_back, slow=True),
    Check("callback-not-early", Severity.MUST, _SOURCE, not_early, calls_back, slow=True),
    Check("callback-progress", Severity.MUST, _SOURCE, progress_then_end, _has_modes, slow=True),
    Check("callback-equals-status", Severity.MUST, _SOURCE, equals_status, calls_back, slow=True),
    Check("callback-signed", Severity.MUST, Topic("signature"), signed, _signs, slow=True),
    Check("callback-address", Severity.MUST, _SOURCE, refused_address, calls_back),
)
