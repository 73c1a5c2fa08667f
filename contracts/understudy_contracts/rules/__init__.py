"""What a client must and should not do: pure functions over a journal and, if there is one, a claim.

The same rules judge a case of `check client`, a program under `run --check`, a test, and a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

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

_NAMED = 20
"""Further breaches of a rule that a finding names; the others are counted."""


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
    """Return what breaks the rules: for each rule its worst breach, with the proof.

    What is only worth knowing (INFO) stands in a finding of its own, after the rule's other one.

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
    return [finding for rule in RULES for finding in _findings(rule, talk, clean)]


def _findings(rule: Rule, talk: Talk, clean: Cleaner) -> Iterator[Finding]:
    breaches = [(breach.severity or rule.severity, breach) for breach in rule.check(talk)]
    severities = sorted({severity for severity, _ in breaches}, key=_WEIGHT.index)
    for severity in dict.fromkeys([*severities[:1], *severities[-1:]]):
        if severity is severities[0] or severity is Severity.INFO:
            alike = [breach for own, breach in breaches if own is severity]
            yield _finding(rule, severity, alike, talk, clean)


def _finding(rule: Rule, severity: Severity, worst: list[Breach], talk: Talk, clean: Cleaner) -> Finding:
    shown = worst[0].proof or talk.exchanges
    provider = shown[-1].entry.provider if shown else ""
    others = [breach.proof[-1] for breach in worst[1:] if breach.proof]
    return Finding(
        id=rule.id,
        severity=severity,
        source=worst[0].source or rule.source_at(talk.wordings, provider),
        expected=worst[0].advice or rule.advice,
        seen=clean.text(f"{worst[0].what}{_others(worst)}"),
        evidence=tuple(show(call, talk, clean, worst[0].about) for call in worst[0].proof[:_SHOWN]),
        exchanges=tuple(dict.fromkeys(call.entry.number for call in (*worst[0].proof, *others))),
        led_to=len(worst[0].proof) > 1,
    )


def _others(breaches: list[Breach]) -> str:
    """Return what is said of all breaches but the first: their names, or how many they are."""
    first, *rest = breaches
    names = [name for name in dict.fromkeys(breach.brief for breach in rest) if name not in ("", first.brief)]
    if not names:
        return f" ({len(rest)} more like it)" if rest else ""
    left = len(names) - _NAMED
    also = " Also" if first.what.endswith("?") else "; also"
    return f"{also} {', '.join(names[:_NAMED])}{f' and {left} more' if left > 0 else ''}"


__all__ = ["RULES", "Breach", "Claim", "Output", "Rule", "judge", "read_talk"]
