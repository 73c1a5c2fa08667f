"""What the proxy makes of odd requests and of connections that break."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment
from tests.intercept.running import PYTHON, QUICK, slow, understudy_run

pytestmark = pytest.mark.e2e

RAW = """
import os, socket, sys
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
def say(head):
    line = socket.create_connection((proxy.hostname, proxy.port), timeout=10)
    line.sendall(head)
    answer = b""
    try:
        while data := line.recv(65536):
            answer += data
    except ConnectionResetError:
        answer += b"<reset>"
    line.close()
    return answer
"""


def test_names_that_no_host_can_have_are_refused_without_a_traceback(tmp_path: Path) -> None:
    program = f"""{RAW}
for target in (b"a" * 70 + b".example:443", b"[bad:443", b"x:99999", b"a..b:443", b"\\xff.example:443"):
    print(say(b"CONNECT " + target + b" HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n").split(b" ")[1].decode())
for target in (b"/", b"ftp://example.com/", b"http://[bad/", b"http://a..b/", b"ht\\x7ftp://x"):
    print(say(b"GET " + target + b" HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n").split(b" ")[1].decode())
"""
    done = understudy_run(tmp_path, PYTHON, "-c", program)
    assert done.stdout.decode().split() == ["400"] * 10, done
    assert b"Traceback" not in done.stderr
    assert b"asyncio" not in done.stderr


def test_an_absolute_https_address_is_answered_over_tls(tmp_path: Path) -> None:
    program = f"""{RAW}
body = b'{{"prompt": "a cat"}}'
answer = say(b"POST https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request HTTP/1.1\\r\\n"
    b"Host: gateway.pixazo.ai\\r\\nOcp-Apim-Subscription-Key: k\\r\\nContent-Type: application/json\\r\\n"
    b"Content-Length: " + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
print(answer.partition(b"\\r\\n\\r\\n")[2].decode())
"""
    done = understudy_run(tmp_path, PYTHON, "-c", program, options=("--journal-har", "a.har"))
    assert json.loads(done.stdout)["polling_url"].startswith("https://gateway.pixazo.ai/v2/"), done
    (entry,) = json.loads((tmp_path / "a.har").read_bytes())["log"]["entries"]
    address: str = entry["request"]["url"]
    assert address == "https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request"


def test_a_reset_is_passed_on_as_one(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)
    port = listener.getsockname()[1]

    def break_off() -> None:
        line, _ = listener.accept()
        line.recv(100)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        line.close()

    thread = threading.Thread(target=break_off)
    thread.start()
    program = f"{RAW}\nprint(say(b'CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nhello'))"
    done = understudy_run(tmp_path, PYTHON, "-c", program)
    thread.join()
    listener.close()
    assert b"<reset>" in done.stdout, done
    assert b"Traceback" not in done.stderr


def test_clients_that_leave_in_the_middle_leave_no_traceback(tmp_path: Path) -> None:
    program = f"""{RAW}
for head in (b"CONN", b"CONNECT gateway.pixazo.ai:443 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nabc",
    b"POST https://gateway.pixazo.ai/x HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nabc"):
    for linger in (b"\\0\\0\\0\\0\\0\\0\\0\\0", b"\\1\\0\\0\\0\\0\\0\\0\\0"):
        line = socket.create_connection((proxy.hostname, proxy.port), timeout=10)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        line.sendall(head)
        line.close()
in_clear = b"GET /x HTTP/1.0\\r\\n\\r\\n"
print(say(b"CONNECT gateway.pixazo.ai.:80 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" + in_clear).count(b" 404 "))
"""
    done = understudy_run(tmp_path, PYTHON, "-c", program, options=("--offline",))
    assert done.stdout == b"1\n", done
    assert b"Traceback" not in done.stderr
    assert "refused" not in done.stderr.decode()


def test_a_reset_that_the_scenario_plays_arrives_as_one(tmp_path: Path) -> None:
    program = f"""{RAW}
import ssl, sys
line = socket.create_connection((proxy.hostname, proxy.port), timeout=10)
line.sendall(b"CONNECT gateway.pixazo.ai:443 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
line.recv(1000)
line = ssl.create_default_context().wrap_socket(line, server_hostname="gateway.pixazo.ai")
body = b'{{"prompt": "a cat"}}'
line.sendall(b"POST /hunyuan-video/v1/hunyuan-video-request HTTP/1.1\\r\\nHost: gateway.pixazo.ai\\r\\n"
    b"Ocp-Apim-Subscription-Key: k\\r\\nContent-Type: application/json\\r\\n"
    b"Content-Length: " + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
# Python's ssl tells an end and a reset alike; below TLS they differ.
below = socket.socket(fileno=os.dup(line.fileno()))
below.settimeout(10)
try:
    while below.recv(10000):
        pass
    print("closed")
except ConnectionResetError:
    print("reset")
"""
    options = ("--scenario", "submit-reset-after-accept")
    done = understudy_run(tmp_path, PYTHON, "-c", program, options=options)
    assert done.stdout == b"reset\n", done
    assert "faults played: reset submit-hunyuan-video ×1" in done.stderr.decode()


# -- signals


def start(cwd: Path, script: str, **more: Any) -> subprocess.Popen[str]:
    """Start a shell script under it."""
    return subprocess.Popen(
        [UNDERSTUDY, "run", *QUICK, "--", "sh", "-c", script],
        cwd=cwd,
        env=clean_environment(TMPDIR=str(cwd)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, slow(signal.SIGTERM), slow(signal.SIGHUP)])
def test_signals_while_it_ends_change_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, "echo ready; exec sleep 20", stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while process.poll() is None:
            process.send_signal(number)
            threading.Event().wait(0.002)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert errors.startswith("understudy: 0 jobs")
    assert list(tmp_path.iterdir()) == []


def at_a_terminal(
    cwd: Path,
    script: str,
    press: bytes,
    alone: signal.Signals | None = None,
    command: Sequence[str] = (UNDERSTUDY,),
) -> tuple[int, str]:
    """Run a script under it at a terminal; when it is ready, press keys there, or signal its parent alone."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        variables = clean_environment(TMPDIR=str(cwd))
        os.execve(command[0], [*command, "run", *QUICK, "--", "sh", "-c", script], variables)
    guard = threading.Timer(PATIENCE, os.killpg, (child, signal.SIGKILL))
    guard.start()
    seen, sent = b"", False
    try:
        while data := _read_terminal(terminal):
            seen += data
            if b"ready" in seen and not sent:
                sent = True
                os.write(terminal, press)
                if alone is not None:
                    os.kill(child, alone)
        _, status = os.waitpid(child, 0)
    finally:
        guard.cancel()
        os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode()


def _read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells that nobody has it open any more
        return b""


COUNT = "trap 'echo caught' INT; echo ready; n=0; while [ $n -lt 20 ]; do sleep 0.05; n=$((n+1)); done"

LATE = """
import os, time
spawn = os.posix_spawnp

def spawn_late(*arguments, **options):
    child = spawn(*arguments, **options)
    time.sleep(0.5)
    return child

os.posix_spawnp = spawn_late
from understudy_mock.cli import main
main()
"""
"""A machine so busy that the child is at work before we know that it has started."""


@pytest.mark.parametrize("command", [(UNDERSTUDY,), (PYTHON, "-c", LATE)])
def test_ctrl_c_at_a_terminal_comes_once(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The terminal sends it to the child, too; it must not come a second time from us."""
    status, seen = at_a_terminal(tmp_path, COUNT, b"\x03", command=command)
    assert (status, seen.count("caught")) == (0, 1)


def test_an_interrupt_sent_to_it_alone_reaches_the_child_also_at_a_terminal(tmp_path: Path) -> None:
    status, seen = at_a_terminal(tmp_path, COUNT, b"", alone=signal.SIGINT)
    assert (status, seen.count("caught")) == (0, 1)


def test_a_child_has_the_terminal(tmp_path: Path) -> None:
    """Also when it makes itself the foreground and dies there: the summary still comes."""
    take = (
        "import os, signal; signal.signal(signal.SIGTTOU, signal.SIG_IGN); os.setpgid(0, 0); "
        "os.tcsetpgrp(0, os.getpgrp()); print('ready', flush=True); print(input()); os.kill(os.getpid(), 9)"
    )
    status, seen = at_a_terminal(tmp_path, f'stty tostop; exec {PYTHON} -c "{take}"', b"typed\n")
    assert status == 128 + signal.SIGKILL
    assert seen.count("typed") == 2, seen  # its echo, and the answer
    assert "understudy: 0 jobs" in seen
    assert list(tmp_path.iterdir()) == []


def test_what_was_ignored_or_closed_stays_so_for_the_child(tmp_path: Path) -> None:
    show = "import os, signal as s; print(s.getsignal(s.SIGHUP) == s.SIG_IGN, os.path.exists('/dev/fd/0'))"
    command = f"trap '' HUP; {UNDERSTUDY} run {' '.join(QUICK)} -- {PYTHON} -c \"{show}\" <&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=PATIENCE
    )
    assert done.stdout == b"True False\n", done


def test_nothing_is_left_of_a_command_that_cannot_be_started(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "./nothing-here", TMPDIR=str(tmp_path))
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


# -- files


def test_a_journal_that_cannot_be_written_is_told_before_the_start(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "touch", "ran", options=("--journal-har", "no/such/folder.har"))
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "Error: --journal-har no/such/folder.har cannot be written: there is no folder no/such\n"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow  # as the one above
def test_a_journal_that_is_a_folder_is_told_in_one_line(tmp_path: Path) -> None:
    done = understudy_run(tmp_path, "touch", "ran", options=("--journal-har", "."))
    assert (done.returncode, done.stderr) == (
        2,
        b"Error: --journal-har . cannot be written: it is a folder\n",
    )
    assert not (tmp_path / "ran").exists()


def test_a_journal_that_fails_later_leaves_the_status(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    done = understudy_run(
        tmp_path, "sh", "-c", "rmdir sub; exit 7", options=("--journal-har", "sub/journal.har")
    )
    assert done.returncode == 7
    assert done.stderr.decode().splitlines()[1:] == [
        "understudy: sub/journal.har cannot be written: No such file or directory"
    ]


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", slow("<&-"), slow(">&-"), slow("<&- >&-")])
def test_closed_standard_files_do_no_harm(tmp_path: Path, closed: str) -> None:
    command = f"{UNDERSTUDY} run {' '.join(QUICK)} -- sh -c 'exit 7' {closed}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 7, done.stderr.decode()
    assert b"Traceback" not in done.stderr
