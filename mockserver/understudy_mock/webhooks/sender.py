"""The one loop that sends callbacks: what is due goes to the lane of its job.

A lane sends the callbacks of one job one after another, so that they arrive in order. A receiver, an
exact URL, has a number of places; a slow one fills its own and delays nobody else. What is tried again
gets a place before what was not tried yet, so a receiver that takes nothing is soon known and paused.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import urlsplit

from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import Clock
from understudy_mock.domain.draw import Draw, webhook_secret
from understudy_mock.domain.job import LARGE, Job
from understudy_mock.domain.scenario import Webhook
from understudy_mock.domain.webhook import Callback, callbacks
from understudy_mock.gateway.addresses import urls_of
from understudy_mock.gateway.journal import JournalEntry, cut, size_of
from understudy_mock.gateway.turns import apart, in_turns, let_go
from understudy_mock.gateway.world import World
from understudy_mock.media import RenderError, StudioBusy
from understudy_mock.printing import printable
from understudy_mock.redaction import Redactor
from understudy_mock.webhooks.log import (
    KEPT_OF_AN_ERROR,
    Attempt,
    Delivery,
    DeliveryLog,
    DeliveryState,
)
from understudy_mock.webhooks.post import Forbidden, Poster

_log = logging.getLogger("understudy")

TIMEOUT = 5_000
"""Real ms that a receiver has to answer (Pixazo: "a few seconds"; the number is assumed)."""

RETRIES = (1_000, 4_000)
"""Real ms before the second and the third attempt, and up to a quarter more by chance (assumed)."""

PAUSE_AFTER = 5
"""Deliveries given up in a row after which a receiver gets no more (Pixazo: "persistent failures")."""

STALE = 600_000
"""How old a stale signature is, in ms; WaveSpeed tells receivers to refuse what is older than 300 s."""

PLACES = 32
"""Deliveries to one receiver that are under way at a time."""

_RECEIVERS = 10_000
"""Receivers of which it is known how often they failed; the least recently used one is forgotten first."""

TICKS_KEPT = 8
"""Ticks of which a lane knows at least what it has sent: ended by hand, a job may bring some of them again.

Wherever two neighbours change places, one of them is due a tick later than it was.
"""

LARGE_AT_ONCE = 8
"""Deliveries under way at a time whose bodies may have megabytes, to all receivers together."""

_SLACK = 1000
"""Entries of the agenda beyond twice the lanes that are worth no clean-up."""

_BEGUN = 200
"""Lanes that are begun in one turn of the event loop."""

_GRACE = 2.0
"""Real seconds that deliveries in progress get at shutdown."""

_TOLD = 10
"""Jobs that are named when the gateway ends before their webhooks are sent."""

_AS_DOCUMENTED = Webhook()


class _Places:
    """The places of one receiver. What has been tried most often gets the next one that is free.

    Were it first come, first served, a silent receiver with thousands of callbacks would see all of them for
    the first time before any was given up.
    """

    __slots__ = ("_free", "_turns", "_waiting")

    def __init__(self) -> None:
        self._free = PLACES
        self._turns = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, tried: int) -> None:
        """Wait for a place, for a delivery that was tried so often."""
        if self._free:
            self._free -= 1
            return
        self._turns += 1
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (-tried, self._turns, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place came, and nobody is there any more
                self.give_back()
            raise

    def give_back(self) -> None:
        """Free a place for the next one."""
        while self._waiting:
            _, _, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


@dataclass(slots=True, eq=False)
class _Receiver:
    """One URL: how many deliveries were given up in a row, and the places for those in progress.

    `pauses` counts how often it was paused.
    """

    given_up: int = 0
    paused: bool = False
    pauses: int = 0
    places: _Places = field(default_factory=_Places)


@dataclass(slots=True, eq=False)
class _Lane:
    """The callbacks of one job: those planned, the next one, and which were taken to be sent."""

    job: Job
    planned: Iterator[Callback]
    following: Callback | None = None
    taken: dict[str, int] = field(default_factory=dict)
    """The latest that were taken, in order: their keys, and when they were due."""
    floor: int = -1
    """What was due by then, in ms after the submit, has been taken, though it is not named any more."""
    task: asyncio.Task[None] | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    turn: int = 0
    wakes: int | None = None
    """The instant at which time alone moves it on: it tries again, or gives an attempt up."""
    rests: bool = False
    """Whether nothing but time moves it on: it waits to try again."""
    hangs: bool = False
    """Whether somebody has waited in vain for what it does now."""

    def take(self, callback: Callback) -> None:
        """Note that a callback is being sent, and forget those that no other plan could bring again."""
        self.taken[callback.key] = callback.at
        wish = self.job.scenario.webhook if self.job.scenario is not None else _AS_DOCUMENTED
        least = TICKS_KEPT * wish.copies
        if len(self.taken) > 2 * least:
            kept = list(self.taken.items())[-least:]
            self.taken = dict(kept)
            self.floor = kept[least // 2][1]

    def was_taken(self, callback: Callback) -> bool:
        """Whether it is being sent, or was."""
        return callback.at <= self.floor or callback.key in self.taken

    def end(self) -> None:
        """Send nothing more, and let nobody wait for it."""
        if self.task is not None:
            self.task.cancel()
        self.tried.set()

    @property
    def url(self) -> str:
        """Where its callbacks go."""
        assert self.job.receiver is not None  # there is no lane without one
        return self.job.receiver.url


class Script(Protocol):
    """What is sent, and when."""

    def callbacks(self, job: Job) -> Iterator[Callback]:
        """Plan the callbacks of a job that has a receiver, in the order they are sent."""

    async def word(self, job: Job, callback: Callback) -> bytes:
        """Word a callback when it is sent."""


class AsDocumented:
    """The callbacks that the provider documents, with what the job's scenario does to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def callbacks(self, job: Job) -> Iterator[Callback]:
        """Plan the callbacks of a job that has a receiver, in the order they are sent."""
        receiver = job.receiver
        assert receiver is not None  # the gateway plans no others
        wish = job.scenario.webhook if job.scenario is not None else _AS_DOCUMENTED
        return callbacks(job.timeline, receiver.mode, wish, self._world.settings.speed)

    async def word(self, job: Job, callback: Callback) -> bytes:
        """Word a callback when it is sent."""
        step = callback.step
        provider = self._world.provider(job.model.provider)
        urls = await urls_of(self._world, job, step)
        return await apart(job.weight, provider.callback, job, step, urls)


class Sender:
    """Sends the callbacks of one world, as documented unless there is another `script`."""

    def __init__(self, world: World, poster: Poster, script: Script | None = None) -> None:
        self.log = DeliveryLog()
        self._script = script or AsDocumented(world)
        self._world = world
        self._poster = poster
        self._lanes: dict[str, _Lane] = {}
        self._agenda: list[tuple[int, int, str]] = []
        self._turns = 0
        self._receivers: OrderedDict[int, _Receiver] = OrderedDict()
        """By the hash of the URL, which may be long."""
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    # -- what the gateway calls

    def plan(self, job: Job) -> None:
        """Send the job's callbacks when they are due; for a job ended by hand, those of its new timeline."""
        planned = self._script.callbacks(job)
        lane = self._lanes.get(job.id)
        if lane is None:
            lane = self._lanes[job.id] = _Lane(job, planned)
        else:
            lane.job, lane.planned = job, planned
        self._look_ahead(lane)
        if lane.task is None:
            self._rest(lane)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.get_running_loop().create_task(self._run())
        self._wake.set()

    async def first_attempt(self, job: Job, seconds: float) -> None:
        """Return when a callback of the job has been tried, or after `seconds` of real time."""
        lane = self._lanes.get(job.id)
        if lane is not None:
            try:
                await asyncio.wait_for(lane.tried.wait(), seconds)
            except TimeoutError:
                return

    async def clear(self, account: str | None) -> None:
        """Forget what is planned for an account, or all, and the log of it."""
        gone = [lane for lane in self._lanes.values() if account in (None, lane.job.account)]
        held: list[Any] = self.log.clear(account)
        if account is None:
            held += self._agenda
            self._lanes, self._agenda = {}, []
            self._receivers.clear()
        else:
            for lane in gone:
                del self._lanes[lane.job.id]
        if len(self._agenda) > 2 * len(self._lanes) + _SLACK:
            self._tidy_agenda()
        self._changed.set()
        async for lane in in_turns(gone):
            lane.end()
        await let_go(gone, held)

    def forget(self, job_id: str) -> None:
        """Send nothing more of a job that is kept no longer, and drop what the log holds of it."""
        lane = self._lanes.pop(job_id, None)
        if lane is not None:
            lane.end()
            self._changed.set()
        self.log.forget(job_id)

    async def close(self) -> None:
        """Give deliveries in progress a moment to end, and say what was not sent."""
        if self._loop is not None:
            self._loop.cancel()
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)
        unsent = [
            lane for lane in self._lanes.values() if lane.following is not None or lane.task is not None
        ]
        for task in tasks:
            task.cancel()
        await self._poster.close()
        if unsent:
            told = "".join(f"\n  {self._tell_unsent(lane)}" for lane in unsent[:_TOLD])
            more = f"\n  and {len(unsent) - _TOLD} more" if len(unsent) > _TOLD else ""
            _log.warning(
                "webhooks that were not sent when the gateway ended, by job: %d%s%s", len(unsent), told, more
            )

    def _tell_unsent(self, lane: _Lane) -> str:
        receiver = lane.job.receiver
        event = lane.following.event if lane.following is not None else "in progress"
        netloc = urlsplit(receiver.url).netloc if receiver is not None else ""
        return f"{lane.job.id}: {event}, to {netloc.rpartition('@')[2]}"

    # -- what the admin API calls

    def upcoming(self) -> Iterator[Delivery]:
        """List the next planned delivery of each job there is now."""
        for lane in list(self._lanes.values()):
            if lane.following is not None:
                yield self._delivery(lane, lane.following)

    async def redeliver(self, delivery: Delivery) -> None:
        """Send a delivery once more, now. One that is received un-pauses its receiver."""
        receiver = self._receiver(delivery.url)
        pauses = receiver.pauses
        attempt = await self._attempt(delivery)
        if attempt is not None and attempt.received:
            _received(delivery, receiver, pauses)

    # -- what tests on a manual clock call

    async def settled(self, seconds: float | None = None, below: str = "") -> None:
        """Return when nothing more happens until time moves, or after `seconds` of real time.

        Only callbacks to addresses that begin with `below` are waited for. An attempt that was waited for
        in vain is not waited for again.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._is_due(below) or any(self._busy(below)):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            for lane in self._busy(below):
                lane.hangs = True

    def next_moment(self) -> int | None:
        """Tell the first instant at which time alone makes something happen; None where it never does."""
        now = self._world.clock.now()
        moments = [lane.wakes for lane in self._lanes.values() if lane.wakes is not None and lane.wakes > now]
        return min([*moments, *(entry[0] for entry in self._agenda[:1])], default=None)

    def goes_elsewhere(self, below: str) -> bool:
        """Tell whether callbacks are planned, or under way, to an address that does not begin so."""
        return not all(lane.url.startswith(below) for lane in self._lanes.values())

    def _is_due(self, below: str) -> bool:
        now = self._world.clock.now()
        if not self._agenda or self._agenda[0][0] > now:
            return False
        due = (self._lanes.get(job_id) for instant, _, job_id in self._agenda if instant <= now)
        return any(lane is not None and lane.url.startswith(below) for lane in due)

    def _busy(self, below: str) -> Iterator[_Lane]:
        """List the lanes that do something, but for those that were waited for in vain."""
        now = self._world.clock.now()
        for lane in self._lanes.values():
            waits = (lane.rests or lane.hangs) and (lane.wakes is None or lane.wakes > now)
            if lane.task is not None and not waits and lane.url.startswith(below):
                yield lane

    # -- the loop

    async def _run(self) -> None:
        clock = self._world.clock
        while True:
            begun = 0
            while self._agenda and self._agenda[0][0] <= clock.now():
                begun += 1
                if begun % _BEGUN == 0:
                    await asyncio.sleep(0)  # what falls due together is begun a little at a time
                    continue
                _, turn, job_id = heappop(self._agenda)
                lane = self._lanes.get(job_id)
                if lane is not None and lane.turn == turn and lane.task is None:
                    lane.task = asyncio.get_running_loop().create_task(self._send_lane(lane))
            self._changed.set()
            self._wake.clear()
            await _first(self._wake, clock, self._agenda[0][0] if self._agenda else None)

    def _look_ahead(self, lane: _Lane) -> None:
        """Find the lane's next callback; those taken already are not sent again."""
        lane.following = next((callback for callback in lane.planned if not lane.was_taken(callback)), None)

    def _take(self, lane: _Lane) -> Delivery | None:
        """Take the lane's next callback if it is due: one at a time, so that nothing piles up here."""
        following = lane.following
        if following is None or self._lanes.get(lane.job.id) is not lane:
            return None
        if lane.job.created + following.at > self._world.clock.now():
            return None
        lane.take(following)
        delivery = self._delivery(lane, following)
        self.log.add(delivery)
        self._look_ahead(lane)
        return delivery

    def _delivery(self, lane: _Lane, callback: Callback) -> Delivery:
        return Delivery(lane.job, callback, lane.url, lane.job.created + callback.at)

    async def _send_lane(self, lane: _Lane) -> None:
        try:
            while (delivery := self._take(lane)) is not None:
                await self._send(delivery, lane)
                await asyncio.sleep(0)  # a paused receiver is not waited for, and others have their turn
        finally:
            lane.task = lane.wakes = None
            lane.rests = lane.hangs = False
            lane.tried.set()
            if self._lanes.get(lane.job.id) is lane:
                self._rest(lane)
            self._changed.set()

    def _rest(self, lane: _Lane) -> None:
        """Put a lane away until its next callback is due, or for good."""
        if lane.following is None:
            del self._lanes[lane.job.id]
            return
        self._turns += 1
        lane.turn = self._turns
        heappush(self._agenda, (lane.job.created + lane.following.at, lane.turn, lane.job.id))
        if len(self._agenda) > 2 * len(self._lanes) + _SLACK:
            self._tidy_agenda()
        self._wake.set()

    def _tidy_agenda(self) -> None:
        """Drop what is on the agenda of lanes that are gone, or were planned anew."""
        self._agenda = [
            entry
            for entry in self._agenda
            if (lane := self._lanes.get(entry[2])) is not None and lane.turn == entry[1]
        ]
        heapify(self._agenda)

    # -- one delivery

    async def _send(self, delivery: Delivery, lane: _Lane) -> None:
        """Try until it is received, refused or given up."""
        receiver = self._receiver(delivery.url)
        for number in range(1 + len(RETRIES)):
            if number:
                delivery.state = DeliveryState.RETRYING
                await self._wait_to_retry(delivery, number, lane)
                if any(attempt.received for attempt in delivery.attempts):
                    return  # it was sent again by hand meanwhile
            await receiver.places.take(number)
            try:
                if receiver.paused:
                    delivery.state = DeliveryState.PAUSED
                    return
                pauses = receiver.pauses
                lane.wakes = self._world.clock.now() + TIMEOUT
                attempt = await self._attempt(delivery)
            finally:
                receiver.places.give_back()
            lane.wakes, lane.hangs = None, False
            lane.tried.set()
            if attempt is None:
                delivery.state = DeliveryState.REFUSED
                return
            if attempt.received:
                _received(delivery, receiver, pauses)
                return
        delivery.state = DeliveryState.GIVEN_UP
        receiver.given_up += 1
        if receiver.given_up >= PAUSE_AFTER and not receiver.paused:
            receiver.paused = True
            receiver.pauses += 1
            _log.warning(
                "webhooks to %s are paused: %d deliveries in a row failed",
                printable(Redactor(()).suspicious_url(delivery.url)),
                receiver.given_up,
            )

    async def _wait_to_retry(self, delivery: Delivery, number: int, lane: _Lane) -> None:
        jitter = Draw(delivery.job.root).fraction(f"retry {delivery.callback.key} {number}")
        wait = RETRIES[number - 1] * (1 + jitter / 4)
        lane.wakes, lane.rests = self._world.clock.now() + round(wait), True
        self._changed.set()
        await self._world.clock.reach(lane.wakes)
        lane.wakes, lane.rests = None, False

    async def _attempt(self, delivery: Delivery) -> Attempt | None:
        """Post once and log it; None for an address that is not allowed."""
        async with self._large if _is_large(delivery.job) else nullcontext():
            return await self._post(delivery)

    async def _post(self, delivery: Delivery) -> Attempt | None:
        at = self._world.clock.now()
        try:
            headers, body = await self._request(delivery)
        except (RenderError, StudioBusy) as problem:
            attempt = Attempt(at, None, 0, f"its files could not be made: {problem}"[:KEPT_OF_AN_ERROR])
            delivery.note(attempt)
            return attempt
        began = perf_counter()
        status: int | None = None
        answer: tuple[int, Headers, bytes] = (0, [], b"")
        error, refused = "", False
        try:
            answer = await self._world.clock.within(TIMEOUT, self._poster.post(delivery.url, headers, body))
            status = answer[0]
        except Forbidden as problem:
            error, refused = str(problem), True
        except TimeoutError:
            error = f"no answer within {TIMEOUT // 1000} seconds"
        except Exception as problem:  # a receiver can fail in any way; all of them are its failure
            error = f"{type(problem).__name__}: {problem}".rstrip(": ")
        attempt = Attempt(at, status, (perf_counter() - began) * 1000, error[:KEPT_OF_AN_ERROR])
        delivery.note(attempt)
        self._write(delivery, attempt, headers, body, answer)
        return None if refused else attempt

    async def _request(self, delivery: Delivery) -> tuple[Headers, bytes]:
        """Word a callback, and sign it for the receiver's clock."""
        job = delivery.job
        provider = self._world.provider(job.model.provider)
        body = await self._script.word(job, delivery.callback)
        wish = (job.scenario.webhook if job.scenario is not None else _AS_DOCUMENTED).signature
        secret = webhook_secret(self._world.settings.seed, job.account)
        event = f"{Draw(job.root).bits(f'event {delivery.callback.message}', 128):032x}"
        at = self._world.clock.wall()
        signed: Headers = []
        if wish != "missing":
            shown = secret + "?" if wish == "bad" else secret
            stamp = at - STALE if wish == "stale" else at
            signed = await apart(len(body), provider.sign, shown, event, stamp, body)
        return [(b"content-type", b"application/json"), *signed], body

    def _write(
        self,
        delivery: Delivery,
        attempt: Attempt,
        headers: Headers,
        body: bytes,
        answer: tuple[int, Headers, bytes],
    ) -> None:
        journal, job = self._world.journal, delivery.job
        account = self._world.accounts.named(job.account)
        sent, got = cut(body), cut(answer[2])
        journal.append(
            JournalEntry(
                number=journal.next_number,
                kind="delivery",
                at=attempt.at,
                duration=attempt.latency,
                key=account.key if account is not None else "",
                account=job.account,
                provider=job.model.provider,
                operation=f"webhook {delivery.callback.event}",
                method="POST",
                url=delivery.url,
                http_version="1.1",
                request_headers=headers,
                request_body=sent,
                request_size=len(body),
                status=attempt.status or 0,
                response_headers=[(name.lower(), value) for name, value in answer[1]],
                response_body=got,
                response_size=len(answer[2]),
                kept=size_of(headers, answer[1]) + len(delivery.url) + len(sent) + len(got),
                job=job.id,
                scenario=job.scenario.name if job.scenario is not None else "",
                error=attempt.error,
                drift=self._world.clock.drift(),
            )
        )

    def _receiver(self, url: str) -> _Receiver:
        name = hash(url)
        receiver = self._receivers.get(name)
        if receiver is None:
            receiver = self._receivers[name] = _Receiver()
            if len(self._receivers) > _RECEIVERS:
                self._receivers.popitem(last=False)
        else:
            self._receivers.move_to_end(name)
        return receiver


def _is_large(job: Job) -> bool:
    """Whether its callbacks may have megabytes: they tell what was asked, and may hold the files."""
    return job.weight >= LARGE or job.inline or "data-uri" in job.quirks


def _received(delivery: Delivery, receiver: _Receiver, pauses: int) -> None:
    """Note that a delivery arrived; when its attempt began, its receiver had been paused `pauses` times."""
    delivery.state = DeliveryState.DELIVERED
    if receiver.paused and pauses < receiver.pauses:
        return  # it began before the pause, and says nothing of the time since
    receiver.given_up, receiver.paused = 0, False


async def _first(event: asyncio.Event, clock: Clock, instant: int | None) -> None:
    """Return when the event is set or the instant has come."""
    if instant is None:
        await event.wait()
        return
    waits = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.reach(instant))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
