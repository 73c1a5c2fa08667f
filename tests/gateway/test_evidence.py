"""What is documented is told apart from what was seen elsewhere, and all of it is counted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.driving import Gateway
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.cli import main

OWN = """
openapi: 3.1.0
info: {title: Twice, version: "1"}
x-provider: wavespeed
servers: [{url: https://elsewhere.example.com}]
security: [{bearer: []}]
paths:
  /api/v3/twice:
    post:
      operationId: twice
      requestBody:
        content: {application/json: {schema: {type: object, properties: {wait: {type: boolean}}}}}
      responses: {'200': {description: fine}}
      x-operation:
        {role: submit, answers: job, wait: wait, wait_seconds: 5, assumed: made up,
         model: wavespeed-ai/hunyuan-video/i2v}
"""


def test_every_operation_beyond_the_documentation_says_how_it_is_known(catalog: Catalog) -> None:
    known = {(o.provider, o.evidence) for o in catalog.operations}
    assert known == {
        ("pixazo", "documented"),
        *(("segmind", each) for each in ("documented", "vendor", "sdk")),
        *(("wavespeed", each) for each in ("documented", "vendor", "sdk")),
    }
    documented = {o.path for o in catalog.operations if o.evidence == "documented" and o.provider != "pixazo"}
    assert documented == {
        "/v1/hunyuan-video",
        "/api/v3/wavespeed-ai/hunyuan-video/i2v",
        "/api/v3/predictions/{id}/result",
    }


def test_the_spec_command_tells_documented_from_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = CliRunner().invoke(main, ["spec"]).stdout.splitlines()
    assert "wavespeed  GET /api/v3/predictions/{id}/result  (documented)" in lines
    assert "wavespeed  GET /api/v3/balance  (observed: on other pages of the vendor)" in lines
    assert "segmind  POST /upload-asset  (observed: in client programs)" in lines
    (sync,) = [line for line in lines if line.strip().startswith("enable_sync_mode") and "boolean" in line][
        :1
    ]
    assert sync.endswith("(observed: on other pages of the vendor)")
    assert any("/api/v2/" in line and "another path of the same operation" in line for line in lines)


@pytest.mark.anyio
async def test_other_paths_are_not_counted(gateway: Gateway, catalog: Catalog) -> None:
    told = (await gateway.admin("GET", "health")).json()
    assert told["models"] == len(catalog.models) == 14
    assert told["operations"] == sum(not o.alias for o in catalog.operations)
    assert len({model.id for model in catalog.models if model.provider == "segmind"}) == 1


def test_the_hosts_that_the_sdks_call_are_known(catalog: Catalog) -> None:
    assert set(catalog.hosts("segmind")) == {
        "api.segmind.com",
        "images.segmind.com",
        "workflows-api.segmind.com",
        "api.spotprod.segmind.com",
        "cloud.segmind.com",
    }
    assert len(catalog.every_host) == len(set(catalog.every_host))


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["cloud.segmind.com", "api.spotprod.segmind.com"])
async def test_a_known_host_without_operations_answers_as_its_provider(gateway: Gateway, host: str) -> None:
    answer = await gateway.call("GET", f"https://{host}/api/auth/authenticate")
    assert (answer.status_code, answer.json()) == (404, {"error": "Model or endpoint not found"})


def test_a_submit_can_name_the_model_of_another_and_say_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text(OWN, encoding="utf-8")
    catalog = open_catalog((tmp_path,))
    (operation,) = [o for o in catalog.operations if o.id == "twice"]
    assert operation.model is not None
    assert operation.model.id == "wavespeed-ai/hunyuan-video/i2v"
    assert (operation.wait, operation.wait_seconds) == ("wait", 5)
    assert len(catalog.models) == 14
    told = catalog.documents["wavespeed"]["paths"]["/api/v3/twice"]["post"]
    assert told["servers"] == [{"url": "https://elsewhere.example.com"}]


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ("wait: wait,", "wait: sleep,", "/x-operation/wait"),
        ("wait: wait,", "wait: wait, inline: base64,", "/x-operation/inline"),
        ("model: wavespeed-ai/hunyuan-video/i2v", "model: nothing", "/x-operation/model"),
        ("model: wavespeed-ai/hunyuan-video/i2v", "", ""),
        ("wait_seconds: 5,", "", "/x-operation"),
        ("role: submit, answers: job,", "role: upload,", "/x-operation"),
        ("role: submit,", "role: submit, evidence: hearsay,", "/x-operation/evidence"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_pointer(
    tmp_path: Path, old: str, new: str, pointer: str
) -> None:
    assert old in OWN
    (tmp_path / "twice.yaml").write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        open_catalog((tmp_path,))
    assert caught.value.pointer == f"/paths/~1api~1v3~1twice/post{pointer}"


def test_every_observed_operation_names_its_source(catalog: Catalog) -> None:
    for document in catalog.documents.values():
        for item in document["paths"].values():
            for operation in item.values():
                does: dict[str, Any] = operation["x-operation"]
                if does.get("evidence", "documented") != "documented":
                    assert does.get("source"), operation["operationId"]
