"""Find every regular expression of the program and run each against long runs of its own characters.

`python -m tests.patterns.attack` prints a line for each pattern that is not linear in its text, and for each
call of `re` whose pattern cannot be read from the source and is not known below.
"""

from __future__ import annotations

import ast
import importlib
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

_ROOTS = tuple(Path(__file__).parents[2] / root for root in ("mockserver", "contracts"))
_METHODS = frozenset({"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"})

_LONG = 15_000
"""Characters of a run. A linear pattern is through in less than 1 ms of CPU, a quadratic one not in 0.1 s."""

_PATIENCE = 0.03
"""Seconds of CPU that one pattern may take for one text."""

_POOL = "a0 .-_\"'\\/;,:=<>[]{}()@%&?#x\nZ9\t\x00\x7f\xe9"

NOT_LITERAL = {
    # What is put into these patterns is escaped, and so are as many characters as it has.
    "understudy_contracts/rules/show.py": 1,
    "understudy_contracts/server/again.py": 2,
    "understudy_contracts/server/promises/answers.py": 2,
    "understudy_contracts/server/spec.py": 1,
    "understudy_contracts/server/target.py": 1,
    "understudy_mock/record/callbacks.py": 1,
    # The text of a pattern beside it, for texts in the place of bytes.
    "understudy_mock/replay/translate.py": 1,
}
"""How many calls of `re` in a file have a pattern that is made when it is used."""


class Use(NamedTuple):
    """One pattern and a method that it is used by. `place` is a file, and where there is one a line."""

    place: str
    pattern: str | bytes
    flags: int
    method: str


def uses() -> tuple[list[Use], list[str]]:
    """Find all uses of patterns, and say what was not expected."""
    found: list[Use] = []
    complaints: list[str] = []
    for root in _ROOTS:
        for file in sorted(root.rglob("*.py")):
            name = file.relative_to(root).as_posix()
            made = list(_uses_in(name, ast.parse(file.read_text(encoding="utf-8"))))
            found += [use for use in made if isinstance(use, Use)]
            unread = [place for place in made if isinstance(place, str)]
            if len(unread) != NOT_LITERAL.get(name, 0):
                complaints.append(f"{name}: patterns that are not literal: {', '.join(unread)}")
    return found, complaints


def _uses_in(name: str, tree: ast.Module) -> Iterator[Use | str]:
    methods: dict[str, set[str]] = {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            methods.setdefault(call.func.value.id, set()).add(call.func.attr)
    compiled = {id(node) for outer in tree.body for node in ast.walk(outer) if not _is_function(outer)}
    at_module_level = False
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _of_re(node)):
        assert isinstance(call.func, ast.Attribute)
        place = f"{name}:{call.lineno}"
        if call.func.attr == "compile" and id(call) in compiled:
            at_module_level = True
        elif call.func.attr in _METHODS | {"compile"}:
            try:
                pattern = ast.literal_eval(call.args[0])
            except ValueError:
                yield place
            else:
                for method in _METHODS if call.func.attr == "compile" else [call.func.attr]:
                    yield Use(place, pattern, 0, method)
    if at_module_level:
        module = importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for owner, pattern in _patterns_in(vars(module)):
            used = methods.get(owner, set()) & _METHODS or _METHODS
            yield from (Use(f"{name}:{owner}", pattern.pattern, pattern.flags, method) for method in used)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _of_re(call: ast.Call) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "re"


def _patterns_in(values: dict[str, Any]) -> Iterator[tuple[str, re.Pattern[Any]]]:
    for owner, value in values.items():
        inside = [value]
        while inside:
            one = inside.pop()
            if isinstance(one, re.Pattern):
                yield owner, one
            elif isinstance(one, tuple | list | set | frozenset):
                inside += one
            elif isinstance(one, dict) and owner != "__builtins__":
                inside += one.values()


# -- texts


class Attack(NamedTuple):
    """A text: `prefix`, then `run` again and again, then `suffix`."""

    prefix: str
    run: str
    suffix: str

    def text(self) -> str:
        """Give the whole text."""
        return self.prefix + self.run * (_LONG // len(self.run)) + self.suffix


def attacks(pattern: str | bytes, flags: int) -> list[Attack]:
    """Make texts for a pattern: whatever it may repeat without end, at its place, and then a misfit."""
    source = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    # Private, but all there is that knows how a pattern is made.
    parser: Any = importlib.import_module("re._parser")
    tree = parser.parse(source, flags & ~re.UNICODE if isinstance(pattern, bytes) else flags)
    reader = _Reader(flags)
    whole = reader.sample(tree)
    alphabet = sorted(reader.alphabet | set(_POOL[:8]))
    suffixes = ["", "\n!", *(f"x{character}x" for character in alphabet)]
    made = [Attack(before, run, after) for before, run in reader.repeats for after in suffixes]
    if made:
        begun = {before + run[:more] for before, run in reader.repeats for more in (0, len(run))}
        runs = {whole, *alphabet, *begun} - {""}
        made += [Attack("", run, after) for run in runs for after in ("", "\n!")]
    return made


class _Reader:
    """Walks a parsed pattern: collects its characters, and what it repeats with what leads to it."""

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self.alphabet: set[str] = set()
        self.repeats: list[tuple[str, str]] = []

    def sample(self, items: Any, before: str = "") -> str:
        """Give a text that these parts of a pattern match, most likely."""
        text = ""
        for item in items:
            text += self._one(item, before + text)
        return text

    def _one(self, item: Any, before: str) -> str:
        name, told = str(item[0]), item[1]
        match name:
            case "LITERAL":
                self.alphabet.add(chr(told))
                return chr(told)
            case "NOT_LITERAL" | "ANY" | "IN":
                return self._accepted(item)[0]
            case "SUBPATTERN":
                return self.sample(told[-1], before)
            case "ATOMIC_GROUP":
                return self.sample(told, before)
            case "BRANCH":
                samples = [self.sample(branch, before) for branch in told[1]]  # each, for its repeats
                return samples[0]
            case "ASSERT" | "ASSERT_NOT":
                self.sample(told[1], before)
                return ""
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(told, before)
            case _:
                return ""

    def _repeat(self, told: Any, before: str) -> str:
        least, most, body = told
        text = self.sample(body, before)
        if int(most) > 50:
            single = len(body) == 1 and str(body[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN")
            runs = self._accepted(body[0]) if single else [text]
            self.repeats += [(before, run) for run in runs if run]
        return text * min(int(least), 50) or text

    def _accepted(self, item: Any) -> list[str]:
        """Give characters that one place of the pattern takes."""
        if str(item[0]) == "IN":
            for kind, inner in item[1]:
                if str(kind) == "LITERAL":
                    self.alphabet.add(chr(inner))
                elif str(kind) == "RANGE":
                    self.alphabet |= {chr(inner[0]), chr(min(inner[1], 0xFFFF))}
        parser: Any = importlib.import_module("re._parser")
        compiler: Any = importlib.import_module("re._compiler")
        state = parser.State()
        state.flags = self._flags
        state.str = ""
        one = compiler.compile(parser.SubPattern(state, [item]), self._flags)
        candidates = sorted(self.alphabet | set(_POOL))
        return [character for character in candidates if one.fullmatch(character)] or ["a"]


# -- the run


class TooLong(Exception):
    """A pattern has used up its CPU time."""


def _give_up(number: int, frame: FrameType | None) -> None:
    raise TooLong


def is_slow(use: Use) -> str:
    """Say which text a pattern takes too long for; "" where it is linear."""
    for attack in attacks(use.pattern, use.flags):
        # Twice: a machine may stumble once.
        if _takes_long(use, attack) and _takes_long(use, attack):
            return f"{attack.prefix[-40:]!r} + {attack.run[:40]!r} again and again + {attack.suffix!r}"
    return ""


def _takes_long(use: Use, attack: Attack) -> bool:
    method = getattr(re.compile(use.pattern, use.flags), use.method)
    text: Any = attack.text()
    if isinstance(use.pattern, bytes):
        text = text.encode("latin-1", "replace")
    signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE)
    try:
        if use.method in ("sub", "subn"):
            method(text[:0], text)
        elif use.method == "finditer":
            for _ in method(text):
                pass
        else:
            method(text)
    except TooLong:
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return False


def main() -> None:
    """Print what is wrong, a line each."""
    signal.signal(signal.SIGVTALRM, _give_up)
    found, complaints = uses()
    if len(sys.argv) > 1:
        found, complaints = [Use("", sys.argv[1], 0, sys.argv[2])], []
    # All that look for a pattern anywhere do the same work, and each pattern is tried once.
    once = {
        (use.pattern, use.flags, use.method if "match" in use.method else "finditer"): use for use in found
    }
    for use in once.values():
        if text := is_slow(use):
            complaints.append(f"{use.place}: {use.pattern!r}.{use.method} is not linear for {text}")
    sys.stdout.write("".join(f"{complaint}\n" for complaint in complaints))
    sys.stderr.write(f"{len(found)} uses of patterns\n")


if __name__ == "__main__":
    main()
