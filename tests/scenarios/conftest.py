"""A gateway in a process of its own, for what only a real wire shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Process:
    """A running `understudy serve`: its base URL, its port, and the file that holds its stderr."""

    url: str
    port: int
    errors: Path


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Serve until the tests end; it must then end by itself, with status 0 and without a traceback."""
    folder = tmp_path_factory.mktemp("wire")
    errors = folder / "stderr"
    command = [
        str(Path(sys.executable).with_name("understudy")),
        *("serve", "--port", "0", "--media", "small", "--speed", "1000", "--seed", "7"),
    ]
    own = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
    with errors.open("wb") as sink:
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=sink, cwd=folder, env=own, text=True
        )
    with running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            assert url.startswith("http://"), errors.read_text()
            yield Process(url, int(url.rpartition(":")[2]), errors)
            running.terminate()
            assert running.wait(20) == 0
            assert "Traceback" not in errors.read_text()
        finally:
            running.kill()
