"""What a rule is: an id, how much it weighs, where it comes from, what to do, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from understudy_contracts.findings import Severity
from understudy_contracts.rules.talk import Exchange, Talk

ENDS: Mapping[str, str] = MappingProxyType(
    {
        "pixazo": "Pixazo Hunyuan Video, Status Codes: COMPLETED, FAILED and ERROR",
        "segmind": "https://docs.segmind.com/docs/serverless-api/async-inference: COMPLETED and FAILED; "
        "Segmind Hunyuan Video, Response Type: what a synchronous call answers",
        "wavespeed": "WaveSpeed Hunyuan Video I2V, Result Response Parameters: completed and failed; "
        "https://wavespeed.ai/docs/errors-retries-timeouts: cancelled, timeout and deleted",
    }
)
"""By provider, where the ends of its jobs are named."""


PROTOCOL = "the client protocol (PROTOCOL.md in the package understudy_contracts)"
"""Where it is written what an adapter answers."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Where a talk breaks a rule. `severity`, `source` and `advice` are the rule's own unless given.

    A breach of which less is known may weigh less than the rule, and never more.
    `about` names the member of the answers that the rule looked at, so that the evidence shows it.
    """

    what: str
    proof: tuple[Exchange, ...] = ()
    severity: Severity | None = None
    source: str = ""
    advice: str = ""
    about: str = ""


def always(talk: Talk) -> bool:
    """For what any talk can break."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` finds where a talk breaks it, `premise` tells whether what it judges has happened.

    `source` names a document, by provider where each has its own, and `assumed` what none says. One that is
    `of_claim` judges what a client concludes, and nothing where it says nothing. One that is `harmless`
    changes no outcome by being broken. Where it is `timed`, a busy machine can make a good client break it;
    nothing excuses the others.
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
    assumed: str = ""

    def in_reach(self, talk: Talk) -> bool:
        """Tell whether what it judges has happened: one that never was in reach has not been kept."""
        return (talk.claim is not None or not self.of_claim) and self.premise(talk)

    def source_at(self, provider: str = "") -> str:
        """Name what it comes from at a provider, at all of them where that one has nothing of its own."""
        told = self.source
        if not isinstance(told, str):
            told = told.get(provider) or "; ".join(told.values())
        return f"{told}; {self.assumed} is assumed" if self.assumed else told
