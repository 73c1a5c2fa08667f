"""WaveSpeed's wording: everything in the envelope `{code, message, data}`, errors without `data`."""

from __future__ import annotations

import hashlib
import hmac
from types import MappingProxyType
from typing import Any

import msgspec

from understudy_mock.domain.call import Answer, Headers, json_answer
from understudy_mock.domain.clock import iso_ms
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.draw import Draw, uuid7
from understudy_mock.domain.facts import (
    Balance,
    Facts,
    JobPage,
    Models,
    Secret,
    StillRunning,
    Stored,
    Ticket,
    Uploaded,
)
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import State, Step
from understudy_mock.providers.base import CONDITIONS, Place, Provider, complaints

# Codes inside a failed prediction: https://wavespeed.ai/docs/error-codes. The default ones are assumed.
_MODERATED, _TASK_FAILED, _INTERNAL, _TIMED_OUT = 1200, 1405, 5000, 5004

# The envelope and the statuses are documented (https://wavespeed.ai/docs/rest-api and
# https://wavespeed.ai/docs/errors-retries-timeouts); the texts, and 402, 405, 413 and 431, are assumed.
_ERRORS: dict[Condition | CallError, tuple[int, str]] = {
    Condition.MISSING_KEY: (401, "invalid authentication: no API key"),
    Condition.INVALID_KEY: (401, "invalid authentication: unknown API key"),
    Condition.FORBIDDEN: (403, "account suspended"),
    Condition.QUOTA_EXCEEDED: (403, "quota exceeded"),
    Condition.INSUFFICIENT_BALANCE: (402, "Insufficient credits. Please top up"),
    Condition.MODEL_NOT_FOUND: (404, "model not found"),
    Condition.NOT_FOUND: (404, "prediction not found"),
    Condition.INTERNAL_ERROR: (500, "internal server error"),
    Condition.BAD_GATEWAY: (502, "bad gateway"),
    Condition.UNAVAILABLE: (503, "service unavailable"),
    Condition.TIMEOUT: (504, "gateway timeout"),
    CallError.NO_ROUTE: (404, "not found"),
    CallError.WRONG_METHOD: (405, "method not allowed"),
    CallError.NOT_JSON: (400, "the body is not a JSON object"),
    CallError.WRONG_CONTENT_TYPE: (400, "the body is not JSON"),
    CallError.BODY_TOO_LARGE: (413, "request body is too large"),
    CallError.HEADERS_TOO_LARGE: (431, "request headers are too large"),
}


class WaveSpeed(Provider):
    """The wording of api.wavespeed.ai."""

    name = "wavespeed"
    unsafe_end = State.COMPLETED
    retry_header = b"retry-after"
    conditions = MappingProxyType(
        {
            **CONDITIONS,
            402: Condition.INSUFFICIENT_BALANCE,
            403: Condition.FORBIDDEN,
            404: Condition.NOT_FOUND,
        }
    )
    words = MappingProxyType(
        {
            State.QUEUED: "created",
            State.PROCESSING: "processing",
            State.COMPLETED: "completed",
            State.FAILED: "failed",
            State.ERROR: "failed",
        }
    )
    failures = MappingProxyType(
        {
            _MODERATED: "The content was stopped by moderation",
            1400: "A required parameter is missing",
            1401: "A parameter is not valid",
            1402: "The input media could not be downloaded",
            1403: "The model could not be run",
            _TASK_FAILED: "The task failed",
            _INTERNAL: "Internal error",
            5003: "The service is not available",
            _TIMED_OUT: "The task timed out",
        }
    )

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Return a new prediction's id: 32 hexadecimal digits, as in the vendor's samples."""
        return uuid7(created, draw.id_bits).replace("-", "")

    def accepted(self, job: Job) -> Answer:
        """Answer 200 with the new prediction."""
        return self._envelope(self.prediction(job, job.timeline.steps[0], []))

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer 200 in any state, also for a failed prediction."""
        return self._envelope(self.prediction(job, step, urls))

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer as a status call, which has the outputs."""
        return self.status(job, step, urls)

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer a submit that waited."""
        return self.status(job, step, urls)

    def prediction(self, job: Job, step: Step, urls: list[str]) -> dict[str, Any]:
        """Describe a prediction; a callback has it without the envelope."""
        state = step.state
        completed = state is State.COMPLETED
        worked = 0
        if completed:
            steps = job.timeline.steps
            worked = step.at - (steps[-2].at if len(steps) > 1 else 0)
        prediction = {
            "id": job.id,
            "model": job.model.id,
            "outputs": urls,
            "urls": {"get": f"{job.origin}/api/v3/predictions/{job.id}/result"},
            "has_nsfw_contents": [job.timeline.nsfw] * len(urls),
            "status": self.called(job, step),
            "created_at": iso_ms(job.told_at(0)),
            "error": "",
            "executionTime": worked,
            "timings": {"inference": worked},
        }
        if state in (State.FAILED, State.ERROR):
            default = _INTERNAL
            if state is State.FAILED:
                default = _MODERATED if job.timeline.nsfw else _TASK_FAILED
            prediction["error"] = job.timeline.error or "task failed"
            prediction["code"] = default if job.timeline.code is None else job.timeline.code
        return prediction

    def _envelope(self, data: Any) -> Answer:
        return json_answer(200, {"code": 200, "message": "success", "data": data})

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Return the body of a callback: prediction and input, with outputs only when it is completed.

        https://wavespeed.ai/docs/how-to-use-webhooks
        """
        prediction = self.prediction(job, step, urls)
        if not urls:
            del prediction["outputs"]
        return msgspec.json.encode({**prediction, "input": msgspec.Raw(job.body)})

    def sign(self, secret: str, event: str, instant: int, body: bytes) -> Headers:
        """Sign with HMAC-SHA256 over `{id}.{timestamp}.{raw body}`, by the secret without its prefix.

        https://wavespeed.ai/docs/verify-webhooks
        """
        stamp = str(instant // 1000)
        signed = f"{event}.{stamp}.".encode() + body
        digest = hmac.new(secret.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()
        return [
            (b"webhook-id", event.encode()),
            (b"webhook-timestamp", stamp.encode()),
            (b"webhook-signature", f"v3,{digest}".encode()),
        ]

    def answer(self, facts: Facts) -> Answer:
        """Answer a lookup inside the envelope."""
        match facts:
            case Secret():
                return self._envelope({"secret": facts.secret})
            case Balance():
                # https://wavespeed.ai/docs/check-balance has another path, and a currency beside.
                beside = {"currency": "USD"} if facts.alias else {}
                return self._envelope({"balance": usd(facts.balance), **beside})
            case Models():
                return self._envelope([_model(model, priced) for model, priced in facts.priced])
            case JobPage():
                items = [self.prediction(job, step, urls) for job, step, urls in facts.jobs]
                return self._envelope({"page": facts.page, "total": facts.total, "items": items})
            case StillRunning():
                # WaveSpeedAI/wavespeed-python, tests/test_api.py: the text and the code of the soft timeout.
                prediction = self.prediction(facts.job, facts.step, [])
                seconds = f"{facts.seconds:g}"
                late = (
                    f"Sync mode timed out after {seconds} seconds. "
                    "The prediction is still processing asynchronously."
                )
                return self._envelope(
                    {**prediction, "status": "processing", "code": _TIMED_OUT, "error": late}
                )
            case Uploaded():
                (file,) = facts.files
                kind = file.media_type.partition("/")[0]
                kept = {"type": kind, "download_url": file.url, "filename": file.name, "size": file.size}
                return self._envelope(kept)
            case Ticket():
                file = facts.file
                place = {"method": "PUT", "url": facts.url, "headers": {"Content-Type": file.media_type}}
                return self._envelope({"download_url": file.url, "upload": place})
            case Stored():
                return Answer(200, b"", [])

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Answer a refused call."""
        what, detail = refusal.what, refusal.detail
        match what:
            case Condition.RATE_LIMITED:
                wait = str(1 if detail.retry_after is None else detail.retry_after)
                return _error(
                    429, f"rate limit exceeded, retry after {wait}s", (b"retry-after", wait.encode())
                )
            case Condition.INSUFFICIENT_BALANCE if "credits-as-200" in quirks:
                return json_answer(200, {"code": 400, "message": _ERRORS[what][1]})
            case Condition.INVALID_REQUEST:
                return _error(400, "; ".join(complaints(detail.violations)) or "invalid request")
            case CallError.WEBHOOK_INLINE:
                # Not the envelope: https://wavespeed.ai/docs/base64-output prints this shape.
                text = "webhook callback does not support base64 output, leave out one of the two"
                return json_answer(400, {"error": text})
            case CallError.WRONG_METHOD:
                return _error(405, _ERRORS[what][1], (b"allow", ", ".join(detail.allowed).encode()))
            case CallError.UNKNOWN_CHOICE | CallError.WEBHOOK_URL:
                return _error(400, detail.text)
            case _:
                status, text = _ERRORS[what]
                return _error(status, detail.text or text)


def _model(model: Model, priced: int) -> dict[str, Any]:
    """Describe a model in the list of all; `priced` is in micro-USD for the documented defaults."""
    return {
        "model_id": model.id,
        "name": model.id,
        "description": model.summary,
        "base_price": usd(priced),
    }


def _error(status: int, message: str, *headers: tuple[bytes, bytes]) -> Answer:
    return json_answer(status, {"code": status, "message": message}, *headers)
