"""What the page is made of, and the headers that it comes with. No browser needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.driving import Gateway, MakeGateway
from understudy_mock.web import page

ASSETS = Path(page.__file__).parent / "assets"
MOST_BYTES = 75 * 1024
"""HTML, script and style in all, as they are served."""

SINKS = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", "onclick=")

HTML = {"Accept": "text/html,*/*;q=0.8"}


def parts() -> list[str]:
    """List what is served."""
    kinds = {".html", ".css", ".js", ".svg"}
    return sorted(str(one.relative_to(ASSETS)) for one in ASSETS.rglob("*") if one.suffix in kinds)


def test_it_is_small_as_it_is() -> None:
    assert sum((ASSETS / name).stat().st_size for name in parts() if not name.endswith(".svg")) <= MOST_BYTES


async def test_it_may_load_nothing_but_itself_and_files(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(media_url="http://files.test:9000/a/b")
    answer = await gateway.admin("GET", "", headers=HTML)
    policy = dict(one.split(" ", 1) for one in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "img-src": "'self' http://files.test:9000",
        "media-src": "'self' http://files.test:9000",
        "script-src": "'self'",
        "style-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_every_part_comes_with_its_type_and_the_same_headers(gateway: Gateway) -> None:
    shell = await gateway.admin("GET", "", headers=HTML)
    assert parts()
    for name in parts():
        answer = await gateway.admin("GET", f"page/{name}")
        assert answer.status_code == 200
        assert answer.content == (ASSETS / name).read_bytes()
        assert answer.headers["content-type"] == page.TYPES[name.rpartition(".")[2]]
        for header in ("content-security-policy", "x-content-type-options", "referrer-policy"):
            assert answer.headers[header] == shell.headers[header]


@pytest.mark.parametrize("name", ["types.d.ts", "nothing.js", "../__init__.py", "%2e%2e/__init__.py", ""])
async def test_nothing_else_is_served(gateway: Gateway, name: str) -> None:
    answer = await gateway.admin("GET", f"page/{name}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("header", "value"), [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")]
)
async def test_no_other_page_may_ask_for_it(gateway: Gateway, header: str, value: str) -> None:
    assert (await gateway.admin("GET", "", headers={**HTML, header: value})).status_code == 403


async def test_a_token_guards_everything_but_the_shell_and_its_parts(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(admin_token="a-secret-token")
    assert (await gateway.admin("GET", "", headers=HTML)).status_code == 200
    assert (await gateway.admin("GET", "page/app.js")).status_code == 200
    for path in ("changes", "jobs", "journal", "settings", "page"):
        assert (await gateway.admin("GET", path)).status_code == 403


def test_nothing_in_it_makes_markup_of_text() -> None:
    """Trusted Types would refuse it in Chromium; this holds it for every browser."""
    for name in parts():
        text = (ASSETS / name).read_text()
        assert [sink for sink in SINKS if sink in text] == [], name


@pytest.mark.slow
def test_its_types_are_right() -> None:
    """What JSDoc and types.d.ts say holds, as the TypeScript compiler reads it."""
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.skip("needs tsc: npm install --global typescript")
    flags = "--checkJs --allowJs --noEmit --strict --noImplicitAny false --useUnknownInCatchVariables false"
    target = "--target es2023 --module es2022 --moduleResolution bundler --lib es2023,dom,dom.iterable"
    done = subprocess.run(
        [tsc, *flags.split(), *target.split(), str(ASSETS / "app.js")], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0
