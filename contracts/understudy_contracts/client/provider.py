"""What the client must know of a provider, and what is common in reading their answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx

from .jobs import Snapshot

WebhookMode = Literal["terminal", "sync"]


class Unreadable(ValueError):
    """An answer or callback is not what the documentation promises: cut off, not JSON, or without its id."""


@dataclass(frozen=True, slots=True)
class Submit:
    """One submit, worded for a provider. The key is not in it."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """One provider: its addresses, requests and answers. No I/O."""

    name: str
    base_url: str
    poll_interval: float
    """Seconds between two polls that the documentation asks for."""

    submit_timeout: float
    """Seconds that an answer to a submit may take; minutes where the answer is the result."""

    retry_header: str
    """The header that says when to come back."""

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""

    def submit(
        self, model: str, body: Mapping[str, Any], webhook_url: str | None, mode: WebhookMode
    ) -> Submit:
        """Return a submit. Raises ValueError for what the provider cannot do."""

    def poll_path(self, job_id: str) -> str:
        """Return the path of a job's status. Raises ValueError where the provider has no jobs to poll."""

    def result_path(self, job_id: str) -> str:
        """Return the path of the result of a job that is ready."""
        return self.poll_path(job_id)

    def meaning(self, answer: httpx.Response) -> int:
        """Return the HTTP status that an answer means, where the provider sends another."""

    def read_submit(self, answer: httpx.Response) -> Snapshot:
        """Read a good answer to a submit. Raises Unreadable."""

    def read_poll(self, answer: httpx.Response) -> Snapshot:
        """Read a good answer to a poll. Raises Unreadable."""

    def read_callback(self, body: Mapping[str, Any]) -> Snapshot:
        """Read the body of a callback. Raises Unreadable."""

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """Return whether a callback comes from the provider; always true where nothing is signed."""


def encode(body: Mapping[str, Any]) -> bytes:
    """Write a body as JSON. Raises ValueError or TypeError for what JSON cannot hold."""
    return json.dumps(body, allow_nan=False).encode()


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object, whatever its white space and its Unicode. Raises Unreadable."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise Unreadable("the body is not JSON") from None
    if not isinstance(body, dict):
        raise Unreadable("the body is not a JSON object")
    return body


def text_of(value: object) -> str:
    """Return a text unchanged, and "" for anything else."""
    return value if isinstance(value, str) else ""


def texts_of(value: object) -> list[str]:
    """Return the texts of a list; a single text counts as a list of one."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]


def error_text(answer: httpx.Response) -> str:
    """Return in one line what an error answer says, in any of the known shapes."""
    try:
        body = read_object(answer.content)
    except Unreadable:
        return f"HTTP {answer.status_code} without a readable error"
    texts: list[str] = []
    for name in ("error", "message", "detail"):
        value = body.get(name)
        inner = value.get("message") if isinstance(value, dict) else value
        if (text := text_of(inner)) and text not in texts:
            texts.append(text)
    return shorten(": ".join(texts)) or f"HTTP {answer.status_code} without an error text"


def shorten(text: str) -> str:
    """Return somebody else's text as one line of at most 500 characters."""
    line = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
    return line if len(line) <= 500 else f"{line[:499]}…"
