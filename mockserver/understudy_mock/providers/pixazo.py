"""Pixazo's wording. Three layers answer: the provider's API gateway, the queue and the model's validation.

The gateway is Azure API Management (APIM), whose default bodies have a space inside each brace:
https://learn.microsoft.com/troubleshoot/azure/api-mgmt/availability/unauthorized-errors-invoke-apis
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec

from understudy_mock.domain.call import JSON, Answer, json_answer
from understudy_mock.domain.clock import iso_ms, sql_stamp
from understudy_mock.domain.conditions import CallError, Condition, Refusal, Violation
from understudy_mock.domain.draw import Draw, uuid7
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.timeline import TERMINAL, State, Step
from understudy_mock.providers.base import CONDITIONS, Place, Provider

_GATEWAY: dict[Condition | CallError, tuple[int, str]] = {
    Condition.MISSING_KEY: (
        401,
        "Access denied due to missing subscription key. "
        "Make sure to include subscription key when making requests to an API.",
    ),
    Condition.INVALID_KEY: (
        401,
        "Access denied due to invalid subscription key. "
        "Make sure to provide a valid key for an active subscription.",
    ),
    Condition.INTERNAL_ERROR: (500, "Internal server error"),
    CallError.NO_ROUTE: (404, "Resource not found"),
    # A wrong method matches no operation, so it is 404, never 405:
    # https://chunliu.me/2020/05/01/return-http-405-when-http-method-not-match-in-apim/
    CallError.WRONG_METHOD: (404, "Resource not found"),
    # Assumed from here on: statuses that APIM can answer, in its form.
    Condition.FORBIDDEN: (403, "Forbidden"),
    Condition.BAD_GATEWAY: (502, "Bad gateway"),
    Condition.UNAVAILABLE: (503, "Service unavailable"),
    Condition.TIMEOUT: (504, "Gateway timeout"),
    CallError.BODY_TOO_LARGE: (413, "Request body is too large"),
    CallError.HEADERS_TOO_LARGE: (431, "Request headers are too large"),
}


class Pixazo(Provider):
    """The wording of gateway.pixazo.ai."""

    name = "pixazo"
    unsafe_end = State.FAILED
    retry_header = b"retry-after"
    conditions = MappingProxyType(
        {
            **CONDITIONS,
            402: Condition.INSUFFICIENT_BALANCE,
            403: Condition.QUOTA_EXCEEDED,
            404: Condition.NOT_FOUND,
        }
    )

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Return a new job's id, `{model_id}_{uuid7}`."""
        made = uuid7(created, draw.id_bits)
        if "odd-request-id" in quirks:
            # As in an address of the provider: another variant digit, and one digit too many.
            made = f"{made[:19]}5{made[20:]}{draw.root[10] % 16:x}"
        return f"{model.id.replace('/', '-')}_{made}"

    def accepted(self, job: Job) -> Answer:
        """Answer 202: the job is queued. The answer says where to poll."""
        return json_answer(
            200 if "submit-200" in job.quirks else 202,
            {
                "request_id": job.id,
                "status": "QUEUED",
                "polling_url": f"{job.origin}/v2/requests/status/{job.id}",
            },
        )

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer 200 in any state; what is not known yet is null."""
        return json_answer(200, self.job_object(job, step, urls))

    def job_object(self, job: Job, step: Step, urls: list[str], *, callback: bool = False) -> dict[str, Any]:
        """Describe a job. Callbacks write the later stamps as SQL does (page: Callback Payload)."""
        state, quirks = step.state, job.quirks
        done = state in TERMINAL
        body = {
            "request_id": job.id,
            "status": self.called(job, step),
            "model_id": job.model.id,
            "error": job.timeline.error if done else None,
            "output": {"media_url": urls, "media_type": job.media_type} if urls else None,
        }
        if done and not urls and "bare-failures" in quirks:
            return body
        as_sql = "iso-timestamps" not in quirks if callback else "sql-timestamps" in quirks
        updated = (sql_stamp if as_sql else iso_ms)(job.told_at(step.at))
        body["created_at"] = iso_ms(job.told_at(0))
        body["updated_at"] = updated
        body["completed_at"] = updated if done else None
        return body

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer with the video, as on the image-to-video page, or with the job while there is no video.

        The page declares application/octet-stream for a file called output.mp4.
        """
        if step.state is not State.COMPLETED:
            return json_answer(200 if step.state in TERMINAL else 202, self.job_object(job, step, urls))
        video = {
            "file_size": file_size,
            "file_name": job.file_name(0),
            "content_type": "application/octet-stream",
            "url": urls[0],
        }
        return json_answer(200, {"video": video})

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer a submit that waited, as the result call is answered."""
        return self.result(job, step, urls, len(file), balance)

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Return the body of a callback: the fields of the status."""
        return msgspec.json.encode(self.job_object(job, step, urls, callback=True))

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Answer a refused call in the form of the layer that refuses it."""
        what, detail = refusal.what, refusal.detail
        match what:
            case Condition.MISSING_KEY | Condition.INVALID_KEY:
                api = "/".join(place.path.split("/")[1:3])
                challenge = (
                    f'AzureApiManagementKey realm="https://{place.host}/{api}",'
                    'name="Ocp-Apim-Subscription-Key",type="header"'
                )
                return _gateway(what, (b"www-authenticate", challenge.encode("latin-1", "replace")))
            case Condition.RATE_LIMITED:
                wait = 1 if detail.retry_after is None else detail.retry_after
                message = f"Rate limit is exceeded. Try again in {wait} seconds."
                return _apim(429, message, (b"retry-after", str(wait).encode()))
            case Condition.QUOTA_EXCEEDED:
                wait = 1802 if detail.retry_after is None else detail.retry_after
                message = f"Out of call volume quota. Quota will be replenished in {_duration(wait)}."
                return _apim(403, message, (b"retry-after", str(wait).encode()))
            case Condition.INTERNAL_ERROR:
                # Not on https://learn.microsoft.com, but seen at gateway.pixazo.ai on 2026-08-23.
                message = "Internal server error"
                body = f'{{ "statusCode": 500, "message": "{message}", "activityId": "{place.trace}" }}'
                return Answer(500, body.encode(), [JSON])
            case Condition.INSUFFICIENT_BALANCE:
                return _queue(402, "Insufficient Balance", "Your wallet does not have enough balance.")
            case Condition.MODEL_NOT_FOUND:
                status = 404 if "model-404" in quirks else 400
                return _queue(status, "Model not found", f"Model '{detail.model}' not found or is disabled")
            case Condition.NOT_FOUND:
                return json_answer(404, {"error": "Resource not found"})
            case Condition.INVALID_REQUEST:
                return _invalid(detail.violations)
            case CallError.NOT_JSON | CallError.WRONG_CONTENT_TYPE:
                return json_answer(400, {"error": "Invalid JSON body"})  # assumed wording
            case CallError.WEBHOOK_URL | CallError.WEBHOOK_INLINE:
                return _queue(400, "Invalid webhook URL", detail.text)  # assumed wording
            case CallError.UNKNOWN_CHOICE:
                return json_answer(400, {"error": detail.text})
            case _:
                return _gateway(what)


def _gateway(what: Condition | CallError, *headers: tuple[bytes, bytes]) -> Answer:
    status, message = _GATEWAY[what]
    return _apim(status, message, *headers)


def _apim(status: int, message: str, *headers: tuple[bytes, bytes]) -> Answer:
    body = f'{{ "statusCode": {status}, "message": "{message}" }}'
    return Answer(status, body.encode(), [JSON, *headers])


def _queue(status: int, error: str, message: str) -> Answer:
    return json_answer(status, {"error": error, "message": message})


def _invalid(violations: tuple[Violation, ...]) -> Answer:
    """Answer with the first violation as the page words it, and with a list of all if there are several."""
    # Only a missing parameter is documented; "Invalid value" and the list are assumed.
    texts = [
        "Invalid JSON body"
        if not violation.name
        else f"{'Missing required' if violation.missing else 'Invalid value for'} parameter: {violation.name}"
        for violation in violations
    ] or ["Invalid request"]
    return json_answer(400, {"error": texts[0]} if len(texts) == 1 else {"error": texts[0], "errors": texts})


def _duration(seconds: int) -> str:
    """Return a duration as .NET prints a TimeSpan: `00:30:02`, or `14.07:13:56` beyond a day."""
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}.{clock}" if days else clock
