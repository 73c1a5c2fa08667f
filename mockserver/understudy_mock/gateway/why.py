"""Why a call was refused, in one sentence: which check refused it, what it was about, and which flag helps.

For whoever looks at the gateway. What the caller gets is worded by the provider, which often says less.
"""

from __future__ import annotations

from understudy_mock.domain.call import Call
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal, Violation
from understudy_mock.domain.model import Credential, Operation
from understudy_mock.domain.money import usd
from understudy_mock.domain.scenario import Entry
from understudy_mock.settings import MAX_BODY, MAX_HEADERS, Settings

LONGEST_WHY = 400
"""Characters of a sentence: it may quote what the caller sent."""

_QUOTED = 80
"""Characters quoted of one thing that the caller sent."""


def why_refused(refusal: Refusal, operation: Operation | None, call: Call, settings: Settings) -> str:
    """Return why a call to an operation (None: to no operation) was refused, in one line.

    It quotes of the caller what the answer may quote, too, and no path, where a key may stand. Whoever shows
    it to others takes known secrets out first.
    """
    return _one_line(_reason(refusal.what, refusal.detail, operation, call, settings))


def why_forced(entry: Entry, call: Call) -> str:
    """Return why a call got the answer that an entry of a scenario, or `Prefer: code=N`, stands for."""
    what = entry.condition or f"status {entry.status}"
    if call.scenario:
        return _one_line(f"the scenario {call.scenario} answers this call with {what}")
    return _one_line(f"the header Prefer asked for {what}")


def _reason(
    what: Condition | CallError,
    detail: Detail,
    operation: Operation | None,
    call: Call,
    settings: Settings,
) -> str:
    match what:
        case Condition.MISSING_KEY:
            places = " or ".join(map(_place, operation.credentials)) if operation is not None else ""
            return f"key: there is none; send it in {places}" if places else "key: there is none"
        case Condition.INVALID_KEY:
            if settings.api_keys and call.key not in settings.api_keys:
                return "key: it is none of those that --api-key names; without the flag every key is good"
            return "key: it is too long"
        case Condition.FORBIDDEN | Condition.QUOTA_EXCEEDED | Condition.BAD_GATEWAY:
            return f"the gateway answers {what} only where a scenario says so"
        case Condition.RATE_LIMITED:
            wait = f" for {detail.retry_after} s" if detail.retry_after else ""
            return (
                f"rate limit: that of this key is used up{wait}; --rate-limit N/SECONDS sets another, "
                "PUT /_mock/accounts/KEY for this key alone"
            )
        case Condition.INVALID_REQUEST:
            return f"body: {_violations(detail.violations) or detail.text or 'it is not as documented'}"
        case Condition.MODEL_NOT_FOUND:
            return f"model: {detail.model or 'it'} is among disabled_models of this key's account"
        case Condition.INSUFFICIENT_BALANCE:
            cost = f"the job costs {usd(detail.price):g} USD and the key has {usd(detail.balance or 0):g}"
            return f"balance: {cost}; --balance USD sets it, PUT /_mock/accounts/KEY for this key alone"
        case Condition.NOT_FOUND:
            return _not_found(detail)
        case Condition.INTERNAL_ERROR:
            return "the gateway itself has failed; its log on stderr says where"
        case Condition.UNAVAILABLE:
            return (
                "the gateway has too much to do at once, or the job was forgotten for others: "
                "--keep-jobs N keeps more"
            )
        case Condition.TIMEOUT:
            return "the job has not ended within the longest wait, ten documented minutes"
        case CallError.NO_ROUTE:
            return f"route: no operation has this path by {call.method}; `understudy spec` lists all"
        case CallError.WRONG_METHOD:
            return f"route: {call.method} is not for this path, but {', '.join(detail.allowed) or 'others'}"
        case CallError.BODY_TOO_LARGE:
            return f"body: it is larger than {MAX_BODY:,} bytes"
        case CallError.HEADERS_TOO_LARGE:
            return f"headers: they are larger than {MAX_HEADERS:,} bytes in all"
        case CallError.NOT_JSON:
            return "body: it is not JSON"
        case CallError.WRONG_CONTENT_TYPE:
            return "body: its Content-Type is not the documented one"
        case CallError.WEBHOOK_URL:
            flag = "; --allow-http-webhooks allows http://" if "https://" in detail.text else ""
            return f"webhook: {detail.text}{flag}"
        case CallError.WEBHOOK_INLINE:
            return f"webhook: {detail.text}"
        case CallError.UNKNOWN_CHOICE:
            return detail.text


def _not_found(detail: Detail) -> str:
    if detail.job:
        return "job: this key has no such job; another key's, or one that was forgotten, is none"
    return detail.text or "there is no such file, or not yet: a job has its files when it is COMPLETED"


def _violations(violations: tuple[Violation, ...]) -> str:
    if not violations:
        return ""
    first = violations[0]
    name = _quote(first.name) if first.name else "it"
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{name} {'is required' if first.missing else first.reason}{more}"


def _place(credential: Credential) -> str:
    name = credential.name.decode("latin-1")
    if credential.place == "query":
        return f"the query as {name}="
    return f"the header {name.title()}{': Bearer KEY' if credential.place == 'bearer' else ''}"


def _quote(text: str) -> str:
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_WHY else line[: LONGEST_WHY - 1] + "…"
