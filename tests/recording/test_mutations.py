"""What is as documented shows nothing; what is spoilt shows one difference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording.drawing import asking, documented, made, with_headers
from tests.recording.traffic import find_drift
from understudy_contracts.findings import Severity
from understudy_contracts.recording.difference import Kind
from understudy_mock.catalog import open_catalog
from understudy_mock.gateway.journal import JournalEntry

CATALOG = open_catalog()
OPERATIONS = {f"{one.provider} {one.id}": one for one in CATALOG.operations}

STAMP = "2026-05-22T13:17:32.110Z"
JOB: dict[str, Any] = {
    "request_id": "a_1",
    "status": "QUEUED",
    "model_id": "a",
    "error": None,
    "output": None,
    "created_at": STAMP,
    "updated_at": STAMP,
    "completed_at": None,
}
DONE: dict[str, Any] = {
    **JOB,
    "status": "COMPLETED",
    "output": {"media_url": ["https://e.com/1", "https://e.com/2"], "media_type": "video/mp4"},
    "completed_at": STAMP,
}
TOO_MANY = {"statusCode": 429, "message": "Wait."}


def call(name: str, status: int, answer: Any, body: Any = None) -> JournalEntry:
    operation = OPERATIONS[name]
    kind = [(b"content-type", b"application/json")]
    asked = b"" if body is None else msgspec.json.encode(body)
    path = operation.path.replace("{request_id}", "a_1").replace("{id}", "a_1")
    return made(operation, path, kind if asked else [], asked, status, kind, msgspec.json.encode(answer))


def polled(answer: Any = DONE, status: int = 200) -> JournalEntry:
    return call("pixazo get-request-status", status, answer)


def submitted(body: Any, url: str = "") -> JournalEntry:
    accepted = {"request_id": "a_1", "status": "QUEUED", "polling_url": "https://e.com/a_1"}
    entry = call("pixazo submit-hunyuan-image", 202, accepted, {"prompt": "a kite", **body})
    return msgspec.structs.replace(entry, url=entry.url + url)


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if key != name}


SPOILT: dict[str, tuple[JournalEntry, Kind, str]] = {
    "a status": (polled({"error": "busy"}, 503), Kind.UNDOCUMENTED_STATUS, "response 503"),
    "a status without a body": (
        msgspec.structs.replace(polled(status=418), response_body=b"", response_size=0, response_headers=[]),
        Kind.UNDOCUMENTED_STATUS,
        "response 418",
    ),
    "a field": (polled({**DONE, "progress": 0.5}), Kind.UNDOCUMENTED_FIELD, "response 200 /progress"),
    "a deep field": (
        polled({**DONE, "output": {**DONE["output"], "thumbs": [{"url": "u"}, {"url": None, "w": 3}]}}),
        Kind.UNDOCUMENTED_FIELD,
        "response 200 /output/thumbs",
    ),
    "a field with an odd name": (
        polled({**JOB, "a/b: {c}~": 1}),
        Kind.UNDOCUMENTED_FIELD,
        "response 200 /a~1b: {c}~0",
    ),
    "a missing field": (polled(without(DONE, "model_id")), Kind.MISSING_FIELD, "response 200 /model_id"),
    "another type": (polled({**DONE, "model_id": 7}), Kind.WRONG_TYPE, "response 200 /model_id"),
    "null": (polled({**DONE, "request_id": None}), Kind.WRONG_TYPE, "response 200 /request_id"),
    "another type of several": (polled({**DONE, "error": ["why"]}), Kind.WRONG_TYPE, "response 200 /error"),
    "another type of a choice": (
        polled({**DONE, "output": "https://e"}),
        Kind.WRONG_TYPE,
        "response 200 /output",
    ),
    "another type of a list": (polled({**JOB, "status": 3}), Kind.WRONG_TYPE, "response 200 /status"),
    "another type of an item": (
        polled({**DONE, "output": {"media_url": [{"url": "u"}, "v"], "media_type": "a"}}),
        Kind.WRONG_TYPE,
        "response 200 /output/media_url/*",
    ),
    "a value": (polled({**JOB, "status": "THROTTLED"}), Kind.UNDOCUMENTED_VALUE, "response 200 /status"),
    "too few": (
        polled({**DONE, "output": {"media_url": [], "media_type": "a"}}),
        Kind.OUT_OF_RANGE,
        "response 200 /output/media_url",
    ),
    "a stamp": (
        polled({**DONE, "created_at": "2025-05-19T06:09:15.948268264Z"}),
        Kind.STAMP_FORMAT,
        "response 200 /created_at",
    ),
    "no stamp at all": (
        polled({**DONE, "created_at": "soon"}),
        Kind.STAMP_FORMAT,
        "response 200 /created_at",
    ),
    "a media type": (
        with_headers(polled(), content_type="text/html; charset=utf-8"),
        Kind.CONTENT_TYPE,
        "response 200",
    ),
    "a missing header": (polled(TOO_MANY, 429), Kind.MISSING_HEADER, "response 429 header retry-after"),
    "a header's type": (
        with_headers(polled(TOO_MANY, 429), retry_after="Fri, 22 May 2026 13:17:32 GMT"),
        Kind.WRONG_TYPE,
        "response 429 header retry-after",
    ),
    "a header's range": (
        with_headers(polled(TOO_MANY, 429), retry_after="0"),
        Kind.OUT_OF_RANGE,
        "response 429 header retry-after",
    ),
    "a header": (
        with_headers(polled(), x_ratelimit_remaining="9"),
        Kind.UNDOCUMENTED_HEADER,
        "response 200 header x-ratelimit-remaining",
    ),
    "a parameter": (submitted({"style": {"name": "oil"}}), Kind.UNDOCUMENTED_FIELD, "request /style"),
    "a parameter left out": (
        asking(submitted({}), {"seed": 3}),
        Kind.MISSING_FIELD,
        "request /prompt",
    ),
    "a parameter's type": (submitted({"num_images": "2"}), Kind.WRONG_TYPE, "request /num_images"),
    "a parameter's range": (submitted({"num_images": 9}), Kind.OUT_OF_RANGE, "request /num_images"),
    "a parameter's value": (
        submitted({"output_format": "webp"}),
        Kind.UNDOCUMENTED_VALUE,
        "request /output_format",
    ),
    "a parameter's form": (submitted({"prompt": " "}), Kind.WRONG_FORM, "request /prompt"),
    "a query parameter": (submitted({}, "?priority=3"), Kind.UNDOCUMENTED_PARAMETER, "request ?priority"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_spoilt_in_one_way_is_that_difference_and_no_other(how: str) -> None:
    entry, kind, where = SPOILT[how]
    [drift] = find_drift([polled(), submitted({}), entry], CATALOG)
    assert (drift.kind, drift.where, drift.count, drift.example) == (kind, where, 1, 1)


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=4)
@given(data=st.data())
def test_what_is_as_documented_shows_nothing(name: str, data: st.DataObject) -> None:
    """Any operation, any of its statuses, any request and answer that its schemas allow."""
    entry = data.draw(documented(CATALOG, OPERATIONS[name]))
    assert find_drift([entry], CATALOG) == []


NAMES = st.text(max_size=6).filter(lambda name: name not in DONE)
NEW = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(NAMES, NEW, max_size=3), max_size=4))
@settings(max_examples=5)
def test_any_new_fields_are_told(extras: list[dict[str, Any]]) -> None:
    """Whatever they are called and whatever they hold, the same or different in each answer."""
    entries = [polled({**DONE, **extra}) for extra in extras]
    drifts = find_drift(entries, CATALOG)
    assert {one.where for one in drifts} == {
        f"response 200 /{name.replace('~', '~0').replace('/', '~1')}" for extra in extras for name in extra
    }


def test_the_same_difference_is_counted_not_repeated() -> None:
    entries = [polled({**DONE, "progress": n}) for n in range(5)]
    [drift] = find_drift(entries, CATALOG)
    assert drift.count == 5


@pytest.mark.parametrize("status", [200, 404])
def test_a_call_that_no_operation_documents_is_only_worth_knowing(status: int) -> None:
    """It is named by its path with names left out. Providers document more than the specs here."""
    entry = msgspec.structs.replace(
        polled(status=status), operation="", url="https://gateway.pixazo.ai/v2/jobs/019d3f2a-7b1c/cancel"
    )
    [drift] = find_drift([entry], CATALOG)
    assert (drift.kind, drift.operation, drift.severity) == (
        Kind.UNDOCUMENTED_OPERATION,
        "GET /v2/jobs/*/cancel",
        Severity.INFO,
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://pub-582b7213209642b9b995c96c95a30381.r2.dev/v1/a_1/output.mp4",
        "http://127.0.0.1:8080/v1/a_1/output.mp4",
    ],
)
def test_a_file_is_no_undocumented_operation(url: str) -> None:
    assert find_drift([msgspec.structs.replace(polled(), operation="", url=url)], CATALOG) == []


@pytest.mark.parametrize("shown", ["[redacted]", "[secret-1]", "[customer-12]"])
def test_what_stands_for_a_secret_is_not_judged(shown: str) -> None:
    answer = {"code": 200, "message": "success", "data": {"secret": shown}}
    assert find_drift([call("wavespeed get-webhook-secret", 200, answer)], CATALOG) == []


@pytest.mark.parametrize("shown", ["[redacted]", "[key-1]", "k=[key-1]", {"of": "[key-1]"}, ["[key-1]", 3]])
def test_what_is_undocumented_is_told_whatever_its_value(shown: Any) -> None:
    """A field or a parameter that holds a secret is one all the same."""
    where = {"response 200 /echo_key": polled({**DONE, "echo_key": shown})}
    if isinstance(shown, str):
        where["request ?echo_key"] = submitted({}, f"?echo_key={shown}")
    entries = list(where.values())
    drifts = find_drift(entries, CATALOG)
    assert {one.where for one in drifts} == set(where)
    assert all("undocumented" in one.kind for one in drifts)


@pytest.mark.parametrize("part", [b"", b'{"request_id": "a'])
def test_a_body_that_was_not_kept_whole_is_not_judged(part: bytes) -> None:
    entry = msgspec.structs.replace(polled(), response_body=part, response_size=900)
    assert find_drift([entry], CATALOG) == []


def test_a_whole_body_that_is_no_json_is_told() -> None:
    entry = msgspec.structs.replace(polled(), response_body=b'{"a', response_size=3)
    [drift] = find_drift([entry], CATALOG)
    assert drift.kind is Kind.NOT_JSON


def test_no_key_is_shown() -> None:
    key = "sk-0123456789abcdef"
    entry = msgspec.structs.replace(polled({**DONE, "echo": f"key={key}"}), key=key)
    [drift] = find_drift([entry], CATALOG)
    assert key not in drift.text
    assert "[redacted]" in drift.text
