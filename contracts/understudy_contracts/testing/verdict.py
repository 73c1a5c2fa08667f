"""What a test's client did wrong: broken rules, calls that a recording does not have, and strays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from understudy_contracts.findings import Finding, Severity
from understudy_contracts.report import lines
from understudy_contracts.rules import judge
from understudy_contracts.rules.ledger import read_ledger
from understudy_contracts.testing.running import Running
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.redaction import redactor
from understudy_mock.replay.world import MISS

NOT_RECORDED = "not-recorded"

_MISSING = "the client made calls that are not in the recording"

_STRAYS_SHOWN = 5


def find(
    gateway: Running, entries: Sequence[JournalEntry], changes: Sequence[int], misses: Sequence[str]
) -> list[Finding]:
    """Judge a conversation by the rules, and add the calls that a replay had no answer for."""
    world = gateway.world
    findings = judge(
        entries,
        world.catalog,
        speed=world.settings.speed,
        secret=lambda account: webhook_secret(world.settings.seed, account),
        charged=read_ledger(world.store),
        alone=True,
        changes=changes,
    )
    return [_not_recorded(misses), *findings] if misses else findings


def misses_of(entries: Iterable[JournalEntry]) -> list[str]:
    """Return what a replay said about each call that it had no answer for."""
    return [
        value.decode("latin-1") for entry in entries for name, value in entry.response_headers if name == MISS
    ]


def complain(broken: Sequence[Finding], strays: Sequence[JournalEntry]) -> str:
    """Return what an assertion says of broken rules and of strays; "" for nothing."""
    parts = [_describe_strays(strays)] if strays else []
    if broken:
        rules = sum(finding.id != NOT_RECORDED for finding in broken)
        number = "1 rule" if rules == 1 else f"{rules} rules"
        parts.append(f"the client broke {number} of the provider's contract" if rules else _MISSING)
        parts += ["\n".join(lines(finding)) for finding in broken]
    return "\n\n".join(parts)


def _not_recorded(misses: Iterable[str]) -> Finding:
    return Finding(
        id=NOT_RECORDED,
        severity=Severity.MUST,
        source="the recording",
        expected="every call has an answer in the recording",
        seen=_MISSING,
        evidence=tuple(dict.fromkeys(misses)),
    )


def _describe_strays(strays: Sequence[JournalEntry]) -> str:
    number = "1 call" if len(strays) == 1 else f"{len(strays)} calls"
    shown = []
    for entry in strays[:_STRAYS_SHOWN]:
        url = redactor(entry).suspicious_url(entry.url.partition("?")[0])
        shown.append(f"{entry.method} {url}{'' if entry.key else ' (no key)'}")
    more = f" and {len(strays) - _STRAYS_SHOWN} more" if len(strays) > _STRAYS_SHOWN else ""
    return f"{number} came with no key, or with another key than this test's: {', '.join(shown)}{more}"
