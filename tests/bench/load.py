"""wrk, the load generator: run it with a script of this folder and read what it measured."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.machine import CannotMeasureError, pinned, worked_us
from tests.bench.servers import KEY, Server, Submit

CONNECTIONS = 16
_FOLDER = Path(__file__).parent
_MEASURED = re.compile(r"^MEASURED (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
_LONGEST = 600
"""Seconds that filling a gateway may take."""


@dataclass(frozen=True)
class Measured:
    """One run, or the median of several. `rate` is requests a second; `p50` and `p99` are ms.

    `cpu` is microseconds of the server's core a request, `share` what part of that core the server had.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    share: float


def middle(runs: list[Measured]) -> Measured:
    """Take the median of each number."""
    return Measured(
        median(run.rate for run in runs),
        median(run.p50 for run in runs),
        median(run.p99 for run in runs),
        median(run.cpu for run in runs),
        median(run.share for run in runs),
    )


def require_wrk() -> None:
    """Raise CannotMeasureError, which says what to do, when there is no wrk."""
    if shutil.which("wrk") is None:
        raise CannotMeasureError("wrk is not installed; on Debian: apt-get install -y wrk")


@dataclass(frozen=True)
class Load:
    """Requests from one core. `folder` is for files that wrk's scripts read and write."""

    core: int
    folder: Path

    def polls(self, server: Server, paths: Path, seconds: int) -> Measured:
        """Poll the paths in a file, in turn."""
        return self._measured(server, "", "poll.lua", [KEY, str(paths)], seconds)

    def submits(self, server: Server, submit: Submit, seconds: int) -> Measured:
        """Submit one body again and again."""
        return self._measured(server, submit.path, "submit.lua", [KEY, self._file(submit)], seconds)

    def fill(self, server: Server, submit: Submit, jobs: int, paths: Path, every: int) -> None:
        """Make jobs, and append the path to poll of every `every`th one to a file."""
        arguments = [KEY, self._file(submit), str(jobs), str(every), str(paths)]
        url = server.url + submit.path
        done = self._wrk(url, "submit.lua", arguments, _LONGEST, min(jobs, CONNECTIONS))
        if done.returncode or _MEASURED.search(done.stdout):
            raise CannotMeasureError(f"{url} did not take {jobs:,} jobs: {done.stderr.strip()[-300:]}")

    def _file(self, submit: Submit) -> str:
        file = self.folder / "body.json"
        file.write_bytes(submit.body)
        return str(file)

    def _measured(
        self, server: Server, path: str, script: str, arguments: list[str], seconds: int
    ) -> Measured:
        url = server.url + path
        before = worked_us(server.pid)
        done = self._wrk(url, script, arguments, seconds, CONNECTIONS)
        worked = worked_us(server.pid) - before
        found = _MEASURED.search(done.stdout)
        if found is None:
            raise CannotMeasureError(f"wrk failed at {url}: {(done.stderr or done.stdout).strip()[-300:]}")
        requests, duration, p50, p99, errors = map(int, found.groups())
        if errors or not requests:
            raise CannotMeasureError(f"{errors} of {requests} requests to {url} went wrong")
        rate = requests * 1e6 / duration
        return Measured(rate, p50 / 1000, p99 / 1000, worked / requests, worked / duration)

    def _wrk(
        self, url: str, script: str, arguments: list[str], seconds: int, connections: int
    ) -> subprocess.CompletedProcess[str]:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_FOLDER / script), url, "--"]
        environment = {**os.environ, "LUA_PATH": f"{_FOLDER}/?.lua"}
        with pinned(self.core):
            return subprocess.run(
                [*command, *arguments], env=environment, capture_output=True, text=True, check=False
            )
