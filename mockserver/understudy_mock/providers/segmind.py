"""Segmind's wording: the file itself as the answer, accounting in headers, `{"error": …}` for the rest.

Its second version is a queue: addresses at submit, JSON at the end.
"""

from __future__ import annotations

from typing import Any

from understudy_mock.domain.call import HTML, Answer, Headers, json_answer
from understudy_mock.domain.clock import iso_ms
from understudy_mock.domain.conditions import CallError, Condition, Refusal, Violation
from understudy_mock.domain.draw import Draw, uuid7
from understudy_mock.domain.facts import Balance, Facts, Uploaded
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import State, Step
from understudy_mock.providers.base import Place, Provider

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
    conditions = {  # noqa: RUF012 (a constant of the protocol)
        400: Condition.INVALID_REQUEST,
        401: Condition.INVALID_KEY,
        403: Condition.FORBIDDEN,
        404: Condition.MODEL_NOT_FOUND,
        406: Condition.INSUFFICIENT_BALANCE,
        429: Condition.RATE_LIMITED,
        500: Condition.INTERNAL_ERROR,
        502: Condition.BAD_GATEWAY,
        503: Condition.UNAVAILABLE,
        504: Condition.TIMEOUT,
    }

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Name a call with a UUID."""
        return uuid7(created, draw.id_bits)

    def accepted(self, job: Job) -> Answer:
        """Answer a queued submit with the addresses to ask.

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
        """Answer where the job is; a failed one is 422, as in its result (segmind-python, segmind/v2.py)."""
        if step.state in (State.FAILED, State.ERROR):
            reason = job.timeline.error or "Internal server error"
            told = {"status": State.FAILED, "error": reason, "metrics": _metrics(job)}
            return json_answer(422, {"request_id": job.id, **told})
        return json_answer(200, {"request_id": job.id, "status": self.called(job, step)})

    def called(self, job: Job, step: Step) -> str:
        """Tell the provider's word: there is no ERROR beside FAILED."""
        if step.state is State.PROCESSING and job.timeline.processing_as:
            return job.timeline.processing_as
        return State.FAILED if step.state is State.ERROR else step.state

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer what the job made, and until then where it is (assumed: nothing is shown for that)."""
        if step.state is not State.COMPLETED:
            return self.status(job, step, urls)
        accounts = {"cost": usd(job.price), "remaining_credits": usd(balance)}
        told = self._told(job, urls[0], file_size)
        return json_answer(200, {"request_id": job.id, **told, "metrics": accounts | _metrics(job)})

    def _told(self, job: Job, url: str, file_size: int) -> dict[str, Any]:
        video = {
            "url": url,
            "content_type": job.media_type,
            "file_name": job.file_name(0),
            "file_size": file_size,
        }
        return {"status": State.COMPLETED, "output": url, "video": video}

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer the video's bytes; a job that failed is a 500 with its reason (assumed)."""
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
            return json_answer(200, self._told(job, urls[0], len(file)), *headers)
        return Answer(200, file, [(b"content-type", job.media_type.encode()), *headers])

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Word a callback. No operation takes an address for one: a model's end calls nobody back."""
        return self.status(job, step, urls).body

    def sign(self, secret: str, event: str, instant: int, body: bytes) -> Headers:
        """Sign nothing."""
        return []

    def answer(self, facts: Facts) -> Answer:
        """Answer the credits, or where uploaded files are kept."""
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
        """Word a refusal."""
        what, detail = refusal.what, refusal.detail
        match what:
            case Condition.RATE_LIMITED:
                # There is no Retry-After; the format of this header is assumed.
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
                return json_answer(400, {"error": _invalid(detail.violations)})
            case CallError.WRONG_METHOD:
                allow = (b"allow", ", ".join(detail.allowed).encode())
                return Answer(405, _METHOD_PAGE, [HTML, allow])
            case CallError.UNKNOWN_CHOICE | CallError.WEBHOOK_URL | CallError.WEBHOOK_INLINE:
                return json_answer(400, {"error": detail.text})
            case _:
                status, text = _ERRORS[what]
                return json_answer(status, {"error": text})

    def unconditioned(self, status: int) -> Answer | None:
        """Word 422 as what it is at the queue: a call that failed, here before it was worked on."""
        if status != 422:
            return None
        metrics = {"inference_time": 0.0, "queue_time": 0.0, "total_time": 0.0}
        return json_answer(422, {"status": State.FAILED, "error": "The request failed", "metrics": metrics})


def _course(job: Job) -> tuple[float, float]:
    """Tell how long the job waits and is worked on, in provider seconds."""
    wish = job.scenario.job if job.scenario else None
    course = job.model.durations
    queued = course.queued if wish is None or wish.queued is None else wish.queued
    worked = course.processing if wish is None or wish.processing is None else wish.processing
    return queued, worked


def _plain(micro_usd: int) -> str:
    """Write credits to the last digit, and no digit more."""
    return f"{usd(micro_usd):.6f}".rstrip("0").rstrip(".")


def _metrics(job: Job) -> dict[str, float]:
    """Tell the times of a finished job as the queue's answers do."""
    queued, worked = _course(job)
    return {"inference_time": worked, "queue_time": queued, "total_time": queued + worked}


def _invalid(violations: tuple[Violation, ...]) -> str:
    texts = [
        f"{v.name or 'body'} {'is required' if v.missing else f'is invalid: {v.reason}'}" for v in violations
    ]
    return "Invalid parameters: " + "; ".join(texts) if texts else "Invalid parameters or request format"
