"""Every byte that a shipped provider's wording sends is as it was written down."""

from __future__ import annotations

import pytest

from tests.wording.golden import FOLDER, golden
from understudy_mock.catalog import Catalog
from understudy_mock.wording import shipped


def _cases(text: str) -> dict[str, str]:
    """Return what is sent in each case."""
    sent: dict[str, str] = {}
    names: list[str] = []
    body: list[str] = []
    for line in [*text.splitlines(), "## "]:
        if not line.startswith("## "):
            body.append(line)
            continue
        if body:
            sent |= dict.fromkeys(names, "\n".join(body))
            names, body = [], []
        names.append(line)
    return sent


@pytest.mark.parametrize("provider", sorted(shipped()))
def test_each_answer_refusal_and_signature_is_byte_for_byte_as_written_down(
    provider: str, catalog: Catalog
) -> None:
    expected = _cases((FOLDER / f"{provider}.txt").read_text(encoding="utf-8"))
    sent = _cases(golden(provider, catalog))
    differing = [name for name in expected if sent.get(name) != expected[name]]
    assert differing == []
    assert sent.keys() == expected.keys()
