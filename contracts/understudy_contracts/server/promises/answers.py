"""Promises about answers: bodies that are held to the document, and files that are what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.promises.base import Check, always, queued
from understudy_contracts.server.spec import NOBODYS
from understudy_contracts.server.subject import Broken, NotReached, Subject
from understudy_contracts.server.wire import Exchange, is_absolute
from understudy_mock.domain.model import Operation
from understudy_mock.settings import MAX_BODY

_DOCUMENT = "the provider's OpenAPI document"
_INVALID = Topic("validation")

_LIFE = 0.1
"""Real seconds that a forced job lives."""

_FORM = (
    b'--check\r\nContent-Disposition: form-data; name="NAME"; filename="check.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n--check--\r\n"
)

_MAGIC = {
    "video/mp4": rb"....ftyp",
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/webp": rb"RIFF....WEBP",
    "model/gltf-binary": rb"glTF",
}


def as_documented(subject: Subject) -> None:
    """Every answer of a job's life has a documented status, media type, headers and body."""
    status = subject.status_operation
    assert status is not None  # jobs have one; see `queued`
    words = subject.unknown_words()  # they are documented-states' business
    for walk in subject.walks():
        # A poll that crashes is polls-do-not-crash's.
        polls = [(status, exchange) for exchange, _ in walk.polls if exchange.status < 500]
        for operation, exchange in [(subject.operation, walk.submit), *polls]:
            complaint = next(subject.api.complaints(operation, exchange, but=words), None)
            if complaint is not None:
                raise Broken(f"{operation.id}: {complaint}", walk.submit, exchange)
    if all(walk.end is None for walk in subject.walks()):
        raise NotReached("no job ended during the check; everything until then was as documented")


def every_status(subject: Subject) -> None:
    """Every documented status can be provoked, and its answer is as documented."""
    if not subject.target.is_understudy:
        raise NotReached("this server cannot be made to answer them: it is not an Understudy")
    for status in sorted(subject.operation.statuses):
        key = subject.target.fresh_key()
        subject.force_at_once(key)
        exchange = subject.submit(key, headers={"Prefer": f"code={status}"} if status >= 300 else {})
        if status < 300 and 400 <= exchange.status < 500:
            raise subject.refused(exchange)
        if exchange.status != status:
            raise Broken(f"asked for {status}, it answered {exchange.status}", exchange)
        # Whether a 429 tells when to come back is 429-tells-when's.
        but = (subject.dialect.retry_header,) if status == 429 else ()
        complaint = next(subject.api.complaints(subject.operation, exchange, but=but), None)
        if complaint is not None:
            raise Broken(complaint, exchange)


def every_other_status(subject: Subject) -> None:
    """Every documented status of the other operations can be provoked, and its answer is as documented."""
    subject.must_accept(subject.target.fresh_key())
    if not subject.target.is_understudy:
        _meet_some(subject)
        raise NotReached("this server cannot be made to answer them all: it is not an Understudy")
    for operation in _others(subject):
        _meet_all(subject, operation)


def _others(subject: Subject) -> list[Operation]:
    """The operations beside a submit: those of its model, and with the first one those of no model."""
    return [
        operation
        for operation in subject.api.checked
        if operation.role != "submit"
        # A call that waits for its file makes no job to ask for.
        and (subject.queues or not operation.job)
        and (operation.model is subject.operation.model or (operation.model is None and subject.first))
    ]


def _has_others(subject: Subject) -> bool:
    return bool(_others(subject))


def _meet_all(subject: Subject, operation: Operation) -> None:
    """Call an operation in every state of a job, and ask it for every documented refusal."""
    target = subject.target
    key = target.fresh_key()
    job = ""
    if operation.job:
        half = _LIFE / 2 * target.speed
        subject.force(key, "other", {"queued": half, "processing": half})
        job = subject.accept(key)[0].id
    brought = b""
    if operation.role == "keep":
        job, brought = _ticket(subject, operation, key)
    _hold(subject, operation, _call(subject, operation, job, key, body=brought))
    _hold(subject, operation, _call(subject, operation, job, None))
    if 413 in operation.statuses:
        _hold(subject, operation, _call(subject, operation, job, key, body=bytes(MAX_BODY + 1)))
    if operation.job:
        _hold(subject, operation, _call(subject, operation, NOBODYS[0], key))
        for _ in range(3):
            target.elapse(_LIFE / 2)
            _hold_own(subject, operation, _call(subject, operation, job, key))
        for end in ("FAILED", "ERROR"):
            subject.force(key, f"other-{end}", {"queued": 0, "processing": 0, "end": end, "error": "forced"})
            bad = subject.accept(key)[0].id
            for _ in range(3):
                _hold_own(subject, operation, _call(subject, operation, bad, key))
    # Others are what a job makes of an answer, not what the provider refuses with.
    for status in sorted(operation.statuses & subject.api.wording.conditions.keys()):
        exchange = _call(subject, operation, job, key, {"Prefer": f"code={status}"})
        _hold(subject, operation, exchange)
        if status >= 400 and operation.role in ("status", "result") and exchange.status != status:
            raise Broken(f"asked for {status}, it answered {exchange.status}", exchange)


def _meet_some(subject: Subject) -> None:
    """Ask for a job as anybody can: without a key, for nobody's, for one that runs and for one that ended."""
    asked = [operation for operation in _others(subject) if operation.job and operation.role != "keep"]
    if not asked:
        return
    key = subject.target.fresh_key()
    for operation in asked:
        _hold(subject, operation, _call(subject, operation, NOBODYS[1], None))
        _hold(subject, operation, _call(subject, operation, NOBODYS[1], key))
    running = subject.accept(key)[0].id
    for operation in asked:
        _hold(subject, operation, _call(subject, operation, running, key))
    walk = subject.walk()
    with_its_key = walk.last()[0].headers
    for operation in asked:
        _hold(subject, operation, _call(subject, operation, walk.accepted.id, None, with_its_key))


def _ticket(subject: Subject, operation: Operation, key: str) -> tuple[str, bytes]:
    """Ask for a place to put a file: what names it in an address, and a file of the announced size."""
    tickets = [one for one in subject.api.operations if one.role == "ticket"]
    before, _, after = re.sub(r"\\{[^{}]+\\}", "\0", re.escape(operation.path)).partition("\0")
    for ticket in tickets:
        exchange = _call(subject, ticket, "", key)
        if found := re.search(f'{before}([^/"?]+){after}', exchange.content.decode("utf-8", "replace")):
            return found[1], bytes(int(subject.api.example(ticket).get("size", 0)))
    raise NotReached(f"no answer had the address of {operation.id}")


def _call(
    subject: Subject,
    operation: Operation,
    job: str,
    key: str | None,
    more: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Exchange:
    path = re.sub(r"\{[^{}]+\}", quote(job, safe="") or "unknown", operation.path)
    headers = {**subject.credentials(key), **(more or {})}
    if operation.method != "GET":
        headers["Content-Type"] = "application/json"
        if operation.form and not body:
            headers["Content-Type"] = "multipart/form-data; boundary=check"
            body = _FORM.replace(b"NAME", operation.file.encode())
        named = operation.job and path == operation.path
        example = {operation.job: job} if named else subject.api.example(operation)
        body = body or json.dumps(example).encode()
    return subject.target.call(operation.method, path, headers, body)


def _hold_own(subject: Subject, operation: Operation, exchange: Exchange) -> None:
    """Hold an answer about a job that is there to the document; a poll that crashes is another's."""
    if operation.role != "status" or exchange.status < 500:
        _hold(subject, operation, exchange)


def _hold(subject: Subject, operation: Operation, exchange: Exchange) -> None:
    complaint = next(subject.api.complaints(operation, exchange, but=subject.unknown_words()), None)
    if complaint is not None:
        raise Broken(f"{operation.id}: {complaint}", exchange)


def validated(subject: Subject) -> None:
    """A body that is not a JSON object, or lacks a required parameter, is refused."""
    key = subject.target.fresh_key()
    whole = subject.api.example(subject.operation)
    required = subject.api.required(subject.operation)
    lacking = [{one: value for one, value in whole.items() if one != name} for name in required]
    bodies = [b"{", b"[]", *(json.dumps(body).encode() for body in lacking)]
    subject.force_at_once(key)  # a body that is taken makes a job that the answer may wait for
    answered = [subject.submit(key, body) for body in bodies]
    # A server that refuses everything has not looked at a body.
    subject.must_accept(key)
    for exchange in answered:
        if not 400 <= exchange.status < 500:
            raise Broken(f"answered {exchange.status}", exchange)


def media(subject: Subject) -> None:
    """A job's files can be downloaded without a key, and have the stated media type."""
    files = _files(subject)
    if not files:
        raise NotReached("no answer had the address of a file")
    for url, said, evidence in files:
        if url and not is_absolute(url):
            raise Broken(f"its address is {url!r}, which is no absolute address", evidence)
        exchange = subject.target.call("GET", url) if url else evidence
        if exchange.status != 200 or not exchange.content:
            raise Broken(f"{exchange.status} with {len(exchange.content)} bytes", evidence, exchange)
        kind = said or exchange.kind
        if exchange.kind != kind:
            raise Broken(
                f"its stated type is {kind}, but it is served as {exchange.kind or 'nothing'}",
                evidence,
                exchange,
            )
        magic = _MAGIC.get(kind)
        if magic is None and kind != "application/octet-stream":
            raise Broken(f"{kind!r} is an unknown media type", evidence, exchange)
        if magic is not None and not re.match(magic, exchange.content, re.DOTALL):
            raise Broken(f"served as {kind}, but begins {exchange.content[:12]!r}", evidence, exchange)


def _files(subject: Subject) -> list[tuple[str, str, Exchange]]:
    """Return each file's address, stated type, and the answer with both; "" for the submit's own answer."""
    if not subject.queues:
        key = subject.target.fresh_key()
        subject.force_at_once(key)
        exchange = subject.submit(key)
        if exchange.status != 200:
            raise subject.refused(exchange)
        return [("", "", exchange)]
    evidence, view = subject.walk().last()
    if view.state != "COMPLETED":
        raise NotReached(f"the job ended {view.word}")
    result = subject.api.result_of(subject.operation)
    if not view.outputs and result is not None:
        headers = {name: evidence.headers[name] for name in evidence.headers}
        url = subject.target.base_url + result.path.replace(f"{{{result.job}}}", view.id)
        evidence = subject.target.call(result.method, url, headers)
        urls, media_type = subject.dialect.files(evidence.json)
        return [(url, media_type, evidence) for url in urls]
    return [(url, view.media_type, evidence) for url in view.outputs]


_OUTPUT = Topic("files")

ANSWERS = (
    Check("answers-as-documented", Severity.MUST, _DOCUMENT, as_documented, queued, free=True),
    Check("every-documented-status", Severity.MUST, _DOCUMENT, every_status, always),
    Check("every-other-status", Severity.MUST, _DOCUMENT, every_other_status, always, needs=_has_others),
    Check("body-is-validated", Severity.MUST, _INVALID, validated, always),
    Check("media", Severity.MUST, _OUTPUT, media, always, free=True),
)
