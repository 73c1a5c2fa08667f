"""The page under load, in many tabs, across restarts, with a token, with hostile texts, and for everybody."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import msgspec
import pytest

from tests.driving import SUBMITS, id_of, key_headers
from tests.page.driving import MakeRunning, Window, free_port, poll, running_at, submit
from understudy_contracts.testing.running import Running
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Call
from understudy_mock.gateway.submit import submit as submit_here

pytestmark = pytest.mark.e2e

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

MakeWindow = Callable[..., Window]

VIEWS = ("jobs", "calls", "callbacks", "stage", "findings", "try")
MOST_NODES = 2000


async def make_jobs(gateway: Running, count: int) -> None:
    """Make jobs inside the gateway, without calls."""
    path = SUBMITS["pixazo"].path
    operation = next(one for one in gateway.world.catalog.operations if one.path == path)
    body = msgspec.json.encode(SUBMITS["pixazo"].body)
    headers = {name.lower().encode(): value.encode() for name, value in key_headers("pixazo").items()}
    for _ in range(count):
        here = "http://127.0.0.1"
        await submit_here(gateway.world, operation, Call("POST", path, b"", headers, body, here, here, {}))


@pytest.mark.slow
def test_ten_thousand_jobs_are_few_elements(by_hand: Running, make_window: MakeWindow) -> None:
    """However far the list is scrolled; the last row is the first job."""
    by_hand.do(lambda: make_jobs(by_hand, 10_000))
    page = make_window(by_hand).show()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "10001")
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES
    page.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    expect(page.locator(".item.current")).to_have_attribute("aria-rowindex", "10001")
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES


@pytest.mark.slow
def test_seven_tabs_do_not_block_each_other(by_hand: Running, make_window: MakeWindow) -> None:
    """No tab holds a connection open, so the seventh shows jobs, and its buttons work."""
    windows = [make_window(by_hand)]
    tabs = [windows[0].page] + [windows[0].page.context.new_page() for _ in range(6)]
    for tab in tabs:
        tab.goto(f"{by_hand.url}/_mock/")
    submit(by_hand)
    tabs[-1].bring_to_front()
    expect(tabs[-1].get_by_role("row").filter(has_text="Queued")).to_be_visible()
    tabs[-1].get_by_role("button", name="To the next event").click()
    expect(tabs[-1].get_by_role("row").filter(has_text="Processing")).to_be_visible()


@pytest.mark.slow
def test_a_reset_empties_the_page(by_hand: Running, make_window: MakeWindow) -> None:
    submit(by_hand)
    page = make_window(by_hand).show()
    expect(page.get_by_role("row").filter(has_text="hunyuan-video")).to_be_visible()
    httpx.post(f"{by_hand.url}/_mock/reset")
    expect(page.get_by_text("No jobs yet")).to_be_visible()


def test_a_restart_is_noticed(catalog: Catalog, make_window: MakeWindow) -> None:
    """The page says that nobody answers, then shows what the new process knows, and nothing else."""
    port = free_port()
    with running_at(catalog, port, pace="manual") as first:
        submit(first, prompt="before")
        window = make_window(first)
        page = window.show()
        expect(page.locator(".item:not([hidden])")).to_have_count(1)
    expect(page.locator("#notice")).to_contain_text("does not answer")
    with running_at(catalog, port, pace="manual") as second:
        ids = [id_of(submit(second, provider=name)) for name in ("pixazo", "wavespeed")]
        expect(page.locator("#notice")).to_be_hidden()
        expect(page.locator(".item:not([hidden])")).to_have_count(2)
        for job in ids:
            expect(page.locator(".item").filter(has_text=job[-12:])).to_have_count(1)
    window.complaints[:] = [said for said in window.complaints if "ERR_CONNECTION" not in said]


def test_with_a_token_the_shell_shows_nothing_without_it(
    run_gateway: MakeRunning, make_window: MakeWindow
) -> None:
    """The token of the address moves into the tab's storage; the shell alone carries neither it nor data."""
    gateway = run_gateway(pace="manual", admin_token="a-very-secret-token")
    submit(gateway)
    shell = httpx.get(f"{gateway.url}/_mock/", headers={"Accept": "text/html"})
    assert shell.status_code == 200
    assert "a-very-secret-token" not in shell.text
    assert httpx.get(f"{gateway.url}/_mock/changes").status_code == 403
    window = make_window(gateway)
    page = window.show()
    expect(page.get_by_text("This gateway asks for its admin token")).to_be_visible()
    assert page.locator(".item:not([hidden])").count() == 0
    window.complaints[:] = [said for said in window.complaints if "403" not in said]
    page.goto(f"{gateway.url}/_mock/#token=a-very-secret-token")
    expect(page.get_by_role("row").filter(has_text="hunyuan-video")).to_be_visible()
    assert "token" not in page.url
    assert page.evaluate("sessionStorage.length") == 1
    assert "a-very-secret-token" not in page.content()


@pytest.mark.slow
def test_a_token_is_typed_by_hand(run_gateway: MakeRunning, make_window: MakeWindow) -> None:
    gateway = run_gateway(pace="manual", admin_token="a-very-secret-token")
    submit(gateway)
    window = make_window(gateway)
    page = window.show()
    page.get_by_label("Admin token").fill("a-very-secret-token")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("row").filter(has_text="hunyuan-video")).to_be_visible()
    window.complaints[:] = [said for said in window.complaints if "403" not in said]


HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>\x1b[31m\u202eneddih\u202c"
    + "x" * 10_000
)


def test_hostile_texts_stay_texts(gateway: Running, make_window: MakeWindow) -> None:
    """In a prompt, a header, a path and an error: nothing runs, is invisible, or bursts the page."""
    window = make_window(gateway)
    page = window.show("#calls")
    job = id_of(submit(gateway, prompt=HOSTILE, headers={"User-Agent": "<b>agent</b>"}))
    submit(gateway, num_frames=HOSTILE)
    httpx.get(f"{gateway.url}/<script>alert(1)</script>\u202e/nowhere", headers=key_headers("pixazo"))
    httpx.post(f"{gateway.url}/_mock/jobs/{job}/end", json={"status": "FAILED", "error": HOSTILE})
    expect(page.locator(".item:not([hidden])")).to_have_count(3)
    for number in (1, 2, 3):
        page.locator(".item").filter(has_text=f"#{number}").first.click()
        expect(page.locator("#panel h2")).to_contain_text(f"#{number}")
        expect(page.get_by_role("heading", name="Answer")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page = window.show(f"#jobs?open=job:{job}")
    expect(page.locator("#panel .state")).to_contain_text("␛[31m⟨U+202e⟩neddih")
    expect(page.locator("#panel .talk li").first).to_be_visible()
    assert page.locator("#panel script, #panel img, main script, main img").count() == 0
    assert "owned" not in page.title()


@pytest.mark.slow
def test_no_key_is_in_the_document(gateway: Running, make_window: MakeWindow) -> None:
    """Whatever view is looked at, and whatever call is opened."""
    key = "sk-live-0123456789abcdef"
    job = id_of(submit(gateway, key))
    poll(gateway, job, key)
    page = make_window(gateway).show()
    for address in [*VIEWS, f"jobs?open=job:{job}", "calls?open=call:1"]:
        page.goto(f"{gateway.url}/_mock/#{address}")
        expect(page.locator("main > *").first).to_be_attached()
        assert key not in page.content()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_everybody_can_use_it(gateway: Running, make_window: MakeWindow, scheme: str, width: int) -> None:
    """axe finds nothing serious in any view, and none has to be moved sideways."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    job = id_of(submit(gateway, headers={"X-Webhook-URL": "https://nobody.example/"}))
    submit(gateway, headers={"Prefer": "scenario=fails"})
    submit(gateway, num_frames="many")
    for _ in range(3):
        submit(gateway, headers={"Prefer": "scenario=insufficient-balance"})
    poll(gateway, job)
    window = make_window(gateway, color_scheme=scheme, viewport={"width": width, "height": 800})
    opened = (
        f"jobs?open=job:{job}",
        "calls?open=call:1",
        "jobs?open=trigger",
        "jobs?open=inbox:try",
    )
    for address in (*VIEWS, *opened):
        page = window.show(f"#{address}")
        expect(page.locator("#counts")).to_contain_text("2 jobs")
        if "open" in address:
            expect(page.locator("#panel h2")).to_be_visible()
        found = [
            one for one in axe.run(page).response["violations"] if one["impact"] in ("serious", "critical")
        ]
        assert [(address, one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


@pytest.mark.slow
def test_motion_is_reduced_where_that_is_asked_for(gateway: Running, make_window: MakeWindow) -> None:
    """The state still moves, step by step."""
    page = make_window(gateway, reduced_motion="reduce").show()
    submit(gateway)
    expect(page.get_by_role("row").filter(has_text="hunyuan-video")).to_contain_text(re.compile("Completed"))
