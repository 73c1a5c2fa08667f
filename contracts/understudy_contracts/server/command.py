"""`understudy check server`: run everything against one server."""

from __future__ import annotations

import logging
import secrets
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

import click

from understudy_contracts.extra import MissingExtra, require_check
from understudy_contracts.interrupt import Interrupts, leave
from understudy_contracts.options import server_options
from understudy_contracts.receiver.command import run_receiver_checks
from understudy_contracts.report import write_reports
from understudy_contracts.server.modes import check_gateway, check_live, check_url
from understudy_contracts.server.printing import print_report
from understudy_contracts.server.run import Run
from understudy_contracts.server.spec import Api
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.commands.common import CannotRun, check_directory
from understudy_mock.printing import printable
from understudy_mock.settings import Pace
from understudy_mock.wording import open_wordings


@click.command()
@click.argument("url", required=False)
@server_options
def server(
    url: str | None,
    provider: str | None,
    specs: tuple[Path, ...],
    globs: tuple[str, ...],
    report_dir: Path | None,
    seed: int | None,
    pace: Pace | None,
    examples: int,
    key: str | None,
    receiver: str | None,
    live: bool,
    max_spend: float | None,
    strict: bool,
) -> None:
    """Check whether the server at URL keeps the documented contract; without a URL, check the gateway itself.

    The check makes an Understudy do everything that is documented, through its admin API. It sees of another
    server only what that does by itself; it reports the rest as "not reached", never as passed.

    \b
    understudy check server
    understudy check server http://127.0.0.1:4010 --provider NAME --report-dir report
    understudy check server http://127.0.0.1:4010 --operation submit-hunyuan-video --examples 10
    understudy check server --receiver http://127.0.0.1:9000/done --provider NAME
    understudy check server --live --provider NAME --key $KEY --max-spend 1.50
    """
    _refuse_odd_options(url, key, receiver, pace, live, max_spend)
    catalog = _catalog(specs)
    apis = _apis(catalog, provider, globs)
    _refuse_a_target(url, key, receiver, live, catalog, apis)
    check_directory("--report-dir", report_dir)
    if receiver is None and not live:
        try:
            require_check("check server")
        except MissingExtra as error:
            raise CannotRun(str(error)) from None
    # It warns about every odd part of a form, and the checks send odd ones on purpose.
    logging.getLogger("python_multipart").addHandler(logging.NullHandler())
    run = Run(apis, secrets.randbelow(2**31) if seed is None else seed)
    with Interrupts(ask=run.ask_to_end) as interrupts:
        try:
            if receiver is not None:
                run_receiver_checks(run, receiver, examples)
            elif live:
                check_live(run, url, key or "", max_spend or 0.0)
            elif url is not None:
                check_url(run, url, key, examples)
            else:
                check_gateway(run, catalog, pace or "manual", examples)
        except KeyboardInterrupt:
            run.cut_short()
        interrupts.ask = _nothing  # only the report is left to do
        report = run.report().strictly() if strict else run.report()
        print_report(report, run)
        if report_dir is not None:
            for file in write_reports(report, report_dir, "server", catalog):
                click.echo(f"wrote {file}", err=True)
    if interrupts.seen:
        leave(interrupts.status)  # not waiting for a call that goes on in some thread
    if why := run.why_nothing_was_reached():
        click.echo(printable(f"nothing could be checked: {why}"), err=True)
        sys.exit(2)
    sys.exit(report.exit_status())


def _refuse_odd_options(
    url: str | None,
    key: str | None,
    receiver: str | None,
    pace: Pace | None,
    live: bool,
    max_spend: float | None,
) -> None:
    """Refuse values that are wrong, and options that do not go together. Raises UsageError."""
    for option, value in (("URL", url), ("--receiver", receiver)):
        if value is not None:
            _refuse_odd(value, option)
    if key == "":
        raise click.UsageError("--key is empty")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise click.UsageError("--key contains a character that no header can carry")
    if key is not None and receiver is not None:
        raise click.UsageError("--key is for a server; the callbacks that --receiver gets need none")
    if pace is not None and (url is not None or receiver is not None or live):
        raise click.UsageError("--pace is for the gateway in this process; leave out the other target")
    if receiver is not None and (url is not None or live):
        raise click.UsageError("--receiver checks a receiver alone; leave out the server")
    if live and max_spend is None:
        raise click.UsageError("--live spends money: set a limit with --max-spend USD")
    if max_spend is not None and not live:
        raise click.UsageError("--max-spend goes with --live: nothing else spends money")


def _refuse_a_target(
    url: str | None, key: str | None, receiver: str | None, live: bool, catalog: Catalog, apis: list[Api]
) -> None:
    """Refuse a target that the options do not fit. Raises UsageError."""
    if url is not None and not live and _host(url) in catalog.every_host:
        raise click.UsageError(f"{url} is the provider itself, where calls cost money: see --live")
    if live and (len(apis) != 1 or key is None):
        raise click.UsageError("--live needs --provider P and --key K")
    if receiver is not None and len(apis) != 1:
        raise click.UsageError("--receiver needs --provider P: whose callbacks does it take?")


def _refuse_odd(url: str, option: str) -> None:
    """Refuse what is no http(s) URL, without showing what stands before an @. Raises UsageError."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError as problem:
        raise click.UsageError(f"{option} is no URL: {problem}") from None
    if parts.username is not None or parts.password is not None:
        raise click.UsageError(f"{option} contains a user name or a password; leave it out, and see --key")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"{option} is {url!r}; give an http:// or https:// URL")
    if (parts.query or parts.fragment) and option == "URL":
        raise click.UsageError(f"{option} is a base URL: leave out what comes after ? or #")


def _host(url: str) -> str:
    """Return the host of a URL as DNS sees it: a dot at the end changes nothing."""
    return (urlsplit(url).hostname or "").rstrip(".")


def _nothing() -> None:
    """Let a late Ctrl-C change nothing but the exit status."""


def _catalog(specs: tuple[Path, ...]) -> Catalog:
    try:
        return open_catalog(specs, worded=open_wordings(specs))
    except SpecError as error:
        raise CannotRun(str(error)) from None


def _apis(catalog: Catalog, provider: str | None, globs: tuple[str, ...]) -> list[Api]:
    if provider is not None and provider not in catalog.providers:
        known = ", ".join(catalog.providers)
        raise click.UsageError(f"unknown provider {provider!r}; known are {known}")
    apis = [Api(name, catalog, globs) for name in catalog.providers if provider in (None, name)]
    submits = [submit.id for api in apis for submit in Api(api.provider, catalog).submits]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in submits):
            known = ", ".join(dict.fromkeys(submits))
            raise click.UsageError(f"--operation {glob!r} matches no submit; known are {known}")
    return [api for api in apis if api.submits]
