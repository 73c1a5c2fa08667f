"""The one loop that sends callbacks: what is due goes to the lane of its job.

A lane sends the callbacks of one job one after another, so that they arrive in order. A receiver, an
exact URL, has a number of places; a slow one fills its own and delays nobody else. What is tried again
gets a place before what was not tried yet, so a receiver that takes nothing is soon known and paused.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from heapq import heapify, heappop, heappush
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import first_of
from understudy_mock.domain.draw import Draw, webhook_secret
from understudy_mock.domain.job import LARGE, Job
from understudy_mock.domain.webhook import Callback
from understudy_mock.gateway.inbox import Received
from understudy_mock.gateway.journal import JournalEntry, cut, size_of
from understudy_mock.gateway.turns import Turnstile, apart, in_turns, let_go
from understudy_mock.gateway.world import World
from understudy_mock.media import RenderError, StudioBusy
from understudy_mock.printing import printable
from understudy_mock.redaction import Redactor
from understudy_mock.webhooks.lanes import NEVER, Lane, Receiver
from understudy_mock.webhooks.log import (
    KEPT_OF_AN_ERROR,
    Attempt,
    Delivery,
    DeliveryLog,
    DeliveryState,
)
from understudy_mock.webhooks.post import Forbidden, Poster, framed
from understudy_mock.webhooks.script import AsDocumented, Script, webhook_of

_log = logging.getLogger("understudy")

TIMEOUT = 5_000
"""Real ms that a receiver has to answer (documented as "a few seconds"; the number is assumed)."""

RETRIES = (1_000, 4_000)
"""Real ms before the second and the third attempt, and up to a quarter more by chance (assumed)."""

PAUSE_AFTER = 5
"""Deliveries given up in a row after which a receiver gets no more ("persistent failures")."""

STALE = 600_000
"""How old a stale signature is, in ms, where no document says what receivers should refuse."""

_RECEIVERS = 10_000
"""Receivers of which it is known how often they failed; the least recently used one is forgotten first."""

LARGE_AT_ONCE = 8
"""Deliveries under way at a time whose bodies may have megabytes, to all receivers together."""

AGAIN_AT_ONCE = 8
"""Deliveries under way at a time that are sent again together."""

_SLACK = 1000
"""Entries of the agenda beyond twice the lanes that are worth no clean-up."""

_BEGUN = 200
"""Lanes that are begun in one turn of the event loop."""

_ATTEMPTS = 8
"""Attempts that are begun in one turn of the event loop: some milliseconds of work."""

_GRACE = 1.0
"""Real seconds that deliveries in progress get at shutdown."""

_NAMED = 10
"""Jobs that are named when the gateway ends before their webhooks are sent."""


class Sender:
    """Sends the callbacks of one world, as documented unless there is another `script`."""

    def __init__(self, world: World, poster: Poster, script: Script | None = None) -> None:
        self.log = DeliveryLog()
        self._script = script or AsDocumented(world)
        self._world = world
        self._poster = poster
        self._lanes: dict[str, Lane] = {}
        self._agenda: list[tuple[int, int, str]] = []
        self._turns = 0
        self._receivers: OrderedDict[int, Receiver] = OrderedDict()
        """By the hash of the URL, which may be long."""
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._again: set[asyncio.Task[None]] = set()
        self._turnstile = Turnstile(_ATTEMPTS)

    # -- what the gateway calls

    def plan(self, job: Job) -> None:
        """Send the job's callbacks when they are due; for a job ended by hand, those of its new timeline."""
        planned = self._script.callbacks(job)
        lane = self._lanes.get(job.id)
        if lane is None:
            lane = self._lanes[job.id] = Lane(job, planned)
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
        for task in self._again:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)
        unsent = [
            lane for lane in self._lanes.values() if lane.following is not None or lane.task is not None
        ]
        for task in tasks:
            task.cancel()
        await self._poster.close()
        if unsent:
            lines = "".join(f"\n  {_describe_unsent(lane)}" for lane in unsent[:_NAMED])
            more = f"\n  and {len(unsent) - _NAMED} more" if len(unsent) > _NAMED else ""
            _log.warning(
                "webhooks that were not sent when the gateway ended, by job: %d%s%s", len(unsent), lines, more
            )

    # -- what the admin API calls

    def upcoming(self) -> Iterator[Delivery]:
        """List the next planned delivery of each job there is now."""
        for lane in list(self._lanes.values()):
            if lane.following is not None:
                yield self._delivery(lane, lane.following)

    def find(self, delivery_id: str) -> Delivery | None:
        """Return a delivery that is in the log, or the next planned one of a job there is now."""
        delivery = self.log.get(delivery_id)
        if delivery is not None:
            return delivery
        job_id, _, key = delivery_id.rpartition(".")
        lane = self._lanes.get(job_id)
        if lane is None or lane.following is None or lane.following.key != key:
            return None
        return self._delivery(lane, lane.following)

    async def redeliver(self, delivery: Delivery) -> None:
        """Send a delivery once more, now. One that is received un-pauses its receiver."""
        receiver = self._receiver(delivery.url)
        pauses = receiver.pauses
        attempt = await self._attempt(delivery)
        if attempt is not None and attempt.received:
            self._note_received(delivery, receiver, pauses)

    @property
    def sends_again(self) -> bool:
        """Whether deliveries are being sent again by `redeliver_all`."""
        return bool(self._again)

    def redeliver_all(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to send deliveries once more, a few at a time; those forgotten meanwhile are left out."""
        left = iter(deliveries)

        async def send_some() -> None:
            for delivery in left:
                if self.log.get(delivery.id) is delivery:
                    await self.redeliver(delivery)

        for _ in deliveries[:AGAIN_AT_ONCE]:
            task = asyncio.get_running_loop().create_task(send_some())
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    # -- what tests on a manual clock call

    async def settled(self, seconds: float | None = None, below: str = "") -> None:
        """Return when nothing more happens until time moves, or after `seconds` of real time.

        Only callbacks to addresses that begin with `below` are waited for. An attempt that was waited for
        in vain is not waited for again.
        """
        try:
            async with asyncio.timeout(seconds):
                while any(self._busy(below)):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            for lane in self._busy(below):
                lane.moves_at = lane.gives_up_at

    def moments(self) -> Iterator[int]:
        """Iterate over the instants at which lanes that rest go on: with a callback, or with another try."""
        return (lane.moves_at for lane in list(self._lanes.values()) if lane.moves_at is not None)

    def next_moment(self) -> int | None:
        """Return the next instant at which time alone makes something happen; None where it never does."""
        now = self._world.clock.now()
        moments = (min(lane.moves_at or NEVER, lane.gives_up_at) for lane in self._lanes.values())
        return min((moment for moment in moments if now < moment < NEVER), default=None)

    def goes_elsewhere(self, below: str) -> bool:
        """Return whether callbacks are planned, or under way, to an address that does not begin so."""
        return not all(lane.url.startswith(below) for lane in self._lanes.values())

    def _busy(self, below: str) -> Iterator[Lane]:
        now = self._world.clock.now()
        return (lane for lane in self._lanes.values() if lane.is_busy(now) and lane.url.startswith(below))

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
                    lane.moves_at = None
                    lane.task = asyncio.get_running_loop().create_task(self._send_lane(lane))
            self._changed.set()
            self._wake.clear()
            if self._agenda:
                await first_of(self._wake.wait(), clock.reach(self._agenda[0][0]))
            else:
                await self._wake.wait()

    def _look_ahead(self, lane: Lane) -> None:
        """Find the lane's next callback; those taken already are not sent again."""
        lane.following = next((callback for callback in lane.planned if not lane.was_taken(callback)), None)
        if lane.following is not None:
            self._world.changes.note("delivery", self._delivery(lane, lane.following).id)

    def _take(self, lane: Lane) -> Delivery | None:
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

    def _delivery(self, lane: Lane, callback: Callback) -> Delivery:
        return Delivery(lane.job, callback, lane.url, lane.job.created + callback.at)

    async def _send_lane(self, lane: Lane) -> None:
        try:
            while (delivery := self._take(lane)) is not None:
                await self._send(delivery, lane)
                await asyncio.sleep(0)  # a paused receiver is not waited for, and others have their turn
        finally:
            lane.task = None
            lane.tried.set()
            if self._lanes.get(lane.job.id) is lane:
                self._rest(lane)
            self._changed.set()

    def _rest(self, lane: Lane) -> None:
        """Put a lane away until its next callback is due, or for good."""
        if lane.following is None:
            del self._lanes[lane.job.id]
            return
        self._turns += 1
        lane.turn = self._turns
        lane.moves_at = lane.job.created + lane.following.at
        heappush(self._agenda, (lane.moves_at, lane.turn, lane.job.id))
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

    async def _send(self, delivery: Delivery, lane: Lane) -> None:
        """Try until it is received, refused or given up."""
        receiver = self._receiver(delivery.url)
        for number in range(1 + len(RETRIES)):
            if number:
                self._become(delivery, DeliveryState.RETRYING)
                await self._wait_to_retry(delivery, number, lane)
                if any(attempt.received for attempt in delivery.attempts):
                    return  # it was sent again by hand meanwhile
            await receiver.places.take(number)
            try:
                if receiver.paused:
                    self._become(delivery, DeliveryState.PAUSED)
                    return
                pauses = receiver.pauses
                lane.gives_up_at = self._world.clock.now() + TIMEOUT
                if lane.moves_at is not None:  # `settled` has given up waiting for this lane
                    lane.moves_at = lane.gives_up_at
                attempt = await self._attempt(delivery)
            finally:
                receiver.places.give_back()
                lane.moves_at, lane.gives_up_at = None, NEVER
            lane.tried.set()
            if attempt is None:
                self._become(delivery, DeliveryState.REFUSED)
                return
            if attempt.received:
                self._note_received(delivery, receiver, pauses)
                return
        self._become(delivery, DeliveryState.GIVEN_UP)
        receiver.given_up += 1
        if receiver.given_up >= PAUSE_AFTER and not receiver.paused:
            receiver.paused = True
            receiver.pauses += 1
            _log.warning(
                "webhooks to %s are paused: %d deliveries in a row failed",
                printable(Redactor(()).suspicious_url(delivery.url)),
                receiver.given_up,
            )

    async def _wait_to_retry(self, delivery: Delivery, number: int, lane: Lane) -> None:
        jitter = Draw(delivery.job.root).fraction(f"retry {delivery.callback.key} {number}")
        wait = RETRIES[number - 1] * (1 + jitter / 4)
        lane.moves_at = self._world.clock.now() + round(wait)
        self._changed.set()
        await self._world.clock.reach(lane.moves_at)
        lane.moves_at = None

    async def _attempt(self, delivery: Delivery) -> Attempt | None:
        """Post once and log it; None for an address that is not allowed."""
        await self._turnstile.passed()
        async with self._large if _is_large(delivery.job) else nullcontext():
            return await self._post(delivery)

    async def _post(self, delivery: Delivery) -> Attempt | None:
        at = self._world.clock.now()
        try:
            headers, body = await self._request(delivery)
        except (RenderError, StudioBusy) as problem:
            attempt = Attempt(at, None, 0, f"its files could not be made: {problem}"[:KEPT_OF_AN_ERROR])
            self._note(delivery, attempt)
            return attempt
        began = perf_counter()
        status: int | None = None
        answer: tuple[int, Headers, bytes] = (0, [], b"")
        error, refused = "", False
        try:
            answer = await self._world.clock.within(TIMEOUT, self._hand_over(delivery, headers, body))
            status = answer[0]
        except Forbidden as problem:
            error, refused = str(problem), True
        except TimeoutError:
            error = f"no answer within {TIMEOUT // 1000} seconds"
        except Exception as problem:  # a receiver can fail in any way; all of them are its failure
            error = f"{type(problem).__name__}: {problem}".rstrip(": ")
        took, call = (perf_counter() - began) * 1000, self._world.journal.next_number
        attempt = Attempt(at, status, took, error[:KEPT_OF_AN_ERROR], call)
        self._write(delivery, attempt, headers, body, answer)
        self._note(delivery, attempt)
        return None if refused else attempt

    async def _hand_over(
        self, delivery: Delivery, headers: Headers, body: bytes
    ) -> tuple[int, Headers, bytes]:
        """Give a callback to its receiver, which may be an inbox here. Raises what can go wrong with one.

        The gateway need not call itself: it may have another name or port outside, or ask others for a token.
        """
        job, world = delivery.job, self._world
        if job.receiver is None or not job.receiver.inbox:
            return await self._poster.post(delivery.url, headers, body)
        account = world.accounts.named(job.account)
        received = Received(
            at=world.clock.now(),
            headers=framed(delivery.url, headers, body),
            body=body,
            job=job.id,
            delivery=delivery.id,
            account=job.account,
            key=account.key if account is not None else "",
        )
        status = await world.inboxes.take(job.receiver.inbox, received).reply(world.clock)
        if status is None:
            raise ConnectionResetError("the inbox closed the connection")
        return status, [], b""

    async def _request(self, delivery: Delivery) -> tuple[Headers, bytes]:
        """Return the signed request of a callback. Its stamp is by the wall clock, as receivers have it."""
        job = delivery.job
        provider = self._world.provider(job.model.provider)
        body = await self._script.word(job, delivery.callback)
        signature = webhook_of(job).signature
        secret = webhook_secret(self._world.settings.seed, job.account)
        event = f"{Draw(job.root).bits(f'event {delivery.callback.message}', 128):032x}"
        at = self._world.clock.wall()
        signed: Headers = []
        if signature != "missing":
            shown = secret + "?" if signature == "bad" else secret
            stale = STALE if provider.tolerance is None else 2 * provider.tolerance
            stamp = at - stale if signature == "stale" else at
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

    def _become(self, delivery: Delivery, state: DeliveryState) -> None:
        """Note what becomes of a delivery."""
        delivery.state = state
        self._world.changes.note("delivery", delivery.id)

    def _note(self, delivery: Delivery, attempt: Attempt) -> None:
        """Keep an attempt."""
        delivery.note(attempt)
        self._world.changes.note("delivery", delivery.id)

    def _note_received(self, delivery: Delivery, receiver: Receiver, pauses: int) -> None:
        """Note that a delivery arrived; `pauses` is how often its receiver was paused when it began."""
        self._become(delivery, DeliveryState.DELIVERED)
        if receiver.paused and pauses < receiver.pauses:
            return  # it began before the pause, and says nothing of the time since
        receiver.given_up, receiver.paused = 0, False

    def _receiver(self, url: str) -> Receiver:
        name = hash(url)
        receiver = self._receivers.get(name)
        if receiver is None:
            receiver = self._receivers[name] = Receiver()
            if len(self._receivers) > _RECEIVERS:
                self._receivers.popitem(last=False)
        else:
            self._receivers.move_to_end(name)
        return receiver


def _describe_unsent(lane: Lane) -> str:
    event = lane.following.event if lane.following is not None else "in progress"
    return f"{lane.job.id}: {event}, to {urlsplit(lane.url).netloc.rpartition('@')[2]}"


def _is_large(job: Job) -> bool:
    """Whether its callbacks may have megabytes: they tell what was asked, and may hold the files."""
    return job.weight >= LARGE or job.inline or "data-uri" in job.quirks
