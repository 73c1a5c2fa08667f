"""Read the recorded jobs out of a recording: each submit, what later answers said of its job, and when.

Pure: a recording goes in, `RecordedJobs` come out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import BREAKS
from understudy_mock.domain.timeline import TERMINAL, State, Step
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.body import decode, parse
from understudy_mock.har.recognise import headers_of
from understudy_mock.har.recording import Recording
from understudy_mock.har.stamps import instant_of, without_stamps
from understudy_mock.replay.recorded import (
    FailedPoll,
    Key,
    RecordedCallback,
    RecordedFile,
    RecordedJob,
    RecordedJobs,
    RecordedState,
)
from understudy_mock.wording import Readers, Reads, Told, wordings_of

_K = TypeVar("_K")
_V = TypeVar("_V")

_encode = msgspec.json.Encoder(order="sorted").encode
_UPLOAD = re.compile(r"[0-9a-f]{16,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RANK = {State.QUEUED: 0, State.PROCESSING: 1, State.COMPLETED: 2, State.FAILED: 2, State.ERROR: 2}


class _Known(NamedTuple):
    """What the entries are read with. `operations` and `call_names` are by provider and operation."""

    operations: Mapping[tuple[str, str], Operation]
    call_names: Mapping[tuple[str, str], str]
    hosts: frozenset[str]
    readers: Readers

    def operation(self, entry: JournalEntry) -> Operation | None:
        return self.operations.get((entry.provider, entry.operation))

    def call_name(self, operation: Operation) -> str:
        return self.call_names[operation.provider, operation.id]


def recorded_jobs(recording: Recording, catalog: Catalog) -> RecordedJobs:
    """Return the jobs of a recording, and the answers to its other calls."""
    wordings = wordings_of(catalog)
    readers = Readers(wordings)
    operations = {(operation.provider, operation.id): operation for operation in catalog.operations}
    names = {key: _call_name(operation, catalog) for key, operation in operations.items()}
    hosts = frozenset(_hosts(recording.entries, operations, readers)) | frozenset(catalog.every_host)
    known = _Known(operations, names, hosts, readers)
    entries = sorted(recording.entries, key=lambda entry: (entry.at, entry.number))
    jobs = _jobs(entries, known, recording.media)
    urls = {path_of(url) for job in jobs for url in job.urls}
    return RecordedJobs(
        jobs=tuple(jobs),
        by_body=_grouped(((known.call_name(job.operation), job.body), job) for job in jobs),
        by_id={job.id: job for job in jobs if job.id},
        lookups=_grouped(_lookups(entries, known, {job.id for job in jobs if job.id}, urls)),
        files=_files([entry for entry in entries if _is_file(entry, urls)], urls, recording.media),
        hosts=hosts,
        call_names=names,
        places=recording.places,
        uploads=frozenset(_upload_names(entries, known)),
        wordings=wordings,
    )


def canonical(body: bytes, hosts: Collection[str]) -> tuple[bytes, Any]:
    """Return a body so that equal requests are equal bytes, and decoded; what is no JSON stays as it is.

    Addresses at `hosts` lose their origin: a client that sends a received address on sends another one here.
    """
    decoded = parse(body)
    if decoded is msgspec.UNSET:
        return body, None
    return _encode(_without_origins(decoded, hosts)), decoded


def lookup_key(
    operation: Operation | None, call_name: str, method: str, url: str, body: bytes, hosts: Collection[str]
) -> Key:
    """Return what a call about no job is found by; the bytes of an upload do not count."""
    parts = urlsplit(url)
    secret = {c.name.decode() for c in operation.credentials if c.place == "query"} if operation else set()
    pairs = sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in secret)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    if operation is None or operation.role == "keep":  # the address of an upload is its ticket
        return f"{method} {parts.path}", query, ""
    text = canonical(body, hosts)[0] if operation.role == "list" else b""
    return call_name, query, text.decode("utf-8", "replace")


def path_of(url: str) -> str:
    """Return the path of an address, which may lack its origin."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def addresses(value: Any) -> Iterator[str]:
    """Walk the texts of a decoded body that are addresses."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from addresses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from addresses(inner)
    elif isinstance(value, str) and value.startswith(("http://", "https://")):
        yield value


# -- jobs


def _jobs(entries: Sequence[JournalEntry], known: _Known, media: Mapping[int, Path]) -> list[RecordedJob]:
    about: dict[str, list[JournalEntry]] = {}
    submits: list[tuple[Operation, JournalEntry]] = []
    for entry in entries:
        operation = known.operation(entry)
        if operation is not None and operation.role == "submit" and entry.kind == "call":
            if entry.status != 401 or entry.account:  # without a key the rule of the gateway holds
                submits.append((operation, entry))
        elif entry.job:
            about.setdefault(entry.job, []).append(entry)
    return [
        _job(number, operation, entry, about.get(entry.job, []), known, media.get(entry.number))
        for number, (operation, entry) in enumerate(submits, 1)
    ]


def _job(
    number: int,
    operation: Operation,
    submit: JournalEntry,
    about: Sequence[JournalEntry],
    known: _Known,
    file: Path | None,
) -> RecordedJob:
    """Read one submit and the entries `about` its job."""
    body, decoded = canonical(submit.request_body, known.hosts)
    reads = known.readers.of(operation.provider)
    accepted = _view_of(submit, operation, reads)
    is_synchronous = accepted is not None and accepted.end != ""
    job = RecordedJob(
        number=number,
        account=submit.account,
        operation=operation,
        body=body,
        decoded=decoded,
        submit=submit,
        began=submit.at if is_synchronous else submit.at + round(submit.duration),
        id=submit.job or (accepted.job if accepted is not None else ""),
        is_synchronous=is_synchronous,
        file=file,
        asked_for_callbacks=_asks_for_callbacks(submit, operation),
    )
    if not job.id:
        return job
    polls = _Polls(reads, job.began, accepted, submit if is_synchronous else None)
    for entry in about:
        asked = known.operation(entry) if entry.account in ("", submit.account) else None
        if entry.kind == "call" and asked is not None and asked.role in ("status", "result"):
            polls.read(entry, asked, known.call_name(asked))
    callbacks = _callbacks([entry for entry in about if entry.kind == "delivery"], job.began, reads)
    final = polls.final.response_body if polls.final is not None else b""
    if polls.final is None:
        final = next((call.entry.request_body for call in callbacks if call.event == "terminal"), b"")
    return msgspec.structs.replace(
        job,
        steps=_steps(polls, callbacks, submit, accepted),
        states={name: tuple(states) for name, states in polls.states.items()},
        failed_polls=tuple(polls.failed),
        callbacks=callbacks,
        status_name=polls.status_name,
        **_result(decode(final), reads),
    )


def _asks_for_callbacks(submit: JournalEntry, operation: Operation) -> bool:
    query = {name for name, value in parse_qsl(urlsplit(submit.url).query) if value}
    return any(name == b"x-webhook-url" and value for name, value in submit.request_headers) or (
        operation.webhook_query != "" and operation.webhook_query in query
    )


def _view_of(entry: JournalEntry, operation: Operation, reads: Reads) -> Told | None:
    """Return what an answer says of a job; None where it says nothing, or broke."""
    if entry.fault in BREAKS or not entry.status:
        return None
    view = reads.told(decode(entry.response_body), headers_of(entry))
    if operation.answers == "media" and entry.job:
        if 200 <= entry.status < 300:
            return view if view is not None else Told(entry.job, states=(State.COMPLETED,))
        if entry.status == 500:  # how a job ends badly that is answered with its file
            return Told(entry.job, states=(State.FAILED,))
    return view if entry.status < 400 or reads.tells_failure(entry.status) else None


def _state_of(view: Told) -> State:
    """Return the state that a provider's word means. An unknown word is some kind of work."""
    return view.states[0] if view.states else State.PROCESSING


class _Polls:
    """Reads the polls of one job in the order in which they came."""

    def __init__(self, reads: Reads, began: int, accepted: Told | None, final: JournalEntry | None) -> None:
        self._reads = reads
        self.states: dict[str, list[RecordedState]] = {}
        self.failed: list[FailedPoll] = []
        self.final = final
        self.status_name: str | None = None
        self._began = began
        self._first = _state_of(accepted) if accepted is not None else State.QUEUED
        self._last_at: int = 0
        self._shown_since: int | None = None
        self._good = 0

    def read(self, entry: JournalEntry, operation: Operation, call_name: str) -> None:
        """Read one poll: it shows a new state or a known one, or it failed."""
        view = _view_of(entry, operation, self._reads)
        if view is None or entry.fault == "slow":
            self.failed.append(FailedPoll(entry, self._shown_since, self._good))
            self._good = 0
        else:
            self._good += 1
        if view is None:
            return
        at = max(0, entry.at - self._began)
        state = _state_of(view)
        states = self.states.setdefault(call_name, [])
        rank = _RANK[states[-1].state] if states else 0
        # A provider may answer from an older copy; a life that is played never goes back.
        goes_on = rank <= _RANK[state] and rank < _RANK[State.COMPLETED]
        if goes_on and not any(_is_same(known.entry, entry) for known in states):
            self._shown_since = self._since(view, at, state, is_first=not states)
            states.append(RecordedState(self._shown_since, state, entry))
            if state is State.PROCESSING and view.word.lower() != "processing":
                self.status_name = view.word
            if state in TERMINAL:
                self.final = self.final or entry
        self._last_at = max(self._last_at, at)

    def _since(self, view: Told, at: int, state: State, *, is_first: bool) -> int:
        """Return since when it is so: the state's own stamps say it more exactly than the polls do."""
        if is_first and state is self._first and state is State.QUEUED:
            return 0
        exact = _age_of_state(view)
        if exact is None:
            return at
        return max(min(exact, at), min(self._last_at + 1, at))


def _age_of_state(view: Told) -> int | None:
    """Return how old the job was when it came into this state, in ms; None where no stamp says so."""
    began, came = instant_of(view.created), instant_of(view.completed or view.changed)
    return max(0, came - began) if began is not None and came is not None else None


def _is_same(entry: JournalEntry, other: JournalEntry) -> bool:
    """Return whether two answers say the same, at whatever instants."""
    return entry.status == other.status and (
        entry.response_body == other.response_body
        or without_stamps(entry.response_body) == without_stamps(other.response_body)
    )


def _steps(
    polls: _Polls, callbacks: Sequence[RecordedCallback], submit: JournalEntry, accepted: Told | None
) -> tuple[Step, ...]:
    evidence = [Step(state.since, state.state) for states in polls.states.values() for state in states]
    evidence += [Step(callback.at, callback.state) for callback in callbacks]
    if accepted is not None:
        evidence.append(Step(round(submit.duration) if accepted.end else 0, _state_of(accepted)))
    steps = [Step(0, State.QUEUED)]
    for step in sorted(evidence, key=lambda step: (step.at, _RANK[step.state])):
        last = steps[-1]
        if last.state not in TERMINAL and _RANK[step.state] >= _RANK[last.state] and step != last:
            steps.append(step)
    return tuple(steps)


def _callbacks(deliveries: Sequence[JournalEntry], began: int, reads: Reads) -> tuple[RecordedCallback, ...]:
    callbacks: list[RecordedCallback] = []
    failed: set[bytes] = set()
    for entry in deliveries:
        view = reads.told(decode(entry.request_body))
        if view is None:
            continue
        is_retry = entry.request_body in failed
        failed.discard(entry.request_body)
        if not 200 <= entry.status < 300:
            failed.add(entry.request_body)
        if not is_retry:
            state = _state_of(view)
            event: Literal["progress", "terminal"] = "terminal" if state in TERMINAL else "progress"
            callbacks.append(RecordedCallback(max(0, entry.at - began), event, state, entry))
    return tuple(callbacks)


def _result(body: Any, reads: Reads) -> dict[str, Any]:
    """Return what the last answer says of the end: files, reason, code, and whether it was flagged."""
    view = reads.told(body)
    if view is None:
        reason = reads.refusal(body)
        return {"error": reason} if reason else {}
    if not view.end:
        return {}
    failed = view.end == "FAILED"
    return {
        "urls": view.urls,
        "nsfw": view.flagged,
        "error": view.error or None if failed else None,
        "code": view.code if failed else None,
    }


# -- lookups and files


def _lookups(
    entries: Iterable[JournalEntry], known: _Known, jobs: Collection[str], urls: Collection[str]
) -> Iterator[tuple[Key, JournalEntry]]:
    for entry in entries:
        operation = known.operation(entry)
        is_submit = operation is not None and operation.role == "submit"
        if entry.kind != "call" or entry.job in jobs or is_submit or _is_file(entry, urls):
            continue
        if operation is not None and operation.role in ("status", "result"):
            operation = None  # a job from before the recording is answered call by call
        name = known.call_name(operation) if operation is not None else ""
        yield lookup_key(operation, name, entry.method, entry.url, entry.request_body, known.hosts), entry


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, tuple[_V, ...]]:
    groups: dict[_K, list[_V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(group) for key, group in groups.items()}


def _files(
    entries: Iterable[JournalEntry], urls: Iterable[str], media: Mapping[int, Path]
) -> dict[str, RecordedFile]:
    downloads: dict[str, list[JournalEntry]] = {path: [] for path in urls}
    for entry in entries:
        downloads.setdefault(path_of(entry.url), []).append(entry)
    return {path: _file(entries, media) for path, entries in downloads.items() if path}


def _file(downloads: Sequence[JournalEntry], media: Mapping[int, Path]) -> RecordedFile:
    failures: list[JournalEntry] = []
    best: RecordedFile | None = None
    for entry in downloads:
        if entry.method != "GET" or entry.status in (206, 304, 416):
            continue
        if entry.status == 200 and entry.fault not in BREAKS:
            file = RecordedFile(tuple(failures), entry, media.get(entry.number))
            if best is None or (file.is_whole and not best.is_whole):
                best = file
        elif best is None:
            failures.append(entry)
    return best if best is not None else RecordedFile(tuple(failures))


def _is_file(entry: JournalEntry, urls: Collection[str]) -> bool:
    """Return whether a call fetches a file: it is of no operation, and a job or an answer knows of it."""
    if entry.kind != "call" or entry.operation or entry.method not in ("GET", "HEAD"):
        return False
    return entry.job != "" or path_of(entry.url) in urls or 200 <= entry.status < 300


# -- small things


def _call_name(operation: Operation, catalog: Catalog) -> str:
    """Name an operation, or the one that it is another path to, among those of all providers."""
    same = (operation.provider, operation.role, operation.model, operation.method)
    names = (
        other.id
        for other in catalog.operations
        if not other.alias and (other.provider, other.role, other.model, other.method) == same
    )
    name = next(names, operation.id) if operation.alias else operation.id
    return f"{operation.provider} {name}"


def _upload_names(entries: Iterable[JournalEntry], known: _Known) -> Iterator[str]:
    for entry in entries:
        operation = known.operation(entry)
        if operation is not None and operation.role in ("upload", "ticket"):
            for url in addresses(decode(entry.response_body)):
                yield from (part for part in path_of(url).split("/") if _UPLOAD.fullmatch(part))


def _hosts(
    entries: Iterable[JournalEntry], operations: Mapping[tuple[str, str], Operation], readers: Readers
) -> Iterator[str]:
    """Walk the network locations that were called, or that answers named for files and uploads."""
    for entry in entries:
        if entry.kind != "call":
            continue
        host = urlsplit(entry.url).netloc.lower()
        host = host or dict(entry.request_headers).get(b"host", b"").decode("latin-1").lower()
        if host:
            yield host
            yield re.sub(r":\d+$", "", host)
        operation = operations.get((entry.provider, entry.operation))
        if operation is None:
            continue
        body = decode(entry.response_body)
        view = readers.of(entry.provider).told(body)
        urls = [*view.urls] if view is not None else []
        if operation.role in ("upload", "ticket"):
            urls += addresses(body)
        yield from (host.lower() for url in urls if (host := urlsplit(url).netloc))


def _without_origins(value: Any, hosts: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without_origins(inner, hosts) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_origins(inner, hosts) for inner in value]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        scheme, _, rest = value.partition("://")
        host, slash, path = rest.partition("/")
        return f"//{slash}{path}" if host.lower() in hosts else f"{scheme}://{rest}"
    return value
