"""The adapter of PyPI segmind 1.3.0: `run_sync()`, and `submit_async()` for the queue.

export PYTHONPATH=FOLDER_OF_THE_SDK
understudy check client --provider segmind -- python -m understudy_contracts.adapters.segmind_python
"""

from __future__ import annotations

import asyncio
import hashlib
from importlib.metadata import version
from typing import Any

from segmind import SegmindClient  # type: ignore[import-not-found]  # only where the SDK is installed
from segmind.exceptions import SegmindError  # type: ignore[import-not-found]
from segmind.v2 import InferenceFailed, InferenceTimeout  # type: ignore[import-not-found]

from understudy_contracts.adapters.lines import Fields, speak

_KINDS = {
    400: "validation",
    401: "auth",
    402: "insufficient_balance",
    403: "auth",
    404: "not_found",
    406: "insufficient_balance",
    429: "rate_limited",
}

_INTERVAL = 0.2
"""Seconds between two polls: cases are short."""

_DEADLINE = 0.75
"""Share of the budget after which the SDK gives up."""


class Segmind:
    """Runs a case with the SDK's `run_sync`."""

    def hello(self) -> Fields:
        """Tell what the SDK can do."""
        return {
            "client": {"name": "segmind (PyPI)", "version": version("segmind")},
            "providers": ["segmind"],
            "capabilities": ["sync"],
            "timing": {"min_poll_ms": round(_INTERVAL * 1000)},
        }

    async def run(self, case: Fields) -> Fields:
        """Run a case in a thread: the SDK blocks."""
        return await asyncio.to_thread(_queue if case["mode"] == "poll" else _run, case)

    async def release(self) -> Fields:
        """Nothing is kept open."""
        return {}


def _run(case: Fields) -> Fields:
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
        told = job.wait(timeout=case["budget_ms"] / 1000 * _DEADLINE, interval=_INTERVAL)
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
    return {"outcome": "completed", **known, "media": [{"url": told["output"]}]}


def _failure(status: int | None, text: str, kind: str = "") -> dict[str, Any]:
    kind = kind or ("network" if status is None else _KINDS.get(status, "server"))
    outcome = "rejected" if status is not None else "failed"
    return {"outcome": outcome, "error": {"kind": kind, "http_status": status, "message": text}}


if __name__ == "__main__":
    asyncio.run(speak(Segmind()))
