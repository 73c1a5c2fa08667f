"""Connections that do not go through the proxy: providers are the gateway, --offline refuses the rest."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.installed import node, sdk
from tests.intercept.running import PYTHON, stand_in, understudy_run

pytestmark = pytest.mark.e2e

# Nobody has the addresses 198.51.100.0/24 and 203.0.113.0/24, nor 2001:db8::/32.
PYTHON_PROGRAM = """
import asyncio, http.server, json, os, socket, ssl, sys, threading
import httpx
sys.path.append(sys.argv[1])
import urllib3

def told(act, *given):
    try:
        return act(*given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

async def by_httpx(url):
    async with httpx.AsyncClient(trust_env=False, verify=ssl.create_default_context()) as client:
        return (await client.get(url)).status_code

async def by_streams(host, port):
    reader, writer = await asyncio.open_connection(host, port)

pool = urllib3.PoolManager()
def by_urllib3(url): return pool.request("GET", url, retries=False).status
def by_name(host, port): socket.socket().connect((host, port))
def by_status(host, port): return socket.socket().connect_ex((host, port)) != 0
def by_version_6(host, port): socket.socket(socket.AF_INET6).connect((host, port))
def by_path(place):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(place)
        server.listen()
        return client.connect(place)

here = f"http://localhost:{sys.argv[2]}/"
print(json.dumps({
    "provider": [
        told(by_urllib3, "https://api.segmind.com/v2/requests/one"),
        told(by_urllib3, "http://api.segmind.com/v2/requests/two"),
        told(asyncio.run, by_httpx("https://API.segmind.com/v2/requests/three")),
    ],
    "here": [told(by_urllib3, here), told(asyncio.run, by_httpx(here)), told(by_path, "line")],
    "refused": [
        told(by_urllib3, "https://urllib3.example/"),
        told(asyncio.run, by_streams("streams.example", 5432)),
        told(socket.create_connection, ("created.example", 6379)),
        told(by_name, "named.example", 81),
        told(by_name, "203.0.113.7", 80),
        told(by_version_6, "2001:db8::7", 80),
    ],
    "status": told(by_status, "203.0.113.8", 80),
}))
"""

NODE_PROGRAM = """
const [http, https, net, tls] = ['http', 'https', 'net', 'tls'].map(require);
const told = (act) => act().catch(({ cause, message }) => (cause || {}).message || message);
const get = (module, url, agent) => new Promise((done, failed) => {
  module.get(url, { agent }, (answer) => { answer.resume(); done(answer.statusCode); }).on('error', failed);
});
const opened = (connect) => new Promise((done, failed) => {
  const socket = connect(() => { socket.destroy(); done('open'); });
  socket.on('error', failed);
});
const [port] = process.argv.slice(2);
const deaf = new https.Agent({ lookup: (name, options, done) => done(new Error('asked for ' + name)) });
const unix = () => opened((done) => {
  const server = net.createServer((line) => { line.end(); server.close(); }).listen('line');
  return net.connect('line', done);
});
(async () => console.log(JSON.stringify({
  provider: [
    await told(async () => (await fetch('https://api.segmind.com/v2/requests/one')).status),
    await told(() => get(https, 'https://api.segmind.com/v2/requests/two', new https.Agent())),
    await told(() => get(https, 'https://api.segmind.com/v2/requests/three', deaf)),
    await told(() => get(http, 'http://api.segmind.com/v2/requests/four', new http.Agent())),
  ],
  here: [
    await told(() => get(http, `http://localhost:${port}/`, new http.Agent())),
    await told(() => opened((done) => net.connect(port, done))),
    await told(unix),
  ],
  led: await told(() => opened((done) => tls.connect(443, 'api.wavespeed.ai', done))),
  refused: [
    await told(() => get(https, 'https://agent.example/', new https.Agent())),
    await told(() => opened((done) => net.connect(6379, 'net.example', done))),
    await told(() => opened((done) => net.connect({ host: '203.0.113.7', port: 80 }, done))),
    await told(() => opened((done) => new net.Socket().connect({ host: '2001:db8::7', port: 80 }, done))),
    await told(() => opened((done) => tls.connect({ host: 'tls.example', port: 993 }, done))),
  ],
  fetched: await told(() => fetch('https://fetch.example/')),
})))();
"""

OFFLINE = ("--offline", "--journal-har", "journal.har")


def refused_by(summary: str) -> set[str]:
    """The places that the summary names as refused."""
    (line,) = [line for line in summary.splitlines() if "refused (--offline)" in line]
    return {entry.rpartition(" ×")[0] for entry in line.partition(": ")[2].split(", ")}


def run_offline(cwd: Path, *command: str) -> tuple[dict[str, Any], set[str]]:
    with stand_in() as other:
        done = understudy_run(cwd, *command, str(other.port), options=OFFLINE)
    assert done.returncode == 0, done.stderr.decode()
    entries = json.loads((cwd / "journal.har").read_bytes())["log"]["entries"]
    told: dict[str, Any] = json.loads(done.stdout)
    assert len(entries) == len(told["provider"])
    assert told["provider"] == [401] * len(entries)
    return told, refused_by(done.stderr.decode())


def test_a_python_program_without_proxy_reaches_providers_and_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PYTHON_PROGRAM, encoding="utf-8")
    told, named = run_offline(tmp_path, PYTHON, "program.py", str(sdk("wavespeed-2.0.5")))
    assert told["here"] == [200, 200, None]
    assert told["status"] is True
    places = ["urllib3.example:443", "streams.example:5432", "created.example:6379", "named.example:81"]
    assert named >= {*places, "203.0.113.7:80", "203.0.113.8:80"}
    for said, place in zip(told["refused"], [*places, "203.0.113.7:80", "[2001:db8::7]:80"], strict=True):
        assert f"understudy run --offline refuses {place}" in said
    assert len(named) == 7


def test_a_node_program_without_proxy_reaches_providers_and_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "program.cjs").write_text(NODE_PROGRAM, encoding="utf-8")
    told, named = run_offline(tmp_path, node(), "program.cjs")
    assert told["here"] == [200, "open", "open"]
    assert told["led"] == "open"
    places = [
        "agent.example:443",
        "net.example:6379",
        "203.0.113.7:80",
        "[2001:db8::7]:80",
        "tls.example:993",
    ]
    for said, place in zip(told["refused"], places, strict=True):
        assert said == f"connect ECONNREFUSED: understudy run --offline refuses {place}"
    assert named >= {"agent.example:443", "net.example:6379", "203.0.113.7:80", "tls.example:993"}
    # How fetch words it is another matter: a later Node goes to the proxy with it.
    assert isinstance(told["fetched"], str)
    assert "fetch.example:443" in named
    assert len(named) == 6


# -- what leaves without the proxy

PASSING = """
import socket, sys
sys.path.append(sys.argv[3])
import urllib3
host, port = sys.argv[1], int(sys.argv[2])
print(urllib3.PoolManager().request("GET", f"http://{host}:{port}/", retries=False).status)
try:
    socket.create_connection((host, 1))
except OSError as error:
    print(type(error).__name__)
"""
NODE_PASSING = """
const http = require('node:http');
const [host, port] = process.argv.slice(2);
const get = (place) => new Promise((done) => {
  const told = (answer) => { answer.resume(); done(answer.statusCode); };
  http.get(`http://${place}/`, { agent: new http.Agent() }, told).on('error', ({ code }) => done(code));
});
(async () => console.log(await get(`${host}:${port}`), await get(`${host}:1`)))();
"""


def own_address() -> str:
    """An address of this machine that others could reach."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.connect(("203.0.113.1", 9))  # nothing is sent
            address: str = line.getsockname()[0]
    except OSError as error:
        pytest.skip(f"this machine has no address but its loopback: {error}")
    return address


def test_connections_past_the_proxy_are_named_with_what_became_of_them(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PASSING, encoding="utf-8")
    (tmp_path / "program.cjs").write_text(NODE_PASSING, encoding="utf-8")
    host, others = own_address(), str(sdk("wavespeed-2.0.5"))
    with stand_in(host) as other:
        place = f"{host} {other.port}"
        both = f"'{PYTHON}' program.py {place} '{others}'; '{node()}' program.cjs {place}"
        done = understudy_run(tmp_path, "sh", "-c", both)
    assert done.stdout.decode().split() == ["200", "ConnectionRefusedError", "200", "ECONNREFUSED"], done
    told = done.stderr.decode()
    assert f"  calls that went elsewhere: {host}:{other.port} ×at least 2\n" in told
    assert f"{host}:1 (Connection refused) ×1" in told
    assert f"{host}:1 (ECONNREFUSED) ×1" in told


def test_a_program_that_outlives_the_run_connects_as_ever(tmp_path: Path) -> None:
    """What the preload wants to write to is gone then."""
    with stand_in(own_address()) as other:
        address = f"http://{other.server.server_address[0]!s}:{other.port}/"
        fetch = "import urllib.request as u; print(u.build_opener(u.ProxyHandler({})).open"
        script = f"rm \"$_UNDERSTUDY_NOTES\"; '{PYTHON}' -c \"{fetch}('{address}').status)\""
        done = understudy_run(tmp_path, "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, b"200\n"), done.stderr.decode()
    assert "elsewhere" not in done.stderr.decode()


# Never waits for an answer: a connection that is begun is not refused.
EXCEPTED = """
import errno, socket, sys
for name, port in [("198.51.100.7", 80), ("203.0.113.9", 8080), ("203.0.113.9", 80)]:
    line = socket.socket()
    line.setblocking(False)
    print(line.connect_ex((name, port)) == errno.ECONNREFUSED)
"""
NODE_EXCEPTED = """
for (const [host, port] of [['198.51.100.7', 80], ['203.0.113.9', 8080], ['203.0.113.9', 80]]) {
  const line = require('node:net').connect({ host, port });
  line.on('error', () => {});
  setImmediate(() => line.destroy());
}
"""


def test_what_no_proxy_names_is_left_alone_also_offline(tmp_path: Path) -> None:
    """Names, addresses, networks, and one port of a host."""
    (tmp_path / "program.cjs").write_text(NODE_EXCEPTED, encoding="utf-8")
    (tmp_path / "program.py").write_text(EXCEPTED, encoding="utf-8")
    both = f"'{PYTHON}' program.py; '{node()}' program.cjs"
    exceptions = "198.51.100.0/24,203.0.113.9:8080"
    done = understudy_run(tmp_path, "sh", "-c", both, options=("--offline",), NO_PROXY=exceptions)
    assert done.stdout.decode().split() == ["False", "False", "True"]
    assert "refused (--offline): 203.0.113.9:80 ×2\n" in done.stderr.decode()


# -- what else Python looks for when it starts

OWN = """
import sys
print("own")
mark = sys.argv
"""
LOOK = 'import sitecustomize as s; print(s.mark is not None, s.__file__.endswith("own/sitecustomize.py"))'
LOOK_IN_VAIN = """
import sys
known = (*sys.modules, *sys.path, *sys.path_importer_cache)
print([name for name in known if "sitecustomize" in name or "preload" in name])
try:
    import sitecustomize
except ImportError as error:
    print(error.name)
"""


def test_a_sitecustomize_of_the_programs_own_runs_once_and_is_the_one_that_it_imports(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text(OWN, encoding="utf-8")
    with_own = f"PYTHONPATH=$PYTHONPATH:own exec '{PYTHON}' -c '{LOOK}'"
    done = understudy_run(tmp_path, "sh", "-c", with_own)
    assert done.stdout.decode().splitlines() == ["own", "True True"], done.stderr.decode()


def test_without_one_there_is_no_trace_of_ours(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, PYTHON, "-c", LOOK_IN_VAIN)
    assert done.stdout.decode().splitlines() == ["[]", "sitecustomize"], done.stderr.decode()


UNSEEN = """
import urllib.error, urllib.request
try:
    urllib.request.urlopen("https://api.segmind.com/v2/requests/one", timeout=10)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def test_a_python_that_reads_no_variables_starts_as_ever(tmp_path: Path) -> None:
    """And reaches the gateway through the proxy."""
    (tmp_path / "program.py").write_text(UNSEEN, encoding="utf-8")
    each = f"for option in -S -E -I; do '{PYTHON}' $option program.py; done"
    done = understudy_run(tmp_path, "sh", "-c", each)
    assert done.stdout.decode().split() == ["401", "401", "401"]
    (first, *_) = done.stderr.decode().splitlines()
    assert first.startswith("understudy: 0 jobs, 3 calls")


REPLACED = """
import socket, urllib.request as u
print(u.proxy_bypass("api.segmind.com"), u.proxy_bypass("other.example"), "no" in u.getproxies())
ours = socket.getaddrinfo
socket.getaddrinfo = lambda *asked: ours(*asked)
print(u.proxy_bypass("api.segmind.com"), "segmind" in u.getproxies()["no"])
"""


def test_a_program_that_replaces_the_functions_of_socket_stays_behind_the_proxy(tmp_path: Path) -> None:
    """What does not come to us would reach the provider."""
    done = understudy_run(tmp_path, PYTHON, "-c", REPLACED)
    assert done.stdout.decode().split() == ["True", "False", "True", "False", "False"], done.stderr.decode()
