"""The same search as a function, for tests of a client in this process."""

from __future__ import annotations

import asyncio
import secrets
import textwrap
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from contracts.conformance.drivers import Driver, Lasting
from contracts.conformance.protocol import Hello, Mode
from contracts.explore.inside import Adapter, Callee, Function, Inside, declared
from contracts.explore.search import Exploration, Stop, search
from contracts.explore.telling import conversation, counted, model_of, save, severity_of, write_yaml
from contracts.findings import Severity
from mockserver.catalog import Catalog, open_catalog

Client = Callee | Sequence[str] | type[Adapter]


class HarnessFault(Exception):
    """The gateway contradicted its own specs: what the client made of that proves nothing."""


def explore(
    client: Client,
    *,
    providers: Iterable[str] = ("pixazo",),
    modes: Iterable[Mode] = ("poll",),
    max_examples: int = 100,
    seconds: float | None = None,
    seed: int | None = None,
    jobs: int = 4,
    strict: bool = False,
    capabilities: Iterable[str] = (),
    timing: Mapping[str, int] | None = None,
    save_dir: Path | None = None,
) -> Exploration:
    """Search for what a provider may do that makes a client break a rule. For tests, sync and async.

    `client` is one of these.

    - A function, sync or async, that does a whole run: it takes a `contracts.conformance.protocol.Run`
      (`.base_url`, `.api_key`, `.provider`, `.model`, `.input`, `.mode`, `.budget_ms`, …) and returns what
      it concluded, the fields of a `result` (contracts/PROTOCOL.md). What it raises is a crash. It can do
      what `capabilities` says, in `timing` as it declares of itself (ms; both are fields of `hello`).
      Runs go beside each other in `jobs` threads, so it must share nothing between two runs.
    - The class of an adapter with `hello`, `run` and `release`, like that of the reference client
      (contracts/adapters/reference.py); one is made for each of the `jobs`.
    - A command, a list of strings, that speaks the protocol.

    Each of `max_examples` plays on a gateway of its own, over a real socket; no more begin after `seconds`.
    The same `seed` searches the same way again, as far as the client does the same again; drawn, and told,
    where it is None. `modes` other than poll need the capability of that name.

    Raises AssertionError with the rule, the smallest scenario that breaks it as YAML, and the conversation.
    Rules of SHOULD count with `strict` alone. What was seen once in three plays is told as flaky; it counts
    with `strict` alone where a busy machine can be the cause, like a client that gives up. `save_dir` is
    where each found scenario is written, for `understudy serve --scenario FILE`; nowhere where it is None.
    Raises HarnessFault, `drivers.Died` when a command does not start, and `search.Nothing` when no place
    is left to try. Raises TypeError for what is no client, and ValueError for a provider that is not known.
    Returns what was tried, coverage included.

    An example::

        from contracts.explore import explore
        from my_package import Client, JobFailed

        async def run(case):
            patience = case.budget_ms / 1000 * 0.75
            async with Client(case.api_key, base_url=case.base_url) as client:
                try:
                    video = await client.generate(case.model, case.input, timeout=patience)
                except TimeoutError:
                    return {"outcome": "timeout", "job_id": client.last_job}
                except JobFailed as error:
                    return {"outcome": "failed", "job_id": error.job_id, "error": {"kind": "job_failed"}}
            return {"outcome": "completed", "job_id": video.id, "media": [{"url": url} for url in video.urls]}

        def test_the_client_survives_its_provider():
            explore(run, providers=("pixazo",), max_examples=200, seed=1)
    """
    if seed is None:
        seed = secrets.randbelow(2**31)
    catalog = open_catalog()
    providers = (providers,) if isinstance(providers, str) else tuple(providers)
    for name in providers:
        if name not in catalog.providers:
            raise ValueError(f"no provider is called {name!r}; known are {', '.join(catalog.providers)}")
    make = _maker(client, declared(providers, capabilities, timing or {}))
    stop = Stop()
    explored = _in_a_thread_of_its_own(
        lambda: asyncio.run(
            search(
                make,
                catalog,
                examples=max_examples,
                seconds=seconds,
                seed=seed,
                jobs=jobs,
                providers=providers,
                modes=tuple(modes),
                stop=stop,
            )
        ),
        stop,
    )
    again = f"explore(…, max_examples={max_examples}, seed={seed}, jobs={jobs})"
    if save_dir is not None:
        save(explored, save_dir, seed=seed, command=again)
    if explored.faults:
        raise HarnessFault(explored.faults[0])
    text = _complaint(explored, catalog, again, strict=strict)
    if text:
        raise AssertionError(text)
    return explored


def _maker(client: Client, hello: Hello) -> Callable[[], Driver]:
    if isinstance(client, type):
        missing = [name for name in ("hello", "run", "release") if not callable(getattr(client, name, None))]
        if missing:
            raise TypeError(f"{client.__name__} is no adapter: it has no method {', '.join(missing)}")
        return lambda: Inside(client())
    if isinstance(client, Sequence) and not isinstance(client, str):
        if not client or not all(isinstance(part, str) for part in client):
            raise TypeError(f"a command is a list of strings, at least one: {client!r} is not")
        return lambda: Lasting(client)
    if not callable(client):
        raise TypeError(
            "a client is a function, the class of an adapter, or a command as a list of strings, "
            f"not {client!r}"
        )
    return lambda: Inside(Function(client, hello))


def _complaint(explored: Exploration, catalog: Catalog, again: str, *, strict: bool) -> str:
    """Write what counts, "" for nothing."""
    counted_in = {Severity.MUST, Severity.SHOULD} if strict else {Severity.MUST}
    parts = []
    for found in explored.found:
        if severity_of(found) not in counted_in:
            continue
        talk = textwrap.indent(conversation(found, catalog), "  ")
        parts.append(
            f"{severity_of(found)} {found.finding.id}, {counted(found)}\n"
            f"{found.finding.message}\n"
            f"source: {found.finding.source}\n\n"
            f"the smallest scenario found, at {found.drawn.place}, model {model_of(found)}:\n\n"
            f"{write_yaml(found)}\n"
            f"the conversation:\n{talk}"
        )
    if not parts:
        return ""
    number = "1 rule" if len(parts) == 1 else f"{len(parts)} rules"
    return "\n\n".join([f"{number} broken; again: {again}", *parts])


def _in_a_thread_of_its_own(call: Callable[[], Exploration], stop: Stop) -> Exploration:
    """Call in a fresh thread, where there is no event loop yet: an async test has one in its own."""
    done: list[Exploration] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            done.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="explore")
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        stop.ask()
        thread.join()
        raise
    if raised:
        raise raised[0]
    return done[0]
