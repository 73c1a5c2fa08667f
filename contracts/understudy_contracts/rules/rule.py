"""What a rule is: an id, its severity, where it comes from, what to do, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from understudy_contracts.findings import Severity
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.talk import Talk

ENDS: Mapping[str, str] = MappingProxyType(
    {
        "pixazo": "Pixazo Hunyuan Video, Status Codes: COMPLETED, FAILED and ERROR",
        "segmind": "https://docs.segmind.com/docs/serverless-api/async-inference: COMPLETED and FAILED; "
        "Segmind Hunyuan Video, Response Type: what a synchronous call answers",
        "wavespeed": "WaveSpeed Hunyuan Video I2V, Result Response Parameters: completed and failed; "
        "https://wavespeed.ai/docs/errors-retries-timeouts: cancelled, timeout and deleted",
    }
)
"""By provider, the document that names the ends of its jobs."""


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


def always(talk: Talk) -> bool:
    """The premise of a rule that any talk can break."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` finds where a talk breaks it. `premise` says whether what it judges has happened.

    `source` names a document, by provider where each has its own, and `assumed` what no document says. A rule
    `of_claim` judges what a client concludes, so it needs a claim. To break a `harmless` rule changes no
    outcome. A busy machine can make a good client break a rule that is `timed`; nothing excuses the others.
    One `of_end` judges without a claim how a conversation ended, so it must be over.
    """

    id: str
    severity: Severity
    source: str | Mapping[str, str]
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

    def source_at(self, provider: str = "") -> str:
        """Return its source at a provider; those of all providers where that one has none of its own."""
        source = self.source
        if not isinstance(source, str):
            source = source.get(provider) or "; ".join(source.values())
        return f"{source}; {self.assumed} is assumed" if self.assumed else source
