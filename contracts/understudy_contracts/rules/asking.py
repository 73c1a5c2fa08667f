"""Rules about a single request: its key, its address and its body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from understudy_contracts.findings import Severity
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.routes import compare
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Talk
from understudy_mock.domain.model import Operation

_UNKNOWN = "undocumented parameter: "

_QUESTIONS = frozenset({"HEAD", "OPTIONS"})
"""Methods that only ask about an address."""

_NO_SUCH_ROUTE = frozenset({404, 405})
"""Answers that say that an address, or a method of it, is not there. Others leave that open."""

_LONGEST_PATH = 200
"""Characters of a path that a finding shows."""

_NOT_SIMULATED = "Nothing needs fixing. To have it simulated and judged, give its document with --specs."


def _undocumented_parameter(talk: Talk) -> Iterator[Breach]:
    seen = set()
    for call in talk.calls:
        for warning in call.entry.warnings or _of_a_refused(call):
            name = warning.removeprefix(_UNKNOWN)
            if warning.startswith(_UNKNOWN) and (call.entry.operation, name) not in seen:
                seen.add((call.entry.operation, name))
                text = f"{call.entry.operation} documents no parameter {name!r}"
                yield Breach(text, (call,), brief=f"{name!r} of {call.entry.operation}")


def _of_a_refused(call: Exchange) -> Iterable[str]:
    """Return the warnings about a body that the gateway refused before it looked for any."""
    check = call.operation.body if call.operation is not None else None
    if check is None or not call.error_kinds or not isinstance(call.request, dict):
        return ()
    try:
        return check.advice(call.request)
    except ValueError:  # nested deeper than the validator goes
        return ()


def _undocumented_route(talk: Talk) -> Iterator[Breach]:
    for call in talk.of("unknown"):
        entry = call.entry
        if entry.method in _QUESTIONS:
            continue
        # A path that begins with two slashes is not a host.
        if entry.url.startswith("/"):
            path = entry.url.partition("?")[0].removeprefix(talk.mounts.get(entry.provider, ""))
        else:
            path = urlsplit(entry.url).path
        operations = _documented(call, talk)
        providers = dict.fromkeys(operation.provider for operation in operations)
        wordings = [talk.wordings[name] for name in providers if name in talk.wordings]
        elsewhere = [known for wording in wordings for known in wording.elsewhere]
        route = compare(entry.method, path, operations, elsewhere, talk.jobs)
        is_refused = entry.status in _NO_SUCH_ROUTE
        asked = f"{entry.method} {path[:_LONGEST_PATH]}{' …' if len(path) > _LONGEST_PATH else ''}"
        hint = f"did you mean {route.meant}?" if route.meant and is_refused else ""
        brief = f"{asked} ({hint})" if hint else asked
        if route.contradicts and is_refused:
            yield Breach(f"no document has {asked}: {hint}", (call,), brief=brief)
            continue
        why = "is documented, but not simulated here" if route.is_documented else "is not simulated here"
        text = f"{asked} {why}, so it is not judged{': ' if hint else ''}{hint}"
        yield Breach(text, (call,), Severity.INFO, advice=_NOT_SIMULATED, brief=brief)


def _documented(call: Exchange, talk: Talk) -> Sequence[Operation]:
    """Return the documented calls that may have been meant: at a host, those of its provider."""
    if call.entry.url.startswith("/"):
        return talk.operations  # one base URL for all providers
    return [operation for operation in talk.operations if operation.provider == call.entry.provider]


def _invalid_body(talk: Talk) -> Iterator[Breach]:
    for call in talk.calls:
        check = call.operation.body if call.operation is not None else None
        entry = call.entry
        if check is None or entry.request_size > len(entry.request_body):
            continue  # nothing is documented, or the journal holds only a part
        if not entry.request_body and entry.status < 400:
            continue  # the provider accepted it, so it had a body, which the recording lacks
        if not isinstance(call.request, dict):
            yield Breach("the body is not a JSON object", (call,))
            continue
        try:
            wrong = () if check.allows(call.request) else check.violations(call.request)
        except ValueError:  # nested deeper than the validator goes
            continue
        if wrong:
            text = "; ".join(f"{v.name or 'body'} {'is required' if v.missing else v.reason}" for v in wrong)
            yield Breach(text, (call,))


def _missing_key(talk: Talk) -> Iterator[Breach]:
    wanted = talk.claim.key if talk.claim is not None else ""
    calls = [call for call in talk.calls if _needs_key(call)]
    # An accepted call had a key: then the recording leaves keys out.
    shown = all(call.entry.key or call.broken or call.error_kinds for call in calls)
    for call in calls:
        if not call.entry.key:
            if shown and "auth" in call.error_kinds:
                yield Breach(f"{call.entry.operation} was called without the key", (call,))
        elif wanted and call.entry.key != wanted:
            yield Breach(f"{call.entry.operation} was called with another key", (call,))


def _needs_key(call: Exchange) -> bool:
    return call.operation is not None and bool(call.operation.credentials)


def _leaked_key(talk: Talk) -> Iterator[Breach]:
    keys = set(talk.keys.values())
    if talk.claim is not None and talk.claim.key:
        keys.add(talk.claim.key)
    # Where files and API share a host, nobody can see whether the key was meant for the API alone.
    for call in talk.elsewhere:
        if any(call.shows(key) for key in keys):
            yield Breach("the client sent the key to a host of files", (call,))


def _has_body(call: Exchange) -> bool:
    return call.operation is not None and call.operation.body is not None


RULES = (
    Rule(
        "undocumented-parameter",
        Severity.SHOULD,
        "the provider's documentation of the operation (see `understudy spec`)",
        "Remove it. It is ignored today, but the provider does not say that it always will be.",
        _undocumented_parameter,
        premise=lambda talk: any(map(_has_body, talk.calls)),
        harmless=True,
    ),
    Rule(
        "undocumented-route",
        Severity.MUST,
        "the provider's documentation (see `understudy spec`)",
        "Call only documented addresses, and addresses that an answer contained.",
        _undocumented_route,
        premise=lambda talk: any(call.part != "unknown" for call in talk.calls),
    ),
    Rule(
        "invalid-body",
        Severity.MUST,
        "the provider's documentation of the operation (see `understudy spec`)",
        "Send a JSON object that the documentation allows.",
        _invalid_body,
        premise=lambda talk: any(map(_has_body, talk.calls)),
    ),
    Rule(
        "missing-key",
        Severity.MUST,
        "the provider's documentation, Authentication",
        "Send the key with every call to the API, including polls.",
        _missing_key,
        premise=lambda talk: any(map(_needs_key, talk.calls)),
    ),
    Rule(
        "leaked-key",
        Severity.MUST,
        "the providers' documentation of results: files are on other hosts and need no key",
        "Download files with an HTTP client that does not have the key: they may be on any host.",
        _leaked_key,
        premise=lambda talk: bool(talk.elsewhere),
        harmless=True,
    ),
)
