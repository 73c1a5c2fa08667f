"""Rules about a single request: its key, its address and its body."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import SequenceMatcher
from urllib.parse import urlsplit

from understudy_contracts.findings import Severity
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Talk
from understudy_mock.domain.model import Operation

_UNKNOWN = "undocumented parameter: "

_QUESTIONS = frozenset({"HEAD", "OPTIONS"})
"""Methods that only ask about an address."""

_NOT_SIMULATED = "Nothing needs fixing. To have it simulated and judged, give its document with --specs."

_WORD = re.compile(r"[^-_.]+")
_VERSION = re.compile(r"\d[-_.]\d")

_LONG_WORD = 5
"""Letters of a word in which one wrong letter is a typing error: shorter words are names (i2v, t2v)."""

_SWAPPED_WORD = 4
"""Characters of a word in which two letters may be swapped: that makes a new name less often."""

_NEAR = 0.88
"""How alike (0 to 1) names are that one may be meant by the other: a few letters of a long word differ."""

_PREFIX = re.compile(r"api|v\d+")
"""What people leave out at the beginning of a path."""


def _undocumented_parameter(talk: Talk) -> Iterator[Breach]:
    seen = set()
    for call in talk.calls:
        for warning in call.entry.warnings or _of_a_refused(call):
            name = warning.removeprefix(_UNKNOWN)
            if warning.startswith(_UNKNOWN) and (call.entry.operation, name) not in seen:
                seen.add((call.entry.operation, name))
                yield Breach(f"{call.entry.operation} documents no parameter {name!r}", (call,))


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
        # A path that begins with two slashes is not a host.
        path = entry.url.partition("?")[0] if entry.url.startswith("/") else urlsplit(entry.url).path
        if entry.method in _QUESTIONS:
            continue
        if entry.status >= 400 and (meant := _contradicted(entry.method, path, talk.operations, talk.jobs)):
            yield Breach(f"no document has {entry.method} {path}: did you mean {meant}?", (call,))
        else:
            near = _nearest(entry.method, path, talk.operations) if entry.status >= 400 else ""
            hint = f": did you mean {near}?" if near else ""
            text = f"{entry.method} {path} is not simulated here, so it is not judged{hint}"
            yield Breach(text, (call,), Severity.INFO, advice=_NOT_SIMULATED)


def _contradicted(method: str, path: str, operations: Iterable[Operation], jobs: Collection[str]) -> str:
    """Return the documented call that a call contradicts: by its method, or by one misspelt name.

    A call that the documents only lack contradicts none: another model, another version, or another method
    may be documented elsewhere. `jobs` are the ids of known jobs.
    """
    asked = path.split("/")
    routes = [(operation, operation.path.split("/")) for operation in operations]
    same_length = [(operation, parts) for operation, parts in routes if len(parts) == len(asked)]
    names = {part for _, parts in routes for part in parts}
    for operation, parts in same_length:
        wrong = [(name, part) for name, part in zip(asked, parts, strict=True) if not _fits(name, part)]
        is_swapped = {operation.method, method} == {"GET", "POST"}
        if not wrong and is_swapped and _is_certain(operation, parts, asked, jobs):
            return f"{operation.method} {operation.path}"
        if (
            len(wrong) == 1
            and operation.method == method
            and wrong[0][0] not in names
            and (_misspelt(*wrong[0]) or (_names_a_job(parts, asked, jobs) and _is_one_off(*wrong[0])))
        ):
            return f"{operation.method} {operation.path}"
    return ""


def _nearest(method: str, path: str, operations: Iterable[Operation]) -> str:
    """Return a documented call that may have been meant; "" where none is near.

    Nobody knows: the vendor may have another model or version of that name.
    """
    asked = [name for name in path.split("/") if name]
    for operation in operations:
        parts = operation.path.strip("/").split("/")
        before, same = parts[: len(parts) - len(asked)], parts[len(parts) - len(asked) :]
        if operation.method != method or len(same) != len(asked) or not all(map(_PREFIX.fullmatch, before)):
            continue
        wrong = [(name, part) for name, part in zip(asked, same, strict=True) if not _fits(name, part)]
        names = {part for part in same if not part.startswith("{")}
        if not wrong or (not before and len(wrong) == 1 and len(names) > 1 and _is_near(*wrong[0])):
            return f"{operation.method} {operation.path}"
    return ""


def _is_near(name: str, part: str) -> bool:
    """Return whether two names are alike, and differ in no digit: other digits are another version."""
    digits, others = (re.sub(r"\D", "", text) for text in (name, part))
    return digits == others and SequenceMatcher(None, name.lower(), part.lower()).ratio() >= _NEAR


def _names_a_job(parts: list[str], asked: list[str], jobs: Collection[str]) -> bool:
    """Return whether the id of a known job stands where an id is documented: then that call is meant."""
    return any(name in jobs for name, part in zip(asked, parts, strict=True) if part.startswith("{"))


def _from_first_difference(word: str, meant: str) -> tuple[str, str]:
    shorter = min(len(word), len(meant))
    start = next((at for at in range(shorter) if word[at] != meant[at]), shorter)
    return word[start:], meant[start:]


def _is_one_off(word: str, meant: str) -> bool:
    """Return whether a long word has one letter missing, too many or wrong, such as a plural's."""
    if len(meant) < _LONG_WORD or not (word + meant).isalpha():
        return False
    rest, expected = _from_first_difference(word, meant)
    return expected[1:] in (rest, rest[1:]) or rest[1:] == expected


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
    """Return whether a name is another one with a typing error, and hardly a model of its own.

    Models differ in digits (v5, v5.6), in short words (i2v, t2v) and in endings: those are no errors.
    """
    words, others = (_WORD.findall(text.lower()) for text in (name, meant))
    if words == others or "".join(words) == "".join(others):
        # Only capitals and separators differ. A separator between digits makes a version.
        return not _VERSION.search(name + " " + meant)
    if len(words) != len(others):
        return False
    wrong = [(word, other) for word, other in zip(words, others, strict=True) if word != other]
    return len(wrong) == 1 and _is_slip(*wrong[0])


def _is_slip(word: str, meant: str) -> bool:
    """Return whether a long word has two letters swapped, or one extra, missing or wrong before its end."""
    rest, expected = _from_first_difference(word, meant)
    is_swapped = rest[:2] == expected[1::-1] and rest[2:] == expected[2:] and rest[:2].isalpha()
    if is_swapped and len(meant) >= _SWAPPED_WORD:
        return True
    return _is_one_off(word, meant) and word[-1] == meant[-1]


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
