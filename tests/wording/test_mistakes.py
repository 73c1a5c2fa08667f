"""A small good folder, broken in many ways, one at a time: each is reported where it is, with what helps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from understudy_mock.catalog.load import SpecError
from understudy_mock.wording.examine import (
    DEEPEST,
    LARGEST_FILE,
    MOST_FILES,
    examine,
    mistakes_in,
    read_description,
)

GOOD = Path(__file__).parent / "folders" / "acme"
WORDING = "provider.yaml"


class Broken(NamedTuple):
    """In `file`, `old` becomes `new`; the mistake is at `pointer` of `where`; its sentence has `words`."""

    name: str
    old: str
    new: str
    pointer: str
    words: str
    file: str = WORDING
    where: str = WORDING


BROKEN = [
    # -- the notation
    Broken("no YAML", "ids: ", "ids: [", "", "is not YAML"),
    Broken("a key twice", "style: compact", "style: compact\nstyle: apim", "/style", "appears twice"),
    Broken("a merge key", "shapes:\n", "shapes:\n  <<: {a: b}\n", "/shapes/<<", "write the members out"),
    Broken(
        "a tag", "unsafe_end: FAILED", "unsafe_end: !!python/name:os.system", "/unsafe_end", "are not read"
    ),
    # -- the structure
    Broken("another version", "version: 1", "version: 2", "/version", "version 1 is read here"),
    Broken("a key is missing", "unsafe_end: FAILED\n", "", "", "the key 'unsafe_end' is missing"),
    Broken("a key is misspelt", "codes:", "cods:", "/cods", "did you mean 'codes'?"),
    Broken("an odd name", "provider: acme", "provider: Acme Inc", "/provider", "small letters"),
    Broken(
        "an end that is none", "unsafe_end: FAILED", "unsafe_end: QUEUED", "/unsafe_end", "known are COMP"
    ),
    Broken("an odd header", "retry_header: retry", "retry_header: Retry", "/retry_header", "in lower case"),
    Broken("an unknown style", "style: compact", "style: pretty", "/style", "known are compact, apim"),
    Broken("an unknown state", "  QUEUED: w", "  WAITING: w", "/states/WAITING", "known are QUEUED, PROC"),
    Broken("a word that is no text", "QUEUED: waiting", "QUEUED: 1", "/states/QUEUED", "put it in quotes"),
    Broken("a code that is no number", '"17"', '"cold"', "/codes/cold", "a whole number"),
    Broken("a status of success", '"402": insuff', '"202": insuff', "/statuses/202", "an error status"),
    Broken("an unknown condition", ": not_found\n", ": not_fund\n", "/statuses/404", "mean 'not_found'?"),
    Broken("an unknown role", "  balance:", "  ballance:", "/answers/ballance", "did you mean 'balance'?"),
    Broken(
        "an unknown part", "headers: {x-s", "header: {x-s", "/answers/status/else/header", "mean 'headers'?"
    ),
    Broken("a refusal is missing", "  timeout: {status: 504, text: timeout}\n", "", "/refusals", "timeout"),
    Broken("a refusal is misspelt", "  no_route:", "  no_rute:", "/refusals/no_rute", "mean 'no_route'?"),
    Broken("no source", "    source: invented\n", "", "/quirks/created", "a quirk needs a source"),
    Broken("an unknown algorithm", "hmac-sha256", "md5", "/signature/algorithm", "known are hmac-sha256"),
    Broken("nothing is signed", '  message: "{event.id}."\n', "", "/signature", "'message' is missing"),
    Broken("an odd path", "id: [id]", "id: [a..b]", "/reads/id/0", "does not fit"),
    # -- templates
    Broken("an unknown value", "{job.id}", "{job.idd}", "/shapes/job/id", "unknown value 'job.idd'"),
    Broken(
        "a value of another place",
        "it costs {refusal",
        "{job.id} costs {refusal",
        "/refusals/insufficient_balance/text",
        "unknown value 'job.id'",
    ),
    Broken(
        "an item of no list",
        'at: "{job.changed|iso}"',
        'at: "{item}"',
        "/callback/at",
        "unknown value 'item'",
    ),
    Broken("an unknown filter", "changed|iso}", "changed|isoo}", "/callback/at", "unknown filter 'isoo'"),
    Broken("a lonely brace", "no such key", '"no such } key"', "/refusals/invalid_key/text", "write '}}'"),
    Broken("an unknown shape", "{$use: job, at", "{$use: jobb, at", "/callback/$use", "unknown shape 'jobb'"),
    Broken(
        "a shape in itself", '    id: "{job.id}"', "    id: {$use: job}", "/shapes/job/id/$use", "uses itself"
    ),
    Broken(
        "an unknown quirk", "quirk.created", "quirk.maed", "/answers/submit/status/$if", "known are created"
    ),
    Broken(
        "a state that is none",
        "    FAILED: {status: 200",
        "    FAILD: {status: 200",
        "/answers/status/FAILD",
        "unknown state 'FAILD'",
    ),
    Broken(
        "a state without an answer",
        "    else: {status: 200, h",
        "    QUEUED: {status: 200, h",
        "/answers/status",
        "nothing is said for PROCESSING",
    ),
    Broken(
        "a member that may be missing",
        "    error?: ",
        "    error: ",
        "/shapes/job/error",
        "end its name in `?`",
    ),
    Broken("a text with a hole", "parameter|or:body", "parameter", "/shapes/complaint", "give it |or:…"),
    Broken(
        "an unknown word",
        "{$each: outputs",
        "{$every: outputs",
        "/shapes/job/files?/then/$every",
        "unknown word",
    ),
    Broken("nothing to do", ', do: "{item}"', "", "/shapes/job/files?/then", "has no `do`"),
    Broken("no list", "$each: outputs", "$each: job.id", "/shapes/job/files?/then/$each", "is no list"),
    Broken(
        "a stray key",
        'do: "{item}"',
        'do: "{item}", with: x',
        "/shapes/job/files?/then/with",
        "does not belong",
    ),
    Broken(
        "an odd condition",
        "$if: quirk.created",
        "$if: {nor: []}",
        "/answers/submit/status/$if",
        "a condition is",
    ),
    Broken(
        "decided too late",
        "$if: quirk.created",
        "$if: job.nsfw",
        "/answers/submit/status/$if",
        "only quirks and",
    ),
    Broken("no status of HTTP", "{status: 504", "{status: 5040", "/refusals/timeout/status", "100 to 599"),
    Broken("a number between", 'with: "; "', "with: 7", "/refusals/invalid_request/text/with", "is a text"),
    # -- what contradicts itself
    Broken(
        "a quirk for nothing", "$if: quirk.created", "$if: {all: []}", "/quirks/created", "no template asks"
    ),
    Broken(
        "another status", "balance: {status: 402", "balance: {status: 406", "/statuses/402", "answers 406"
    ),
    # -- what the documents do not say
    Broken(
        "nothing answers",
        '  balance: {body: {balance: "{account.balance|usd}"}}\n',
        "",
        "/answers",
        "there is no 'balance', which get-acme-balance needs",
    ),
    Broken(
        "a status without a document",
        "else: 202",
        "else: 203",
        "/answers/submit",
        "answers 203, and submit-vase documents 202",
    ),
    Broken(
        "a body that is not allowed",
        'state: "{job.status}"',
        'status: "{job.status}"',
        "/answers/submit",
        "in state QUEUED its body is not what submit-vase documents for 202",
    ),
    Broken(
        "a state that is not allowed", "ERROR: broken", "ERROR: burst", "/answers/status", "in state ERROR"
    ),
    Broken(
        "a quirk that is not documented",
        "    undocumented: true\n",
        "",
        "/answers/submit",
        "the quirk created",
    ),
    Broken(
        "a refusal that is not allowed",
        "text: no such key}",
        "body: {detail: no}}",
        "/refusals/invalid_key",
        "its body is not what submit-vase documents for 401",
    ),
    Broken(
        "another provider",
        "provider: acme",
        "provider: ajax",
        "/x-provider",
        "describes 'ajax'",
        where="common.yaml",
    ),
    Broken(
        "a broken document",
        "openapi: 3.1.0",
        "openapi: 3.0.0",
        "/openapi",
        "does not match",
        file="vase.yaml",
        where="vase.yaml",
    ),
    Broken(
        "a reference to nowhere",
        "responses/Job'",
        "responses/Jab'",
        "/paths/~1acme~1vases/post/responses/202/$ref",
        "leads nowhere",
        file="vase.yaml",
        where="vase.yaml",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOOD, tmp_path / "acme"))


def test_the_folder_that_is_broken_below_is_good(folder: Path) -> None:
    assert mistakes_in(folder) == []
    assert examine(folder).name == "acme"


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_mistake_is_reported_where_it_is(folder: Path, broken: Broken) -> None:
    file = folder / broken.file
    text = file.read_text()
    assert broken.old in text
    file.write_text(text.replace(broken.old, broken.new, 1))
    mistakes = mistakes_in(folder)
    place = broken.where, broken.pointer
    sentences = [mistake.message for mistake in mistakes if (mistake.file.name, mistake.pointer) == place]
    assert any(broken.words in sentence for sentence in sentences), mistakes


def test_there_are_more_than_forty_kinds_of_mistakes() -> None:
    assert len({broken.name for broken in BROKEN}) == len(BROKEN) > 40


def test_all_mistakes_are_reported_at_once_the_fatal_one_first(folder: Path) -> None:
    """One of each layer that can be looked at together."""
    file = folder / WORDING
    text = file.read_text()
    for old, new in [
        ("version: 1", "version: 7"),
        ("QUEUED: waiting", "QUEUED: 1"),
        ("{job.id}", "{job.idd}"),
        ("  no_route:", "  no_rute:"),
    ]:
        text = text.replace(old, new, 1)
    file.write_text(text)
    (folder / "vase.yaml").write_text("openapi: 3.0.0\n")
    mistakes = mistakes_in(folder)
    assert mistakes[0].pointer == "/version"
    assert {mistake.pointer for mistake in mistakes} >= {
        "/version",
        "/states/QUEUED",
        "/shapes/job/id",
        "/refusals/no_rute",
        "/refusals",
    }
    assert "vase.yaml" in {mistake.file.name for mistake in mistakes}
    with pytest.raises(SpecError) as raised:
        examine(folder)
    assert all(str(mistake) in str(raised.value) for mistake in mistakes)


# -- what strangers bring


def _larger(folder: Path) -> None:
    (folder / "large.yaml").write_bytes(b"#" * (LARGEST_FILE + 1))


def _more(folder: Path) -> None:
    for number in range(MOST_FILES):
        (folder / f"{number}.yaml").write_text("")


def _deeper(folder: Path) -> None:
    text = (folder / WORDING).read_text()
    deep = "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)
    (folder / WORDING).write_text(text.replace("shapes:\n", f"shapes:\n  deep: {deep}\n"))


def _outside(folder: Path) -> None:
    other = folder.parent / "secret.yaml"
    other.write_text("openapi: 3.1.0\n")
    (folder / "link.yaml").symlink_to(other)


def _elsewhere(folder: Path) -> None:
    (folder / WORDING).rename(folder.parent / WORDING)
    (folder / WORDING).symlink_to(folder.parent / WORDING)


def _nothing(folder: Path) -> None:
    (folder / WORDING).unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_larger, "large.yaml: /: has 1,048,577 bytes"),
        (_more, f"at most {MOST_FILES} are read"),
        (_deeper, "values are inside one another"),
        (_outside, "link.yaml: /: leads out of its folder"),
        (_elsewhere, "provider.yaml: /: leads out of its folder"),
        (_nothing, "provider.yaml: /: cannot be read"),
    ],
)
def test_a_folder_of_strangers_is_bounded(folder: Path, change: Callable[[Path], None], words: str) -> None:
    change(folder)
    with pytest.raises(SpecError) as raised:
        examine(folder)
    assert words in str(raised.value)


def test_texts_are_read_as_yaml_1_2_has_them(folder: Path) -> None:
    """What YAML 1.1 takes for true, a date or a number of seconds is a text."""
    file = folder / WORDING
    text = (
        file.read_text()
        .replace(": waiting", ": on")
        .replace(": working", ": 2026-01-01")
        .replace(": done", ": 1:30")
    )
    file.write_text(text)
    states = read_description(file)["states"]
    assert [states[name] for name in ("QUEUED", "PROCESSING", "COMPLETED")] == ["on", "2026-01-01", "1:30"]
