"""A journal as a conversation: who did what, when, and which rule it broke.

For people who look for the place where it went wrong; what the rules need is in `rules.talk`. It contains no
key, and nothing that a terminal would act upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from types import MappingProxyType
from typing import Literal, get_args

import click

from understudy_contracts.claim import Claim
from understudy_contracts.findings import Finding, counted
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.show import Cleaner
from understudy_contracts.rules.talk import read_talk
from understudy_mock.catalog import Catalog
from understudy_mock.domain.scenario import FAULTS
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.printing import printable

Speaker = Literal["client", "provider", "callback", "note"]
"""`callback` is the provider calling the client's receiver, with its answer; `note` is nobody."""

_DETAIL = 240
"""Characters of a body that a turn shows."""

_LOOKED_AT = 8 * _DETAIL
_URL = 200

_COLOURS: dict[str, str] = {"client": "cyan", "provider": "green", "callback": "magenta", "note": "white"}
_WIDTH = max(map(len, get_args(Speaker)))


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that somebody did.

    `at` is in seconds since the journal's first exchange began, whole milliseconds, and None where there was
    no exchange; `number` is the journal number of the exchange (0 for what is in no journal). `text` says it
    in words, `detail` is the beginning of the body, "" for none. `fault` names what the gateway did to the
    wire, and `broke` has the findings about this exchange, at the turn that ends it.
    """

    at: float | None
    who: Speaker
    text: str
    number: int = 0
    detail: str = ""
    fault: str = ""
    broke: tuple[Finding, ...] = ()


def tell(
    entries: Iterable[JournalEntry],
    catalog: Catalog,
    findings: Iterable[Finding] = (),
    *,
    claim: Claim | None = None,
    notes: Mapping[int, str] = MappingProxyType({}),
) -> list[Turn]:
    """Return the turns of a journal in the order of time. `claim`, what the client concluded, comes last.

    `notes` are added to the client's turn, by the journal number of the exchange.

    Findings stand at the exchanges that prove them, but for one that only led to the breach. Findings that no
    exchange of this journal proves stand at the end.
    """
    talk = read_talk(entries, catalog, claim=claim)
    start = talk.exchanges[0].begins if talk.exchanges else 0
    clean = Cleaner(talk)
    broken, rest = _placed(findings, {one.entry.number for one in talk.exchanges})
    turns: list[Turn] = []
    for one in talk.exchanges:
        number = one.entry.number
        turns += _exchange(one, clean, start, tuple(broken.get(number, ())), notes.get(number, ""))
    # By number within a millisecond: numbers are given at the end, so an answer has a lower one than what was
    # asked because of it. Stable: what an exchange consists of stays in order.
    turns.sort(key=lambda turn: (turn.at or 0, turn.number))
    untimed = {one.entry.number for one in talk.exchanges if not one.is_timed}
    turns = [replace(turn, at=None) if turn.number in untimed else turn for turn in turns]
    if claim is not None or rest:
        at = None
        if talk.exchanges:
            last = max(one.ends - start for one in talk.exchanges)
            at = max(last, claim.concluded - start if claim is not None and claim.concluded else 0.0) / 1000
        turns.append(_close(claim, clean, at, rest))
    return turns


def shorten(turns: Sequence[Turn], most: int) -> list[Turn]:
    """Return the turns without some in the middle, and with a note of how many; broken rules always stay.

    At most about `most` turns stay, besides those that broke a rule.
    """
    if len(turns) <= most:
        return list(turns)
    head, tail = most - most // 2, len(turns) - most // 2
    kept: list[Turn] = []
    left = 0
    for index, turn in enumerate(turns):
        if head <= index < tail and not turn.broke:
            left += 1
            continue
        if left:
            kept.append(_left_out(left, turn.at))
            left = 0
        kept.append(turn)
    return kept


def as_text(turns: Iterable[Turn], *, colour: bool = False) -> str:
    """Return a conversation in lines: the time in seconds, who, what, and below it which rules it broke."""
    said: set[tuple[str, str]] = set()
    return "\n".join(line for turn in turns for line in _lines(turn, said, colour))


def _lines(turn: Turn, said: set[tuple[str, str]], colour: bool) -> Iterator[str]:
    def paint(text: str, **style: bool | str) -> str:
        return click.style(text, **style) if colour else text  # type: ignore[arg-type]

    if turn.who == "note":
        yield paint(f"{'':10} {turn.text}", dim=True)
    else:
        number = f"#{turn.number}" if turn.number else ""
        who = paint(f"{turn.who:{_WIDTH}}", fg=_COLOURS[turn.who])
        when = f"{turn.at:+9.3f}s" if turn.at is not None else f"{'':10}"
        yield f"{when} {number:>4} {who}  {turn.text}"
    indent = " " * (18 + _WIDTH)
    if turn.detail:
        yield paint(indent + turn.detail, dim=True)
    for finding in turn.broke:
        mark = paint(f"✗ {finding.severity} {finding.id}", fg=finding.severity.colour, bold=True)
        named = (finding.id, finding.severity)
        yield f"{indent}{mark}" + (", as above" if named in said else f": {plain(finding.seen)}")
        said.add(named)


def plain(text: str) -> str:
    """Return a text in one line without characters that a terminal or a page would act upon."""
    return printable(" ".join(text.split()))


def _placed(
    findings: Iterable[Finding], numbers: set[int]
) -> tuple[dict[int, list[Finding]], tuple[Finding, ...]]:
    placed: dict[int, list[Finding]] = {}
    rest = []
    for finding in findings:
        known = [number for number in finding.exchanges if number in numbers]
        for number in known[1:] if finding.led_to and len(known) > 1 else known:
            placed.setdefault(number, []).append(finding)
        if not known:
            rest.append(finding)
    return placed, tuple(rest)


def _exchange(
    one: Exchange, clean: Cleaner, start: int, broke: tuple[Finding, ...], note: str
) -> Iterator[Turn]:
    entry = one.entry
    # Beginnings are whole milliseconds, rounded down; an end that was not would come after what followed it.
    begins, ends = (one.begins - start) / 1000, floor(one.ends - start) / 1000
    if one.part == "callback":
        word = one.view.word if one.view is not None else ""
        text = f"{word or 'something'} → {_received(one, clean)}"
        yield Turn(begins, "callback", plain(text), entry.number, _body(one, clean, asked=True), broke=broke)
        return
    asked = _body(one, clean, asked=True)
    asks = _asks(one, clean) + (f" ({note})" if note else "")
    yield Turn(begins, "client", plain(asks), entry.number, asked)
    answer = plain(_answers(one))
    detail = _body(one, clean, asked=False)
    yield Turn(ends, "provider", answer, entry.number, detail, entry.fault, broke)


def _asks(one: Exchange, clean: Cleaner) -> str:
    entry, operation = one.entry, one.operation
    url = clean.url(entry.url)
    match one.part:
        case "submit":
            model = operation.model.id if operation is not None and operation.model is not None else ""
            return f"submits {model or entry.operation}"
        case "poll":
            return f"polls job {one.job}" if one.job else f"polls {_short(url)}"
        case "result":
            return f"asks for the result of job {one.job}" if one.job else f"asks for a result: {_short(url)}"
        case "media":
            return f"downloads {_short(url.partition('?')[0].rpartition('/')[2])} of job {one.job or '?'}"
        case "unknown":
            return f"calls {entry.method} {_short(url)}, which is not simulated"
        case _:
            return f"calls {entry.operation}"


def _answers(one: Exchange) -> str:
    entry, fault = one.entry, one.entry.fault
    parts = [str(entry.status)] if entry.status else []
    if one.status != entry.status:
        parts[0] = f"{entry.status}, with {one.status} inside"
    view = one.view
    if view is not None:
        if one.part == "submit" and view.job:
            parts.append(f"job {view.job}")
        parts.append(view.word or ("a whole result" if view.end == "COMPLETED" else "a failed job"))
        if view.urls:
            parts.append(counted(len(view.urls), "file"))
    elif one.part == "media" and entry.status < 300:
        parts.append(f"{entry.response_size:,} bytes")
    if one.wait is not None:
        seconds = max(0.0, one.wait - one.ends) / 1000
        parts.append(f"come back in {seconds:.3g} s")
    if fault:
        parts.append(FAULTS.get(fault, fault))
    if entry.error:
        parts.append(entry.error)
    return ", ".join(parts) or "no answer"


def _received(one: Exchange, clean: Cleaner) -> str:
    entry = one.entry
    if entry.status:
        return f"receiver answered {entry.status}"
    return f"no answer: {clean.text(entry.error)}" if entry.error else "no answer"


def _body(one: Exchange, clean: Cleaner, *, asked: bool) -> str:
    body = one.entry.request_body if asked else one.entry.response_body
    if not asked and one.operation is not None and one.operation.role == "secret":
        return "[redacted]" if body else ""
    text = plain(clean.cut_text(body[:_LOOKED_AT].decode("utf-8", "replace")))
    return text if len(text) <= _DETAIL else text[:_DETAIL] + " …"


def _close(claim: Claim | None, clean: Cleaner, at: float | None, rest: tuple[Finding, ...]) -> Turn:
    if claim is None:
        return Turn(at, "note", "findings about all of this", broke=rest)
    parts = ["concludes nothing" if claim.outcome == "none" else f"concludes: {claim.outcome}"]
    if claim.error_kind:
        parts.append(claim.error_kind)
    if claim.job_id:
        parts.append(f"job {claim.job_id}")
    if claim.media:
        parts.append(counted(len(claim.media), "file"))
    detail = plain(clean.text(claim.message))
    return Turn(at, "client", plain(clean.text(", ".join(parts))), detail=detail[:_DETAIL], broke=rest)


def _left_out(count: int, at: float | None) -> Turn:
    return Turn(at, "note", f"… {counted(count, 'turn')} left out")


def _short(url: str) -> str:
    return url if len(url) <= _URL else url[:_URL] + "…"
