"""What an answer or a callback told of a job, read from its bytes as the caller had to."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

_ENDS: dict[str, Literal["COMPLETED", "FAILED"]] = {
    "completed": "COMPLETED",
    "failed": "FAILED",
    "error": "FAILED",
    "cancelled": "FAILED",
    "timeout": "FAILED",
    "deleted": "FAILED",
}


class Told(NamedTuple):
    """What an answer or a callback told of a job. `end` is "" while it has not ended."""

    job: str
    word: str
    end: Literal["", "COMPLETED", "FAILED"]
    urls: tuple[str, ...]


def read_told(body: Any) -> Told | None:
    """Read what a decoded body tells of a job; None where it tells of none."""
    if not isinstance(body, dict):
        return None
    inner = body.get("data")
    data: dict[str, Any] = inner if isinstance(inner, dict) else body
    word = data.get("status")
    job = str(data.get("request_id") or data.get("id") or "")
    urls = _urls(data)
    if isinstance(word, str):
        end: Literal["", "COMPLETED", "FAILED"] = _ENDS.get(word.lower(), "")
        return Told(job, word, end, urls if end == "COMPLETED" else ())
    return Told(job, "", "COMPLETED", urls) if urls else None


def _urls(data: dict[str, Any]) -> tuple[str, ...]:
    """Find the addresses of the files, in the places where the three providers put them."""
    output, video = data.get("output"), data.get("video")
    found: Any = data.get("outputs")
    if not found and isinstance(output, dict):
        found = output.get("media_url")
    if not found and isinstance(video, dict):
        found = video.get("url")
    if not found:
        found = output
    found = [found] if isinstance(found, str) else found
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()
