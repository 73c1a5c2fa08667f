"""Each view of the page, used as a person would use it, in a real browser against a real gateway."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.driving import id_of
from tests.page.driving import Window, poll, submit
from understudy_contracts.testing.running import Running

pytestmark = pytest.mark.e2e

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

MakeWindow = Callable[..., Window]


def row(page: Any, text: str) -> Any:
    """Return the row that has a text."""
    return page.get_by_role("row").filter(has_text=text)


def somewhere(text: str) -> re.Pattern[str]:
    """Return what finds a text anywhere."""
    return re.compile(re.escape(text))


def test_a_submit_appears_and_moves_by_itself(gateway: Running, make_window: MakeWindow) -> None:
    page = make_window(gateway).show()
    expect(page.get_by_text("No jobs yet")).to_be_visible()
    submit(gateway)
    job = row(page, "hunyuan-video")
    expect(job).to_contain_text("Queued")
    expect(job).to_contain_text("Completed")
    expect(page.get_by_text("No jobs yet")).to_be_hidden()


@pytest.mark.slow
def test_a_bar_grows_without_traffic(by_hand: Running, make_window: MakeWindow) -> None:
    """The part of the bar that has passed is as long as the clock says."""
    page = make_window(by_hand).show()
    submit(by_hand)
    past = page.locator(".item .past").first
    expect(row(page, "hunyuan-video")).to_be_visible()
    before = past.bounding_box()["width"]
    page.get_by_role("button", name="+1 s", exact=True).click()
    page.evaluate(
        """before => new Promise((grown, failed) => {
            const width = () => document.querySelector('.item .past').getBoundingClientRect().width;
            const look = () => width() > before + 20 ? grown() : requestAnimationFrame(look);
            look();
            setTimeout(failed, 10000);
        })""",
        before,
    )


def test_a_job_is_ended_by_hand(by_hand: Running, make_window: MakeWindow) -> None:
    page = make_window(by_hand).show()
    submit(by_hand)
    row(page, "hunyuan-video").click()
    page.get_by_label("End it now as").select_option("ERROR")
    page.get_by_label("Error", exact=True).fill("the plug was pulled")
    page.get_by_role("button", name="End it").click()
    expect(row(page, "hunyuan-video")).to_contain_text("Error")
    expect(page.locator("#panel")).to_contain_text("the plug was pulled")
    page.get_by_text("the same as curl").click()
    expect(page.locator("#toast pre")).to_contain_text('/end\' -d \'{"status":"ERROR"')


def test_the_drawer_tells_the_conversation_and_plays_the_files(
    gateway: Running, make_window: MakeWindow
) -> None:
    page = make_window(gateway).show()
    job = id_of(submit(gateway))
    expect(row(page, "hunyuan-video")).to_contain_text("Completed")
    poll(gateway, job)
    row(page, "hunyuan-video").click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text(job)
    expect(panel.locator(".talk li")).to_have_count(2)
    panel.get_by_role("button", name="Show file 1").click()
    panel.locator("video").evaluate(
        "video => video.readyState > 0 || new Promise((loaded, failed) => "
        "{ video.onloadedmetadata = loaded; video.onerror = failed; setTimeout(failed, 10000); })"
    )
    panel.get_by_role("button", name="Python").click()
    expect(panel.locator(".code pre").last).to_contain_text('"ocp-apim-subscription-key": KEY')


@pytest.mark.slow
def test_a_job_is_submitted_again_after_an_edit(gateway: Running, make_window: MakeWindow) -> None:
    page = make_window(gateway).show()
    submit(gateway, prompt="a paper boat")
    row(page, "hunyuan-video").click()
    page.get_by_role("button", name="Submit again, edited…").click()
    body = page.get_by_role("textbox", name="Body")
    expect(body).to_have_value(somewhere("a paper boat"))
    body.fill(body.input_value().replace("paper boat", "tin boat"))
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="See the job").click()
    expect(page.locator("#panel")).to_contain_text("hunyuan-video")
    expect(page.locator(".item:not([hidden])")).to_have_count(2)


@pytest.mark.slow
def test_a_refused_call_says_why(gateway: Running, make_window: MakeWindow) -> None:
    page = make_window(gateway).show("#calls")
    submit(gateway, num_frames="many")
    refused = row(page, "400")
    expect(refused).to_contain_text("num_frames")
    refused.click()
    panel = page.locator("#panel")
    expect(panel.locator(".state")).to_contain_text("num_frames")
    expect(panel.get_by_label("Request body", exact=True)).to_contain_text('"num_frames": "many"')
    panel.locator("summary").first.click()
    expect(panel.get_by_label("Request headers", exact=True)).to_contain_text(
        "content-type: application/json"
    )


def test_failed_callbacks_are_sent_again(by_hand: Running, make_window: MakeWindow) -> None:
    """All failed ones at once; each attempt shows what was sent and what was answered."""
    by_hand.inbox.answer("/done", 503)
    page = make_window(by_hand).show("#callbacks")
    submit(by_hand, headers={"X-Webhook-URL": f"{by_hand.inbox.url}/done"})
    given_up = row(page, "Given up")
    for _ in range(12):
        page.get_by_role("button", name="+10 s", exact=True).click()
        expect(page.locator("#toast")).to_contain_text("The clock says")
        page.locator("#toast").get_by_role("button", name="Close this message").click()
        if given_up.count():
            break
    expect(given_up).to_have_count(1)
    given_up.click()
    expect(page.locator("#panel summary").filter(has_text="HTTP 503")).to_have_count(3)
    expect(page.locator("#panel").get_by_label("Request body", exact=True).last).to_contain_text("COMPLETED")
    by_hand.inbox.answer("/done", 200)
    page.get_by_role("button", name="Redeliver all failed (1)").click()
    expect(row(page, "Delivered")).to_be_visible()


def test_a_triggered_callback_arrives_in_the_inbox(gateway: Running, make_window: MakeWindow) -> None:
    page = make_window(gateway).show("#callbacks")
    page.get_by_role("button", name="Trigger a callback…").click()
    page.locator("select[name=model]").select_option("hunyuan-video")
    page.get_by_label("The job ends as").select_option("FAILED")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(row(page, "Delivered")).to_be_visible()
    page.get_by_role("button", name="Inbox…").click()
    expect(page.locator("#panel")).to_contain_text("1 received")
    expect(page.locator("#panel pre").last).to_contain_text("FAILED")
    page.get_by_label("It answers").select_option("500")
    expect(page.locator("#toast")).to_contain_text("answers 500 now")


def test_the_next_submit_of_a_key_is_armed(gateway: Running, make_window: MakeWindow) -> None:
    """It gets 429 once; the one after that goes well, and so do those of other keys."""
    submit(gateway, "armed-key")
    account = gateway.world.accounts.peek("armed-key").name
    page = make_window(gateway).show("#stage")
    page.locator("[name=who]").select_option(account)
    page.get_by_role("textbox", name="Retry-After").fill("7")
    page.get_by_role("button", name="Arm", exact=True).click()
    expect(page.get_by_text("◷ waits")).to_be_visible()
    assert submit(gateway, "another-key").status_code == 202
    refused = submit(gateway, "armed-key")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert submit(gateway, "armed-key").status_code == 202
    expect(page.get_by_text("✓ met by call")).to_be_visible()
    page.get_by_role("button", name="Arm", exact=True).click()
    expect(page.get_by_text("◷ waits")).to_be_visible()
    assert [submit(gateway, "armed-key").status_code for _ in range(2)] == [429, 202]
    page.get_by_role("button", name="pytest").click()
    expect(page.locator(".card .code pre")).to_contain_text(
        'understudy.play({"name":"next-submit-rate_limited-'
    )
    page.get_by_role("button", name="Disarm").click()
    expect(page.locator("#toast")).to_contain_text("Disarmed")
    assert httpx.get(f"{gateway.url}/_mock/accounts/{account}").json()["scenario"] is None


@pytest.mark.slow
def test_the_stage_sets_the_server_and_a_key(gateway: Running, make_window: MakeWindow) -> None:
    submit(gateway, "rich-key")
    account = gateway.world.accounts.peek("rich-key").name
    page = make_window(gateway).show("#stage")
    page.get_by_label("Every call plays").select_option("fails")
    page.locator("form").filter(has_text="Every call plays").get_by_role("button", name="Set").click()
    expect(page.locator("#toast")).to_contain_text("Every call plays fails now")
    page.get_by_label("Account", exact=True).last.select_option(account)
    page.get_by_label("Balance in USD").fill("3.5")
    page.locator("form").filter(has_text="Balance in USD").get_by_role("button", name="Set").click()
    expect(page.locator("#toast")).to_contain_text(f"{account} is set")
    told = httpx.get(f"{gateway.url}/_mock/accounts/{account}").json()
    assert told["balance_usd"] == 3.5
    assert httpx.get(f"{gateway.url}/_mock/scenario").json()["name"] == "fails"


def test_findings_come_with_source_and_advice(gateway: Running, make_window: MakeWindow) -> None:
    """A rule that is broken while the page is open appears by itself, and leads to its calls."""
    page = make_window(gateway).show("#findings")
    expect(page.get_by_text("No call to judge yet")).to_be_visible()
    for _ in range(4):
        submit(gateway, headers={"Prefer": "scenario=insufficient-balance"})
    card = page.locator(".card").filter(has_text="retried-insufficient-balance")
    expect(card).to_contain_text("MUST")
    expect(card).to_contain_text("Do: ")
    card.get_by_role("link", name="#1", exact=True).click()
    expect(page.locator("#panel h2")).to_contain_text("#1 submit-hunyuan-video")


def test_try_sends_an_example_with_a_callback_to_the_inbox(gateway: Running, make_window: MakeWindow) -> None:
    page = make_window(gateway).show("#try")
    page.locator("select[name=model]").select_option("hunyuan-video")
    page.get_by_role("textbox", name="Key").fill("a-secret-key")
    page.get_by_label("Callback to the inbox “try”").check()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("✓ 202")).to_be_visible()
    page.get_by_role("link", name="Callbacks").click()
    expect(row(page, "Delivered")).to_be_visible()
    assert "a-secret-key" not in page.content()
    assert "a-secret-key" not in page.evaluate(
        "JSON.stringify([location.href, sessionStorage, localStorage])"
    )


def test_the_clock_is_moved_to_the_next_event(by_hand: Running, make_window: MakeWindow) -> None:
    page = make_window(by_hand).show()
    submit(by_hand)
    job = row(page, "hunyuan-video")
    for state in ("Queued", "Processing", "Completed"):
        expect(job).to_contain_text(state)
        if state != "Completed":
            page.get_by_role("button", name="To the next event").click()


def test_the_keyboard_is_enough(by_hand: Running, make_window: MakeWindow) -> None:
    """The list is one stop of Tab; arrows walk it, Enter opens, Escape returns to it."""
    for number in range(3):
        submit(by_hand, prompt=f"boat {number}")
    page = make_window(by_hand).show()
    expect(page.locator(".item:not([hidden])")).to_have_count(3)
    page.keyboard.press("/")
    expect(page.get_by_label("Filter")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("grid")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = page.get_by_role("grid").get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-rowindex") == "3"
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    expect(page.locator("#close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.get_by_role("grid")).to_be_focused()


def test_a_reader_hears_what_a_bar_shows(by_hand: Running, make_window: MakeWindow) -> None:
    job = id_of(submit(by_hand))
    poll(by_hand, job)
    page = make_window(by_hand).show()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "2")
    lane = page.get_by_role("row").nth(1).get_by_role("gridcell").nth(2)
    expect(lane).to_have_text(
        somewhere("Planned: Queued at 0.0 s, Processing at 0.4 s, Completed at 3.7 s; 1 poll")
    )


@pytest.mark.slow
def test_filters_and_selection_are_in_the_address(by_hand: Running, make_window: MakeWindow) -> None:
    """A link shows the same to somebody else, and Back returns."""
    submit(by_hand, "one-key")
    job = id_of(submit(by_hand, "two-key", provider="wavespeed"))
    page = make_window(by_hand).show()
    page.get_by_label("Filter").fill("i2v")
    expect(page.locator(".item:not([hidden])")).to_have_count(1)
    page.locator(".item").first.click()
    expect(page.locator("#panel")).to_contain_text(job)
    address = page.url
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#panel")).to_contain_text(job)
    expect(page.locator(".item:not([hidden])")).to_have_count(1)


@pytest.mark.slow
def test_new_rows_do_not_move_what_is_under_the_pointer(by_hand: Running, make_window: MakeWindow) -> None:
    """They are counted, and a click shows them."""
    first = id_of(submit(by_hand))
    for number in range(30):
        submit(by_hand, prompt=f"boat {number}")
    page = make_window(by_hand).show()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "32")
    under = page.locator(".item:not([hidden])").nth(2)
    under.hover()
    text, box = under.inner_text(), under.bounding_box()
    submit(by_hand, prompt="one more boat")
    expect(page.get_by_role("button", name="↑ 1 new")).to_be_visible()
    same = page.locator(".item").filter(has_text=text.split("\n")[2].split(" ")[0])
    assert same.bounding_box() == box
    page.get_by_role("button", name="↑ 1 new").click()
    expect(page.get_by_role("button", name="↑ 1 new")).to_be_hidden()
    assert first


@pytest.mark.slow
def test_pause_stops_asking(by_hand: Running, make_window: MakeWindow) -> None:
    page = make_window(by_hand).show()
    expect(page.get_by_text("No jobs yet")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#notice")).to_contain_text("Paused")
    submit(by_hand)
    page.get_by_role("button", name="Resume").click()
    expect(row(page, "hunyuan-video")).to_be_visible()
