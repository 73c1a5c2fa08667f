"""The page of a report: everything is there, nothing in it acts, nothing is fetched, and no key is shown."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.report.reports import NASTY, Page, a_report
from tests.rules.story import KEY
from understudy_contracts.findings import Case, Finding, Outcome, Report, Severity, outcome_of
from understudy_contracts.report import as_html, as_json, as_junit, write_reports
from understudy_mock.catalog import Catalog

INERT = {
    *("html", "head", "meta", "title", "style", "script", "body", "main", "header", "section", "article"),
    *(
        "details",
        "summary",
        "div",
        "span",
        "p",
        "b",
        "i",
        "a",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "h3",
        "h4",
    ),
    *(
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "pre",
        "small",
        "strong",
        "time",
        "label",
        "input",
        "wbr",
    ),
}


@pytest.fixture(scope="module")
def html(catalog: Catalog) -> str:
    return as_html(a_report(catalog), catalog, ["journals/001.har", "", "", "journals/004.har"])


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_case_has_a_cell_that_leads_to_its_panel(page: Page) -> None:
    cells = {one["href"].removeprefix("#") for one in page.of("a") if one.get("id", "").startswith("m")}
    assert cells == set(page.panels) == {"c0", "c1", "c2", "c3"}


def test_a_panel_tells_the_sentence_the_expected_the_seen_the_conversation_and_how_to_repeat_it(
    page: Page,
) -> None:
    told = page.panels["c0"]
    assert "Stop at the first answer that says that the job has ended: it is final." in told
    assert "after an answer said that it had ended" in told
    assert "failed (job_failed); 1 submit" in told
    assert "polls job hunyuan-video_1" in told
    assert "✗ MUST polled-after-terminal" in told
    assert "name: fails\njob: {end: FAILED}" in told
    assert "curl -si http://127.0.0.1:1/<b>" in page.panels["c2"]
    assert "GET / -> 500" in page.panels["c2"]


def test_the_facts_say_what_is_so_in_words_and_leave_out_the_rest(catalog: Catalog) -> None:
    facts = {"out_of_time": True, "interrupted": False, "seed": 0}
    text = Page(as_html(Report("x", (), facts), catalog)).text
    assert "out of timeyes" in text
    assert "seed0" in text
    assert "interrupted" not in text
    assert "True" not in text


def test_what_others_wrote_is_text_and_nothing_else(page: Page) -> None:
    assert {tag for tag, _ in page.elements} <= INERT
    assert not [name for _, told in page.elements for name in told if name.startswith("on")]
    assert NASTY in page.text
    assert len(page.of("script")) == 1


def test_nothing_is_fetched_and_only_its_own_style_and_script_may_run(html: str, page: Page) -> None:
    policy = next(
        one["content"] for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "url(" not in inside
        assert "@import" not in inside
    assert not [told for _, told in page.elements if "src" in told or "style" in told]
    assert all(one["href"].startswith(("#", "journals/")) for one in page.of("a"))


def test_no_key_is_in_any_file(catalog: Catalog, tmp_path: Path) -> None:
    written = write_reports(a_report(catalog), tmp_path, "client", catalog)
    assert [file.name for file in written] == ["client.html", "client.json", "client.xml", "journals"]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 5
    for file in files:
        assert KEY not in file.read_text(), file
    assert "[redacted]" in (tmp_path / "client.html").read_text()


def test_each_case_has_its_journal_under_a_safe_name(catalog: Catalog, tmp_path: Path) -> None:
    """Names that would climb out, or are longer than file systems take, are made into ones that do not."""
    report = a_report(catalog)
    case = replace(report.cases[0], group="../../x", name="ü/" + "y" * 500)
    odd = [replace(case, journal=case.journal[:length]) for length in (1, 2)]
    write_reports(replace(report, cases=tuple(odd)), tmp_path, "client", catalog)
    told = json.loads((tmp_path / "client.json").read_text())
    names = [case["journal"] for case in told["cases"]]
    assert sorted(names) == sorted(f"journals/{file.name}" for file in (tmp_path / "journals").iterdir())
    assert all(re.fullmatch(r"journals/[a-z0-9.-]{1,100}\.har", name) for name in names)
    har = json.loads((tmp_path / names[1]).read_text())
    assert len(har["log"]["entries"]) == 2


def test_a_journal_of_several_cases_is_called_after_the_run(catalog: Catalog, tmp_path: Path) -> None:
    report = a_report(catalog)
    cases = [replace(report.cases[0], group=group) for group in ("one-rule", "another-rule")]
    write_reports(replace(report, cases=tuple(cases)), tmp_path, "run", catalog)
    assert [file.name for file in (tmp_path / "journals").iterdir()] == ["001-run.har"]


def test_a_journal_of_an_earlier_run_does_not_stay(catalog: Catalog, tmp_path: Path) -> None:
    write_reports(a_report(catalog), tmp_path, "client", catalog)
    write_reports(Report("empty", ()), tmp_path, "client", catalog)
    assert list((tmp_path / "journals").iterdir()) == []


def test_no_row_begins_far_to_the_right(catalog: Catalog) -> None:
    """Kinds of columns have tables of their own, and what is many goes down: each row has a cell in sight."""
    promises = [Case(f"submit-{n % 2}", f"promise-{n // 2}", Outcome.PASSED) for n in range(80)]
    generated = [Case(f"GET /{n}", "generated: fuzzing", Outcome.PASSED) for n in range(9)]
    generated.append(Case("GET /0", "generated: a wrong key", Outcome.PASSED))
    html = as_html(Report("x", (*promises, *generated)), catalog).replace("<wbr>", "")
    heads = [re.findall(r"<span>(.*?)</span>", head) for head in re.findall(r"<thead>.*?</thead>", html)]
    assert heads == [["submit-0", "submit-1"], ["fuzzing", "a wrong key"]]
    rows = re.findall(r'<tr class="clean"><th scope="row">(.*?)</th>(.*?)</tr>', html)
    assert [name for name, _ in rows] == [
        *(f"promise-{n}" for n in range(40)),
        *(f"GET /{n}" for n in range(9)),
    ]
    assert all(re.match(r"<td [^>]*><a ", cells) for _, cells in rows)
    assert len(Page(html).panels) == 90


def test_a_long_report_stays_small(catalog: Catalog) -> None:
    """124 cases of a client, and 3,000 checks of a server, are a page that can be mailed."""
    report = a_report(catalog, 124)
    assert len(as_html(report, catalog)) < 3_000_000
    numbered = enumerate(report.cases[0].journal * 400, 1)
    journal = tuple(msgspec.structs.replace(entry, number=number) for number, entry in numbered)
    long = replace(report.cases[0], journal=journal)
    assert len(as_html(Report("long", (long,)), catalog)) < 200_000
    many = tuple(
        Case(f"operation-{n // 30}", f"check-{n % 30}", Outcome.PASSED, expected="It holds. " * 8)
        for n in range(3000)
    )
    assert len(as_html(Report("server", many), catalog)) < 4_000_000


@pytest.mark.parametrize(
    ("outcome", "severity", "words"),
    [
        (Outcome.PASSED, None, "Everything that was tried passed."),
        (Outcome.FAILED, Severity.MUST, "Contract broken: 1 finding (1 MUST)."),
        (Outcome.PASSED, Severity.SHOULD, "Contract kept, with remarks: 1 finding (1 SHOULD)."),
        (Outcome.FAILED, Severity.SHOULD, "Failed, because it is strict: 1 finding (1 SHOULD)."),
        (Outcome.FAILED, None, "It stumbled. Nothing else was found."),
        (Outcome.NOT_REACHED, None, "Nothing could be tried."),
        (Outcome.ERROR, None, "The check itself failed, so the passed cases prove nothing."),
    ],
)
def test_the_page_begins_with_the_verdict(
    catalog: Catalog, outcome: Outcome, severity: Severity | None, words: str
) -> None:
    found = (Finding("r", severity, "s", "e", "seen"),) if severity else ()
    reason = "it stumbled" if outcome is Outcome.FAILED and not found else ""
    page = Page(as_html(Report("x", (Case("g", "n", outcome, findings=found, reason=reason),)), catalog))
    assert words in page.text
    (verdict,) = (one for one in page.of("p") if one.get("class", "").startswith("verdict"))
    assert (verdict["class"] == "verdict passed") is (outcome is Outcome.PASSED and not found)


def test_what_was_found_is_told_before_anything_else(catalog: Catalog) -> None:
    """What was seen, then what to do about it; before it only the verdict and what it comes to, in short."""
    text = Page(as_html(a_report(catalog), catalog)).text
    places = [
        text.index(words)
        for words in (
            "Contract broken",
            "In short",
            "Findings",
            "It does not",
            "It holds.",
            "The run",
            "What was tried",
            "How long jobs took",
        )
    ]
    assert places == sorted(places)


def test_what_was_not_reached_is_folded_away_by_its_reason(catalog: Catalog) -> None:
    """Rows and columns in which nothing was reached are no part of the table, and their panels stay."""
    cases = [
        Case("one", "a", Outcome.PASSED),
        Case("one", "b", Outcome.NOT_REACHED, reason="no b"),
        *(Case(name, "a", Outcome.NOT_REACHED, reason="no such row") for name in ("two", "three")),
        Case("four", "a", Outcome.PASSED),
    ]
    html = as_html(Report("x", tuple(cases)), catalog)
    matrix, _, left = html.partition('<details class="left">')
    left = left.partition("</details>")[0]
    assert re.findall(r'<th scope="row">(.*?)</th>', matrix) == ["one", "four"]
    assert re.findall(r'<th scope="col"><span>(.*?)</span></th>', matrix) == ["a"]
    assert "3 not reached, so neither kept nor broken" in left
    assert re.findall(r"<dt>(.*?)</dt>", left) == ["no b (1)", "no such row (2)"]
    assert re.findall(r'href="#(c\d)"', left) == ["c1", "c2", "c3"]
    assert set(Page(html).panels) == {"c0", "c1", "c2", "c3", "c4"}


def test_what_else_there_is_to_say_is_in_every_form(catalog: Catalog) -> None:
    """On the page, in JSON, and in JUnit as the output of the first suite."""
    report = a_report(catalog)
    page = Page(as_html(report, catalog)).text
    told = as_json(report)
    said = ElementTree.fromstring(as_junit(report)).findtext("testsuite/system-out") or ""
    for table in report.tables:
        for words in (table.title, *table.heads, *table.rows[0], table.note, table.text):
            assert words in page
            assert words in said
    assert [one["title"] for one in told["tables"]] == ["In short", "How long jobs took"]
    assert told["tables"][0]["rows"] == [list(report.tables[0].rows[0])]
    assert told["weights"] == {"MUST": 3, "SHOULD": 0, "INFO": 1}


def test_what_fails_no_case_is_in_junit_all_the_same(catalog: Catalog) -> None:
    """As the output of its case, passed or not reached: SHOULD, INFO, and why a case is known to fail."""
    should = Finding("r", Severity.SHOULD, "s", "e", "it was too fast")
    info = Finding("r", Severity.INFO, "s", "e", "it is not judged")
    cases = (
        Case("g", "should", Outcome.PASSED, findings=(should,)),
        Case("g", "info", Outcome.NOT_REACHED, findings=(info,), reason="nothing happened"),
        Case("g", "known", Outcome.PASSED, reason="known to fail: r: a reason"),
        Case("g", "clean", Outcome.PASSED),
    )
    (suite,) = ElementTree.fromstring(as_junit(Report("x", cases)))
    outputs = {case.attrib["name"]: case.findtext("system-out") or "" for case in suite}
    assert outputs["should"].startswith("SHOULD r\n  it was too fast")
    assert outputs["info"].startswith("INFO r\n  it is not judged")
    assert outputs["known"] == "known to fail: r: a reason"
    assert outputs["clean"] == ""
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == ("0", "1")


def test_a_page_with_nothing_but_info_does_not_warn(catalog: Catalog) -> None:
    found = (Finding("r", Severity.INFO, "s", "e", "seen"),)
    page = as_html(Report("x", (Case("g", "n", Outcome.PASSED, findings=found),)), catalog)
    assert (
        '<p class="verdict info"><b>i</b> Everything that was tried passed. Worth knowing: 1 finding' in page
    )


@pytest.mark.parametrize("strict", [False, True])
def test_should_counts_the_same_in_the_status_the_page_and_junit(catalog: Catalog, strict: bool) -> None:
    found = (Finding("r", Severity.SHOULD, "s", "e", "seen"),)
    report = Report("x", (Case("g", "n", outcome_of(found), findings=found),))
    report = report.strictly() if strict else report
    assert report.exit_status() == int(strict)
    assert ElementTree.fromstring(as_junit(report))[0].attrib["failures"] == str(int(strict))
    assert as_json(report)["cases"][0]["outcome"] == ("failed" if strict else "passed")
    state = "failed" if strict else "should"
    assert f'<p class="verdict {state}">' in as_html(report, catalog)


def test_journals_are_for_their_owner_alone(catalog: Catalog, tmp_path: Path) -> None:
    write_reports(a_report(catalog), tmp_path, "run", catalog)
    journals = list((tmp_path / "journals").iterdir())
    assert journals
    assert {file.stat().st_mode & 0o077 for file in journals} == {0}


def test_what_is_only_worth_knowing_stands_beside_what_is_broken(catalog: Catalog) -> None:
    """In the list at the beginning, too, with its own words."""
    must = Finding("r", Severity.MUST, "s", "Mend it.", "it is wrong")
    info = Finding("r", Severity.INFO, "s", "Nothing needs fixing.", "it is not judged")
    html = as_html(Report("x", (Case("g", "n", Outcome.FAILED, findings=(must, info)),)), catalog)
    listed = html.partition('<ul class="findings">')[2].partition("</ul>")[0]
    places = [listed.index(text) for text in ("it is wrong", "Mend it.", "it is not judged", "Nothing needs")]
    assert places == sorted(places)
