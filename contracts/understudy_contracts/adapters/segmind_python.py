"""The adapter of PyPI segmind 1.3.0: `run_sync()`, and `submit_async()` for the queue.

export PYTHONPATH=FOLDER_OF_THE_SDK
understudy check client --provider segmind -- python -m understudy_contracts.adapters.segmind_python
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from segmind import SegmindClient  # type: ignore[import-not-found]  # only where the SDK is installed
from segmind.exceptions import SegmindError  # type: ignore[import-not-found]
from segmind.v2 import InferenceFailed, InferenceTimeout  # type: ignore[import-not-found]

from understudy_contracts.adapters.lines import Fields, speak
from understudy_contracts.adapters.sdk import DEADLINE, INTERVAL, Sdk, kind_of


def _run(case: Fields) -> Fields:
    return _queue(case) if case["mode"] == "poll" else _synchronous(case)


def _synchronous(case: Fields) -> Fields:
    client = SegmindClient(api_key=case["api_key"], base_url=f"{case['base_url']}/v1")
    try:
        answer = client.run_sync(case["model"], **case["input"])
    except SegmindError as error:
        return _failure(error.status, str(error.detail))
    except Exception as error:
        return _failure(None, f"{type(error).__name__}: {error}")
    job = answer.headers.get("x-request-id", "")
    if answer.headers["content-type"].startswith("application/json"):
        return {"outcome": "completed", "job_id": job, "media": [{"url": answer.json()["output"]}]}
    digest = hashlib.sha256(answer.content).hexdigest()
    return {"outcome": "completed", "job_id": job, "media": [{"sha256": digest}]}


def _queue(case: Fields) -> Fields:
    client = SegmindClient(api_key=case["api_key"], base_url=f"{case['base_url']}/v1")
    try:
        job = client.submit_async(case["model"], **case["input"])
    except SegmindError as error:
        return _failure(error.status, str(error.detail))
    except Exception as error:
        return _failure(None, f"{type(error).__name__}: {error}")
    known = {"job_id": job.request_id}
    try:
        body = job.wait(timeout=case["budget_ms"] / 1000 * DEADLINE, interval=INTERVAL)
    except InferenceTimeout:
        return {
            "outcome": "timeout",
            **known,
            "error": {"kind": "network", "message": "not finished in time"},
        }
    except InferenceFailed as error:
        return {**_failure(None, str(error.detail), "job_failed"), **known}
    except SegmindError as error:
        return {**_failure(error.status, str(error.detail)), "outcome": "failed", **known}
    except Exception as error:
        return {**_failure(None, f"{type(error).__name__}: {error}"), **known}
    return {"outcome": "completed", **known, "media": [{"url": body["output"]}]}


def _failure(status: int | None, text: str, kind: str = "") -> dict[str, Any]:
    outcome = "rejected" if status is not None else "failed"
    return {
        "outcome": outcome,
        "error": {"kind": kind or kind_of(status), "http_status": status, "message": text},
    }


if __name__ == "__main__":
    asyncio.run(speak(Sdk("segmind", _run)))
