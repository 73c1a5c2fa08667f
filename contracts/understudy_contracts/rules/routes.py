"""What an address that no document has may mean: which documented call it contradicts, or is near.

A call contradicts a documented one by its method, or by one misspelt word, where nothing else can be meant.
A call that the documents only lack contradicts none: another model, version or method may be documented
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from understudy_mock.domain.model import Operation

_ONE_METHOD = frozenset({"submit", "status", "result", "balance", "upload"})
"""Roles of addresses that do one thing. Lists, tickets and secrets may be read, made and removed."""

_OTHER_WORDS = frozenset({"stats", "state", "states"})
"""Words that are one letter off `status`, and that an address may well have."""

_WORD = re.compile(r"[^-_.]+")
_VERSION = re.compile(r"\d[-_.]\d")
_PREFIX = re.compile(r"api|v\d+")
"""What people leave out at the beginning of a path."""

_LONG_WORD = 5
"""Letters of a word in which one wrong letter is a typing error: shorter words are names (i2v, t2v)."""

_SWAPPED_WORD = 4
"""Characters of a word in which two letters may be swapped: that makes a new name less often."""

_NEAR = 0.88
"""How alike (0 to 1) names are that one may be meant by the other: a few letters of a long word differ."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a call without a document may mean. `meant` is a documented call, "" where none is near.

    `contradicts` says that nothing else can be meant, `is_documented` that the vendor documents this call.
    """

    meant: str = ""
    contradicts: bool = False
    is_documented: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A documented call that has as many names in its path as the call that was made."""

    operation: Operation
    parts: list[str]
    asked: list[str]

    @property
    def text(self) -> str:
        return f"{self.operation.method} {self.operation.path}"

    @property
    def ids(self) -> list[str]:
        """What stands where the document has an id."""
        return [name for name, part in zip(self.asked, self.parts, strict=True) if part.startswith("{")]

    @property
    def wrong(self) -> list[int]:
        """The places where another name stands than the documented one."""
        return [place for place, name in enumerate(self.asked) if not _fits(name, self.parts[place])]


def compare(
    method: str,
    path: str,
    operations: Iterable[Operation],
    elsewhere: Collection[tuple[str, str]],
    jobs: Collection[str],
) -> Route:
    """Compare a call with the documented ones.

    `elsewhere` are the method and path of calls that the vendor documents and no spec here holds. `jobs` are
    the ids of known jobs.
    """
    asked = path.split("/")
    operations = list(operations)
    if _is_among(method, asked, elsewhere):
        return Route(is_documented=True)
    routes = [_Candidate(operation, operation.path.split("/"), asked) for operation in operations]
    same_length = [one for one in routes if len(one.parts) == len(asked)]
    for one in same_length:
        if not one.wrong and method != one.operation.method and _are_ids(one.ids, jobs):
            return _with_another_method(method, one)
    names = {part for one in routes for part in one.parts} | {
        part for _, path in elsewhere for part in path.split("/")
    }
    for one in same_length:
        is_near = method == one.operation.method and len(one.wrong) == 1
        if is_near and asked[one.wrong[0]] not in names and _is_misspelt(one, one.wrong[0]):
            return Route(one.text, contradicts=True)
    return Route(_nearest(method, asked, operations))


def _is_among(method: str, asked: list[str], calls: Iterable[tuple[str, str]]) -> bool:
    """Return whether a call is one of some documented ones."""
    return any(
        method == documented and len(parts := path.split("/")) == len(asked) and all(map(_fits, asked, parts))
        for documented, path in calls
    )


def _fits(name: str, part: str) -> bool:
    return name == part or (part.startswith("{") and name != "")


def _are_ids(values: list[str], jobs: Collection[str]) -> bool:
    """Return whether no word such as `delete` stands where an id may stand. Ids have digits."""
    return all(value in jobs or any(map(str.isdigit, value)) for value in values)


def _with_another_method(method: str, meant: _Candidate) -> Route:
    """Compare a call of a documented path with another method.

    At the address of a job, others than GET and POST do something else with it: they remove or change it.
    """
    is_swapped = {method, meant.operation.method} == {"GET", "POST"}
    contradicts = meant.operation.role in _ONE_METHOD and (is_swapped or not meant.ids)
    return Route(meant.text if contradicts or is_swapped else "", contradicts)


def _is_misspelt(meant: _Candidate, place: int) -> bool:
    """Return whether the name at a place is the documented one with a typing error, and nothing else."""
    name, part = meant.asked[place], meant.parts[place]
    if name in _OTHER_WORDS:
        return False
    words, others = (_WORD.findall(text.lower()) for text in (name, part))
    if words == others or "".join(words) == "".join(others):
        # Only capitals and separators differ. A separator between digits makes a version.
        return not _VERSION.search(name + " " + part)
    if len(words) != len(others):
        return False
    wrong = [(word, other) for word, other in zip(words, others, strict=True) if word != other]
    if len(wrong) != 1 or not _is_slip(*wrong[0]):
        return False
    if _may_be_a_model(meant, place):
        # Names of models differ in endings, too: no error that can be told from another name.
        return wrong[0][0][-1] == wrong[0][1][-1] or _is_swapped(*wrong[0])
    is_end = place == len(meant.parts) - 1 and not meant.ids
    # A list and one of its things may have addresses of their own (upload, uploads).
    return not (is_end and name.rstrip("s") == part.rstrip("s"))


def _may_be_a_model(meant: _Candidate, place: int) -> bool:
    """Return whether another name at this place may be another model's.

    It may in a submit, or a result that goes without an id, unless the rest of the path names the model.
    """
    operation = meant.operation
    if operation.role != "submit" and (operation.role != "result" or meant.ids):
        return False
    model = operation.model.id if operation.model is not None else meant.parts[place]
    rest = [*meant.asked[:place], *meant.asked[place + 1 :]]
    return not any(name.startswith(model) or model.startswith(f"{name}-") for name in rest)


def _is_slip(word: str, meant: str) -> bool:
    """Return whether a long word has two letters swapped, or one missing, too many or wrong."""
    if _is_swapped(word, meant):
        return True
    if len(meant) < _LONG_WORD or not (word + meant).isalpha():
        return False
    rest, expected = _from_first_difference(word, meant)
    return expected[1:] in (rest, rest[1:]) or rest[1:] == expected


def _is_swapped(word: str, meant: str) -> bool:
    rest, expected = _from_first_difference(word, meant)
    is_swapped = rest[:2] == expected[1::-1] and rest[2:] == expected[2:] and rest[:2].isalpha()
    return is_swapped and len(meant) >= _SWAPPED_WORD


def _from_first_difference(word: str, meant: str) -> tuple[str, str]:
    shorter = min(len(word), len(meant))
    start = next((at for at in range(shorter) if word[at] != meant[at]), shorter)
    return word[start:], meant[start:]


def _nearest(method: str, asked: list[str], operations: Iterable[Operation]) -> str:
    """Return a documented call that may have been meant; "" where none is near.

    Nobody knows: the vendor may have another model or version of that name.
    """
    asked = [name for name in asked if name]
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
    """Return whether two names are alike, and differ in no digit: other digits are another version.

    A short name with a wrong letter is another name (t2v, i2v); with one missing or too many it is near.
    """
    name, part = name.lower(), part.lower()
    digits, others = (re.sub(r"\D", "", text) for text in (name, part))
    rest, expected = _from_first_difference(name, part)
    is_longer_by_one = rest == expected[1:] or rest[1:] == expected
    return digits == others and (is_longer_by_one or SequenceMatcher(None, name, part).ratio() >= _NEAR)
