"""What can be wrong with a call, whatever the provider.

A decision raises `Refusal`; the provider's module words it once, when the answer is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Condition(StrEnum):
    """The conditions that a scenario can force and a gateway can meet."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    FORBIDDEN = "forbidden"
    QUOTA_EXCEEDED = "quota_exceeded"
    RATE_LIMITED = "rate_limited"
    INVALID_REQUEST = "invalid_request"
    MODEL_NOT_FOUND = "model_not_found"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    NOT_FOUND = "not_found"
    INTERNAL_ERROR = "internal_error"
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class CallError(StrEnum):
    """What is wrong with the call itself; no scenario can name these refusals."""

    NO_ROUTE = "no_route"
    WRONG_METHOD = "wrong_method"
    BODY_TOO_LARGE = "body_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    NOT_JSON = "not_json"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    WEBHOOK_URL = "webhook_url"
    WEBHOOK_INLINE = "webhook_inline"
    UNKNOWN_CHOICE = "unknown_choice"


class Stage(StrEnum):
    """The checks of a submit, in their order. `END` is after all of them."""

    KEY = "key"
    LIMIT = "limit"
    BODY = "body"
    MODEL = "model"
    BALANCE = "balance"
    END = "end"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a body. `name` is the parameter, "" for the body as a whole."""

    name: str
    missing: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Detail:
    """What a refusal needs to be worded. Money is in micro-USD, `retry_after` in whole seconds.

    `job` is the name that no job has.
    """

    violations: tuple[Violation, ...] = ()
    text: str = ""
    retry_after: int | None = None
    resets_at: int | None = None
    allowed: tuple[str, ...] = ()
    model: str = ""
    job: str = ""
    balance: int | None = None
    price: int = 0


@dataclass(slots=True)
class Refusal(Exception):
    """A call is refused for `what`."""

    what: Condition | CallError
    detail: Detail = field(default_factory=Detail)
