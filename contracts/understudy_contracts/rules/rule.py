"""What a rule is: an id, its severity, where it comes from, what to do, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from understudy_contracts.findings import Severity
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.talk import Talk
from understudy_mock.wording import Wordings

PROTOCOL = "the client protocol (PROTOCOL.md in the package understudy_contracts)"
"""The document that says what an adapter answers."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Where a talk breaks a rule. `severity`, `source` and `advice` are the rule's own unless given.

    A breach that is less certain may have a lower severity than the rule, never a higher one. `about` names
    the member of the answers that the rule looked at, so that the evidence shows it. `brief` names the breach
    in a list of further ones, which are only counted without it.
    """

    what: str
    proof: tuple[Exchange, ...] = ()
    severity: Severity | None = None
    source: str = ""
    advice: str = ""
    about: str = ""
    brief: str = ""


class Topic(NamedTuple):
    """What providers document, each on a page of its own: the block `sources` of their descriptions.

    `also` is a document that holds for all of them.
    """

    name: str
    also: str = ""

    def at(self, wordings: Wordings, provider: str = "") -> str:
        """Return a provider's source; without a provider, those of all."""
        sources = {name: wording.source(self.name) for name, wording in wordings.items()}
        own = sources.get(provider) or "; ".join(filter(None, sources.values()))
        if own and sources.get(provider) == "":
            own = f"assumed, as documented elsewhere: {own}"
        return "; ".join(filter(None, (own, self.also)))


def text_of(source: str | Topic, wordings: Wordings, provider: str = "") -> str:
    """Return a source as it is shown at a provider."""
    return source if isinstance(source, str) else source.at(wordings, provider)


def always(talk: Talk) -> bool:
    """The premise of a rule that any talk can break."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` finds where a talk breaks it. `premise` says whether what it judges has happened.

    `source` names a document, or a topic where each provider has its own. `assumed` is what no document
    says. A rule `of_claim` judges what a client concludes, so it needs a claim. To break a `harmless` rule
    changes no outcome. A busy machine can make a good client break a rule that is `timed`; nothing excuses
    the others. One `of_end` judges without a claim how a conversation ended, so it must be over.
    """

    id: str
    severity: Severity
    source: str | Topic
    advice: str
    check: Callable[[Talk], Iterator[Breach]]
    premise: Callable[[Talk], bool] = always
    of_claim: bool = False
    harmless: bool = False
    timed: bool = False
    of_end: bool = False
    assumed: str = ""

    def in_reach(self, talk: Talk) -> bool:
        """Return whether what it judges has happened. A rule that was never in reach has not been tested."""
        return (talk.claim is not None or not self.of_claim) and self.premise(talk)

    def source_at(self, wordings: Wordings, provider: str = "") -> str:
        """Return its source at a provider; those at all of them where that one has none of its own."""
        source = text_of(self.source, wordings, provider)
        return f"{source}; {self.assumed} is assumed" if self.assumed else source
