"""Calls of two processes can be told apart, whether they come through the proxy or not."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.intercept.running import PYTHON, understudy_run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose a connection is")

SUBMIT = "https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request"
PROGRAM = f"""
import httpx, os
for key in ("python-key-1", "python-key-2"):
    headers = {{"Ocp-Apim-Subscription-Key": key}}
    job = httpx.post("{SUBMIT}", json={{"prompt": "a"}}, headers=headers).json()
    httpx.get(job["polling_url"], headers=headers)
print(os.getpid())
"""
CURL = f"""
curl -s -o curl.json -H 'Content-Type: application/json' -H 'Ocp-Apim-Subscription-Key: curl-key-1' \\
  -d '{{"prompt": "a"}}' {SUBMIT} & echo $!
wait
"""


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_each_call_has_the_process_that_made_it(tmp_path: Path) -> None:
    """Python's, which come without a proxy, and curl's, which come through it."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = f"{PYTHON} program.py\n{CURL}"
    done = understudy_run(tmp_path, "sh", "-c", command, options=("--journal-har", "journal.har"))
    assert done.returncode == 0, done.stderr.decode()
    python, curl = map(int, done.stdout.split())
    entries = json.loads((tmp_path / "journal.har").read_bytes())["log"]["entries"]
    assert [entry["_understudy"]["process"] for entry in entries] == [python] * 4 + [curl]
