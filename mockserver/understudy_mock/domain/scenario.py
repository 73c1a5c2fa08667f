"""What the provider will do this time.

Files, command line, admin API, tests and recordings all use this same `Scenario`. A scenario that is
not understood is refused with a JSON pointer to the place. Seconds of the job and its webhook are
provider seconds (the gateway's speed divides them); those of an entry are real seconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from understudy_mock.domain.conditions import Condition

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")

MOST_ENTRIES = 1000
"""Entries for one kind of call; each call walks over those that others have met."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Names = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_ENTRIES)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Fault = Literal["reset", "hang", "slow", "truncate", "malformed", "empty", "html"]

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "reset": "breaks the connection",
        "hang": "never answers",
        "slow": "lets the body dribble in",
        "truncate": "closes in the middle of the body",
        "malformed": "sends half of the JSON as if it were all",
        "empty": "leaves out the body",
        "html": "sends a proxy's page instead of JSON",
    }
)
"""What can be done to the wire, and in words what the gateway then does. `Fault` has the same names."""

BREAKS = frozenset(FAULTS) - {"slow"}
"""Faults after which the caller does not have the whole answer."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One thing that goes wrong: exactly one of `condition`, `status` and `fault`."""

    condition: Condition | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    fault: Fault | None = None
    after: Count = 0
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | Literal["always"] = 1
    retry_after: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | Literal["http-date", "none"] | None = None
    body: str | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0, le=3_600)] | None = None
    where: Literal["before", "middle", "after"] | None = None
    accept: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("condition", "status", "fault") if getattr(self, name) is not None]
        if len(given) != 1:
            named = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of condition, status and fault, has {named}")
        if self.where is not None and self.fault != "reset":
            raise ValueError("where goes with fault: reset")
        if self.seconds is not None and self.fault not in ("hang", "slow"):
            raise ValueError("seconds goes with fault: hang or slow")
        if self.body and self.status in (204, 304):
            raise ValueError(f"an answer with status {self.status} has no body (RFC 9110)")
        if self.fault is not None and (self.retry_after is not None or self.body is not None):
            raise ValueError("retry_after and body go with condition or status")


Entries = Annotated[tuple[Entry, ...], msgspec.Meta(max_length=MOST_ENTRIES)]


class Course(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The job's course. What is left out stays as the spec has it."""

    queued: Seconds | None = None
    processing: Seconds | None = None
    end: Literal["COMPLETED", "FAILED", "ERROR", "never"] | None = None
    end_from: Literal["queued", "processing"] = "processing"
    error: str | None = None
    code: int | None = None
    outputs: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    nsfw: bool = False
    status_name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None

    def __post_init__(self) -> None:
        if self.error is not None and self.end not in ("FAILED", "ERROR"):
            raise ValueError("error goes with end: FAILED or ERROR")
        if self.end_from == "queued" and self.end not in ("FAILED", "ERROR", "never"):
            raise ValueError("end_from: queued goes with end: FAILED, ERROR or never")


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What happens to the job's callbacks."""

    copies: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    drop: bool = False
    delay: Seconds = 0
    early: bool = False
    late_progress: bool = False
    reorder: bool = False
    signature: Literal["good", "bad", "stale", "missing"] = "good"


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the account is like; applied once, when it first meets the scenario."""

    balance: Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)] | None = None
    rate_limit: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,6}/[1-9][0-9]{0,6}\Z")] | None = None
    disabled_models: Names = ()


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """All that a provider does to one account's jobs and calls."""

    name: Annotated[str, msgspec.Meta(pattern=NAME.pattern)]
    summary: str = ""
    advice: str = ""
    submit: Entries = ()
    poll: Entries = ()
    media: Entries = ()
    job: Course = msgspec.field(default_factory=Course)
    webhook: Webhook = msgspec.field(default_factory=Webhook)
    account: Account = msgspec.field(default_factory=Account)
    quirks: Names = ()

    def __post_init__(self) -> None:
        # Written as msgspec writes a place, so that `read_scenario` finds both alike.
        for surface, entries in (("poll", self.poll), ("media", self.media)):
            for index, entry in enumerate(entries):
                if entry.accept:
                    raise ValueError(
                        f"accept goes with submit entries alone - at `$.{surface}[{index}].accept`"
                    )


def met(entries: tuple[Entry, ...], nth: int) -> Entry | None:
    """Return the entry that call number `nth` (from 0) meets; None when it goes well.

    Each entry lets `after` calls pass and answers `times` calls; then the next one starts counting.
    """
    for entry in entries:
        nth -= entry.after
        if nth < 0:
            return None
        if entry.times == "always" or nth < entry.times:
            return entry
        nth -= entry.times
    return None


class ScenarioError(ValueError):
    """A scenario that is not understood. `pointer` is a JSON pointer to the place."""

    def __init__(self, message: str, pointer: str) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.message = message
        self.pointer = pointer


_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


_ALLOWED = {
    "condition": f"known are {', '.join(Condition)}",
    "fault": f"known are {', '.join(FAULTS)}",
    "times": "a number or always",
    "retry_after": "a number of seconds, http-date or none",
    "where": "before, middle or after",
    "end": "COMPLETED, FAILED, ERROR or never",
    "end_from": "queued or processing",
    "signature": "good, bad, stale or missing",
}


def read_scenario(data: Any) -> Scenario:
    """Return the scenario that decoded YAML or JSON describes. Raises ScenarioError."""
    try:
        return msgspec.convert(data, Scenario)
    except msgspec.ValidationError as error:
        message, at, path = str(error).removesuffix("`").rpartition(" - at `$")
        if not at:
            message, path = str(error), ""
        pointer = path.replace("[...]", "").replace("[", ".").replace("]", "").replace(".", "/")
        if unknown := _UNKNOWN.search(message):
            pointer += "/" + unknown["name"].replace("~", "~0").replace("/", "~1")
        allowed = _ALLOWED.get(pointer.rpartition("/")[2]) if "enum" in message else None
        raise ScenarioError(f"{message}; {allowed}" if allowed else message, pointer) from None


def refuse_unknown_names(scenario: Scenario, models: Collection[str], quirks: Collection[str]) -> None:
    """Refuse a scenario that names a model or a quirk there is not, which would do nothing.

    Raises ScenarioError.
    """
    for what, names, known, place in (
        ("model", scenario.account.disabled_models, models, "/account/disabled_models"),
        ("quirk", scenario.quirks, quirks, "/quirks"),
    ):
        for index, name in enumerate(names):
            if name not in known:
                near = get_close_matches(name, sorted(known), n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                raise ScenarioError(f"no {what} is called {name!r}; {hint}", f"{place}/{index}")


def write_scenario(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as plain data that `read_scenario` reads back unchanged."""
    data: dict[str, Any] = msgspec.to_builtins(scenario)
    return {name: value for name, value in data.items() if value != {}}
