"""Record the gateway in process as a recorder would: all that was said, as HAR, and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from understudy_mock.app import create_replay
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.world import World
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import Recording
from understudy_mock.har.write import write_har
from understudy_mock.media.small import small_file
from understudy_mock.replay.replay import Replay
from understudy_mock.settings import Settings


def har_of(world: World) -> dict[str, Any]:
    """Write all that a gateway with small media has said; its journal keeps no files, a recorder does."""
    entries = []
    for entry in world.journal.since(0):
        kind = dict(entry.response_headers).get(b"content-type", b"")
        if kind == b"video/mp4" and entry.status == 200:
            whole = small_file("mp4")
            entry = msgspec.structs.replace(entry, response_body=whole[: entry.response_size])
        entries.append(entry)
    return write_har(entries)


def record(world: World, catalog: Catalog, folder: Path) -> Recording:
    """Write what a gateway has said into a file, and read it back."""
    file = folder / "run.har"
    file.write_bytes(msgspec.json.encode(har_of(world)))
    return read_recording([file], catalog)


def replay(recording: Recording, catalog: Catalog, **settings: Any) -> Replay:
    """Make a replay on a manual clock, at the recorded speed."""
    settings = {"pace": "manual", "speed": 1.0, "allow_http_webhooks": True, **settings}
    return create_replay(recording, Settings(**settings), catalog=catalog)
