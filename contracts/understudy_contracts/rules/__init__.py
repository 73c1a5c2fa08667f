"""What a client must and should not do: pure functions over a journal and, if there is one, a claim.

The same rules judge a case of `check client`, a program under `run --check`, a test, and a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from understudy_contracts.claim import Claim, Output
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import asking, calling_back, concluding, polling, retrying
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.show import Cleaner, show
from understudy_contracts.rules.talk import Talk, read_talk
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import JournalEntry

RULES: tuple[Rule, ...] = (
    *asking.RULES,
    *polling.RULES,
    *retrying.RULES,
    *concluding.RULES,
    *calling_back.RULES,
)

_WEIGHT = (Severity.MUST, Severity.SHOULD, Severity.INFO)
_SHOWN = 4


def judge(
    entries: Iterable[JournalEntry],
    catalog: Catalog,
    claim: Claim | None = None,
    *,
    speed: float = 1.0,
    secret: Callable[[str], str] | None = None,
    charged: Callable[[str], bool | None] | None = None,
    changes: Sequence[int] = (),
    alone: bool = False,
) -> list[Finding]:
    """Return what breaks the rules: for each rule at most its worst breach, with the proof.

    The arguments are those of `read_talk`.
    """
    talk = read_talk(
        entries,
        catalog,
        claim=claim,
        speed=speed,
        secret=secret,
        charged=charged,
        changes=changes,
        alone=alone,
    )
    clean = Cleaner(talk)
    return [finding for rule in RULES if (finding := _finding(rule, talk, clean)) is not None]


def _finding(rule: Rule, talk: Talk, clean: Cleaner) -> Finding | None:
    breaches = [(breach.severity or rule.severity, breach) for breach in rule.check(talk)]
    if not breaches:
        return None
    severity = min((severity for severity, _ in breaches), key=_WEIGHT.index)
    worst = [breach for own, breach in breaches if own is severity]
    more = f" ({len(worst) - 1} more like it)" if len(worst) > 1 else ""
    shown = worst[0].proof or talk.exchanges
    provider = shown[-1].entry.provider if shown else ""
    others = [breach.proof[-1] for breach in worst[1:] if breach.proof]
    return Finding(
        id=rule.id,
        severity=severity,
        source=worst[0].source or rule.source_at(provider),
        expected=worst[0].advice or rule.advice,
        seen=clean.text(f"{worst[0].what}{more}"),
        evidence=tuple(show(call, talk, clean, worst[0].about) for call in worst[0].proof[:_SHOWN]),
        exchanges=tuple(dict.fromkeys(call.entry.number for call in (*worst[0].proof, *others))),
    )


__all__ = ["RULES", "Breach", "Claim", "Output", "Rule", "judge", "read_talk"]
