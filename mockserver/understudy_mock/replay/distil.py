"""Make jobs of what was recorded: each submit becomes a take, with all that was told of its job, and when.

Pure: a recording goes in, values come out. What is done with them is `replay`'s and `scenarios`' concern.
Offsets are ms after a take's `zero`: the instant its submit was answered, or was sent where the answer
itself told the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import BREAKS
from understudy_mock.domain.timeline import TERMINAL, State, Step
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.recognise import decode
from understudy_mock.har.recording import Recording
from understudy_mock.har.stamps import instant_of, without_stamps
from understudy_mock.har.view import Told, read_told

_encode = msgspec.json.Encoder(order="sorted").encode
_UPLOAD = re.compile(r"[0-9a-f]{16,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_QUEUED = frozenset({"queued", "created", "pending", "submitted"})
_RANK = {State.QUEUED: 0, State.PROCESSING: 1, State.COMPLETED: 2, State.FAILED: 2, State.ERROR: 2}
Key = tuple[str, str, str]
"""What a call that is about no job is found by: operation or `METHOD path`, canonical query, body."""


class Scene(msgspec.Struct, frozen=True):
    """What one kind of call told of the job, from `since` on."""

    since: int
    state: State
    entry: JournalEntry


class Trouble(msgspec.Struct, frozen=True):
    """A poll that told nothing of the job. It was met after the scene that is told since `after`."""

    entry: JournalEntry
    after: int | None
    passed: int = 0
    """How many good polls came since the trouble before it, or since the submit."""


class Ring(msgspec.Struct, frozen=True):
    """One callback. Repeated attempts at the same are one."""

    at: int
    event: Literal["progress", "terminal"]
    state: State
    entry: JournalEntry


class Kept(msgspec.Struct, frozen=True):
    """One file: what went wrong with it first, in order, and the answer that brought it.

    `path` leads to the file itself where it is kept beside the recording.
    """

    troubles: tuple[JournalEntry, ...] = ()
    good: JournalEntry | None = None
    path: Path | None = None

    @property
    def whole(self) -> bool:
        """Whether the file itself is there."""
        good = self.good
        return good is not None and (self.path is not None or len(good.response_body) == good.response_size)


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded submit and, where it made a job, the job's life.

    `number` counts takes from 1, `body` is canonical, `asked` the same decoded. `job` is the recorded name,
    "" where none was made. `steps` is the life in the gateway's states: what the recording does not tell
    has not happened. `scenes` are by operation, `told` is the last thing any of them told.
    """

    number: int
    account: str
    operation: Operation
    body: bytes
    asked: Any
    submit: JournalEntry
    zero: int
    job: str = ""
    steps: tuple[Step, ...] = (Step(0, State.QUEUED),)
    scenes: Mapping[str, tuple[Scene, ...]] = {}
    troubles: tuple[Trouble, ...] = ()
    rings: tuple[Ring, ...] = ()
    urls: tuple[str, ...] = ()
    error: str | None = None
    code: int | None = None
    nsfw: bool = False
    word: str | None = None
    """The provider's word for PROCESSING, where it is not the documented one."""

    waits: bool = False
    """Whether the answer to the submit told the end."""

    file: Path | None = None
    """The file that answered the submit, where it is kept beside the recording."""

    rings_asked: bool = False
    """Whether the submit asked for callbacks."""

    @property
    def early(self) -> bool:
        """Whether a callback came before the answer to the submit."""
        submitted = (self.zero, self.submit.number)
        return not self.waits and any((one.entry.at, one.entry.number) < submitted for one in self.rings)

    @property
    def end(self) -> Step | None:
        """The end, where it was recorded."""
        last = self.steps[-1]
        return last if last.state in TERMINAL else None

    @property
    def last(self) -> int:
        """The offset of the latest that was told."""
        return max(
            self.steps[-1].at,
            0,
            *(scene.since for scenes in self.scenes.values() for scene in scenes),
            *(ring.at for ring in self.rings),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Repertoire:
    """All that a recording can play.

    `hosts` are the recorded network locations and the providers' real ones. `files` are by the path of
    their address, `lookups` hold what is answered in recorded order.
    """

    takes: tuple[Take, ...]
    by_body: Mapping[tuple[str, bytes], tuple[Take, ...]]
    by_job: Mapping[str, Take]
    lookups: Mapping[Key, tuple[JournalEntry, ...]]
    files: Mapping[str, Kept]
    hosts: frozenset[str]
    surfaces: Mapping[tuple[str, str], str]
    places: Mapping[int, tuple[Path, int]] = field(default_factory=dict)
    uploads: frozenset[str] = frozenset()
    """The names that the provider gave to what was uploaded."""

    def surface(self, operation: Operation) -> str:
        """Name what an operation is another path of, or itself."""
        return self.surfaces[operation.provider, operation.id]

    def place(self, entry: JournalEntry) -> str:
        """Say where an entry stands: `entry 3`, and of which file where there are several."""
        path, number = self.places.get(entry.number, (Path(), entry.number))
        paths = {path for path, _ in self.places.values()}
        if len(paths) < 2:
            return f"entry {number}"
        alike = sum(one.name == path.name for one in paths) > 1
        return f"entry {number} of {path if alike else path.name}"

    def unfinished(self) -> list[Take]:
        """List the jobs whose end was not recorded."""
        return [take for take in self.takes if take.job and take.end is None]


def distil(recording: Recording, catalog: Catalog) -> Repertoire:
    """Make jobs of a recording."""
    operations = {(one.provider, one.id): one for one in catalog.operations}
    surfaces = {(one.provider, one.id): _surface(one, catalog) for one in catalog.operations}
    hosts = frozenset(_hosts(recording.entries, operations)) | frozenset(catalog.every_host)
    entries = sorted(recording.entries, key=lambda entry: (entry.at, entry.number))
    about: dict[str, list[JournalEntry]] = {}
    submits: list[tuple[Operation, JournalEntry]] = []
    for entry in entries:
        operation = operations.get((entry.provider, entry.operation))
        if operation is not None and operation.role == "submit" and entry.kind == "call":
            if entry.status != 401 or entry.account:  # without a key the rule of the gateway holds
                submits.append((operation, entry))
        elif entry.job:
            about.setdefault(entry.job, []).append(entry)
    takes: list[Take] = []
    for operation, entry in submits:
        of_job = about.get(entry.job, []) if entry.job else []  # two files may tell of one job
        take = _take(len(takes) + 1, operation, entry, of_job, operations, surfaces, hosts)
        takes.append(msgspec.structs.replace(take, file=recording.media.get(entry.number)))
    told = {path_of(url) for take in takes for url in take.urls}
    files = _files([one for one in entries if _is_file(one, told)], told, recording.media)
    jobs = {take.job for take in takes if take.job}
    lookups: dict[Key, list[JournalEntry]] = {}
    for entry in entries:
        operation = operations.get((entry.provider, entry.operation))
        asks_otherwise = entry.kind == "call" and entry.job not in jobs and not _is_file(entry, told)
        if asks_otherwise and (operation is None or operation.role != "submit"):
            surface = surfaces[operation.provider, operation.id] if operation is not None else None
            if operation is not None and operation.role in ("status", "result"):
                operation = surface = None  # a job from before the recording is answered call by call
            lookups.setdefault(lookup_key(operation, surface, entry, hosts), []).append(entry)
    by_body: dict[tuple[str, bytes], list[Take]] = {}
    for take in takes:
        surface = surfaces[take.operation.provider, take.operation.id]
        by_body.setdefault((surface, take.body), []).append(take)
    return Repertoire(
        takes=tuple(takes),
        by_body={key: tuple(found) for key, found in by_body.items()},
        by_job={take.job: take for take in takes if take.job},
        lookups={key: tuple(found) for key, found in lookups.items()},
        files=files,
        hosts=hosts,
        surfaces=surfaces,
        places=recording.places,
        uploads=frozenset(_upload_names(entries, operations)),
    )


def canonical(body: bytes, hosts: Collection[str]) -> tuple[bytes, Any]:
    """Give a body so that equal requests are equal bytes, and decoded; what is no JSON stays as it is.

    Addresses at `hosts` lose their origin: a client that sends on what it was told sends another one here.
    """
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body, None
    return _encode(_without_origins(asked, hosts)), asked


def lookup_key(
    operation: Operation | None,
    surface: str | None,
    call: JournalEntry,
    hosts: Collection[str],
) -> Key:
    """Tell what a call that is about no job is found by; the bytes of an upload do not count."""
    parts = urlsplit(call.url)
    secret = {c.name.decode() for c in operation.credentials if c.place == "query"} if operation else set()
    pairs = sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in secret)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    if operation is None or surface is None or operation.role == "keep":  # its address is the ticket
        return f"{call.method} {parts.path}", query, ""
    body = canonical(call.request_body, hosts)[0] if operation.role == "list" else b""
    return surface, query, body.decode("utf-8", "replace")


def path_of(url: str) -> str:
    """Give the path of an address, which may lack its origin."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def state_of(word: str, end: str) -> State:
    """Read a provider's word for where a job is. One that is not known is some kind of work."""
    if end == "COMPLETED":
        return State.COMPLETED
    if end:
        return State.ERROR if word.lower() == "error" else State.FAILED
    return State.QUEUED if word.lower() in _QUEUED else State.PROCESSING


def told_by(entry: JournalEntry, operation: Operation | None) -> Told | None:
    """Read what an answer told of a job; None where it told nothing, or broke."""
    if entry.fault in BREAKS or not entry.status:
        return None
    if operation is not None and operation.answers == "media" and entry.job and 200 <= entry.status < 300:
        told = read_told(decode(entry.response_body))
        return told if told is not None else Told(entry.job, "", "COMPLETED", ())
    if operation is not None and operation.answers == "media" and entry.job and entry.status == 500:
        return Told(entry.job, "", "FAILED", ())  # how a job ends badly that is answered with its file
    told = read_told(decode(entry.response_body))
    if told is None or (entry.status >= 400 and entry.status != 422):  # 422 is how Segmind says FAILED
        return None
    return told


# -- one take


def _take(
    number: int,
    operation: Operation,
    submit: JournalEntry,
    about: Sequence[JournalEntry],
    operations: Mapping[tuple[str, str], Operation],
    surfaces: Mapping[tuple[str, str], str],
    hosts: Collection[str],
) -> Take:
    body, asked = canonical(submit.request_body, hosts)
    accepted = told_by(submit, operation)
    waits = accepted is not None and accepted.end != ""
    zero = submit.at if waits else submit.at + round(submit.duration)
    query = {name for name, value in parse_qsl(urlsplit(submit.url).query) if value}
    wanted = any(name == b"x-webhook-url" and value for name, value in submit.request_headers)
    take = Take(
        number=number,
        account=submit.account,
        operation=operation,
        body=body,
        asked=asked,
        submit=submit,
        zero=zero,
        job=submit.job or (accepted.job if accepted is not None else ""),
        waits=waits,
        rings_asked=wanted or (operation.webhook_query != "" and operation.webhook_query in query),
    )
    if not take.job:
        return take
    polls = [
        one for one in about if one.kind == "call" and one.operation and one.account in ("", submit.account)
    ]
    watch = _Watch(zero, accepted, submit if waits else None)
    for entry in polls:
        asking = operations.get((entry.provider, entry.operation))
        if asking is not None and asking.role in ("status", "result"):
            watch.see(entry, asking, surfaces[asking.provider, asking.id])
    rings = _rings([one for one in about if one.kind == "delivery"], zero)
    final = watch.final or (submit if waits else None)
    body_told = decode(final.response_body) if final is not None else None
    if final is None and (ring := next((r for r in rings if r.event == "terminal"), None)) is not None:
        body_told = decode(ring.entry.request_body)
    return msgspec.structs.replace(
        take,
        steps=_steps(watch, rings, submit, accepted, zero),
        scenes={surface: tuple(scenes) for surface, scenes in watch.scenes.items()},
        troubles=tuple(watch.troubles),
        rings=rings,
        word=watch.word,
        **_facts(body_told),
    )


class _Watch:
    """Reads the polls of one job in the order they came."""

    def __init__(self, zero: int, accepted: Told | None, final: JournalEntry | None) -> None:
        self.scenes: dict[str, list[Scene]] = {}
        self.troubles: list[Trouble] = []
        self.final = final
        self.word: str | None = None
        self._zero = zero
        self._first = state_of(accepted.word, accepted.end) if accepted is not None else State.QUEUED
        self._rank: dict[str, int] = {}
        self._seen: int = 0
        self._told: int | None = None
        self._passed = 0

    def see(self, entry: JournalEntry, operation: Operation, surface: str) -> None:
        """Read one poll: it tells a new scene, an old one, or nothing."""
        told = told_by(entry, operation)
        if told is None or entry.fault == "slow":
            self.troubles.append(Trouble(entry, self._told, self._passed))
            self._passed = 0
        else:
            self._passed += 1
        if told is None:
            return
        at = max(0, entry.at - self._zero)
        state = state_of(told.word, told.end)
        scenes = self.scenes.setdefault(surface, [])
        known = any(_same(scene.entry, entry) for scene in scenes)
        rank = self._rank.get(surface, 0)
        # A provider may answer from an older copy; a life that is played never goes back.
        if not known and _RANK[state] >= rank and rank < _RANK[State.COMPLETED]:
            since = self._since(entry, at, state, first=not scenes)
            scenes.append(Scene(since, state, entry))
            self._rank[surface] = _RANK[state]
            self._told = since
            if state is State.PROCESSING and told.word.lower() != "processing":
                self.word = told.word
            if state in TERMINAL:
                self.final = self.final or entry
        self._seen = max(self._seen, at)

    def _since(self, entry: JournalEntry, at: int, state: State, *, first: bool) -> int:
        """Tell since when it is so: the state's own stamps say it more exactly than the polls do."""
        if first and state is self._first and state is State.QUEUED:
            return 0
        exact = _age_of_state(decode(entry.response_body))
        if exact is None:
            return at
        return max(min(exact, at), min(self._seen + 1, at))


def _age_of_state(body: Any) -> int | None:
    """Read how old the job was when it came into this state, in ms; None where it is not told."""
    if not isinstance(body, dict):
        return None
    data = body["data"] if isinstance(body.get("data"), dict) else body
    created, changed = data.get("created_at"), data.get("completed_at") or data.get("updated_at")
    if not (isinstance(created, str) and isinstance(changed, str)):
        return None
    began, came = instant_of(created), instant_of(changed)
    return max(0, came - began) if began is not None and came is not None else None


def _steps(
    watch: _Watch, rings: Sequence[Ring], submit: JournalEntry, accepted: Told | None, zero: int
) -> tuple[Step, ...]:
    evidence = [Step(scene.since, scene.state) for scenes in watch.scenes.values() for scene in scenes]
    evidence += [Step(ring.at, ring.state) for ring in rings]
    if accepted is not None:
        ended = round(submit.duration) if accepted.end else 0
        evidence.append(Step(ended, state_of(accepted.word, accepted.end)))
    steps = [Step(0, State.QUEUED)]
    for step in sorted(evidence, key=lambda step: (step.at, _RANK[step.state])):
        last = steps[-1]
        if last.state in TERMINAL or _RANK[step.state] < _RANK[last.state] or step == last:
            continue
        steps.append(step)
    return tuple(steps)


def _rings(deliveries: Sequence[JournalEntry], zero: int) -> tuple[Ring, ...]:
    rings: list[Ring] = []
    failed: set[bytes] = set()
    for entry in deliveries:
        told = read_told(decode(entry.request_body))
        if told is None:
            continue
        again = entry.request_body in failed  # another attempt at one that was not received
        failed.discard(entry.request_body)
        if not 200 <= entry.status < 300:
            failed.add(entry.request_body)
        if again:
            continue
        state = state_of(told.word, told.end)
        event: Literal["progress", "terminal"] = "terminal" if state in TERMINAL else "progress"
        rings.append(Ring(max(0, entry.at - zero), event, state, entry))
    return tuple(rings)


def _facts(body: Any) -> dict[str, Any]:
    """Read what the end told beside its name: files, reason, code, and whether it was flagged."""
    told = read_told(body)
    if told is None and isinstance(body, dict) and isinstance(body.get("error"), str):
        return {"error": body["error"]}
    if told is None or not told.end:
        return {}
    data = body["data"] if isinstance(body.get("data"), dict) else body
    flags, error, code = data.get("has_nsfw_contents"), data.get("error"), data.get("code")
    failed = told.end != "COMPLETED"
    return {
        "urls": told.urls,
        "nsfw": isinstance(flags, list) and any(flag is True for flag in flags),
        "error": error if failed and isinstance(error, str) and error else None,
        "code": code if failed and isinstance(code, int) else None,
    }


def _same(one: JournalEntry, other: JournalEntry) -> bool:
    """Tell whether two answers told the same, at whatever instants."""
    return one.status == other.status and (
        one.response_body == other.response_body
        or without_stamps(one.response_body) == without_stamps(other.response_body)
    )


# -- files


def _files(
    entries: Iterable[JournalEntry], told: Iterable[str], media: Mapping[int, Path]
) -> dict[str, Kept]:
    found: dict[str, list[JournalEntry]] = {path: [] for path in told}
    for entry in entries:
        found.setdefault(path_of(entry.url), []).append(entry)
    return {path: _kept(fetched, media) for path, fetched in found.items() if path}


def _kept(fetched: Sequence[JournalEntry], media: Mapping[int, Path]) -> Kept:
    troubles: list[JournalEntry] = []
    best: Kept | None = None
    for entry in fetched:
        if entry.method != "GET" or entry.status in (206, 304, 416):
            continue
        if entry.status == 200 and entry.fault not in BREAKS:
            one = Kept(tuple(troubles), entry, media.get(entry.number))
            if best is None or (one.whole and not best.whole):
                best = msgspec.structs.replace(one, troubles=best.troubles if best else one.troubles)
        elif best is None:
            troubles.append(entry)
    return best if best is not None else Kept(tuple(troubles))


def _is_file(entry: JournalEntry, told: Collection[str]) -> bool:
    """Tell a file from a call: it belongs to no operation, and a job or an answer knows of it."""
    if entry.kind != "call" or entry.operation or entry.method not in ("GET", "HEAD"):
        return False
    return entry.job != "" or path_of(entry.url) in told or 200 <= entry.status < 300


# -- small things


def _surface(operation: Operation, catalog: Catalog) -> str:
    """Name an operation, or the one that it is another path of, among those of all providers."""
    same = (operation.provider, operation.role, operation.model, operation.method)
    found = (
        one.id
        for one in catalog.operations
        if not one.alias and (one.provider, one.role, one.model, one.method) == same
    )
    name = next(found, operation.id) if operation.alias else operation.id
    return f"{operation.provider} {name}"


def _upload_names(
    entries: Iterable[JournalEntry], operations: Mapping[tuple[str, str], Operation]
) -> Iterator[str]:
    for entry in entries:
        operation = operations.get((entry.provider, entry.operation))
        if operation is not None and operation.role in ("upload", "ticket"):
            for url in addresses(decode(entry.response_body)):
                yield from (part for part in path_of(url).split("/") if _UPLOAD.fullmatch(part))


def _hosts(entries: Iterable[JournalEntry], operations: Mapping[tuple[str, str], Operation]) -> Iterable[str]:
    """List the network locations that were called, or that answers named for files and uploads."""
    for entry in entries:
        if entry.kind != "call":
            continue
        named = urlsplit(entry.url).netloc.lower()
        if not named:
            headers = dict(entry.request_headers)
            named = headers.get(b"host", b"").decode("latin-1").lower()
        if named:
            yield named
            yield re.sub(r":\d+$", "", named)
        operation = operations.get((entry.provider, entry.operation))
        if operation is None:
            continue
        body = decode(entry.response_body)
        told = read_told(body)
        urls = [*told.urls] if told is not None else []
        if operation.role in ("upload", "ticket"):
            urls += addresses(body)
        yield from (host.lower() for url in urls if (host := urlsplit(url).netloc))


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
