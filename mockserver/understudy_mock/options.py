"""The gateway's options: from the command line, else an `UNDERSTUDY_*` variable, else `understudy.toml`.

One parser reads all three. An unknown or malformed option is an error, never ignored.
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

from understudy_mock.catalog import SpecError
from understudy_mock.domain.limits import Limit
from understudy_mock.settings import Settings
from understudy_mock.wording import open_wordings, quirks_of

PREFIX = "UNDERSTUDY_"
FILE = "understudy.toml"

_SECRETS = frozenset(("KEY", "TOKEN", "SECRET", "PASSWORD", "REDACT"))
"""Words in the names of variables that hold a secret, or the path of a file with one."""

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
    """A finite number in a range; click lets `nan` pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value. Fails for a number that is out of range or not finite."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class NameValue(click.ParamType[tuple[str, str]]):
    """A name and a value with `=` between them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split a text at its first `=`."""
        if isinstance(value, tuple):
            return value
        name, equals, rest = str(value).partition("=")
        if not (name.strip() and equals and rest.strip()):
            self.fail(f"must be {self.name}", param, ctx)
        return name.strip(), rest.strip()


def name_in_file(option: click.Option) -> str:
    """Return the name of an option in `understudy.toml`: keep-jobs for `--keep-jobs`."""
    return option.opts[-1].lstrip("-")


def variable(option: click.Option) -> str:
    """Return the environment variable of an option: UNDERSTUDY_KEEP_JOBS for `--keep-jobs`."""
    return PREFIX + name_in_file(option).replace("-", "_").upper()


def option(*names: str, **traits: Any) -> click.Option:
    """Return an option that its environment variable can set, too."""
    made = click.Option(names, **{"show_default": True, **traits})
    made.envvar = variable(made)
    return made


_DEFAULTS = {field.name: field.default for field in fields(Settings)}


def _setting(*names: str, **traits: Any) -> click.Option:
    """Return the option of a field of Settings; the field gives the default."""
    field = names[0].removeprefix("--").replace("-", "_")
    return option(*names, **{"default": _DEFAULTS[field], **traits})


def _several(field: str, name: str, **traits: Any) -> click.Option:
    return _setting(field, name, multiple=True, **traits)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_RATE = Number(0, 1)
_COUNT = click.IntRange(0, 10_000_000)
_SPEED = Number(0.001, 1_000_000)
_VISIBLE = "Other users of this machine can see it in the process list."

# Options that several commands have, here and in `understudy_contracts.options`.
SEED = option(
    "--seed",
    type=int,
    show_default="drawn",
    help="Repeat a run: the same seed draws the same ids, outputs and failures.",
)
SPECS = _several(
    "specs",
    "--specs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also read the specs in this folder: models of your own, one YAML file each.",
)
REPORT_DIR = option(
    "--report-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a report into this folder: an HTML page, JSON and JUnit.",
)

TRACE = option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="At the end, write what happened into this file: a track per job, for https://ui.perfetto.dev.",
)


ADMIN_TOKEN = option(
    "--admin-token",
    metavar="TOKEN",
    show_default="none",
    help=f"The token that the gateway was started with. {_VISIBLE}",
)
ADMIN_TOKEN_FILE = option(
    "--admin-token-file", type=_FILE, metavar="FILE", help="Read the admin token from this file."
)


def log_option(default: str | None, *, show_default: str | bool = True) -> click.Option:
    """Return the option that says how a command logs the calls of its gateway."""
    return option(
        "--log",
        type=click.Choice(["off", "lines", "json"]),
        default=default,
        show_default=show_default,
        help="Print each call and each callback on stderr: as a line for people, or as JSON.",
    )


_LISTENING = (
    option("--host", default="127.0.0.1", help="Address to listen on."),
    option(
        "--port", default=8080, type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one."
    ),
)

_WEBHOOKS = (
    _setting("--allow-http-webhooks", is_flag=True, help="Accept webhook addresses with http://."),
    _several(
        "allow_webhook_hosts",
        "--allow-webhook-host",
        metavar="HOST",
        show_default="only this machine",
        help="Also send webhooks to this host.",
    ),
    _setting("--webhook-ca", type=_FILE, metavar="FILE", help="Also trust this CA for https:// webhooks."),
)

# What makes sense for a replay, too.
_SERVING = (
    _setting(
        "--pace",
        type=click.Choice(["clock", "polls", "manual"]),
        help="What moves jobs forward: time, one step per poll, or only the admin API.",
    ),
    SEED,
    _several(
        "api_keys",
        "--api-key",
        metavar="KEY",
        show_default="any key",
        help=f"Accept only the keys given; others get 401. {_VISIBLE}",
    ),
    option(
        "api_key_files",
        "--api-key-file",
        multiple=True,
        type=_FILE,
        metavar="FILE",
        help="Accept the keys in this file, one per line.",
    ),
    SPECS,
    _setting("--public-url", type=_Url(), help="What absolute URLs in answers begin with."),
    _setting("--media-url", type=_Url(), help="What URLs of result files begin with."),
    _setting("--journal", type=_COUNT, metavar="N", help="How many exchanges to keep in the journal."),
    _setting(
        "--keep-jobs",
        type=click.IntRange(1, 10_000_000),
        metavar="N",
        help="How many jobs to keep; the oldest finished ones are removed first.",
    ),
    *_WEBHOOKS,
    _setting(
        "--admin-token",
        metavar="TOKEN",
        show_default="only this machine may use it",
        help=f"Open the admin API to callers that send this token. {_VISIBLE}",
    ),
    ADMIN_TOKEN_FILE,
    _setting(
        "--cors",
        metavar="ORIGIN",
        show_default="off",
        help="Let web pages of this origin call the provider routes.",
    ),
)

_MEDIA = click.Choice(["real", "small"])

_GATEWAY = (
    _setting(
        "--scenario",
        metavar="NAME|FILE",
        help="What the provider does to calls that choose no scenario; see `understudy scenarios`.",
    ),
    _setting(
        "--speed",
        type=_SPEED,
        help="Divide the documented durations: at 30 a job of 111 s takes 3.7 s; 1 is real time.",
    ),
    _setting(
        "--balance",
        type=Number(0, 1e9),
        metavar="USD",
        show_default="nothing is charged",
        help="Give each key a wallet with this amount.",
    ),
    _setting("--rate-limit", type=_RateLimit(), help="How many submits a key may make, for instance 10/60."),
    _setting(
        "--provider",
        metavar="NAME",
        show_default="those that ship",
        help="The provider that answers at the root; the others answer below /NAME.",
    ),
    _several(
        "quirks",
        "--quirk",
        metavar="NAME",
        help="Use the other reading where the documentation contradicts itself; see `understudy quirks`.",
    ),
    _setting(
        "--strict",
        is_flag=True,
        help="Accept only documented types, refuse unknown parameters, enforce recommended ranges.",
    ),
    _setting(
        "--media",
        type=_MEDIA,
        help="Make result files as the call asks (real), or serve one tiny file per format (small).",
    ),
    _setting("--fail-rate", type=_RATE, metavar="P", help="Share of jobs that end FAILED."),
    _setting("--error-rate", type=_RATE, metavar="P", help="Share of jobs that end in ERROR."),
    *_SERVING,
)

_REPLAY = (
    option("--speed", default=1.0, type=_SPEED, help="Divide the recorded durations."),
    *_SERVING,
    _setting(
        "--media",
        type=_MEDIA,
        help="Refuse result files that were not recorded (real), or serve a tiny file per format (small).",
    ),
)

_RECORDING = (
    option(
        "--out",
        required=True,
        type=click.Path(path_type=Path),
        metavar="FILE.har",
        help="Where to write the recording. An existing recording is continued.",
    ),
    option(
        "upstreams",
        "--upstream",
        multiple=True,
        type=NameValue("PROVIDER=URL"),
        metavar="PROVIDER=URL",
        show_default="its real API",
        help="Forward the calls to this provider here.",
    ),
    option(
        "--max-submits",
        type=click.IntRange(0, 1_000_000),
        metavar="N",
        help="Refuse every submit after the first N, which limits what the run can cost.",
    ),
    option("--no-media", is_flag=True, help="Do not save result files beside the recording."),
    option(
        "--callback-url",
        type=_Url(),
        metavar="URL",
        help="Public URL of this recorder (a tunnel), to record callbacks, too.",
    ),
    option(
        "--redact",
        multiple=True,
        type=NameValue("NAME=VALUE"),
        metavar="NAME=VALUE",
        help="Also replace VALUE by [NAME-1] everywhere, and the content of every header or parameter NAME.",
    ),
    SPECS,
    *_WEBHOOKS,
)


def attach(*options: click.Option) -> Callable[[_Command], _Command]:
    """Return a decorator that gives a command these options, as click's own do one by one."""

    def decorate(command: _Command) -> _Command:
        attached: list[click.Parameter] = getattr(command, "__click_params__", [])
        attached.extend(reversed(options))
        command.__click_params__ = attached  # type: ignore[attr-defined]
        return command

    return decorate


listening_options = attach(*_LISTENING)
gateway_options = attach(*_GATEWAY)
replay_options = attach(*_REPLAY)
recording_options = attach(*_RECORDING)


def read_settings(values: dict[str, Any]) -> Settings:
    """Return the settings that parsed options stand for. Raises click.UsageError for options that clash."""
    values = dict(values)
    if values["seed"] is None:
        values["seed"] = secrets.randbelow(2**31)
    if values.get("fail_rate", 0) + values.get("error_rate", 0) > 1:
        raise click.UsageError("--fail-rate and --error-rate may add up to at most 1")
    check_webhook_ca(values["webhook_ca"])
    check_quirks(values.get("quirks", ()), values["specs"])
    for file in values.pop("api_key_files", ()):
        values["api_keys"] = (*values["api_keys"], *_read_secrets("--api-key-file", file))
    values["admin_token"] = read_admin_token(values["admin_token"], values.pop("admin_token_file", None))
    return Settings(**values)


def check_quirks(names: tuple[str, ...], specs: tuple[Path, ...]) -> None:
    """Refuse quirks that no provider has. Raises click.UsageError."""
    if not names:
        return
    try:
        known = quirks_of(open_wordings(specs))
    except SpecError as error:
        raise click.UsageError(str(error)) from None
    for name in names:
        if name not in known:
            raise click.UsageError(f"--quirk: {name!r} is not one of {', '.join(map(repr, known))}")


def read_admin_token(token: str | None, file: Path | None) -> str | None:
    """Return the admin token that was given, or that stands in a file. Raises click.UsageError."""
    if file is None:
        return token
    if token is not None:
        raise click.UsageError("give one of --admin-token and --admin-token-file, not both")
    read, *more = _read_secrets("--admin-token-file", file)
    if more:
        raise click.UsageError(f"--admin-token-file {file}: has more than one line")
    return read


def _read_secrets(option: str, file: Path) -> list[str]:
    """Read a file of secrets, one per line. Raises click.UsageError, also for an empty file: it is a slip."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{option} {file}: cannot be read: {error}") from None
    held = [line.strip() for line in lines if line.strip()]
    if not held:
        raise click.UsageError(f"{option} {file}: is empty")
    return held


def check_settings(settings: Settings) -> Settings:
    """Check settings that a program made as the command line would, and return them converted.

    Raises ValueError with the name of the field and what is wrong with it.
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
    return tuple(_typed(option, item) for item in value)


def _typed(option: click.Option, value: Any) -> Any:
    """Convert a value as click does, but require its type: no True for 1, no "5" for 5."""
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
            raise click.UsageError(f"--webhook-ca {ca}: has no readable certificate: {error}") from None


def refuse_unknown_variables(environment: Mapping[str, str], known: set[str]) -> None:
    """Refuse UNDERSTUDY_* variables that are not `known`. Raises click.UsageError."""
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            raise click.UsageError(f"unknown environment variable {name}{_nearest(name, known)}")


def read_file(known: Mapping[str, Sequence[click.Option]]) -> dict[str, Any]:
    """Read `understudy.toml` in the working directory, if there is one. Raises click.UsageError.

    Return its values by name. `known` holds the options of that name; several commands may share it.
    """
    file = Path(FILE)
    if not file.is_file():
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise click.UsageError(f"{FILE}: lists and tables are nested too deeply") from None
    except (ValueError, OSError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise click.UsageError(f"{FILE}: {error}") from None
    for name, value in values.items():
        options = known.get(name)
        if options is None:
            raise click.UsageError(f"{FILE}: /{name}: unknown option{_nearest(name, set(known))}")
        if isinstance(value, dict) or isinstance(value, list) not in {option.multiple for option in options}:
            kind = "a list" if options[0].multiple else "one value"
            raise click.UsageError(f"{FILE}: /{name}: must be {kind}")
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str | int | float) or (
                isinstance(item, float) and not math.isfinite(item)
            ):
                raise click.UsageError(
                    f"{FILE}: /{name}: {item!s:.40} is read as a {type(item).__name__}; put it in quotes"
                )
    return values


def defaults(options: Iterable[click.Option], file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a file has for one command's options, by parameter name as click wants them."""
    values = {}
    for option in options:
        value = file.get(name_in_file(option))
        if value is not None:
            alone = option.multiple and not isinstance(value, list)  # another command takes only one
            values[str(option.name)] = [value] if alone else value
    return values


def environment() -> Mapping[str, str]:
    """Return the environment; every other module gets it from here."""
    return os.environ


def environment_of_children() -> dict[str, str]:
    """Return the environment for programs that we start: without our own secrets."""
    return {name: value for name, value in environment().items() if not _is_secret(name)}


def _is_secret(variable: str) -> bool:
    return variable.startswith(PREFIX) and not _SECRETS.isdisjoint(variable.split("_"))


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
