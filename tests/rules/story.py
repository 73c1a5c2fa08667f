"""A journal written by hand, in a line a call."""

from __future__ import annotations

from typing import Any

import msgspec

from understudy_contracts.findings import Finding
from understudy_contracts.rules import Claim, judge
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import JournalEntry

KEY = "a-secret-key-1"
JOB = "hunyuan-video_1"
URL = f"http://gateway/v1/{JOB}/output.mp4"
BODY = {"prompt": "a cat"}


class Story:
    """A journal in the making. Times are in ms since it began."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.entries: list[JournalEntry] = []

    def add(self, at: int, method: str, url: str, status: int, told: Any = None, **more: Any) -> Story:
        sent = msgspec.json.encode(more.pop("sent")) if "sent" in more else b""
        got = b"" if told is None else msgspec.json.encode(told)
        entry = JournalEntry(
            number=len(self.entries) + 1,
            kind=more.pop("kind", "call"),
            at=at,
            duration=more.pop("duration", 1.0),
            key=more.pop("key", KEY),
            account="acct_1",
            provider=more.pop("provider", "pixazo"),
            operation=more.pop("operation", ""),
            method=method,
            url=url,
            request_headers=more.pop("request_headers", []),
            request_body=sent,
            request_size=len(sent),
            status=status,
            response_headers=more.pop("headers", []),
            response_body=got,
            response_size=len(got),
            **more,
        )
        self.entries.append(entry)
        return self

    def submit(self, at: int, status: int = 202, job: str = JOB, **more: Any) -> Story:
        told = (
            {"request_id": job, "status": "QUEUED", "polling_url": "x"} if status == 202 else {"error": "no"}
        )
        accepted = {"job": job} if status == 202 else {}
        more = {"sent": BODY, "operation": "submit-hunyuan-video", **accepted, **more}
        return self.add(at, "POST", "/hunyuan-video/v1/hunyuan-video-request", status, told, **more)

    def poll(self, at: int, state: str = "PROCESSING", status: int = 200, **more: Any) -> Story:
        told: dict[str, Any] = {"request_id": JOB, "status": state, "output": None}
        if state == "COMPLETED":
            told["output"] = {"media_url": [URL]}
        more = {"operation": "get-request-status", "job": JOB, **more}
        return self.add(at, "GET", f"/v2/requests/status/{JOB}", status, told, **more)

    def media(self, at: int, **more: Any) -> Story:
        return self.add(at, "GET", f"/v1/{JOB}/output.mp4", 200, job=JOB, **{"key": "", **more})

    def callback(self, at: int, state: str, status: int = 200, **more: Any) -> Story:
        sent = {"request_id": JOB, "status": state, "output": {"media_url": [URL]}}
        more = {"url": "http://127.0.0.1:1/cb", "sent": sent, "job": JOB, "kind": "delivery", **more}
        return self.add(at, "POST", status=status, **more)

    def found(self, claim: Claim | None = None, **more: Any) -> dict[str, Finding]:
        return {one.id: one for one in judge(self.entries, self.catalog, claim, **more)}
