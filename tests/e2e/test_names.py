"""The source roots cannot be imported as packages while tests run."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["contracts", "mockserver", "mockserver.understudy_mock"])
def test_a_source_root_is_no_package(name: str) -> None:
    with pytest.raises(ImportError):
        import_module(name)
