"""What a run checks: the gateway in this process, a server over HTTP, or a provider for money."""

from __future__ import annotations

from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.server.coverage import Coverage
from understudy_contracts.server.gateway import open_fast_gateway, open_gateway
from understudy_contracts.server.lifecycle import plan, run_checks, subjects
from understudy_contracts.server.live import Purse, run_live
from understudy_contracts.server.phases import PHASES
from understudy_contracts.server.run import Run
from understudy_contracts.server.spec import Api
from understudy_contracts.server.subject import credentials
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import PATIENCE, Exchange, Http, Unanswered
from understudy_mock.catalog import Catalog
from understudy_mock.commands.common import CannotRun
from understudy_mock.settings import Pace

_PATIENCE = 10.0
"""Real seconds that a server has to answer the first calls."""

_KEPT_OUT = (401, 403, 404)
"""How a server answers that knows neither the key nor, perhaps, some of the models."""


def check_gateway(run: Run, catalog: Catalog, pace: Pace, examples: int) -> None:
    """Check the gateway in this process: promises at a pace, generated calls on one that polls move."""
    run.title = f"the gateway, --pace {pace}"
    run.facts["pace"] = pace
    run.coverage = Coverage(run.apis, forced=True)
    for mount in dict.fromkeys(api.mount for api in run.apis):
        apis = [api for api in run.apis if api.mount == mount]
        target = open_gateway(pace, seed=run.seed, catalog=catalog, mount=mount)
        try:
            _check_promises(run, apis, target)
        finally:
            target.close()
        target = open_fast_gateway(seed=run.seed, catalog=catalog, mount=mount)
        try:
            _check_generated(run, apis, target, examples)
        finally:
            target.close()


def check_url(run: Run, url: str, key: str | None, examples: int) -> None:
    """Check a server over HTTP. Raises CannotRun where it answers nothing that could be checked."""
    run.title = url
    run.progress(f"asking whether {url} answers")
    _require_an_answer(url)
    target = Target(Http(url), seed=run.seed, key=key)
    try:
        _require_a_submit(run, target)
        run.title = f"{target.base_url}, {'an Understudy' if target.is_understudy else 'not an Understudy'}"
        run.coverage = Coverage(run.apis, forced=target.is_understudy)
        _check_promises(run, run.apis, target)
        _check_generated(run, run.apis, target, examples)
    finally:
        target.close()


def check_live(run: Run, url: str | None, key: str, max_spend: float) -> None:
    """Check the provider of the run's only API, and spend up to `max_spend` USD on it."""
    (api,) = run.apis
    url = url or api.document["servers"][0]["url"]
    run.title = f"{url}, live"
    run.facts["max_spend_usd"] = max_spend
    run.coverage = Coverage(run.apis, forced=False)
    durations = (submit.model.durations for submit in api.submits if submit.model is not None)
    longest = max((each.queued + each.processing for each in durations), default=0)
    purse = Purse(Http(url), max_spend, run.progress)
    target = Target(purse, seed=run.seed, key=key, patience=max(60.0, 4 * longest), stranger=True)
    target.watchers.append(run.coverage.watch)
    inbox = Receiver()
    try:
        run.gather(run_live(subjects(target, run.apis, inbox), purse))
    finally:
        inbox.close()
        target.close()


# -- what both the gateway and a server are checked for


def _check_promises(run: Run, apis: list[Api], target: Target) -> None:
    assert run.coverage is not None  # see the callers
    target.watchers.append(run.coverage.watch)
    inbox = Receiver()
    under_test = list(subjects(target, apis, inbox))
    run.planned |= {(subject.name, check.id): check.promise for subject, check in plan(under_test)}
    run.planned |= {(api.provider, f"generated: {phase}"): "" for api in apis for phase in PHASES}
    try:
        run.gather(run_checks(under_test, progress=run.progress))
    finally:
        inbox.close()


def _check_generated(run: Run, apis: list[Api], target: Target, examples: int) -> None:
    # Schemathesis takes long to import, and only the extra `check` brings it.
    from understudy_contracts.server.generated import Budget, generate

    coverage = run.coverage
    assert coverage is not None  # see the callers
    if coverage.watch not in target.watchers:
        target.watchers.append(coverage.watch)
    for api in apis:
        run.gather(
            generate(
                target,
                api,
                seed=run.seed,
                budget=Budget(fuzzing=examples, chains=examples),
                pointless=coverage.pointless(api),
                progress=run.progress,
            )
        )


# -- whether a server can be checked at all


def _require_an_answer(url: str) -> None:
    wire = Http(url)
    try:
        wire.send("GET", f"{wire.base_url}/", {}, b"", _PATIENCE)
    except Unanswered as problem:
        raise CannotRun(f"nothing answers: {problem}") from None
    finally:
        wire.close()


def _require_a_submit(run: Run, target: Target) -> None:
    """Refuse a server that has none of the submits, or lets nobody in. Raises CannotRun."""
    probes: list[Exchange] = []
    lost: Unanswered | None = None
    target.call_patience = _PATIENCE
    for submit in (submit for api in run.apis for submit in api.submits):
        try:
            # Without a key and a parameter: no job is made by it.
            headers = {"Content-Type": "application/json"}
            probes.append(target.call(submit.method, submit.path, headers, b"{}"))
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
        _require_open_doors(run, target)


def _require_open_doors(run: Run, target: Target) -> None:
    """Refuse a server that accepts no made-up key. Raises CannotRun."""
    key = target.fresh_key()
    for submit in (submit for api in run.apis for submit in api.submits):
        headers = {"Content-Type": "application/json"} | credentials(submit, key)
        if target.call(submit.method, submit.path, headers, b"{}").status not in _KEPT_OUT:
            return
    raise CannotRun(
        f"{target.base_url} accepts no made-up key, so nothing could be checked; "
        "give a key that it knows with --key"
    )
