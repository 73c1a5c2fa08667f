"""Files have an origin of their own wherever a client is judged, as they have in life."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.rules.story import KEY, Story
from understudy_contracts import explore
from understudy_contracts.conformance.cases import choose, read_cases
from understudy_contracts.conformance.protocol import Run
from understudy_contracts.conformance.runner import run_cases
from understudy_contracts.rules import RULES, read_talk
from understudy_contracts.search.inside import Function, Inside, declared
from understudy_contracts.testing import Understudy
from understudy_mock.catalog import Catalog

PROGRAM = """
import sys, time
from urllib.parse import urlsplit
import httpx

base, key, leaks = sys.argv[1], sys.argv[2], sys.argv[3] == "leaks"

def ask(method, url, **sent):
    at_home = urlsplit(url).netloc == urlsplit(base).netloc
    shown = {"Ocp-Apim-Subscription-Key": key} if at_home or leaks else {}
    return httpx.request(method, url, headers=shown, **sent)

job = ask("POST", base + "/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"}).json()
while (told := ask("GET", job["polling_url"]).json())["status"] != "COMPLETED":
    time.sleep(0.1)
ask("GET", told["output"]["media_url"][0]).raise_for_status()
"""


def fetch(base: str, key: str, *, leaks: bool) -> dict[str, Any]:
    """Make a video and fetch it. Where it `leaks` the key goes everywhere, else to the API's origin."""
    api = httpx.URL(base)

    def ask(method: str, address: str, **sent: Any) -> httpx.Response:
        url = httpx.URL(address)
        at_home = (url.scheme, url.netloc) == (api.scheme, api.netloc)
        shown = {"Ocp-Apim-Subscription-Key": key} if at_home or leaks else {}
        return httpx.request(method, url, headers=shown, **sent)

    job = ask("POST", f"{base}/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"}).json()
    while (told := ask("GET", job["polling_url"]).json())["status"] != "COMPLETED":
        time.sleep(0.05)
    files = told["output"]["media_url"]
    ask("GET", files[0]).raise_for_status()
    return {"outcome": "completed", "job_id": job["request_id"], "media": [{"url": url} for url in files]}


def client(*, leaks: bool) -> Callable[[Run], dict[str, Any]]:
    return lambda case: fetch(case.base_url, case.api_key, leaks=leaks)


LEAKS = pytest.mark.parametrize("leaks", [False, True])


@LEAKS
async def test_in_cases_the_key_is_leaked_by_origin(catalog: Catalog, leaks: bool) -> None:
    hello = declared(["pixazo"], [], {})
    chosen = choose(read_cases(), ("lifecycle/completes/pixazo/poll",), ())
    _, done = await run_cases(
        chosen,
        lambda: Inside(Function(client(leaks=leaks), hello)),
        catalog,
        jobs=1,
        seed=1,
        tell=lambda case: None,
    )
    found = [finding.id for case in done for finding in case.findings]
    assert ("leaked-key" in found) is leaks


@LEAKS
def test_in_explore_the_key_is_leaked_by_origin(leaks: bool) -> None:
    said = ""
    try:
        explore(client(leaks=leaks), max_examples=1, seed=1, jobs=1)
    except AssertionError as error:
        said = str(error)
    assert ("MUST leaked-key" in said) is leaks


@LEAKS
def test_in_pytest_the_key_is_leaked_by_origin(understudy: Understudy, leaks: bool) -> None:
    fetch(understudy.url("pixazo"), understudy.key, leaks=leaks)
    found = [finding.id for finding in understudy.findings()]
    assert ("leaked-key" in found) is leaks


@LEAKS
@pytest.mark.e2e
def test_under_run_the_key_is_leaked_by_origin(leaks: bool) -> None:
    options = ["--check", "--media", "small", "--speed", "100"]
    how = "leaks" if leaks else "keeps"
    program = [sys.executable, "-c", PROGRAM, "https://gateway.pixazo.ai", KEY, how]
    ended = subprocess.run(
        [sys.executable, "-m", "understudy_mock", "run", *options, "--", *program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("MUST leaked-key" in ended.stderr) is leaks, ended.stderr


@pytest.mark.parametrize(
    ("api", "files", "is_judged"),
    [
        ("127.0.0.1:1", "localhost:2", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("api.test", "files.test", True),
        ("api.test", "API.test:80", False),
        ("127.0.0.1:1", "127.0.0.1:1", False),
    ],
)
def test_where_files_and_api_share_a_host_a_leak_is_not_judged(
    catalog: Catalog, api: str, files: str, is_judged: bool
) -> None:
    """Nobody can tell there whether the client would send the key elsewhere: the rule is not in reach."""
    story = Story(catalog).submit(0, request_headers=[(b"host", api.encode())])
    story.media(6000, request_headers=[(b"host", files.encode()), (b"x-anything", KEY.encode())])
    assert ("leaked-key" in story.found()) is is_judged
    (rule,) = [rule for rule in RULES if rule.id == "leaked-key"]
    assert rule.in_reach(read_talk(story.entries, catalog)) is is_judged
