"""How another package adds commands, without an import from here.

The package names an `Extension` in the entry point group `understudy_mock.commands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

import click

GROUP = "understudy_mock.commands"


@dataclass(frozen=True, slots=True)
class Extension:
    """What a package adds to the command line."""

    commands: Sequence[click.Command]
    judge: Callable[..., int]
    """`run --check` calls it with world, report directory, command and status; returns an exit status."""
    options: Mapping[str, Mapping[str, Sequence[click.Option]]]
    """By command and subcommand, the options of subcommands that are imported only when they are called."""
    only_by_hand: frozenset[str] = frozenset()
    """Names of options that only the command line may set."""


def extensions() -> list[Extension]:
    """Return the extensions of the installed packages, by name. Raises TypeError for anything else there."""
    loaded = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        extension = point.load()
        if not isinstance(extension, Extension):
            raise TypeError(f"the entry point {point.value} in {GROUP} is not an Extension")
        loaded.append(extension)
    return loaded
