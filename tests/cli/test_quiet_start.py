"""Ctrl-C before a command has begun: silence, and the end that a shell knows."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import run

PROGRAM = """
import os, signal, sys
class Press:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
from understudy_mock.cli import main
main(["run", "--", "true"])
"""


@pytest.mark.e2e
@pytest.mark.parametrize(
    "module", ["click", "understudy_contracts.judge", "understudy_mock.intercept.authority"]
)
def test_ctrl_c_while_it_starts_is_silent(tmp_path: Path, module: str) -> None:
    ended = run([sys.executable, "-c", PROGRAM, module], tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_importing_the_command_leaves_ctrl_c_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    import understudy_mock.cli  # noqa: F401

    assert signal.getsignal(signal.SIGINT) is before
