"""What a body took is given back to the system when nobody holds it any more."""

from __future__ import annotations

import platform
import subprocess
import sys
from textwrap import dedent

import pytest

_PROGRAM = """
    from collections import deque
    from understudy_mock.web.heap import keep_large_blocks_apart

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    keep_large_blocks_apart()
    before, kept = resident(), deque(maxlen=10)
    for number in range(60):
        came = bytes([number]) * (9_000_000 + number * 1_000)  # as it came, read, and written anew
        read = came.decode("latin-1")
        kept.append(read.encode())
        small = [bytes(5_000) for _ in range(20)]
    held = sum(map(len, kept))
    del came, read
    print(resident() - before - held)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library manages memory in its own way"
)
def test_freed_bodies_are_memory_of_the_process_no_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", dedent(_PROGRAM)], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 10_000_000
