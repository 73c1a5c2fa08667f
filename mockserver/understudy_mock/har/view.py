"""What an answer or a callback says of a job, read from its bytes as the caller had to read them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

_ENDS: dict[str, Literal["COMPLETED", "FAILED"]] = {
    "completed": "COMPLETED",
    "failed": "FAILED",
    "error": "FAILED",
    "cancelled": "FAILED",
    "timeout": "FAILED",
    "deleted": "FAILED",
}


class Told(NamedTuple):
    """What an answer or a callback says of a job. `end` is "" while the job has not ended."""

    job: str
    word: str
    end: Literal["", "COMPLETED", "FAILED"]
    urls: tuple[str, ...]


def parse(body: bytes) -> Any:
    """Return a body as JSON; UNSET for what is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET


def decode(body: bytes) -> Any:
    """Return a body that is a JSON object or array; None for any other."""
    value = parse(body) if body.lstrip()[:1] in (b"{", b"[") else None
    return None if value is msgspec.UNSET else value


def is_utf8(body: bytes) -> bool:
    """Return whether bytes are text in UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_told(body: Any) -> Told | None:
    """Return what a decoded body says of a job; None where it is about none."""
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
    """Return the addresses of the files, from the places where the three providers put them."""
    output, video = data.get("output"), data.get("video")
    urls: Any = data.get("outputs")
    if not urls and isinstance(output, dict):
        urls = output.get("media_url")
    if not urls and isinstance(video, dict):
        urls = video.get("url")
    if not urls:
        urls = output
    urls = [urls] if isinstance(urls, str) else urls
    return tuple(url for url in urls if isinstance(url, str)) if isinstance(urls, list) else ()
