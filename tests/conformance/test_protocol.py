"""PROTOCOL.md alone suffices to write a client: what it names is what there is."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from understudy_contracts.conformance import protocol
from understudy_contracts.conformance.protocol import CAPABILITIES, Kind, Outcome
from understudy_mock.catalog import Catalog

PAGE = (Path(protocol.__file__).parents[1] / "PROTOCOL.md").read_text()


def test_every_submit_is_where_the_page_says(catalog: Catalog) -> None:
    """By the form of its model's name, or by its own address."""
    forms = {
        "pixazo": ("/MODEL/v1/MODEL-request",),
        "segmind": ("/v1/MODEL", "/v2/MODEL"),
        "wavespeed": ("/api/v3/MODEL",),
    }
    for form in (form for of_provider in forms.values() for form in of_provider):
        assert f"`{form}`" in PAGE
    for operation in catalog.operations:
        if operation.role == "submit" and not operation.alias:
            assert operation.model is not None
            formed = [form.replace("MODEL", operation.model.id) for form in forms[operation.provider]]
            assert operation.path in formed or f"`{operation.path}`" in PAGE


def test_every_word_of_the_protocol_is_on_the_page() -> None:
    for word in (*CAPABILITIES, *get_args(Outcome), *get_args(Kind)):
        assert f"`{word}`" in PAGE
