"""The page beside the gateway: what three open pages cost a client that polls, and how soon rows are there.

The client polls on one connection, at a pace that leaves the gateway idle most of the time: what is measured
is how long a poll waits for what the pages ask. Chromium shares the client's core, which alone makes polls
slower. So the same pages are opened at another gateway on that core, too: what they cost there is the
browser's doing, and only what they cost more here is the gateway's.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.bench.machine import CannotMeasureError
from tests.bench.measure import Bench
from tests.bench.servers import KEY, Server, gateway

JOBS = 10_000
PAGES = 3
FIRST_ROWS = 0.5
"""Seconds until the first rows of a page are wanted."""

COST = 1.2
"""What the slowest hundredth of polls may take with pages open here, beside pages open elsewhere."""

_EVERY = 0.005
"""Seconds between two polls."""

_ROWS = "() => document.querySelector('.item:not([hidden])') && performance.now()"
_ALL = (
    "() => parseInt(/([\\d,]+) jobs/.exec(document.querySelector('#counts').textContent)[1].replace(',', ''))"
    f" >= {JOBS}"
)
"""Whether the page shows all there is: what it costs from then on is what an open page costs."""


@dataclass(frozen=True)
class WithPages:
    """Times in ms: the 99th percentile of polls alone and beside pages, and the first rows of a page.

    `elsewhere` is beside pages of another gateway, `here` beside pages of the one that is polled.
    """

    alone: float
    elsewhere: float
    here: float
    first_rows: float


def measure_page(bench: Bench) -> WithPages | None:
    """Measure with the Chromium of this machine; None where there is none, or no Playwright."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    room = ("--keep-jobs", str(2 * JOBS))
    with gateway(bench.core, *room) as server, gateway(bench.load.core, *room) as other:
        bench.say(f"making {JOBS:,} jobs for the page")
        for one in (server, other):
            bench.load.fill(one, bench.submit, JOBS, Path(bench.load.folder) / "page-jobs", JOBS)
        path = server.submit_processing(bench.submit)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            _yield_to_others()
            bench.say("first rows of the page")
            first = median(_first_rows(browser, server) for _ in range(3))
            found = []
            for number in range(bench.rounds):
                bench.say(f"round {number + 1} of {bench.rounds}: polls alone, and beside {PAGES} pages")
                alone = _poll(server, path, bench.seconds)
                beside = []
                for shown in (other, server):
                    with _open_pages(browser, shown):
                        beside.append(_poll(server, path, bench.seconds))
                found.append((alone, *beside))
            browser.close()
    alone, elsewhere, here = (median(times) for times in zip(*found, strict=True))
    return WithPages(alone, elsewhere, here, first)


@contextmanager
def _open_pages(browser: Any, server: Server) -> Iterator[None]:
    """Have pages of a gateway open, which show all that there is."""
    windows = [browser.new_context().new_page() for _ in range(PAGES)]
    for window in windows:
        window.goto(f"{server.url}/_mock/")
        window.wait_for_function(_ALL)
    _yield_to_others()
    yield
    for window in windows:
        window.context.close()


def _first_rows(browser: Any, server: Server) -> float:
    """Return the ms from the navigation to the first rows."""
    window = browser.new_page()
    window.goto(f"{server.url}/_mock/", wait_until="commit")
    found = window.wait_for_function(_ROWS).json_value()
    window.close()
    return float(found)


def _poll(server: Server, path: str, seconds: int) -> float:
    """Poll at an even pace, and return the 99th percentile of the times that it took, in ms."""
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    taken = []
    due = time.perf_counter()
    ends = due + seconds
    try:
        while due < ends:
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            connection.request("GET", path, headers={"Ocp-Apim-Subscription-Key": KEY})
            answer = connection.getresponse()
            answer.read()
            taken.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                raise CannotMeasureError(f"{path} answered {answer.status}")
            due += _EVERY
    finally:
        connection.close()
    return quantiles(taken, n=100)[98]


def _yield_to_others() -> None:
    """Let every Chromium under this process leave its core to the client."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2]
            except OSError:
                continue  # it has ended
            parents[int(entry.name)] = int(fields.split()[1])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for pid in ours - {os.getpid()}:
        if "chrom" in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), 5)
