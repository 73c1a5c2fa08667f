"""How a provider words its answers, compiled from its `provider.yaml`. No decisions are made here."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from understudy_mock.catalog.notation import escape
from understudy_mock.domain.call import HTML, JSON, Answer, Headers
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.draw import Draw, uuid7
from understudy_mock.domain.facts import (
    Balance,
    Facts,
    JobPage,
    Models,
    Secret,
    StillRunning,
    Stored,
    Ticket,
    Uploaded,
)
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.timeline import State, Step
from understudy_mock.wording.reads import Reads
from understudy_mock.wording.scope import STYLES, Problems, Scope
from understudy_mock.wording.template import compile_json, compile_text, decide
from understudy_mock.wording.values import (
    ANSWER,
    ID,
    LATE,
    LOOKUPS,
    REFUSAL,
    SIGNATURE,
    Context,
    Names,
    Place,
)

Render = Callable[[Context], bytes]

_NO_QUIRKS: frozenset[str] = frozenset()

ROLES_OF_FACTS: Mapping[type, str] = {
    Secret: "secret",
    Balance: "balance",
    Models: "models",
    JobPage: "list",
    StillRunning: "late",
    Uploaded: "upload",
    Ticket: "ticket",
    Stored: "keep",
}

OF_JOBS = ("submit", "status", "result", "finished")
"""Answers about one job. `finished` is that to a submit that waited; without one it is as `result`."""


_EVENT, _INSTANT = "{event.id}", "{event.instant|unix}"
"""Templates of headers that carry what is signed with the body."""

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = 26


class _NewId(NamedTuple):
    """What a new id is made of."""

    model: str
    created: int
    draw: Draw

    def uuid7(self) -> str:
        return uuid7(self.created, self.draw.id_bits)

    def uuid4(self) -> str:
        """Return a random UUID (RFC 9562, section 5.4)."""
        bits = self.draw.bits("uuid4", 128)
        bits = bits & ~(0xF << 76) & ~(0b11 << 62) | 0x4 << 76 | 0b10 << 62
        return str(UUID(int=bits))

    def base32(self) -> str:
        """Return 26 letters and digits, of which none looks like another."""
        bits = self.draw.bits("base32", 5 * _LETTERS)
        return "".join(_BASE32[bits >> 5 * place & 31] for place in range(_LETTERS))

    def odd_uuid7(self) -> str:
        """Return one with another variant digit and one digit too many, which is no valid UUID."""
        made = self.uuid7()
        return f"{made[:19]}5{made[20:]}{self.draw.root[10] % 16:x}"


class _Event(NamedTuple):
    """A callback that is signed."""

    id: str
    instant: int
    signature: str = ""


_Signing = tuple[list[tuple[bytes, Callable[[Context], str]]], Callable[[Context], str]]
"""The headers of a signature, and what is signed in front of the body."""


class _Compiled(NamedTuple):
    """One answer, of which only the slots are open. Without a body it is the job's file."""

    status: int
    fixed: Headers
    open: list[tuple[bytes, Callable[[Context], str]]]
    body: Render | None

    def answer(self, context: Context, file: bytes = b"") -> Answer:
        """Fill the slots."""
        headers = self.fixed.copy()
        for name, read in self.open:
            headers.append((name, read(context).encode("latin-1", "replace")))
        return Answer(self.status, file if self.body is None else self.body(context), headers)


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """The wording of one provider. Every function is pure.

    `data` is the whole `provider.yaml`, which `folder` has checked.
    """

    data: Mapping[str, Any]
    _scope: Scope
    _compiled: dict[tuple[str, State | None, frozenset[str], bool], _Compiled] = field(default_factory=dict)
    _bodies: dict[tuple[State, frozenset[str], bool], Render] = field(default_factory=dict)
    _ids: dict[frozenset[str], Callable[[Context], str]] = field(default_factory=dict)
    _signing: list[_Signing] = field(default_factory=list)
    _reads: list[Reads] = field(default_factory=list)

    @classmethod
    def of(cls, data: Mapping[str, Any], problems: Problems) -> Wording:
        """Make the wording of some data; what is wrong with its templates is found when they are compiled."""
        states = {State(name): word for name, word in data.get("states", {}).items() if name in set(State)}
        quirks = frozenset(data.get("quirks", {}))
        style = STYLES.get(data.get("style", "compact"), STYLES["compact"])
        return cls(data, Scope({}, data.get("shapes", {}), states, quirks, problems, style=style))

    # -- facts

    @property
    def name(self) -> str:
        """The provider's name."""
        return str(self.data["provider"])

    @property
    def unsafe_end(self) -> State:
        """How a job ends if the safety checker stops its result."""
        return State(self.data["unsafe_end"])

    @property
    def retry_header(self) -> bytes:
        """The header that tells a refused caller when to come back."""
        return str(self.data["retry_header"]).encode()

    @property
    def conditions(self) -> Mapping[int, Condition]:
        """What each error status of the provider means."""
        return {int(status): Condition(name) for status, name in self.data["statuses"].items()}

    @property
    def failures(self) -> Mapping[int, str]:
        """Why a job failed, by the codes that the provider documents for it."""
        return {int(code): text for code, text in self.data.get("codes", {}).items()}

    @property
    def quirks(self) -> frozenset[str]:
        """The names of its quirks."""
        return self._scope.known_quirks

    @property
    def sends_file(self) -> bool:
        """Whether a submit that waits for its job is answered with the file itself."""
        return '"$file"' in json.dumps(self.data["answers"].get("finished", ""))

    @property
    def sends_several(self) -> bool:
        """Whether an answer names all files of a job, and not the first alone."""
        told = json.dumps([self.data["answers"], self.data.get("shapes", {})])
        return '"{outputs}"' in told or '"$each": "outputs"' in told

    @property
    def reads(self) -> Reads:
        """Reads what the provider sends."""
        if not self._reads:
            self._reads.append(Reads.of(self.data))
        return self._reads[0]

    @property
    def elsewhere(self) -> list[tuple[str, str]]:
        """Calls that the vendor documents and that no document beside holds, as method and path."""
        calls = (call.partition(" ") for call in self.data.get("elsewhere", ()))
        return [(method, path) for method, _, path in calls]

    @property
    def words(self) -> Mapping[str, str]:
        """The provider's word for each state."""
        return {state.value: self._scope.words.get(state, state.value) for state in State}

    def source(self, topic: str) -> str:
        """Return where the provider documents a topic of the rules; "" where it does not."""
        return str(self.data.get("sources", {}).get(topic, ""))

    def called(self, job: Job, step: Step) -> str:
        """Return the provider's word for the job's state."""
        if step.state is State.PROCESSING and job.timeline.processing_as:
            return job.timeline.processing_as
        return str(self._scope.words.get(step.state, step.state.value))

    # -- answers about a job

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Name a new job. `created` is in ms since the epoch."""
        made = self._ids.get(quirks)
        if made is None:
            made = self._ids[quirks] = self.compile_id(quirks)
        return made(Context(facts=_NewId(model.id, created, draw)))

    def accepted(self, job: Job) -> Answer:
        """Answer a submit that is queued."""
        step = job.timeline.steps[0]
        return self._find("answers/submit", step.state, job.quirks).answer(Context(job, step))

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer a status call. `urls` lead to the job's files; there are none until it is COMPLETED."""
        return self._find("answers/status", step.state, job.quirks, bool(urls)).answer(
            Context(job, step, urls)
        )

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer a call of the role `result`.

        `file_size` is in bytes, 0 until then; `balance` in micro-USD.
        """
        context = Context(job, step, urls, file_size, balance)
        return self._find("answers/result", step.state, job.quirks, bool(urls)).answer(context)

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer a submit that waited for its job. `balance` is in micro-USD."""
        context = Context(job, step, urls, len(file), balance)
        name = "answers/finished" if "finished" in self.data["answers"] else "answers/result"
        return self._find(name, step.state, job.quirks, bool(urls)).answer(context, file)

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Return the body of a callback about the job as it is in `step`."""
        key = step.state, job.quirks, bool(urls)
        made = self._bodies.get(key)
        if made is None:
            made = self._bodies[key] = self.compile_callback(*key)
        return made(Context(job, step, urls))

    def sign(self, secret: str, event: str, instant: int, body: bytes) -> Headers:
        """Return the headers that sign a callback sent at `instant` (ms since the epoch)."""
        recipe = self.data.get("signature")
        if recipe is None:
            return []  # most providers document no signature
        if not self._signing:
            self._signing.append(self.compile_signature())
        ((headers, message),) = self._signing
        signed = message(Context(facts=_Event(event, instant))).encode() + body
        key = secret.removeprefix(recipe.get("secret_prefix", "")).encode()
        digest = hmac.new(key, signed, hashlib.sha256).hexdigest()
        context = Context(facts=_Event(event, instant, digest))
        return [(name, read(context).encode()) for name, read in headers]

    @property
    def signs(self) -> bool:
        """Whether callbacks are signed."""
        return "signature" in self.data

    @property
    def tolerance(self) -> int | None:
        """How old (ms) a signature may be that a receiver takes; None where the provider does not say."""
        seconds = self.data.get("signature", {}).get("tolerance")
        return None if seconds is None else seconds * 1000

    def is_signed(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a callback has the headers of a signature, good or not."""
        return self.signs and all(name.encode() in headers for name in self.signature_headers)

    def stamped(self, headers: Mapping[bytes, bytes]) -> int | None:
        """Return the instant (ms since the epoch) that a signature names; None where it names none."""
        stamp = self._of_signature(_INSTANT, headers)
        return int(stamp) * 1000 if stamp.isascii() and stamp.isdigit() else None

    def is_genuine(self, secret: str, headers: Mapping[bytes, bytes], body: bytes) -> bool | None:
        """Return whether a callback's signature, however old, was made with the secret.

        None where that cannot be known: nothing is signed, or no header carries what is signed with the body.
        """
        if not self.signs or not self._shows_what_is_signed:
            return None
        instant = self.stamped(headers)
        if instant is None and "event.instant" in self.data["signature"]["message"]:
            return False
        instant = instant or 0
        expected = self.sign(secret, self._of_signature(_EVENT, headers), instant, body)
        return all(hmac.compare_digest(headers.get(name, b""), value) for name, value in expected)

    @property
    def signature_headers(self) -> Mapping[str, str]:
        """The headers that sign a callback, with the templates that make them."""
        headers: Mapping[str, str] = self.data.get("signature", {}).get("headers", {})
        return headers

    @property
    def _shows_what_is_signed(self) -> bool:
        """Whether headers carry the event's id and instant, as far as the message that is signed has them."""
        message, carried = self.data["signature"]["message"], set(self.signature_headers.values())
        has_event = _EVENT in carried or "event.id" not in message
        return has_event and (_INSTANT in carried or "event.instant" not in message)

    def _of_signature(self, template: str, headers: Mapping[bytes, bytes]) -> str:
        """Return what stands in the header that a template fills; "" where it is missing."""
        name = next((name for name, value in self.signature_headers.items() if value == template), "")
        return headers.get(name.encode(), b"").decode("latin-1")

    # -- other answers

    def answer(self, facts: Facts) -> Answer:
        """Answer a call that is about no one job, or whose job is not done in time.

        Facts that no operation of the provider asks for are answered like an unknown route.
        """
        role = ROLES_OF_FACTS[type(facts)]
        if role not in self.data["answers"]:
            return self.refusal(Refusal(CallError.NO_ROUTE), Place(), _NO_QUIRKS)
        if isinstance(facts, StillRunning):
            context = Context(facts.job, facts.step, facts=facts)
            return self._find("answers/late", facts.step.state, facts.job.quirks).answer(context)
        return self._find(f"answers/{role}", None, _NO_QUIRKS).answer(Context(facts=facts))

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Answer a refused call."""
        context = Context(detail=refusal.detail, place=place)
        return self._find(f"refusals/{refusal.what}", None, quirks).answer(context)

    def unconditioned(self, status: int) -> Answer | None:
        """Answer an error status that is not in `conditions`; None if no document has a body for it.

        Such a status can be a job's own failure.
        """
        if str(status) not in self.data.get("other_statuses", {}):
            return None
        return self._find(f"other_statuses/{status}", None, _NO_QUIRKS).answer(Context())

    # -- compiling

    def _find(
        self, name: str, state: State | None, quirks: frozenset[str], has_outputs: bool = False
    ) -> _Compiled:
        key = name, state, quirks, has_outputs
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = self.compile_answer(*key)
        return compiled

    def compile_answer(
        self, name: str, state: State | None, quirks: frozenset[str], has_outputs: bool = False
    ) -> _Compiled:
        """Compile an answer (`answers/ROLE`, `refusals/CONDITION`) for a state and a set of quirks."""
        block, _, entry = name.partition("/")
        names = names_of(block, entry)
        scope = replace(self._scope, names=names, state=state, quirks=quirks, has_outputs=has_outputs)
        node, at = self.data[block], f"/{block}/{escape(entry)}"
        node = node.get(entry)
        form: Mapping[str, Any] = {}
        if block == "refusals":
            form = self.data["refusals"].get("$form", {})
        answer, at = decide(node, scope, at)
        answer, places = (
            {**form, **answer},
            dict.fromkeys(form, "/refusals/$form") | dict.fromkeys(answer, at),
        )
        status, place = decide(answer.get("status", 200), scope, f"{at}/status")
        if not isinstance(status, int) or not 100 <= status <= 599:
            scope.problems.add(place, f"{status!r} is no status of HTTP (100 to 599)")
            status = 500
        texts = {
            part: (answer[part], f"{places[part]}/{part}") for part in ("text", "title") if part in answer
        }
        style = STYLES.get(answer.get("style", ""), scope.style)
        scope = replace(scope, texts={**texts, "status": (status, place)}, style=style)
        fixed: Headers = []
        headers: list[tuple[bytes, Callable[[Context], str]]] = []
        body: Render | None
        if "page" in answer:
            page = str(answer["page"]).encode()
            fixed.append(HTML)
            body = lambda context: page  # noqa: E731 (one of three, which are alike)
        elif answer.get("body") == {"$file": "job"}:
            headers.append((b"content-type", compile_text("{job.media_type}", scope, f"{at}/body")))
            body = None
        elif "body" in answer:
            body = compile_json(answer["body"], scope, f"{places['body']}/body")
            fixed.append((JSON[0], str(answer["type"]).encode()) if "type" in answer else JSON)
        else:
            body = lambda context: b""  # noqa: E731
        for header, value in answer.get("headers", {}).items():
            place = f"{places['headers']}/headers/{escape(header)}"
            headers.append((header.encode(), compile_text(value, scope, place)))
        return _Compiled(status, fixed, headers, body)

    def compile_callback(self, state: State, quirks: frozenset[str], has_outputs: bool = False) -> Render:
        """Compile the body of a callback."""
        scope = replace(self._scope, names=ANSWER, state=state, quirks=quirks, has_outputs=has_outputs)
        if "callback" in self.data:
            return compile_json(self.data["callback"], scope, "/callback")
        body = self.compile_answer("answers/status", state, quirks, has_outputs).body
        assert body is not None  # the answer to a status call is JSON
        return body

    def compile_signature(
        self,
    ) -> tuple[list[tuple[bytes, Callable[[Context], str]]], Callable[[Context], str]]:
        """Compile the headers that sign a callback, and what is signed before its body."""
        recipe = self.data["signature"]
        scope = replace(self._scope, names=SIGNATURE)
        headers = [
            (name.encode(), compile_text(value, scope, f"/signature/headers/{escape(name)}"))
            for name, value in recipe["headers"].items()
        ]
        return headers, compile_text(recipe["message"], scope, "/signature/message")

    def compile_id(self, quirks: frozenset[str]) -> Callable[[Context], str]:
        """Compile the form of new ids."""
        scope = replace(self._scope, names=ID, quirks=quirks)
        node, at = decide(self.data["ids"], scope, "/ids")
        return compile_text(node, scope, at)


def names_of(block: str, entry: str) -> Names:
    """Return what a template may name, by the block and the entry that it stands in."""
    if block == "answers":
        return LATE if entry == "late" else LOOKUPS.get(entry, ANSWER)
    return REFUSAL if block == "refusals" else {}


__all__ = ["OF_JOBS", "Place", "Wording"]
