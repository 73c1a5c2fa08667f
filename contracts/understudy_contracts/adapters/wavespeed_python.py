"""The adapter of PyPI wavespeed, 1.0.3 and 2.0.5.

export PYTHONPATH=FOLDER_OF_THE_SDK
understudy check client --provider wavespeed -- python -m understudy_contracts.adapters.wavespeed_python
"""

from __future__ import annotations

import asyncio
import re
from importlib.metadata import version
from typing import Any

from wavespeed import Client  # type: ignore[import-not-found]  # only where the SDK is installed

from understudy_contracts.adapters.lines import Fields, speak

_KINDS = {
    400: "validation",
    401: "auth",
    402: "insufficient_balance",
    403: "auth",
    404: "not_found",
    429: "rate_limited",
}
_POLL = 0.2


class WaveSpeed:
    """Runs a case with the SDK's own `run`, or `run_no_throw`, which tells the job's id."""

    def hello(self) -> Fields:
        """Tell what the SDK can do."""
        return {
            "client": {"name": "wavespeed (PyPI)", "version": version("wavespeed")},
            "providers": ["wavespeed"],
            "capabilities": ["sync"],
            "timing": {"min_poll_ms": round(_POLL * 1000)},
        }

    async def run(self, case: Fields) -> Fields:
        """Run a case in a thread: the SDK blocks."""
        return await asyncio.to_thread(_run, case)

    async def release(self) -> Fields:
        """Nothing is kept open."""
        return {}


def _run(case: Fields) -> Fields:
    client = Client(api_key=case["api_key"], base_url=case["base_url"])
    options: dict[str, Any] = {
        "timeout": case["budget_ms"] / 1000 * 0.75,
        "poll_interval": _POLL,
        "enable_sync_mode": case["mode"] == "sync",
    }
    try:
        if not hasattr(client, "run_no_throw"):
            outputs = client.run(case["model"], case["input"], **options)["outputs"]
            return {"outcome": "completed", "media": [{"url": url} for url in outputs]}
        told = client.run_no_throw(case["model"], case["input"], **options)
    except Exception as error:
        return failure(f"{type(error).__name__}: {error}")
    if told["outputs"] is None:
        job = {} if told["task_id"] == "unknown" else {"job_id": told["task_id"]}
        return {**failure(str(told["error"])), **job}
    media = [{"url": url} for url in told["outputs"]]
    return {"outcome": "completed", "job_id": told["task_id"], "media": media}


def failure(text: str) -> dict[str, Any]:
    """Read an outcome out of an error text: the SDK tells it nowhere else."""
    job = re.search(r"task_id: ([\w-]+)|for task ([\w-]+)", text)
    found = re.search(r"HTTP (\d{3})", text)
    status = int(found[1]) if found else None
    told: dict[str, Any] = {"job_id": job[1] or job[2]} if job else {}
    if re.search(r"Prediction (failed|cancelled|timeout|deleted)", text):
        return {**told, "outcome": "failed", "error": {"kind": "job_failed", "message": text}}
    if "timed out after" in text:
        return {**told, "outcome": "timeout", "error": {"kind": None, "message": text}}
    kind = _KINDS.get(status, "server") if status else "network"
    error = {"kind": kind, "http_status": status, "message": text}
    refused = "submit" in text.lower() and status is not None
    return {**told, "outcome": "rejected" if refused else "failed", "error": error}


if __name__ == "__main__":
    asyncio.run(speak(WaveSpeed()))
