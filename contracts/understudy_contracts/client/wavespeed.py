"""WaveSpeed: predictions inside the envelope `{code, message, data}`; callbacks are bare and signed."""

from __future__ import annotations

import hashlib
import hmac
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
from .stamps import read_stamp

# https://wavespeed.ai/docs/errors-retries-timeouts
_STATES = {
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "cancelled": State.FAILED,
    "timeout": State.FAILED,
    "deleted": State.FAILED,
}

_NO_CREDIT = re.compile(r"insufficient (credit|balance)|top up", re.IGNORECASE)

STALE = 300
"""Seconds after which a signature is refused: https://wavespeed.ai/docs/verify-webhooks."""


class WaveSpeed(Provider):
    """api.wavespeed.ai."""

    name = "wavespeed"
    base_url = "https://api.wavespeed.ai"
    poll_interval = 5.0  # for videos; images allow 2: https://www.wavespeed.ai/docs/get-result
    submit_timeout = 180.0  # with enable_sync_mode the answer waits up to 90 seconds
    retry_header = "retry-after"

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""
        return {"Authorization": f"Bearer {key}"}

    def submit(
        self, model: str, body: Mapping[str, Any], webhook_url: str | None, mode: WebhookMode
    ) -> Submit:
        """Return the submit; the query asks for a callback."""
        if webhook_url is not None and mode != "terminal":
            raise ValueError("WaveSpeed reports no progress: its webhook mode is terminal")
        return Submit(
            f"/api/v3/{quote(model, safe='/')}",
            encode(body),
            {"Content-Type": "application/json"},
            {} if webhook_url is None else {"webhook": webhook_url},
        )

    def poll_path(self, job_id: str) -> str:
        """Return the path of a prediction, for any model."""
        return f"/api/v3/predictions/{quote(job_id, safe='')}/result"

    def meaning(self, answer: httpx.Response) -> int:
        """Find errors that come as 200 with another code in the envelope, and want of credit as a 400."""
        status = answer.status_code
        if status == 200:
            status = _code_of(answer)
        return 402 if status == 400 and _NO_CREDIT.search(error_text(answer)) else status

    def read_submit(self, answer: httpx.Response) -> Snapshot:
        """Read the new prediction. In sync mode it may have ended, or the wait was given up (5004)."""
        return self.read_poll(answer)

    def read_poll(self, answer: httpx.Response) -> Snapshot:
        """Read where the prediction is."""
        data = read_object(answer.content).get("data")
        if not isinstance(data, dict):
            raise Unreadable("data is missing")
        return self.read_callback(data)

    def read_callback(self, body: Mapping[str, Any]) -> Snapshot:
        """Read a bare prediction. Only its status tells whether it has ended, not `code` nor `error`."""
        job_id, status = text_of(body.get("id")), text_of(body.get("status"))
        if not job_id or not status:
            raise Unreadable("id or status is missing")
        urls, code = body.get("urls"), body.get("code")
        flags = body.get("has_nsfw_contents")
        flags = flags if isinstance(flags, list) else []
        outputs = texts_of(body.get("outputs"))
        return Snapshot(
            job_id=job_id,
            status=status,
            state=_STATES.get(status.lower(), State.PENDING),
            media=tuple(
                Media(_address(output), flagged=flags[index : index + 1] == [True])
                for index, output in enumerate(outputs)
            ),
            error=text_of(body.get("error")),
            code=code if isinstance(code, int) else None,
            poll_url=text_of(urls.get("get")) if isinstance(urls, dict) else "",
            created_at=read_stamp(body.get("created_at")),
            raw=body,
        )

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """Check the signature and its age. Several signatures may be given, one of them must be good."""
        event, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not event or not re.fullmatch(r"[0-9]{1,12}", stamp) or abs(now - int(stamp)) > STALE:
            return False
        expected = sign(secret, event, stamp, body).encode()
        given = headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(signature.encode(), expected) for signature in given)


def sign(secret: str, event: str, stamp: str, body: bytes) -> str:
    """Sign a callback: HMAC-SHA256 over `{id}.{timestamp}.{raw body}`, keyed with the secret as text."""
    signed = f"{event}.{stamp}.".encode() + body
    return "v3," + hmac.new(secret.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()


def _code_of(answer: httpx.Response) -> int:
    try:
        body = read_object(answer.content)
    except Unreadable:
        return answer.status_code
    code, data = body.get("code"), body.get("data")
    if isinstance(data, dict) and data.get("id"):
        return answer.status_code  # the call went well, whatever became of the prediction
    return code if isinstance(code, int) and 400 <= code <= 599 else answer.status_code


def _address(output: str) -> str:
    """Make a data URI of bare base64, which `enable_base64_output` answers."""
    known = output.startswith(("http://", "https://", "data:"))
    return output if known else f"data:application/octet-stream;base64,{output}"
