"""Which scenario a call is under, and what it meets there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from understudy_mock.domain.call import Call
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Stage
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Entry, Scenario
from understudy_mock.gateway.accounts import Account, Meeting
from understudy_mock.gateway.world import World
from understudy_mock.wording import Wording

_MARK = b"[scenario:"
_IN_PROMPT = re.compile(rb"\[scenario:([^\]\"\\]{0,256})\]")
_MOST_MARKS = 100
"""Places of a body that are looked at for a scenario's name; what follows names none."""

_STAGES: dict[Condition, Stage] = {
    Condition.MISSING_KEY: Stage.KEY,
    Condition.INVALID_KEY: Stage.KEY,
    Condition.FORBIDDEN: Stage.LIMIT,
    Condition.QUOTA_EXCEEDED: Stage.LIMIT,
    Condition.RATE_LIMITED: Stage.LIMIT,
    Condition.INVALID_REQUEST: Stage.BODY,
    Condition.MODEL_NOT_FOUND: Stage.MODEL,
    Condition.NOT_FOUND: Stage.MODEL,
    Condition.INSUFFICIENT_BALANCE: Stage.BALANCE,
}

_EVERYWHERE = frozenset(
    {
        Condition.MISSING_KEY,
        Condition.INVALID_KEY,
        Condition.FORBIDDEN,
        Condition.QUOTA_EXCEEDED,
        Condition.RATE_LIMITED,
        Condition.INTERNAL_ERROR,
        Condition.BAD_GATEWAY,
        Condition.UNAVAILABLE,
        Condition.TIMEOUT,
    }
)
"""Conditions of the key or of the server. The others are about one submit."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one call: a scenario, or one answer by its status, or a mistake in choosing."""

    scenario: Scenario | None = None
    code: int | None = None
    mistake: str = ""


NOTHING = Choice()


def stage_of(entry: Entry) -> Stage:
    """Return the check of a submit at which an entry takes hold."""
    return _STAGES.get(entry.condition, Stage.END) if entry.condition is not None else Stage.END


def holds_everywhere(provider: Wording, entry: Entry) -> bool:
    """Return whether an entry is about the key or the server, so that each call with the key meets it."""
    if entry.accept or entry.fault is not None:
        return False
    condition = entry.condition or provider.conditions.get(entry.status or 0)
    return condition in _EVERYWHERE or (entry.status or 0) >= 500


def choose(world: World, call: Call, account: Account | None, prompt: bytes = b"") -> Choice:
    """Choose for a call. The first of these that names one holds: the Prefer header, the prompt (of a
    submit), the form of the key, the account's scenario, the server's."""
    prefer = call.headers.get(b"prefer")
    if prefer is not None and (wanted := _preferences(prefer)):
        if "code" in wanted:
            return _by_code(wanted["code"])
        return _by_name(world, wanted["scenario"])
    if (named := _in_prompt(prompt)) is not None:
        return _by_name(world, named)
    if call.key.startswith("scenario:"):
        return _by_name(world, call.key.split(":", 2)[1])
    if account is not None and account.scenario is not None:
        return Choice(account.scenario)
    return Choice(world.scenario) if world.scenario is not None else NOTHING


def preferred_code(call: Call) -> Choice:
    """Read `Prefer: code=N` of a call that is no submit; the scenario of such a call is the job's."""
    prefer = call.headers.get(b"prefer")
    wanted = _preferences(prefer) if prefer is not None else {}
    return _by_code(wanted["code"]) if "code" in wanted else NOTHING


def entry_for_code(operation: Operation, world: World, code: int) -> Entry | None:
    """Turn `Prefer: code=N` into what the call meets; None for the status of success.

    Raises Refusal when the operation does not document `code`.
    """
    if code not in operation.statuses:
        known = ", ".join(str(status) for status in sorted(operation.statuses))
        text = f"Prefer: code={code}: this operation documents {known}"
        raise Refusal(CallError.UNKNOWN_CHOICE, Detail(text=text))
    condition = world.provider(operation.provider).conditions.get(code)
    if condition is None:
        return Entry(status=code) if code >= 400 else None
    return Entry(condition=condition)


def meet_scenario(world: World, account: Account, scenario: Scenario) -> Meeting:
    """Return how often the account has met the scenario; the first time, make the account as it wishes.

    Another scenario of the same name begins anew.
    """
    meeting = account.meetings.get(scenario.name)
    if meeting is not None and (meeting.scenario is scenario or meeting.scenario == scenario):
        return meeting
    wish = scenario.account
    if wish.balance is not None:
        account.fund(wish.balance)
    if wish.rate_limit is not None:
        account.limit(wish.rate_limit)
    account.disabled_models |= frozenset(wish.disabled_models)
    world.accounts.changed(account)
    meeting = account.meetings[scenario.name] = Meeting(scenario)
    return meeting


def _by_name(world: World, name: str) -> Choice:
    scenario = world.scenarios.get(name)
    if scenario is not None:
        return Choice(scenario)
    return Choice(mistake=f"Unknown scenario {name[:64]!r}; known are {', '.join(sorted(world.scenarios))}")


def _in_prompt(body: bytes) -> str | None:
    """Return the scenario that a prompt names."""
    place = -1
    for _ in range(_MOST_MARKS):
        place = body.find(_MARK, place + 1)
        if place < 0:
            return None
        if match := _IN_PROMPT.match(body, place):
            return match[1].decode("utf-8", "replace")
    return None


def _by_code(text: str) -> Choice:
    if not (text.isascii() and text.isdecimal() and len(text) == 3):
        return Choice(mistake=f"Prefer: code={text[:64]!r} is not an HTTP status")
    return Choice(code=int(text))


def _preferences(header: bytes) -> dict[str, str]:
    """Return the preferences that this gateway knows; RFC 7240 has others."""
    wanted = {}
    for part in header.decode("latin-1").replace(";", ",").split(","):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if equals and name in ("scenario", "code"):
            wanted[name] = value.strip().removeprefix('"').removesuffix('"').rstrip()
    return wanted
