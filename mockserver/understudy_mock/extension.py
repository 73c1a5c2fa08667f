"""How another package adds commands, without an import from here.

The package names an `Extension` in the entry point group `understudy_mock.commands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

import click

from understudy_mock.gateway.judging import Judge
from understudy_mock.gateway.world import World

GROUP = "understudy_mock.commands"


@dataclass(frozen=True, slots=True)
class Extension:
    """What a package adds to the command line."""

    commands: Sequence[click.Command]
    judge: Callable[..., int]
    """`run --check` calls it with world, report directory, command and status; returns an exit status."""
    live: Callable[[World], Judge]
    """Makes the judge of a gateway whose admin API is asked for broken rules."""
    options: Mapping[str, Mapping[str, Sequence[click.Option]]]
    """By command and subcommand, the options of subcommands that are imported only when they are called."""
    only_by_hand: frozenset[str] = frozenset()
    """Names of options that only the command line may set."""


def live_judge(world: World) -> Judge | None:
    """Return the judge of a gateway, from the first package that has one."""
    return next((extension.live(world) for extension in extensions()), None)


def extensions() -> list[Extension]:
    """Return the extensions of the installed packages, by name. Raises TypeError for anything else there."""
    loaded = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        extension = point.load()
        if not isinstance(extension, Extension):
            raise TypeError(f"the entry point {point.value} in {GROUP} is not an Extension")
        loaded.append(extension)
    return loaded
