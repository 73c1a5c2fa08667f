"""Segmind's v1: one call that takes minutes and answers with the file. There are no jobs and no callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .jobs import Media, Snapshot, State
from .provider import (
    Submit,
    Unreadable,
    WebhookMode,
    encode,
    error_text,
    read_object,
    text_of,
    texts_of,
)


class Segmind:
    """api.segmind.com."""

    name = "segmind"
    base_url = "https://api.segmind.com"
    poll_interval = 5.0  # nothing is polled
    submit_timeout = 600.0  # the page says 211 seconds
    retry_header = "x-rate-limit-reset-at-utc"  # there is no Retry-After

    def key_headers(self, key: str) -> dict[str, str]:
        """Give the header that carries the key."""
        return {"x-api-key": key}

    def submit(
        self, model: str, body: Mapping[str, Any], webhook_url: str | None, mode: WebhookMode
    ) -> Submit:
        """Word the call."""
        if webhook_url is not None:
            raise ValueError("Segmind's v1 calls back nobody: its answer is the result")
        return Submit(f"/v1/{quote(model, safe='')}", encode(body), {"Content-Type": "application/json"})

    def poll_path(self, job_id: str) -> str:
        """Refuse: there is nothing to ask for."""
        raise ValueError("Segmind's v1 has no jobs to wait for: its answer is the result")

    def meaning(self, answer: httpx.Response) -> int:
        """Tell a wrong Content-Type, which is a 406 as well, from too little credit."""
        if answer.status_code == 406 and "content type" in error_text(answer).lower():
            return 415
        return answer.status_code

    def read_submit(self, answer: httpx.Response) -> Snapshot:
        """Read the file itself, or the JSON that links to it, which the page's sample expects."""
        job_id = answer.headers.get("x-request-id", "")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            told = read_object(answer.content)
            media = tuple(Media(url, kind) for url, kind in _linked(told))
            job_id = text_of(told.get("request_id")) or job_id
        elif kind.startswith("text/"):
            raise Unreadable(f"a file was expected, {kind} came")
        else:
            told = {}
            whole = len(answer.content) > 0
            media = (Media(content_type=kind, content=answer.content),) if whole else ()
        if not media:
            raise Unreadable("there is no file in the answer")
        return Snapshot(job_id, "COMPLETED", State.COMPLETED, media, raw=told)

    def read_poll(self, answer: httpx.Response) -> Snapshot:
        """Refuse: nothing is polled."""
        raise Unreadable("Segmind's v1 has no jobs")

    def read_callback(self, told: Mapping[str, Any]) -> Snapshot:
        """Refuse: nobody is called back."""
        raise Unreadable("Segmind's v1 has no callbacks")

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """Believe nothing: there are no callbacks."""
        return False


def _linked(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the addresses in the JSON variant, with their types."""
    for name in ("video", "image"):
        file = told.get(name)
        if isinstance(file, dict) and (url := text_of(file.get("url"))):
            return [(url, text_of(file.get("content_type")) or "application/octet-stream")]
    return [(url, "application/octet-stream") for url in texts_of(told.get("output"))]
