"""The pytest plugin: the whole gateway as one fixture, `understudy`.

    def test_a_failing_job_is_reported(understudy):
        understudy.play("fails")
        with pytest.raises(JobFailed):
            my_client(base_url=understudy.url("pixazo"), key=understudy.key).generate("a cat")
        understudy.assert_conforms()

The gateway starts with the first test that asks for it, in this process and on free ports, and is shared
by the session (by each worker of pytest-xdist); every test has a key of its own. When a test fails, what was
said under its key is printed like a conversation.

`@pytest.mark.scenario("fails")` is `understudy.play("fails")` before the test begins.
`@pytest.mark.understudy(pace="manual")` gives a test a gateway of its own, made with these fields of
`understudy_mock.Settings`; under `pace="manual"` its clock moves only by `understudy.advance(seconds)`,
in documented seconds with `speed=1`. A test with either marker that never uses the fixture fails.
Override the fixture `understudy_settings` (scope "session") to change the shared gateway. Result files are
tiny valid ones, the same for every job, unless `media="real"` asks for pictures of the asked size and length:
to render a long video takes seconds on a busy machine.

`--understudy-replay FILE.har` plays a recording to all tests in the place of the gateway, and
`understudy.replay("run.har")` to one. A call that was not recorded then fails the test at its end, unless the
test has looked at `understudy.misses`, `findings()` or `assert_conforms()` itself.

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
        help="Play this recording in the place of the gateway; can be given several times.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known; refuse recordings that are not there."""
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
    """How the session's gateway behaves: a job of 111 documented seconds takes 0.4. Override at will.

    Files are small; with `--understudy-replay` the recorded ones, and a miss where there is none.
    """
    from understudy_mock.settings import Settings  # see above: nothing until it is asked for

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
    make = partial(_world, config=pytestconfig, told_by="the fixture understudy_settings")
    with running(settings, make) as gateway:
        yield gateway


def _world(settings: Settings, config: pytest.Config, told_by: str) -> World:
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
            _refuse(f"{told_by}: {error}")
    try:
        catalog = open_catalog(settings.specs)
        return create_replay(read_recording(files, catalog), settings, catalog=catalog)
    except RecordingError as error:
        _refuse(f"--understudy-replay: {error}")


@pytest.fixture
def understudy(request: pytest.FixtureRequest) -> Iterator[Understudy]:
    """A key of the test's own on the session's gateway, or on one of its own where it asks for that."""
    from understudy_contracts.testing import Understudy, running

    wanted = request.node.get_closest_marker("understudy")
    if wanted is not None and wanted.args:
        _refuse(f'{_MARKER} takes fields by name, for instance pace="manual"')
    if wanted is not None and wanted.kwargs:
        key = _key(request)
        settings = _settings(request.getfixturevalue("understudy_settings"), wanted.kwargs, key)
        with running(settings, partial(_world, config=request.config, told_by=_MARKER)) as gateway:
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
            _refuse(f"what was asked for is not in the recording\n{said}")
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
    """Make the settings of a test's own gateway, which knows the test's key."""
    known = [field.name for field in fields(shared)]
    for name in wanted:
        if name not in known:
            _refuse(f"{_MARKER}: unknown field {name!r}; known are {', '.join(known)}")
    settings = _check(replace(shared, **wanted), _MARKER)
    return replace(settings, api_keys=(*settings.api_keys, key)) if settings.api_keys else settings


def _check(settings: Settings, told_by: str) -> Settings:
    """Hold settings to what the command line accepts."""
    from understudy_mock.options import check_settings
    from understudy_mock.settings import Settings

    if not isinstance(settings, Settings):
        _refuse(f"{told_by}: must give understudy_mock.Settings, not {settings!r}")
    try:
        return check_settings(settings)
    except ValueError as error:
        _refuse(f"{told_by}: {error}")


def _refuse(text: str) -> NoReturn:
    """Fail the test with this text alone: where in the plugin it was noticed helps nobody."""
    raise pytest.fail.Exception(text, pytrace=False) from None


def _key(request: pytest.FixtureRequest) -> str:
    """Make a key of the test's name, so that it is the same tomorrow; another one when a test runs again.

    It has the form of Segmind's keys, which the others take as well.
    """
    name = request.node.nodeid
    runs = request.config.stash[_RUNS]
    runs[name] += 1
    digest = hashlib.blake2b(f"{name} {runs[name]}".encode(), digest_size=8)
    return f"SG_{digest.hexdigest()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed under a marker of ours without the fixture: what it asked for was not done.

    Only at its end is that certain, as a fixture can be asked for by its name in the middle. Markers of a
    class or a module may stand there for some of its tests.
    """
    result = yield
    if _HELD not in item.stash and "understudy" not in getattr(item, "fixturenames", ()):
        for marker in item.own_markers:
            if marker.name in _MARKERS and _is_ours(marker.name, item.config):
                _refuse(f"@pytest.mark.{marker.name} does nothing here: the test does not use understudy")
    return result


def _is_ours(marker: str, config: pytest.Config) -> bool:
    """Tell whether nobody but us has made a marker of this name known."""
    names = [re.split(r"[(:]", line, maxsplit=1)[0].strip() for line in config.getini("markers")]
    return names.count(marker) == 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print what was said under a failing test's key, once, whether it failed itself or a fixture did."""
    report = yield
    held = item.stash.get(_HELD, None)
    if held is not None and report.failed:
        item.stash[_FAILED] = True
        told = held.conversation()
        if told and told != item.stash.get(_PRINTED, None):
            item.stash[_PRINTED] = told
            report.sections.append(("Understudy: what was said", told))
    if report.when == "teardown":
        # Items live as long as the session, and some are run again.
        keys: tuple[pytest.StashKey[Any], ...] = (_HELD, _FAILED, _PRINTED)
        for key in keys:
            if key in item.stash:
                del item.stash[key]
    return report
