"""A program does under `run` what it does without: on a submit that is received, and whose answer is lost."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from tests.adapters.installed import sdk
from tests.e2e.processes import PATIENCE, clean_environment
from tests.intercept.running import PYTHON, understudy_run
from understudy_mock.app import create_app, create_world
from understudy_mock.intercept.authority import JAVA_PASSWORD, Authority
from understudy_mock.settings import Settings
from understudy_mock.web.server import Listening, bind, serving

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).with_name("submit_once.py"))
SCENARIO = "submit-reset-after-accept"
HOST = "https://gateway.pixazo.ai"
SUBMIT = f"{HOST}/hunyuan-video/v1/hunyuan-video-request"


def slow_program(*values: object) -> ParameterSet:
    """One that takes its time to start or to be compiled."""
    return pytest.param(*values, marks=pytest.mark.slow)


def under_run(folder: Path, *command: str, options: Sequence[str] = ()) -> tuple[str, Counter[str]]:
    """Run a program under it; give what it said, and its submits by key."""
    options = ("--scenario", SCENARIO, "--journal-har", "journal.har", *options)
    done = understudy_run(folder, *command, options=options)
    assert done.returncode == 0, done.stderr.decode()
    entries = json.loads((folder / "journal.har").read_bytes())["log"]["entries"]
    return done.stdout.decode(), Counter(entry["_understudy"]["account"] for entry in entries)


async def by_itself(folder: Path, *command: str) -> tuple[str, Counter[str]]:
    """Run it against a gateway that is nothing but a server on this machine that speaks TLS."""
    authority = Authority(["localhost"])
    trusted = folder / "trusted.pem"
    trusted.write_bytes(authority.certificate)
    world = create_world(Settings(scenario=SCENARIO, media="small"))
    tls = bind("127.0.0.1", 0)
    base = f"https://localhost:{tls.getsockname()[1]}"
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    authority.write_java_truststore(folder / "trust.p12", b"")
    java = {
        "javax.net.ssl.trustStore": folder / "trust.p12",
        "javax.net.ssl.trustStorePassword": JAVA_PASSWORD,
    }
    options = " ".join(f"-D{name}={value}" for name, value in java.items())
    variables = clean_environment(**dict.fromkeys(names, str(trusted)), JAVA_TOOL_OPTIONS=options)
    async with serving(
        create_app(world=world), bind("127.0.0.1", 0), Listening(tls, authority.server_context())
    ):
        done = await asyncio.to_thread(
            subprocess.run,
            [part.replace(HOST, base) for part in command],
            cwd=folder,
            env=variables,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), Counter(entry.account for entry in world.journal.since(0))


def aiohttp() -> str:
    return str(sdk("aiohttp-3.14.5"))


def test_every_client_of_python_that_submits_once_does_so_and_is_clean(tmp_path: Path) -> None:
    """Also those that ask for proxies, or open sockets in C. urllib3 meets no ProxyError."""
    said, submits = under_run(tmp_path, PYTHON, PROGRAM, HOST, aiohttp(), options=("--check", "--offline"))
    outcomes: dict[str, Any] = json.loads(said)
    assert len(outcomes) == len(submits) == 9
    assert set(submits.values()) == {1}
    assert all(isinstance(outcome, list) for outcome in outcomes.values()), outcomes  # an error, no answer
    assert "ProxyError" not in said
    assert "ProtocolError" in outcomes["requests"]


async def test_without_it_they_do_the_same(tmp_path: Path) -> None:
    """As much as Python's ssl tells: a reset may be an end to it."""
    said, submits = await by_itself(tmp_path, PYTHON, PROGRAM, HOST, aiohttp())
    assert len(json.loads(said)) == len(submits) == 9
    assert set(submits.values()) == {1}


GEVENT = """
import sys
sys.path.append(sys.argv[2])
from gevent import monkey
monkey.patch_all()
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
session = requests.Session()
session.mount("https://", HTTPAdapter(max_retries=Retry(total=3, connect=3, read=0, allowed_methods=None)))
try:
    key = {"Ocp-Apim-Subscription-Key": "any-key"}
    print(session.post(sys.argv[1], json={"prompt": "a cat"}, headers=key))
except requests.ConnectionError as error:
    print("ProxyError" in repr(error))
"""


@pytest.mark.slow  # as those above
def test_a_program_of_gevent_does_so_too(tmp_path: Path) -> None:
    folder = str(sdk("gevent-26.9.0"))
    said, submits = under_run(
        tmp_path, PYTHON, "-c", GEVENT, SUBMIT, folder, options=("--check", "--offline")
    )
    assert (said, list(submits.values())) == ("False\n", [1])


GO = """
package main
import ("fmt"; "net/http"; "os"; "strings")
func main() {
    asked, _ := http.NewRequest("POST", os.Args[1], strings.NewReader(`{"prompt": "a cat"}`))
    asked.Header.Set("Ocp-Apim-Subscription-Key", "any-key")
    asked.Header.Set("Content-Type", "application/json")
    answer, err := http.DefaultClient.Do(asked)
    if err != nil { fmt.Println("error"); return }
    fmt.Println(answer.StatusCode)
}
"""
RUBY = """
require 'net/http'
headers = {'Ocp-Apim-Subscription-Key' => 'any-key', 'Content-Type' => 'application/json'}
begin
  puts Net::HTTP.post(URI(ARGV[0]), '{"prompt": "a cat"}', headers).code
rescue SystemCallError, EOFError, OpenSSL::SSL::SSLError
  puts 'error'
end
"""
NODE = """
const [address] = process.argv.slice(2);
const headers = { 'Ocp-Apim-Subscription-Key': 'key-of-fetch', 'Content-Type': 'application/json' };
const body = JSON.stringify({ prompt: 'a cat' });
const asked = { method: 'POST', headers: { ...headers, 'Ocp-Apim-Subscription-Key': 'key-of-https' } };
const fetched = fetch(address, { method: 'POST', headers, body });
fetched.then(({ status }) => status, () => 'error').then((first) => {
  const told = (second) => console.log(first, second);
  const request = require('node:https').request(address, asked, ({ statusCode }) => told(statusCode));
  request.on('error', () => told('error'));
  request.end(body);
});
"""
# The first by the class of old, which submits again by itself; the second by the one since Java 11.
JAVA = """
import java.net.*;
import java.net.http.*;
public class Program {
    static String told(java.util.concurrent.Callable<Integer> act) {
        try { return "" + act.call(); } catch (Exception error) { return "error"; }
    }
    public static void main(String[] given) {
        String body = "{\\"prompt\\": \\"a cat\\"}", address = given[0];
        System.out.println(told(() -> {
            var line = (HttpURLConnection) new URL(address).openConnection();
            line.setDoOutput(true);
            line.setRequestProperty("Ocp-Apim-Subscription-Key", "key-of-old");
            line.setRequestProperty("Content-Type", "application/json");
            line.getOutputStream().write(body.getBytes());
            return line.getResponseCode();
        }) + " " + told(() -> {
            var asked = HttpRequest.newBuilder(URI.create(address)).header("Content-Type", "application/json")
                .header("Ocp-Apim-Subscription-Key", "key-of-new")
                .POST(HttpRequest.BodyPublishers.ofString(body)).build();
            var client = HttpClient.newHttpClient();
            return client.send(asked, HttpResponse.BodyHandlers.discarding()).statusCode();
        }));
    }
}
"""
CURL = """
curl -sS --retry 2 -o /dev/null -w '%{http_code}' "$1" -d '{"prompt": "a cat"}' \\
  -H 'Ocp-Apim-Subscription-Key: any-key' -H 'Content-Type: application/json' || echo ' error'
"""

PROGRAMS: dict[str, tuple[str, Sequence[str]]] = {
    "program.cjs": (NODE, ("node",)),
    "program.sh": (CURL, ("sh",)),
    "program.rb": (RUBY, ("ruby",)),
    "program.go": (GO, ("go", "run")),
    "Program.java": (JAVA, ("java",)),
}


@pytest.mark.parametrize(
    ("file", "said", "submits"),
    [
        ("program.cjs", "error error", [1, 1]),
        ("program.sh", "000 error", [1]),
        slow_program("program.rb", "error", [1]),
        slow_program("program.go", "error", [1]),
        slow_program("Program.java", "202 error", [2, 1]),
    ],
)
async def test_other_languages_do_the_same_through_the_proxy_or_past_it(
    tmp_path: Path, file: str, said: str, submits: list[int]
) -> None:
    """Java's older client submits again by itself, with and without: that is its user's to know."""
    text, command = PROGRAMS[file]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / file).write_text(text, encoding="utf-8")
    whole = (*command, file, SUBMIT)
    for spoken, counted in (await by_itself(tmp_path, *whole), under_run(tmp_path, *whole)):
        assert spoken.strip() == said
        assert sorted(counted.values(), reverse=True) == submits
