"""The command line of `understudy check server`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from click.testing import CliRunner, Result

from tests.e2e.processes import serving
from understudy_contracts import check as lazy
from understudy_contracts.server import command, modes
from understudy_contracts.server.run import Run
from understudy_mock.cli import main

BRIEF = ["--provider", "wavespeed", "--seed", "7", "--examples", "2"]
BRIEFER = [*BRIEF, "--operation", "submit-hunyuan-video-i2v"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "server", *arguments], catch_exceptions=False)


@contextmanager
def listening(answer: Any) -> Iterator[str]:
    """A server whose `answer` is given (method, path, body) and returns status, JSON and maybe headers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body go out in two writes

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, told, *headers = answer(self.command, self.path, body)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in (pair for more in headers for pair in more.items()):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of an `answer` that raises: it means to close the connection."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_gateway_is_clean_and_the_reports_say_so(tmp_path: Path) -> None:
    """Exit 0, a coverage line, and both reports with every case in them."""
    result = run(*BRIEFER, "--report-dir", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "coverage: " in result.output
    assert "--seed 7 repeats this run" in result.output
    told = json.loads((tmp_path / "server.json").read_text())
    assert told["facts"]["seed"] == 7
    assert told["facts"]["coverage"]["missing"] == []
    assert {case["outcome"] for case in told["cases"]} <= {"passed", "not reached"}
    suites = ElementTree.parse(tmp_path / "server.xml").getroot()
    assert sum(int(suite.attrib["tests"]) for suite in suites) == len(told["cases"])
    _each_promise_has_the_calls_that_it_rests_on(tmp_path, told["cases"])
    short, coverage = told["tables"]
    page = (tmp_path / "server.html").read_text()
    said = suites.findtext("testsuite/system-out") or ""
    assert [row[0] for row in short["rows"]][:2] == ["lifecycle", "answers"]
    for row in short["rows"]:
        assert row[1] in page
        assert row[1] in said
        assert row[1] in result.output
    assert coverage["note"].lower().rstrip(".") in result.output
    assert coverage["note"] in page
    assert all(row[2] == "nothing" for row in coverage["rows"])


def _each_promise_has_the_calls_that_it_rests_on(folder: Path, cases: list[dict[str, Any]]) -> None:
    """One that followed no job of its own has the calls of the check that followed it."""
    promises = [case for case in cases if not case["name"].startswith("generated: ")]
    assert [case["name"] for case in promises if case["outcome"] == "passed" and not case["journal"]] == []
    for name in ("job-completes", "terminal-absorbs", "callback-not-early"):
        journal = next(case["journal"] for case in promises if case["name"] == name)
        calls = [one["request"] for one in json.loads((folder / journal).read_text())["log"]["entries"]]
        assert [call["method"] for call in calls[:2]] == ["POST", "GET"]
        assert "/predictions/" in calls[-1]["url"]


def test_equal_seeds_make_equal_runs(tmp_path: Path) -> None:
    """The same calls are answered the same, so the coverage counts are the same."""
    seen = []
    for name in ("one", "two"):
        run(*BRIEFER, "--report-dir", str(tmp_path / name))
        told = json.loads((tmp_path / name / "server.json").read_text())
        operations = told["facts"]["coverage"]["operations"]
        seen.append([{s: n for s, n in one["seen"].items() if s != "200"} for one in operations])
    assert seen[0] == seen[1]


def test_a_server_that_answers_anything_breaks_promises_and_reaches_few(tmp_path: Path) -> None:
    """Exit 1, with commands to see it again; what a stranger cannot be made to do is not reached.

    The report holds a journal for each broken promise, and the key nowhere, not even as the server says it.
    """
    key = "a-secret-key-of-mine"
    with listening(lambda *call: (200, {"id": 1, "you": key})) as url:
        result = run(url, *BRIEFER, "--key", key, "--report-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "submit-needs-key" in result.output
    assert f"curl -si -X POST {url}/api/v3/" in result.output
    assert "not reached: this server cannot be made to do it: it is not an Understudy" in result.output
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in written} == {".html", ".json", ".xml", ".har"}
    assert [file for file in written if key in file.read_text()] == []
    assert key not in result.output
    assert "submits " in (tmp_path / "server.html").read_text()


def test_an_understudy_at_a_url_is_forced_through_its_admin_api(tmp_path: Path) -> None:
    """Over HTTP the promises hold as they do in this process, those about callbacks among them."""
    with serving(tmp_path, "--speed", "300", "--media", "small") as gateway:
        result = run(gateway.url, *BRIEFER)
    assert result.exit_code == 0, result.output
    assert "an Understudy" in result.output
    assert "webhooks   kept (5 of 5" in result.output  # without a flag: the receiver is an inbox


def test_a_key_of_an_understudy_is_used_and_its_account_left_as_it_was(tmp_path: Path) -> None:
    """Whatever was forced upon it in between."""
    only = ["--operation", "submit-hunyuan-video-i2v", "--key", "a-key-of-mine"]
    options = ("--speed", "300", "--media", "small", "--balance", "7")
    with serving(tmp_path, *options) as gateway:
        result = run(gateway.url, *BRIEF, *only)
        account = httpx.get(f"{gateway.url}/_mock/accounts/a-key-of-mine", trust_env=False).json()
    assert result.exit_code == 0, result.output
    assert account["balance_usd"] == 7


def test_half_a_character_in_an_answer_ends_no_run(tmp_path: Path) -> None:
    """JSON can hold it and no file can: it is told by its escape, in all reports."""
    told = "half a character: \ud800"
    only = ["--operation", "submit-hunyuan-video-i2v", "--examples", "1"]
    answer = {"code": 200, "message": "ok", "data": {"id": told, "status": told, "outputs": told}}
    with listening(lambda *call: (200, answer)) as url:
        result = run(url, *BRIEF, *only, "--report-dir", str(tmp_path))
    assert result.exit_code == 1, result.output
    assert {"server.html", "server.json", "server.xml"} <= {file.name for file in tmp_path.iterdir()}


def test_a_submit_that_hangs_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked before the checks is given up soon; the others are checked."""
    monkeypatch.setattr(modes, "_PATIENCE", 0.2)
    released, submits = Event(), []

    def hangs(method: str, path: str, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            submits.append(path)
        if submits == [path]:
            released.wait(5)
        return 302, {}

    with listening(hangs) as url:
        result = run(url, *BRIEF)
        released.set()
    assert "nothing answers" not in result.output
    assert len(set(submits)) > 1


def test_a_server_that_is_not_there_cannot_be_checked() -> None:
    """Exit 2, in one line."""
    result = run("http://127.0.0.1:1", *BRIEF)
    assert result.exit_code == 2
    assert "nothing answers" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--provider", "nobody"], "known are"),
        (["--live"], "set a limit with --max-spend"),
        (["http://127.0.0.1:1", "--max-spend", "1"], "--max-spend goes with --live"),
        (["--live", "--max-spend", "1", "--provider", "pixazo", "--key", ""], "--key is empty"),
        (["--operation", "submit-nothing"], "no submit; known are submit-hunyuan-image-3-0-instruct"),
        (["--live", "--max-spend", "1"], "--provider P and --key K"),
        (["https://gateway.pixazo.ai"], "--live"),
        (["https://gateway.pixazo.ai./"], "--live"),
        (["http://127.0.0.1:1", "--key", "clé"], "no header can carry"),
        (["--receiver", "http://127.0.0.1:1/done", "--provider", "pixazo", "--key", "k"], "need none"),
        (["http://127.0.0.1:1", "--pace", "polls"], "--pace"),
        (["http://127.0.0.1:1", "--receiver", "http://127.0.0.1:2"], "--receiver"),
        (["--receiver", "http://127.0.0.1:1/done"], "--provider P"),
        (["--receiver", "foo", "--provider", "pixazo"], "give an http:// or https:// URL"),
        (
            ["--receiver", "http://127.0.0.1:1/done", "--provider", "pixazo"],
            "nothing answers at the",
        ),
        (["127.0.0.1:4010"], "give an http:// or https:// URL"),
        (["ftp://127.0.0.1"], "give an http:// or https:// URL"),
        (["http://127.0.0.1:4010x"], "no URL"),
        (["http://127.0.0.1:1/?a=b"], "base URL"),
        (["--receiver", "http://127.0.0.1:1/done", "--provider", "segmind"], "no callbacks"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: list[str], said: str) -> None:
    """Exit 2, and the message says what is missing."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_live_submits_nothing_that_it_may_not_pay(tmp_path: Path) -> None:
    """With nothing to spend no job is made; the key is nowhere in what is printed. See test_live, too."""
    arguments = ["--provider", "pixazo", "--key", "secret-key", "--max-spend", "0", "--seed", "1"]
    with serving(tmp_path, "--media", "small") as gateway:
        result = run(gateway.url, "--live", *arguments)
        jobs = httpx.get(f"{gateway.url}/_mock/jobs", trust_env=False).json()["jobs"]
    assert jobs == []
    assert "0 of 0 are left" in result.output
    assert "secret-key" not in result.output
    assert result.exit_code == 2, result.output
    assert "nothing could be checked: a submit costs" in result.output
    assert "allow more with --max-spend" in result.output


def test_a_live_run_that_was_refused_says_so() -> None:
    """Exit 2, with the provider's answer: more money would change nothing."""
    with listening(lambda *call: (404, {})) as url:
        result = run(url, "--live", "--provider", "pixazo", "--key", "secret-key", "--max-spend", "9")
    assert result.exit_code == 2, result.output
    assert "nothing could be checked: the submit was answered 404" in result.output
    assert "--max-spend" not in result.output
    assert "nothing was spent" in result.output


def test_a_server_that_never_answers_is_given_up_after_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, and what is waited for is said before."""
    monkeypatch.setattr(modes, "_PATIENCE", 0.1)
    released, calls = Event(), []

    def silent(method: str, path: str, body: bytes) -> tuple[int, Any]:
        calls.append(path)
        released.wait(5)
        return 200, {}

    with listening(silent) as url:
        result = run(url, *BRIEF)
        released.set()
    assert result.exit_code == 2
    assert calls == ["/"]
    assert f"asking whether {url} answers" in result.output
    assert "nothing answers: GET " in result.output
    assert "took longer than 0.1 s" in result.output


def test_what_is_not_served_is_not_called_at_length(tmp_path: Path) -> None:
    """A server that redirects everything is followed nowhere, and no calls are made up for it."""
    calls: list[str] = []

    def redirects(method: str, path: str, body: bytes) -> tuple[int, Any]:
        calls.append(path)
        return 302, {}

    with listening(redirects) as url:
        result = run(url, "--provider", "pixazo", "--operation", "submit-hunyuan-video", "--seed", "7")
    assert len(calls) < 60
    assert "not reached: it is not served: good calls are answered 302, which" in result.output
    assert "not reached: it is not served: no job is made that it could tell of" in result.output
    assert result.exit_code == 2
    assert "nothing could be checked: " in result.output


def test_operations_can_be_chosen(tmp_path: Path) -> None:
    """Promises, generated calls and coverage are of these submits and what tells of their jobs alone."""
    wanted = ["--provider", "pixazo", "--operation", "*video-image-to-video", "--operation", "*-i2v"]
    result = run(*wanted, "--seed", "7", "--examples", "1", "--report-dir", str(tmp_path))
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "server.json").read_text())
    assert [one["operation"] for one in told["facts"]["coverage"]["operations"]] == [
        "submit-hunyuan-video-image-to-video",
        "get-result-hunyuan-video-image-to-video",
        "submit-pixverse-i2v",
        "get-request-status",
    ]
    assert told["facts"]["coverage"]["missing"] == []
    assert {case["group"] for case in told["cases"] if case["name"] == "media"} == {
        "pixazo submit-hunyuan-video-image-to-video",
        "pixazo submit-pixverse-i2v",
    }


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    """It would stand in reports."""
    for arguments in (["http://me:hidden@127.0.0.1:1"], ["--receiver", "http://me:hidden@127.0.0.1:1"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "hidden" not in result.output


def test_a_wrong_prefix_is_asked_about() -> None:
    """Exit 2 for a server that knows no submit, in place of a page of findings."""
    with listening(lambda *call: (404, {})) as url:
        result = run(f"{url}/elsewhere", *BRIEF)
    assert result.exit_code == 2
    assert "is this the base URL?" in result.output


def test_a_server_that_takes_no_made_up_key_is_asked_for_one() -> None:
    """Exit 2: nothing could be tried, so nothing is called clean or broken."""
    with listening(lambda *call: (401, {})) as url:
        result = run(url, *BRIEF)
    assert result.exit_code == 2
    assert "give a key that it knows with --key" in result.output


@pytest.mark.slow
def test_what_a_made_up_key_cannot_show_is_no_finding() -> None:
    """Any made-up key being taken, or a method unknown with 501, says nothing; no key at all does."""

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        return (200, {}) if method in ("GET", "POST") else (501, {})

    with listening(answer) as url:
        result = run(url, *BRIEF)
    assert "API accepts invalid authentication" not in result.output
    assert "API accepts requests without authentication" in result.output
    assert "returned 501" not in result.output
    assert "give a real one with --key" in result.output
    assert "No examples in schema" not in result.output
    told = result.output.partition("  not seen, provoked, but the server answered 200:\n")[2]
    assert "404" in told.partition("  not seen")[0]
    short = result.output.partition("in short:")[2]
    assert "generated  NOT KEPT" in short


def test_a_check_that_is_interrupted_at_once_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it needs takes seconds to import."""

    def interrupted(module: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(lazy, "import_module", interrupted)
    assert "interrupted before anything was checked" in CliRunner().invoke(lazy.check, ["server"]).output


@pytest.mark.parametrize("phase", ["promises", "generated"])
def test_an_interrupted_run_never_looks_whole(tmp_path: Path, phase: str) -> None:
    """Ctrl-C ends with 130; what did not run is not reached, and every report says "interrupted"."""
    said: list[str] = []
    struck: list[str] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        generating = any("examples" in text.lower() for text in said)
        begun = any("promises" in text for text in said)
        if begun and not struck and generating is (phase == "generated"):
            struck.append(path)
            os.kill(os.getpid(), signal.SIGINT)
        return 422, {}

    with listening(answer) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "progress", lambda self, text: said.append(text))
        patch.setattr(command, "leave", sys.exit)  # this process stays
        result = run(url, *BRIEF, "--report-dir", str(tmp_path))
    assert result.exit_code == 130, result.output
    assert "(interrupted)" in result.output.splitlines()[0]
    report = json.loads((tmp_path / "server.json").read_text())
    assert report["facts"]["interrupted"] is True
    cut = {case["name"] for case in report["cases"] if case["reason"] == "interrupted"}
    assert {"generated: stateful", "generated: fuzzing"} <= cut
    assert ("media" in cut) is (phase == "promises")
    assert "not reached: interrupted" in (tmp_path / "server.xml").read_text()
    assert "interrupted" in (tmp_path / "server.html").read_text()
