"""The options of `understudy check`, apart from the commands, which take longer to import than `serve` may.

So variables and `understudy.toml` can be checked for unknown names without importing the commands.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from understudy_mock.options import Number, attach

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SERVER = (
    click.Option(["--provider"], metavar="P", help="Check only this provider. [all]"),
    click.Option(
        ["globs", "--operation"],
        multiple=True,
        metavar="GLOB",
        help="Only these submits and the status of their jobs, for instance '*pixverse*'. [all]",
    ),
    click.Option(
        ["--report-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Write a page (server.html), JSON and JUnit here.",
    ),
    click.Option(
        ["--seed"], type=click.IntRange(0), help="Repeats a run: its keys and generated calls. [random]"
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
        help="Generated calls for each operation when fuzzing.",
    ),
    click.Option(["--key"], metavar="K", help="The key to use. [a new made-up one for each check]"),
    click.Option(
        ["--receiver"],
        metavar="URL",
        help="Check a receiver of callbacks instead: post the provider's callbacks to it, good and bad.",
    ),
    click.Option(["--live"], is_flag=True, help="Call a real provider: only examples, one submit a model."),
    click.Option(
        ["--max-spend"],
        type=Number(0),
        metavar="USD",
        help="How much --live may spend, by documented prices.",
    ),
    click.Option(["--strict"], is_flag=True, help="Findings of SHOULD fail the check, too."),
)

_CLIENT = (
    click.Option(["providers", "--provider"], multiple=True, metavar="P", help="Only this provider. [all]"),
    click.Option(
        ["globs", "--case"],
        multiple=True,
        metavar="GLOB",
        help="Only these cases, for instance 'webhook' or '*/pixazo/poll'. [all]",
    ),
    click.Option(["only_list", "--list"], is_flag=True, help="List the cases and end."),
    click.Option(
        ["--known-failing"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A file of lines CASE or CASE:RULE and '# reason'. They still run, and must fail.",
    ),
    click.Option(
        ["--jobs"], default=4, show_default=True, type=click.IntRange(1, 64), help="Cases to run at once."
    ),
    click.Option(["--seed"], type=int, help="Repeats ids and keys. [random]"),
    click.Option(
        ["--report-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Write a page (client.html), JSON, JUnit and each case's journal there.",
    ),
    click.Option(["--strict"], is_flag=True, help="Findings of SHOULD fail the check, too."),
    click.Option(
        ["--explore"],
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        help="Instead of cases: search N random scenarios for one that breaks the client; make it smaller.",
    ),
    click.Option(
        ["--explore-seconds"],
        type=Number(0, min_open=True),
        metavar="S",
        help="Try no new scenarios after S seconds; those found are still made smaller. [no limit]",
    ),
    click.Option(
        ["--save-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        metavar="D",
        help="Where to save the scenarios found. [report-dir, else understudy-explore]",
    ),
    click.Option(["--per-case"], is_flag=True, help="Start COMMAND again for each case."),
    click.Option(["--attach"], is_flag=True, help="Start nothing: show each case and wait for you."),
)

_RECORDING = (
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
        help="Also read the specs of your own models here; can be given several times.",
    ),
    click.Option(["--strict"], is_flag=True, help="Findings of SHOULD fail the check, too."),
)

CHECKS = {"server": _SERVER, "client": _CLIENT, "recording": _RECORDING}
"""The options of each subcommand of `check`."""

FLAGS_ALONE = frozenset({"live"})
"""Options that only the command line sets: --live spends money."""


def server_options(command: _Command) -> _Command:
    """Add to a command the options of `check server`."""
    return attach(command, _SERVER)


def client_options(command: _Command) -> _Command:
    """Add to a command the options of `check client`."""
    return attach(command, _CLIENT)


def recording_options(command: _Command) -> _Command:
    """Add to a command the options of `check recording`."""
    return attach(command, _RECORDING)
