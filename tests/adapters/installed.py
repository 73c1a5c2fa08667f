"""The vendors' own SDKs, aiohttp and gevent, pinned, each installed once into a folder of the environment."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".venv" / "sdks"
PATIENCE = 180.0
"""Seconds that an installation may take, once."""

# Each with all that it needs, so that a test of today is the test of next year. wavespeed 1.0.3 also names
# boto3 and aiohttp, which its API client never imports.
_REQUESTS = ("requests==2.34.2", "urllib3==2.8.0", "certifi", "idna==3.20", "charset-normalizer==3.5.2")
PYTHON: dict[str, Sequence[str]] = {
    "wavespeed-2.0.5": ("wavespeed==2.0.5", *_REQUESTS),
    "wavespeed-1.0.3": ("wavespeed==1.0.3", *_REQUESTS),
    "segmind-1.3.0": (
        "segmind==1.3.0",
        *("httpx==0.28.1", "httpcore==1.0.9", "h11==0.16.0", "anyio==4.16.0", "certifi", "idna==3.20"),
        "typing_extensions==4.16.0",
    ),
}
CLIENTS: dict[str, Sequence[str]] = {
    "gevent-26.9.0": ("gevent==26.9.0", "greenlet==3.5.6", "zope.event==6.2", "zope.interface==8.7"),
    "aiohttp-3.14.5": (
        *("aiohttp==3.14.5", "aiohappyeyeballs==2.7.1", "aiosignal==1.4.0", "attrs==26.1.0"),
        *("frozenlist==1.8.0", "multidict==7.2.1", "propcache==0.5.4", "yarl==1.25.1", "idna==3.20"),
        *("aiodns==4.0.4", "pycares==5.2.1", "cffi==2.1.1", "pycparser==3.12", "typing_extensions==4.16.0"),
    ),
}
NODE = {"wavespeed-js-0.3.2": "wavespeed@0.3.2"}


def sdk(name: str) -> Path:
    """Tell the folder of an SDK, installed at the first call. Skips the test where that cannot be done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / name
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        if not target.is_dir():
            _install(name, target)
    return target


def node() -> str:
    """Tell where Node is. Skips the test where it is not, or is too old for fetch."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"node {version.strip()} is too old: 20 or later is needed")
    return found


def _install(name: str, target: Path) -> None:
    made = target.with_suffix(".new")
    shutil.rmtree(made, ignore_errors=True)
    if name in NODE:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        made.mkdir()
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(made), NODE[name]]
    else:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "--no-deps", "--no-compile", "--target", str(made), *(PYTHON | CLIENTS)[name]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} could not be installed within {PATIENCE:g} s")
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        pytest.skip(f"{name} could not be installed: {lines[-1] if lines else 'no reason given'}")
    made.rename(target)
