"""The promises as tests of a user's own server: one for each operation and check."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from understudy_contracts.callback_inbox import Receiver
from understudy_contracts.findings import Outcome
from understudy_contracts.report import lines
from understudy_contracts.server.gateway import open_app, open_gateway
from understudy_contracts.server.lifecycle import run_check, subjects
from understudy_contracts.server.promises import CHECKS, Check
from understudy_contracts.server.spec import Api
from understudy_contracts.server.subject import Subject
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import Http, Unanswered
from understudy_mock.catalog import open_catalog
from understudy_mock.wording import open_wordings


def suite(
    server: str | ASGIApp | None = None,
    *,
    provider: str | None = None,
    operation: str = "*",
    key: str | None = None,
    seed: int = 0,
    specs: Iterable[str | Path] = (),
) -> Callable[..., None]:
    """Make a test function with one parameter set for each operation and check.

    `server` is a URL, an ASGI app, or None for the gateway itself; it is first called when the first test
    runs. `specs` are folders of further models and providers. `operation` is a pattern like "*pixverse*" for
    the submits to check. What cannot be reached is skipped, with the reason; a server that does not answer at
    all, or takes no submit, fails the first test and skips the others. Raises ValueError for a provider or
    operations that there are not.

        from understudy_contracts import suite
        test_contract = suite("http://127.0.0.1:4010", provider="…")
    """
    import pytest  # only those who test have it

    folders = tuple(map(Path, specs))
    catalog = open_catalog(folders, worded=open_wordings(folders))
    if provider is not None and provider not in catalog.providers:
        raise ValueError(f"no provider is called {provider!r}; known are {', '.join(catalog.providers)}")
    apis = [Api(name, catalog, (operation,)) for name in catalog.providers if provider in (None, name)]
    if not any(api.submits for api in apis):
        known = dict.fromkeys(submit.id for api in apis for submit in Api(api.provider, catalog).submits)
        raise ValueError(f"no submit is called {operation!r}; there are {', '.join(known)}")

    @cache
    def unreachable() -> list[str]:
        """Why nothing can be asked, if so."""
        if not isinstance(server, str):
            return []
        wire = Http(server)
        try:
            wire.send("GET", server, {}, b"")
        except Unanswered as problem:
            return [f"nothing answers: {problem}"]
        finally:
            wire.close()
        return []

    reported: list[str] = []

    @cache
    def opened() -> dict[str, Subject]:
        with ExitStack() as stack:
            inbox = Receiver()
            stack.callback(inbox.close)
            found: dict[str, Subject] = {}
            # Each mount of the gateway itself is a target of its own; any other server is one.
            for mount in dict.fromkeys(api.mount if server is None else "" for api in apis):
                here = [api for api in apis if server is not None or api.mount == mount]
                target = _open(server, key, seed, here[0], mount)
                stack.callback(target.close)
                found |= {subject.name: subject for subject in subjects(target, here, inbox)}
            atexit.register(stack.pop_all().close)
            return found

    @cache
    def useless() -> list[str]:
        """Why nothing can be shown, if so: of a server that takes no submit nothing would ever fail."""
        if any(subject.takes for subject in opened().values()):
            return []
        subject = next(iter(opened().values()))
        exchange = subject.submit(subject.target.fresh_key())
        return [f"no submit is accepted, so nothing could be checked; for instance {exchange}"]

    @pytest.mark.parametrize(("operation", "check"), list(_parameters(apis)))
    def test_contract(operation: str, check: Check) -> None:
        if reasons := unreachable():
            if reported:
                pytest.skip(f"not reached: {reasons[0]}")
            reported.extend(reasons)
            pytest.fail(reasons[0], pytrace=False)
        subject = opened()[operation]
        if not check.suits(subject):
            pytest.skip("asked at another of the provider's operations alone")
        case = run_check(check, subject)
        if case.outcome is Outcome.NOT_REACHED and not reported and (reasons := useless()):
            reported.extend(reasons)
            pytest.fail(reasons[0], pytrace=False)
        if case.outcome is Outcome.NOT_REACHED:
            pytest.skip(f"not reached: {case.reason}")
        if case.outcome is Outcome.ERROR:
            pytest.fail(case.reason, pytrace=False)
        if case.findings:
            pytest.fail(
                "\n".join(line for finding in case.findings for line in lines(finding)), pytrace=False
            )

    return test_contract


def _parameters(apis: list[Api]) -> Iterator[Any]:
    import pytest

    for api in apis:
        for operation in api.submits:
            for check in CHECKS:
                if check.applies(api, operation):
                    name = f"{api.provider} {operation.id}"
                    yield pytest.param(name, check, id=f"{api.provider}-{operation.id}-{check.id}")


def _open(server: str | ASGIApp | None, key: str | None, seed: int, api: Api, mount: str) -> Target:
    if server is None:
        return open_gateway(seed=seed, catalog=api.catalog, mount=mount)
    if isinstance(server, str):
        return Target(Http(server), seed=seed, key=key)
    return open_app(server, seed=seed, key=key)
