"""The page beside the gateway: what three open pages cost a client that polls, and how soon rows are there.

The client polls on one connection, at a pace that leaves the gateway idle most of the time: what is measured
is how long a poll waits for what the pages ask. Chromium shares the load's core and yields to the client.
"""

from __future__ import annotations

import os
import shutil
import time
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
"""What the slowest hundredth of polls may take with pages open, beside the same without."""

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
    """Times in ms: the 99th percentile of polls alone and beside pages, and the first rows of a page."""

    alone: float
    beside: float
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
    with gateway(bench.core, "--keep-jobs", str(2 * JOBS)) as server:
        bench.say(f"making {JOBS:,} jobs for the page")
        bench.load.fill(server, bench.submit, JOBS, Path(bench.load.folder) / "page-jobs", JOBS)
        path = server.submit_processing(bench.submit)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            _yield_to_others()
            bench.say("first rows of the page")
            first = median(_first_rows(browser, server) for _ in range(3))
            pairs = []
            for number in range(bench.rounds):
                bench.say(f"round {number + 1} of {bench.rounds}: polls alone, and beside {PAGES} pages")
                alone = _poll(server, path, bench.seconds)
                windows = [browser.new_context().new_page() for _ in range(PAGES)]
                for window in windows:
                    window.goto(f"{server.url}/_mock/")
                    window.wait_for_function(_ALL)
                pairs.append((alone, _poll(server, path, bench.seconds)))
                for window in windows:
                    window.context.close()
            browser.close()
    return WithPages(median(a for a, _ in pairs), median(b for _, b in pairs), first)


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
            os.setpriority(os.PRIO_PROCESS, pid, 5)
