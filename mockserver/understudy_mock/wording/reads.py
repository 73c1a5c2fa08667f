"""Read back what a provider sends: where id, state, files and errors stand is said by the block `reads`.

It knows nothing of the templates, which are a text of their own: what these make is read with it in tests.
What is not there, or is of another kind than it should be, reads as nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from understudy_mock.domain.timeline import TERMINAL, State

Headers = Mapping[str, str]
"""The headers of an answer or a callback, their names in lower case."""

Find = Callable[[Any, Headers], Iterator[Any]]
"""Finds what stands at a place of a decoded body, or in a header: nothing, one value, or each of a list."""


End = Literal["", "COMPLETED", "FAILED"]

_COMMON = {
    "queued": State.QUEUED,
    "created": State.QUEUED,
    "pending": State.QUEUED,
    "submitted": State.QUEUED,
    "processing": State.PROCESSING,
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "error": State.ERROR,
    "cancelled": State.FAILED,
    "timeout": State.FAILED,
    "deleted": State.FAILED,
}
"""Words that hosted APIs have for states. A provider's own words come first."""


class Told(NamedTuple):
    """What an answer or a callback says of a job, "" and None for what it does not say.

    `word` is the provider's own word for the state, and `states` are those that it can stand for, none for a
    word that is not known. `urls` are the addresses of the files, or the files in base64. `created`,
    `changed` and `completed` are stamps as they were written; `waited`, `worked` and `took` are in seconds.
    """

    job: str
    word: str = ""
    states: tuple[State, ...] = ()
    urls: tuple[str, ...] = ()
    media_type: str = ""
    flagged: bool = False
    error: str = ""
    code: int | None = None
    poll_url: str = ""
    result_url: str = ""
    created: str = ""
    changed: str = ""
    completed: str = ""
    waited: float | None = None
    worked: float | None = None
    took: float | None = None

    @property
    def end(self) -> End:
        """How the job has ended; "" while it has not."""
        if State.COMPLETED in self.states:
            return "COMPLETED"
        return "FAILED" if TERMINAL.intersection(self.states) else ""


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads what one provider sends. `retry_header` says when a refused caller may come back."""

    retry_header: str
    _places: Mapping[str, tuple[Find, ...]]
    _states: Mapping[str, tuple[State, ...]] = field(default_factory=dict)
    _failed_with: frozenset[int] = frozenset()
    _written: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Reads:
        """Compile the blocks `reads` and `states` of a `provider.yaml` that was examined."""
        block = description.get("reads", {})
        words = {state: str(description.get("states", {}).get(state.value, state.value)) for state in State}
        states: dict[str, tuple[State, ...]] = {}
        for word, state in (
            *((word, state) for state, word in words.items()),
            *((word, State(name)) for word, name in block.get("words", {}).items()),
        ):
            states[word.lower()] = (*states.get(word.lower(), ()), state)
        for word, state in _COMMON.items():
            states.setdefault(word, (state,))
        places = {
            name: tuple(map(_find, found))
            for name, found in block.items()
            if name not in ("words", "failed_with", "wrong_method")
        }
        failed_with = frozenset(block.get("failed_with", ()))
        return cls(str(description["retry_header"]), places, states, failed_with, block)

    @classmethod
    def of_any(cls, descriptions: Iterable[Mapping[str, Any]]) -> Reads:
        """Read what any of some providers may have sent: each place that one of them has, in their order."""
        places: dict[str, list[Any]] = {}
        words: dict[str, str] = {}
        for description in descriptions:
            block = description.get("reads", {})
            own = {str(word): state for state, word in description.get("states", {}).items()}
            for word, state in (own | block.get("words", {})).items():
                words.setdefault(word.lower(), state)
            for name, found in block.items():
                if isinstance(found, list):
                    places[name] = [*places.get(name, []), *found]
        return cls.of({"retry_header": "retry-after", "reads": {**places, "words": words}})

    def told(self, body: Any, headers: Headers | None = None) -> Told | None:
        """Return what a decoded body (None for one that is no JSON) and its headers say of a job.

        None where it says neither in which state it is nor where its files are.
        """
        given = headers or {}
        body = self._in_envelope(body, given)
        word, urls = self._text("state", body, given), self._texts("outputs", body, given)
        if not isinstance(body, dict) or not (word or urls):
            return None
        states = self._meaning(word, body, given) if word else (State.COMPLETED,)
        told = self._facts(body, given)
        return told._replace(word=word, states=states, urls=urls if State.COMPLETED in states else ())

    def of_file(self, headers: Headers, state: State) -> Told:
        """Return what the headers say of a job whose answer is its file, or a failure instead."""
        return self._facts(None, headers)._replace(states=(state,))

    def of_each(self, body: Any) -> list[Told]:
        """Return what a decoded body says of jobs: of one, or of each in a list."""
        found = [job for jobs in self._all("jobs", body, {}) if isinstance(jobs, list) for job in jobs]
        views = map(self.told, found or [body])
        return [view for view in views if view is not None]

    def job(self, body: Any, headers: Headers | None = None) -> str:
        """Return the job's id; "" where a body and its headers name none."""
        given = headers or {}
        return self._text("id", self._in_envelope(body, given), given)

    def urls(self, body: Any) -> tuple[str, ...]:
        """Return the addresses of files in a body, whatever the job's state is."""
        return self._texts("outputs", self._in_envelope(body, {}), {})

    def poll_url(self, body: Any) -> str:
        """Return where a job can be asked for; "" where a body does not say."""
        return self._text("poll_url", self._in_envelope(body, {}), {})

    def places(self, name: str) -> list[str]:
        """Return the places of a body where something stands, as the description writes them."""
        return [place for place in self._written.get(name, ()) if isinstance(place, str)]

    @property
    def wrong_method(self) -> int:
        """The status of a call of a documented address with another method."""
        return int(self._written.get("wrong_method", 405))

    def tells_failure(self, status: int) -> bool:
        """Return whether an answer about a job tells by its status that the job failed."""
        return status in self._failed_with

    def status(self, body: Any) -> int:
        """Return the status that a good answer has in its body, such as in an envelope; 0 for none."""
        return next((one for one in self._all("status", body, {}) if _is_integer(one)), 0)

    def cost(self, headers: Headers) -> str:
        """Return what a submit cost, in USD, as the headers of its answer say; "" where they do not."""
        return self._text("cost", None, headers)

    def secret(self, body: Any) -> str:
        """Return the secret that signs callbacks; "" where an answer does not have it."""
        return self._text("secret", body, {})

    def uploads(self, body: Any) -> tuple[str, ...]:
        """Return the addresses of uploaded files that an answer names."""
        return self._texts("uploads", body, {})

    def upload_to(self, body: Any) -> tuple[str, ...]:
        """Return the addresses to which an answer wants files sent."""
        return self._texts("upload_to", body, {})

    def refusal(self, body: Any, headers: Headers | None = None) -> str:
        """Return why a call was refused, in the provider's words; "" where it does not say."""
        return self._text("refusal", body, headers or {})

    def retry_after(self, headers: Headers) -> str:
        """Return when to come back as the provider writes it; "" where it does not say."""
        return headers.get(self.retry_header, "")

    def _facts(self, body: Any, headers: Headers) -> Told:
        """Return all that is said of a job but its state and its files."""
        flags = [one for value in self._all("flagged", body, headers) for one in _entries(value)]
        worked = self._seconds("worked_ms", body, headers)
        return Told(
            job=self._text("id", body, headers),
            media_type=self._text("media_type", body, headers),
            flagged=any(flag is True for flag in flags),
            error=self._text("error", body, headers),
            code=next((one for one in self._all("code", body, headers) if _is_integer(one)), None),
            poll_url=self._text("poll_url", body, headers),
            result_url=self._text("result_url", body, headers),
            created=self._text("created", body, headers),
            changed=self._text("changed", body, headers),
            completed=self._text("completed", body, headers),
            waited=self._seconds("waited", body, headers),
            worked=worked / 1000 if worked else self._seconds("worked", body, headers),
            took=self._seconds("took", body, headers),
        )

    def _in_envelope(self, body: Any, headers: Headers) -> Any:
        envelopes = (one for one in self._all("job", body, headers) if isinstance(one, dict))
        return next(envelopes, body)

    def _meaning(self, word: str, body: Any, headers: Headers) -> tuple[State, ...]:
        states = self._states.get(word.lower(), ())
        if "failed" not in self._places or State.COMPLETED not in states:
            return states
        is_failed = any(value is not None for value in self._all("failed", body, headers))
        return tuple(state for state in states if (state is not State.COMPLETED) == is_failed)

    def _all(self, name: str, body: Any, headers: Headers) -> Iterator[Any]:
        for find in self._places.get(name, ()):
            yield from find(body, headers)

    def _text(self, name: str, body: Any, headers: Headers) -> str:
        return next((one for one in self._all(name, body, headers) if isinstance(one, str) and one), "")

    def _seconds(self, name: str, body: Any, headers: Headers) -> float | None:
        numbers = map(_number, self._all(name, body, headers))
        return next((number for number in numbers if number is not None), None)

    def _texts(self, name: str, body: Any, headers: Headers) -> tuple[str, ...]:
        """Return the texts at the first place that has any; a list there is taken apart."""
        for find in self._places.get(name, ()):
            found = list(find(body, headers))
            flat = [one for value in found for one in _entries(value)]
            if texts := tuple(one for one in flat if isinstance(one, str) and one):
                return texts
        return ()


def _entries(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    """Return a number, which is a text in a header; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _find(place: str | Mapping[str, str]) -> Find:
    if not isinstance(place, str):
        name = place["header"]
        return lambda body, headers: iter([headers[name]] if name in headers else [])
    steps = tuple(place.split("."))
    return lambda body, headers: _walk(body, steps)


def _walk(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        if step in value:
            yield from _walk(value[step], rest)
    elif isinstance(value, list):
        if step == "*":
            for one in value:
                yield from _walk(one, rest)
        elif step.isdecimal() and int(step) < len(value):
            yield from _walk(value[int(step)], rest)
