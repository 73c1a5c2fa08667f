"""Segmind's wording: the file itself as the answer, accounting in headers, `{"error": …}` for the rest.

Its second version is a queue: addresses at submit, JSON at the end.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from understudy_mock.domain.call import HTML, Answer, json_answer
from understudy_mock.domain.clock import iso_ms
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.draw import Draw, uuid7
from understudy_mock.domain.facts import Balance, Facts, Uploaded
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import State, Step
from understudy_mock.providers.base import CONDITIONS, Place, Provider, complaints

# Statuses: Segmind Hunyuan Video, Common Error Codes. Texts: the vendor's error reference where it shows
# one, else the page's own explanation of the code; those beyond the page are assumed.
_ERRORS: dict[Condition | CallError, tuple[int, str]] = {
    Condition.MISSING_KEY: (401, "Missing Authorization or x-api-key in header"),
    Condition.INVALID_KEY: (401, "Unauthorized. API key is invalid or may have expired"),
    Condition.FORBIDDEN: (403, "Insufficient permissions"),
    Condition.QUOTA_EXCEEDED: (403, "Quota exceeded"),
    Condition.MODEL_NOT_FOUND: (404, "Model or endpoint not found"),
    Condition.NOT_FOUND: (404, "Request not found"),
    Condition.INTERNAL_ERROR: (500, "Internal server error"),
    Condition.BAD_GATEWAY: (502, "Service temporarily unavailable"),
    Condition.UNAVAILABLE: (503, "Service unavailable"),
    Condition.TIMEOUT: (504, "Request timed out"),
    CallError.NO_ROUTE: (404, "Model or endpoint not found"),
    CallError.NOT_JSON: (400, "Invalid request format: the body is not a JSON object"),
    CallError.WRONG_CONTENT_TYPE: (406, "Invalid content type"),
    CallError.BODY_TOO_LARGE: (413, "Request body is too large"),
    CallError.HEADERS_TOO_LARGE: (431, "Request headers are too large"),
}

_METHOD_PAGE = b"<html><body><h1>405 Method Not Allowed</h1></body></html>"


class Segmind(Provider):
    """The wording of api.segmind.com."""

    name = "segmind"
    unsafe_end = State.FAILED
    retry_header = b"x-rate-limit-reset-at-utc"
    conditions = MappingProxyType(
        {
            **CONDITIONS,
            403: Condition.FORBIDDEN,
            404: Condition.MODEL_NOT_FOUND,
            406: Condition.INSUFFICIENT_BALANCE,
        }
    )
    words = MappingProxyType({State.ERROR: State.FAILED})

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Return a new job's id, a UUID."""
        return uuid7(created, draw.id_bits)

    def accepted(self, job: Job) -> Answer:
        """Answer a queued submit with the addresses to poll.

        https://docs.segmind.com/docs/serverless-api/async-inference
        """
        whole = f"{job.origin}/v2/requests/{job.id}"
        return json_answer(
            200,
            {
                "request_id": job.id,
                "status": State.QUEUED,
                "poll_url": f"{job.origin}/v1/requests/{job.id}",
                "status_url": f"{whole}/status",
                "response_url": whole,
            },
        )

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer a status call, with 422 for a failed job like its result (segmind-python, segmind/v2.py)."""
        if step.state in (State.FAILED, State.ERROR):
            reason = job.timeline.error or "Internal server error"
            failed = {"status": State.FAILED, "error": reason, "metrics": _metrics(job)}
            return json_answer(422, {"request_id": job.id, **failed})
        return json_answer(200, {"request_id": job.id, "status": self.called(job, step)})

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer with what the job made, and until then as a status call (assumed: no document shows it)."""
        if step.state is not State.COMPLETED:
            return self.status(job, step, urls)
        accounts = {"cost": usd(job.price), "remaining_credits": usd(balance)}
        made = self._output(job, urls[0], file_size)
        return json_answer(200, {"request_id": job.id, **made, "metrics": accounts | _metrics(job)})

    def _output(self, job: Job, url: str, file_size: int) -> dict[str, Any]:
        video = {
            "url": url,
            "content_type": job.media_type,
            "file_name": job.file_name(0),
            "file_size": file_size,
        }
        return {"status": State.COMPLETED, "output": url, "video": video}

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer with the video's bytes; for a failed job with 500 and its reason (assumed)."""
        if step.state is not State.COMPLETED:
            return json_answer(500, {"error": job.timeline.error or "Internal server error"})
        queued, worked = _course(job)
        headers = [
            (b"x-request-id", job.id.encode()),
            (b"x-generation-time", f"{queued + worked:g}".encode()),
            (b"x-cost", _plain(job.price).encode()),
            (b"x-remaining-credits", _plain(balance).encode()),
            (b"x-seed-value", str(job.seed).encode()),
        ]
        if "json-video" in job.quirks:
            return json_answer(200, self._output(job, urls[0], len(file)), *headers)
        return Answer(200, file, [(b"content-type", job.media_type.encode()), *headers])

    def answer(self, facts: Facts) -> Answer:
        """Answer with the credits, or with the addresses of uploaded files."""
        match facts:
            case Balance():
                # https://docs.segmind.com/api-reference/account-and-billing-apis
                return json_answer(200, {"credits": usd(facts.balance), "free-credits": 0.0})
            case Uploaded():
                urls = [file.url for file in facts.files]
                return json_answer(200, {"file_urls": urls, "message": "Files uploaded"})
            case _:
                return super().answer(facts)

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Answer a refused call."""
        what, detail = refusal.what, refusal.detail
        match what:
            case Condition.RATE_LIMITED:
                # Instead of Retry-After; the format of this header is assumed.
                reset = (b"x-rate-limit-reset-at-utc", iso_ms(detail.resets_at or 0).encode())
                return json_answer(429, {"error": "Rate limit exceeded"}, reset)
            case Condition.INSUFFICIENT_BALANCE:
                has, needs = _plain(detail.balance or 0), _plain(detail.price)
                text = f"Insufficient credits: the balance is {has} credits, the request needs {needs}"
                return json_answer(406, {"error": text})
            case Condition.NOT_FOUND if detail.job:
                # api-evangelist/segmind, errors/segmind-error-codes.yml: the text names the request.
                return json_answer(404, {"error": f"Request {detail.job} not found"})
            case Condition.INVALID_REQUEST:
                texts = "; ".join(complaints(detail.violations))
                whole = f"Invalid parameters: {texts}" if texts else "Invalid parameters or request format"
                return json_answer(400, {"error": whole})
            case CallError.WRONG_METHOD:
                allow = (b"allow", ", ".join(detail.allowed).encode())
                return Answer(405, _METHOD_PAGE, [HTML, allow])
            case CallError.UNKNOWN_CHOICE | CallError.WEBHOOK_URL | CallError.WEBHOOK_INLINE:
                return json_answer(400, {"error": detail.text})
            case _:
                status, text = _ERRORS[what]
                return json_answer(status, {"error": text})

    def unconditioned(self, status: int) -> Answer | None:
        """Answer 422 as the queue does for a call that failed, here before any work on it."""
        if status != 422:
            return None
        metrics = {"inference_time": 0.0, "queue_time": 0.0, "total_time": 0.0}
        return json_answer(422, {"status": State.FAILED, "error": "The request failed", "metrics": metrics})


def _course(job: Job) -> tuple[float, float]:
    """Return how long the job waits, and how long the work takes, in provider seconds."""
    wish = job.scenario.job if job.scenario else None
    course = job.model.durations
    queued = course.queued if wish is None or wish.queued is None else wish.queued
    worked = course.processing if wish is None or wish.processing is None else wish.processing
    return queued, worked


def _plain(micro_usd: int) -> str:
    """Return credits without zeros at the end."""
    return f"{usd(micro_usd):.6f}".rstrip("0").rstrip(".")


def _metrics(job: Job) -> dict[str, float]:
    """Return the times of a finished job, as the queue answers them."""
    queued, worked = _course(job)
    return {"inference_time": worked, "queue_time": queued, "total_time": queued + worked}
