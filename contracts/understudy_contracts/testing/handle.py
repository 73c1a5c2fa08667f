"""What a test holds: one key on a gateway, what was said under it, and what the provider shall do to it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from urllib.parse import quote, unquote

import httpx
import msgspec

from understudy_contracts.callback_inbox import Callback
from understudy_contracts.conversation import as_text, tell
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.report import lines
from understudy_contracts.rules import judge
from understudy_contracts.rules.ledger import read_ledger
from understudy_contracts.testing.running import Running, running
from understudy_mock.app import create_replay
from understudy_mock.domain.clock import LAST, ManualClock, iso_ms
from understudy_mock.domain.draw import webhook_secret
from understudy_mock.domain.scenario import Scenario, write_scenario
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.scenario_files import ScenarioFileError, find, read_file, refuse_unknown_models
from understudy_mock.har.read import read_recording
from understudy_mock.redaction import redactor
from understudy_mock.replay.replay import MISS
from understudy_mock.webhooks import Sender

_NOT_RECORDED = "not-recorded"
_LACKING = "what was asked for is not in the recording"

_STRAYS_SHOWN = 5

_DELIVERIES_SHOWN = 10

_RICHEST = 1e9
"""USD that a wallet holds at most."""

_LONGEST = 1e9
"""Seconds that time moves on by at most."""

_SETTLED = 2.0
"""Real seconds that callbacks which are due get to arrive before somebody looks at them."""

_STEPPING = 10.0
"""Real seconds that `advance` goes from callback to callback; a job that never ends can have any number."""


class Understudy:
    """A key of one's own on a gateway that others may share: nobody else sees its jobs, money or faults.

    Everything told is in the JSON of the admin API, for this key alone. Calls block the calling thread for
    some milliseconds; the gateway itself runs elsewhere, so async tests can use all of it.
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
        self._since = gateway.world.journal.next_number
        self._changes: list[int] = []
        self._account = gateway.world.accounts.of(self.key).name
        gateway.accounts[self._account] = self.key
        self._path = gateway.receiver.new_path()
        self._stack.callback(gateway.receiver.forget, self._path)
        token = gateway.world.settings.admin_token
        shown = {"Authorization": f"Bearer {token}"} if token is not None else None
        url = f"{gateway.url}/_mock/"
        self._admin = httpx.Client(base_url=url, headers=shown, trust_env=False, timeout=30)
        self._stack.enter_context(self._admin)
        self._stack.callback(_ask, self._admin, "POST", "reset", params={"account": self._account})

    def close(self) -> None:
        """Have the gateway forget the key and all that happened under it.

        `conversation()` still tells what was said: a test can fail after this, at its end.
        """
        try:
            self._kept = self._said()
        finally:
            self._stack.close()

    # -- what a client needs

    @property
    def key(self) -> str:
        """The API key to show, in whichever header the provider wants it."""
        return self._key

    def url(self, provider: str | None = None) -> str:
        """Give the base URL: what stands in the place of `https://gateway.pixazo.ai` and the others.

        All providers share it; naming one makes sure that it is spoken for. Raises ValueError.
        """
        __tracebackhide__ = True
        known = self._gateway.world.catalog.providers
        if provider is not None and provider not in known:
            raise ValueError(f"no provider is called {provider!r}; known are {', '.join(known)}")
        return self._gateway.url

    @property
    def webhook_url(self) -> str:
        """An address that takes callbacks, for this test alone; `webhooks` has what came."""
        return self._gateway.receiver.url + self._path

    @property
    def webhook_secret(self) -> str:
        """What signs this key's callbacks (WaveSpeed)."""
        return webhook_secret(self._gateway.world.settings.seed, self._account)

    # -- what the provider does

    def play(self, scenario: str | Path | Mapping[str, Any] | Scenario | None) -> None:
        """Set what the provider does to this key from now on.

        A scenario's name, a file, a scenario as JSON would have it (its name may be left out), or None for
        none. A text is a name where one is known by it, else a file; files are found from the working
        directory, as by `understudy serve --scenario`. Raises ValueError with what is wrong with it and
        where, and TypeError for what is no scenario at all.
        """
        __tracebackhide__ = True
        # In a replay nothing is played, and the gateway says so: there is no need to read it.
        self._change(scenario=None if self._gateway.world.is_recorded else self._told(scenario))

    def _told(self, scenario: object) -> object:
        """Put a scenario as the admin API takes it: a known one's name, or the whole of it."""
        __tracebackhide__ = True
        world = self._gateway.world
        if scenario is None or (isinstance(scenario, str) and scenario in world.scenarios):
            return scenario
        if isinstance(scenario, Mapping):
            if "name" in scenario:
                return dict(scenario)
            # A name of its own, as what it does is counted by name.
            self._played += 1
            return {"name": f"played-{self._played}", "summary": "", **scenario}
        where = ""
        try:
            if isinstance(scenario, str | Path):
                file, where = scenario, f"{scenario}: "
                scenario = read_file(file) if isinstance(file, Path) else find(world.scenarios, file)
        except ScenarioFileError as error:
            raise ValueError(str(error)) from None
        if not isinstance(scenario, Scenario):
            raise TypeError(
                f"a scenario is a name, a file, a mapping, a Scenario, or None for none, not {scenario!r}"
            )
        try:
            refuse_unknown_models(scenario, {model.id for model in world.catalog.models})
        except ScenarioFileError as error:
            raise ValueError(f"{where}{error}") from None
        # With a summary, be it empty: a name alone would ask for one that is known.
        return {"summary": "", **write_scenario(scenario)}

    def replay(self, *files: str | Path, media: Literal["real", "small"] = "real") -> None:
        """Play recordings in the place of the gateway, for this test alone; call it before anything else.

        Recorded times are divided as the gateway's are. A result file that was not recorded is a miss, or
        with `media="small"` a tiny file. Raises RecordingError for a recording that cannot be used, and
        ValueError where a call was made or a scenario, balance or limit set before: it would be forgotten.
        """
        __tracebackhide__ = True
        if self._changes:
            raise ValueError(
                "a replay takes its course from the recording: no scenario, balance or limit can be set "
                "before it, by a marker neither"
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
        """Give the key a wallet with this balance in USD, or take it away.

        Raises TypeError for what is no number, and ValueError for one that is no balance.
        """
        __tracebackhide__ = True
        if usd is not None and (isinstance(usd, bool) or not isinstance(usd, int | float)):
            raise TypeError(f"a balance is a number of USD, or None for no wallet, not {usd!r}")
        if usd is not None and not 0 <= usd <= _RICHEST:
            raise ValueError(f"a balance is from 0 to {_RICHEST:g} USD, not {usd!r}")
        self._change(balance_usd=usd)

    def set_rate_limit(self, limit: str | None) -> None:
        """Limit the key's submits: `10/60` is ten a minute; None lifts it.

        Raises TypeError for what is no text, and ValueError for one that is no limit.
        """
        __tracebackhide__ = True
        if limit is not None and not isinstance(limit, str):
            raise TypeError(
                f"a rate limit is a text, N/SECONDS as in '10/60', or None for none, not {limit!r}"
            )
        self._change(rate_limit=limit)

    def answer_webhooks_with(self, status: int) -> None:
        """Have the receiver at `webhook_url` answer with this HTTP status from now on; at first it is 200.

        Raises ValueError for what is none.
        """
        __tracebackhide__ = True
        if type(status) is not int or not 200 <= status <= 599:
            raise ValueError(f"{status!r} is no final HTTP status: 200 to 599")
        self._gateway.receiver.answer(self._path, status)

    def end(self, job_id: str, status: str, error: str | None = None) -> dict[str, Any]:
        """End a job now: COMPLETED, FAILED or ERROR. Raises ValueError when it has ended, or is unknown."""
        __tracebackhide__ = True
        told = {"status": status, "error": error}
        try:
            ended: dict[str, Any] = self._make_another("POST", f"jobs/{quote(job_id, safe='')}/end", told)
        except ValueError as problem:
            raise ValueError(f"job {job_id}: {problem}") from None
        return ended

    def advance(self, seconds: float) -> None:
        """Move time on by seconds of the gateway's clock. Raises ValueError where the clock runs by itself.

        It goes from one moment at which a callback is due to the next, and returns when each has been sent
        and answered, those tried again included. A receiver that says nothing is not waited for for ever.
        One of the test's own, in the event loop of an async test, cannot answer before the test awaits
        something: there, `await asyncio.to_thread(understudy.advance, 60)`.

        The gateway's speed divides documented durations, 300 at first: a job of 111 documented seconds takes
        0.4. Add `speed=1` to the marker to count in documented seconds.
        """
        __tracebackhide__ = True
        if not 0 <= seconds <= _LONGEST:
            raise ValueError(
                f"time moves on by a number of seconds from 0 to {_LONGEST:g}, not by {seconds!r}"
            )
        if self._gateway.world.settings.pace != "manual":
            how = '@pytest.mark.understudy(pace="manual")'
            raise ValueError(f"time runs by itself here; ask for a clock of your own: {how}")
        self._gateway.do(lambda: self._pass(seconds, self._awaited()))

    async def _pass(self, seconds: float, below: str) -> None:
        """Let time pass, where the gateway runs; callbacks to what begins with `below` are awaited."""
        clock, sender = self._gateway.world.clock, self._gateway.world.announcer
        assert isinstance(clock, ManualClock)
        assert isinstance(sender, Sender)
        target = clock.now() + round(seconds * 1000)
        if target > LAST:
            raise ValueError(f"time ends at {iso_ms(LAST)} here")
        ends = monotonic() + _STEPPING
        await sender.settled(_SETTLED, below)
        # Time that went on in steps would run out for receivers that cannot answer in between.
        if not sender.goes_elsewhere(below):
            while (moment := sender.next_moment()) is not None and clock.now() < moment <= target:
                if monotonic() > ends:
                    break
                clock.move_to(moment)
                await sender.settled(_SETTLED, below)
        clock.move_to(target)
        await sender.settled(_SETTLED, below)

    # -- what was said

    @property
    def journal(self) -> list[JournalEntry]:
        """Every call under this key and every callback about its jobs, oldest first.

        Also calls that hold the key where it does not belong; on a gateway of the test's own, every call.
        """
        own, strays = self._said()
        return sorted([*own, *strays], key=lambda one: one.number) if self._alone else own

    @property
    def strays(self) -> list[JournalEntry]:
        """Calls that came while this test ran, with no key or one that no test was given, oldest first."""
        return self._said()[1]

    def _said(self) -> tuple[list[JournalEntry], list[JournalEntry]]:
        """Tell what was said under this key, and what under none that was given out, since the test began."""

        async def read() -> list[JournalEntry]:
            return list(self._gateway.world.journal.since(self._since))

        if self._kept is not None:
            return self._kept
        self._settle()
        known = self._gateway.accounts
        others = [key for key in known.values() if key != self.key]
        own, strays = [], []
        for one in self._gateway.do(read):
            if one.account == self._account:
                own.append(one)
            elif one.account in known or one.kind == "delivery":
                continue
            elif _holds(one, self.key):
                # By its key it can be told apart, and taken out of what is shown.
                own.append(one if one.key else msgspec.structs.replace(one, key=self.key))
            elif not any(_holds(one, key) for key in others):
                strays.append(one)
        return own, strays

    @property
    def misses(self) -> list[str]:
        """What a replay had no answer for: each call, and what the nearest recording has instead.

        A test that looks here, at `findings()` or at `assert_conforms()` decides itself about them.
        """
        self._has_looked = True
        return self._missed()

    def overlooked(self) -> list[str]:
        """Give the misses that the test has not looked at: what the fixture fails it for at its end."""
        return [] if self._has_looked else self._missed()

    def _missed(self) -> list[str]:
        return [
            value.decode("latin-1")
            for entry in self.journal
            for name, value in entry.response_headers
            if name == MISS
        ]

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The key's jobs, newest first: `id`, `provider`, `model`, `status`, `price_usd`, `events`, …"""
        wanted = {"account": self._account, "limit": 10_000}
        told: list[dict[str, Any]] = self._ask("GET", "jobs", params=wanted)["jobs"]
        return told

    @property
    def webhooks(self) -> list[Callback]:
        """What came to `webhook_url` until now, oldest first."""
        self._settle()
        return self._gateway.receiver.at(self._path)

    def wait_for_webhooks(self, number: int = 1, seconds: float = 5.0) -> list[Callback]:
        """Wait until so many callbacks have come, at most `seconds`, and give those that came.

        Raises TimeoutError with what came, and what the gateway knows of deliveries, when they are fewer.
        `webhooks` looks without waiting. Raises ValueError where nothing is waited for. In async code:
        `await asyncio.to_thread(understudy.wait_for_webhooks)`.
        """
        __tracebackhide__ = True
        if type(number) is not int or number < 1:
            raise ValueError(
                f"there is no waiting for {number!r} callbacks: from 1 on; `webhooks` has those that came"
            )
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"the longest wait is a number of seconds from 0 on, not {seconds!r}")
        came = self._gateway.receiver.wait(self._path, number, seconds)
        if len(came) < number:
            raise TimeoutError(self._told_missing(came, number, seconds))
        return came

    def _told_missing(self, came: list[Callback], number: int, seconds: float) -> str:
        known = []
        for one in self.deliveries[:_DELIVERIES_SHOWN]:
            where = "" if one["url"] == self.webhook_url else f", to {one['url'].partition('?')[0]}"
            known.append(f"  {one['event']} of {one['job_id']}: {one['state']}{where}")
        if known:
            told = "the gateway knows of:"
        elif self.jobs:
            told = "no delivery is planned: did the client give understudy.webhook_url with its submit?"
        else:
            told = "no job was made"
        if self._gateway.world.settings.pace == "manual":
            known.append("  time stands still here: understudy.advance(seconds) moves it")
        head = f"{len(came)} of {number} callbacks came within {seconds:g} s"
        return "\n".join([f"{head}; {told}", *known])

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """What the gateway has sent or will send, to any receiver: `event`, `state`, `attempts`, …"""
        self._settle()
        own = {job["id"] for job in self.jobs}
        return [one for one in self._ask("GET", "webhooks")["deliveries"] if one["job_id"] in own]

    # -- what was wrong

    def findings(self) -> list[Finding]:
        """Hold what was said under this key, and the strays, to the rules of `understudy rules`.

        What the test changes (`play`, `set_balance`, `set_rate_limit`, `end`) begins anew: a call that was
        refused before may be made again after it. How `webhook_url` answers is not the client's doing.
        In a replay, calls that met nothing recorded are a finding of MUST, too.
        """
        self._has_looked = True
        return self._judged()

    def _judged(self) -> list[Finding]:
        world = self._gateway.world
        seed = world.settings.seed
        found = judge(
            self._conversation(),
            world.catalog,
            speed=world.settings.speed,
            secret=lambda account: webhook_secret(seed, account),
            charged=read_ledger(world.store),
            alone=True,
            changes=self._changes,
            receiver=self._gateway.receiver.url,
        )
        return [*_of_misses(self._missed()), *found]

    def assert_conforms(self, *, strict: bool = False) -> None:
        """Raise AssertionError where a rule of severity MUST was broken; if `strict`, SHOULD, too.

        Also where nothing was said, or something with no key or another one than this test's; in a replay
        where a call met nothing that was recorded.
        """
        __tracebackhide__ = True
        if not self._conversation():
            raise AssertionError("nothing was said: did the client use understudy.url() and understudy.key?")
        counted = {Severity.MUST, Severity.SHOULD} if strict else {Severity.MUST}
        broken = [finding for finding in self.findings() if finding.severity in counted]
        told = [_told_strays(strays)] if (strays := self.strays) else []
        if broken:
            rules = sum(finding.id != _NOT_RECORDED for finding in broken)
            number = "1 rule" if rules == 1 else f"{rules} rules"
            told.append(f"the client broke {number} of the provider's contract" if rules else _LACKING)
            told += ["\n".join(lines(finding)) for finding in broken]
        if told:
            raise AssertionError("\n\n".join(told))

    def conversation(self) -> str:
        """Tell what was said under this key, and the strays: who, when, and which rule it broke.

        "" when nothing was said.
        """
        said = self._conversation()
        if not said:
            return ""
        notes = {one.number: "a stray: without this test's key" for one in self.strays}
        return as_text(tell(said, self._gateway.world.catalog, self._judged(), notes=notes))

    # --

    def _conversation(self) -> list[JournalEntry]:
        own, strays = self._said()
        return sorted([*own, *strays], key=lambda one: one.number)

    def _settle(self) -> None:
        """Let callbacks that are due arrive, where time stands still.

        Not for ever: a receiver may hang.
        """
        world = self._gateway.world
        sender = world.announcer
        if world.settings.pace == "manual" and isinstance(sender, Sender):
            below = self._awaited()
            self._gateway.do(lambda: sender.settled(_SETTLED, below))

    def _awaited(self) -> str:
        """Tell how the addresses begin whose callbacks can be waited for here.

        A receiver in the caller's own event loop cannot answer while the caller waits; the one at
        `webhook_url` always can.
        """
        return f"{self._gateway.receiver.url}/" if _in_a_loop() else ""

    def _change(self, **fields: Any) -> None:
        __tracebackhide__ = True
        self._make_another("PUT", f"accounts/{quote(self.key, safe='')}", fields)

    def _make_another(self, method: str, path: str, told: dict[str, Any]) -> Any:
        """Make the provider another than it was, and keep from which entry of the journal on it is."""
        __tracebackhide__ = True

        async def following() -> int:
            return self._gateway.world.journal.next_number

        # Where the gateway runs: what it has answered is in its journal then.
        number = self._gateway.do(following)
        answer = self._ask(method, path, json=told)
        self._changes.append(number)
        return answer

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        __tracebackhide__ = True
        return _ask(self._admin, method, path, **options)


def _of_misses(misses: list[str]) -> list[Finding]:
    if not misses:
        return []
    return [
        Finding(
            id=_NOT_RECORDED,
            severity=Severity.MUST,
            source="the recording",
            expected="every call has an answer in the recording",
            seen=_LACKING,
            evidence=tuple(dict.fromkeys(misses)),
        )
    ]


def _holds(entry: JournalEntry, key: str) -> bool:
    """Tell whether a call shows a key anywhere: address, headers, body."""
    raw = key.encode("latin-1", "replace")
    return (
        key in unquote(entry.url)
        or raw in entry.request_body
        or any(raw in value for _, value in entry.request_headers)
    )


def _told_strays(strays: list[JournalEntry]) -> str:
    number = "1 call" if len(strays) == 1 else f"{len(strays)} calls"
    shown = []
    for one in strays[:_STRAYS_SHOWN]:
        clean = redactor(one).suspicious_url(one.url.partition("?")[0])
        shown.append(f"{one.method} {clean}{'' if one.key else ' (no key)'}")
    more = f" and {len(strays) - _STRAYS_SHOWN} more" if len(strays) > _STRAYS_SHOWN else ""
    return f"{number} came with no key, or with another key than this test's: {', '.join(shown)}{more}"


def _ask(admin: httpx.Client, method: str, path: str, **options: Any) -> Any:
    __tracebackhide__ = True
    response = admin.request(method, path, **options)
    told = response.json()
    if response.is_error:
        raise ValueError(f"{told['pointer']}: {told['error']}".removeprefix(": "))
    return told


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
