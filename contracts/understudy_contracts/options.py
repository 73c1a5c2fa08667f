"""The options of `understudy check`, apart from its commands: `serve` would wait for their imports.

The command line can so read variables and `understudy.toml`, and refuse unknown names, without the commands.
"""

from __future__ import annotations

from pathlib import Path

import click

from understudy_mock.options import REPORT_DIR, SEED, SPECS, Number, attach, option

_STRICT = option("--strict", is_flag=True, help="Fail on findings of severity SHOULD, too.")

_SERVER = (
    option("--provider", metavar="NAME", show_default="all", help="Check only this provider."),
    SPECS,
    option(
        "globs",
        "--operation",
        multiple=True,
        metavar="GLOB",
        show_default="all",
        help="Check only these submits and the calls about their jobs, for instance '*pixverse*'.",
    ),
    REPORT_DIR,
    option("--seed", type=click.IntRange(0), show_default="drawn", help=SEED.help),
    option(
        "--pace",
        type=click.Choice(["clock", "polls", "manual"]),
        show_default="manual",
        help="What moves jobs forward if the gateway in this process is checked.",
    ),
    option(
        "--examples",
        type=click.IntRange(1, 10_000),
        default=50,
        metavar="N",
        help="How many calls to generate for each operation.",
    ),
    option("--key", metavar="KEY", show_default="a new one for each check", help="The API key to use."),
    option(
        "--receiver",
        metavar="URL",
        help="Check your receiver of callbacks instead: send it valid and invalid callbacks.",
    ),
    option("--live", is_flag=True, help="Call the real provider: documented examples, one submit per model."),
    option(
        "--max-spend",
        type=Number(0),
        metavar="USD",
        help="How much --live may spend, by documented prices.",
    ),
    _STRICT,
)

_CLIENT = (
    option(
        "providers",
        "--provider",
        multiple=True,
        metavar="NAME",
        show_default="all",
        help="Run only the cases of this provider.",
    ),
    option(
        "globs",
        "--case",
        multiple=True,
        metavar="GLOB",
        show_default="all",
        help="Run only these cases, for instance 'webhook' or 'polling/poll-*'.",
    ),
    option("only_list", "--list", is_flag=True, help="List the cases and exit."),
    option(
        "--known-failing",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Lines of CASE or CASE:RULE and '# reason'. They still run, and must fail.",
    ),
    option("--jobs", default=4, type=click.IntRange(1, 64), metavar="N", help="Cases to run at once."),
    SEED,
    REPORT_DIR,
    _STRICT,
    option(
        "--explore",
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        help="Instead of cases, try N random scenarios; make smaller what breaks the client.",
    ),
    option(
        "--explore-seconds",
        type=Number(0, min_open=True),
        metavar="S",
        show_default="no limit",
        help="Try no more random scenarios after S seconds.",
    ),
    option(
        "--save-dir",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        show_default="the report folder, else understudy-explore",
        help="Where to save the scenarios that break the client.",
    ),
    SPECS,
    option("--per-case", is_flag=True, help="Start COMMAND anew for each case."),
    option("--attach", is_flag=True, help="Start nothing; show each case and wait for your client."),
)

_RECORDING = (
    REPORT_DIR,
    option(
        "form",
        "--format",
        type=click.Choice(["table", "json"]),
        default="table",
        help="What to print on stdout.",
    ),
    SPECS,
    _STRICT,
)

CHECKS = {"server": _SERVER, "client": _CLIENT, "recording": _RECORDING}
"""The options of each subcommand of `check`."""

FLAGS_ALONE = frozenset({"live"})
"""Options that only the command line may set: --live spends money."""

server_options = attach(*_SERVER)
client_options = attach(*_CLIENT)
recording_options = attach(*_RECORDING)
