"""How a package on top of this one adds commands, without being imported from here.

It names an `Extension` in the entry point group `understudy_mock.commands`. Knows no package that does so.
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
    """What `run --check` calls with world, report directory and command; returns an exit status."""
    options: Mapping[str, Mapping[str, Sequence[click.Option]]]
    """The options of subcommands that are imported only when they are called, by command and subcommand."""
    only_by_hand: frozenset[str] = frozenset()
    """Names of options that no variable and no file may set."""


def extensions() -> list[Extension]:
    """Return what the installed packages add, in the order of their names. Raises TypeError."""
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        extension = point.load()
        if not isinstance(extension, Extension):
            raise TypeError(f"the entry point {point.value} in {GROUP} is not an Extension")
        found.append(extension)
    return found
