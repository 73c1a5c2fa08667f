"""The search as a function, for tests of a client in this process."""

from __future__ import annotations

import asyncio
import math
import secrets
import textwrap
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from understudy_contracts.conformance.drivers import Driver, Lasting
from understudy_contracts.conformance.protocol import CAPABILITIES, Hello, Mode, Timing
from understudy_contracts.findings import counted, failing
from understudy_contracts.search.inside import Adapter, Callee, Function, Inside, declared
from understudy_contracts.search.places import MODES, lacking
from understudy_contracts.search.search import Exploration, Nothing, Stop, search
from understudy_contracts.search.telling import (
    conversation,
    frequency,
    model_of,
    save,
    severity_of,
    summary,
    write_found,
)
from understudy_mock.catalog import Catalog, open_catalog

Client = Callee | Sequence[str] | type[Adapter]

_MOST_JOBS = 64


class HarnessFault(Exception):
    """The gateway contradicted its own specs: what the client then did proves nothing."""


def explore(
    client: Client,
    *,
    providers: Iterable[str] | None = None,
    modes: Iterable[Mode] = ("poll",),
    max_examples: int = 100,
    seconds: float | None = None,
    seed: int | None = None,
    jobs: int = 4,
    strict: bool = False,
    capabilities: Iterable[str] = (),
    timing: Mapping[str, int] | None = None,
    save_dir: str | Path | None = None,
) -> Exploration:
    """Search for what a provider may do that makes a client break a rule. For tests, sync and async.

    `client` is one of these.

    - A function, sync or async, that does a whole run. It takes a `conformance.protocol.Run`
      (`.base_url`, `.api_key`, `.provider`, `.model`, `.input`, `.mode`, `.budget_ms`, …) and returns
      what it concluded: the fields of a `result` (PROTOCOL.md). An exception is a crash. `capabilities`
      says what it can do, and `timing` (ms) how fast; both are fields of `hello`. Up to `jobs` runs go on
      at once in threads, so two runs must share nothing.
    - The class of an adapter with `hello`, `run` and `release`, like that of the reference client
      (contracts/understudy_contracts/adapters/reference.py). Each of the `jobs` gets an instance.
    - A command, as a list of strings, that speaks the protocol.

    Each of `max_examples` plays on a gateway of its own, over a real socket. None begins after `seconds`.
    The same `seed` tries the same examples again; None draws a seed, which is printed. `modes` other than
    poll need the capability of that name. Each of `providers` (by default the first) and `modes` must be
    possible: not every provider has webhooks. Each found scenario is written into `save_dir`, for
    `understudy serve --scenario FILE`.

    Raises AssertionError with the rule, the smallest scenario that breaks it as YAML, and the conversation.
    Findings of SHOULD count only with `strict`. What broke a rule once in three plays is reported as flaky.
    It counts only with `strict` where a busy machine can be the cause, like a client that gives up. Raises
    HarnessFault; `drivers.Died` when a command does not start; and Nothing when the client cannot be tried
    as asked, or no example was played. Raises TypeError or ValueError for arguments that cannot be right,
    before anything is tried.

    Returns what was tried, coverage included, and prints it in a line: pytest shows that when the test fails,
    or with -rP. A short search may leave some kinds of provider behaviour untried. It prints how many; to
    make that an error, write `assert not explore(…).untried`.

    An example::

        from understudy_contracts import explore
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
            explore(run, max_examples=200, seed=1)
    """
    seed = secrets.randbelow(2**31) if seed is None else _whole("seed", seed)
    _whole("max_examples", max_examples, 1)
    _whole("jobs", jobs, 1, _MOST_JOBS)
    _check_seconds(seconds)
    if not isinstance(strict, bool):
        raise TypeError(f"strict is True or False, not {strict!r}")
    catalog = open_catalog()
    wanted = catalog.providers[:1] if providers is None else providers
    providers = _names("provider", wanted, catalog.providers)
    modes = _names("mode", modes, MODES)
    capabilities = _names("capability", capabilities, CAPABILITIES, least=0)
    timing = _timing(timing)
    hello = declared(providers, capabilities, timing)
    make = _maker(client, hello)
    if not _is_function(client):
        if capabilities or timing:
            raise ValueError(
                "capabilities and timing belong to a function; other clients declare them in their hello"
            )
    elif why := lacking(catalog, hello, providers, modes):
        raise ValueError(why)
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
                modes=modes,
                stop=stop,
            )
        ),
        stop,
    )
    again = f"explore(…, max_examples={max_examples}, seed={seed}, jobs={jobs})"
    if save_dir is not None:
        save(explored, Path(save_dir), seed=seed, command=again)
    for line in summary(explored, seed):
        click.echo(line)
    if explored.faults:
        raise HarnessFault(explored.faults[0])
    if explored.examples == explored.unsupported:
        raise Nothing(_nothing(explored))
    text = _complaint(explored, catalog, again, strict=strict)
    if text:
        raise AssertionError(text)
    return explored


def _names(noun: str, given: Iterable[str], known: Iterable[str], least: int = 1) -> tuple[Any, ...]:
    """Return known names as a tuple; a lone one may be given as text. Raises ValueError."""
    names, known = (given,) if isinstance(given, str) else tuple(given), tuple(known)
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {noun} {name!r}; known: {', '.join(known)}")
    if len(names) < least:
        raise ValueError(f"there is no {noun} to try; known: {', '.join(known)}")
    return names


def _whole(name: str, value: object, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number of a range. Raises TypeError and ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if least is not None and (value < least or (most is not None and value > most)):
        until = f"to {most}" if most is not None else "on"
        raise ValueError(f"{name} is a whole number from {least} {until}, not {value!r}")
    return value


def _check_seconds(seconds: object) -> None:
    if seconds is None:
        return
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"seconds is a number, or None for no limit, not {seconds!r}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds is a number above 0, or None for no limit, not {seconds!r}")


def _timing(timing: Mapping[str, int] | None) -> Mapping[str, int]:
    """Return what a client declares of its pace. Raises TypeError and ValueError."""
    if timing is None:
        return {}
    if not isinstance(timing, Mapping):
        raise TypeError(f"timing is a mapping of names to ms, not {timing!r}")
    _names("timing", timing, Timing.__struct_fields__, least=0)
    for name, value in timing.items():
        _whole(f"timing {name}", value, 0)
    return timing


def _nothing(explored: Exploration) -> str:
    """Return why a search proves nothing."""
    if explored.examples:
        examples = counted(explored.examples, "example")
        return f"no example was played: the client answered unsupported to {examples}"
    return "no example was played: give more seconds"


def _is_function(client: Client) -> bool:
    return callable(client) and not isinstance(client, type)


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
    """Return the findings that count, as text; "" for none."""
    parts = []
    for found in explored.found:
        if severity_of(found) not in failing(strict=strict):
            continue
        talk = textwrap.indent(conversation(found, catalog), "  ")
        parts.append(
            f"{severity_of(found)} {found.finding.id}, {frequency(found)}\n"
            f"{found.finding.message}\n"
            f"source: {found.finding.source}\n\n"
            f"the smallest scenario found, at {found.drawn.place}, model {model_of(found)}:\n\n"
            f"{write_found(found)}\n"
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
