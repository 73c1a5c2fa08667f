"""`understudy run`: status, streams and signals are the child's, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.adapters.installed import node
from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment, process
from tests.intercept.running import PYTHON, QUICK, slow, stand_in, understudy_run

pytestmark = pytest.mark.e2e

# The loopback is in NO_PROXY; a stand-in there is reached as a host elsewhere would be: through the proxy.
ELSEWHERE = """
import http.client, os, sys
from urllib.parse import urlsplit
proxy, port = urlsplit(os.environ["HTTPS_PROXY"]), int(sys.argv[1])
line = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=10)
line.request("GET", f"http://127.0.0.1:{port}/plain")
answer = line.getresponse()
print(answer.status, answer.read().decode().strip())
line.close()
line = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=10)
line.set_tunnel("127.0.0.1", port)
try:
    line.request("GET", "/tunnel")
    answer = line.getresponse()
    print(answer.status, answer.read().decode().strip())
except OSError as error:
    print(error)
"""

# -- other hosts


def test_calls_to_other_hosts_pass_through_and_are_named(tmp_path: Path) -> None:
    with stand_in() as other:
        done = understudy_run(tmp_path, PYTHON, "-c", ELSEWHERE, str(other.port))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == ["200 hello", "200 hello"]
    assert other.asked == ["/plain", "/tunnel"]
    assert f"calls that went elsewhere: 127.0.0.1:{other.port} ×2" in done.stderr.decode()


def test_offline_calls_to_other_hosts_are_refused_and_named(tmp_path: Path) -> None:
    with stand_in() as other:
        done = understudy_run(tmp_path, PYTHON, "-c", ELSEWHERE, str(other.port), options=("--offline",))
    plain, tunnel = done.stdout.decode().splitlines()
    assert plain == f"403 understudy run --offline refuses 127.0.0.1:{other.port}"
    assert "403" in tunnel
    assert other.asked == []
    assert f"calls refused (--offline): 127.0.0.1:{other.port} ×2" in done.stderr.decode()


# -- the child is itself


@pytest.mark.parametrize("status", [3, slow(0), slow(255)])
def test_the_exit_status_is_the_childs(tmp_path: Path, status: int) -> None:
    assert understudy_run(tmp_path, "sh", "-c", f"exit {status}").returncode == status


def test_a_signal_that_ends_the_child_is_told_as_128_and_its_number(tmp_path: Path) -> None:
    assert understudy_run(tmp_path, "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGQUIT, slow(signal.SIGINT)])
def test_what_people_end_programs_with_ends_it_as_well(tmp_path: Path, number: int) -> None:
    """After its summary and with nothing left; no core is dumped."""
    done = understudy_run(tmp_path, "sh", "-c", f"kill -{int(number)} $$", TMPDIR=str(tmp_path))
    assert done.returncode == -number
    assert "understudy: 0 jobs" in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_bytes_go_in_and_out_untouched(tmp_path: Path) -> None:
    everything = bytes(range(256)) * 1000
    done = understudy_run(tmp_path, "sh", "-c", "cat; echo to-stderr >&2", stdin=everything)
    assert done.stdout == everything
    told = done.stderr.decode().splitlines()
    assert told[0] == "to-stderr"
    assert told[1].startswith("understudy: 0 jobs, 0 calls, ")


@pytest.mark.parametrize("number", [signal.SIGHUP, slow(signal.SIGTERM), slow(signal.SIGUSR1)])
def test_a_signal_to_it_reaches_the_child(tmp_path: Path, number: int) -> None:
    catcher = f"trap 'echo caught; exit 7' {int(number)}; echo ready; while :; do sleep 0.05; done"
    command = [UNDERSTUDY, "run", *QUICK, "--", "sh", "-c", catcher]
    with process(command, tmp_path, stderr=subprocess.DEVNULL) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        started.send_signal(number)
        rest, _ = started.communicate(timeout=PATIENCE)
    assert (rest, started.returncode) == ("caught\n", 7)


def test_a_command_that_cannot_be_started_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "./nothing-here")
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("Error: ./nothing-here cannot be started: ")


def test_an_empty_command_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "")
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, line.startswith("Error: COMMAND is empty: ")) == (2, True)


@pytest.mark.parametrize(
    ("script", "status"), [("true", 2), pytest.param("exit 3", 3, marks=pytest.mark.slow)]
)
def test_a_check_of_nothing_is_no_clean_one(tmp_path: Path, script: str, status: int) -> None:
    """The child's own status comes first."""
    done = understudy_run(tmp_path, "sh", "-c", script, options=("--check",))
    assert done.returncode == status
    assert "check: there were no calls, so nothing was checked" in done.stderr.decode().splitlines()


# -- its variables


def test_existing_bundles_and_exceptions_are_added_to(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text("# what was trusted before\n", encoding="utf-8")
    show = 'printf "%s\\n" "$NO_PROXY" "$NODE_OPTIONS"; cat "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS"'
    done = understudy_run(
        tmp_path,
        *("sh", "-c", show),
        SSL_CERT_FILE=str(own),
        NODE_EXTRA_CA_CERTS=str(own),
        NO_PROXY="intra.example.com",
        NODE_OPTIONS="--no-deprecation",
    )
    exceptions, options, *bundles = done.stdout.decode().splitlines()
    assert exceptions.split(",") == ["intra.example.com", "localhost", "127.0.0.1", "::1"]
    assert options.startswith("--no-deprecation --require ")
    assert bundles.count("# what was trusted before") == 2
    assert bundles.count("-----BEGIN CERTIFICATE-----") == 2


@pytest.mark.parametrize("begin", [("run", *QUICK), ("record", "--out", "run.har")], ids=["run", "record"])
def test_none_of_our_secrets_reaches_the_child(tmp_path: Path, begin: tuple[str, ...]) -> None:
    secrets = {"UNDERSTUDY_REDACT": "it=secret-1"}
    if begin[0] == "run":
        secrets = {"UNDERSTUDY_API_KEY": "secret-1", "UNDERSTUDY_ADMIN_TOKEN": "secret-2"}
    done = subprocess.run(
        [UNDERSTUDY, *begin, "--", "env"],
        cwd=tmp_path,
        env=clean_environment(**secrets),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"SSL_CERT_FILE=" in done.stdout
    assert b"secret-" not in done.stdout


def test_a_provider_that_no_proxy_names_is_left_alone_and_named(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "true", NO_PROXY=".pixazo.ai")
    assert "NO_PROXY excludes: gateway.pixazo.ai" in done.stderr.decode()


def test_what_of_the_environment_is_of_no_use_is_told_in_a_line_each(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "true", SSL_CERT_FILE="/nonexist", ALL_PROXY="socks5://me:secret@h:1")
    first, second, _ = done.stderr.decode().splitlines()
    assert first.startswith(
        "understudy: no certificate can be read from /nonexist, which SSL_CERT_FILE names"
    )
    assert second.startswith("understudy: ALL_PROXY names a socks5:// proxy; only http:// ones are supported")
    assert "secret" not in second


def test_what_could_not_be_reached_is_told_with_the_reason_and_a_call_in_clear_with_its_host(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    program = f"""
import http.client, os
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
for url in ("http://127.0.0.1:{port}/", "http://api.segmind.com/x?key=secret"):
    line = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=10)
    line.request("GET", url)
    print(line.getresponse().status)
    line.close()
"""
    done = understudy_run(tmp_path, PYTHON, "-c", program)
    assert done.stdout.split() == [b"502", b"404"], done.stderr.decode()
    told = done.stderr.decode()
    assert "elsewhere" not in told
    assert f"  could not be reached: 127.0.0.1:{port} (" in told
    assert "error answers: 404 http://api.segmind.com/x ×1" in told


HTTP_2 = """
const session = require('node:http2').connect('https://api.segmind.com');
session.on('error', ({ message }) => console.log(message));
session.request({ ':path': '/x' }).on('error', () => {});
"""


def test_a_client_that_insists_on_http_2_is_told_that_http_1_is_required(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, node(), "-e", HTTP_2)
    said = done.stdout.decode().strip()  # newer Nodes know the number's name
    assert said.partition("error code ")[2] in ("13", "NGHTTP2_HTTP_1_1_REQUIRED"), done


# -- afterwards


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No folder, no port, no process."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    show = 'printf "%s\\n" "$HTTPS_PROXY" "$SSL_CERT_FILE" "$(ls "$(dirname "$SSL_CERT_FILE")")"'
    with subprocess.Popen(
        [UNDERSTUDY, "run", *QUICK, "--", "sh", "-c", show],
        cwd=tmp_path,
        env=clean_environment(TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        told, _ = process.communicate(timeout=PATIENCE)
    proxy, bundle, *files = told.splitlines()
    assert Path(bundle).is_relative_to(scratch)
    assert files == [
        "curl_ca_bundle.pem",
        "node_extra_ca_certs.pem",
        "notes",
        "php",
        "requests_ca_bundle.pem",
        "ssl_cert_file.pem",
        "trust.p12",
        "wget.pem",
        "wgetrc",
    ]
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch"]
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    host, port = proxy.removeprefix("http://").split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
