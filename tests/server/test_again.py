"""The commands of a finding make its calls again, in a shell."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.server.test_command import listening
from understudy_contracts.server.again import again, commands
from understudy_contracts.server.dialect import Dialect
from understudy_contracts.server.target import Target
from understudy_contracts.server.wire import Exchange, Http
from understudy_mock.wording import shipped

ACCEPTED = json.dumps({"request_id": "old-1", "status": "QUEUED", "polling_url": "http://x/old-1"}).encode()


def in_shell(script: str, **variables: str) -> None:
    """Run commands in a plain shell."""
    environment = {"PATH": "/usr/bin:/bin", "NO_PROXY": "*", **variables}
    subprocess.run(["sh", "-euc", script], check=True, capture_output=True, timeout=30, env=environment)


def test_a_jobs_life_is_followed_by_the_name_that_it_has_this_time() -> None:
    """The submit's answer gives the name that the polls ask for; the key is the reader's."""
    seen: list[tuple[str, str]] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        seen.append((method, path))
        return (202, {"request_id": "new-7", "status": "QUEUED"}) if method == "POST" else (200, {})

    with listening(answer) as url:
        headers = {"Authorization": "Bearer a-secret-key", "X-Webhook-URL": "http://127.0.0.1:4/callbacks/1"}
        submit = Exchange("POST", f"{url}/v1/run", headers, b'{"prompt": "it\'s $5"}', 202, {}, ACCEPTED)
        poll = Exchange("GET", f"{url}/v1/run/old-1", headers, b"", 200)
        script = commands(
            [submit, poll, poll],
            Dialect(shipped()["pixazo"]),
            base_url=url,
            key="a-secret-key",
            receivers="http://127.0.0.1:4",
        )
        in_shell(script, KEY="another-key")
    assert seen == [("POST", "/v1/run"), ("GET", "/v1/run/new-7")]
    assert "a-secret-key" not in script
    assert '-H "Authorization: Bearer $KEY"' in script
    assert "# KEY is" in script
    assert '-H "X-Webhook-URL: $RECEIVER"' in script
    assert "RECEIVER=http://127.0.0.1:9000/done  # start one" in script
    assert "callbacks/1" not in script
    assert script.count("curl -si") == 2


def test_a_poll_is_repeated_until_it_tells_what_it_told() -> None:
    """What was seen after the end is seen by one poll more; no state is read as a command."""
    states = iter(["QUEUED", "O'K", "QUEUED"])
    told: list[str] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            return 202, {"request_id": "new-7", "polling_url": "http://x/new-7"}
        told.append(next(states))
        return 200, {"request_id": "new-7", "status": told[-1]}

    with listening(answer) as url:
        submit = Exchange("POST", f"{url}/run", {}, b"{}", 202, {}, ACCEPTED)
        ended, moved = (
            Exchange("GET", f"{url}/run/old-1", {}, b"", 200, {}, json.dumps(fields).encode())
            for fields in (
                {"request_id": "old-1", "status": "O'K"},
                {"request_id": "old-1", "status": "QUEUED"},
            )
        )
        script = commands([submit, ended, moved], Dialect(shipped()["pixazo"]), base_url=url)
        in_shell(script.replace("sleep 1", "true"))
    assert told == ["QUEUED", "O'K", "QUEUED"]


def test_a_poll_is_made_as_often_after_the_end_as_the_fault_took() -> None:
    """A state that is left at the third poll after it is left at the third again."""
    polls: list[str] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            return 202, {"request_id": "new-7", "polling_url": "http://x/new-7"}
        polls.append(path)
        return 200, {"request_id": "new-7", "status": "COMPLETED"}

    with listening(answer) as url:
        submit = Exchange("POST", f"{url}/run", {}, b"{}", 202, {}, ACCEPTED)
        fields = [{"request_id": "old-1", "status": word} for word in [*["COMPLETED"] * 3, "QUEUED"]]
        after = [
            Exchange("GET", f"{url}/run/old-1", {}, b"", 200, {}, json.dumps(one).encode()) for one in fields
        ]
        in_shell(commands([submit, *after], Dialect(shipped()["pixazo"]), base_url=url))
    assert polls == ["/run/new-7"] * 4


def test_an_address_that_leads_to_another_job_is_taken_from_the_answer() -> None:
    """It is not the one of the run."""
    seen: list[str] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        seen.append(path)
        return 202, {"request_id": "new", "polling_url": f"{url}/run/other-new"}

    with listening(answer) as url:
        old = {"request_id": "mine-old", "polling_url": f"{url}/run/other-old"}
        submit = Exchange("POST", f"{url}/run", {}, b"{}", 202, {}, json.dumps(old).encode())
        poll = Exchange("GET", f"{url}/run/other-old", {}, b"", 404)
        in_shell(commands([submit, poll], Dialect(shipped()["pixazo"]), base_url=url))
    assert seen == ["/run", "/run/other-new"]


def test_a_generated_command_shows_headers_and_expands_the_key() -> None:
    """As do those of the checks; what the shell would read otherwise is left alone."""
    told = again(
        "curl -X POST -H 'x-api-key: secret-k' -d '{\"a\": 1}' http://h/p",
        base_url="http://h",
        key="secret-k",
    )
    assert told.splitlines()[-1] == ("""curl -si -X POST -H "x-api-key: $KEY" -d '{"a": 1}' http://h/p""")
    assert again("curl -d $'\\x01' http://h", base_url="http://h") == "curl -si -d $'\\x01' http://h"


def test_commands_at_an_app_in_process_say_so() -> None:
    """Nobody listens there until the reader serves it."""
    told = again("curl http://127.0.0.1:8080/p", base_url="http://127.0.0.1:8080", inside=True)
    assert told.startswith("# against the app in process")


def test_a_command_that_shows_headers_already_says_so_once() -> None:
    told = again("curl -si -X POST http://h/p", base_url="http://h")
    assert told == "curl -si -X POST http://h/p"


def test_a_short_key_is_named_where_it_stands_alone_and_text_is_left_as_it_is() -> None:
    """Every k of a text would be taken for the key k."""
    told = again(
        "curl -X POST -H 'x-api-key: k' -H 'Authorization: Bearer k' -d '{\"a\": \"k: k\"}' 'http://h/k?key=k&p=2'",
        base_url="http://h",
        key="k",
    )
    assert told.splitlines()[-1] == (
        'curl -si -X POST -H "x-api-key: $KEY" -H "Authorization: Bearer $KEY"'
        """ -d '{"a": "k: k"}' "http://h/k?key=$KEY&p=2\""""
    )
    target = Target(Http("http://127.0.0.1:1"), key="k", stranger=True)
    assert target.hide("the check broke at http://h/?key=k") == "the check broke at http://h/?key=$KEY"
    target.close()
