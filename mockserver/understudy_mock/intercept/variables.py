"""The environment of a child process: the variables that the HTTP clients of its language read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from understudy_mock.intercept.exceptions import EVERYTHING, LOOPBACK, covers, read_exceptions
from understudy_mock.intercept.trust import JAVA_OPTIONS, java_options, path_entries


def child_variables(
    environment: Mapping[str, str],
    proxy: str,
    trusting: Mapping[str, str],
    hosts: Iterable[str],
    *,
    tls_port: int,
    plain_port: int,
    offline: bool,
    notes: Path,
) -> dict[str, str]:
    """Return the child's whole environment. Nothing in `environment` is lost; some values are extended.

    `proxy` is the proxy's URL, and `trusting` the variables of `write_trust`. `hosts` are those that the
    gateway answers for, on loopback at `tls_port` with TLS and at `plain_port` without. `notes` is a file
    for connections that go elsewhere without the proxy.
    """
    variables = dict(environment)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        variables[name] = proxy
    exceptions = read_exceptions(environment)
    if EVERYTHING not in exceptions:
        variables["NO_PROXY"] = variables["no_proxy"] = ",".join([*exceptions, *LOOPBACK])
    variables |= trusting
    host, port = urlsplit(proxy).hostname, urlsplit(proxy).port
    variables["NODE_USE_ENV_PROXY"] = "1"  # Node 24 and later
    preload = Path(str(resources.files("understudy_mock.intercept").joinpath("preload")))
    variables["NODE_OPTIONS"] = _joined(
        environment.get("NODE_OPTIONS"), f'--require "{preload / "preload.cjs"}"'
    )
    variables["PYTHONPATH"] = os.pathsep.join([str(preload), *path_entries(environment.get("PYTHONPATH"))])
    # For the two preloads, which split it at spaces and equals signs.
    variables["_UNDERSTUDY_INTERCEPT"] = (
        f"tls={tls_port} plain={plain_port} proxy={port} offline={offline:d} hosts={','.join(hosts)}"
    )
    variables["_UNDERSTUDY_NOTES"] = str(notes)
    proxying = java_options(
        {"http.proxyHost": host, "http.proxyPort": port, "https.proxyHost": host, "https.proxyPort": port}
    )
    java = f"{proxying} {trusting[JAVA_OPTIONS]}"
    variables[JAVA_OPTIONS] = _joined(environment.get(JAVA_OPTIONS), java)
    return variables


def hosts_to_intercept(environment: Mapping[str, str], hosts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split the hosts into those to intercept and those that NO_PROXY excludes."""
    exceptions = read_exceptions(environment)
    inside: list[str] = []
    left_out: list[str] = []
    for host in hosts:
        (left_out if any(covers(entry, host, 443) for entry in exceptions) else inside).append(host)
    return inside, left_out


def _joined(before: str | None, more: str) -> str:
    return f"{before} {more}" if before else more
