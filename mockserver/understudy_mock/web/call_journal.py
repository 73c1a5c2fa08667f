"""Write a provider call into the journal."""

from __future__ import annotations

from starlette.types import Scope

from understudy_mock.domain.call import JSON, Answer, Call
from understudy_mock.gateway.journal import A_HEADER, AN_ENTRY, JournalEntry, cut
from understudy_mock.gateway.world import World
from understudy_mock.web.protocol import PROCESS
from understudy_mock.web.routes import Found

_NONE: dict[str, int] = {}


def write_call(
    world: World,
    scope: Scope,
    found: Found,
    call: Call,
    answer: Answer,
    *,
    at: int,
    took: float,
    head_size: int,
    error: str,
    connected: int,
    connection: int,
) -> None:
    """Keep a call and its answer as it was sent.

    `at`, `took` (the duration), `error`, `connected` and `connection` are those of the entry. `head_size` is
    in bytes, of the request's path, query and headers.
    """
    journal = world.journal
    query = scope["query_string"]
    response_body = cut(answer.body) if _is_text(answer) else b""
    kept = AN_ENTRY + head_size + len(call.body) + len(response_body)
    kept += A_HEADER * (len(scope["headers"]) + len(answer.headers))
    if call.warnings:
        kept += sum(map(len, call.warnings))
    kept += len(call.why)
    target = scope.get("raw_path") or scope["path"].encode()
    if scope["scheme"] == "https":  # under a provider's own name: whoever reads it must be able to tell
        target = b"https://" + call.headers.get(b"host", b"localhost") + target
    journal.append(
        JournalEntry(
            number=journal.next_number,
            at=at,
            duration=took,
            key=call.key,
            account=call.account,
            provider=found.provider,
            operation=found.operation.id if found.operation is not None else "",
            method=call.method,
            url=(target + b"?" + query if query else target).decode("latin-1"),
            http_version=scope["http_version"],
            request_headers=scope["headers"],
            request_body=call.body,
            request_size=call.size,
            status=answer.status,
            response_headers=answer.headers,
            response_body=response_body,
            response_size=len(answer.body),
            kept=kept,
            job=call.job,
            scenario=call.scenario,
            fault=str(answer.fault.fault) if answer.fault is not None else "",
            error=error,
            warnings=tuple(call.warnings) if call.warnings else (),
            drift=world.clock.drift(),
            connected=connected,
            connection=connection,
            process=scope.get("extensions", _NONE).get(PROCESS, 0),
            why=call.why,
        )
    )


def _is_text(answer: Answer) -> bool:
    """Return whether the body is text; the journal keeps no part of a file."""
    if answer.headers and answer.headers[0] is JSON:
        return True  # nearly all of them
    kind = next((value for name, value in answer.headers if name == b"content-type"), b"")
    return kind.startswith((b"application/json", b"text/"))
