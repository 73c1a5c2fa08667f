"""How a program is listened to: what it may print, what it must not, and what is said of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from understudy_contracts.conformance.child import _WAITING_BYTES, Closed, Died, Late, Misspoke
from understudy_contracts.conformance.drivers import Lasting, PerCase
from understudy_contracts.conformance.protocol import Hello, ProtocolError, Result, Run, convert, read

HELLO = """
import sys, json
def say(**told): print(json.dumps(told), flush=True)
sys.stdin.readline(); say(id="1", type="hello"); sys.stdin.readline()
"""


def case(**more: Any) -> Run:
    fields: dict[str, Any] = {"base_url": "http://127.0.0.1:1", "api_key": "key", "mode": "poll", "input": {}}
    return Run(**{"case": "c", "provider": "pixazo", "model": "m", **fields, "budget_ms": 10_000, **more})


@asynccontextmanager
async def lasting(program: str) -> AsyncIterator[Lasting]:
    driver = Lasting((sys.executable, "-c", HELLO + program))
    try:
        yield driver
    finally:
        await driver.close()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_line_without_end_is_dropped_and_the_answer_after_it_is_heard(stream: str) -> None:
    program = (
        f"for _ in range(20): sys.{stream}.write('x' * 2**20)\n"
        f"sys.{stream}.write(chr(10)); sys.{stream}.flush()\n"
        "say(id='2', type='result', outcome='completed'); sys.stdin.read()"
    )
    async with lasting(program) as driver:
        result = await driver.run(case())
    assert result is not None
    assert result.outcome == "completed"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_client_that_writes_for_ever_ends_at_its_budget(stream: str) -> None:
    async with lasting(f"while True: sys.{stream}.write('x' * 2**20)") as driver:
        with pytest.raises(Late):
            await driver.run(case(budget_ms=700))


async def test_an_id_may_be_a_number() -> None:
    program = "say(id=2, type='result', outcome='failed', media=None, handled=None); sys.stdin.read()"
    async with lasting(program) as driver:
        result = await driver.run(case())
    assert result is not None
    assert (result.outcome, result.media, result.handled) == ("failed", (), None)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("say(id='2', outcome='completed')", 'has no "type"'),
        ("say(id='7', type='result', outcome='completed')", 'has the "id" \'7\', not "2"'),
        ("say(id='2', type='results', outcome='completed')", "has the \"type\" 'results'"),
    ],
)
async def test_a_line_that_is_nearly_an_answer_is_told_with_what_is_wrong(answer: str, wrong: str) -> None:
    async with lasting(f"{answer}; sys.stdin.read()") as driver:
        with pytest.raises(Misspoke, match=r"last line") as told:
            await driver.run(case(budget_ms=300))
    assert wrong in str(told.value)
    assert "completed" in str(told.value)


@pytest.mark.parametrize("told", ["outcome='done'", "outcome='failed', job_id=7"])
async def test_an_answer_that_is_not_allowed_is_told_with_its_line(told: str) -> None:
    async with lasting(f"say(id='2', type='result', {told}); sys.stdin.read()") as driver:
        with pytest.raises(Misspoke, match=r"\$\.(outcome|job_id).* it wrote \{"):
            await driver.run(case())


@pytest.mark.parametrize("more", [{"note": "\ud800"}, {"\udfff": 1}, {"note": float("nan"), "handled": None}])
async def test_an_answer_as_pythons_json_writes_it_is_taken(more: dict[str, Any]) -> None:
    """Half a surrogate pair and NaN are no JSON to everybody, and no reason to lose a result."""
    told = {"id": "2", "type": "result", "outcome": "failed", "error": {"message": "a\udc00b"}, **more}
    async with lasting(f"print({json.dumps(told)!r}, flush=True); sys.stdin.read()") as driver:
        result = await driver.run(case())
    assert result is not None
    assert result.error is not None
    assert (result.outcome, result.error.message) == ("failed", "a\N{REPLACEMENT CHARACTER}b")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"id": "2", "type": "result", "outcome": }', "Expecting value"),
        (b' { "id": "2", "type": "res', "Unterminated string"),
        (b'{"id": "2", "note": "\xff"}', "invalid start byte"),
    ],
    ids=["no value", "cut", "no UTF-8"],
)
async def test_a_line_that_looks_like_a_message_and_cannot_be_read_is_told(line: bytes, why: str) -> None:
    """At once, with why: nobody waits for another."""
    program = f"sys.stdout.buffer.write({line!r} + bytes([10])); sys.stdout.flush(); sys.stdin.read()"
    async with lasting(program) as driver:
        with pytest.raises(Misspoke, match=r"looks like a message cannot be read .* it wrote \{") as told:
            await driver.run(case(budget_ms=600_000))
    assert why in str(told.value)


def test_a_message_that_is_too_deep_cannot_be_read() -> None:
    with pytest.raises(ProtocolError, match="recursion"):
        read(b'{"a":' * 100_000)


@pytest.mark.parametrize("line", ["{'id': '2'}", "{module} is loaded", "{", "[1, 2", '"{'])
def test_what_only_begins_a_bit_like_a_message_is_noise(line: str) -> None:
    assert read(line.encode()) is None


async def test_a_client_that_closes_its_stdout_is_not_waited_for() -> None:
    """It can answer no more, though it lives."""
    async with lasting("import os; os.close(1); sys.stdin.read()") as driver:
        with pytest.raises(Closed, match="closed its stdout, and runs on"):
            await driver.run(case(budget_ms=600_000))


async def test_a_program_of_one_case_may_close_its_stdout_when_it_has_answered() -> None:
    """Where it takes its time to end then, it has still broken nothing."""
    answer = 'import os, sys, time; print(\'{"outcome": "failed"}\', flush=True); os.close(1)'
    driver = PerCase((sys.executable, "-c", f"{answer}; sys.stdin.read(); time.sleep(1.5)"))
    assert await driver.run(case()) is not None
    assert await driver.release() is None


async def test_noise_is_told_when_the_time_is_over() -> None:
    async with lasting("print('no more cheese', flush=True); sys.stdin.read()") as driver:
        with pytest.raises(Late, match="no more cheese"):
            await driver.run(case(budget_ms=300))


async def test_a_client_that_dies_at_release_is_told() -> None:
    program = "say(id='2', type='result', outcome='failed'); sys.stdin.readline(); sys.exit(3)"
    async with lasting(program) as driver:
        await driver.run(case())
        with pytest.raises(Died, match="status 3"):
            await driver.release()


async def test_a_program_of_one_case_that_prints_nothing_has_not_crashed() -> None:
    driver = PerCase((sys.executable, "-c", "pass"))
    hello = await driver.hello()
    assert hello.timing.start_ms > 0
    with pytest.raises(Misspoke, match="no line with an outcome"):
        await driver.run(case())
    await driver.close()


def test_a_byte_order_mark_is_no_noise() -> None:
    assert read(b'\xef\xbb\xbf{"id":"1"}\n') == {"id": "1"}


def test_null_is_as_good_as_left_out() -> None:
    told = {"outcome": "failed", "job_id": None, "media": None, "error": {"kind": None}, "handled": None}
    assert convert(told, Result).media == ()
    assert convert({"timing": {"min_poll_ms": None}, "capabilities": None}, Hello) == Hello()


async def test_messages_that_nobody_waits_for_are_bounded_in_bytes() -> None:
    """Large ones are noise before there are many of them."""
    program = """
for _ in range(40): say(id="9", type="log", text="x" * 10**6)
"""
    hello = HELLO.replace("; sys.stdin.readline()\n", "\n")  # it does not wait until it is asked
    driver = Lasting((sys.executable, "-c", hello + program + "sys.stdin.read()"))
    try:
        await driver.hello()
        child = driver._child
        assert child is not None
        while len(child.noise) < 20:  # noqa: ASYNC110 (nothing tells of a line)
            await asyncio.sleep(0.001)
        assert child._waiting <= _WAITING_BYTES
        assert child._messages.qsize() < 20
    finally:
        await driver.close()


async def test_a_client_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "closed")
    monkeypatch.setenv("ITS_OWN_KEY", "open")
    program = (
        "import os; say(id='2', type='result', outcome='completed', "
        "job_id=os.environ.get('UNDERSTUDY_API_KEY', 'none') + ' and ' + os.environ['ITS_OWN_KEY']); "
        "sys.stdin.read()"
    )
    async with lasting(program) as driver:
        result = await driver.run(case())
    assert result is not None
    assert result.job_id == "none and open"
