"""Examine the folder of one provider before anything in it answers anybody.

Folders come from strangers: they are bounded in number, size and depth, and nothing leads out of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from understudy_mock.catalog.catalog import build_catalog
from understudy_mock.catalog.load import VECTORS, WORDING, Document, SpecError, documents_in, parse_document
from understudy_mock.catalog.notation import NotationError, escape, read_yaml
from understudy_mock.wording.checks import misfits, problems_in, unanswered
from understudy_mock.wording.scope import Problems
from understudy_mock.wording.vectors import Vector, read_vectors, untrue
from understudy_mock.wording.wording import Wording

MOST_FILES = 500
"""Documents of one provider. The largest of the shipped folders has 15."""

LARGEST_FILE = 1024 * 1024
"""Bytes of one file. The largest of the shipped ones has 14,000."""

DEEPEST = 32
"""Values inside one another in `provider.yaml`. The shipped ones have 9."""


_STEP = re.compile(r"\.([^.\[]+)|\[([^\[\]]+)\]")


class Mistake(NamedTuple):
    """One thing that is wrong, in a file of the folder, at a JSON pointer."""

    file: Path
    pointer: str
    message: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.file}: {self.pointer or '/'}: {self.message}"


def examine(folder: Path) -> Wording:
    """Return the wording that a folder describes. Raises SpecError, which names everything that is wrong."""
    mistakes = mistakes_in(folder)
    if mistakes:
        first, *more = mistakes
        raise SpecError(first.file, first.pointer, "\n".join([first.message, *map(str, more)]))
    return Wording.of(read_description(folder / WORDING), Problems())


def read_description(file: Path) -> Any:
    """Read a `provider.yaml`: YAML 1.2, bounded. Raises SpecError."""
    try:
        data = read_yaml(file.read_bytes(), core=True)
    except OSError as error:
        raise SpecError(file, "", f"cannot be read: {error.strerror}") from None
    except NotationError as error:
        raise SpecError(file, error.pointer, error.message) from None
    deep = _deeper_than(data, DEEPEST, "")
    if deep is not None:
        raise SpecError(file, deep, f"more than {DEEPEST} values are inside one another")
    return data


def mistakes_in(folder: Path) -> list[Mistake]:
    """List everything that is wrong with the folder of one provider; what hides the rest comes first."""
    file = folder / WORDING
    unfit = list(_unfit_files(folder))
    if unfit:
        return unfit
    mistakes: list[Mistake] = []
    documents = []
    data: Any = None
    try:
        data = read_description(file)
    except SpecError as error:
        mistakes.append(Mistake(file, error.pointer, error.message))
    else:
        mistakes += [Mistake(file, *problem) for problem in problems_in(data)]
    for path in documents_in(folder):
        try:
            documents.append(parse_document(path, path.read_bytes()))
        except SpecError as error:
            mistakes.append(Mistake(path, error.pointer, error.message))
    if not mistakes:
        wording = Wording.of(data, Problems())
        mistakes += [*_between(file, wording, documents), *_in_vectors(folder / VECTORS, wording)]
    return mistakes


def vectors_of(folder: Path) -> list[Vector]:
    """Return the vectors of a folder, none where it has none. Raises SpecError."""
    file = folder / VECTORS
    if not file.exists():
        return []
    try:
        return read_vectors(read_description(file))
    except msgspec.ValidationError as error:
        message, _, path = str(error).removesuffix("`").partition(" - at `$")
        pointer = "".join(f"/{name or index}" for name, index in _STEP.findall(path))
        raise SpecError(file, pointer, message) from None


def _in_vectors(file: Path, wording: Wording) -> Iterator[Mistake]:
    try:
        vectors = vectors_of(file.parent)
    except SpecError as error:
        yield Mistake(file, error.pointer, error.message)
        return
    for problem in untrue(wording, vectors):
        yield Mistake(file, *problem)


def _between(file: Path, wording: Wording, documents: list[Document]) -> Iterator[Mistake]:
    """List where the files of a folder do not fit together."""
    strange = [document for document in documents if document.provider != wording.name]
    for document in strange:
        message = f"is about {document.provider!r}, and {WORDING} beside it describes {wording.name!r}"
        yield Mistake(document.file, "/x-provider", message)
    if strange:
        return
    if not documents:
        yield Mistake(file, "/provider", f"no OpenAPI document of {wording.name!r} is beside this file")
        return
    try:
        catalog = build_catalog(documents)
    except SpecError as error:
        yield Mistake(Path(error.file), error.pointer, error.message)
        return
    for problem in (*unanswered(wording, catalog), *misfits(wording, catalog)):
        yield Mistake(file, *problem)


def _unfit_files(folder: Path) -> Iterator[Mistake]:
    """List the files that are not looked into at all."""
    inside = folder.resolve()
    files = [folder / WORDING, folder / VECTORS, *documents_in(folder)]
    if len(files) > MOST_FILES:
        yield Mistake(folder, "", f"has {len(files)} documents; at most {MOST_FILES} are read")
        return
    for path in files:
        if not path.resolve().is_relative_to(inside):
            yield Mistake(path, "", "leads out of its folder, which no file of a provider may")
        elif path.is_file() and (size := path.stat().st_size) > LARGEST_FILE:
            yield Mistake(path, "", f"has {size:,} bytes; at most {LARGEST_FILE:,} are read")


def _deeper_than(value: Any, left: int, pointer: str) -> str | None:
    """Return the pointer to a value that is too deep; None where there is none."""
    if not isinstance(value, dict | list):
        return None
    if left == 0:
        return pointer
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = (_deeper_than(one, left - 1, f"{pointer}/{escape(str(key))}") for key, one in inner)
    return next((place for place in found if place is not None), None)
