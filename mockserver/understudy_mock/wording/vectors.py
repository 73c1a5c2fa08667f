"""Vectors: what a vendor's page or a recording shows of an answer, with what it was made of.

They stand in `vectors.yaml` beside `provider.yaml`. Each is rendered again, which has to give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from understudy_mock.domain.call import Answer
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Violation
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.facts import (
    Balance,
    Facts,
    JobPage,
    Models,
    Secret,
    StillRunning,
    Stored,
    Ticket,
    Upload,
    Uploaded,
)
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import MediaRule, Model
from understudy_mock.domain.money import Price, micro_usd
from understudy_mock.domain.planning import Durations
from understudy_mock.domain.rendition import Format
from understudy_mock.domain.timeline import TERMINAL, State, Step, Timeline
from understudy_mock.wording.values import Place
from understudy_mock.wording.wording import Wording

Problem = tuple[str, str]
"""A JSON pointer into `vectors.yaml`, and a sentence."""


class GivenJob(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The job that an answer is about. Instants are ISO 8601; `started` is when work began, if it did.

    `queued` and `processing` are provider seconds, `price` and `balance` USD, `size` the bytes of its file.
    """

    id: str
    model: str
    state: State
    created: str
    changed: str = ""
    started: str = ""
    outputs: list[str] = []
    error: str | None = None
    code: int | None = None
    nsfw: bool = False
    origin: str = ""
    format: Format = "mp4"
    input: dict[str, Any] = {}
    queued: float = 0
    processing: float = 0
    price: float = 0
    balance: float = 0
    size: int = 0

    def made(self, quirks: frozenset[str]) -> tuple[Job, Step]:
        """Return the job, and the step that it is in."""
        created = _instant(self.created)
        steps = [Step(0, State.QUEUED)]
        changed = (_instant(self.changed) if self.changed else created) - created
        if self.started or self.state is State.PROCESSING:
            began = _instant(self.started) - created if self.started else changed
            steps.append(Step(began, State.PROCESSING))
        if self.state in TERMINAL:
            steps.append(Step(changed, self.state))
        model = Model(
            self.model,
            "",
            "",
            Durations(self.queued, self.processing),
            Price(()),
            MediaRule(self.format, seed="seed"),
        )
        job = Job(
            id=self.id,
            account="acct_12345678",
            model=model,
            asked=(msgspec.json.encode(self.input),),
            root=Draw.of_job(0, "", "", b"", 0).root,
            created=created,
            timeline=Timeline(tuple(steps), self.error, self.code, self.nsfw),
            origin=self.origin,
            media_origin="",
            price=micro_usd(self.price),
            held=True,
            outputs=len(self.outputs),
            format=self.format,
            quirks=quirks,
        )
        return job, steps[-1] if self.state is not State.QUEUED else steps[0]


class GivenDetail(msgspec.Struct, forbid_unknown_fields=True):
    """What a refusal knows. Money is in USD; `missing` and `invalid` are parameters, the latter with why."""

    text: str = ""
    retry_after: int | None = None
    resets_at: str = ""
    allowed: list[str] = []
    model: str = ""
    job: str = ""
    balance: float | None = None
    price: float = 0
    missing: list[str] = []
    invalid: dict[str, str] = {}

    def made(self) -> Detail:
        """Return what the gateway knows of such a refusal."""
        violations = [Violation(name, missing=True, reason="is required") for name in self.missing]
        violations += [Violation(name, missing=False, reason=reason) for name, reason in self.invalid.items()]
        return Detail(
            violations=tuple(violations),
            text=self.text,
            retry_after=self.retry_after,
            resets_at=_instant(self.resets_at) if self.resets_at else None,
            allowed=tuple(self.allowed),
            model=self.model,
            job=self.job,
            balance=micro_usd(self.balance) if self.balance is not None else None,
            price=micro_usd(self.price),
        )


class GivenPlace(msgspec.Struct, forbid_unknown_fields=True):
    """Where a refused call was made."""

    host: str = ""
    path: str = "/"
    trace: str = ""


class GivenFile(msgspec.Struct, forbid_unknown_fields=True):
    """A file that was uploaded, or is promised a place at `put_url`."""

    name: str
    type: str
    url: str
    size: int = 0
    put_url: str = ""


class GivenModel(msgspec.Struct, forbid_unknown_fields=True):
    """A model in a list of all, with its price in USD."""

    id: str
    summary: str
    price: float


class GivenEvent(msgspec.Struct, forbid_unknown_fields=True):
    """A callback to be signed. `at` is in seconds since the epoch."""

    id: str
    at: int
    secret: str
    body: str


class Vector(msgspec.Struct, forbid_unknown_fields=True):
    """One answer, what it is made of, and where it is shown.

    `of` names it as `provider.yaml` does: `answers/status`, `refusals/not_found`, `callback`, `signature`.
    `body` is left out where the answer is the file itself.
    """

    of: str
    source: str
    quirks: list[str] = []
    job: GivenJob | None = None
    refusal: GivenDetail = msgspec.field(default_factory=GivenDetail)
    place: GivenPlace = msgspec.field(default_factory=GivenPlace)
    file: GivenFile | None = None
    models: list[GivenModel] = []
    event: GivenEvent | None = None
    secret: str = ""
    balance: float | None = None
    alias: bool = False
    seconds: float = 0
    status: int = 200
    headers: dict[str, str] = {}
    body: str | None = None

    def answer(self, wording: Wording) -> Answer:
        """Return what the wording makes of the same. Raises LookupError where it, or the vector, lacks it."""
        block, _, name = self.of.partition("/")
        match block:
            case "answers":
                return self._to_an_operation(wording, name)
            case "refusals":
                every: dict[str, Condition | CallError] = {str(one): one for one in (*Condition, *CallError)}
                refusal = Refusal(every[name], self.refusal.made())
                place = Place(self.place.host, self.place.path, self.place.trace)
                return wording.refusal(refusal, place, frozenset(self.quirks))
            case "other_statuses":
                answer = wording.unconditioned(int(name))
                if answer is not None:
                    return answer
            case "callback":
                job, step = self._job()
                return Answer(200, wording.callback(job, step, self._urls), [])
            case "signature" if self.event is not None:
                event = self.event
                body = event.body.encode()
                return Answer(200, b"", wording.sign(event.secret, event.id, event.at * 1000, body))
        raise LookupError(self.of)

    def _to_an_operation(self, wording: Wording, role: str) -> Answer:
        if role not in wording.data["answers"]:
            raise LookupError(self.of)
        if role not in ("submit", "status", "result", "finished"):
            return wording.answer(self._facts(role))
        job, step = self._job()
        given = self.job
        assert given is not None  # else there was no job
        balance = micro_usd(given.balance)
        match role:
            case "submit":
                return wording.accepted(job)
            case "status":
                return wording.status(job, step, self._urls)
            case "result":
                return wording.result(job, step, self._urls, given.size, balance)
            case _:
                return wording.finished(job, step, self._urls, bytes(given.size), balance)

    def _facts(self, role: str) -> Facts:
        match role:
            case "secret":
                return Secret(self.secret)
            case "balance":
                return Balance(micro_usd(self.balance or 0), self.alias)
            case "models":
                return Models([(_named(one), micro_usd(one.price)) for one in self.models])
            case "list":
                job, step = self._job()
                return JobPage(1, 1, [(job, step, self._urls)])
            case "late":
                return StillRunning(*self._job(), self.seconds)
            case "keep":
                return Stored()
        if self.file is None:
            raise LookupError("file")
        file = self.file
        upload = Upload("file", "", file.name, file.type, file.url, content=bytes(file.size))
        return Ticket(upload, file.put_url) if role == "ticket" else Uploaded([upload])

    def _job(self) -> tuple[Job, Step]:
        if self.job is None:
            raise LookupError("job")
        return self.job.made(frozenset(self.quirks))

    @property
    def _urls(self) -> list[str]:
        return self.job.outputs if self.job is not None else []


def read_vectors(data: Any) -> list[Vector]:
    """Return the vectors of a decoded `vectors.yaml`. Raises msgspec.ValidationError."""
    return msgspec.convert(data, list[Vector])


def untrue(wording: Wording, vectors: list[Vector]) -> Iterator[Problem]:
    """List where the wording does not give what a vector shows."""
    for number, vector in enumerate(vectors):
        try:
            answer = vector.answer(wording)
        except LookupError as error:
            what = str(error.args[0]) if error.args else vector.of
            yield f"/{number}/of", f"{vector.of} cannot be made: there is no {what}"
            continue
        if answer.status != vector.status:
            yield f"/{number}/status", f"is {vector.status}, and {vector.of} gives {answer.status}"
        given = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
        for name, value in vector.headers.items():
            if given.get(name) != value:
                yield f"/{number}/headers/{name}", f"is {value!r}, and {vector.of} gives {given.get(name)!r}"
        if vector.body is not None and vector.body.encode() != answer.body:
            yield f"/{number}/body", f"differs from what {vector.of} gives: {_shown(answer.body)}"


def unproven(description: Mapping[str, Any], vectors: list[Vector]) -> Iterator[str]:
    """Name the answers that have no vector and do not say that they are assumed."""
    proven = {vector.of for vector in vectors}
    names = [
        *(
            f"{block}/{name}"
            for block in ("answers", "refusals", "other_statuses")
            for name in description.get(block, {})
        ),
        *(block for block in ("callback", "signature") if block in description),
    ]
    for name in names:
        block, _, entry = name.partition("/")
        node = description[block][entry] if entry else description[block]
        if name not in proven and entry != "$form" and not _has(node, lambda key: key == "x-assumed"):
            yield name


def _has(node: Any, wanted: Callable[[str], bool]) -> bool:
    if isinstance(node, dict):
        return any(wanted(key) or _has(inner, wanted) for key, inner in node.items())
    return isinstance(node, list) and any(_has(inner, wanted) for inner in node)


def _shown(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _named(model: GivenModel) -> Model:
    return Model(model.id, "", model.summary, Durations(0, 0), Price(()), MediaRule("mp4"))


def _instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
