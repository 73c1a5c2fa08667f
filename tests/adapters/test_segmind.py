"""The SDK of Segmind, as its vendor ships it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.adapters.driving import HERE, WAYS, drive
from tests.adapters.installed import sdk
from tests.adapters.test_wavespeed import Expected, judge

pytestmark = pytest.mark.e2e

SYNC, QUEUE, STATUS, RESULT = (
    "submit-hunyuan-video",
    "queue-hunyuan-video",
    "get-request",
    "get-request-result",
)
WELL = [f"{QUEUE} 200", f"{STATUS} 200", f"{RESULT} 200", "file 200"]

EXPECTED: Expected = {
    "run:completes": (["COMPLETED", "video/mp4"], WELL),
    "wait:completes": (["COMPLETED", "video/mp4"], WELL),
    "sync:completes": (["video/mp4", "1.464"], [f"{SYNC} 200"]),
    "upload:completes": ("not really a cat", ["upload-asset 200", "file 200"]),
    "wait:fails": (r"InferenceFailed: None .+", [f"{QUEUE} 200", f"{STATUS} 422"]),
    "sync:fails": (r"SegmindError: 500 .+", [f"{SYNC} 500"]),
    "sync:invalid-key": (r"SegmindError: 401 Unauthorized.+", [f"{SYNC} 401"]),
    "sync:rate-limited": (r"SegmindError: 429 .+", [f"{SYNC} 429"]),
    "sync:submit-500": (r"SegmindError: 500 .+", [f"{SYNC} 500"]),
    "wait:invalid-key": (r"SegmindError: 401 Unauthorized.+", [f"{QUEUE} 401"]),
    "wait:insufficient-balance": (r"SegmindError: 406 Insufficient credits.+", [f"{QUEUE} 406"]),
    "sync:insufficient-balance": (r"SegmindError: 406 Insufficient credits.+", [f"{SYNC} 406"]),
    # It has no retries: any refusal is the end, also of a job that is running.
    "wait:rate-limited": (r"SegmindError: 429 .+", [f"{QUEUE} 429"]),
    "wait:submit-500": (r"SegmindError: 500 .+", [f"{QUEUE} 500"]),
    "wait:poll-503-twice": (r"SegmindError: 503 .+", [f"{QUEUE} 200", f"{STATUS} 503"]),
    "wait:poll-html-504": (r"SegmindError: 504 None", [f"{QUEUE} 200", f"{STATUS} 504"]),
    "wait:poll-truncated": (r"RemoteProtocolError: .+", [f"{QUEUE} 200", f"{STATUS} 200"]),
    # An answer that does not parse is to it a job that is not done yet.
    "wait:poll-malformed": (["COMPLETED", "video/mp4"], WELL),
    "wait:always-dropped": (r"(RemoteProtocolError|ReadError): .+", [f"{QUEUE} 0"]),
}

HOSTS = {"upload-asset": "workflows-api.segmind.com", "file": "images.segmind.com"}


@pytest.mark.parametrize("way", WAYS)
def test_pypi_follows_the_queue_and_never_tries_again(tmp_path: Path, way: str) -> None:
    command = [sys.executable, str(HERE / "drive_segmind.py")]
    ran = drive(way, command, sdk("segmind-1.3.0"), tuple(EXPECTED), tmp_path)
    judge(ran, EXPECTED)
    if way == "interception":
        for action in EXPECTED:
            for call in ran.calls(action):
                assert call.host == HOSTS.get(call.operation, "api.segmind.com"), (action, call)
