"""The pytest plugin: the whole gateway as one fixture, `understudy`.

    def test_a_failing_job_is_reported(understudy):
        understudy.play("fails")
        with pytest.raises(JobFailed):
            my_client(base_url=understudy.url(), key=understudy.key).generate("a cat")
        understudy.assert_conforms()

The gateway starts with the first test that asks for it, in this process and on free ports. All tests of the
session (of each pytest-xdist worker) share it; every test has a key of its own. When a test fails, what was
said under its key is printed as a conversation.

`@pytest.mark.scenario("fails")` is `understudy.play("fails")` before the test begins.
`@pytest.mark.understudy(pace="manual")` gives a test a gateway of its own, made with these fields of
`understudy_mock.Settings`; under `pace="manual"` its clock moves only by `understudy.advance(seconds)`,
in documented seconds with `speed=1`. A test with either marker fails if it never uses the fixture.
Override the fixture `understudy_settings` (scope "session") to change the shared gateway. Result files are
tiny and valid, the same for every job. With `media="real"` they have the size and length that was asked for;
to render a long video takes seconds on a busy machine.

`--understudy-replay FILE.har` plays a recording to all tests instead of the gateway, and
`understudy.replay("run.har")` to one test. A call that was not recorded then fails the test at its end,
unless the test has read `understudy.misses`, or called `findings()` or `assert_conforms()`.

Nothing of the gateway is imported until a test asks for it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import pytest

if TYPE_CHECKING:
    from understudy_contracts.testing import Running, Understudy
    from understudy_mock.gateway.world import World
    from understudy_mock.settings import Settings

_MARKER = "@pytest.mark.understudy"
_MARKERS = ("scenario", "understudy")
_HELD: pytest.StashKey[Understudy] = pytest.StashKey()
_FAILED: pytest.StashKey[bool] = pytest.StashKey()
_PRINTED: pytest.StashKey[str] = pytest.StashKey()
_RUNS: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--understudy-replay`."""
    parser.getgroup("understudy").addoption(
        "--understudy-replay",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.har",
        help="Play this recording instead of the gateway; can be given several times.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse recordings that are not there."""
    for file in config.getoption("understudy_replay"):
        if not file.is_file():
            what = "is no regular file" if file.exists() else "there is no such file"
            what = "is a directory; a recording is a HAR file" if file.is_dir() else what
            raise pytest.UsageError(f"--understudy-replay: {file}: {what}")
    config.stash[_RUNS] = Counter()
    config.addinivalue_line(
        "markers", "scenario(name): what the provider does to the test's key: a name, a file or a mapping"
    )
    config.addinivalue_line(
        "markers", 'understudy(**settings): a gateway of the test\'s own, for instance pace="manual"'
    )


@pytest.fixture(scope="session")
def understudy_settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of the session's gateway: a job of 111 documented seconds takes 0.4. Override at will.

    Files are small. With `--understudy-replay` they are the recorded ones, and a miss where there is none.
    """
    from understudy_mock.settings import Settings  # imported late: see above

    media: Literal["real", "small"] = "real" if pytestconfig.getoption("understudy_replay") else "small"
    return Settings(speed=300.0, allow_http_webhooks=True, media=media)


@pytest.fixture(scope="session")
def understudy_gateway(understudy_settings: Settings, pytestconfig: pytest.Config) -> Iterator[Running]:
    """The gateway that the session shares; with `--understudy-replay` it plays recordings."""
    from understudy_contracts.testing import running

    settings = _check(understudy_settings, "the fixture understudy_settings")
    if settings.api_keys:
        _refuse(
            "the fixture understudy_settings: api_keys would refuse the keys that tests get; "
            "@pytest.mark.understudy(api_keys=(…)) takes the test's own key as well"
        )
    make = partial(_world, config=pytestconfig, source="the fixture understudy_settings")
    with running(settings, make) as gateway:
        yield gateway


def _world(settings: Settings, config: pytest.Config, source: str) -> World:
    from understudy_mock.app import create_replay, create_world
    from understudy_mock.catalog import SpecError, open_catalog
    from understudy_mock.gateway.scenario_files import ScenarioFileError
    from understudy_mock.har.read import read_recording
    from understudy_mock.har.recording import RecordingError

    files: list[Path] = config.getoption("understudy_replay")
    if not files:
        try:
            return create_world(settings)
        except (SpecError, ScenarioFileError) as error:
            _refuse(f"{source}: {error}")
    try:
        catalog = open_catalog(settings.specs)
        return create_replay(read_recording(files, catalog), settings, catalog=catalog)
    except RecordingError as error:
        _refuse(f"--understudy-replay: {error}")


@pytest.fixture
def understudy(request: pytest.FixtureRequest) -> Iterator[Understudy]:
    """A key of the test's own, on the session's gateway or, if the marker asks for it, on one of its own."""
    from understudy_contracts.testing import Understudy, running

    wanted = request.node.get_closest_marker("understudy")
    if wanted is not None and wanted.args:
        _refuse(f'{_MARKER} takes fields by name, for instance pace="manual"')
    if wanted is not None and wanted.kwargs:
        key = _key(request)
        settings = _settings(request.getfixturevalue("understudy_settings"), wanted.kwargs, key)
        with running(settings, partial(_world, config=request.config, source=_MARKER)) as gateway:
            yield from _hold(request, Understudy(gateway, key, alone=True))
    else:
        gateway = request.getfixturevalue("understudy_gateway")
        yield from _hold(request, Understudy(gateway, _key(request)))


def _hold(request: pytest.FixtureRequest, understudy: Understudy) -> Iterator[Understudy]:
    request.node.stash[_HELD] = understudy
    try:
        chosen = request.node.get_closest_marker("scenario")
        if chosen is not None:
            try:
                understudy.play(_scenario(chosen))
            except (ValueError, TypeError) as error:
                _refuse(f"@pytest.mark.scenario: {error}")
        yield understudy
        if not request.node.stash.get(_FAILED, False) and (misses := understudy.overlooked()):
            said = "\n".join(dict.fromkeys(misses))
            _refuse(f"the client made calls that are not in the recording\n{said}")
    finally:
        understudy.close()


def _scenario(marker: pytest.Mark) -> Any:
    given = [*marker.args, *marker.kwargs.values()]
    if len(given) != 1 or set(marker.kwargs) - {"scenario", "name"}:
        _refuse(
            '@pytest.mark.scenario takes one scenario: a name, a file or a mapping, as in scenario("fails")'
        )
    return given[0]


def _settings(shared: Settings, wanted: dict[str, Any], key: str) -> Settings:
    """Return the settings of a test's own gateway, which accepts the test's key."""
    known = [field.name for field in fields(shared)]
    for name in wanted:
        if name not in known:
            _refuse(f"{_MARKER}: unknown field {name!r}; known: {', '.join(known)}")
    settings = _check(replace(shared, **wanted), _MARKER)
    return replace(settings, api_keys=(*settings.api_keys, key)) if settings.api_keys else settings


def _check(settings: Settings, source: str) -> Settings:
    """Return the settings if the command line would accept them, else fail the test."""
    from understudy_mock.options import check_settings
    from understudy_mock.settings import Settings

    if not isinstance(settings, Settings):
        _refuse(f"{source}: must return understudy_mock.Settings, not {settings!r}")
    try:
        return check_settings(settings)
    except ValueError as error:
        _refuse(f"{source}: {error}")


def _refuse(text: str) -> NoReturn:
    """Fail the test with this text alone: a traceback into the plugin helps nobody."""
    raise pytest.fail.Exception(text, pytrace=False) from None


def _key(request: pytest.FixtureRequest) -> str:
    """Return a key made of the test's name: the same in every session, another when a test runs again.

    It has a form that every provider's own library takes.
    """
    name = request.node.nodeid
    runs = request.config.stash[_RUNS]
    runs[name] += 1
    digest = hashlib.blake2b(f"{name} {runs[name]}".encode(), digest_size=8)
    return f"SG_{digest.hexdigest()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed with a marker of ours but without the fixture: the marker did nothing.

    That is certain only at its end, as a test can ask for a fixture by name. Markers of a class or a module
    may be meant for only some of its tests.
    """
    result = yield
    if _HELD not in item.stash and "understudy" not in getattr(item, "fixturenames", ()):
        for marker in item.own_markers:
            if marker.name in _MARKERS and _is_ours(marker.name, item.config):
                _refuse(f"@pytest.mark.{marker.name} does nothing here: the test does not use understudy")
    return result


def _is_ours(marker: str, config: pytest.Config) -> bool:
    """Return whether nobody else has registered a marker of this name."""
    names = [re.split(r"[(:]", line, maxsplit=1)[0].strip() for line in config.getini("markers")]
    return names.count(marker) == 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print what was said under a failing test's key, once, whether the test failed or a fixture."""
    report = yield
    held = item.stash.get(_HELD, None)
    if held is not None and report.failed:
        item.stash[_FAILED] = True
        conversation = held.conversation()
        if conversation and conversation != item.stash.get(_PRINTED, None):
            item.stash[_PRINTED] = conversation
            report.sections.append(("Understudy: what was said", conversation))
    if report.when == "teardown":
        # Items live as long as the session, and some run again.
        keys: tuple[pytest.StashKey[Any], ...] = (_HELD, _FAILED, _PRINTED)
        for key in keys:
            if key in item.stash:
                del item.stash[key]
    return report
