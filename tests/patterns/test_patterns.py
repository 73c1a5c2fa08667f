"""No text from outside makes a regular expression of the program slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.driving import MakeGateway, key_headers

_ROOT = Path(__file__).parents[2]


def _attack(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.patterns.attack", *arguments]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120, check=True).stdout


def test_every_pattern_is_linear_in_its_text() -> None:
    """Each is run against long runs of its own characters; one that cannot be found is told, too."""
    assert _attack() == ""


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r'^\s*(scenario|code)\s*=\s*"?([^";,]*?)"?\s*$', "match"),
        (r"(a+)+b", "match"),
        (r"[a-z]+@", "search"),
        (r"<!--.*?-->", "search"),
        (r".*\d{4,}.*", "fullmatch"),
    ],
)
def test_a_pattern_that_is_not_linear_is_found(pattern: str, method: str) -> None:
    """Cubic, exponential and quadratic ones, each by another way."""
    assert "is not linear" in _attack(pattern, method)


async def test_blanks_in_prefer_do_not_hang_the_gateway(make_gateway: MakeGateway) -> None:
    """What hung it for good is an unknown scenario."""
    headers = {**key_headers("pixazo"), "Prefer": "scenario=" + " " * 8000 + 'a"b'}
    answer = await make_gateway().call(
        "POST", "/hunyuan-video/v1/hunyuan-video-request", headers=headers, json={"prompt": "a cat"}
    )
    assert (answer.status_code, "Unknown scenario" in answer.text) == (400, True)


async def test_a_prompt_of_nothing_but_marks_names_no_scenario(make_gateway: MakeGateway) -> None:
    """A bounded number of places is looked at."""
    gateway = make_gateway()
    answer = await gateway.call(
        "POST",
        "/hunyuan-video/v1/hunyuan-video-request",
        headers=key_headers("pixazo"),
        json={"prompt": "[scenario:" * 100_000},
    )
    assert answer.status_code == 202
