"""Commands that make the calls of a finding again: lines of curl for any POSIX shell.

What differs from run to run is a variable: the user's key is never shown, a job's name or address comes from
the answer that has it, and the reader starts the receiver of callbacks. A line loops only where a job has to
reach another state first: it polls until the answer has the state that it had in the run.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import quote_plus

from understudy_contracts.server.dialect import Dialect, Unreadable
from understudy_contracts.server.wire import Exchange
from understudy_mock.redaction import SHORTEST

_KEY = "# KEY is the key that the check was given: KEY=..."
_RECEIVER = "RECEIVER=http://127.0.0.1:9000/done  # start one there"
_INSIDE = "# against the app in process: serve it at {} to call it so"
_TRIES = 60
_GIVEN_UP = "[ $((N-=1)) -eq 0 ]; do sleep 1; done"
_SPECIAL = re.compile(r'([\\"$`])')


def commands(
    exchanges: Sequence[Exchange],
    dialect: Dialect,
    *,
    base_url: str,
    key: str = "",
    receivers: str = "",
    inside: bool = False,
) -> str:
    """Return lines that make the calls again in their order; those to other servers are left out.

    `key` must not be shown. `receivers` is how the addresses of this run's receiver begin. `inside` says that
    the server is an app in this process.
    """
    calls = [call for call in {id(one): one for one in exchanges}.values() if call.url.startswith(base_url)]
    names = {key: "KEY"} if key else {}
    lines: list[str] = []
    state = ""
    for number, call in enumerate(calls):
        command = _command(_arguments(call), names, receivers)
        later = calls[number + 1 :]
        for value, name in _answered(call, dialect):
            if value and value not in names and any(value in after.curl for after in later):
                taken = sum(known.startswith(name) for known in names.values())
                names[value] = f"{name}{taken + 1}" if taken else name
                command = f"{names[value]}=$({command} | tee /dev/stderr | {_extraction(call, value)})"
                break
        reached, state = state, _state(call, dialect) or state
        is_repeated = number > 0 and calls[number - 1].curl == call.curl
        if call.method == "GET" and state != reached and not is_repeated:
            word = shlex.quote(json.dumps(state, ensure_ascii=False))
            command = (
                f"N={_TRIES}; until {command} | tee /dev/stderr | grep -F {word} >/dev/null || {_GIVEN_UP}"
            )
        lines.append(command)
    return "\n".join([*_preface(lines, base_url, inside=inside), *lines])


def again(sample: str, *, base_url: str, key: str = "", inside: bool = False) -> str:
    """Return a curl command that somebody else has written, so that it shows headers and names the key."""
    names = {key: "KEY"} if key else {}
    try:
        arguments = [] if "$'" in sample else shlex.split(sample)
    except ValueError:
        arguments = []
    # What a plain reading would change is left as it stands.
    if arguments:
        line = _command([one for one in arguments[1:] if one != "-si"], names, "")
    else:
        line = f"curl -si {sample.removeprefix('curl ').strip()}"
    return "\n".join([*_preface([line], base_url, inside=inside), line])


def _preface(lines: Sequence[str], base_url: str, *, inside: bool) -> list[str]:
    text = "\n".join(lines)
    preface = [_INSIDE.format(base_url)] if inside and lines else []
    if "$KEY" in text:
        preface.append(_KEY)
    if "$RECEIVER" in text:
        preface.append(_RECEIVER)
    return preface


def _arguments(one: Exchange) -> list[str]:
    parts = ["-X", one.method, one.url]
    for name, value in one.headers.items():
        parts += ["-H", f"{name}: {value}"]
    if one.body:
        parts += ["--data-binary", one.body.decode("utf-8", "backslashreplace")]
    return parts


def _command(arguments: Sequence[str], names: Mapping[str, str], receivers: str) -> str:
    return " ".join(["curl", "-si", *(_quoted(one, names, receivers) for one in arguments)])


def _quoted(text: str, names: Mapping[str, str], receivers: str) -> str:
    """Quote a word for the shell, in double quotes where a variable stands in it."""
    values = [_standing(value, names[value]) for value in sorted(names, key=len, reverse=True)]
    if receivers:
        values += [f"{re.escape(form)}(?![0-9])[\\w%/-]*" for form in (receivers, quote_plus(receivers))]
    if not values:
        return shlex.quote(text)
    pieces = re.split(f"({'|'.join(values)})", text)
    if len(pieces) == 1:
        return shlex.quote(text)
    quoted = [
        f"${names.get(piece, 'RECEIVER')}" if number % 2 else _SPECIAL.sub(r"\\\1", piece)
        for number, piece in enumerate(pieces)
    ]
    return f'"{"".join(quoted)}"'


def _standing(value: str, name: str) -> str:
    """Return a pattern that finds a value as a whole word: it may be part of others."""
    if name == "KEY" and len(value) < SHORTEST:
        return short_key(value)
    return rf"(?<![\w-]){re.escape(value)}(?![\w-])"


def short_key(key: str) -> str:
    """Return a pattern for a key so short that any text has it: only where a header or a parameter is it."""
    return rf"(?:(?<=: )|(?<=: Bearer )){re.escape(key)}\Z|(?<==){re.escape(key)}(?=[&#\s]|\Z)"


def _answered(call: Exchange, dialect: Dialect) -> list[tuple[str, str]]:
    """Return the job and the address in the answer to a submit, each with the name of a variable for it."""
    if call.method != "POST":
        return []
    try:
        accepted = dialect.accepted(call.json)
    except (Unreadable, AttributeError, TypeError):
        return []
    return [(accepted.id, "ID"), *([(accepted.url, "URL")] if accepted.url else [])]


def _extraction(call: Exchange, value: str) -> str:
    """Return a command that takes a value from an answer like this one."""
    field = re.search(rf'"(\w+)"\s*:\s*"{re.escape(value)}"', call.content.decode("utf-8", "replace"))
    name = field[1] if field else "request_id"
    return f"""sed -n 's/.*"{name}": *"\\([^"]*\\)".*/\\1/p' | head -n 1"""


def _state(call: Exchange, dialect: Dialect) -> str:
    """Return the provider's word for the job's state in an answer; "" where there is none."""
    try:
        return dialect.view(call.json).word
    except (Unreadable, AttributeError, TypeError):
        return ""
