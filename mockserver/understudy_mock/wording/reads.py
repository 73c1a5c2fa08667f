"""Read back what a provider sends: where id, state, files and errors stand is said by the block `reads`.

It knows nothing of the templates, which are a text of their own: what these make is read with it in tests.
What is not there, or is of another kind than it should be, reads as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from understudy_mock.domain.timeline import State

Headers = Mapping[str, str]
"""The headers of an answer or a callback, their names in lower case."""

Find = Callable[[Any, Headers], Iterator[Any]]
"""Finds what stands at a place of a decoded body, or in a header: nothing, one value, or each of a list."""


class Told(NamedTuple):
    """What an answer or a callback says of a job, "" and None for what it does not say.

    `word` is the provider's own word for the state, and `states` are those that it can stand for, none for a
    word that is not known. `outputs` are the addresses of the files, or the files in base64.
    """

    id: str
    word: str
    states: tuple[State, ...]
    outputs: tuple[str, ...]
    error: str
    code: int | None
    poll_url: str
    result_url: str


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads what one provider sends. `retry_header` says when a refused caller may come back."""

    retry_header: str
    _places: Mapping[str, tuple[Find, ...]]
    _states: Mapping[str, tuple[State, ...]] = field(default_factory=dict)

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
        places = {name: tuple(map(_find, found)) for name, found in block.items() if name != "words"}
        return cls(str(description["retry_header"]), places, states)

    def told(self, body: Any, headers: Headers | None = None) -> Told:
        """Return what a decoded body (None for one that is no JSON) and its headers say of a job."""
        given = headers or {}
        envelopes = (one for one in self._all("job", body, given) if isinstance(one, dict))
        body = next(envelopes, body)
        word = self._text("state", body, given)
        return Told(
            id=self._text("id", body, given),
            word=word,
            states=self._meaning(word, body, given),
            outputs=self._texts("outputs", body, given),
            error=self._text("error", body, given),
            code=next((one for one in self._all("code", body, given) if _is_number(one)), None),
            poll_url=self._text("poll_url", body, given),
            result_url=self._text("result_url", body, given),
        )

    def refusal(self, body: Any, headers: Headers | None = None) -> str:
        """Return why a call was refused, in the provider's words; "" where it does not say."""
        return self._text("refusal", body, headers or {})

    def retry_after(self, headers: Headers) -> str:
        """Return when to come back as the provider writes it; "" where it does not say."""
        return headers.get(self.retry_header, "")

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

    def _texts(self, name: str, body: Any, headers: Headers) -> tuple[str, ...]:
        """Return the texts at the first place that has any; a list there is taken apart."""
        for find in self._places.get(name, ()):
            found = list(find(body, headers))
            flat = [one for value in found for one in (value if isinstance(value, list) else [value])]
            if texts := tuple(one for one in flat if isinstance(one, str) and one):
                return texts
        return ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
