"""Play a recording, job by job: a world whose submits take their whole life from what was recorded.

Where a job is depends on its take and its age alone, so any pace of polling sees one consistent life;
what went wrong with polls is met in its order, each trouble once. Bodies are the recorded ones. Only for a
moment that the recording does not show, the provider's wording fills in. Nothing here can reach a provider:
the one thing that connects anywhere is what sends callbacks.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from understudy_mock.domain.call import Answer, Call, json_answer
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.rendition import MEDIA_TYPES, Rendition
from understudy_mock.domain.scenario import Entry, Scenario
from understudy_mock.domain.scenario import Webhook as Wish
from understudy_mock.domain.timeline import State, Step, Timeline
from understudy_mock.domain.webhook import Callback, Receiver, callbacks
from understudy_mock.gateway import lookups
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.body import read_body
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.keys import authenticate
from understudy_mock.gateway.webhook_urls import asked_address, read_receiver
from understudy_mock.gateway.world import World
from understudy_mock.har.recognise import is_this_machine
from understudy_mock.printing import printable
from understudy_mock.providers.base import Place
from understudy_mock.replay.distil import Kept, Repertoire, Scene, Take, addresses, canonical, lookup_key
from understudy_mock.replay.miss import explain, without_keys
from understudy_mock.replay.scenarios import scenario_of
from understudy_mock.replay.translate import Translation, mint_like, words
from understudy_mock.web.files import answer_file
from understudy_mock.web.protocol import BODILESS
from understudy_mock.web.routes import Found, Routes

_log = logging.getLogger("understudy")

MISS = b"x-understudy-miss"
"""The header that tells an answer of ours from one of the recording."""

_MISSED = 400
"""Status of a call that nothing answers. No client sends such a call again, none reads it as a matter of keys
or money, and 404 keeps its meaning: there is no such job."""

_NOTICED = 1_000
"""Ms from which on the time that an answer took was the provider's doing, and is taken again."""

_EARLY = 2.0
_KEPT_MISSES = 1000
_CHOICE = re.compile(r"\s*(?:code|scenario)\s*=")
_IN_A_PROMPT = b"[scenario:"
_LONGEST_HEADER = 300
_COARSE = 1_000
"""Ms that a stamp of whole seconds may lie before its instant."""

_FAR = 400 * 86_400_000
"""Ms between an instant and a recorded life from which on it is none of that life."""


@dataclass(slots=True, eq=False)
class Played:
    """One job here: its take, its name, and what its callers have met so far."""

    take: Take
    id: str
    account: str
    created: int
    origin: str
    media_origin: str
    asked: frozenset[str]
    drift: int
    told: int = -1
    """The latest scene that a poll was told, by its offset."""

    troubles: int = 0
    fetched: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class Replay(World):
    """The world of one replay. `misses` are the calls that nothing answered, each text once."""

    is_recorded: ClassVar[bool] = True

    repertoire: Repertoire = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.misses: Counter[str] = Counter()
        self.used: set[int] = set()
        self._routes = Routes(self.catalog)
        self._uploads = {name: self._mint_upload(name) for name in self.repertoire.uploads}
        self._uploaded = {minted: name for name, minted in self._uploads.items()}
        self._played: OrderedDict[str, Played] = OrderedDict()
        self._latest: dict[tuple[str, str], str] = {}
        self._counts: Counter[Any] = Counter()
        self._scenarios: dict[int, Scenario] = {}

    async def reset(self, account: str | None) -> int:
        """Forget jobs, journal and cursors of one account, or of all: recorded jobs begin anew.

        What was missed, and what was asked for, stays known: the end of the run tells it.
        """
        for played in list(self._played.values()):
            if account in (None, played.account):
                self._drop(played)
        if account is None:
            self._counts.clear()
        return await super().reset(account)

    # -- what the web asks

    async def decide(self, found: Found, call: Call) -> Answer:
        """Answer a call from the recording. Raises Refusal where the rules of keys and addresses say so."""
        if call.method in ("GET", "HEAD") and (kept := self._file(call.path)) is not None:
            return await self._fetch(*kept, call)
        operation = found.operation
        if operation is None:
            return await self._look_up(None, found, call, None)
        if operation.role == "keep":
            return await self._look_up(operation, found, call, None)
        account = authenticate(self, operation.credentials, call)
        _warn_of_choices(call)
        if call.oversize:
            raise Refusal(CallError.BODY_TOO_LARGE)
        match operation.role:
            case "submit":
                return await self._submit(operation, found, call, account)
            case "status" | "result":
                return await self._poll(operation, found, call, account)
            case "secret":
                return await lookups.secret(self, operation, call)  # callbacks are signed anew
            case _:
                return await self._look_up(operation, found, call, account)

    # -- submits

    async def _submit(self, operation: Operation, found: Found, call: Call, account: Account) -> Answer:
        body, asked = canonical(self._recorded_names(call.body), self._hosts(call))
        surface = self.repertoire.surface(operation)
        takes = self.repertoire.by_body.get((surface, body))
        if takes is None:
            return self._miss(
                found, call, explain(self.repertoire, operation, call, asked, body, found.provider)
            )
        nth = account.nth(hash((surface, body)))
        take = takes[min(nth, len(takes) - 1)]
        self.used.add(take.number)
        receiver = None
        if take.job:  # a refusal is played whatever is asked for with it
            try:
                receiver = read_receiver(self, operation, call, allow_http=_may_be_http(take, call))
            except Refusal as refusal:
                return self._miss(found, call, without_keys(call, _of_webhook(refusal, call)))
        # Not the gateway's own draw: a recording of that one must not meet its own names again.
        draw = Draw.of_job(self.settings.seed, account.name, f"replay {operation.id}", body, nth)
        if not take.waits:
            await self._take_as_long(take.submit)
        if not take.job:
            return self._say(take.submit, call, account.name)
        played = self._begin(take, call, account, draw)
        job = self._job(played, operation, account, draw, receiver)
        await self.put(job)
        call.job = job.id
        if receiver is not None:
            self._warn_of_rings(take, call)
            if take.early:
                await self.announcer.first_attempt(job, _EARLY)
        if take.waits:
            job = await self.ended(job)
            if (await self.step(job)).state is not take.steps[-1].state:  # ended by hand
                return await self._worded(operation, job, played)
            if not take.submit.response_body and take.submit.response_size:
                return await self._file_as_answer(played, job, call)
        return self._say(take.submit, call, account.name, played)

    def _begin(self, take: Take, call: Call, account: Account, draw: Draw) -> Played:
        provider = self.provider(take.operation.provider)
        model = take.operation.model
        assert model is not None  # the catalog compiles no submit without one
        now, drift = self.clock.now(), self.clock.drift()
        minted = mint_like(take.job, provider.mint_id(model, now + drift, draw, frozenset()), draw)
        asked = frozenset(addresses(take.asked))
        played = Played(take, minted, account.name, now, call.origin, call.media_origin, asked, drift)
        self._played[minted] = played
        self._latest[account.name, take.job] = minted
        if len(self._played) > self.settings.keep_jobs:
            self._drop(next(iter(self._played.values())))
        return played

    def _job(
        self, played: Played, operation: Operation, account: Account, draw: Draw, receiver: Receiver | None
    ) -> Job:
        """Make the gateway's job of a take: what a listing, a callback and a missing scene need."""
        take, model = played.take, operation.model
        assert model is not None  # as above
        values = model.values(take.asked) if isinstance(take.asked, dict) else {}
        return Job(
            id=played.id,
            account=account.name,
            model=model,
            asked=(take.body if isinstance(take.asked, dict) else b"{}",),
            root=draw.root,
            created=played.created,
            timeline=Timeline(
                tuple(Step(self._scaled(step.at), step.state) for step in take.steps),
                error=take.error,
                code=take.code,
                nsfw=take.nsfw,
                processing_as=take.word,
            ),
            origin=played.origin,
            media_origin=played.media_origin,
            price=0,
            held=False,
            outputs=max(1, len(take.urls)),
            format=model.media.format_of(values),
            scenario=self._scenario(take),
            receiver=receiver,
            waits=take.waits,
            by_polls=self.settings.pace == "polls" and receiver is None and not take.waits,
            drift=played.drift,
        )

    def _warn_of_rings(self, take: Take, call: Call) -> None:
        if not take.rings and not take.rings_asked:
            call.warnings.append("the recorded client asked for no callbacks: these are worded as documented")

    async def _take_as_long(self, entry: JournalEntry) -> None:
        if entry.duration >= _NOTICED and entry.fault not in ("hang", "slow"):
            await self.clock.sleep_until(self.clock.now() + self._scaled(round(entry.duration)))

    async def _file_as_answer(self, played: Played, job: Job, call: Call) -> Answer:
        """Answer a synchronous call with its file, which is not in the recording's text."""
        entry = played.take.submit
        headers = self._translation(None, played.account, played, entry).headers(entry.response_headers)
        content = await _read(played.take.file) if played.take.file is not None else None
        if content is None and self.settings.media == "small":
            content = await self.files.file(Rendition(job.format))
        return self._not_kept(call) if content is None else Answer(entry.status, content, headers)

    # -- polls

    async def _poll(self, operation: Operation, found: Found, call: Call, account: Account) -> Answer:
        job_id = call.params.get(operation.job)
        if job_id is None:
            asked = read_body(operation, call).get(operation.job)
            job_id = asked if isinstance(asked, str) else ""
        job = await self.store.get(job_id)
        if job is None:
            return await self._look_up(None, found, call, account)
        mine = job.account == account.name and job.model.provider == operation.provider
        if not mine or (operation.model is not None and job.model is not operation.model):
            raise Refusal(Condition.NOT_FOUND)
        call.job = job.id
        played = self._played.get(job_id)
        if played is None:
            raise Refusal(Condition.NOT_FOUND)
        step = await self.step(job)
        age = await self.store.age(job, self.clock.now())
        scene = self._scene(played.take, self.repertoire.surface(operation), step.state, age)
        fault = None
        if (trouble := self._trouble(played, scene)) is not None:
            if trouble.fault != "slow":
                await self._take_as_long(trouble)
                return self._say(trouble, call, account.name, played)
            fault = Entry(fault="slow", seconds=min(3600, trouble.duration / 1000))
        if scene is None:
            answer = await self._worded(operation, job, played)
        else:
            played.told = max(played.told, scene.since)
            answer = self._say(scene.entry, call, account.name, played, fault=False)
        answer.fault = fault
        if job.by_polls:
            await self.polled(job)
        return answer

    def _scene(self, take: Take, surface: str, state: State, age: int) -> Scene | None:
        """Find what this operation tells of a job of this age; None where that was not recorded."""
        fitting = [scene for scene in take.scenes.get(surface, ()) if scene.state is state]
        begun = [scene for scene in fitting if self._scaled(scene.since) <= age]
        return begun[-1] if begun else fitting[0] if fitting else None

    def _trouble(self, played: Played, scene: Scene | None) -> JournalEntry | None:
        """Take the next trouble, if its place has come: what came before it was told, or is over.

        Where nothing but trouble was recorded, the last one holds.
        """
        troubles = played.take.troubles
        if played.troubles >= len(troubles):
            nothing_else = troubles and not played.take.scenes
            return troubles[-1].entry if nothing_else else None
        trouble = troubles[played.troubles]
        now = scene.since if scene is not None else -1
        if trouble.after is not None and played.told < trouble.after and now <= trouble.after:
            return None
        played.troubles += 1
        return trouble.entry

    async def _worded(self, operation: Operation, job: Job, played: Played) -> Answer:
        """Word a state that the recording does not show to this kind of call."""
        provider = self.provider(job.model.provider)
        step = await self.step(job)
        urls: list[str] = []
        if step.state is State.COMPLETED:
            urls = self._urls(played) or job.media_urls(step)
        if operation.role == "status":
            return provider.status(job, step, urls)
        if operation.role == "result":
            return provider.result(job, step, urls, 0, self.balance_of(job))
        return provider.finished(job, step, urls, b"", self.balance_of(job))

    def _urls(self, played: Played) -> list[str]:
        told = self._translation(None, played.account, played, played.take.submit)
        return [told.body(f'"{url}"'.encode()).decode()[1:-1] for url in played.take.urls]

    # -- everything else that is asked

    async def _look_up(
        self, operation: Operation | None, found: Found, call: Call, account: Account | None
    ) -> Answer:
        """Answer a call that is about no job here as the recording did, in its order."""
        surface = self.repertoire.surface(operation) if operation is not None else None
        query = call.query.decode("latin-1")
        path = self._recorded_names(call.path.encode("latin-1", "replace")).decode("latin-1")
        asked = _as_entry(call, f"{path}?{query}" if query else path, self._recorded_names(call.body))
        key = lookup_key(operation, surface, asked, self._hosts(call))
        entries = self.repertoire.lookups.get(key)
        if entries is None:
            about = found.operation
            text = explain(self.repertoire, about, call, None, call.body, found.provider)
            strange = about is not None and about.role in ("status", "result")
            return self._miss(found, call, text, Condition.NOT_FOUND if strange else None)
        if account is not None:
            nth = account.nth(hash(key))
        else:
            nth = self._counts[key]
            self._counts[key] += 1
        entry = entries[min(nth, len(entries) - 1)]
        await self._take_as_long(entry)
        return self._say(entry, call, account.name if account is not None else "")

    def _file(self, path: str) -> tuple[str, Kept, str] | None:
        """Find a file by its path here: its recorded path, the file, and the job it is of ("" for none)."""
        recorded = self._recorded_names(path.encode("latin-1", "replace")).decode("latin-1")
        kept = self.repertoire.files.get(recorded)
        if kept is None:
            return None
        return recorded, kept, next((name for name in self._names_in(path) if name in self._played), "")

    async def _fetch(self, recorded: str, kept: Kept, job_id: str, call: Call) -> Answer:
        job = await self.store.get(job_id) if job_id else None
        played = self._played.get(job_id)
        if job is not None:
            call.job, call.account = job.id, job.account
            if (await self.step(job)).state is not State.COMPLETED:
                raise Refusal(Condition.NOT_FOUND)
        counts = played.fetched if played is not None else self._counts
        nth = counts[recorded]
        if call.method == "GET":
            counts[recorded] += 1
        troubled = nth < len(kept.troubles) or (kept.good is None and kept.troubles)
        if troubled and call.method == "GET":  # looking whether a file is there downloads nothing
            trouble = kept.troubles[min(nth, len(kept.troubles) - 1)]
            return self._say(trouble, call, call.account, played)
        content = await self._content(kept)
        if content is None and self.settings.media == "small":
            format = job.format if job is not None else "mp4"
            made = await self.files.file(Rendition(format))
            return answer_file(made, f"small {format}", MEDIA_TYPES[format], call)
        if content is None or kept.good is None:
            return self._not_kept(call)
        kind = dict(kept.good.response_headers).get(b"content-type", b"application/octet-stream")
        return answer_file(content, f"{recorded} {kept.good.number}", kind.decode("latin-1"), call)

    async def _content(self, kept: Kept) -> bytes | None:
        if not kept.whole or kept.good is None:
            return None
        if kept.path is None:
            return kept.good.response_body
        return await _read(kept.path)

    # -- callbacks

    def callbacks(self, job: Job) -> Iterator[Callback]:
        """Plan a job's callbacks: the recorded ones; as documented where none were asked for then."""
        played = self._played.get(job.id)
        receiver = job.receiver
        assert receiver is not None  # the gateway plans no others
        ended_otherwise = played is not None and job.timeline.steps[-1].state is not (
            played.take.steps[-1].state
        )
        if played is None or ended_otherwise or not (played.take.rings or played.take.rings_asked):
            yield from callbacks(job.timeline, receiver.mode, Wish(), self.settings.speed)
            return
        firsts: list[tuple[bytes, str]] = []
        over = False
        for number, ring in enumerate(played.take.rings):
            over = over or ring.event == "terminal"
            if receiver.mode == "terminal" and not over:
                continue  # progress after the end came in any mode
            body = ring.entry.request_body
            known = next((key for told, key in firsts if told == body), None)
            key = f"r{number}" if known is None else f"{known}-{number}"
            if known is None:
                firsts.append((body, key))
            yield Callback(self._scaled(ring.at), key, ring.event, Step(self._scaled(ring.at), ring.state))

    async def word(self, job: Job, callback: Callback) -> bytes:
        """Word a callback: the recorded body, translated."""
        played = self._played.get(job.id)
        number = callback.key.rpartition("-")[2].removeprefix("r")
        if played is not None and callback.key.startswith("r") and number.isdecimal():
            ring = played.take.rings[int(number)]
            return self._translation(None, job.account, played, ring.entry).body(ring.entry.request_body)
        urls = self._urls(played) if played is not None else []
        if callback.step.state is not State.COMPLETED:
            urls = []
        return self.provider(job.model.provider).callback(job, callback.step, urls)

    # -- wording

    def _say(
        self,
        entry: JournalEntry,
        call: Call,
        account: str,
        played: Played | None = None,
        *,
        fault: bool = True,
    ) -> Answer:
        """Give a recorded answer, translated, with what was done to the wire."""
        translation = self._translation(call, account, played, entry)
        headers = translation.headers(entry.response_headers)
        answer = Answer(entry.status, translation.body(entry.response_body), headers)
        if not fault:
            return answer
        if entry.status in BODILESS:
            answer.body = b""  # HTTP has no room for one there (RFC 9110, sections 15.3.5 and 15.4.5)
        broken = entry.fault or ("" if entry.status >= 200 else "reset")
        seconds = min(3600, entry.duration / 1000)
        whole, body = answer.body, answer.body
        match broken:
            case "":
                return answer
            case "hang":
                answer.fault = Entry(fault="hang", seconds=seconds)
            case "slow":
                answer.fault = Entry(fault="slow", seconds=seconds)
            case "empty":
                answer.fault = Entry(fault="empty")
            case "truncate" | "malformed":
                # These send half of what they are given: the recorded half, then, and as much again.
                answer.body = body + (b" " * len(body) or b" ")
                answer.fault = Entry(fault="truncate" if broken == "truncate" else "malformed")
            case "html":
                return answer
            case _:
                if entry.status < 200:
                    answer.fault = Entry(fault="reset", where="before")
                elif _is_whole(whole):
                    answer.fault = Entry(fault="reset", where="after")
                else:
                    answer.body = body + (b" " * len(body) or b" ")
                    answer.fault = Entry(fault="reset", where="middle")
        if answer.status < 200:  # nothing ends with an interim answer
            answer.status = 200
        return answer

    def _translation(
        self, call: Call | None, account: str, played: Played | None, entry: JournalEntry
    ) -> Translation:
        """Tell how to say now what was said in an entry. Without a call, as the job's submit was called."""
        shift = _by(self.clock.wall() - entry.at - round(entry.duration))
        if call is not None:
            origin, media_origin = call.origin, call.media_origin
        else:
            assert played is not None  # what is said without a call is said of a job
            origin, media_origin = played.origin, played.media_origin
        told = Translation(
            origin=origin,
            media_origin=media_origin,
            hosts=self.repertoire.hosts,
            known=partial(self._name_here, account),
            move=shift,
            from_now=shift,
            is_api=self._is_api,
        )
        if played is None:
            return told
        take = played.take
        began = played.created + played.drift
        life = partial(_move, take.submit.at, take.zero, take.zero + take.last, began, self.settings.speed)
        return replace(told, move=life, job=(take.job, played.id), asked=played.asked)

    def _miss(self, found: Found, call: Call, text: str, what: Condition | None = None) -> Answer:
        """Refuse a call that nothing answers, in the provider's form, and say so once."""
        self._note(call, text)
        provider = self.provider(found.provider)
        place = Place("", call.path, self.trace())
        refusal = Refusal(what or CallError.UNKNOWN_CHOICE, Detail(text=text))
        answer = provider.refusal(refusal, place, frozenset())
        if what is None:
            answer.status = _MISSED
        elif b"not in the recording" not in answer.body:  # the provider has no room for a reason there
            told = provider.refusal(Refusal(CallError.UNKNOWN_CHOICE, Detail(text=text)), place, frozenset())
            answer.body = told.body
        line = " ".join(text.split())[:_LONGEST_HEADER]
        answer.headers = [*answer.headers, (MISS, line.encode("ascii", "replace"))]
        return answer

    def _not_kept(self, call: Call) -> Answer:
        """Refuse a file whose content is not in the recording."""
        text = "this file was not recorded; record again with media, or replay with --media small"
        self._note(call, without_keys(call, f"not in the recording: {call.method} {call.path}: {text}"))
        return json_answer(404, {"error": text}, (MISS, b"the file was not recorded"))

    def _note(self, call: Call, text: str) -> None:
        """Count a miss, and say it the first time."""
        if text not in self.misses and len(self.misses) < _KEPT_MISSES:
            _log.warning("%s", printable(text))
        if text in self.misses or len(self.misses) < _KEPT_MISSES:
            self.misses[text] += 1
        call.warnings.append(text)

    # -- names, hosts, time

    def _name_here(self, account: str, recorded: str) -> str | None:
        """Name a recorded job as it is called here, or would be: this account may not have submitted it."""
        take = self.repertoire.by_job.get(recorded)
        if take is None:
            return self._uploads.get(recorded)
        known = self._latest.get((account, recorded))
        if known is not None:
            return known
        draw = Draw.of_job(self.settings.seed, account, take.operation.id, recorded.encode(), 0)
        model = take.operation.model
        assert model is not None  # as above
        provider = self.provider(take.operation.provider)
        return mint_like(recorded, provider.mint_id(model, take.zero, draw, frozenset()), draw)

    def _recorded_names(self, text: bytes) -> bytes:
        """Give a request with jobs as they are called in the recording."""
        for name in self._names_in(text.decode("latin-1")):
            if (played := self._played.get(name)) is not None:
                text = text.replace(name.encode(), played.take.job.encode())
            elif name in self._uploaded:
                text = text.replace(name.encode(), self._uploaded[name].encode())
        return text

    def _mint_upload(self, recorded: str) -> str:
        draw = Draw.of_job(self.settings.seed, "", "replay upload", recorded.encode(), 0)
        return mint_like(recorded, "", draw)

    def _names_in(self, text: str) -> set[str]:
        return words(text) if self._played or self._uploaded else set()

    def _drop(self, played: Played) -> None:
        del self._played[played.id]
        key = (played.account, played.take.job)
        if self._latest.get(key) == played.id:
            del self._latest[key]

    def _hosts(self, call: Call) -> frozenset[str]:
        """Tell which hosts are this server's, or the recorded ones."""
        own = {urlsplit(call.origin).netloc.lower(), urlsplit(call.media_origin).netloc.lower()}
        return self.repertoire.hosts | own

    def _is_api(self, path: str) -> bool:
        found = self._routes.find("GET", path, "")
        return found.operation is not None or (bool(found.allowed) and not (found.file or found.kept))

    def _scenario(self, take: Take) -> Scenario:
        if take.number not in self._scenarios:
            self._scenarios[take.number] = scenario_of(take, self.provider(take.operation.provider))
        return self._scenarios[take.number]

    def _scaled(self, ms: int) -> int:
        return round(ms / self.settings.speed)


def _by(shift: int) -> Callable[[int], int]:
    return lambda instant: instant + shift if abs(shift) else instant


def _move(asked: int, zero: int, last: int, created: int, speed: float, instant: int) -> int:
    """Move an instant of a recorded life (`zero` to `last`) into one that began at `created`.

    What happened keeps its place in the life, which `speed` divides; what lies before or after it, such as
    the end of an address's validity, keeps its real distance. Never turns two instants round; nothing that
    came after the job was `asked` for comes before `created`.
    """
    if abs(instant - zero) > _FAR:
        return instant  # no stamp of this life
    if asked - _COARSE <= instant <= zero:
        return created  # the provider made the job before it answered, or its stamps are of whole seconds
    if instant <= zero:
        return created + instant - zero
    lived = min(instant, last) - zero
    return created + int(lived / speed) + max(0, instant - last)


def _warn_of_choices(call: Call) -> None:
    """Note in the journal what would choose a scenario from a gateway, and does nothing here."""
    wishes = call.headers.get(b"prefer", b"").decode("latin-1").lower()
    chosen = [f"Prefer: {one.strip()}" for one in wishes.split(",") if _CHOICE.match(one)]
    if call.key.startswith("scenario:"):
        chosen.append("a key of the form scenario:NAME")
    if _IN_A_PROMPT in call.body:
        chosen.append("a prompt with [scenario:NAME]")
    call.warnings += [f"{one} is ignored: a replay takes its course from the recording" for one in chosen]


def _may_be_http(take: Take, call: Call) -> bool:
    """Tell whether a webhook may be `http://`: on this machine, or where the recorded one was."""

    def address(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> str:
        return asked_address(take.operation, dict(headers).get(b"x-webhook-url", b""), query)[1]

    query = urlsplit(take.submit.url).query.encode("latin-1", "replace")
    if address(take.submit.request_headers, query).startswith("http://"):
        return True
    try:
        host = urlsplit(address(call.headers.items(), call.query)).hostname or ""
    except ValueError:
        return False
    return is_this_machine(host)


def _of_webhook(refusal: Refusal, call: Call) -> str:
    """Say that a webhook's address is refused here although the recorded job was accepted."""
    text = refusal.detail.text
    if "https://" in text and "absolute" not in text:
        text += ", or lead to this machine; start with --allow-http-webhooks to allow it"
    return f"not in the recording: {call.method} {call.path} was accepted there; refused here: {text}"


def _as_entry(call: Call, url: str, body: bytes) -> JournalEntry:
    """Give a call the form in which recorded ones are looked up."""
    return JournalEntry(
        method=call.method,
        url=url,
        request_body=body,
        request_size=len(body),
    )


def _is_whole(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


async def _read(path: Path) -> bytes | None:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        _log.warning("%s cannot be read: %s", path, error.strerror)
        return None
