"""Prism serving the bundled document, as somebody who chooses a mock would see it in the report."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.server.test_command import run
from understudy_mock.catalog import open_catalog

PRISM = os.environ.get("PRISM") or shutil.which("prism")


@contextmanager
def prism(folder: Path) -> Iterator[str]:
    """Serve Pixazo's bundled document, without what is ours alone."""
    document = folder / "pixazo.json"
    document.write_text(json.dumps(open_catalog().documents["pixazo"]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(PRISM), "mock", "-h", "127.0.0.1", "-p", str(port), str(document)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(PRISM is None, reason="needs Prism: npm install @stoplight/prism-cli, then PRISM=path")
def test_the_report_says_what_prism_cannot_keep(tmp_path: Path) -> None:
    """No lifecycle, no money, no webhooks: each is found or not reached, and none is passed."""
    with prism(tmp_path) as url:
        result = run(
            url, "--provider", "pixazo", "--seed", "1", "--examples", "2", "--report-dir", str(tmp_path)
        )
    assert result.exit_code == 1
    told = json.loads((tmp_path / "server.json").read_text())
    outcomes: dict[str, set[str]] = {}
    for case in told["cases"]:
        outcomes.setdefault(case["name"], set()).add(case["outcome"])
    for check in ("unknown-job", "polling-url", "unique-ids"):
        assert outcomes[check] == {"failed"}, check
    for check in ("poor-are-refused", "error-is-refunded", "retry-after-honest", "callback-once-at-end"):
        assert "passed" not in outcomes[check], check
    short = result.output.partition("in short:")[2].split("\n")
    told = {line.split()[0]: line for line in short if line.startswith("  ") and line.strip()}
    assert "NOT KEPT: a job is not followed" in told["lifecycle"]
    assert "NOT KEPT: keys do not keep callers apart" in told["keys"]
    assert "no balance, charge or refund could be seen" in told["money"]
    assert "429 could not be provoked" in told["limits"]
    assert "webhooks" in told
    assert "  kept (" not in told["webhooks"]
