"""The spec documents: valid OpenAPI for strangers, and refused with file and pointer when not understood."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from openapi_spec_validator import validate

from tests.driving import Gateway
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.catalog.load import bundled_specs, parse_document
from understudy_mock.cli import main
from understudy_mock.settings import Settings

FILES = [
    file
    for file in sorted(bundled_specs().rglob("*.yaml"))
    if file.name not in ("provider.yaml", "vectors.yaml")
]

NOVEL = """
openapi: 3.1.0
info: {title: Novel, version: "1"}
x-provider: pixazo
security:
  - subscriptionKey: []
paths:
  /novel/v1/novel-request:
    post:
      operationId: submit-novel
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/novel-input'}
      responses:
        '202': {$ref: 'common.yaml#/components/responses/Accepted'}
        '404':
          description: Gone.
          links:
            status: {operationId: get-request-status}
      x-operation: {role: submit, answers: job, assumed: made up}
      x-model:
        id: novel
        summary: A model for this test
        course: {queued: 1, processing: 2, assumed: made up}
        price: {per: job, rates: [{usd: 1}], assumed: made up}
        media: {format: png, count: copies, assumed: made up}
components:
  schemas:
    novel-input:
      type: object
      required: [prompt]
      properties:
        prompt: {type: string}
        copies: {type: integer, default: 1}
"""

OPERATION = "/paths/~1novel~1v1~1novel-request/post"
PROPERTIES = "/components/schemas/novel-input/properties"

# What is changed in NOVEL (a text and what stands in its place), where that is told, and in which words.
BROKEN = {
    "unknown keyword": (
        "copies: {type: integer",
        "copies: {type: integer, nullable: true",
        f"{PROPERTIES}/copies/nullable",
        "unknown key",
    ),
    "unknown extension key": (
        "x-provider: pixazo",
        "x-provider: pixazo\nx-colour: red",
        "/x-colour",
        "unknown key",
    ),
    "paths of its own that are half a name": (
        "x-provider: pixazo",
        "x-provider: pixazo\nx-owns: ['/v1/*', '/v1/half{name}']",
        "/x-owns/1",
        "half{name}",
    ),
    "unknown key in x-model": (
        "media: {format: png",
        "media: {colour: red, format: png",
        f"{OPERATION}/x-model/media/colour",
        "unknown key",
    ),
    "unknown role": ("role: submit", "role: ponder", f"{OPERATION}/x-operation/role", "ponder"),
    "dangling reference inside": (
        "'#/components/schemas/novel-input'",
        "'#/components/schemas/nowhere'",
        f"{OPERATION}/requestBody/content/application~1json/schema/$ref",
        "leads nowhere",
    ),
    "dangling reference to the shared parts": (
        "responses/Accepted",
        "responses/Nowhere",
        f"{OPERATION}/responses/202/$ref",
        "leads nowhere",
    ),
    "reference to another file": (
        "'common.yaml#/components/responses/Accepted'",
        "'hunyuan-video.yaml#/components/responses/Accepted'",
        f"{OPERATION}/responses/202/$ref",
        "hunyuan-video.yaml",
    ),
    "reference to itself": (
        "    novel-input:",
        "    loop: {$ref: '#/components/schemas/loop'}\n    novel-input:",
        "/components/schemas/loop/$ref",
        "leads back to itself",
    ),
    "key that no scheme describes": (
        "- subscriptionKey: []",
        "- masterKey: []",
        f"{OPERATION}/security",
        "masterKey",
    ),
    "pattern that is none": (
        "prompt: {type: string}",
        "prompt: {type: string, pattern: '('}",
        f"{OPERATION}/requestBody",
        "regex",
    ),
    "job that nothing names": (
        "role: submit, answers: job",
        "role: status, job: request_id",
        f"{OPERATION}/x-operation/job",
        "request_id",
    ),
    "default that is not allowed": (
        "copies: {type: integer, default: 1}",
        "copies: {type: integer, default: many}",
        f"{OPERATION}/requestBody/properties/copies/default",
        "many",
    ),
    "no rate that always holds": (
        "rates: [{usd: 1}]",
        "rates: [{usd: 1, when: {copies: 2}}]",
        f"{OPERATION}/x-model/price/rates",
        "remove its `when`",
    ),
    "size that nobody has to give": (
        "media: {format: png,",
        "media: {format: png, size: {width: prompt, height: seed},",
        f"{OPERATION}/x-model/media/size/height",
        "seed",
    ),
    "video without a length": (
        "media: {format: png,",
        "media: {format: mp4,",
        f"{OPERATION}/x-model/media",
        "length",
    ),
    "key that stands twice": (
        "        prompt: {type: string}",
        "        prompt: {}\n" * 2,
        "/components/schemas/novel-input/properties/prompt",
        "appears twice",
    ),
    "status without quotes": ("'404':", "404:", f"{OPERATION}/responses/404", "quotes"),
    "operationId of another document": (
        "submit-novel",
        "submit-pixverse",
        f"{OPERATION}/operationId",
        "submit-pixverse",
    ),
    "link to no operation": (
        "get-request-status",
        "get-nothing",
        f"{OPERATION}/responses/404/links/status/operationId",
        "get-nothing",
    ),
    "route of another document": (
        "/novel/v1/novel-request",
        "/pixverse/v1/pixverse-request",
        "/paths/~1pixverse~1v1~1pixverse-request/post",
        "already",
    ),
    "model of another document": ("id: novel", "id: pixverse", f"{OPERATION}/x-model/id", "pixverse"),
    "file rule about no parameter": (
        "count: copies",
        "count: amount",
        f"{OPERATION}/x-model/media/count",
        "amount",
    ),
    "another OpenAPI": ("openapi: 3.1.0", "openapi: 3.0.3", "/openapi", "3.0.3"),
    "not YAML": ("info: {", "info: {{", "/", "is not YAML"),
}

each_broken = pytest.mark.parametrize(
    ("old", "new", "pointer", "words"), [pytest.param(*case, id=name) for name, case in BROKEN.items()]
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, whose folder `more` is for specs."""
    monkeypatch.chdir(tmp_path)
    more = tmp_path / "more"
    more.mkdir()
    return more


def understudy(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


# -- for strangers


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_spec_file_is_valid_openapi(file: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    validate(document, base_uri=file.as_uri())


@pytest.mark.anyio
@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
async def test_a_bundled_document_is_valid_openapi_by_itself(gateway: Gateway, provider: str) -> None:
    answer = await gateway.admin("GET", f"openapi/{provider}.json")
    assert answer.status_code == 200
    document = answer.json()
    assert all(reference.startswith("#/") for reference in references(document))
    validate(document)


@pytest.mark.anyio
async def test_the_document_of_an_unknown_provider_is_404_and_lists_the_known_ones(gateway: Gateway) -> None:
    answer = await gateway.admin("GET", "openapi/nobody.json")
    assert answer.status_code == 404
    assert "pixazo, segmind, wavespeed" in answer.json()["error"]


def references(value: Any) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(value, list):
        return [found for inner in value for found in references(inner)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for inner in value.values() for found in references(inner)]


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
def test_callbacks_stand_in_the_operations_without_references(catalog: Catalog, provider: str) -> None:
    """Generators of clients refuse a document whose callbacks are references."""
    for item in catalog.documents[provider]["paths"].values():
        for operation in item.values():
            for callback in operation.get("callbacks", {}).values():
                assert all("post" in told for told in callback.values())


# -- sources


def test_every_rule_of_a_model_names_its_source_or_is_marked_as_assumed(catalog: Catalog) -> None:
    unsourced = []
    for provider, document in catalog.documents.items():
        for path, item in document["paths"].items():
            for operation in item.values():
                rules = {"x-operation": operation["x-operation"]}
                if "x-model" in operation:
                    model = operation["x-model"]
                    rules |= {name: model[name] for name in ("course", "price", "media")}
                unsourced += [
                    (provider, path, name)
                    for name, rule in rules.items()
                    if not rule.get("source") and not rule.get("assumed")
                ]
    assert unsourced == []


def test_every_schema_of_a_body_names_its_source(catalog: Catalog) -> None:
    unsourced = [
        (provider, name)
        for provider, document in catalog.documents.items()
        for name, schema in document["components"]["schemas"].items()
        if name.endswith("-input") and "x-source" not in schema
    ]
    assert unsourced == []


def test_the_count_line_counts_what_the_documents_say(catalog: Catalog) -> None:
    operations = [
        operation
        for document in catalog.documents.values()
        for item in document["paths"].values()
        for operation in item.values()
    ]
    once = [operation for operation in operations if not operation["x-operation"].get("alias")]
    models = {operation["x-model"]["id"] for operation in once if "x-model" in operation}
    bodies = [o for o in once if "application/json" in o.get("requestBody", {}).get("content", {})]
    # 12 models of Pixazo, one each of Segmind and WaveSpeed; the two called hunyuan-video are two.
    assert (len(models), len(bodies)) == (13, 19)
    assert catalog.summary() == f"3 providers, 14 models, {len(once)} operations, 19 validators"


def test_the_spec_command_begins_with_the_count_line(catalog: Catalog, elsewhere: Path) -> None:
    result = understudy("spec")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == catalog.summary()


def test_the_spec_command_tells_what_answers_and_callbacks_hold(elsewhere: Path) -> None:
    told = understudy("spec", "wavespeed").stdout
    assert "200 application/json: code, message, data {id, model, outputs, urls" in told
    assert "429 headers: Retry-After" in told
    assert "calls back (query webhook) by POST: id, " in told
    assert "with headers webhook-id, webhook-timestamp, webhook-signature" in told
    assert "429 headers: x-rate-limit-reset-at-utc" in understudy("spec", "segmind").stdout


def test_the_assumed_list_gives_every_guess_its_reason(catalog: Catalog, elsewhere: Path) -> None:
    guesses = list(catalog.guesses())
    assert len(guesses) > 50
    assert all(reason.strip() and pointer.startswith("/") for _, pointer, reason in guesses)
    told = understudy("spec", "--assumed").stdout
    assert all(pointer in told for _, pointer, _ in guesses)


# -- fail closed


def test_the_document_that_is_broken_below_is_understood(elsewhere: Path) -> None:
    (elsewhere / "novel.yaml").write_text(NOVEL, encoding="utf-8")
    catalog = open_catalog((elsewhere,))
    assert "novel" in {model.id for model in catalog.models}


@each_broken
def test_what_is_not_understood_is_refused_with_file_and_pointer(
    elsewhere: Path, old: str, new: str, pointer: str, words: str
) -> None:
    assert old in NOVEL
    file = elsewhere / "novel.yaml"
    file.write_text(NOVEL.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        open_catalog((elsewhere,))
    assert (caught.value.file, caught.value.pointer or "/") == (str(file), pointer)
    assert words in caught.value.message
    assert str(caught.value).startswith(f"{file}: {pointer}: ")


@each_broken
def test_serve_does_not_start_and_says_why_in_one_line(
    elsewhere: Path, old: str, new: str, pointer: str, words: str
) -> None:
    file = elsewhere / "novel.yaml"
    file.write_text(NOVEL.replace(old, new), encoding="utf-8")
    result = understudy("serve", "--port", "0", "--specs", str(elsewhere))
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert re.match(rf"Error: {re.escape(str(file))}: {re.escape(pointer)}: .*{re.escape(words)}", lines[0])


def test_one_name_for_two_operations_of_a_file_is_refused(elsewhere: Path) -> None:
    document = yaml.safe_load(NOVEL)
    item = document["paths"]["/novel/v1/novel-request"]
    document["paths"]["/novel/v2/novel-request"] = item
    file = elsewhere / "novel.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        open_catalog((elsewhere,))
    assert caught.value.file == str(file)
    assert caught.value.pointer.endswith("/post/operationId")
    assert "submit-novel" in caught.value.message


@pytest.mark.parametrize("command", ["serve", "spec"])
def test_a_directory_that_is_not_there_is_told(elsewhere: Path, command: str) -> None:
    result = understudy(command, "--specs", str(elsewhere / "nowhere"))
    assert result.exit_code == 2
    assert result.stderr == f"Error: {elsewhere / 'nowhere'}: /: is not a directory\n"


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([], "holds no spec: *.yaml, *.yml and *.json are read"),
        (["openapi.json"], "holds no spec: *.yaml, *.yml and *.json are read; openapi.json is not"),
    ],
)
def test_a_folder_of_which_no_file_is_read_is_an_error(tmp_path: Path, files: list[str], text: str) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(SpecError, match=re.escape(text)):
        open_catalog((tmp_path,))


def test_a_document_in_json_is_read_like_any_other(tmp_path: Path) -> None:
    """Other JSON beside it is not looked into."""
    (tmp_path / "novel.json").write_text(json.dumps(yaml.safe_load(NOVEL)))
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    assert "novel" in {model.id for model in open_catalog((tmp_path,)).models}


def test_what_ships_says_where_it_is_from_and_what_is_ones_own_need_not() -> None:
    bare = NOVEL.replace("processing: 2, assumed: made up", "processing: 2").encode()
    assert parse_document(Path("novel.yaml"), bare).provider == "pixazo"
    with pytest.raises(SpecError) as refused:
        parse_document(bundled_specs() / "pixazo" / "novel.yaml", bare)
    assert refused.value.pointer == f"{OPERATION}/x-model/course"


def test_a_provider_that_nobody_words_is_refused_at_start(elsewhere: Path) -> None:
    """A document of a provider without a module is refused at the start, not at its first call."""
    (elsewhere / "novel.yaml").write_text(NOVEL.replace("x-provider: pixazo", "x-provider: acme"))
    with pytest.raises(SpecError) as refused:
        create_world(Settings(specs=(elsewhere,)))
    assert refused.value.pointer == "/x-provider"
    assert "acme" in refused.value.message


def test_a_path_of_the_admin_api_is_refused(elsewhere: Path) -> None:
    """No document can claim what lies below /_mock."""
    (elsewhere / "novel.yaml").write_text(NOVEL.replace("/novel/v1/novel-request", "/_mock/novel"))
    with pytest.raises(SpecError) as refused:
        open_catalog((elsewhere,))
    assert refused.value.pointer == "/paths/~1_mock~1novel"
