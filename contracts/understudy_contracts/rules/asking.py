"""Rules about a single request: its key, its address and its body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Exchange, Talk

_UNKNOWN = "undocumented parameter: "


def _undocumented_parameter(talk: Talk) -> Iterator[Breach]:
    seen = set()
    for one in talk.calls:
        for warning in one.entry.warnings or _of_a_refused(one):
            name = warning.removeprefix(_UNKNOWN)
            if warning.startswith(_UNKNOWN) and (one.entry.operation, name) not in seen:
                seen.add((one.entry.operation, name))
                yield Breach(f"{one.entry.operation} documents no parameter {name!r}", (one,))


def _of_a_refused(one: Exchange) -> Iterable[str]:
    """Say what there is to say of a body that the gateway has refused before it looked for this."""
    check = one.operation.body if one.operation is not None else None
    if check is None or not one.kinds or not isinstance(one.asked, dict):
        return ()
    try:
        return check.advice(one.asked)
    except ValueError:  # nested deeper than the validator goes
        return ()


def _undocumented_route(talk: Talk) -> Iterator[Breach]:
    for one in talk.of("unknown"):
        path = one.entry.url.partition("?")[0]
        yield Breach(f"no document has {one.entry.method} {path}", (one,))


def _invalid_body(talk: Talk) -> Iterator[Breach]:
    for one in talk.calls:
        check = one.operation.body if one.operation is not None else None
        entry = one.entry
        if check is None or entry.request_size > len(entry.request_body):
            continue  # nothing is documented, or the journal has cut it
        if not isinstance(one.asked, dict):
            yield Breach("the body is not a JSON object", (one,))
            continue
        try:
            wrong = () if check.allows(one.asked) else check.violations(one.asked)
        except ValueError:  # nested deeper than the validator goes
            continue
        if wrong:
            told = "; ".join(f"{v.name or 'body'} {'is required' if v.missing else v.reason}" for v in wrong)
            yield Breach(told, (one,))


def _missing_key(talk: Talk) -> Iterator[Breach]:
    wanted = talk.claim.key if talk.claim is not None else ""
    for one in talk.calls:
        if one.operation is None or not one.operation.credentials:
            continue
        if not one.entry.key:
            yield Breach(f"{one.entry.operation} was called without the key", (one,))
        elif wanted and one.entry.key != wanted:
            yield Breach(f"{one.entry.operation} was called with another key", (one,))


def _leaked_key(talk: Talk) -> Iterator[Breach]:
    keys = set(talk.keys.values())
    if talk.claim is not None and talk.claim.key:
        keys.add(talk.claim.key)
    # Where files and API share an origin, a client that sends the key there alone looks the same.
    for one in talk.elsewhere:
        if any(one.carries(key) for key in keys if key):
            yield Breach("the key went to where files are fetched", (one,))


RULES = (
    Rule(
        "undocumented-parameter",
        Severity.SHOULD,
        "the provider's documentation of the operation (specs/)",
        "Leave it out: it is ignored today, and what it does tomorrow nobody says.",
        _undocumented_parameter,
    ),
    Rule(
        "undocumented-route",
        Severity.MUST,
        "the provider's documentation (specs/)",
        "Call documented addresses, and those that an answer named.",
        _undocumented_route,
    ),
    Rule(
        "invalid-body",
        Severity.MUST,
        "the provider's documentation of the operation (specs/)",
        "Send JSON that the documentation allows.",
        _invalid_body,
    ),
    Rule(
        "missing-key",
        Severity.MUST,
        "the provider's documentation, Authentication",
        "Send the key with every call to the API, polls included.",
        _missing_key,
    ),
    Rule(
        "leaked-key",
        Severity.MUST,
        "the providers' documentation of results: files lie on other hosts and need no key",
        "Fetch files with a client that does not know the key: they may be on anybody's host.",
        _leaked_key,
    ),
)
