"""A program that does not trust the run's CA makes no call; the summary says where, and why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.adapters.installed import node
from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment
from tests.intercept.running import PYTHON, understudy_run

pytestmark = pytest.mark.e2e

REFUSED = (
    "  refused the certificate: api.segmind.com ×1 "
    "(the program does not use the file that SSL_CERT_FILE or a similar variable names)"
)
TRUSTS_NOBODY = """
import socket, ssl
def opened(host, trust):
    try:
        trust.wrap_socket(socket.create_connection((host, 443)), server_hostname=host).close()
    except ssl.SSLCertVerificationError:
        print(host)
opened("api.segmind.com", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
"""
OPENS_MORE_THAN_IT_USES = """
import httpx
opened("api.wavespeed.ai", ssl.create_default_context())
opened("gateway.pixazo.ai", ssl.create_default_context())
print(httpx.get("https://gateway.pixazo.ai/none").status_code)
"""


def test_where_the_certificate_is_refused_and_where_nothing_is_asked_is_told_apart(tmp_path: Path) -> None:
    """Of a host that is called, too, a connection that is opened and not used says nothing."""
    done = understudy_run(tmp_path, PYTHON, "-c", TRUSTS_NOBODY + OPENS_MORE_THAN_IT_USES)
    assert done.stdout.split() == [b"api.segmind.com", b"404"], done.stderr.decode()
    lines = done.stderr.decode().splitlines()
    assert REFUSED in lines
    (unused,) = [line for line in lines if "connected without a call" in line]
    assert unused.endswith(", like a program that does not trust the certificate: api.wavespeed.ai ×1")


def test_node_that_does_not_trust_it_is_told_as_well(tmp_path: Path) -> None:
    program = "fetch('https://api.segmind.com/x').catch(({ cause }) => console.log(cause.code))"
    done = understudy_run(tmp_path, "env", "-u", "NODE_EXTRA_CA_CERTS", node(), "-e", program)
    assert done.stdout == b"UNABLE_TO_VERIFY_LEAF_SIGNATURE\n", done.stderr.decode()
    assert ": api.segmind.com ×1" in done.stderr.decode()


def test_record_tells_it_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [UNDERSTUDY, "record", "--out", "run.har", "--", PYTHON, "-c", TRUSTS_NOBODY],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert REFUSED in done.stderr.decode().splitlines(), done.stderr.decode()
