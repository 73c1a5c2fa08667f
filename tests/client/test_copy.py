"""The folder is there to be copied."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import understudy_contracts.client

PROGRAM = """
import asyncio, sys
import my_media as client

async def main():
    async with client.Client("pixazo", "key") as one:
        print(one)

asyncio.run(main())
loaded = {name.partition(".")[0] for name in sys.modules}
sys.exit(bool(loaded & {"understudy_mock", "understudy_contracts", "starlette", "msgspec"}))
"""


def test_works_under_another_name(tmp_path: Path) -> None:
    """A copy under another name needs httpx and the standard library, and nothing of this project."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(understudy_contracts.client.__file__).parent, tmp_path / "my_media", ignore=ignore)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "Client('pixazo', base_url='https://gateway.pixazo.ai')\n"
