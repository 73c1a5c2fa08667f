"""What a test holds: one key on a gateway, what was said under it, and what the provider shall do to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from understudy_contracts.callback_inbox import Callback
from understudy_contracts.conversation import as_text, tell
from understudy_contracts.findings import Finding, failing
from understudy_contracts.testing import clock, verdict
from understudy_contracts.testing.account import KeyAccount
from understudy_contracts.testing.running import Running, running
from understudy_contracts.testing.scenario import to_json
from understudy_mock.app import create_replay
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.domain.scenario import Scenario
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.read import read_recording

_DELIVERIES_SHOWN = 10

_RICHEST = 1e9
"""USD that a wallet holds at most."""


class Understudy:
    """A key of the test's own on a gateway that others may share: nobody else sees its jobs, money or faults.

    Its properties are the JSON of the admin API, for this key alone. Calls block the calling thread for some
    milliseconds. The gateway runs in another thread, so async tests can use all of it.
    """

    def __init__(self, gateway: Running, key: str, *, alone: bool = False) -> None:
        self._key = key
        self._has_looked = False
        self._played = 0
        self._kept: tuple[list[JournalEntry], list[JournalEntry]] | None = None
        self._stack = ExitStack()
        self._settle_on(gateway, alone=alone)

    def _settle_on(self, gateway: Running, *, alone: bool) -> None:
        self._gateway = gateway
        self._alone = alone
        self._path = gateway.inbox.new_path()
        self._stack.callback(gateway.inbox.forget, self._path)
        self._account = KeyAccount(gateway, self._key, self._stack)

    def close(self) -> None:
        """Have the gateway forget the key and all that happened under it.

        `conversation()` still returns what was said: a test can fail after this, at its end.
        """
        try:
            self._kept = self._entries()
        finally:
            self._stack.close()

    # -- what a client needs

    @property
    def key(self) -> str:
        """The API key to send, in whichever header the provider wants it."""
        return self._key

    def url(self, provider: str | None = None) -> str:
        """Return the base URL, which replaces those of the providers.

        Those that ship share it; a further one has its own. Naming one makes sure that the gateway knows it.
        Raises ValueError.
        """
        __tracebackhide__ = True
        known = self._gateway.world.catalog.providers
        if provider is not None and provider not in known:
            raise ValueError(f"unknown provider {provider!r}; known: {', '.join(known)}")
        mount = "" if provider is None else self._gateway.world.catalog.mount(provider)
        return self._gateway.url + mount

    @property
    def webhook_url(self) -> str:
        """An address that takes callbacks, for this test alone; `webhooks` has what came."""
        return self._gateway.inbox.url + self._path

    @property
    def webhook_secret(self) -> str:
        """The secret that signs this key's callbacks, where the provider signs them."""
        return webhook_secret(self._gateway.world.settings.seed, self._account.name)

    # -- what the provider does

    def play(self, scenario: str | Path | Mapping[str, Any] | Scenario | None) -> None:
        """Set what the provider does to this key from now on.

        Takes a scenario's name, a file, a scenario in JSON's types (its name may be left out), or None for
        none. A text is a name where a scenario has it, else a file. Files are looked up from the working
        directory, as by `understudy serve --scenario`. Raises ValueError with what is wrong and where, and
        TypeError for what is no scenario at all.
        """
        __tracebackhide__ = True
        self._played += 1
        world = self._gateway.world
        # A replay refuses every scenario, so there is no need to read this one. A mapping gets a name of its
        # own, as calls are counted by the scenario's name.
        chosen = None if world.is_recorded else to_json(world, scenario, f"played-{self._played}")
        self._account.set(scenario=chosen)

    def replay(self, *files: str | Path, media: Literal["real", "small"] = "real") -> None:
        """Play recordings instead of the gateway, for this test alone; call it before anything else.

        Recorded times are divided by the gateway's speed. A result file that was not recorded is a miss, or
        a tiny file with `media="small"`. Raises RecordingError for a recording that cannot be used, and
        ValueError after a call, a scenario, a balance or a limit: the replay would forget them.
        """
        __tracebackhide__ = True
        if self._account.changes:
            raise ValueError(
                "a replay takes its course from the recording: no scenario, balance or limit can be set "
                "before it, not even by a marker"
            )
        if calls := len(self.journal):
            number = "1 call was" if calls == 1 else f"{calls} calls were"
            raise ValueError(f"call replay() first: {number} made before, and would be forgotten")
        world = self._gateway.world
        recording = read_recording([Path(file) for file in files], world.catalog)
        settings = replace(self._gateway.settings, media=media)
        gateway = running(settings, lambda known: create_replay(recording, known, catalog=world.catalog))
        self._settle_on(self._stack.enter_context(gateway), alone=True)

    def set_balance(self, usd: float | None) -> None:
        """Give the key a wallet with this balance in USD, or take the wallet away with None.

        Raises TypeError for what is no number, and ValueError for one that is no balance.
        """
        __tracebackhide__ = True
        if usd is not None and (isinstance(usd, bool) or not isinstance(usd, int | float)):
            raise TypeError(f"a balance is a number of USD, or None for no wallet, not {usd!r}")
        if usd is not None and not 0 <= usd <= _RICHEST:
            raise ValueError(f"a balance is from 0 to {_RICHEST:g} USD, not {usd!r}")
        self._account.set(balance_usd=usd)

    def set_rate_limit(self, limit: str | None) -> None:
        """Limit the key's submits: `10/60` is ten a minute; None lifts the limit.

        Raises TypeError for what is no text, and ValueError for one that is no limit.
        """
        __tracebackhide__ = True
        if limit is not None and not isinstance(limit, str):
            raise TypeError(
                f"a rate limit is a text, N/SECONDS as in '10/60', or None for none, not {limit!r}"
            )
        self._account.set(rate_limit=limit)

    def answer_webhooks_with(self, status: int) -> None:
        """Have the receiver at `webhook_url` answer with this HTTP status from now on; at first it is 200.

        Raises ValueError for what is none.
        """
        __tracebackhide__ = True
        if type(status) is not int or not 200 <= status <= 599:
            raise ValueError(f"{status!r} is no final HTTP status: 200 to 599")
        self._gateway.inbox.answer(self._path, status)

    def end(self, job_id: str, status: str, error: str | None = None) -> dict[str, Any]:
        """End a job now: COMPLETED, FAILED or ERROR. Raises ValueError when it has ended, or is unknown."""
        __tracebackhide__ = True
        fields = {"status": status, "error": error}
        try:
            job: dict[str, Any] = self._account.change("POST", f"jobs/{quote(job_id, safe='')}/end", fields)
        except ValueError as problem:
            raise ValueError(f"job {job_id}: {problem}") from None
        return job

    def advance(self, seconds: float) -> None:
        """Move time on by seconds of the gateway's clock. Raises ValueError where the clock runs by itself.

        Time moves from one due callback to the next. The call returns when each callback has been sent and
        answered, retries included; a receiver that does not answer is given up after a while. A receiver in
        the event loop of an async test cannot answer before the test awaits something: there, use
        `await asyncio.to_thread(understudy.advance, 60)`.

        The gateway's speed, at first 300, divides documented durations: a job of 111 documented seconds takes
        0.4. Add `speed=1` to the marker to count in documented seconds.
        """
        __tracebackhide__ = True
        clock.advance(self._gateway, seconds)

    # -- what was said

    @property
    def journal(self) -> list[JournalEntry]:
        """Every call under this key and every callback about its jobs, oldest first.

        Also calls that hold the key where it does not belong; on a gateway of the test's own, every call.
        """
        return self._conversation() if self._alone else self._entries()[0]

    @property
    def strays(self) -> list[JournalEntry]:
        """Calls that came while this test ran, with no key or one that no test was given, oldest first."""
        return self._entries()[1]

    @property
    def misses(self) -> list[str]:
        """The calls that a replay had no answer for, each with the difference to the nearest recording.

        A test that reads this, or calls `findings()` or `assert_conforms()`, decides itself about them.
        """
        self._has_looked = True
        return verdict.misses_of(self.journal)

    def overlooked(self) -> list[str]:
        """Return the misses that the test has not looked at: the fixture fails it for them at its end."""
        return [] if self._has_looked else verdict.misses_of(self.journal)

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The key's jobs, newest first: `id`, `provider`, `model`, `status`, `price_usd`, `events`, …"""
        wanted = {"account": self._account.name, "limit": 10_000}
        jobs: list[dict[str, Any]] = self._account.ask("GET", "jobs", params=wanted)["jobs"]
        return jobs

    @property
    def webhooks(self) -> list[Callback]:
        """What came to `webhook_url` until now, oldest first."""
        clock.settle(self._gateway)
        return self._gateway.inbox.at(self._path)

    def wait_for_webhooks(self, number: int = 1, seconds: float = 5.0) -> list[Callback]:
        """Wait until so many callbacks have come to `webhook_url`, and return those that came.

        It waits `seconds` at most. What a receiver of your own gets is in `deliveries`.

        Raises TimeoutError when they are fewer, with what came and what the gateway knows of deliveries, and
        ValueError for a number or a time that cannot be waited for. `webhooks` looks without waiting. In
        async code: `await asyncio.to_thread(understudy.wait_for_webhooks)`.
        """
        __tracebackhide__ = True
        if type(number) is not int or number < 1:
            raise ValueError(
                f"there is no waiting for {number!r} callbacks: from 1 on; `webhooks` has those that came"
            )
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"the longest wait is a number of seconds from 0 on, not {seconds!r}")
        came = self._gateway.inbox.wait(self._path, number, seconds)
        if len(came) < number:
            head = f"{len(came)} of {number} callbacks came to webhook_url within {seconds:g} s"
            raise TimeoutError(f"{head}; {self._why_missing()}")
        return came

    def _why_missing(self) -> str:
        lines = []
        for delivery in self.deliveries[:_DELIVERIES_SHOWN]:
            url = delivery["url"]
            where = "" if url == self.webhook_url else f", to {url.partition('?')[0]}"
            lines.append(f"  {delivery['event']} of {delivery['job_id']}: {delivery['state']}{where}")
        if lines:
            head = "the gateway knows of:"
        elif self.jobs:
            head = "no delivery is planned: did the client give understudy.webhook_url with its submit?"
        else:
            head = "no job was made"
        if self._gateway.world.settings.pace == "manual":
            lines.append("  time stands still here: understudy.advance(seconds) moves it")
        return "\n".join([head, *lines])

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """What the gateway has sent or will send, to any receiver: `event`, `state`, `attempts`, …"""
        clock.settle(self._gateway)
        own = {job["id"] for job in self.jobs}
        deliveries = self._account.ask("GET", "webhooks")["deliveries"]
        return [delivery for delivery in deliveries if delivery["job_id"] in own]

    # -- what was wrong

    def findings(self) -> list[Finding]:
        """Judge what was said under this key, and the strays, by the rules of `understudy rules`.

        After the test changes something (`play`, `set_balance`, `set_rate_limit`, `end`), the client may
        repeat a call that was refused before. How `webhook_url` answers does not count against the client.
        In a replay, calls that are not in the recording are a finding of MUST, too.
        """
        self._has_looked = True
        return self._judge()

    def _judge(self) -> list[Finding]:
        misses = verdict.misses_of(self.journal)
        return verdict.find(self._gateway, self._conversation(), self._account.changes, misses)

    def assert_conforms(self, *, strict: bool = False) -> None:
        """Raise AssertionError where a rule of severity MUST was broken; with `strict`, SHOULD, too.

        It also raises where nothing was said, where a call came with no key or another one than this test's,
        and in a replay where a call is not in the recording.
        """
        __tracebackhide__ = True
        if not self._conversation():
            raise AssertionError("nothing was said: did the client use understudy.url() and understudy.key?")
        broken = [finding for finding in self.findings() if finding.severity in failing(strict=strict)]
        if text := verdict.complain(broken, self.strays):
            raise AssertionError(text)

    def conversation(self) -> str:
        """Return what was said under this key, and the strays: who, when, and which rule it broke.

        "" when nothing was said.
        """
        entries = self._conversation()
        if not entries:
            return ""
        notes = {entry.number: "a stray: without this test's key" for entry in self.strays}
        return as_text(tell(entries, self._gateway.world.catalog, self._judge(), notes=notes))

    def _conversation(self) -> list[JournalEntry]:
        own, strays = self._entries()
        return sorted([*own, *strays], key=lambda entry: entry.number)

    def _entries(self) -> tuple[list[JournalEntry], list[JournalEntry]]:
        return self._account.entries() if self._kept is None else self._kept
