"""What a scenario does to one call: which entry it meets, and at which check of a submit it takes hold."""

from __future__ import annotations

from dataclasses import dataclass

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import CallError, Detail, Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Entry, Scenario, met
from understudy_mock.gateway.accounts import Account, Meeting
from understudy_mock.gateway.choose import (
    NOTHING,
    choose,
    entry_for_code,
    holds_everywhere,
    meet_scenario,
    stage,
)
from understudy_mock.gateway.world import World


@dataclass(slots=True)
class ForcedAnswer(Exception):
    """A scenario's entry takes hold of the call."""

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

    def strike(self, check: str) -> None:
        """Refuse the submit when its entry belongs to this check and creates no job.

        A fault is done to an answer, so it waits until there is one.
        """
        entry = self.entry
        if entry is not None and not entry.accept and entry.fault is None and stage(entry) == check:
            self.count()
            raise ForcedAnswer(entry)

    def answer_accepted(self) -> None:
        """Answer with the entry although the job was created."""
        if self.entry is not None and self.entry.fault is None:
            raise ForcedAnswer(self.entry)

    def attach_fault(self, answer: Answer) -> Answer:
        """Have the entry's fault done to the answer."""
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
    meeting = meet_scenario(account, scenario)
    return Play(meeting, scenario, met(scenario.submit, meeting.submits), "")


def hold(world: World, operation: Operation, call: Call, account: Account) -> None:
    """Refuse a call that is no submit for what its scenario says of the key or of the server.

    Those are its submit entries, which such calls count for themselves: what a lookup met, the next submit
    meets all the same. Raises ForcedAnswer, or Refusal for a scenario that is not known.
    """
    choice = choose(world, call, account)
    if choice.mistake:
        raise Refusal(CallError.UNKNOWN_CHOICE, Detail(text=choice.mistake))
    scenario = choice.scenario
    if scenario is None:
        return
    call.under(scenario)
    meeting = meet_scenario(account, scenario)
    entry = met(scenario.submit, meeting.lookups)
    meeting.lookups += 1
    if entry is not None and holds_everywhere(world.provider(operation.provider), entry):
        raise ForcedAnswer(entry)


_AS_USUAL = Play(None, None, None, "")
