"""Commands that make the calls of a finding again: for any POSIX shell, with curl and the least of tools.

What differs from run to run is a variable: the user's key is never shown, a job's name or address is taken
from the answer that tells it, and a receiver of callbacks is one that the reader starts. A poll is repeated
until it tells what it told in the run, and then made as often more as the run did.
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
    """Give lines that make the calls again in their order; those to other servers are left out.

    `key` is one that is not to be shown, `receivers` how addresses of this run's receiver begin, and
    `inside` that the server is an app in this process.
    """
    shown = [one for number, one in enumerate(exchanges) if all(one is not had for had in exchanges[:number])]
    calls = [one for one in shown if one.url.startswith(base_url)]
    names: dict[str, str] = {}
    if key:
        names[key] = "KEY"
    lines: list[str] = []
    for number, one in enumerate(calls):
        before, later = calls[number - 1 : number], calls[number + 1 :]
        once_more = any(call.curl == one.curl for call in before)
        command = _command(_arguments(one), names, receivers)
        for value, prefix in _told(one, dialect):
            if value and value not in names and any(value in call.curl for call in later):
                taken = sum(name.startswith(prefix) for name in names.values())
                names[value] = f"{prefix}{taken + 1}" if taken else prefix
                command = f"{names[value]}=$({command} | tee /dev/stderr | {_taken(one, value)})"
                break
        word = _word(one, dialect)
        if word and not once_more:
            told = shlex.quote(json.dumps(word, ensure_ascii=False))
            command = (
                f"N={_TRIES}; until {command} | tee /dev/stderr | grep -F {told} >/dev/null || {_GIVEN_UP}"
            )
        lines.append(command)
    return "\n".join([*_preface(lines, base_url, inside=inside), *lines])


def again(sample: str, *, base_url: str, key: str = "", inside: bool = False) -> str:
    """Rewrite a curl command that somebody else has written: it shows headers, and names the key."""
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
    told = [
        f"${names.get(piece, 'RECEIVER')}" if number % 2 else _SPECIAL.sub(r"\\\1", piece)
        for number, piece in enumerate(pieces)
    ]
    return f'"{"".join(told)}"'


def _standing(value: str, name: str) -> str:
    """A pattern of a value where it stands for itself: whole words only, as it may be part of many others."""
    if name == "KEY" and len(value) < SHORTEST:
        return short_key(value)
    return rf"(?<![\w-]){re.escape(value)}(?![\w-])"


def short_key(key: str) -> str:
    """A pattern of a key that would be found in any text: only where a header or a parameter is that key."""
    return rf"(?:(?<=: )|(?<=: Bearer )){re.escape(key)}\Z|(?<==){re.escape(key)}(?=[&#\s]|\Z)"


def _told(one: Exchange, dialect: Dialect) -> list[tuple[str, str]]:
    """Job and address that an answer to a submit tells, each with the name of a variable for it."""
    if one.method != "POST":
        return []
    try:
        accepted = dialect.accepted(one.json)
    except (Unreadable, AttributeError, TypeError):
        return []
    return [(accepted.id, "ID"), (accepted.url, "URL")]


def _taken(one: Exchange, value: str) -> str:
    """A command that takes a value out of an answer like this one."""
    return f"""sed -n 's/.*"{_field(one, value)}": *"\\([^"]*\\)".*/\\1/p' | head -n 1"""


def _word(one: Exchange, dialect: Dialect) -> str:
    """The state of the job that a poll tells; "" where it tells none."""
    try:
        return dialect.view(one.json).word if one.method == "GET" else ""
    except (Unreadable, AttributeError, TypeError):
        return ""


def _field(one: Exchange, job: str) -> str:
    """The name of the field that holds a job's name, in the answer that tells it."""
    told = re.search(rf'"(\w+)"\s*:\s*"{re.escape(job)}"', one.content.decode("utf-8", "replace"))
    return told[1] if told else "request_id"
