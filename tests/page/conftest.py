"""One browser for a module; a gateway and a window for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.page.driving import MakeRunning, Window, running_at
from understudy_contracts.testing.running import Running
from understudy_mock.catalog import Catalog

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# No longer than a module: Playwright runs an event loop, beside which no other test could run its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the PATH")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def run_gateway(catalog: Catalog) -> Iterator[MakeRunning]:
    """Run gateways until the test ends; keywords are their settings."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(running_at(catalog, options.pop("port", 0), **options))


@pytest.fixture
def gateway(run_gateway: MakeRunning) -> Running:
    return run_gateway(speed=100)


@pytest.fixture
def by_hand(run_gateway: MakeRunning) -> Running:
    return run_gateway(pace="manual")


@pytest.fixture
def make_window(browser: Any) -> Iterator[Any]:
    """Open windows of gateways; keywords are Playwright's. None may have complained when the test ends."""
    with ExitStack() as stack:
        windows: list[Window] = []

        def make(gateway: Running, **options: Any) -> Window:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
            stack.callback(context.close)
            context.set_default_timeout(10_000)
            windows.append(Window(context.new_page(), gateway))
            return windows[-1]

        yield make
        assert [complaint for window in windows for complaint in window.complaints] == []
