"""Which provider answers where no operation is: it words the refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.driving import call_raw, open_gateway
from understudy_mock.catalog import Catalog, SpecError, open_catalog
from understudy_mock.web.routes import Routes

OWNERS = {
    "": "pixazo",
    "/": "pixazo",
    "/nothing": "pixazo",
    "/v1": "pixazo",
    "/v1/": "pixazo",
    "/v1/nothing": "segmind",
    "/v2/nothing": "segmind",
    "/v3/nothing": "pixazo",
    "/v1/nothing/": "pixazo",
    "/v1/nothing/more": "pixazo",
    "/v1/requests": "segmind",
    "/v1/requests/": "segmind",
    "/v2/requests/": "segmind",
    "/v1/requests/id/more": "segmind",
    "/v2/requests/id/more": "segmind",
    "/v2/requests/status": "pixazo",
    "/v2/requests/status/": "pixazo",
    "/v2/requests/status/id/more": "pixazo",
    "/v2/requests/statuses/more": "pixazo",
    "/v1/requests/status/id": "segmind",
    "/api": "pixazo",
    "/api/": "pixazo",
    "/api/x": "pixazo",
    "/api/v": "wavespeed",
    "/api/v3": "wavespeed",
    "/api/v9/anything": "wavespeed",
    "/API/v3": "pixazo",
    "/v1/id/output.mp4": "pixazo",
    "/v2/id/output.mp4": "pixazo",
    "/media/0123456789abcdef0123456789abcdef/file.png": "pixazo",
    "/media/uploads": "pixazo",
    "/hunyuan-video/v1/nothing": "pixazo",
}
"""By path, who answers a call that no operation is for."""

WORDED = {
    "pixazo": b'{ "statusCode": 404, "message": "Resource not found" }',
    "segmind": b'{"error":"Model or endpoint not found"}',
    "wavespeed": b'{"code":404,"message":"not found"}',
}

MORE = """
openapi: 3.1.0
info: {title: More, version: "1"}
x-provider: more
servers: [{url: "https://more.example"}]
x-owns: ["/v1/more/*", "/v7/{name}"]
paths:
  /more/jobs:
    get:
      operationId: list-more
      security: []
      responses: {'200': {description: Jobs.}}
      x-operation: {role: list, assumed: made up}
"""


@pytest.mark.parametrize("path", OWNERS)
def test_an_unknown_path_is_answered_by_its_owner(catalog: Catalog, path: str) -> None:
    found = Routes(catalog).find("GET", path, "")
    assert found.operation is None
    assert found.provider == OWNERS[path]


@pytest.mark.anyio
@pytest.mark.parametrize("path", [path for path in OWNERS if path.startswith("/") and "output" not in path])
async def test_an_unknown_path_is_refused_in_its_owners_words(catalog: Catalog, path: str) -> None:
    said = await call_raw(open_gateway(catalog).app, "GET", path, [], b"")
    assert said.status == 404
    if not path.startswith("/media/0"):  # there a file is missing
        assert said.body == WORDED[OWNERS[path]]


def test_at_a_providers_own_host_nobody_else_answers(catalog: Catalog) -> None:
    routes = Routes(catalog)
    for provider in catalog.providers:
        for host in catalog.hosts(provider):
            assert {routes.find("GET", path, host).provider for path in OWNERS} == {provider}


def test_a_further_provider_owns_no_path_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text(MORE)
    routes = Routes(open_catalog((tmp_path,)))
    assert {path: routes.find("GET", path, "").provider for path in OWNERS} == OWNERS
    assert routes.find("GET", "/more/more/jobs", "").operation is not None
    for path in ("/more", "/more/", "/more/jobs", "/more/nothing", "/more/v1/more/a"):
        found = routes.find("GET", path, "")
        assert (found.provider, found.mount, found.operation) == ("more", "/more", None)


def test_the_provider_at_the_root_is_alone_there(tmp_path: Path) -> None:
    """Each of the others answers below its name, those that ship included."""
    (tmp_path / "common.yaml").write_text(MORE)
    routes = Routes(open_catalog((tmp_path,), root="more"))
    assert {routes.find("GET", path, "").provider for path in OWNERS} == {"more"}
    assert routes.find("GET", "/more/jobs", "").operation is not None
    balance = routes.find("GET", "/wavespeed/api/v3/balance", "")
    assert (balance.provider, balance.mount, balance.operation is None) == ("wavespeed", "/wavespeed", False)
    assert routes.find("GET", "/api/v3/balance", "api.wavespeed.ai").operation is not None
    file = routes.find("GET", "/pixazo/v1/some-job/output.mp4", "")
    assert (file.provider, file.file, file.mount) == ("pixazo", ("some-job", "output.mp4"), "/pixazo")


def test_a_provider_that_nobody_knows_cannot_be_at_the_root() -> None:
    with pytest.raises(SpecError, match=r"--provider acne: .*no provider is called 'acne'; known are pixazo"):
        open_catalog(root="acne")
