"""The gateway's options: from the command line, else an `UNDERSTUDY_*` variable, else `understudy.toml`.

One parser for all three: what is unknown or malformed is an error, never ignored.
"""

from __future__ import annotations

import difflib
import math
import os
import secrets
import ssl
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from understudy_mock.domain.limits import Limit
from understudy_mock.domain.quirks import QUIRKS
from understudy_mock.settings import Settings

PREFIX = "UNDERSTUDY_"
FILE = "understudy.toml"

_SECRETS = frozenset(("KEY", "TOKEN", "SECRET", "PASSWORD", "REDACT"))
"""Words in the name of a variable that holds a secret, or names a file that does."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _RateLimit(click.ParamType[str]):
    name = "N/SECONDS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(Limit.parse(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Url(click.ParamType[str]):
    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        scheme, _, rest = str(value).partition("://")
        if scheme not in ("http", "https") or not rest or any(c.isspace() for c in rest):
            self.fail(f"{value!r} is not an http:// or https:// URL", param, ctx)
        return str(value).rstrip("/")


class Number(click.FloatRange):
    """A number in a range; what is no number at all (`nan`) is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert and check. Fails with what the range is."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class NameValue(click.ParamType[tuple[str, str]]):
    """Two things with `=` between them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Part the two."""
        if isinstance(value, tuple):
            return value
        name, equals, rest = str(value).partition("=")
        if not (name.strip() and equals and rest.strip()):
            self.fail(f"must be {self.name}", param, ctx)
        return name.strip(), rest.strip()


_RATE = Number(0, 1)
_COUNT = click.IntRange(0, 10_000_000)

_LISTENING = (
    click.Option(["--host"], default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.Option(
        ["--port"],
        default=8080,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 picks a free one.",
    ),
)

_GATEWAY = (
    click.Option(
        ["--scenario"],
        metavar="NAME|FILE",
        help="What the provider does to every call that names nothing else.",
    ),
    click.Option(
        ["--speed"],
        default=30.0,
        show_default=True,
        type=Number(0.001, 1_000_000),
        help="Divides the documented durations: at 30 a job of 111 s takes 3.7 s, at 1 it is faithful.",
    ),
    click.Option(
        ["--pace"],
        default="clock",
        show_default=True,
        type=click.Choice(["clock", "polls", "manual"]),
        help="What moves jobs on: time, one step a poll, or the admin API alone.",
    ),
    click.Option(
        ["--seed"], type=int, help="Repeats what is drawn: ids, outputs, failures. [default: drawn]"
    ),
    click.Option(
        ["--balance"],
        type=Number(0, 1e9),
        metavar="USD",
        help="Gives each key a wallet. [default: nothing is charged]",
    ),
    click.Option(["--rate-limit"], type=_RateLimit(), help="Submits a key may make, for instance 10/60."),
    click.Option(
        ["quirks", "--quirk"],
        multiple=True,
        type=click.Choice(list(QUIRKS)),
        metavar="NAME",
        help="Follow the other reading where the documentation contradicts itself; see `understudy quirks`.",
    ),
    click.Option(
        ["api_keys", "--api-key"],
        multiple=True,
        metavar="K",
        help="Accept this key; others get 401. Whoever lists processes sees it. [any]",
    ),
    click.Option(
        ["api_key_files", "--api-key-file"],
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Accept the keys in this file, one a line.",
    ),
    click.Option(
        ["specs", "--specs"],
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Read more specs: a model from one YAML file.",
    ),
    click.Option(
        ["--strict"],
        is_flag=True,
        help="Take documented types alone, refuse unknown parameters, enforce advisory ranges.",
    ),
    click.Option(["--public-url"], type=_Url(), help="What absolute URLs in answers begin with."),
    click.Option(["--media-url"], type=_Url(), help="What URLs of result files begin with."),
    click.Option(
        ["--media"],
        default="real",
        show_default=True,
        type=click.Choice(["real", "small"]),
        help="Make result files as asked, or serve one tiny file a format.",
    ),
    click.Option(["--journal"], default=10_000, show_default=True, type=_COUNT, help="Exchanges to keep."),
    click.Option(
        ["--keep-jobs"],
        default=100_000,
        show_default=True,
        type=click.IntRange(1, 10_000_000),
        help="Jobs to keep; the oldest finished go first.",
    ),
    click.Option(
        ["--fail-rate"], default=0.0, type=_RATE, metavar="P", help="Share of jobs that end FAILED."
    ),
    click.Option(
        ["--error-rate"], default=0.0, type=_RATE, metavar="P", help="Share of jobs that end in ERROR."
    ),
    click.Option(["--allow-http-webhooks"], is_flag=True, help="Accept http:// webhook addresses."),
    click.Option(
        ["allow_webhook_hosts", "--allow-webhook-host"],
        multiple=True,
        metavar="H",
        help="Send webhooks to this host, too. [loopback only]",
    ),
    click.Option(
        ["--webhook-ca"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Trust this CA for https:// webhook addresses, too.",
    ),
    click.Option(
        ["--admin-token"],
        metavar="T",
        help="Open the admin API to those who show T. Whoever lists processes sees it. [this machine only]",
    ),
    click.Option(
        ["--admin-token-file"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read the admin token from this file.",
    ),
    click.Option(
        ["--cors"], metavar="ORIGIN", help="Let pages of this origin call the provider routes. [off]"
    ),
)


_OF_A_REPLAY = frozenset(
    {
        "--pace",
        "--seed",
        "--api-key",
        "--api-key-file",
        "--specs",
        "--public-url",
        "--media-url",
        "--journal",
        "--keep-jobs",
        "--allow-http-webhooks",
        "--allow-webhook-host",
        "--webhook-ca",
        "--admin-token",
        "--admin-token-file",
        "--cors",
    }
)
"""The gateway's options that mean something where the provider's doing is recorded."""

_REPLAY = (
    click.Option(
        ["--speed"],
        default=1.0,
        show_default=True,
        type=Number(0.001, 1_000_000),
        help="Divides the recorded durations.",
    ),
    *(option for option in _GATEWAY if option.opts[-1] in _OF_A_REPLAY),
    click.Option(
        ["--media"],
        default="real",
        show_default=True,
        type=click.Choice(["real", "small"]),
        help="For result files that were not recorded: refuse them, or serve one tiny file a format.",
    ),
)

_RECORDING = (
    click.Option(
        ["--out"],
        required=True,
        type=click.Path(path_type=Path),
        metavar="FILE.har",
        help="The recording; one that is there already is added to.",
    ),
    click.Option(
        ["upstreams", "--upstream"],
        multiple=True,
        type=NameValue("PROVIDER=URL"),
        metavar="PROVIDER=URL",
        help="Forward this provider's calls here. [its real API]",
    ),
    click.Option(
        ["--max-submits"],
        type=click.IntRange(0, 1_000_000),
        metavar="N",
        help="Refuse further submits after N, so that a run costs what you meant it to.",
    ),
    click.Option(["--no-media"], is_flag=True, help="Keep no result files beside the recording."),
    click.Option(
        ["--callback-url"],
        type=_Url(),
        metavar="URL",
        help="Where this recorder can be reached from outside (a tunnel), to record callbacks, too.",
    ),
    click.Option(
        ["--redact"],
        multiple=True,
        type=NameValue("NAME=VALUE"),
        metavar="NAME=VALUE",
        help="Also replace VALUE by [NAME-1] everywhere, and whatever a header or parameter NAME holds.",
    ),
)


def replay_options(command: _Command) -> _Command:
    """Give a command the options of a replay."""
    return attach(command, _REPLAY)


def recording_options(command: _Command) -> _Command:
    """Give a command the options of what to record, and how."""
    webhooks = ("--allow-http-webhooks", "--allow-webhook-host", "--webhook-ca", "--specs")
    shared = tuple(option for option in _GATEWAY if option.opts[-1] in webhooks)
    return attach(command, (*_RECORDING, *shared))


def gateway_options(command: _Command) -> _Command:
    """Give a command all of the gateway's options."""
    return attach(command, _GATEWAY)


def listening_options(command: _Command) -> _Command:
    """Give a command the options of where to listen."""
    return attach(command, _LISTENING)


def attach(command: _Command, options: tuple[click.Option, ...]) -> _Command:
    """Give a command options, each with its variable."""
    # What click's own decorators do, once for a list.
    held: list[click.Parameter] = getattr(command, "__click_params__", [])
    for option in options:
        option.envvar = variable(option)
        held.insert(0, option)
    command.__click_params__ = held  # type: ignore[attr-defined]
    return command


def variable(option: click.Option) -> str:
    """Name the environment variable of an option: `--keep-jobs` is UNDERSTUDY_KEEP_JOBS."""
    return PREFIX + name_in_file(option).replace("-", "_").upper()


def read_settings(values: dict[str, Any]) -> Settings:
    """Make settings of the parsed options. Raises click.UsageError for what does not fit together."""
    values = dict(values)
    if values["seed"] is None:
        values["seed"] = secrets.randbelow(2**31)
    if values.get("fail_rate", 0) + values.get("error_rate", 0) > 1:
        raise click.UsageError("--fail-rate and --error-rate are shares of the same jobs: together at most 1")
    check_webhook_ca(values["webhook_ca"])
    for file in values.pop("api_key_files", ()):
        values["api_keys"] = (*values["api_keys"], *_read_secrets("--api-key-file", file))
    token_file = values.pop("admin_token_file", None)
    if token_file is not None:
        if values["admin_token"] is not None:
            raise click.UsageError(
                "--admin-token and --admin-token-file both say which token it is: give one"
            )
        values["admin_token"], *more = _read_secrets("--admin-token-file", token_file)
        if more:
            raise click.UsageError(f"--admin-token-file {token_file}: holds more than one line")
    return Settings(**values)


def _read_secrets(option: str, file: Path) -> list[str]:
    """Read a file of secrets, one a line. Raises click.UsageError; an empty file must not mean "any key"."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{option} {file}: cannot be read: {error}") from None
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise click.UsageError(f"{option} {file}: is empty")
    return found


def check_settings(settings: Settings) -> Settings:
    """Hold settings that a program made to what the command line accepts, and give them as it would.

    Raises ValueError with the names of the field and what is known.
    """
    options = {option.name: option for option in _GATEWAY}
    values: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        try:
            if value is not None or field.default is not None:
                value = _checked(options[field.name], value)
        except click.BadParameter as error:
            raise ValueError(f"{field.name}={value!r}: {error.message.rstrip('.')}") from None
        values[field.name] = value
    try:
        return read_settings(values)
    except click.UsageError as error:
        raise ValueError(error.message) from None


def _checked(option: click.Option, value: Any) -> Any:
    if not option.multiple:
        return _typed(option, value)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise click.BadParameter("must be a tuple or a list")
    return tuple(_typed(option, one) for one in value)


def _typed(option: click.Option, value: Any) -> Any:
    """Convert as click does, but take no kind of value for another: no True for 1, no "5" for 5."""
    kind: click.ParamType[Any] = option.type
    if option.is_flag:
        wanted, fits = "True or False", isinstance(value, bool)
    elif isinstance(kind, click.types.IntParamType):
        wanted, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(kind, click.FloatRange):
        wanted, fits = "a number", isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        wanted, fits = "a text", isinstance(value, (str, Path))
    if not fits:
        raise click.BadParameter(f"must be {wanted}")
    return kind.convert(value, None, None)


def check_webhook_ca(ca: Path | None) -> None:
    """Refuse a file without certificates. Raises click.UsageError."""
    if ca is not None:
        try:
            ssl.create_default_context(cafile=str(ca))
        except (ssl.SSLError, OSError) as error:
            raise click.UsageError(
                f"--webhook-ca {ca}: holds no certificate that can be read: {error}"
            ) from None


def refuse_unknown_variables(environment: Mapping[str, str], known: set[str]) -> None:
    """Refuse an UNDERSTUDY_* variable that stands for nothing. Raises click.UsageError."""
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            raise click.UsageError(f"unknown environment variable {name}{_nearest(name, known)}")


def read_file(known: Mapping[str, Sequence[click.Option]]) -> dict[str, Any]:
    """Read `understudy.toml` of the working directory, if there is one, as values by their names in it.

    `known` holds the options by these names; commands may share a name. Raises click.UsageError.
    """
    file = Path(FILE)
    if not file.is_file():
        return {}
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise click.UsageError(f"{FILE}: lists and tables are too deep inside each other") from None
    except (ValueError, OSError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise click.UsageError(f"{FILE}: {error}") from None
    for name, value in told.items():
        options = known.get(name)
        if options is None:
            raise click.UsageError(f"{FILE}: /{name}: unknown option{_nearest(name, set(known))}")
        if isinstance(value, dict) or isinstance(value, list) not in {one.multiple for one in options}:
            kind = "a list" if options[0].multiple else "one value"
            raise click.UsageError(f"{FILE}: /{name}: must be {kind}")
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int | float) or (isinstance(one, float) and not math.isfinite(one)):
                raise click.UsageError(
                    f"{FILE}: /{name}: {one!s:.40} is read as a {type(one).__name__} here; put it in quotes"
                )
    return told


def defaults(options: Iterable[click.Option], told: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values of a file to one command's options, as click takes them: by parameter name."""
    values = {}
    for option in options:
        value = told.get(name_in_file(option))
        if value is not None:
            alone = option.multiple and not isinstance(value, list)  # another command takes only one
            values[str(option.name)] = [value] if alone else value
    return values


def name_in_file(option: click.Option) -> str:
    """Name an option in `understudy.toml`: `--keep-jobs` is keep-jobs."""
    return option.opts[-1].lstrip("-")


def environment() -> Mapping[str, str]:
    """The environment, read in this one place."""
    return os.environ


def environment_of_children() -> dict[str, str]:
    """The environment for programs that are started from here: without our own secrets."""
    return {name: value for name, value in environment().items() if not _is_secret(name)}


def _is_secret(variable: str) -> bool:
    return variable.startswith(PREFIX) and not _SECRETS.isdisjoint(variable.split("_"))


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
