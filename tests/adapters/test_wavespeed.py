"""The SDKs of WaveSpeed, as their vendor ships them: what they do when the provider does what it does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.adapters.driving import HERE, WAYS, Ran, drive
from tests.adapters.installed import node, sdk

pytestmark = pytest.mark.e2e

SUBMIT, POLL = "submit-hunyuan-video-i2v", "get-prediction-result"
each_way = pytest.mark.parametrize("way", WAYS)

# What an action of an SDK came to: a pattern for what it raised, or what it returned; and the journal.
Expected = dict[str, tuple[object, list[str]]]

WELL: Expected = {
    "run:completes": (["video/mp4"], [f"{SUBMIT} 200", f"{POLL} 200", "file 200"]),
    "sync:completes": (["video/mp4"], [f"{SUBMIT} 200", "file 200"]),
}
BY_TICKET: Expected = {
    "upload:completes": (
        "not really a cat",
        ["create-media-upload 200", "put-media-upload 200", "file 200"],
    ),
}

# Scenario and status of what refuses a submit, whether it waits or not.
REFUSED = {"invalid-key": 401, "insufficient-balance": 402, "rate-limited-for-ever": 429, "submit-500": 500}


def refused(raised: str) -> Expected:
    """None of them submits again. `raised` is a pattern, with STATUS in it."""
    return {
        f"{verb}:{scenario}": (raised.replace("STATUS", str(status)), [f"{SUBMIT} {status}"])
        for verb in ("run", "sync")
        for scenario, status in REFUSED.items()
    }


VERSION_2: Expected = {
    **WELL,
    **BY_TICKET,
    **refused(r"_SubmissionError: .+ HTTP STATUS: .+"),
    "run:fails": (
        r"_TaskFailedError: Prediction failed \(task_id: \w+\): .+",
        [f"{SUBMIT} 200", f"{POLL} 200"],
    ),
    "sync:fails": (r"RuntimeError: Prediction failed \(task_id: \w+\): .+", [f"{SUBMIT} 200"]),
    "sync:never-finishes": (
        r"RuntimeError: Sync mode timed out \(task_id: \w+\): .+ still processing .+/predictions/\w+/result",
        [f"{SUBMIT} 200"],
    ),
    # It polls on through what passes, and gives up on an answer that does not parse.
    "run:poll-503-twice": (["video/mp4"], [f"{SUBMIT} 200", f"{POLL} 503 ×2", f"{POLL} 200", "file 200"]),
    "run:poll-malformed": (r"JSONDecodeError: .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    "run:poll-html-504": (["video/mp4"], [f"{SUBMIT} 200", f"{POLL} 504", f"{POLL} 200", "file 200"]),
    "run:poll-truncated": (r"ChunkedEncodingError: .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    "run:always-dropped": (r"_SubmissionError: .+ will not retry .+", [f"{SUBMIT} 0"]),
}

VERSION_1: Expected = {
    **WELL,
    **refused(r"RuntimeError: .+ HTTP STATUS: .+"),
    "upload:completes": ("not really a cat", ["upload-media 200", "file 200"]),
    "run:fails": (r"RuntimeError: Prediction failed: .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    # It takes a failed job, and one that is not done, for a success without outputs.
    "sync:fails": ([], [f"{SUBMIT} 200"]),
    "sync:never-finishes": ([], [f"{SUBMIT} 200"]),
    # One bad poll, and a job that is running and paid for is given up.
    "run:poll-503-twice": (r"RuntimeError: .+ HTTP 503: .+", [f"{SUBMIT} 200", f"{POLL} 503"]),
    "run:poll-malformed": (r"JSONDecodeError: .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    "run:poll-html-504": (r"RuntimeError: .+ HTTP 504: .+", [f"{SUBMIT} 200", f"{POLL} 504"]),
    "run:poll-truncated": (r"ChunkedEncodingError: .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    # It submits again, six times in all, and each was accepted.
    "run:always-dropped": (r"RuntimeError: .+ after 6 attempts", [f"{SUBMIT} 0 ×6"]),
    "sync:always-dropped": (r"RuntimeError: .+ after 6 attempts", [f"{SUBMIT} 0 ×6"]),
}

JAVASCRIPT: Expected = {
    **WELL,
    **BY_TICKET,
    **refused(r"WavespeedSubmissionException: .+ HTTP STATUS: .+"),
    "run:fails": (r"Error: Prediction failed \(task_id: \w+\): .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    "sync:fails": (r"Error: Prediction failed \(task_id: \w+\): .+", [f"{SUBMIT} 200"]),
    "sync:never-finishes": (
        r"WavespeedSyncTimeoutException: .+ Query the result later .+",
        [f"{SUBMIT} 200"],
    ),
    "run:poll-503-twice": (["video/mp4"], [f"{SUBMIT} 200", f"{POLL} 503 ×2", f"{POLL} 200", "file 200"]),
    "run:poll-malformed": (r"SyntaxError: .+", [f"{SUBMIT} 200", f"{POLL} 200"]),
    "run:poll-html-504": (["video/mp4"], [f"{SUBMIT} 200", f"{POLL} 504", f"{POLL} 200", "file 200"]),
    "run:poll-truncated": (r"TypeError: terminated", [f"{SUBMIT} 200", f"{POLL} 200"]),
    "run:always-dropped": (r"WavespeedSubmissionException: .+ will not retry .+", [f"{SUBMIT} 0"]),
}


def judge(ran: Ran, expected: Expected) -> None:
    """Compare what was said and what the journal has with what is expected, all at once."""
    assert {action: ran.journal(action) for action in expected} == {
        action: journal for action, (_, journal) in expected.items()
    }
    for action, (outcome, _) in expected.items():
        said = ran.said[action]
        if isinstance(outcome, str) and "result" not in said:
            assert re.fullmatch(outcome, said["error"], re.DOTALL), (action, said)
        else:
            assert said == {"result": outcome}, action


def stays_at_genuine_hosts(ran: Ran, expected: Expected, api: str, media: str) -> None:
    """By interception every call has the name it would have in life."""
    for action in expected:
        for call in ran.calls(action):
            at_media = call.operation in ("file", "put-media-upload")
            assert call.host == (media if at_media else api), (action, call)


def drive_and_judge(way: str, command: list[str], name: str, expected: Expected, cwd: Path) -> None:
    ran = drive(way, command, sdk(name), tuple(expected), cwd)
    judge(ran, expected)
    if way == "interception":
        stays_at_genuine_hosts(ran, expected, "api.wavespeed.ai", "d3gnftk2yhz9lr.wavespeed.ai")


@each_way
def test_pypi_2_submits_once_and_polls_through_trouble(tmp_path: Path, way: str) -> None:
    command = [sys.executable, str(HERE / "drive_wavespeed.py")]
    drive_and_judge(way, command, "wavespeed-2.0.5", VERSION_2, tmp_path)


@each_way
def test_pypi_1_submits_six_times_and_gives_up_at_the_first_bad_poll(tmp_path: Path, way: str) -> None:
    command = [sys.executable, str(HERE / "drive_wavespeed.py")]
    drive_and_judge(way, command, "wavespeed-1.0.3", VERSION_1, tmp_path)


@each_way
def test_npm_submits_once_and_polls_through_trouble(tmp_path: Path, way: str) -> None:
    command = [node(), str(HERE / "drive_wavespeed.cjs")]
    drive_and_judge(way, command, "wavespeed-js-0.3.2", JAVASCRIPT, tmp_path)
