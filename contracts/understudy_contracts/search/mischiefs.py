"""What a provider may do to a client: one table, from which every kind is played once and then drawn.

A mischief is one thing that a provider does. All that takes real time is bounded: most examples take a third
of a second, and the others about a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from hypothesis import strategies as st

from understudy_contracts.conformance.protocol import Hello
from understudy_contracts.search.places import Place
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Account, Course, Entry, Scenario, Webhook
from understudy_mock.wording import shipped

SPEED = 300.0
"""How much faster than documented jobs are: one of 111 s takes 0.37 s."""

_LONG = 1.3 * SPEED
"""A course that is long for this speed, in provider seconds."""

_HANG = 30.0
"""Seconds of silence: more than any budget, so that only a timeout of the client's own helps."""

Slot = Literal["poll", "job", "webhook", "submit", "media", "quirk", "account"]


class Mischief(NamedTuple):
    """One thing that the provider does. `effect` is an Entry, a quirk's name, or fields of a part."""

    slot: Slot
    effect: Any


class Kind(NamedTuple):
    """One row of the table: effects of a slot that are alike.

    Each of `alone` is played by itself before anything is drawn, since chance would leave some out of a
    short search; `more` are only drawn. Each field of `varied` is drawn beside them: its first value is the
    one that is played alone.
    """

    slot: Slot
    alone: Iterable[Any] = ()
    more: Iterable[Any] = ()
    varied: Mapping[str, tuple[Any, ...]] = {}

    def singles(self) -> Iterator[Mischief]:
        """Return the mischiefs that are played by themselves."""
        first = {name: values[0] for name, values in self.varied.items()}
        return (self._mischief(effect, first) for effect in self.alone)

    def draw(self, draw: st.DrawFn) -> Mischief:
        """Draw any mischief of this kind."""
        effect = draw(st.sampled_from([*self.alone, *self.more]))
        varied = {name: draw(st.sampled_from(values)) for name, values in self.varied.items()}
        return self._mischief(effect, varied)

    def _mischief(self, effect: Any, varied: dict[str, Any]) -> Mischief:
        is_entry = self.slot in ("submit", "poll", "media")
        return Mischief(self.slot, Entry(**effect, **varied) if is_entry else effect)


def kinds(place: Place, hello: Hello) -> list[Kind]:
    """List what can go wrong at a place, as far as the client says that it can be asked for it."""
    slow = _slow(hello)
    hang = [{"fault": "hang", "seconds": _HANG}] if 0 < hello.timing.request_timeout_ms <= 2000 else []
    late, twice = {"after": (0, 1)}, {"times": (1, 2)}
    table: list[Kind] = []
    if place.polls(hello):
        table += [
            Kind("poll", _TROUBLE, varied=late | twice),
            Kind("poll", _BROKEN, varied=late | twice),
            Kind("poll", _LIMITED, _LIMITED_ONCE, late),
            Kind("poll", slow[:1], slow[1:], late),
            Kind("poll", hang, varied=late),
            Kind("poll", _REFUSED_POLL[:1], _REFUSED_POLL[1:], late | _FOR_GOOD | {"body": _BODIES}),
            Kind("poll", _TROUBLE[:1], _TROUBLE[1:], late | {"times": ("always",)}),
        ]
    table.append(Kind("job", _courses(place)))
    if place.mode == "webhook":
        table.append(Kind("webhook", _callbacks(place, hello)))
    table += [
        Kind("submit", _LIMITED, [{**_LIMITED_ONCE[0], "times": 2}, *_LIMITED_ONCE]),
        Kind("submit", _LIMITED[:1], varied={"times": ("always",)}),
        Kind("submit", _REFUSED, varied=_FOR_GOOD | {"body": _BODIES}),
        Kind("submit", [{**_REFUSED[1], "body": body} for body in _BODIES[1:]], varied=_FOR_GOOD),
        Kind("submit", _LOST, _BROKEN_FILE if place.at_once else _BROKEN, {"accept": (True, False)}),
        Kind("submit", _TROUBLE[1:2], _TROUBLE, {"accept": (False, True)}),
        # Accepted: otherwise a whole answer would be about a job that does not exist.
        Kind("submit", slow[:1], slow[1:], {"accept": (True,)}),
        Kind("submit", more=hang, varied={"accept": (False, True)}),
    ]
    if "download" in hello.capabilities and not place.at_once:
        # Once each, as tries of a download are a second and more apart.
        table += [
            Kind("media", _BROKEN_FILE),
            Kind("media", _TROUBLE[:1], _TROUBLE[1:]),
            Kind("media", _LIMITED[:1]),
            Kind("media", more=slow),
            Kind("media", _REFUSED_POLL[:1], varied={"times": ("always",)}),
        ]
    table += [Kind("quirk", _quirks(place, hello)), Kind("account", _ACCOUNTS)]
    return [kind for kind in table if [*kind.alone, *kind.more]]


def mischiefs(place: Place, hello: Hello) -> st.SearchStrategy[Mischief]:
    """Draw one thing that can go wrong at a place."""
    by_slot: dict[Slot, list[Kind]] = {}
    for kind in kinds(place, hello):
        by_slot.setdefault(kind.slot, []).append(kind)
    slots = list(by_slot)
    weighted = [*slots, *slots[:2]]  # the first two have the most variety

    @st.composite
    def draw_one(draw: st.DrawFn) -> Mischief:
        slot = draw(st.sampled_from(weighted))
        kind: Kind = draw(st.sampled_from(by_slot[slot]))
        return kind.draw(draw)

    return draw_one()


def compose(chosen: Iterable[Mischief], operation: Operation) -> Scenario:
    """Make a scenario of mischiefs.

    The later one holds of two ends of a job, and of two states of an account.
    """
    entries: dict[str, list[Entry]] = {"submit": [], "poll": [], "media": []}
    job: dict[str, Any] = {}
    webhook: dict[str, Any] = {}
    account: dict[str, Any] = {}
    quirks: list[str] = []
    for slot, effect in chosen:
        if slot == "quirk":
            quirks += [] if effect in quirks else [effect]
        elif slot == "job":
            if "end" in effect:
                job = {name: value for name, value in job.items() if name not in _ENDING}
            job |= effect
        elif slot == "webhook":
            webhook |= effect
        elif slot == "account":
            model = operation.model.id if operation.model is not None else ""
            account = {"disabled_models": (model,)} if "disabled_models" in effect else effect
        else:
            entries[slot].append(effect)
    submit = entries["submit"]
    if CREDITS in quirks:
        # Under HTTP 200 only the provider's own words show that this is a refusal, so they stay.
        submit = [
            msgspec.structs.replace(entry, body=None)
            if entry.condition is Condition.INSUFFICIENT_BALANCE
            else entry
            for entry in submit
        ]
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


def simpler(mischief: Mischief) -> Iterator[Mischief]:
    """Return the same mischief at the first call, once, or in the provider's own words."""
    if isinstance(mischief.effect, Entry):
        for name, value in (("after", 0), ("times", 1), ("body", None)):
            if getattr(mischief.effect, name) != value:
                yield Mischief(mischief.slot, msgspec.structs.replace(mischief.effect, **{name: value}))


_ENDING = ("end", "end_from", "error", "code")

CREDITS = "credits-as-200"
DIRECT = Mischief("quirk", "direct-video")
DATA_URI = Mischief("quirk", "data-uri")

SHOWN_BY: Mapping[str, tuple[Mischief, ...]] = {
    "bare-failures": (Mischief("job", {"end": "FAILED"}),),
    CREDITS: (Mischief("submit", Entry(condition=Condition.INSUFFICIENT_BALANCE, times="always")),),
    "model-404": (Mischief("submit", Entry(condition=Condition.MODEL_NOT_FOUND, times="always")),),
}
"""By quirk, what else it takes to see it."""


def _conditions(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"condition": Condition(name), **fields} for name in names]


_TROUBLE = _conditions("unavailable", "internal_error", "bad_gateway", "timeout")
_REFUSED = _conditions(
    "insufficient_balance",
    "invalid_key",
    "invalid_request",
    "forbidden",
    "quota_exceeded",
    "model_not_found",
    "missing_key",
)
_REFUSED_POLL = _conditions("not_found", "invalid_key", "forbidden")
_FOR_GOOD: dict[str, tuple[Any, ...]] = {"times": ("always", 1)}
_BODIES = (
    None,
    '{"error": "unknown key {key}", "message": "unknown key {key}"}',
    "<html><body><h1>403 Forbidden</h1></body></html>",
    "",
)

# Two waits that no header names take long: once is enough where one is named.
_LIMITED = [
    *_conditions("rate_limited", retry_after=1),
    *_conditions("rate_limited", retry_after="http-date"),
    *_conditions("rate_limited", retry_after="none", times=2),
]
_LIMITED_ONCE = [
    *_conditions("rate_limited", retry_after=0),
    *_conditions("rate_limited", retry_after="none"),
]

_BROKEN_FILE: list[dict[str, Any]] = [
    {"fault": "reset"},
    {"fault": "reset", "where": "middle"},
    {"fault": "truncate"},
    {"fault": "empty"},
    {"fault": "html"},
]
_LOST = [{"fault": "reset"}, {"fault": "html"}, *_conditions("timeout")]
_BROKEN: list[dict[str, Any]] = [*_BROKEN_FILE, {"fault": "malformed"}]
"""Half a file under a length that fits is left out of the files: nobody can see that it is only half."""

_ACCOUNTS: tuple[dict[str, Any], ...] = (
    {"balance": 1000.0},
    {"balance": 0.0},
    {"disabled_models": ()},  # `compose` names the model
    {"rate_limit": "1/1"},
)


def _slow(hello: Hello) -> list[dict[str, Any]]:
    """Return slow answers, the slowest first, all well below the timeout that the client declares."""
    longest = 0.6 * (hello.timing.request_timeout_ms or 1500) / 1000
    waits = [seconds for seconds in (0.9, 0.2) if seconds <= longest] or [longest / 2]
    return [{"fault": "slow", "seconds": seconds} for seconds in waits]


def _quirks(place: Place, hello: Hello) -> list[str]:
    direct = "direct" in hello.capabilities and place.mode == "poll"
    left_out = (set() if direct else {"direct-video"}) | (set() if place.at_once else {"json-video"})
    return sorted(shipped()[place.provider].quirks - left_out)


def _courses(place: Place) -> list[dict[str, Any]]:
    """List the courses that a job can take."""
    courses: list[dict[str, Any]] = [
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
    if shipped()[place.provider].sends_several:
        courses.append({"outputs": 4})
    if not place.at_once:
        courses += [{"status_name": "WARMING_UP"}, {"end": "never"}]
    return courses


def _callbacks(place: Place, hello: Hello) -> list[dict[str, Any]]:
    """List what can happen to callbacks."""
    callbacks: list[dict[str, Any]] = [
        {"copies": 2},
        {"copies": 3},
        {"late_progress": True},
        {"early": True},
        {"reorder": True},
        {"delay": 0.3 * SPEED},
    ]
    if "webhook-poll-fallback" in hello.capabilities:
        callbacks.append({"drop": True})
        if shipped()[place.provider].signs and "webhook-signature" in hello.capabilities:
            callbacks += [{"signature": "bad"}, {"signature": "stale"}, {"signature": "missing"}]
    return callbacks
