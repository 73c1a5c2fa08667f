"""Reports in the making, and a page as a browser reads it."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser

from tests.rules.story import KEY, Story
from understudy_contracts.claim import Claim
from understudy_contracts.findings import Case, Finding, Outcome, Report, Severity, Table
from understudy_mock.catalog import Catalog

NASTY = "</script><img src=x onerror=alert(1)>"


def a_report(catalog: Catalog, cases: int = 4) -> Report:
    """A client that polls on after the end, sends mark-up and the key, and could not do the rest."""
    story = Story(catalog).submit(0, sent={"prompt": NASTY, "note": KEY}).poll(6000, "FAILED")
    for at in (12000, 18000, 24000):
        story.poll(at, "FAILED")
    story.add(24500, "GET", f"/nowhere?k={KEY}", 404, {"error": KEY})
    claim = Claim("failed", key=KEY, job_id="hunyuan-video_1", error_kind="job_failed", message=NASTY + KEY)
    found = tuple(story.found(claim).values())
    told = [
        Case(
            "lifecycle",
            "fails/pixazo/poll",
            Outcome.FAILED,
            0.5,
            found,
            row="lifecycle/fails",
            column="pixazo poll",
            expected="failed (job_failed); 1 submit",
            seen=f"failed {NASTY}",
            journal=tuple(story.entries),
            claim=claim,
            again="name: fails\njob: {end: FAILED}",
        ),
        Case("lifecycle", "fails/segmind/sync", Outcome.NOT_REACHED, reason=NASTY, row="lifecycle/fails"),
        Case("pixazo", "a-check", Outcome.FAILED, findings=(_finding(),)),
        *(
            Case("many", f"case-{number}", Outcome.PASSED, journal=tuple(story.entries[:2]))
            for number in range(cases - 3)
        ),
    ]
    facts = {"seed": 7, "command": NASTY, "coverage": {"a": 1}}
    tables = (
        Table(
            "In short",
            ("area", "what of it holds"),
            (("money", f"NOT KEPT: {NASTY} {'x' * 200}"),),
            leads=True,
        ),
        Table(
            "How long jobs took",
            ("model", *(f"p{number} of something" for number in range(12))),
            ((NASTY, *("12.5 ± 0.5",) * 12),),
            "Seconds.",
            f"course: {{queued: 1, source: {NASTY}}}",
        ),
    )
    return Report(f"client {NASTY}", tuple(told), facts, tables)


def _finding() -> Finding:
    return Finding(
        "a-check",
        Severity.MUST,
        "a document",
        "It holds.",
        "It does not",
        evidence=("GET / -> 500",),
        curl="curl -si http://127.0.0.1:1/<b>",
    )


class Page(HTMLParser):
    """What a page consists of: its elements with their attributes, its ids, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.panels: dict[str, str] = {}
        self._panel = ""
        self._raw = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.elements.append((tag, told))
        self._raw = tag in ("style", "script")
        if told.get("class") == "panel":
            self._panel = told["id"]
            self.panels[self._panel] = ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if self._raw:
            return
        self.words.append(data)
        if self._panel:
            self.panels[self._panel] += data

    @property
    def text(self) -> str:
        return "".join(self.words)

    def of(self, tag: str) -> list[Mapping[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]
