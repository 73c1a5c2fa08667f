"""Rules about a single request: its key, its address and its body."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import urlsplit

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Exchange, Talk
from understudy_mock.domain.model import Operation

_UNKNOWN = "undocumented parameter: "

_QUESTIONS = frozenset({"HEAD", "OPTIONS"})
"""Methods that ask about an address, and do nothing there."""

_NOT_SIMULATED = "Nothing has to be mended: give its document with --specs to have it simulated and judged."

_WORD = re.compile(r"[^-_.]+")
_VERSION = re.compile(r"\d[-_.]\d")

_LONG_WORD = 5
"""Letters of a word in which one wrong letter is a slip: shorter ones are names (i2v, t2v)."""


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
        entry = one.entry
        path = urlsplit(entry.url).path
        if entry.method in _QUESTIONS:
            continue
        if entry.status >= 400 and (meant := _contradicted(entry.method, path, talk.operations, talk.jobs)):
            yield Breach(f"no document has {entry.method} {path}: did you mean {meant}?", (one,))
        else:
            text = f"{entry.method} {path} is not simulated here, and so it is not judged"
            yield Breach(text, (one,), Severity.INFO, advice=_NOT_SIMULATED)


def _contradicted(method: str, path: str, operations: Iterable[Operation], jobs: Collection[str]) -> str:
    """Name the documented call that a call contradicts: by its method, or by one name that is misspelt.

    What is only missing in the documents contradicts none: another model, another version, another method
    that may well be documented elsewhere. `jobs` are the ids of known jobs.
    """
    asked = path.split("/")
    routes = [(one, one.path.split("/")) for one in operations]
    same_length = [(one, parts) for one, parts in routes if len(parts) == len(asked)]
    names = {part for _, parts in routes for part in parts}
    for one, parts in same_length:
        wrong = [(name, part) for name, part in zip(asked, parts, strict=True) if not _fits(name, part)]
        if not wrong and {one.method, method} == {"GET", "POST"} and _is_certain(one, parts, asked, jobs):
            return f"{one.method} {one.path}"
        if len(wrong) == 1 and one.method == method and wrong[0][0] not in names and _misspelt(*wrong[0]):
            return f"{one.method} {one.path}"
    return ""


def _is_certain(operation: Operation, parts: list[str], asked: list[str], jobs: Collection[str]) -> bool:
    """Return whether a path can mean nothing but this operation: a submit, or a call about a known job.

    Vendors have more methods at their lists, and words such as `delete` where an id may stand. Ids have
    digits.
    """
    values = [name for name, part in zip(asked, parts, strict=True) if part.startswith("{")]
    return operation.role in ("submit", "status", "result") and all(
        value in jobs or any(map(str.isdigit, value)) for value in values
    )


def _fits(name: str, part: str) -> bool:
    return name == part or (part.startswith("{") and name != "")


def _misspelt(name: str, meant: str) -> bool:
    """Tell whether a name is another with a slip of the pen, and cannot well be a model of its own.

    Models differ in digits (v5, v5.6), in short words (i2v, t2v) and in endings: those are no slips.
    """
    words, others = (_WORD.findall(one.lower()) for one in (name, meant))
    if words == others or "".join(words) == "".join(others):
        # Capitals and separators alone; where a separator stands between digits, it makes a version.
        return not _VERSION.search(name + " " + meant)
    if len(words) != len(others):
        return False
    wrong = [(word, other) for word, other in zip(words, others, strict=True) if word != other]
    return len(wrong) == 1 and _is_slip(*wrong[0])


def _is_slip(word: str, meant: str) -> bool:
    """Tell whether a long word has two letters swapped, or one too many, too few or wrong before its end."""
    if len(meant) < _LONG_WORD or not (word + meant).isalpha():
        return False
    shorter = min(len(word), len(meant))
    start = next((at for at in range(shorter) if word[at] != meant[at]), shorter)
    rest, expected = word[start:], meant[start:]
    swapped = rest[:2] == expected[1::-1] and rest[2:] == expected[2:]
    one_off = expected[1:] in (rest, rest[1:]) or rest[1:] == expected
    return swapped or (one_off and word[-1] == meant[-1])


def _invalid_body(talk: Talk) -> Iterator[Breach]:
    for one in talk.calls:
        check = one.operation.body if one.operation is not None else None
        entry = one.entry
        if check is None or entry.request_size > len(entry.request_body):
            continue  # nothing is documented, or the journal has cut it
        if not entry.request_body and entry.status < 400:
            continue  # what was taken had a body, and whoever recorded it left that out
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
    calls = [one for one in talk.calls if _needs_key(one)]
    # Where a call was taken, a key was there: whoever recorded it has left keys out.
    shown = all(one.entry.key or one.broken or one.kinds for one in calls)
    for one in calls:
        if not one.entry.key:
            if shown and "auth" in one.kinds:
                yield Breach(f"{one.entry.operation} was called without the key", (one,))
        elif wanted and one.entry.key != wanted:
            yield Breach(f"{one.entry.operation} was called with another key", (one,))


def _needs_key(one: Exchange) -> bool:
    return one.operation is not None and bool(one.operation.credentials)


def _leaked_key(talk: Talk) -> Iterator[Breach]:
    keys = set(talk.keys.values())
    if talk.claim is not None and talk.claim.key:
        keys.add(talk.claim.key)
    # Where files and API share a host, a client that sends the key there alone looks the same.
    for one in talk.elsewhere:
        if any(one.shows(key) for key in keys):
            yield Breach("the key went to where files are fetched", (one,))


def _has_body(one: Exchange) -> bool:
    return one.operation is not None and one.operation.body is not None


RULES = (
    Rule(
        "undocumented-parameter",
        Severity.SHOULD,
        "the provider's documentation of the operation, as `understudy spec` has it",
        "Leave it out: it is ignored today, and what it does tomorrow nobody says.",
        _undocumented_parameter,
        premise=lambda talk: any(map(_has_body, talk.calls)),
        harmless=True,
    ),
    Rule(
        "undocumented-route",
        Severity.MUST,
        "the provider's documentation, as `understudy spec` has it",
        "Call documented addresses, and those that an answer named.",
        _undocumented_route,
        premise=lambda talk: bool(talk.calls),
    ),
    Rule(
        "invalid-body",
        Severity.MUST,
        "the provider's documentation of the operation, as `understudy spec` has it",
        "Send JSON that the documentation allows.",
        _invalid_body,
        premise=lambda talk: any(map(_has_body, talk.calls)),
    ),
    Rule(
        "missing-key",
        Severity.MUST,
        "the provider's documentation, Authentication",
        "Send the key with every call to the API, polls included.",
        _missing_key,
        premise=lambda talk: any(map(_needs_key, talk.calls)),
    ),
    Rule(
        "leaked-key",
        Severity.MUST,
        "the providers' documentation of results: files lie on other hosts and need no key",
        "Fetch files with a client that does not know the key: they may be on anybody's host.",
        _leaked_key,
        premise=lambda talk: bool(talk.elsewhere),
        harmless=True,
    ),
)
