"""A project of somebody else's that has installed Understudy: its tests, run as its people run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import run

EXAMPLE = Path(__file__).parents[2] / "fixtures/recordings/three-providers.har"

pytestmark = pytest.mark.e2e

CLIENT = """
import httpx

http = httpx.Client()  # one for all: each would read the certificates of the world again

def submit(base, key, prompt, **headers):
    answer = http.post(f"{base}/hunyuan-video/v1/hunyuan-video-request", json={"prompt": prompt},
                        headers={"Ocp-Apim-Subscription-Key": key, **headers})
    answer.raise_for_status()
    return answer.json()

def wait(told, key):
    while True:
        now = http.get(told["polling_url"], headers={"Ocp-Apim-Subscription-Key": key}).json()
        if now["status"] not in ("QUEUED", "PROCESSING"):
            return now
"""

CROWD = """
import asyncio
import pytest
from client import submit, wait

@pytest.fixture(scope="session")
def understudy_settings():
    from understudy_mock import Settings
    return Settings(speed=100_000, allow_http_webhooks=True, media="small")

def alone(understudy, told):
    assert [job["id"] for job in understudy.jobs] == [told["request_id"]]
    assert {entry.job for entry in understudy.journal} == {told["request_id"]}

@pytest.mark.parametrize("number", range(25))
def test_sync(understudy, number):
    told = submit(understudy.url("pixazo"), understudy.key, f"cat {number}")
    assert wait(told, understudy.key)["status"] == "COMPLETED"
    alone(understudy, told)

@pytest.mark.parametrize("number", range(25))
def test_async(understudy, number):
    async def talk():
        told = await asyncio.to_thread(
            submit, understudy.url(), understudy.key, f"dog {number}",
            **{"X-Webhook-URL": understudy.webhook_url})
        came = await asyncio.to_thread(understudy.wait_for_webhooks)
        assert [one.told["request_id"] for one in came] == [told["request_id"]]
        return told
    alone(understudy, asyncio.run(talk()))
"""

FAILING = """
import pytest
from client import submit

@pytest.mark.scenario("insufficient-balance")
def test_pays(understudy):
    for _ in range(2):
        try:
            submit(understudy.url(), understudy.key, "a cat")
        except Exception:
            pass
    understudy.assert_conforms()

def test_does_not_ask():
    assert True
"""


def test_fifty_tests_on_four_workers_do_not_meet(tmp_path: Path) -> None:
    """Under pytest-xdist each test sees its own jobs, calls and callbacks alone."""
    ran = _pytest(tmp_path, CROWD, "-n", "4", "-W", "error")
    assert "50 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_failing_test_prints_the_conversation(tmp_path: Path) -> None:
    """Who said what, when, and which rule it broke; never the key."""
    ran = _pytest(tmp_path, FAILING, "-v")
    assert ran.returncode == 1
    assert "Understudy: what was said" in ran.stdout
    said = ran.stdout.partition("Understudy: what was said")[2]
    assert re.search(r"client +submits hunyuan-video", said)
    assert re.search(r"provider +402", said)
    assert "MUST retried-insufficient-balance" in said
    assert not re.search(r"SG_[0-9a-f]{16}", ran.stdout)


AROUND = """
import httpx
import pytest

def call(understudy, path="/v2/requests/status/asked-1"):
    httpx.post(understudy.url() + path, json={"prompt": "x"},
        headers={"Ocp-Apim-Subscription-Key": understudy.key})

@pytest.fixture
def conforming(understudy):
    yield understudy
    understudy.assert_conforms()

@pytest.fixture
def prepared(understudy):
    call(understudy, "/v2/requests/status/early-1")
    raise RuntimeError("cannot prepare")

def test_breaks_a_rule(conforming):
    call(conforming)

def test_is_never_reached(prepared):
    pass

@pytest.mark.understudy(pace="manual")
def test_breaks_a_rule_alone(conforming):
    call(conforming)

def test_fails_twice(conforming):
    call(conforming, "/v2/requests/status/twice-1")
    raise RuntimeError("failed")
"""


def test_what_was_said_is_printed_when_a_fixture_fails(tmp_path: Path) -> None:
    """Before the test or after it, and not twice for one that has failed already."""
    said = _pytest(tmp_path, AROUND).stdout
    assert "1 failed, 2 passed, 4 errors" in said, said
    assert said.count("Understudy: what was said") == 4
    for title in ("teardown of test_breaks_a_rule", "teardown of test_breaks_a_rule_alone"):
        part = said.partition(f"ERROR at {title} __")[2].partition("\n____")[0]
        assert "MUST undocumented-route: no document has POST /v2/requests/status/asked-1" in part
    assert (
        "calls POST /v2/requests/status/early-1"
        in said.partition("ERROR at setup of test_is_never_reached")[2]
    )
    assert not re.search(r"SG_[0-9a-f]{16}", said)


def test_who_does_not_ask_pays_nothing(tmp_path: Path) -> None:
    """Without a test that uses the fixture, nothing of the gateway is imported."""
    code = (
        "import sys\n"
        "def test_nothing():\n"
        "    assert 'understudy_contracts.pytest_plugin' in sys.modules\n"
        "    assert not {'understudy_mock', 'starlette', 'uvicorn'} & set(sys.modules)\n"
    )
    ran = _pytest(tmp_path, code)
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_setting_that_does_not_exist_is_told(tmp_path: Path) -> None:
    """@pytest.mark.understudy with a wrong name ends in one clear line."""
    code = "import pytest\n@pytest.mark.understudy(pase='manual')\ndef test_wrong(understudy):\n    pass\n"
    ran = _pytest(tmp_path, code)
    assert ran.returncode != 0
    assert "pase" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


WRONG = [
    ("understudy(pace='sideways')", "is not one of 'clock', 'polls', 'manual'"),
    ("understudy(quirks=('nope',))", "is not one of 'submit-200'"),
    ("understudy(quirks='nope')", "must be a tuple or a list"),
    ("understudy(speed=-5)", "speed=-5"),
    ("understudy(speed=float('nan'))", "not a finite number"),
    ("understudy(journal=2.5)", "must be a whole number"),
    ("understudy(rate_limit='often')", "rate_limit='often'"),
    ("understudy(scenario='no-such')", "no-such"),
    ("understudy('manual')", "takes fields by name"),
    ("understudy(pase='manual')", "known: scenario, speed, pace"),
    ("scenario()", "takes one scenario"),
    ("scenario('fails', 'completes')", "takes one scenario"),
    ("scenario('no-such')", "no scenario and no file is called 'no-such'"),
    ("scenario('broken.yaml')", "broken.yaml: /submit: Expected"),
    ("scenario(3)", "a scenario is a name, a file, a mapping"),
    ("scenario({'submit': 3})", "/scenario/submit: Expected"),
]


def test_a_marker_that_is_wrong_is_told(tmp_path: Path) -> None:
    """In one line that names the marker and what is known, as the command line would."""
    code = "import pytest\n" + "".join(
        f"@pytest.mark.{marker}\ndef test_{number}(understudy):\n    pass\n"
        for number, (marker, _) in enumerate(WRONG)
    )
    (tmp_path / "broken.yaml").write_text("name: x\nsubmit: 3\n")
    said = _pytest(tmp_path, code).stdout
    errors = [line for line in said.partition("= ERRORS =")[2].splitlines() if not line.startswith("=")]
    titles, lines = errors[0 : 2 * len(WRONG) : 2], errors[1 : 2 * len(WRONG) : 2]
    for title, line, (marker, told) in zip(titles, lines, WRONG, strict=True):
        assert "ERROR at setup of test_" in title
        assert line.startswith(f"@pytest.mark.{marker.partition('(')[0]}")
        assert told in line


UNUSED = """
import pytest

@pytest.mark.scenario("fails")
def test_has_no_fixture():
    pass

@pytest.mark.understudy(pace="manual")
def test_has_no_fixture_either():
    pass

@pytest.mark.scenario("fails")
@pytest.mark.usefixtures("understudy")
def test_uses_it():
    pass

@pytest.fixture
def mine(understudy):
    return understudy

@pytest.mark.scenario("fails")
def test_uses_it_by_another(mine):
    pass

@pytest.mark.scenario("fails")
def test_asks_for_it(request):
    request.getfixturevalue("understudy")

@pytest.mark.scenario("fails")
class TestTogether:
    def test_with(self, understudy):
        pass

    def test_without(self):
        pass
"""


def test_a_marker_that_does_nothing_is_told(tmp_path: Path) -> None:
    """A test that carries one of its own and never uses the fixture fails, in one line."""
    said = _pytest(tmp_path, UNUSED).stdout
    assert "2 failed, 5 passed" in said, said
    for marker in ("scenario", "understudy"):
        assert f"\n@pytest.mark.{marker} does nothing here: the test does not use understudy\n" in said


def test_a_marker_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """A project may have had a marker called scenario before."""
    code = "import pytest\n@pytest.mark.scenario('theirs')\ndef test_theirs():\n    pass\n"
    said = _pytest(tmp_path, code, "-o", "markers=scenario: of a story").stdout
    assert "1 passed" in said, said


def test_settings_that_are_wrong_are_told(tmp_path: Path) -> None:
    """Those of the session's gateway are held to the same, and may lock no test out."""
    for settings, told in (("speed=-5", "speed=-5"), ("api_keys=('k',)", "api_keys would refuse")):
        code = (
            "import pytest\nfrom understudy_mock import Settings\n"
            "@pytest.fixture(scope='session')\n"
            f"def understudy_settings():\n    return Settings({settings})\n"
            "def test_wrong(understudy):\n    pass\n"
        )
        ran = _pytest(tmp_path, code)
        assert "the fixture understudy_settings: " in ran.stdout
        assert told in ran.stdout


def test_a_project_can_replay_a_recording(tmp_path: Path) -> None:
    """--understudy-replay plays the file to every test; one that cannot be used is one line."""
    code = (
        "import pytest, httpx\n"
        "def test_what_was_not_recorded(understudy):\n"
        "    httpx.post(understudy.url() + '/hunyuan-video/v1/hunyuan-video-request', json={'prompt': 'x'},\n"
        "        headers={'Ocp-Apim-Subscription-Key': understudy.key})\n"
        "    with pytest.raises(AssertionError, match='not in the recording'):\n"
        "        understudy.assert_conforms()\n"
    )
    ran = _pytest(tmp_path, code, "--understudy-replay", str(EXAMPLE))
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
    ran = _pytest(tmp_path, code, "--understudy-replay", "none.har")
    assert ran.returncode == 4
    assert "--understudy-replay: none.har: there is no such file" in ran.stderr
    ran = _pytest(tmp_path, code, "--understudy-replay", ".")
    assert "--understudy-replay: .: is a directory; a recording is a HAR file" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


MISSING = """
import httpx
import pytest

def call(understudy):
    httpx.post(understudy.url() + "/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "x"},
        headers={"Ocp-Apim-Subscription-Key": understudy.key})

def test_passes_by_itself(understudy):
    call(understudy)

def test_looks(understudy):
    call(understudy)
    assert len(understudy.misses) == 1
    assert [finding.id for finding in understudy.findings()] == ["not-recorded"]

@pytest.mark.scenario("fails")
def test_wishes(understudy):
    pass
"""


def test_a_call_that_was_not_recorded_fails_the_test_that_does_not_look(tmp_path: Path) -> None:
    """At its end, with the nearest recording; a scenario has no meaning there and is refused in a line."""
    ran = _pytest(tmp_path, MISSING, "--understudy-replay", str(EXAMPLE))
    assert ran.returncode == 1
    assert "2 passed, 2 errors" in ran.stdout, ran.stdout + ran.stderr
    assert "ERROR at teardown of test_passes_by_itself" in ran.stdout
    assert "nearest is entry" in ran.stdout
    said = ran.stdout.partition("Understudy: what was said")[2]
    assert re.search(r"client +submits hunyuan-video", said)
    assert "@pytest.mark.scenario: /scenario: a replay takes its course from the recording" in ran.stdout
    assert "httpx.Client" not in ran.stdout


def _pytest(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "client.py").write_text(CLIENT)
    (folder / "test_theirs.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    # Schemathesis' own plugin has no part in this, and takes half of each start.
    without = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    return run([sys.executable, "-m", "pytest", *without, *options], folder)
