"""The adapter of PyPI wavespeed, 1.0.3 and 2.0.5.

export PYTHONPATH=FOLDER_OF_THE_SDK
understudy check client --provider wavespeed -- python -m understudy_contracts.adapters.wavespeed_python
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from wavespeed import Client  # type: ignore[import-not-found]  # only where the SDK is installed

from understudy_contracts.adapters.lines import Fields, speak
from understudy_contracts.adapters.sdk import DEADLINE, INTERVAL, Sdk, kind_of


def _run(case: Fields) -> Fields:
    client = Client(api_key=case["api_key"], base_url=case["base_url"])
    options: dict[str, Any] = {
        "timeout": case["budget_ms"] / 1000 * DEADLINE,
        "poll_interval": INTERVAL,
        "enable_sync_mode": case["mode"] == "sync",
    }
    try:
        if not hasattr(client, "run_no_throw"):
            outputs = client.run(case["model"], case["input"], **options)["outputs"]
            return {"outcome": "completed", "media": [{"url": url} for url in outputs]}
        result = client.run_no_throw(case["model"], case["input"], **options)
    except Exception as error:
        return _failure(f"{type(error).__name__}: {error}")
    if result["outputs"] is None:
        job = {} if result["task_id"] == "unknown" else {"job_id": result["task_id"]}
        return {**_failure(str(result["error"])), **job}
    media = [{"url": url} for url in result["outputs"]]
    return {"outcome": "completed", "job_id": result["task_id"], "media": media}


def _failure(text: str) -> dict[str, Any]:
    """Read the outcome from an error text: the SDK has it nowhere else."""
    job = re.search(r"task_id: ([\w-]+)|for task ([\w-]+)", text)
    code = re.search(r"HTTP (\d{3})", text)
    status = int(code[1]) if code else None
    known: dict[str, Any] = {"job_id": job[1] or job[2]} if job else {}
    if re.search(r"Prediction (failed|cancelled|timeout|deleted)", text):
        return {**known, "outcome": "failed", "error": {"kind": "job_failed", "message": text}}
    if "timed out after" in text:
        return {**known, "outcome": "timeout", "error": {"kind": None, "message": text}}
    error = {"kind": kind_of(status), "http_status": status, "message": text}
    refused = "submit" in text.lower() and status is not None
    return {**known, "outcome": "rejected" if refused else "failed", "error": error}


if __name__ == "__main__":
    asyncio.run(speak(Sdk("wavespeed", _run)))
