"""What a provider may do and what may be asked of it, as Hypothesis strategies: pure, and always playable.

A scenario is drawn as a short list of mischiefs on top of a provider that behaves, so that shrinking is
leaving mischiefs out, and the smallest scenario that breaks a client names the one thing that did it. All
that takes real time is bounded, so that an example takes about a second and most take a third of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, NamedTuple

import msgspec
from hypothesis import strategies as st

from understudy_contracts.conformance.cases import usual_inputs
from understudy_contracts.conformance.protocol import Hello, Mode
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.bundle import follow
from understudy_mock.catalog.describe import example
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.model import Operation
from understudy_mock.domain.quirks import quirks_of
from understudy_mock.domain.scenario import FAULTS, Account, Course, Entry, Scenario, Webhook

SPEED = 300.0
"""How much faster than documented jobs are: the 111 s of Pixazo's video take 0.37 s."""

MODES: tuple[Mode, ...] = ("poll", "webhook", "sync")

_LONG = 1.3 * SPEED
"""A course that is long for this speed, in provider seconds."""

_HANG = 30.0
"""Seconds of silence: more than any budget, so that only a timeout of the client's own helps."""

_MOST_MISCHIEFS = 4

Slot = Literal["poll", "job", "webhook", "submit", "media", "quirk", "account"]


class Place(NamedTuple):
    """Where an example plays: a provider, how its result is waited for, and which callbacks are asked for."""

    provider: str
    mode: Mode
    webhook_mode: Literal["terminal", "sync"] = "terminal"

    def __str__(self) -> str:
        return f"{self.provider}/{self.mode}"

    @property
    def at_once(self) -> bool:
        """Whether a submit's answer is the file itself: nothing is polled, and nothing fetched."""
        return self.provider == "segmind" and self.mode == "sync"


class Mischief(NamedTuple):
    """One thing that the provider does. `told` is an Entry, a quirk's name, or fields of the slot's part."""

    slot: Slot
    told: Any


@dataclass(frozen=True, slots=True)
class Drawn:
    """One example: what is asked for where, and what the provider does about it."""

    place: Place
    operation: Operation
    input: Mapping[str, Any]
    mischiefs: tuple[Mischief, ...]
    scenario: Scenario

    def simpler(self, catalog: Catalog) -> Iterator[Drawn]:
        """Give the same with one mischief less, and with the documented input."""
        for index in range(len(self.mischiefs)):
            fewer = self.mischiefs[:index] + self.mischiefs[index + 1 :]
            yield replace(self, mischiefs=fewer, scenario=compose(fewer, self.operation))
        usual = usual_body(catalog, self.place, self.operation)
        if usual != self.input and "data-uri" not in self.scenario.quirks:
            yield replace(self, input=usual)

    @property
    def name(self) -> bytes:
        """What tells two examples apart."""
        told = (self.place, self.operation.id, self.input, self.scenario)
        return msgspec.json.encode(told, order="deterministic")


def places(hello: Hello, providers: Iterable[str] = (), modes: Iterable[str] = MODES) -> list[Place]:
    """List where a client can be tried, the simplest first."""
    wanted, allowed = set(providers), set(modes)
    return [
        place
        for place in _PLACES
        if (not wanted or place.provider in wanted)
        and (not hello.providers or place.provider in hello.providers)
        and place.mode in allowed
        and (place.mode == "poll" or place.mode in hello.capabilities)
    ]


_PLACES = (
    Place("pixazo", "poll"),
    Place("wavespeed", "poll"),
    Place("segmind", "poll"),
    Place("segmind", "sync"),
    Place("wavespeed", "sync"),
    Place("pixazo", "webhook"),
    Place("wavespeed", "webhook"),
    Place("pixazo", "webhook", "sync"),
)


def lacking(hello: Hello, providers: Sequence[str], modes: Sequence[str]) -> str:
    """Say why a provider or a mode of these can be tried nowhere; "" where each can."""
    where = places(hello, providers, modes)
    for provider in providers:
        if hello.providers and provider not in hello.providers:
            return f"the client does not speak to {provider}, but to {', '.join(hello.providers)}"
    for mode in modes:
        if mode in {place.mode for place in where}:
            continue
        if mode != "poll" and mode not in hello.capabilities:
            claimed = ", ".join(sorted(hello.capabilities)) or "none"
            return f"mode {mode!r} needs a client with the capability {mode!r}; it claims {claimed}"
        having = ", ".join(dict.fromkeys(place.provider for place in _PLACES if place.mode == mode))
        return f"mode {mode!r} is had by {having} alone, not by {', '.join(providers)}"
    for provider in providers:
        if provider in {place.provider for place in where}:
            continue
        having = ", ".join(dict.fromkeys(place.mode for place in _PLACES if place.provider == provider))
        return f"{provider} is tried in none of the modes {', '.join(modes)}; it has {having or 'none'}"
    return ""


def drawn(catalog: Catalog, hello: Hello, where: list[Place]) -> st.SearchStrategy[Drawn]:
    """Draw examples at these places (at least one) for a client that can do what `hello` says."""
    asked = {place: _inputs(catalog, place) for place in where}
    mischiefs = {place: _mischiefs(place, hello) for place in where}

    @st.composite
    def draw_one(draw: st.DrawFn) -> Drawn:
        place = draw(st.sampled_from(where))
        chosen = draw(st.lists(mischiefs[place], max_size=_MOST_MISCHIEFS))
        operation, body = draw(asked[place])
        if not _answers_directly(operation):
            chosen = [one for one in chosen if one != _DIRECT]
        if _DATA_URI in chosen and "sync_mode" in _parameters(catalog, operation):
            body = {**body, "sync_mode": True}
        return Drawn(place, operation, body, tuple(chosen), compose(chosen, operation))

    return draw_one()


def singles(catalog: Catalog, hello: Hello, where: list[Place], seed: int) -> list[Drawn]:
    """List examples with one mischief each, and what it takes to see it.

    Every kind comes once, at a place that the seed picks, then elsewhere. These are played before anything
    is drawn: chance alone would leave some kinds out of a short search.
    """
    random = Random(seed)
    kinds: dict[str, list[tuple[Place, Mischief]]] = {}
    for place in where:
        for mischief in _each(place, hello):
            kinds.setdefault(repr(mischief), []).append((place, mischief))
    rounds = [random.sample(found, len(found)) for found in kinds.values()]
    random.shuffle(rounds)
    plain = [Drawn(place, *_asked(catalog, place, None), (), Scenario(name="drawn")) for place in where]
    chosen = [one for nth in range(len(where)) for found in rounds for one in found[nth : nth + 1]]
    return plain + [_single(catalog, place, mischief) for place, mischief in chosen]


def _single(catalog: Catalog, place: Place, mischief: Mischief) -> Drawn:
    operation, body = _asked(catalog, place, mischief)
    chosen = (mischief, *_SHOWN_BY.get(str(mischief.told), ()))
    return Drawn(place, operation, body, chosen, compose(chosen, operation))


def _asked(catalog: Catalog, place: Place, mischief: Mischief | None) -> tuple[Operation, dict[str, Any]]:
    """Ask for what is usual, or for what a quirk is about."""
    submits = _submits(catalog, place)
    operation = submits[0]
    if mischief == _DIRECT:
        operation = next(one for one in submits if _answers_directly(one))
    elif mischief == _DATA_URI:
        operation = next(one for one in submits if "sync_mode" in _parameters(catalog, one))
    body = usual_body(catalog, place, operation)
    return operation, {**body, "sync_mode": True} if mischief == _DATA_URI else body


_CREDITS = "credits-as-200"

_SHOWN_BY = {
    "bare-failures": (Mischief("job", {"end": "FAILED"}),),
    _CREDITS: (Mischief("submit", Entry(condition=Condition.INSUFFICIENT_BALANCE, times="always")),),
    "model-404": (Mischief("submit", Entry(condition=Condition.MODEL_NOT_FOUND, times="always")),),
}
"""What it takes for a quirk to be seen."""

_DIRECT = Mischief("quirk", "direct-video")
_DATA_URI = Mischief("quirk", "data-uri")


def compose(chosen: Iterable[Mischief], operation: Operation) -> Scenario:
    """Make a scenario of mischiefs. Of two courses of a job, or two moods of an account, the later holds."""
    entries: dict[str, list[Entry]] = {"submit": [], "poll": [], "media": []}
    job: dict[str, Any] = {}
    webhook: dict[str, Any] = {}
    account: dict[str, Any] = {}
    quirks: list[str] = []
    for slot, told in chosen:
        if slot == "quirk":
            quirks += [] if told in quirks else [told]
        elif slot == "job":
            if "end" in told:
                job = {name: value for name, value in job.items() if name not in _ENDING}
            job |= told
        elif slot == "webhook":
            webhook |= told
        elif slot == "account":
            model = operation.model.id if operation.model is not None else ""
            account = {"disabled_models": (model,)} if "disabled_models" in told else told
        else:
            entries[slot].append(told)
    submit = entries["submit"]
    if _CREDITS in quirks:
        # Under HTTP 200 its words are all that tells this refusal from a good answer, so they stay.
        submit = [_worded(one) if one.condition is Condition.INSUFFICIENT_BALANCE else one for one in submit]
    return Scenario(
        name="drawn",
        submit=tuple(submit),
        poll=tuple(entries["poll"]),
        media=tuple(entries["media"]),
        job=Course(**job),
        webhook=Webhook(**webhook),
        account=Account(**account),
        quirks=tuple(quirks),
    )


_ENDING = ("end", "end_from", "error", "code")


def _worded(entry: Entry) -> Entry:
    """Leave the words of an entry to the provider."""
    return msgspec.structs.replace(entry, body=None)


# -- inputs


def _inputs(catalog: Catalog, place: Place) -> st.SearchStrategy[tuple[Operation, dict[str, Any]]]:
    """Draw a submit and its body: a documented one, with up to two other values that the spec allows."""
    submits = _submits(catalog, place)
    # The usual model three times: others are the same code at most providers, and clients know fewer.
    weighted = [submits[0], submits[0], submits[0], *submits[1:]]

    @st.composite
    def draw_one(draw: st.DrawFn) -> tuple[Operation, dict[str, Any]]:
        operation = draw(st.sampled_from(weighted))
        body = usual_body(catalog, place, operation)
        others = list(_others(catalog, operation))
        if others:
            for name, value in draw(st.lists(st.sampled_from(others), max_size=2)):
                changed = {**body, name: value}
                if _allowed(operation, changed, body):
                    body = changed
        return operation, body

    return draw_one()


def _submits(catalog: Catalog, place: Place) -> list[Operation]:
    """List the submits that there are at a place, that of the usual model first."""
    usual = usual_inputs()[place.provider]
    fitting = [one for one in catalog.operations if _fits(one, place)]
    return sorted(fitting, key=lambda one: one.model is None or one.model.id != usual.model)


def _allowed(operation: Operation, changed: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the spec allows a body, and advises against no more than it did before."""
    check = operation.body
    return check is None or (
        check.allows(changed) and set(check.advice(changed)) <= set(check.advice(before))
    )


def usual_body(catalog: Catalog, place: Place, operation: Operation) -> dict[str, Any]:
    """Give the body that is asked where nothing else is: that of the cases, else the documented example."""
    usual = usual_inputs()[place.provider]
    is_usual = operation.model is not None and operation.model.id == usual.model
    body = dict(usual.input) if is_usual else dict(example(catalog, operation))
    if place.provider == "wavespeed" and place.mode == "sync":
        body["enable_sync_mode"] = True
    return body


def _fits(operation: Operation, place: Place) -> bool:
    return (
        operation.role == "submit"
        and operation.provider == place.provider
        and operation.evidence in _KNOWN_FROM
        and not operation.alias
        and (operation.answers == "media") is place.at_once
    )


_KNOWN_FROM = ("documented", "vendor")
"""Segmind's queue is on a page of the vendor's own, not on those of its models."""

_NOT_VARIED = frozenset({"sync_mode", "enable_sync_mode", "enable_base64_output", "base64"})
"""Parameters that change the form of the answer: modes and quirks stand for them."""

_TEXTS = ("a", 'Ein Löwe, 獅子, 🦁 "in" <b>Zürich</b>\n& more', "very " * 400 + "long")


def _others(catalog: Catalog, operation: Operation) -> Iterator[tuple[str, Any]]:
    """List values of each parameter that are worth trying: the edges of its range, and every choice."""
    for name, schema in _parameters(catalog, operation).items():
        if name in _NOT_VARIED:
            continue
        for branch in schema.get("anyOf", [schema]):
            if "enum" in branch:
                yield from ((name, value) for value in branch["enum"])
            elif branch.get("type") == "boolean":
                yield from ((name, value) for value in (True, False))
            elif branch.get("type") in ("integer", "number"):
                edges = (branch.get("minimum"), branch.get("maximum"), branch.get("default"))
                yield from ((name, value) for value in edges if value is not None)
            elif branch.get("type") == "string" and name in ("prompt", "negative_prompt"):
                yield from ((name, value) for value in _TEXTS)


def _parameters(catalog: Catalog, operation: Operation) -> dict[str, dict[str, Any]]:
    document = catalog.documents[operation.provider]
    told = document["paths"][operation.path][operation.method.lower()]
    schema = follow(document, told["requestBody"]["content"]["application/json"]["schema"])
    return {name: follow(document, inner) for name, inner in schema.get("properties", {}).items()}


def _answers_directly(operation: Operation) -> bool:
    return operation.model is not None and operation.model.id == "hunyuan-video-image-to-video"


# -- mischiefs


def _mischiefs(place: Place, hello: Hello) -> st.SearchStrategy[Mischief]:
    """Draw one thing that can go wrong at a place, and that the client says it can be asked for."""
    parts: list[st.SearchStrategy[Mischief]] = []
    if _polls(place, hello):
        parts.append(_in("poll", _poll_entries(hello)))
    parts.append(_in("job", st.sampled_from(_courses(place))))
    if place.mode == "webhook":
        parts.append(_in("webhook", st.sampled_from(_callbacks(place, hello))))
    parts.append(_in("submit", _submit_entries(place, hello)))
    if "download" in hello.capabilities and not place.at_once:
        parts.append(_in("media", _media_entries(hello)))
    parts.append(_in("quirk", st.sampled_from(_quirks(place, hello))))
    parts.append(_in("account", st.sampled_from(_ACCOUNTS)))
    # Once more what there is most of.
    return st.one_of([*parts, *(part for part in parts[:2])])


def _polls(place: Place, hello: Hello) -> bool:
    """Whether a client polls at a place, or may have to."""
    return not place.at_once and (place.mode == "poll" or "webhook-poll-fallback" in hello.capabilities)


def _quirks(place: Place, hello: Hello) -> list[str]:
    direct = "direct" in hello.capabilities and place.mode == "poll"
    left_out = (set() if direct else {"direct-video"}) | (set() if place.at_once else {"json-video"})
    return sorted(quirks_of(place.provider) - left_out)


def _each(place: Place, hello: Hello) -> Iterator[Mischief]:
    """List one mischief of each kind that a client can be asked for at a place."""
    limited = [Entry(condition=Condition.RATE_LIMITED, retry_after=wait) for wait in (1, "http-date")]
    unnamed = Entry(condition=Condition.RATE_LIMITED, retry_after="none", times=2)
    slow = Entry(fault="slow", seconds=_slow(hello)[-1])
    replaced = msgspec.structs.replace
    if _polls(place, hello):
        for condition in _TROUBLE:
            yield Mischief("poll", Entry(condition=condition))
        for told in _BROKEN:
            yield Mischief("poll", Entry(**told))
        for entry in (*limited, unnamed, slow):
            yield Mischief("poll", entry)
        if _hangs(hello):
            yield Mischief("poll", Entry(fault="hang", seconds=_HANG))
        yield Mischief("poll", Entry(condition=Condition.NOT_FOUND, times="always"))
        yield Mischief("poll", Entry(condition=Condition.UNAVAILABLE, times="always"))
    for course in _courses(place):
        yield Mischief("job", course)
    if place.mode == "webhook":
        for wish in _callbacks(place, hello):
            yield Mischief("webhook", wish)
    for entry in (*limited, unnamed, Entry(condition=Condition.RATE_LIMITED, retry_after=1, times="always")):
        yield Mischief("submit", entry)
    for condition in _REFUSALS:
        yield Mischief("submit", Entry(condition=condition, times="always"))
    for body in _BODIES[1:]:
        yield Mischief("submit", Entry(condition=Condition.INVALID_KEY, times="always", body=body))
    for told in ({"fault": "reset"}, {"fault": "html"}, {"condition": Condition.TIMEOUT}):
        yield Mischief("submit", Entry(**told, accept=True))
    yield Mischief("submit", Entry(condition=Condition.INTERNAL_ERROR))
    yield Mischief("submit", replaced(slow, accept=True))
    if "download" in hello.capabilities and not place.at_once:
        for told in _BROKEN_FILE:
            yield Mischief("media", Entry(**told))
        yield Mischief("media", Entry(condition=Condition.UNAVAILABLE))
        yield Mischief("media", limited[0])
        yield Mischief("media", Entry(condition=Condition.NOT_FOUND, times="always"))
    for quirk in _quirks(place, hello):
        yield Mischief("quirk", quirk)
    for account in _ACCOUNTS:
        yield Mischief("account", account)


def _in(slot: Slot, told: st.SearchStrategy[Any]) -> st.SearchStrategy[Mischief]:
    make: Callable[[Any], Mischief] = lambda value: Mischief(slot, value)  # noqa: E731 (typed for `map`)
    return told.map(make)


_ACCOUNTS: tuple[dict[str, Any], ...] = (
    {"balance": 1000.0},
    {"balance": 0.0},
    {"disabled_models": ()},  # `compose` names the model
    {"rate_limit": "1/1"},
)

_WAITS: tuple[Any, ...] = (1, "none", 0, "http-date")

_TROUBLE = (
    Condition.UNAVAILABLE,
    Condition.INTERNAL_ERROR,
    Condition.BAD_GATEWAY,
    Condition.TIMEOUT,
)

_REFUSALS = (
    Condition.INSUFFICIENT_BALANCE,
    Condition.INVALID_KEY,
    Condition.INVALID_REQUEST,
    Condition.FORBIDDEN,
    Condition.QUOTA_EXCEEDED,
    Condition.MODEL_NOT_FOUND,
    Condition.MISSING_KEY,
)

_BROKEN: tuple[dict[str, Any], ...] = (
    {"fault": "reset"},
    {"fault": "reset", "where": "middle"},
    *({"fault": name} for name in FAULTS if name not in ("reset", "hang", "slow")),
)

_BROKEN_FILE = tuple(told for told in _BROKEN if told != {"fault": "malformed"})
"""Half a file under a length that fits is a file: nobody can tell."""

_PAGE = "<html><body><h1>403 Forbidden</h1></body></html>"
_BODIES = (
    None,
    '{"error": "unknown key {key}", "message": "unknown key {key}"}',
    _PAGE,
    "",
)


@st.composite
def _poll_entries(draw: st.DrawFn, hello: Hello) -> Entry:
    """Draw what a poll meets: mostly something that passes."""
    common: dict[str, Any] = {"after": draw(st.sampled_from((0, 1))), "times": draw(st.sampled_from((1, 2)))}
    match draw(st.sampled_from(("trouble", "broken", "limited", "slow", "hang", "refused", "for ever"))):
        case "trouble":
            return Entry(condition=draw(st.sampled_from(_TROUBLE)), **common)
        case "broken":
            return Entry(**draw(st.sampled_from(_BROKEN)), **common)
        case "limited":
            wait = draw(st.sampled_from(_WAITS))
            return Entry(condition=Condition.RATE_LIMITED, retry_after=wait, after=common["after"])
        case "slow":
            return Entry(fault="slow", seconds=draw(st.sampled_from(_slow(hello))), after=common["after"])
        case "hang" if _hangs(hello):
            return Entry(fault="hang", seconds=_HANG, after=common["after"])
        case "refused":
            refusals = (Condition.NOT_FOUND, Condition.INVALID_KEY, Condition.FORBIDDEN)
            return Entry(
                condition=draw(st.sampled_from(refusals)),
                body=draw(st.sampled_from(_BODIES)),
                after=common["after"],
                times=draw(st.sampled_from((1, "always"))),
            )
        case _:
            return Entry(condition=draw(st.sampled_from(_TROUBLE)), after=common["after"], times="always")


@st.composite
def _submit_entries(draw: st.DrawFn, place: Place, hello: Hello) -> Entry:
    """Draw what a submit meets: a refusal for the moment or for good, or an answer that is lost."""
    match draw(
        st.sampled_from(("limited", "refused", "lost", "trouble", "limited for ever", "slow", "hang"))
    ):
        case "limited":
            wait = draw(st.sampled_from(_WAITS))
            # Two waits that nobody names take long: once is enough where something is named.
            times = draw(st.sampled_from((1, 2))) if wait in ("none", 0) else 1
            return Entry(condition=Condition.RATE_LIMITED, retry_after=wait, times=times)
        case "limited for ever":
            return Entry(condition=Condition.RATE_LIMITED, retry_after=1, times="always")
        case "refused":
            return Entry(
                condition=draw(st.sampled_from(_REFUSALS)),
                body=draw(st.sampled_from(_BODIES)),
                times=draw(st.sampled_from(("always", 1))),
            )
        case "lost":
            broken = _BROKEN_FILE if place.at_once else _BROKEN
            return Entry(**draw(st.sampled_from(broken)), accept=draw(st.booleans()))
        case "trouble":
            return Entry(condition=draw(st.sampled_from(_TROUBLE)), accept=draw(st.booleans()))
        case "hang" if _hangs(hello):
            return Entry(fault="hang", seconds=_HANG, accept=draw(st.booleans()))
        case _:
            # Accepted: a whole answer about a job that there is not would be a fault of the gateway.
            return Entry(fault="slow", seconds=draw(st.sampled_from(_slow(hello))), accept=True)


@st.composite
def _media_entries(draw: st.DrawFn, hello: Hello) -> Entry:
    """Draw what a download meets; tries take a second and more, so that most is one."""
    match draw(st.sampled_from(("trouble", "broken", "limited", "slow", "gone"))):
        case "trouble":
            return Entry(condition=draw(st.sampled_from(_TROUBLE)))
        case "broken":
            return Entry(**draw(st.sampled_from(_BROKEN_FILE)))
        case "limited":
            return Entry(condition=Condition.RATE_LIMITED, retry_after=1)
        case "slow":
            return Entry(fault="slow", seconds=draw(st.sampled_from(_slow(hello))))
        case _:
            return Entry(condition=Condition.NOT_FOUND, times="always")


def _slow(hello: Hello) -> tuple[float, ...]:
    """Seconds that a slow answer takes: well below the timeout that the client declares."""
    longest = 0.6 * (hello.timing.request_timeout_ms or 1500) / 1000
    return tuple(seconds for seconds in (0.2, 0.9) if seconds <= longest) or (longest / 2,)


def _hangs(hello: Hello) -> bool:
    """Whether the client may be left without an answer: it says when it gives one up, and soon."""
    return 0 < hello.timing.request_timeout_ms <= 2000


def _courses(place: Place) -> list[dict[str, Any]]:
    """List how a job can go."""
    told: list[dict[str, Any]] = [
        {"end": "FAILED"},
        {"end": "ERROR"},
        {"end": "ERROR", "end_from": "queued"},
        {"end": "FAILED", "error": 'Ein Fehler:\n<b>獅子</b> & "so on"'},
        {"end": "FAILED", "error": "", "code": 1001},
        {"queued": 0.0, "processing": 0.0},
        {"queued": _LONG, "processing": 10.0},
        {"queued": 0.0, "processing": _LONG},
        {"nsfw": True},
    ]
    if place.provider != "segmind":
        told.append({"outputs": 4})
    if not place.at_once:
        told += [{"status_name": "WARMING_UP"}, {"end": "never"}]
    return told


def _callbacks(place: Place, hello: Hello) -> list[dict[str, Any]]:
    """List what can happen to callbacks."""
    told: list[dict[str, Any]] = [
        {"copies": 2},
        {"copies": 3},
        {"late_progress": True},
        {"early": True},
        {"reorder": True},
        {"delay": 0.3 * SPEED},
    ]
    if "webhook-poll-fallback" in hello.capabilities:
        told.append({"drop": True})
        if place.provider == "wavespeed" and "webhook-signature" in hello.capabilities:
            told += [{"signature": "bad"}, {"signature": "stale"}, {"signature": "missing"}]
    return told
