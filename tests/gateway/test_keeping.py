"""What is kept is bounded: jobs, journal, bodies and accounts; the least useful goes first."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.driving import SEGMIND, T2V, end, fetch, id_of, key_headers, open_gateway, poll, state, submit
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.draw import account_name
from understudy_mock.domain.model import KEPT_OF_A_REMARK, MOST_REMARKS
from understudy_mock.gateway.accounts import KEPT_OF_KEYS, Accounts, Recurrences
from understudy_mock.gateway.journal import KEPT_IN_ALL, Journal, JournalEntry
from understudy_mock.gateway.store import MemoryStore
from understudy_mock.settings import MAX_ACCOUNTS

# -- jobs


async def test_the_oldest_finished_job_is_forgotten_first(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, keep_jobs=3)
    young, old = id_of(await submit(gateway)), id_of(await submit(gateway))
    await end(gateway, old, "COMPLETED")
    third, fourth = id_of(await submit(gateway)), id_of(await submit(gateway))
    states = [await state(gateway, job) for job in (young, old, third, fourth)]
    assert states == ["QUEUED", "gone", "QUEUED", "QUEUED"]


async def test_jobs_forgotten_before_their_end_leave_nothing_behind(catalog: Catalog) -> None:
    """A gateway whose jobs never get to their end holds no more after thousands than after a few."""
    gateway = open_gateway(catalog, keep_jobs=2, journal=0, speed=0.001)
    for _ in range(2_500):
        await submit(gateway)
    store = gateway.world.store
    assert isinstance(store, MemoryStore)
    assert (len(store), len(store._leaving._ending) < 1_500) == (2, True)


async def test_the_job_that_finished_first_goes_first_however_it_ended(catalog: Catalog) -> None:
    """By plan or by hand: what counts is when."""
    gateway = open_gateway(catalog, keep_jobs=2)
    by_plan = id_of(await submit(gateway))
    gateway.advance(3.7)
    by_hand = id_of(await submit(gateway))
    gateway.advance(1)
    await end(gateway, by_hand, "FAILED")
    await submit(gateway)
    assert await state(gateway, by_plan) == "gone"
    assert await state(gateway, by_hand) == "FAILED"


async def test_then_the_oldest_unfinished_one(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, keep_jobs=2)
    jobs = [id_of(await submit(gateway)) for _ in range(5)]
    assert [await state(gateway, job) for job in jobs] == ["gone"] * 3 + ["QUEUED"] * 2
    assert len(gateway.world.store) == 2


@given(
    steps=st.lists(st.sampled_from(["submit", "wait", "end"]), max_size=25),
    keep=st.integers(1, 4),
    pick=st.randoms(use_true_random=False),
)
async def test_never_more_than_asked_are_kept_and_no_finished_one_outlives_an_unfinished_one(
    catalog: Catalog, steps: list[str], keep: int, pick: Random
) -> None:
    gateway = open_gateway(catalog, keep_jobs=keep)
    for step in steps:
        kept = [job.id for job in gateway.world.store]
        if step == "wait":
            gateway.advance(1.5)
        elif step == "end" and kept:
            await end(gateway, pick.choice(kept), "COMPLETED")
        elif step == "submit":
            states = {job: await state(gateway, job) for job in kept}
            await submit(gateway)
            gone = set(kept) - {job.id for job in gateway.world.store}
            assert len(gone) == (len(kept) == keep)
            finished = {job for job, word in states.items() if word == "COMPLETED"}
            assert gone <= finished or not finished
    assert len(gateway.world.store) <= keep


async def test_a_forgotten_job_is_an_unknown_one_everywhere(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, keep_jobs=1)
    job = id_of(await submit(gateway))
    gateway.advance(100)
    url = (await poll(gateway, job)).json()["output"]["media_url"][0]
    await submit(gateway)
    assert (await poll(gateway, job)).json() == {"error": "Resource not found"}
    assert (await gateway.call("GET", url)).status_code == 404
    assert (await gateway.admin("GET", f"jobs/{job}")).status_code == 404
    assert (await end(gateway, job, "ERROR")).status_code == 404


# -- journal


def _entry(number: int, kept: int = 100) -> JournalEntry:
    return JournalEntry(
        number=number,
        account="acct_a" if number % 2 else "acct_b",
        provider="pixazo",
        method="GET",
        url="/",
        status=200,
        kept=kept,
    )


def _filled(keep: int, sizes: list[int]) -> Journal:
    journal = Journal(keep)
    for size in sizes:
        journal.append(_entry(journal.next_number, size))
    return journal


@given(keep=st.integers(0, 10), count=st.integers(0, 30))
def test_the_journal_keeps_the_latest_entries(keep: int, count: int) -> None:
    journal = _filled(keep, [1] * count)
    numbers = [entry.number for entry in journal.since(0)]
    assert numbers == list(range(1, count + 1))[max(0, count - keep) :]
    assert journal.next_number == count + 1


@given(sizes=st.lists(st.integers(0, KEPT_IN_ALL // 2), max_size=12))
@example(sizes=[KEPT_IN_ALL // 2] * 5)
def test_the_journal_keeps_no_more_bytes_than_it_may(sizes: list[int]) -> None:
    journal = _filled(100, sizes)
    kept = [entry.kept for entry in journal.since(0)]
    assert kept == sizes[len(sizes) - len(kept) :]
    assert sum(kept) <= KEPT_IN_ALL
    assert len(kept) == len(sizes) or sum(kept) + sizes[-len(kept) - 1] > KEPT_IN_ALL


def test_clearing_one_account_frees_its_bytes() -> None:
    journal = _filled(100, [KEPT_IN_ALL // 4] * 4)
    journal.clear("acct_a")
    assert {entry.account for entry in journal.since(0)} == {"acct_b"}
    for _ in range(2):
        journal.append(_entry(journal.next_number, KEPT_IN_ALL // 4))
    assert len(journal) == 4


async def test_the_journal_of_a_gateway_is_as_long_as_asked(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, journal=5)
    for _ in range(9):
        await submit(gateway)
    assert [entry.number for entry in gateway.world.journal.since(0)] == [5, 6, 7, 8, 9]


async def test_sixty_four_kilobytes_of_a_body_are_kept_and_its_real_size(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    answer = await submit(gateway, prompt="x" * 200_000)
    assert answer.status_code == 202
    (entry,) = gateway.world.journal.since(0)
    assert len(entry.request_body) == 65_536
    assert entry.request_size == len(msgspec.json.encode({"prompt": "x" * 200_000}))
    assert entry.kept < 70_000


async def test_no_byte_of_a_media_file_is_kept(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    video = await submit(gateway, "segmind")
    job = id_of(await submit(gateway))
    gateway.advance(100)
    url = (await poll(gateway, job)).json()["output"]["media_url"][0]
    await gateway.call("GET", url)
    entries = {entry.url: entry for entry in gateway.world.journal.since(0)}
    for path in (SEGMIND, url.removeprefix("http://gateway.test:8080")):
        assert entries[path].response_body == b""
        assert entries[path].response_size == len(video.content) > 0
    assert entries[T2V].response_body


async def test_every_call_is_in_the_journal_once(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    await poll(gateway, job)
    await poll(gateway, "unknown")
    await gateway.call("GET", "/nowhere")
    await gateway.admin("GET", "health")
    told = [(e.method, e.status, e.job, e.operation) for e in gateway.world.journal.since(0)]
    assert told == [
        ("POST", 202, job, "submit-hunyuan-video"),
        ("GET", 200, job, "get-request-status"),
        ("GET", 404, "", "get-request-status"),
        ("GET", 404, "", ""),
    ]


@pytest.mark.parametrize("name", ["image_url", "shot_type"])
async def test_undocumented_parameters_are_taken_with_a_warning(catalog: Catalog, name: str) -> None:
    """Ledger rows PX-09 and T2V-1: the vendor's own sample sends some."""
    gateway = open_gateway(catalog)
    assert (await submit(gateway, body={"prompt": "a", name: "x"})).status_code == 202
    (entry,) = gateway.world.journal.since(0)
    assert entry.warnings == (f"undocumented parameter: {name}",)


async def test_the_first_warnings_of_a_call_are_kept_and_how_many_more_there_were(catalog: Catalog) -> None:
    """Each of them in part, and all of them counted in the bytes that the entry takes."""
    gateway = open_gateway(catalog)
    unknown: dict[str, Any] = {f"{number}-{'x' * 1_000}": 1 for number in range(500)}
    assert (await submit(gateway, **unknown)).status_code == 202
    (entry,) = gateway.world.journal.since(0)
    assert len(entry.warnings) == MOST_REMARKS + 1
    assert entry.warnings[-1] == f"{500 - MOST_REMARKS} more undocumented parameters"
    assert max(map(len, entry.warnings)) <= KEPT_OF_A_REMARK + 30
    texts = sum(map(len, (*entry.warnings, entry.request_body, entry.response_body)))
    assert entry.kept > texts > MOST_REMARKS * KEPT_OF_A_REMARK


async def test_the_first_mistakes_of_a_call_are_named_and_how_many_more_there_were(catalog: Catalog) -> None:
    gateway = open_gateway(open_catalog(strict=True), strict=True)
    unknown: dict[str, Any] = {f"{number}-{'x' * 1_000}": 1 for number in range(500)}
    answer = await submit(gateway, **unknown)
    assert answer.status_code == 400
    assert answer.json()["errors"][-1].endswith(f"({500 - MOST_REMARKS} more)")
    assert len(answer.content) < 10_000


async def test_many_small_headers_are_counted_for_what_they_take(catalog: Catalog) -> None:
    """A pair of strings is some two hundred bytes, however short they are."""
    gateway = open_gateway(catalog)
    headers = [*key_headers("pixazo").items(), *(("a", "b") for _ in range(5_000))]
    await gateway.call("GET", "/v2/requests/status/x", headers=headers)
    (entry,) = gateway.world.journal.since(0)
    assert entry.kept > 1_000_000


# -- accounts


def test_long_keys_are_bounded_in_all() -> None:
    """The least recently used account goes first."""
    accounts = Accounts(None, None)
    long = "x" * (KEPT_OF_KEYS // 4)
    names = [accounts.of(f"{number}{long}").name for number in range(5)]
    assert [accounts.named(name) is not None for name in names] == [False, False, True, True, True]
    accounts.clear(names[-1])
    accounts.of(f"6{long}")
    assert accounts.named(names[2]) is not None


def test_how_often_a_body_came_is_known_of_so_many_of_all_keys_together() -> None:
    """The least recent go first; an account that is made anew begins anew."""
    known = Recurrences(keep=3)
    assert [known.nth(name) for name in (1, 2, 1, 3, 4, 1, 2)] == [0, 0, 1, 0, 0, 2, 0]
    assert len(known) == 3
    accounts = Accounts(None, None)
    one, other = accounts.of("one"), accounts.of("other")
    assert [one.nth(7), one.nth(7), other.nth(7)] == [0, 1, 0]
    accounts.clear(one.name)
    assert accounts.of("one").nth(7) == 0


def test_ten_thousand_accounts_are_kept_and_the_least_recently_used_goes_first() -> None:
    accounts = Accounts(None, None)
    names = [accounts.of(f"key-{number}").name for number in range(MAX_ACCOUNTS)]
    accounts.of("key-0")
    accounts.of("one-more")
    kept = [accounts.named(name) is not None for name in names]
    assert kept == [True, False] + [True] * (MAX_ACCOUNTS - 2)


def test_an_account_in_use_is_kept_and_an_idle_one_is_forgotten() -> None:
    accounts = Accounts(5.0, "1/60")
    busy, idle = accounts.of("busy"), accounts.of("idle")
    for number in range(MAX_ACCOUNTS):
        accounts.of(f"key-{number}")
        accounts.of("busy")
    assert accounts.of("busy") is busy
    assert accounts.named(busy.name) is busy
    assert accounts.named(idle.name) is None
    assert accounts.of("idle") is not idle


async def test_an_account_that_was_set_up_is_forgotten_last(catalog: Catalog) -> None:
    """Calls with made-up keys do not push it out; there is no more room than before for all."""
    gateway = open_gateway(catalog)
    accounts = gateway.world.accounts
    await gateway.admin("PUT", "accounts/mine", json={"balance_usd": 1})
    name = accounts.peek("mine").name
    for number in range(2 * MAX_ACCOUNTS):
        accounts.of(f"key-{number}")
    assert accounts.named(name) is not None
    for number in range(2 * MAX_ACCOUNTS):
        accounts.set_up(accounts.of(f"set-up-{number}"))
    assert len(list(accounts.latest_keys())) == MAX_ACCOUNTS


def test_two_keys_with_one_short_name_are_two_accounts() -> None:
    """The later one is named at length; each is found by its own name."""
    accounts = Accounts(None, None)
    one, other = accounts.of("key-8337"), accounts.of("key-15029")
    assert one.name == account_name("key-8337") == account_name("key-15029")
    assert other.name == account_name("key-15029", digits=32)
    assert accounts.named(one.name) is one
    assert accounts.named(other.name) is other


def test_an_account_begins_with_the_gateways_balance_and_limit() -> None:
    account = Accounts(5.0, "3/60").of("key")
    assert account.wallet is not None
    assert account.wallet.balance(0) == 5_000_000
    assert account.window is not None
    assert str(account.window.limit) == "3/60"
    bare = Accounts(None, None).of("key")
    assert bare.wallet is None
    assert bare.window is None


async def test_a_key_that_never_came_has_no_account_by_its_name(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    answer = await fetch(gateway, "/v2/requests/status/x")
    assert answer.status_code == 404
    assert (await gateway.admin("GET", "accounts/acct_00000000")).status_code == 404
