"""Everything that this package raises on purpose.

    ClientError                    .kind  .message  .http_status  .job_id
    ├── Rejected                   the provider said no
    │   ├── ValidationError        400, 413, 415, 422      validation
    │   ├── AuthError              401, 403                auth
    │   ├── InsufficientBalance    402, at Segmind 406     insufficient_balance
    │   ├── NotFound               404, 410                not_found
    │   ├── RateLimited            429, and 403 that says when to come back    rate_limited
    │   └── ServerError            5xx, but not to a submit                    server
    ├── AmbiguousSubmit            a job may be running and may be charged; nobody can tell    server, network
    ├── NetworkError               no answer came          network
    ├── JobFailed                  the job ended, without a result    job_failed
    └── WaitTimeout                the deadline passed; the job may still end    server, network, rate_limited

A Rejected submit made no job. Nothing here holds the API key, nor the httpx exception or request that does.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "job_failed",
    "insufficient_balance",
    "rate_limited",
    "auth",
    "validation",
    "not_found",
    "server",
    "network",
]


class ClientError(Exception):
    """What went wrong, in words; `http_status` and `job_id` are None where there is none."""

    kind: Kind = "server"

    def __init__(self, message: str, *, http_status: int | None = None, job_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status
        self.job_id = job_id

    def __str__(self) -> str:
        """Set the message and what it is about."""
        known = []
        if self.http_status is not None:
            known.append(f"HTTP {self.http_status}")
        if self.job_id:
            known.append(f"job {self.job_id}")
        return f"{self.message} ({', '.join(known)})" if known else self.message


class Rejected(ClientError):
    """The provider refused the call. `retry_after` is in seconds, None where it named no time."""

    kind: Kind = "validation"

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        job_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, http_status=http_status, job_id=job_id)
        self.retry_after = retry_after


class ValidationError(Rejected):
    """The request is wrong. Sending it again will not help."""


class AuthError(Rejected):
    """The key is missing, unknown or not allowed."""

    kind: Kind = "auth"


class InsufficientBalance(Rejected):
    """There is too little money. Only a top-up helps."""

    kind: Kind = "insufficient_balance"


class NotFound(Rejected):
    """There is no such model, job or file, or not any more."""

    kind: Kind = "not_found"


class RateLimited(Rejected):
    """Too many calls, also after waiting as long as this client is willing to."""

    kind: Kind = "rate_limited"


class ServerError(Rejected):
    """The provider is in trouble. No submit raises this: see AmbiguousSubmit."""

    kind: Kind = "server"


class AmbiguousSubmit(ClientError):
    """The submit was sent, and no answer says whether there is a job. Look before you submit again."""

    def __init__(self, message: str, *, http_status: int | None = None, job_id: str | None = None) -> None:
        super().__init__(message, http_status=http_status, job_id=job_id)
        self.kind = "network" if http_status is None else "server"


class NetworkError(ClientError):
    """No answer came, and nothing was left running by that."""

    kind: Kind = "network"


class JobFailed(ClientError):
    """The job has ended without a result. `status` and `code` are the provider's own words for it."""

    kind: Kind = "job_failed"

    def __init__(self, message: str, *, job_id: str, status: str, code: int | None = None) -> None:
        super().__init__(message, job_id=job_id)
        self.status = status
        self.code = code


class WaitTimeout(ClientError):
    """The deadline passed. `status` is what the job was last seen in; wait for it again by its id."""

    def __init__(
        self, message: str, *, job_id: str, status: str | None = None, last_error: ClientError | None = None
    ) -> None:
        super().__init__(message, job_id=job_id)
        self.status = status
        self.last_error = last_error
        if last_error is not None:
            self.kind = last_error.kind


_BY_STATUS: dict[int, type[Rejected]] = {
    400: ValidationError,
    401: AuthError,
    402: InsufficientBalance,
    403: AuthError,
    404: NotFound,
    406: InsufficientBalance,
    410: NotFound,
    413: ValidationError,
    415: ValidationError,
    422: ValidationError,
    429: RateLimited,
}


def rejection(status: int, *, comes_back: bool = False) -> type[Rejected]:
    """Return the error of an HTTP status; `comes_back` if the answer says when to call again."""
    if status == 403 and comes_back:
        return RateLimited  # a quota that is used up, not a key that is not allowed
    return ServerError if status >= 500 else _BY_STATUS.get(status, Rejected)
