"""What the admin API says of itself: its index, its OpenAPI document, and the page for people."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.gateway.asking import open_gateway
from tests.support import Gateway
from tests.web.admin.looking import get
from understudy_mock.catalog import Catalog
from understudy_mock.version import __version__
from understudy_mock.web.admin import make_admin
from understudy_mock.webhooks import Sender

_HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def _page(request: Request) -> Response:
    return PlainTextResponse(f"the page's {request.path_params.get('name', 'shell')}")


def _with_a_page(gateway: Gateway) -> httpx.AsyncClient:
    """Return a client of an admin app that has a page."""
    sender = gateway.world.announcer
    assert isinstance(sender, Sender)
    app = make_admin(gateway.world, sender, lambda entries: ({}, iter(())), lambda: None, _page)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_the_index_names_every_call(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    index = await get(gateway, "")
    assert (index["name"], index["version"]) == ("understudy", __version__)
    assert index["run"] == (await get(gateway, "changes"))["run"]
    links = {(link["method"], link["path"]) for link in index["links"]}
    assert {("GET", "/_mock/changes"), ("POST", "/_mock/jobs/{job_id}/end")} <= links
    assert len(links) == len(index["links"])
    assert all(link["summary"] for link in index["links"])


async def test_every_call_of_the_index_is_there(catalog: Catalog) -> None:
    """None of them is another one's path, or a method that is refused."""
    gateway = open_gateway(catalog)
    for link in (await get(gateway, ""))["links"]:
        path = re.sub(r"{\w+}", "x", link["path"]).removeprefix("/_mock/")
        answer = await gateway.admin(link["method"], path)
        assert answer.status_code != 405, link
        assert not answer.content.startswith(b'{"error":"Not Found"'), link


async def test_the_bare_path_leads_to_the_index(catalog: Catalog) -> None:
    answer = await open_gateway(catalog).call("GET", "http://localhost/_mock")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/_mock/"


@pytest.mark.parametrize("settings", [{}, {"admin_token": "t"}])
async def test_the_document_of_the_admin_api_is_valid(catalog: Catalog, settings: dict[str, Any]) -> None:
    gateway = open_gateway(catalog, **settings)
    answer = await gateway.admin("GET", "openapi.json", headers={"authorization": "Bearer t"})
    document = answer.json()
    validate(document)
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    index = (await gateway.admin("GET", "")).json()
    assert described == {(link["method"], link["path"]) for link in index["links"]}
    job = document["paths"]["/_mock/jobs/{job_id}"]["get"]
    assert ("security" in job) is bool(settings)


async def test_browsers_get_the_page_and_programs_the_index(catalog: Catalog) -> None:
    async with _with_a_page(open_gateway(catalog)) as client:
        assert (await client.get("/_mock/", headers=_HTML)).text == "the page's shell"
        assert (await client.get("/_mock/page/app.js")).text == "the page's app.js"
        for accept in ("application/json", "*/*"):
            answer = await client.get("/_mock/", headers={"accept": accept})
            assert answer.json()["name"] == "understudy"


async def test_the_page_and_the_index_need_no_token_and_all_else_does(catalog: Catalog) -> None:
    async with _with_a_page(open_gateway(catalog, admin_token="t")) as client:
        links = (await client.get("/_mock/")).json()["links"]
        open_paths = set()
        for link in links:
            path = re.sub(r"{\w+}", "x", link["path"])
            if (await client.request(link["method"], path)).status_code != 403:
                open_paths.add(link["path"])
        assert open_paths == {"/_mock/", "/_mock/page/{name}"}
        foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
        assert (await client.get("/_mock/page/app.js", headers=foreign)).status_code == 403
