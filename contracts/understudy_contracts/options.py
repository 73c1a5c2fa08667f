"""The options of `understudy check`, apart from the commands: those take longer to import than `serve` may.

What is set by a variable or in `understudy.toml` is thus known, and what is not is refused, without them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from understudy_mock.options import Number, attach

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SERVER = (
    click.Option(["--provider"], metavar="P", help="Check one provider alone. [all]"),
    click.Option(
        ["globs", "--operation"],
        multiple=True,
        metavar="GLOB",
        help="Only these submits and what tells of their jobs, for instance '*pixverse*'. [all]",
    ),
    click.Option(
        ["--report-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Write a page (server.html), JSON and JUnit here.",
    ),
    click.Option(
        ["--seed"], type=click.IntRange(0), help="Repeat a run: keys, and what is generated. [drawn]"
    ),
    click.Option(
        ["--pace"],
        type=click.Choice(["clock", "polls", "manual"]),
        help="What moves the jobs of the gateway in this process. [manual]",
    ),
    click.Option(
        ["--examples"],
        type=click.IntRange(1, 10_000),
        default=50,
        show_default=True,
        metavar="N",
        help="Generated calls an operation when fuzzing.",
    ),
    click.Option(["--key"], metavar="K", help="The key to use. [made up, a fresh one for each check]"),
    click.Option(
        ["--receiver"],
        metavar="URL",
        help="Check a receiver of callbacks instead: post it the provider's callbacks, good and bad.",
    ),
    click.Option(["--live"], is_flag=True, help="Really call a provider: examples only, one submit a model."),
    click.Option(
        ["--max-spend"],
        type=Number(0),
        metavar="USD",
        help="What --live may spend, by documented prices.",
    ),
    click.Option(["--strict"], is_flag=True, help="Let findings of SHOULD fail the check, too."),
)

_CLIENT = (
    click.Option(
        ["providers", "--provider"],
        multiple=True,
        metavar="P",
        help="Check only this provider; can be given several times. [all]",
    ),
    click.Option(
        ["globs", "--case"],
        multiple=True,
        metavar="GLOB",
        help="Run only these cases, for instance 'webhook' or '*/pixazo/poll'. [all]",
    ),
    click.Option(["only_list", "--list"], is_flag=True, help="List the cases and exit."),
    click.Option(
        ["--known-failing"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="File of expected failures: one `CASE` or `CASE:RULE  # reason` a line. They must fail.",
    ),
    click.Option(
        ["--jobs"],
        default=4,
        show_default=True,
        type=click.IntRange(1, 64),
        help="Number of cases to run at once.",
    ),
    click.Option(["--seed"], type=int, help="Repeat a run: the same ids and keys. [default: drawn]"),
    click.Option(
        ["--report-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Write a page (client.html), JSON, JUnit and each case's journal into this directory.",
    ),
    click.Option(["--strict"], is_flag=True, help="Fail the check on SHOULD findings, too."),
    click.Option(
        ["--explore"],
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        help="Instead of cases, search N drawn scenarios for those that break the client, and shrink them.",
    ),
    click.Option(
        ["--explore-seconds"],
        type=Number(0, min_open=True),
        metavar="S",
        help="Draw no more scenarios after S seconds; those found are still shrunk. [no limit]",
    ),
    click.Option(
        ["--save-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Save found scenarios into this directory. [report-dir, else understudy-explore]",
    ),
    click.Option(["--per-case"], is_flag=True, help="Start COMMAND once for each case."),
    click.Option(
        ["--attach"],
        is_flag=True,
        help="Start nothing: show each case and wait until you have run it by hand.",
    ),
)

_RECORDING = (
    click.Option(
        ["patch_file", "--patch"],
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the change to specs/ that accepts what was recorded, for `git apply` or `patch -p1`.",
    ),
    click.Option(
        ["--report-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Write a page (recording.html), JSON, JUnit and journals there.",
    ),
    click.Option(
        ["form", "--format"],
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="What to print on stdout.",
    ),
    click.Option(
        ["--specs"],
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Documents of your own models, too; can be given several times.",
    ),
    click.Option(["--strict"], is_flag=True, help="Let findings of SHOULD fail the check, too."),
)

CHECKS = {"server": _SERVER, "client": _CLIENT, "recording": _RECORDING}
"""By subcommand of `check`, its options."""

FLAGS_ALONE = frozenset({"live"})
"""Options that nothing but the command line sets: --live spends money."""


def server_options(command: _Command) -> _Command:
    """Give a command the options of `check server`."""
    return attach(command, _SERVER)


def client_options(command: _Command) -> _Command:
    """Give a command the options of `check client`."""
    return attach(command, _CLIENT)


def recording_options(command: _Command) -> _Command:
    """Give a command the options of `check recording`."""
    return attach(command, _RECORDING)
