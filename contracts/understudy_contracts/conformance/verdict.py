"""How a run differs from what its case expects: every difference, and the exchanges that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from understudy_contracts.conformance.cases import Case
from understudy_contracts.findings import Finding, Severity, counted
from understudy_contracts.rules import RULES, Claim, read_talk
from understudy_contracts.rules.show import Cleaner, show
from understudy_contracts.rules.talk import Talk
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import JournalEntry

UNEXPECTED = "unexpected-result"
_SHOWN = 12

_ENDED_BY_ITSELF = frozenset({"crashed", "misspoke"})
_EXPECTED = "Conclude what the provider's answers say, with no more calls than that takes."


def differences(
    case: Case, claim: Claim | None, entries: list[JournalEntry], catalog: Catalog, findings: list[Finding]
) -> list[Finding]:
    """Add to the rules' findings how the run differs from what the case expects.

    Where a rule was broken, the differences are its consequences and become part of its evidence. Otherwise
    they are a finding of their own. All findings are about the case.
    """
    talk = read_talk(entries, catalog, claim=claim)
    clean = Cleaner(talk)
    texts = [clean.text(text) for text in _differ(case, claim, talk)]
    findings = [replace(finding, subject=case.id) for finding in findings]
    broken = [finding for finding in findings if finding.severity is Severity.MUST]
    # A harmless rule cannot be the cause: then the difference is only shown beside it.
    harmless = {rule.id for rule in RULES if rule.harmless}
    cause = next((finding for finding in broken if finding.id not in harmless), None)
    link = "and" if cause is None else "so that"
    cause = cause or next(iter(broken), None)
    if not texts:
        return findings
    if cause is not None:
        extended = replace(cause, evidence=(*cause.evidence, *(f"{link} {text}" for text in texts)))
        return [extended if finding is cause else finding for finding in findings]
    evidence = tuple(show(exchange, talk, clean) for exchange in talk.exchanges[:_SHOWN])
    unexpected = Finding(
        id=UNEXPECTED,
        severity=Severity.MUST,
        source=f"the scenario of the case, {case.scenario.name}: {case.summary}",
        expected=_EXPECTED,
        seen="; ".join(texts),
        subject=case.id,
        evidence=evidence,
    )
    return [*findings, unexpected]


def _differ(case: Case, claim: Claim | None, talk: Talk) -> Iterator[str]:
    expect = case.expect
    if claim is not None:
        yield from _differ_in_words(case, claim)
    jobs = {submit.job for submit in talk.submits if submit.job}
    counts = (
        ("submits", len(talk.submits), expect.submits),
        ("jobs", len(jobs), expect.jobs),
        ("polls", len(talk.of("poll")), expect.polls),
    )
    for name, number, span in counts:
        if number not in span:
            were = f"1 {name[:-1]} was" if number == 1 else f"{number} {name} were"
            yield f"{were} made, expected {span}"


def _differ_in_words(case: Case, claim: Claim) -> Iterator[str]:
    expect = case.expect
    if claim.outcome in _ENDED_BY_ITSELF:
        return  # the finding about it says so
    if claim.outcome not in expect.outcomes:
        why = ": ".join(filter(None, (claim.error_kind, claim.message)))
        why = f" ({why})" if why else ""
        yield f"the outcome is {claim.outcome}{why}, expected {' or '.join(sorted(expect.outcomes))}"
    elif expect.kinds and claim.outcome in ("failed", "rejected") and claim.error_kind not in expect.kinds:
        wanted = " or ".join(sorted(expect.kinds))
        yield f"the error kind is {claim.error_kind or 'missing'}, expected {wanted}"
    if expect.media is not None and claim.outcome == "completed" and len(claim.media) != expect.media:
        were = "1 file was" if len(claim.media) == 1 else f"{len(claim.media)} files were"
        yield f"{were} returned, expected {expect.media}"


def summarise(claim: Claim | None, entries: list[JournalEntry], catalog: Catalog) -> str:
    """Return in words what a case came to, in the form in which `Expectation` says what it should."""
    talk = read_talk(entries, catalog, claim=claim)
    parts = []
    if claim is not None:
        kind = f" ({claim.error_kind})" if claim.error_kind else ""
        parts.append(("no conclusion" if claim.outcome == "none" else claim.outcome) + kind)
    counts = {"submit": len(talk.submits), "job": len({submit.job for submit in talk.submits if submit.job})}
    counts["poll"] = len(talk.of("poll"))
    if claim is not None and claim.outcome == "completed":
        counts["file"] = len(claim.media)
    numbers = ", ".join(counted(number, name) for name, number in counts.items())
    return Cleaner(talk).text("; ".join([*parts, numbers]))
