"""A gateway in a thread of its own, on free ports, apart from a test's own event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from understudy_contracts.callback_inbox import CallbackInbox
from understudy_contracts.live import LiveJudge
from understudy_contracts.served import Served
from understudy_mock.app import create_app, create_world
from understudy_mock.gateway.world import World
from understudy_mock.settings import Settings
from understudy_mock.web.server import OTHER_NAME, Listening, address_of, bind


class Running:
    """A gateway that serves at `url`, its world, and its inboxes for callbacks. Made by `running`.

    `settings` are those that the caller asked for.
    """

    def __init__(self, settings: Settings, world: World, served: Served) -> None:
        self.settings = settings
        self.world = world
        self.do = served.do
        self.url = served.url
        self.inbox = CallbackInbox(served, world.inboxes)
        self.accounts: dict[str, str] = {}
        """By account, the keys that were given out here."""


@contextmanager
def running(
    settings: Settings | None = None, make: Callable[[Settings], World] = create_world
) -> Iterator[Running]:
    """Run a gateway as long as the `with` lasts; `make` makes its world.

    Files have an origin of their own, unless the settings name an address. That shows whether a client sends
    the key only to the API's origin, or everywhere.
    """
    settings = settings or Settings(allow_http_webhooks=True)
    with bind("127.0.0.1", 0) as listener, bind("127.0.0.1", 0) as files:
        known = settings.media_url or settings.public_url
        world = make(settings if known else replace(settings, media_url=address_of(files, OTHER_NAME)))
        served = Served(create_app(world=world, judge=LiveJudge), listener, Listening(files))
        gateway = Running(settings, world, served)
        served.start()
        try:
            yield gateway
        finally:
            served.stop()
