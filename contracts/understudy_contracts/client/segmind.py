"""Segmind, both ways: v1 is one call that takes minutes and answers with the file, v2 is a queue to poll.

Neither sends callbacks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .jobs import Media, Snapshot, State
from .provider import (
    Provider,
    Submit,
    Unreadable,
    WebhookMode,
    encode,
    error_text,
    read_object,
    text_of,
    texts_of,
)


class Segmind(Provider):
    """api.segmind.com, v1."""

    name = "segmind"
    base_url = "https://api.segmind.com"
    poll_interval = 5.0  # nothing is polled
    submit_timeout = 600.0  # the page says 211 seconds
    retry_header = "x-rate-limit-reset-at-utc"  # there is no Retry-After

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""
        return {"x-api-key": key}

    def submit(
        self, model: str, body: Mapping[str, Any], webhook_url: str | None, mode: WebhookMode
    ) -> Submit:
        """Return the call."""
        if webhook_url is not None:
            raise ValueError("Segmind's v1 sends no callbacks: its answer is the result")
        return Submit(f"/v1/{quote(model, safe='')}", encode(body), {"Content-Type": "application/json"})

    def poll_path(self, job_id: str) -> str:
        """Refuse: there is nothing to ask for."""
        raise ValueError("Segmind's v1 has no jobs to wait for: its answer is the result")

    def meaning(self, answer: httpx.Response) -> int:
        """Distinguish a wrong Content-Type, which is a 406 as well, from too little credit."""
        if answer.status_code == 406 and "content type" in error_text(answer).lower():
            return 415
        return answer.status_code

    def read_submit(self, answer: httpx.Response) -> Snapshot:
        """Read the file itself, or the JSON that links to it, which the page's sample expects."""
        job_id = answer.headers.get("x-request-id", "")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            body = read_object(answer.content)
            media = tuple(Media(url, kind) for url, kind in _linked(body))
            job_id = text_of(body.get("request_id")) or job_id
        elif kind.startswith("text/"):
            raise Unreadable(f"a file was expected, {kind} came")
        else:
            body = {}
            whole = len(answer.content) > 0
            media = (Media(content_type=kind, content=answer.content),) if whole else ()
        if not media:
            raise Unreadable("there is no file in the answer")
        return Snapshot(job_id, "COMPLETED", State.COMPLETED, media, raw=body)

    def read_poll(self, answer: httpx.Response) -> Snapshot:
        """Refuse: nothing is polled."""
        raise Unreadable("Segmind's v1 has no jobs")

    def read_callback(self, body: Mapping[str, Any]) -> Snapshot:
        """Refuse: there are no callbacks."""
        raise Unreadable("Segmind's v1 has no callbacks")

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """Believe nothing: there are no callbacks."""
        return False


# https://docs.segmind.com/docs/serverless-api/async-inference
_STATES = {"completed": State.COMPLETED, "failed": State.FAILED}


class SegmindQueue(Segmind):
    """api.segmind.com, v2: the submit names a status and a result, and a failed call answers 422."""

    name = "segmind-queue"
    submit_timeout = 60.0

    def submit(
        self, model: str, body: Mapping[str, Any], webhook_url: str | None, mode: WebhookMode
    ) -> Submit:
        """Return a submit to the queue."""
        if webhook_url is not None:
            raise ValueError("Segmind's v2 sends no callbacks: poll it")
        return Submit(f"/v2/{quote(model, safe='')}", encode(body), {"Content-Type": "application/json"})

    def poll_path(self, job_id: str) -> str:
        """Return the path of a queued call's status, for any model."""
        return f"{self.result_path(job_id)}/status"

    def result_path(self, job_id: str) -> str:
        """Return the path of its result."""
        return f"/v2/requests/{quote(job_id, safe='')}"

    def meaning(self, answer: httpx.Response) -> int:
        """Treat a 422 that reports a failed call as the good answer that it is."""
        if answer.status_code == 422:
            try:
                body = read_object(answer.content)
            except Unreadable:
                return 422
            return 200 if text_of(body.get("status")).lower() == "failed" else 422
        return super().meaning(answer)

    def read_submit(self, answer: httpx.Response) -> Snapshot:
        """Read the queued call and its addresses."""
        return self._read(read_object(answer.content), "")

    def read_poll(self, answer: httpx.Response) -> Snapshot:
        """Read a status, or a result. A 422 may not name its call, so its address has to."""
        return self._read(read_object(answer.content), _named_in(answer))

    def _read(self, body: Mapping[str, Any], asked: str) -> Snapshot:
        job_id, status = text_of(body.get("request_id")) or asked, text_of(body.get("status"))
        if not job_id or not status:
            raise Unreadable("request_id or status is missing")
        state = _STATES.get(status.lower(), State.PENDING)
        media = tuple(Media(url, kind) for url, kind in _linked(body)) if state is State.COMPLETED else ()
        ready = state is State.COMPLETED and not media
        return Snapshot(
            job_id=job_id,
            status=status,
            state=State.PENDING if ready else state,
            media=media,
            error=text_of(body.get("error")),
            poll_url=text_of(body.get("status_url")),
            result_url=text_of(body.get("response_url")),
            ready=ready,
            raw=body,
        )


def _named_in(answer: httpx.Response) -> str:
    """Return the id of the call in an address, "" for none."""
    match = re.search(r"/requests/([^/]+)(/status)?$", answer.request.url.path)
    return match[1] if match else ""


def _linked(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the addresses in the JSON variant, with their types."""
    for name in ("video", "image"):
        file = body.get(name)
        if isinstance(file, dict) and (url := text_of(file.get("url"))):
            return [(url, text_of(file.get("content_type")) or "application/octet-stream")]
    return [(url, "application/octet-stream") for url in texts_of(body.get("output"))]
