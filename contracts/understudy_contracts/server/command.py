"""`understudy check server`: run everything against one server, and tell what was found."""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.extra import MissingExtra, require_check
from understudy_contracts.findings import Case, Finding, Outcome, Report, Table, weighed
from understudy_contracts.interrupt import Interrupts, leave
from understudy_contracts.options import server_options
from understudy_contracts.receiver.checks import Absent, callbacks_of, check_receiver
from understudy_contracts.report import lines, write_reports
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.gateway import open_fast_gateway, open_gateway
from understudy_contracts.server.lifecycle import plan, run_checks, subjects
from understudy_contracts.server.live import Purse, run_live
from understudy_contracts.server.phases import INTERRUPTED, PHASES
from understudy_contracts.server.spec import Api
from understudy_contracts.server.subject import credentials
from understudy_contracts.server.summary import summarise
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import PATIENCE, Exchange, Http, Unanswered
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.commands.common import CannotRun, check_directory
from understudy_mock.printing import printable
from understudy_mock.settings import Pace

_SHOWN = 12
_PATIENCE = 10.0
"""Real seconds that a server has to answer the first call of all."""

_KEPT_OUT = (401, 403, 404)
"""What a server answers that knows neither the key nor, perhaps, some of the models."""


@click.command()
@click.argument("url", required=False)
@server_options
def server(
    url: str | None,
    provider: str | None,
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
    """Tell whether the server at URL keeps the documented contract; without a URL, the gateway itself.

    An Understudy is made to do everything that is documented, through its admin API. From another server
    only what it does by itself can be seen; the rest is reported as "not reached", never as passed.

    \b
    understudy check server
    understudy check server http://127.0.0.1:4010 --provider pixazo --report-dir report
    understudy check server http://127.0.0.1:4010 --operation submit-hunyuan-video --examples 10
    understudy check server --receiver http://127.0.0.1:9000/done --provider pixazo
    understudy check server --live --provider pixazo --key $KEY --max-spend 1.50
    """
    for option, given in (("URL", url), ("--receiver", receiver)):
        if given is not None:
            _refuse_odd(given, option)
    if key == "":
        raise click.UsageError("--key is empty")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise click.UsageError("--key holds a character that no header can carry")
    if key is not None and receiver is not None:
        raise click.UsageError("--key is for a server; the callbacks that --receiver gets need none")
    # It warns about every odd part of a form, and odd ones are sent on purpose.
    logging.getLogger("python_multipart").addHandler(logging.NullHandler())
    catalog = _catalog()
    apis = _apis(catalog, provider, globs)
    if seed is None:
        seed = secrets.randbelow(2**31)
    if pace is not None and (url is not None or receiver is not None or live):
        raise click.UsageError("--pace is for the gateway in this process; leave out the other target")
    if receiver is not None and (url is not None or live):
        raise click.UsageError("--receiver checks a receiver alone; leave out the server")
    if live and max_spend is None:
        raise click.UsageError("--live spends money: say how much with --max-spend USD")
    if max_spend is not None and not live:
        raise click.UsageError("--max-spend is for --live, which is not given: nothing else spends money")
    if url is not None and not live and _host(url) in catalog.every_host:
        raise click.UsageError(f"{url} is the provider itself, where calls cost money: see --live")
    check_directory("--report-dir", report_dir)
    if receiver is None and not live:
        try:
            require_check("check server")
        except MissingExtra as error:
            raise CannotRun(str(error)) from None
    run = _Run(apis, seed)
    with Interrupts(ask=run.ask_to_end) as interrupts:
        try:
            if receiver is not None:
                run.receiver(receiver, examples)
            elif live:
                run.live(url, key, max_spend or 0.0)
            elif url is not None:
                run.url(url, key, examples)
            else:
                run.gateway(catalog, pace or "manual", examples)
        except KeyboardInterrupt:
            run.cut_short()
        interrupts.ask = _nothing  # what is left to do is to tell
        report = run.report().strictly() if strict else run.report()
        if all(case.outcome is Outcome.NOT_REACHED for case in run.cases):
            run.unreached = run.why_unreached()
        _tell(report, run)
        if report_dir is not None:
            for file in write_reports(report, report_dir, "server", catalog):
                click.echo(f"wrote {file}", err=True)
    if interrupts.seen:
        leave(interrupts.status)  # not waiting for a call that goes on in some thread
    if run.unreached:
        click.echo(printable(f"nothing could be checked: {run.unreached}"), err=True)
    sys.exit(2 if run.unreached else report.exit_status())


def _refuse_odd(url: str, option: str) -> None:
    """Refuse what is no http(s) URL, without showing what stands before an @. Raises UsageError."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError as problem:
        raise click.UsageError(f"{option} is no URL: {problem}") from None
    if parts.username is not None or parts.password is not None:
        raise click.UsageError(f"{option} holds a user name or a password; leave it out, and see --key")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"{option} is {url!r}; give an http:// or https:// URL")
    if (parts.query or parts.fragment) and option == "URL":
        raise click.UsageError(f"{option} is a base URL: leave out what comes after ? or #")


def _host(url: str) -> str:
    """Tell the host of a URL as DNS sees it: a dot at the end changes nothing."""
    return (urlsplit(url).hostname or "").rstrip(".")


def _nothing() -> None:
    """Let a late Ctrl-C change nothing but the exit status."""


def _catalog() -> Catalog:
    try:
        return open_catalog()
    except SpecError as error:
        raise CannotRun(str(error)) from None


def _apis(catalog: Catalog, provider: str | None, globs: tuple[str, ...]) -> list[Api]:
    if provider is not None and provider not in catalog.providers:
        known = ", ".join(catalog.providers)
        raise click.UsageError(f"no provider is called {provider!r}; known are {known}")
    apis = [Api(name, catalog, globs) for name in catalog.providers if provider in (None, name)]
    submits = [submit.id for api in apis for submit in Api(api.provider, catalog).submits]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in submits):
            told = ", ".join(dict.fromkeys(submits))
            raise click.UsageError(f"--operation {glob!r} is no submit; there are {told}")
    return [api for api in apis if api.submits]


class _Run:
    """One run: the cases it gathers, and what it saw."""

    def __init__(self, apis: list[Api], seed: int) -> None:
        self.apis = apis
        self.seed = seed
        self.cases: list[Case] = []
        self.coverage: Coverage | None = None
        self.title = ""
        self.unreached = ""
        self._planned: dict[tuple[str, str], str] = {}
        self.facts: dict[str, Any] = {"seed": seed, "providers": [api.provider for api in apis]}
        self._began = time.perf_counter()
        self._rewrites = sys.stderr.isatty()
        self._asked_to_end = False

    def ask_to_end(self) -> None:
        """End here, or where it is next told what is done: what is called in between may catch this."""
        self._asked_to_end = True
        raise KeyboardInterrupt

    def gateway(self, catalog: Catalog, pace: Pace, examples: int) -> None:
        """Check the gateway in this process: promises at a pace, generated calls on one that polls move."""
        self.title = f"the gateway, --pace {pace}"
        self.facts["pace"] = pace
        self._watch(forced=True)
        self._promises(open_gateway(pace, seed=self.seed, catalog=catalog))
        self._generated(open_fast_gateway(seed=self.seed, catalog=catalog), examples)

    def url(self, url: str, key: str | None, examples: int) -> None:
        """Check a server over HTTP."""
        self.title = url
        self._ask(url)
        target = Target(Http(url), seed=self.seed, key=key)
        try:
            self._check_url(target, examples)
        finally:
            target.close()

    def _check_url(self, target: Target, examples: int) -> None:
        url = target.base_url
        self._reach(target)
        self.title = f"{url}, {'an Understudy' if target.is_understudy else 'no Understudy'}"
        self._watch(forced=target.is_understudy)
        self._promises(target, close=False)
        self._generated(target, examples)

    def live(self, url: str | None, key: str | None, max_spend: float) -> None:
        """Check a provider for money."""
        if len(self.apis) != 1 or key is None:
            raise click.UsageError("--live needs --provider P and --key K")
        (api,) = self.apis
        url = url or api.document["servers"][0]["url"]
        self.title = f"{url}, live"
        self.facts["max_spend_usd"] = max_spend
        longest = max(
            (o.model.durations.queued + o.model.durations.processing for o in api.submits if o.model),
            default=0,
        )
        purse = Purse(Http(url), max_spend, self.progress)
        target = Target(purse, seed=self.seed, key=key, patience=max(60.0, 4 * longest), stranger=True)
        self._watch(forced=False)
        self._see(target)
        receiver = Receiver()
        try:
            self._gather(run_live(subjects(target, self.apis, receiver), purse))
        finally:
            receiver.close()
            target.close()

    def receiver(self, url: str, examples: int) -> None:
        """Check a receiver of callbacks."""
        self.title = f"the receiver {url}"
        if len(self.apis) != 1:
            raise click.UsageError("--receiver needs --provider P: whose callbacks does it take?")
        (api,) = self.apis
        try:
            callbacks_of(api)
        except LookupError as problem:
            raise CannotRun(str(problem)) from None
        try:
            self._gather(check_receiver(url, api, seed=self.seed, examples=examples, progress=self.progress))
        except Absent as problem:
            raise CannotRun(f"nothing answers at the receiver: {problem}") from None

    def _ask(self, url: str) -> None:
        """Refuse to check what does not answer, and soon. Raises CannotRun."""
        self.progress(f"asking whether {url} answers")
        wire = Http(url)
        try:
            wire.send("GET", f"{wire.base_url}/", {}, b"", _PATIENCE)
        except Unanswered as problem:
            raise CannotRun(f"nothing answers: {problem}") from None
        finally:
            wire.close()

    def _reach(self, target: Target) -> None:
        """Refuse to check what knows no submit. Raises CannotRun."""
        probes: list[Exchange] = []
        lost: Unanswered | None = None
        target.call_patience = _PATIENCE
        for one in (submit for api in self.apis for submit in api.submits):
            try:
                # Without a key and a parameter: no job is made by it.
                probes.append(target.call(one.method, one.path, {"Content-Type": "application/json"}, b"{}"))
            except Unanswered as problem:
                lost = problem
                if problem.absent:
                    break
        target.call_patience = PATIENCE
        if not probes or (lost is not None and lost.absent):
            raise CannotRun(f"nothing answers: {lost}") from None
        if all(probe.status == 404 for probe in probes):
            raise CannotRun(
                f"{target.base_url} answers 404 to every submit, for instance to {probes[0].method} "
                f"{probes[0].url}; is this the base URL?"
            )
        if target.key is None and all(probe.status in _KEPT_OUT for probe in probes):
            self._need_key(target)

    def _need_key(self, target: Target) -> None:
        """Refuse to check what takes no key that is made up: nothing could be tried. Raises CannotRun."""
        key = target.fresh_key()
        for api in self.apis:
            for operation in api.submits:
                headers = {"Content-Type": "application/json"} | credentials(operation, key)
                if target.call(operation.method, operation.path, headers, b"{}").status not in _KEPT_OUT:
                    return
        raise CannotRun(
            f"{target.base_url} takes no key that is made up, so nothing could be checked; "
            "give one that it knows with --key"
        )

    def _watch(self, *, forced: bool) -> None:
        self.coverage = Coverage(self.apis, forced=forced)

    def _see(self, target: Target) -> None:
        assert self.coverage is not None  # see the callers
        target.watchers.append(self.coverage.watch)

    def _promises(self, target: Target, *, close: bool = True) -> None:
        self._see(target)
        receiver = Receiver()
        under_test = list(subjects(target, self.apis, receiver))
        self._planned |= {(subject.name, check.id): check.promise for subject, check in plan(under_test)}
        self._planned |= {(api.provider, f"generated: {phase}"): "" for api in self.apis for phase in PHASES}
        try:
            self._gather(run_checks(under_test, progress=self.progress))
        finally:
            receiver.close()
            if close:
                target.close()

    def _generated(self, target: Target, examples: int) -> None:
        # Schemathesis takes long to import, and only the extra `check` brings it.
        from understudy_contracts.server.generated import Budget, generate

        if self.coverage is not None and self.coverage.watch not in target.watchers:
            self._see(target)
        budget = Budget(fuzzing=examples, chains=examples)
        try:
            for api in self.apis:
                pointless = self.coverage.pointless(api) if self.coverage is not None else {}
                self._gather(
                    generate(
                        target,
                        api,
                        seed=self.seed,
                        budget=budget,
                        pointless=pointless,
                        progress=self.progress,
                    )
                )
        finally:
            target.close()

    def _gather(self, cases: Iterator[Case]) -> None:
        for case in cases:
            self.cases.append(case)

    def why_unreached(self) -> str:
        """Say what kept most cases from being reached."""
        reasons = Counter(case.reason for case in self.cases)
        reason = reasons.most_common(1)[0][0] if reasons else "no submit is documented"
        return f"{reason}; allow more with --max-spend" if reason.endswith("are left") else reason

    def cut_short(self) -> None:
        """Note that the run was cut short: what was planned and has no case was not reached."""
        self.facts["interrupted"] = True
        self.title += " (interrupted)"
        known = {(case.group, case.name) for case in self.cases}
        # Generated calls are counted by operation, and planned by provider.
        known |= {(case.group.partition(" ")[0], case.name) for case in self.cases}
        for (group, name), promise in self._planned.items():
            if (group, name) not in known:
                reached = Outcome.NOT_REACHED
                self.cases.append(Case(group, name, reached, reason=INTERRUPTED, expected=promise))

    def progress(self, text: str) -> None:
        """Say on stderr what is being done. Raises KeyboardInterrupt once it was asked to end."""
        if self._asked_to_end:
            raise KeyboardInterrupt
        text = f"{time.perf_counter() - self._began:4.0f} s  {text}"
        if self._rewrites:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)

    def report(self) -> Report:
        """Close the run."""
        if self._rewrites:
            click.echo("\r\x1b[K", nl=False, err=True)
        self.facts["seconds"] = round(time.perf_counter() - self._began, 1)
        if self.coverage is not None:
            self.facts["coverage"] = self.coverage.as_json()
        tables = []
        if areas := tuple(summarise(self.cases)):
            tables.append(Table("In short", ("area", "what of it holds"), areas, leads=True))
        if self.coverage is not None:
            tables.append(self.coverage.table())
        return Report(f"understudy check server: {self.title}", tuple(self.cases), self.facts, tuple(tables))


def _tell(report: Report, run: _Run) -> None:
    click.echo(printable(report.title))
    _tell_findings(report.findings)
    _tell_unreached(report.cases)
    areas = list(summarise(report.cases))
    if areas:
        click.echo("\nin short:")
        click.echo("\n".join(f"  {name:<10} {verdict}" for name, verdict in areas))
    count = Counter(case.outcome for case in report.cases)
    told = ", ".join(f"{count[outcome]} {outcome}" for outcome in Outcome if count[outcome])
    found = f"; findings: {weighed(report.findings)}" if report.findings else ""
    click.echo(
        f"\nchecks: {told or 'none'}{found}; {report.facts['seconds']} s; --seed {run.seed} repeats this run"
    )
    if run.coverage is not None:
        click.echo(run.coverage.line())
        _tell_missing(run.coverage)


def _tell_findings(findings: tuple[Finding, ...]) -> None:
    """Tell each kind of finding once, and where else it was found."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.id, []).append(finding)
    for found in kinds.values():
        click.echo("")
        for line in lines(found[0], colour=True):
            click.echo(line)
        others = list(dict.fromkeys(one.subject for one in found[1:] if one.subject != found[0].subject))
        if others:
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            click.echo(printable(f"  also at: {', '.join(others[:_SHOWN])}{more}"))


def _tell_unreached(cases: tuple[Case, ...]) -> None:
    reasons: dict[str, Counter[str]] = {}
    for case in cases:
        if case.outcome in (Outcome.NOT_REACHED, Outcome.ERROR):
            reasons.setdefault(f"{case.outcome}: {case.reason}", Counter())[case.name] += 1
    for reason, names in reasons.items():
        click.echo(printable(f"\n{reason}"))
        told = [f"{name} ({count})" if count > 1 else name for name, count in names.items()]
        click.echo(f"  {', '.join(told)}")


def _tell_missing(coverage: Coverage) -> None:
    """Tell what was not seen and why: operations that lack the same for the same reason share a line."""
    lacking: dict[str, dict[str, list[int]]] = {}
    for name, status, why in coverage.missing():
        lacking.setdefault(why, {}).setdefault(name, []).append(status)
    for why, by_name in lacking.items():
        alike: dict[tuple[int, ...], list[str]] = {}
        for name, statuses in by_name.items():
            alike.setdefault(tuple(statuses), []).append(name)
        click.echo(f"  not seen, {why}:")
        for lacked, names in alike.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            click.echo(f"    {', '.join(map(str, lacked))} at {', '.join(names[:_SHOWN])}{more}")
