"""What a scenario, or `Prefer: code=N`, does to one call: which entry it meets, and at which check."""

from __future__ import annotations

from dataclasses import dataclass

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import CallError, Detail, Refusal, Stage
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Entry, Scenario, met
from understudy_mock.gateway.accounts import Account, Meeting
from understudy_mock.gateway.choose import (
    NOTHING,
    choose,
    entry_for_code,
    holds_everywhere,
    meet_scenario,
    preferred_code,
    stage_of,
)
from understudy_mock.gateway.keys import authenticate
from understudy_mock.gateway.world import World


@dataclass(slots=True)
class ForcedAnswer(Exception):
    """The call gets the answer that a scenario's entry stands for."""

    entry: Entry


class Play:
    """One submit under what was chosen for it."""

    __slots__ = ("_meeting", "_mistake", "entry", "scenario")

    def __init__(
        self, meeting: Meeting | None, scenario: Scenario | None, entry: Entry | None, mistake: str
    ) -> None:
        self._meeting = meeting
        self._mistake = mistake
        self.scenario = scenario
        self.entry = entry

    @property
    def keeps_job(self) -> bool:
        """Whether the job is created: always, but for an entry that does not accept it."""
        return self.entry is None or self.entry.accept

    def refuse_mistake(self) -> None:
        """Refuse a choice that was not understood."""
        if self._mistake:
            raise Refusal(CallError.UNKNOWN_CHOICE, Detail(text=self._mistake))

    def intervene(self, check: Stage) -> None:
        """Raise ForcedAnswer when the entry belongs to this check and creates no job.

        A fault waits until there is an answer to send with it.
        """
        entry = self.entry
        if entry is not None and not entry.accept and entry.fault is None and stage_of(entry) is check:
            self.count()
            raise ForcedAnswer(entry)

    def intervene_after(self) -> None:
        """Raise ForcedAnswer although the job was created."""
        if self.entry is not None and self.entry.fault is None:
            raise ForcedAnswer(self.entry)

    def attach_fault(self, answer: Answer) -> Answer:
        """Return the answer, which is sent with the entry's fault."""
        answer.fault = self.entry
        return answer

    def count(self) -> None:
        """Count the submit; those that failed on their own are not counted."""
        if self._meeting is not None:
            self._meeting.submits += 1


def open_play(world: World, operation: Operation, call: Call, account: Account) -> Play:
    """Choose what happens to a submit. Raises Refusal for a status that is not documented."""
    choice = choose(world, call, account, call.body)
    if choice is NOTHING:
        return _AS_USUAL
    if choice.code is not None:
        try:
            return Play(None, None, entry_for_code(operation, world, choice.code), "")
        except Refusal as refusal:
            return Play(None, None, None, refusal.detail.text)
    scenario = choice.scenario
    if scenario is None:
        return Play(None, None, None, choice.mistake)
    call.under(scenario)
    meeting = meet_scenario(world, account, scenario)
    return Play(meeting, scenario, met(scenario.submit, meeting.submits), "")


def admit(world: World, operation: Operation, call: Call) -> Account:
    """Return the account of a call that is about a key alone, once it has met what was chosen for it.

    Raises Refusal or ForcedAnswer.
    """
    account = authenticate(world, operation.credentials, call)
    prefer(world, operation, call)
    hold(world, operation, call, account)
    return account


def prefer(world: World, operation: Operation, call: Call) -> None:
    """Do what `Prefer: code=N` asks of a call that is no submit. Raises ForcedAnswer or Refusal."""
    if b"prefer" not in call.headers:
        return
    choice = preferred_code(call)
    if choice.mistake:
        raise Refusal(CallError.UNKNOWN_CHOICE, Detail(text=choice.mistake))
    if choice.code is not None and (entry := entry_for_code(operation, world, choice.code)) is not None:
        raise ForcedAnswer(entry)


def hold(world: World, operation: Operation, call: Call, account: Account) -> None:
    """Refuse a call that is no submit where its scenario has an entry about the key or the server.

    These are submit entries, but lookups count them separately: the next submit meets them all the same.
    Raises ForcedAnswer, or Refusal for a scenario that is not known.
    """
    choice = choose(world, call, account)
    if choice.mistake:
        raise Refusal(CallError.UNKNOWN_CHOICE, Detail(text=choice.mistake))
    scenario = choice.scenario
    if scenario is None:
        return
    call.under(scenario)
    meeting = meet_scenario(world, account, scenario)
    entry = met(scenario.submit, meeting.lookups)
    meeting.lookups += 1
    if entry is not None and holds_everywhere(world.provider(operation.provider), entry):
        raise ForcedAnswer(entry)


_AS_USUAL = Play(None, None, None, "")
