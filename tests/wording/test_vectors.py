"""What the vendors' pages and recordings show is what is sent, byte for byte, and it is read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from understudy_mock.catalog.load import SpecError, bundled_specs
from understudy_mock.har.body import decode
from understudy_mock.wording import shipped
from understudy_mock.wording.examine import examine, mistakes_in, vectors_of
from understudy_mock.wording.reads import Reads, Told
from understudy_mock.wording.vectors import Vector, unproven, untrue

VECTORS = [(name, vector) for name in shipped() for vector in vectors_of(bundled_specs() / name)]

each_vector = pytest.mark.parametrize(
    ("name", "vector"),
    VECTORS,
    ids=[f"{name}-{vector.of}-{number}" for number, (name, vector) in enumerate(VECTORS)],
)


@each_vector
def test_a_vector_is_rendered_again(name: str, vector: Vector) -> None:
    assert list(untrue(shipped()[name], [vector])) == []


@each_vector
def test_a_vector_is_read_back(name: str, vector: Vector) -> None:
    """From the bytes of the page, not from those that are made here."""
    reads = Reads.of(shipped()[name].data)
    body = decode((vector.body or "").encode())
    if vector.of.startswith("refusals/"):
        assert body is None or reads.refusal(body) in str(body)
        assert body is None or reads.refusal(body)
        return
    if vector.job is None or vector.of == "answers/list":
        return
    told = reads.told(body, vector.headers) or Told(reads.job(body, vector.headers))
    assert told.job in ("", vector.job.id)
    assert not told.word or vector.job.state in told.states
    if vector.of == "answers/late":
        assert (told.error[:9], told.code) == ("Sync mode", 5004)
        return
    assert told.urls == (tuple(vector.job.outputs) if body is not None else ())
    assert (told.error, told.code) == (vector.job.error or "", vector.job.code)


@pytest.mark.parametrize("name", shipped())
def test_every_answer_has_a_vector_or_says_that_it_is_assumed(name: str) -> None:
    folder = bundled_specs() / name
    assert list(unproven(shipped()[name].data, vectors_of(folder))) == []


@pytest.mark.parametrize("name", shipped())
def test_every_vector_has_a_source(name: str) -> None:
    assert all(vector.source.strip() for vector in vectors_of(bundled_specs() / name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parent / "folders" / "acme", tmp_path / "acme"))


BROKEN = [
    (
        "- {of: refusals/not_found, source: x, status: 405}",
        "/0/status",
        "is 405, and refusals/not_found gives 404",
    ),
    (
        "- {of: refusals/not_found, source: x, status: 404, body: '{}'}",
        "/0/body",
        '{"error":"no job of that name"}',
    ),
    (
        "- {of: refusals/rate_limited, source: x, status: 429, headers: {retry-after: '9'}}",
        "/0/headers/retry-after",
        "is '9', and refusals/rate_limited gives '1'",
    ),
    ("- {of: answers/secret, source: x}", "/0/of", "there is no answers/secret"),
    ("- {of: refusals/nothing, source: x}", "/0/of", "there is no nothing"),
    ("- {of: answers/status, source: x}", "/0/of", "there is no job"),
    ("- {of: answers/status}", "/0", "missing required field `source`"),
    ("- {of: x, source: x, job: {id: 7}}", "/0/job/id", "Expected `str`"),
    ("- {of: x, source: x, bdoy: x}", "/0", "unknown field `bdoy`"),
]


@pytest.mark.parametrize(("text", "pointer", "words"), BROKEN)
def test_a_vector_that_is_not_true_is_a_mistake(folder: Path, text: str, pointer: str, words: str) -> None:
    (folder / "vectors.yaml").write_text(text + "\n")
    (mistake,) = mistakes_in(folder)
    assert (mistake.file.name, mistake.pointer) == ("vectors.yaml", pointer)
    assert words in mistake.message
    with pytest.raises(SpecError):
        examine(folder)
