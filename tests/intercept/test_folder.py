"""Folders that killed runs left are removed by the next one, and nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

from understudy_mock.intercept.session import own_folder


def aged(folder: Path) -> Path:
    """Make a folder an hour old."""
    os.utime(folder, (0, folder.stat().st_mtime - 3600))
    return folder


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "understudy-run-left"
    left.mkdir()
    (left / "trust.p12").touch()
    aged(left)
    with own_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_use_or_young_or_named_otherwise_stays(tmp_path: Path) -> None:
    for name in ("understudy-run-young", "understudy-old", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "understudy-run-link").symlink_to(aged(tmp_path / "elsewhere"))
    aged(tmp_path / "understudy-old")
    with own_folder(tmp_path) as used:
        aged(used)
        with own_folder(tmp_path) as other:
            kept = {path.name for path in tmp_path.iterdir()}
            assert kept == {"understudy-run-young", "understudy-old", "understudy-run-link", "elsewhere"} | {
                used.name,
                other.name,
            }
    assert (tmp_path / "elsewhere" / "file").exists()
