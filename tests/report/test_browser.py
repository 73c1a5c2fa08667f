"""A report in a real browser: a cell is opened and the finding read, with script and without."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.reports import a_report
from understudy_contracts.report import write_reports
from understudy_mock.catalog import Catalog

pytestmark = pytest.mark.e2e

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the PATH")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_reports(a_report(catalog, 40), folder, "client", catalog)[0]


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_cell_opens_to_its_finding(browser: Any, file: Path, width: int, script: bool) -> None:
    """By keyboard; the page asks for nothing but itself, complains of nothing, and never scrolls sideways."""
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.goto(file.as_uri())
    panel = page.locator("#c0")
    assert not panel.is_visible()
    page.locator("#m0").focus()
    page.keyboard.press("Enter")
    panel.wait_for(state="visible")
    told = panel.inner_text()
    assert "Stop at the first answer that says that the job has ended: it is final." in told
    assert "polls job hunyuan-video_1" in told
    if script:
        for scrolled in ("document.documentElement", "document.querySelector('.panel:target article')"):
            assert page.evaluate(f"{scrolled}.scrollWidth <= {scrolled}.clientWidth")
        page.keyboard.press("Escape")
    else:
        panel.get_by_text("Close").click()
    panel.wait_for(state="hidden")
    assert requests == [file.as_uri()]
    assert complaints == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tables_are_read_from_the_top_down_on_a_small_screen(browser: Any, file: Path, scheme: str) -> None:
    """Each cell stands below its row with the name of its column; nothing has to be moved sideways."""
    page = browser.new_page(viewport={"width": 400, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    for table in page.locator(".told").all():
        assert table.evaluate("one => one.scrollWidth <= one.clientWidth")
        assert table.evaluate("one => one.scrollHeight <= one.clientHeight")
    cell = page.locator(".told td").nth(1)
    assert cell.evaluate("one => getComputedStyle(one, '::before').content") == '"p0 of something: "'
    page.close()


def test_what_was_not_reached_opens_by_keyboard(browser: Any, file: Path) -> None:
    page = browser.new_page()
    page.goto(file.as_uri())
    link = page.locator("#m1")
    assert not link.is_visible()
    page.locator(".left summary").focus()
    page.keyboard.press("Enter")
    link.click()
    page.locator("#c1").wait_for(state="visible")
    page.close()


def test_clean_rows_can_be_hidden(browser: Any, file: Path) -> None:
    page = browser.new_page()
    page.goto(file.as_uri())
    rows = page.locator(".matrix:not(.told) tbody tr")
    assert rows.count() == 39
    page.get_by_label("only rows with something to see").check()
    seen = [row.locator("th").inner_text() for row in rows.all() if row.is_visible()]
    assert seen == ["pixazo poll", "a-check"]
    page.close()
