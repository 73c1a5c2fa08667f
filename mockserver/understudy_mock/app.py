"""The composition root: settings in, ASGI app out. All parts are made and connected here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.types import ASGIApp

from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.clock import Clock, ManualClock, SystemClock
from understudy_mock.domain.scenario import ScenarioError, refuse_unknown_names
from understudy_mock.gateway.judging import Judge
from understudy_mock.gateway.scenario_files import ScenarioFileError, find, read_scenarios
from understudy_mock.gateway.world import Files, World
from understudy_mock.har.recording import Recording
from understudy_mock.har.write import har_in_parts, known_keys
from understudy_mock.media import Studio
from understudy_mock.replay.jobs import recorded_jobs
from understudy_mock.replay.replay import Replay
from understudy_mock.settings import Settings
from understudy_mock.web.admin import make_admin
from understudy_mock.web.front import Front
from understudy_mock.web.page import Page
from understudy_mock.webhooks import Poster, Sender
from understudy_mock.wording import open_wordings, quirks_of, wordings_of


def create_world(
    settings: Settings,
    *,
    catalog: Catalog | None = None,
    clock: Clock | None = None,
    files: Files | None = None,
) -> World:
    """Return the world of one gateway. Raises SpecError or ScenarioFileError for an invalid file."""
    if clock is None:
        clock = ManualClock() if settings.pace == "manual" else SystemClock()
    catalog = catalog or _read_specs(settings)
    scenarios = read_scenarios()
    chosen = find(scenarios, settings.scenario) if settings.scenario is not None else None
    if chosen is not None:
        models, quirks = {model.id for model in catalog.models}, quirks_of(wordings_of(catalog))
        try:
            refuse_unknown_names(chosen, models, quirks)
        except ScenarioError as error:
            raise ScenarioFileError(f"{chosen.name}: {error}") from None
        scenarios.setdefault(chosen.name, chosen)
    return World(
        settings=settings,
        catalog=catalog,
        clock=clock,
        files=files or Studio(small=settings.media == "small"),
        wordings=wordings_of(catalog),
        scenarios=scenarios,
        scenario=chosen,
    )


def _read_specs(settings: Settings) -> Catalog:
    worded = open_wordings(settings.specs)
    return open_catalog(settings.specs, strict=settings.strict, worded=worded, root=settings.provider)


def create_replay(
    recording: Recording,
    settings: Settings,
    *,
    catalog: Catalog | None = None,
    clock: Clock | None = None,
) -> Replay:
    """Return the world that plays a recording, which `create_app` serves like any other. Raises SpecError.

    It ignores the settings for scenario, quirks, money and rates.
    """
    catalog = catalog or _read_specs(settings)
    return Replay(
        settings=settings,
        catalog=catalog,
        clock=clock or (ManualClock() if settings.pace == "manual" else SystemClock()),
        files=Studio(small=True),
        wordings=wordings_of(catalog),
        recorded=recorded_jobs(recording, catalog),
    )


def create_app(
    settings: Settings | None = None,
    *,
    world: World | None = None,
    judge: Callable[[World], Judge | None] = lambda world: None,
) -> ASGIApp:
    """Return a gateway. Pass a `world` to have access to its clock, jobs and journal.

    `judge` makes what knows the rules for clients, when the admin API is first asked for what broke them.
    """
    if world is None:
        world = create_world(settings or Settings())
    settings = world.settings
    replay = world if isinstance(world, Replay) else None
    sender = Sender(world, Poster(settings.allow_webhook_hosts, settings.webhook_ca), replay)
    world.announcer = sender
    admin = make_admin(
        world,
        sender,
        lambda entries: har_in_parts(entries, known_keys(world)),
        partial(judge, world),
        Page(settings.media_url),
    )
    return Front(world, admin, replay.decide if replay is not None else None)
