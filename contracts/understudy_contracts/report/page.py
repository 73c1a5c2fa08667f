"""A report as one HTML page that needs nothing else: no network, no script from elsewhere, no script at all.

The findings and what to do about them come first, then a table of what was tried. Each cell of it leads to a
panel with what was expected, what was seen, and the conversation. What was not reached is folded away. Panels
open by `:target`, so a link to one can be sent. Every text goes through markupsafe.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from understudy_contracts.conversation import Turn, plain, shorten, tell
from understudy_contracts.findings import (
    Case,
    Finding,
    Outcome,
    Report,
    Severity,
    Table,
    count_broken,
    counted,
    in_brackets,
)
from understudy_mock.catalog import Catalog

_TURNS_OF_A_FAILURE = 80
_TURNS = 24
"""Turns shown of a case where nothing is wrong."""

_TEXT = 4000
"""Characters shown of any one text."""

_LINKS = 12

_KIND = ": "
"""What stands in a column's name between the kind of what was tried and the name, where there are kinds."""

_WIDE = 8
"""Columns that most screens have room for."""

_NARROW = 2
"""Columns that the smallest ones have room for."""

_WORDS: Mapping[str, tuple[str, str]] = {
    "passed": ("✓", "passed"),
    "known": ("≈", "known to fail"),
    "info": ("i", "passed with a note"),
    "should": ("!", "passed with remarks"),
    "failed": ("✗", "failed"),
    "skipped": ("–", "not reached"),
    "error": ("⚠", "error"),
}
"""What a cell's state is shown as: a sign and words, so that colour is never alone."""

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p class="verdict {state}"><b>{sign}</b> {verdict}</p>
<ul class="counts">{counts}</ul>
</header>
{leading}{findings}
<section aria-labelledby="facts-title">
<h2 id="facts-title">The run</h2>
<dl class="facts">{facts}</dl>
</section>
{tried}{tables}
</main>
{panels}
<script>{script}</script>
</body>
</html>
""")

_TRIED = Markup("""<section aria-labelledby="matrix-title">
<div class="bar"><h2 id="matrix-title">What was tried</h2>
<label class="only"><input type="checkbox" id="only"> only rows with something to see</label></div>
<p class="hint">Each cell opens: what was expected, what was seen, and what plays it again.</p>
{matrices}
{left}
</section>
""")

_MATRIX = Markup("""{head}<div class="matrix{wide}" role="region" aria-label="{label}" tabindex="0">
<table>
<thead><tr><td></td>{heads}</tr></thead>
<tbody>{rows}</tbody>
</table>
</div>
""")


def as_html(report: Report, catalog: Catalog, journals: Sequence[str] = ()) -> str:
    """Write the page. `journals` name each case's HAR file beside it, "" for none."""
    cases = list(enumerate(report.cases))
    state, sign, verdict = _verdict(report)
    # Cases that share a journal tell one conversation, with what any of them found.
    found: dict[int, list[Finding]] = {}
    for case in report.cases:
        found.setdefault(id(case.journal), []).extend(case.findings if case.journal else ())
    panels = (
        _panel(
            number,
            case,
            found[id(case.journal)],
            catalog,
            journals[number] if number < len(journals) else "",
        )
        for number, case in cases
    )
    page = _PAGE.format(
        policy=_policy(),
        title=_cut(report.title),
        style=Markup(_resource("page.css")),
        script=Markup(_resource("page.js")),
        state=state,
        sign=sign,
        verdict=verdict,
        counts=_join(_counts(report)),
        leading=_join(_table(n, table) for n, table in enumerate(report.tables) if table.leads),
        findings=_findings(report),
        facts=_join(_facts(report)),
        tried=_tried(cases),
        tables=_join(_table(n, table) for n, table in enumerate(report.tables) if not table.leads),
        panels=_join(panels),
    )
    return str(page)  # text, no longer Markup


# -- the head


def _policy() -> str:
    def allow(name: str) -> str:
        digest = hashlib.sha256(_resource(name).encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    return (
        f"default-src 'none'; style-src {allow('page.css')}; script-src {allow('page.js')}; "
        "base-uri 'none'; form-action 'none'"
    )


def _verdict(report: Report) -> tuple[str, str, str]:
    found = report.findings
    must = any(finding.severity is Severity.MUST for finding in found)
    failed = [case for case in report.cases if case.outcome is Outcome.FAILED]
    number = f"{counted(len(found), 'finding')}{in_brackets(found)}"
    if any(case.outcome is Outcome.ERROR for case in report.cases) and not failed:
        return "error", "⚠", "The check itself failed, so the passed cases prove nothing."
    others = [f"{case.reason[:1].upper()}{case.reason[1:]}" for case in failed if not case.findings]
    also = "".join(f" {one}." for one in dict.fromkeys(filter(None, others)))
    if must:
        return "failed", "✗", f"Contract broken: {number}.{also}"
    if also:
        rest = f"Contract kept, with remarks: {number}." if found else "Nothing else was found."
        return "failed", "✗", f"{also.strip()} {rest}"
    if failed:
        return "failed", "✗", f"Failed, because it is strict: {number}."
    if count_broken(found):
        return "should", "!", f"Contract kept, with remarks: {number}."
    states = [_state(case) for case in report.cases]
    left = states.count("skipped")
    notes = [f"{left} could not be tried"] if 0 < left < len(states) else []
    if known := states.count("known"):
        notes.append(f"{known} known to fail")
    also = "".join(f"; {note}" for note in notes) + (f". Worth knowing: {number}." if found else ".")
    if left == len(states):
        return "skipped", "–", f"Nothing could be tried{also}"
    state, sign = ("info", _WORDS["info"][0]) if found else ("passed", "✓")
    return state, sign, f"Everything that was tried passed{also}"


def _counts(report: Report) -> Iterator[Markup]:
    states = [_state(case) for case in report.cases]
    for state, (sign, words) in _WORDS.items():
        if count := states.count(state):
            yield Markup('<li class="{}"><b>{}</b> {} {}</li>').format(state, sign, count, words)


def _facts(report: Report) -> Iterator[Markup]:
    for name, value in report.facts.items():
        if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            value = ", ".join(value)
        if isinstance(value, float):
            value = f"{value:g}"
        if isinstance(value, bool):
            value = "yes" if value else ""  # what is not so needs no word
        if isinstance(value, (str, int, float)) and value != "":
            yield Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name.replace("_", " "), _cut(str(value)))


def _findings(report: Report) -> Markup:
    """List each broken rule once, with the cells where it was broken; what is only worth knowing apart."""
    places: dict[tuple[str, bool], list[tuple[int, Case, Finding]]] = {}
    for number, case in enumerate(report.cases):
        for finding in case.findings:
            kind = (finding.id, finding.severity is Severity.INFO)
            places.setdefault(kind, []).append((number, case, finding))
    if not places:
        return Markup("")
    worst = sorted(places.values(), key=lambda cells: min(finding.severity.rank for *_, finding in cells))
    return Markup(
        '<section aria-labelledby="findings-title"><h2 id="findings-title">Findings</h2>'
        '<p class="hint">MUST breaks the contract, SHOULD is unwise, INFO is worth knowing.</p>'
        '<ul class="findings">{}</ul></section>'
    ).format(_join(_finding_in_short(found) for found in worst))


def _finding_in_short(found: Sequence[tuple[int, Case, Finding]]) -> Markup:
    first = min((finding for _, _, finding in found), key=lambda finding: finding.severity.rank)
    links = [
        Markup('<a href="#c{}">{}</a>').format(number, _broken(finding.subject or _place(case)[0]))
        for number, case, finding in found[:_LINKS]
    ]
    more = Markup(" and {} more").format(len(found) - _LINKS) if len(found) > _LINKS else Markup("")
    return Markup("<li>{} <code>{}</code><p><b>{}</b></p><p>{}</p><p class=at>{}{}</p></li>").format(
        _badge(first),
        first.id,
        _cut(plain(first.seen)),
        _cut(first.expected),
        Markup(", ").join(links),
        more,
    )


def _table(number: int, table: Table) -> Markup:
    """Show one of the report's own tables."""
    heads = _join(Markup('<th scope="col">{}</th>').format(name) for name in table.heads)
    rows = _join(
        Markup('<tr><th scope="row">{}</th>{}</tr>\n').format(
            _broken(row[0]),
            _join(
                Markup('<td data-head="{}">{}</td>').format(head, _cut(cell))
                for head, cell in zip(table.heads[1:], row[1:], strict=True)
            ),
        )
        for row in table.rows
    )
    note = Markup('<p class="hint">{}</p>').format(_cut(table.note)) if table.note else Markup("")
    text = Markup("<pre tabindex=0>{}</pre>").format(_cut(table.text)) if table.text else Markup("")
    return Markup(
        '<section aria-labelledby="table-{0}"><h2 id="table-{0}">{1}</h2>{2}'
        '<div class="matrix told" role="region" aria-labelledby="table-{0}" tabindex="0">'
        "<table><thead><tr>{3}</tr></thead><tbody>{4}</tbody></table></div>{5}</section>\n"
    ).format(number, table.title, note, heads, rows, text)


# -- the table of what was tried


def _place(case: Case) -> tuple[str, str]:
    return case.row or case.group, case.column or case.name


def _state(case: Case) -> str:
    match case.outcome:
        case Outcome.FAILED:
            return "failed"
        case Outcome.ERROR:
            return "error"
        case Outcome.NOT_REACHED:
            return "skipped"
    severities = {finding.severity for finding in case.findings}
    if Severity.SHOULD in severities or Severity.MUST in severities:
        return "should"
    if severities:
        return "info"
    return "known" if case.reason else "passed"


def _tried(cases: Sequence[tuple[int, Case]]) -> Markup:
    """Show what was tried, and fold away what was not reached and has no place among it."""
    shown: list[tuple[int, Case]] = []
    left: list[tuple[int, Case]] = []
    reached = [_place(case) for _, case in cases if case.outcome is not Outcome.NOT_REACHED]
    rows, columns = {row for row, _ in reached}, {column for _, column in reached}
    for number, case in cases:
        row, column = _place(case)
        is_shown = case.outcome is not Outcome.NOT_REACHED or (row in rows and column in columns)
        (shown if is_shown else left).append((number, case))
    if not cases:
        return Markup("")
    several = Counter(row for row, _ in {_place(case) for _, case in cases})
    return _TRIED.format(matrices=_join(_matrices(shown)), left=_left(left, several))


def _left(cases: Sequence[tuple[int, Case]], columns: Mapping[str, int]) -> Markup:
    """List what was not reached, by the reason why; by its row alone where that has no other column."""
    if not cases:
        return Markup("")
    reasons: dict[str, list[Markup]] = {}
    for number, case in cases:
        row, column = _place(case)
        name = _named(row) if columns[row] == 1 else Markup("{} · {}").format(_named(row), _named(column))
        link = Markup('<a id="m{}" class="skipped" href="#c{}">{}</a>').format(number, number, name)
        reasons.setdefault(case.reason, []).append(link)
    panels = _join(
        Markup("<dt>{} ({})</dt><dd>{}</dd>").format(
            _cut(reason) or "no reason is known", len(links), Markup(", ").join(links)
        )
        for reason, links in reasons.items()
    )
    return Markup(
        '<details class="left"><summary>{} not reached, so neither kept nor broken: the reasons</summary>'
        "<dl>{}</dl></details>"
    ).format(len(cases), panels)


def _matrices(cases: Iterable[tuple[int, Case]]) -> Iterator[Markup]:
    """Show what was tried, a table a kind of column: a row has cells in columns of one kind alone."""
    kinds: dict[str, list[tuple[int, Case]]] = {}
    for number, case in cases:
        kind, mark, _ = _place(case)[1].partition(_KIND)
        kinds.setdefault(kind if mark else "", []).append((number, case))
    for kind, own in kinds.items():
        head = Markup("<h3>{}</h3>\n").format(_broken(kind.capitalize())) if kind else Markup("")
        yield _matrix(own, head, _cut(kind) or "What was tried")


def _matrix(cases: Iterable[tuple[int, Case]], head: Markup, label: str) -> Markup:
    placed = [(*_place(case), number, case) for number, case in cases]
    rows = list(dict.fromkeys(one[0] for one in placed))
    columns = list(dict.fromkeys(one[1] for one in placed))
    if len(columns) > max(_WIDE, len(rows)):
        # A page is read from the top down: what is many goes there.
        placed = [(column, row, number, case) for row, column, number, case in placed]
        rows, columns = columns, rows
    cells: dict[tuple[str, str], list[tuple[int, Case]]] = {}
    for row, column, number, case in placed:
        cells.setdefault((row, column), []).append((number, case))
    return _MATRIX.format(
        head=head,
        label=label,
        wide=" wide" if len(columns) > _NARROW else "",
        heads=_join(Markup('<th scope="col"><span>{}</span></th>').format(_named(name)) for name in columns),
        rows=_join(_row(row, [(name, cells.get((row, name), [])) for name in columns]) for row in rows),
    )


def _row(name: str, cells: Sequence[tuple[str, Sequence[tuple[int, Case]]]]) -> Markup:
    clean = all(_state(case) in ("passed", "skipped") for _, cell in cells for _, case in cell)
    return Markup('<tr{}><th scope="row">{}</th>{}</tr>\n').format(
        Markup(' class="clean"' if clean else ""), _named(name), _join(_cell(*cell) for cell in cells)
    )


def _named(name: str) -> Markup:
    return _broken(_bare(name))


def _bare(name: str) -> str:
    """Name a row or a column without the kind that stands above."""
    kind, mark, rest = name.partition(_KIND)
    return rest if mark else kind


def _cell(column: str, cases: Sequence[tuple[int, Case]]) -> Markup:
    if not cases:
        return Markup("<td></td>")
    links = _join(_link(number, case) for number, case in cases)
    return Markup('<td data-head="{}">{}</td>').format(_bare(column), links)


def _link(number: int, case: Case) -> Markup:
    state = _state(case)
    sign, words = _WORDS[state]
    rules = list(dict.fromkeys(finding.id for finding in case.findings))
    note = Markup("")
    if rules:
        more = f" +{len(rules) - 1}" if len(rules) > 1 else ""
        note = Markup("<small>{}{}</small>").format(_broken(rules[0]), more)
    return Markup('<a id="m{}" class="{}" href="#c{}"><b>{}</b> {}{}</a>').format(
        number, state, number, sign, words, note
    )


# -- a panel


def _panel(number: int, case: Case, findings: Sequence[Finding], catalog: Catalog, journal: str) -> Markup:
    state = _state(case)
    sign, words = _WORDS[state]
    row, column = _place(case)
    said = any(finding.expected == case.expected for finding in case.findings)
    parts = [
        _pairs([("Why", case.reason)]),
        *(_finding(finding) for finding in case.findings),
        _pairs([("This case expects", "" if said else case.expected), ("It came to", case.seen)]),
        _conversation(case, findings, catalog, journal),
        _block("Play it again", case.again),
    ]
    return Markup(
        '<section class="panel" id="c{0}" tabindex="-1" role="dialog" aria-modal="true" '
        'aria-labelledby="t{0}"><a class="shade" href="#m{0}" tabindex="-1" aria-hidden="true"></a><article>'
        '<a class="close" href="#m{0}">Close <span aria-hidden="true">✕</span></a>'
        '<p class="state {1}"><b>{2}</b> {3}</p><h2 id="t{0}">{4} <span>{5}</span></h2>{6}'
        "</article></section>\n"
    ).format(number, state, sign, words, _broken(row), _broken(column), _join(parts))


def _finding(finding: Finding) -> Markup:
    facts = _pairs(
        [
            ("Expected", finding.expected),
            ("Seen", finding.seen),
            ("At", finding.subject),
            ("Source", finding.source),
        ]
    )
    evidence = "" if finding.exchanges else "\n".join(finding.evidence)
    return Markup('<div class="finding"><h3>{} <code>{}</code></h3>{}{}{}</div>').format(
        _badge(finding), finding.id, facts, _block("Shown by", evidence), _block("Again", finding.curl)
    )


def _conversation(case: Case, findings: Sequence[Finding], catalog: Catalog, journal: str) -> Markup:
    if not case.journal:
        return Markup("")
    turns = tell(case.journal, catalog, findings, claim=case.claim)
    turns = shorten(turns, _TURNS_OF_A_FAILURE if findings else _TURNS)
    whole = Markup(' <a class="har" href="{0}">{0}</a>').format(journal) if journal else Markup("")
    return Markup('<h3>The conversation</h3><ol class="talk">{}</ol><p class="whole">{}</p>').format(
        _join(_turn(turn) for turn in turns),
        Markup("All of it, as HAR:{}").format(whole) if journal else "",
    )


def _turn(turn: Turn) -> Markup:
    detail = Markup("<code>{}</code>").format(turn.detail) if turn.detail else Markup("")
    fault = Markup(' <i class="fault">fault: {}</i>').format(turn.fault) if turn.fault else Markup("")
    broke = _join(
        Markup('<p class="broke {}">✗ {} <code>{}</code> {}</p>').format(
            finding.severity.lower(), _badge(finding), finding.id, _cut(plain(finding.seen))
        )
        for finding in turn.broke
    )
    if turn.who == "note":
        return Markup('<li class="note">{}{}</li>').format(turn.text, broke)
    return Markup('<li class="{0}"><time>{1}</time> <b>{0}</b> <span>{2}{3}</span>{4}{5}</li>').format(
        turn.who, f"{turn.at:+.3f} s" if turn.at is not None else "", turn.text, fault, detail, broke
    )


# -- pieces


def _badge(finding: Finding) -> Markup:
    return Markup('<strong class="badge {}">{}</strong>').format(finding.severity.lower(), finding.severity)


def _pairs(pairs: Iterable[tuple[str, str]]) -> Markup:
    rows = [
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, _cut(text)) for name, text in pairs if text
    ]
    return Markup('<dl class="pairs">{}</dl>').format(_join(rows)) if rows else Markup("")


def _block(name: str, text: str) -> Markup:
    if not text:
        return Markup("")
    return Markup("<h4>{}</h4><pre tabindex=0>{}</pre>").format(name, _cut(text))


def _broken(text: str) -> Markup:
    """Let a long name break where people would."""
    return Markup("<wbr>").join(_parts(_cut(text)))


def _parts(text: str) -> list[str]:
    for mark in "/-_":
        text = text.replace(mark, mark + "\x00")
    return text.split("\x00")


def _cut(text: str) -> str:
    text = text.replace("\x00", "�")
    return text if len(text) <= _TEXT else f"{text[:_TEXT]} … ({len(text) - _TEXT} more characters)"


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


@cache
def _resource(name: str) -> str:
    return files("understudy_contracts.report").joinpath(name).read_text(encoding="utf-8")
