"""The rules for a gateway that is being looked at: what its clients broke until now, in its admin API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from understudy_contracts.conversation import as_text, plain, tell
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import RULES, judge
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.judging import Broken, Judge
from understudy_mock.gateway.world import World

_OF_THE_END = frozenset(rule.id for rule in RULES if rule.of_end)
"""Rules that are not judged here: the client may still do what it has not done yet."""


class LiveJudge(Judge):
    """Judges the journal of one gateway."""

    def __init__(self, world: World) -> None:
        self._catalog = world.catalog
        self._speed = world.settings.speed
        self._secret = partial(webhook_secret, world.settings.seed)

    def judge(
        self, entries: Sequence[JournalEntry], kept: Mapping[str, bool], changes: Sequence[int]
    ) -> list[Broken]:
        found = judge(
            entries,
            self._catalog,
            speed=self._speed,
            secret=self._secret,
            charged=kept.get,
            changes=changes,
        )
        return [
            Broken(
                rule=one.id,
                severity=one.severity,
                source=one.source,
                advice=one.expected,
                seen=plain(one.seen),
                evidence=tuple(map(plain, one.evidence)),
                calls=one.exchanges,
                led_to=one.led_to,
            )
            for one in found
            if one.id not in _OF_THE_END
        ]

    def tell(self, entries: Sequence[JournalEntry], broken: Sequence[Broken]) -> dict[str, Any]:
        if not entries:
            return {"text": "", "exchanges": []}
        turns = tell(entries, self._catalog, map(_finding, broken))
        begins = min(entry.at for entry in entries)
        exchanges: dict[int, dict[str, Any]] = {}
        for turn in turns:
            if not turn.number:
                continue
            at = begins + round((turn.at or 0) * 1000)
            shown = exchanges.setdefault(
                turn.number, {"call": turn.number, "at": at, "text": "", "findings": []}
            )
            shown["text"] += ("\n" if shown["text"] else "") + as_text([turn])
            shown["findings"] += [
                {"rule": one.id, "severity": one.severity, "text": plain(one.message)} for one in turn.broke
            ]
        return {"text": as_text(turns), "exchanges": list(exchanges.values())}


def _finding(broken: Broken) -> Finding:
    return Finding(
        id=broken.rule,
        severity=Severity(broken.severity),
        source=broken.source,
        expected=broken.advice,
        seen=broken.seen,
        evidence=broken.evidence,
        exchanges=broken.calls,
        led_to=broken.led_to,
    )
