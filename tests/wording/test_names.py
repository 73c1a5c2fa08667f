"""What is known of a provider stands in its folder, and nowhere in the code."""

from __future__ import annotations

import re
from pathlib import Path

from understudy_contracts.rules import RULES
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.promises import CHECKS
from understudy_mock.wording import shipped
from understudy_mock.wording.structure import schema

_ROOT = Path(__file__).parents[2]
_CODE = (_ROOT / "mockserver", _ROOT / "contracts")

_WITNESSES = ("client", "adapters")
"""Rooms with dialects of their own, so that a mistake in a description is seen."""


def test_no_python_file_names_a_provider() -> None:
    """Neither code nor comments do: adding a provider touches its folder alone."""
    name = re.compile("|".join(map(re.escape, shipped())), re.IGNORECASE)
    named = [
        f"{file.relative_to(_ROOT)}:{number}: {line.strip()}"
        for root in _CODE
        for file in sorted(root.rglob("*.py"))
        if not set(_WITNESSES) & set(file.relative_to(root).parts)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if name.search(line)
    ]
    assert named == []


def test_every_topic_is_known_to_the_schema_and_documented_somewhere() -> None:
    sources = [*(rule.source for rule in RULES), *(check.source for check in CHECKS)]
    used = {source.name for source in sources if isinstance(source, Topic)}
    known = schema()["$defs"]["provider"]["properties"]["sources"]["propertyNames"]["enum"]
    assert used == set(known)
    assert all(Topic(name).at(shipped()) for name in used)


def test_a_topic_that_a_provider_does_not_document_is_assumed_for_it() -> None:
    """Others' documents are named as such."""
    assert shipped()["segmind"].source("pace") == ""
    told = Topic("pace").at(shipped(), "segmind")
    assert told.startswith("assumed, as documented elsewhere: Pixazo")
    assert Topic("pace").at(shipped(), "pixazo") == shipped()["pixazo"].source("pace")
