"""What a child process is told, in the variables that its language's HTTP clients read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from mockserver.intercept.authority import JAVA_PASSWORD

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Who reads which: SSL_CERT_FILE OpenSSL (Python's ssl, httpx, aiohttp, urllib3, Ruby) and Go;
# REQUESTS_CA_BUNDLE requests; CURL_CA_BUNDLE curl and requests; NODE_EXTRA_CA_CERTS Node.
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Trust:
    """Files that hold whom the child may trust: everybody it trusted before, and this run's CA."""

    bundle: Path
    extra: Path
    java: Path


def child_variables(
    environment: Mapping[str, str],
    proxy: str,
    trust: Trust,
    hosts: Iterable[str],
    *,
    tls_port: int,
    plain_port: int,
    offline: bool,
) -> dict[str, str]:
    """Give the child's whole environment.

    `proxy` is the proxy's URL, `tls_port` and `plain_port` where the gateway speaks TLS and does not on
    loopback, `hosts` those it speaks for. What the environment held already is kept, or added to.
    """
    told = dict(environment)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        told[name] = proxy
    told["NO_PROXY"] = told["no_proxy"] = ",".join([*_no_proxy(environment), *_LOOPBACK])
    for name in _BUNDLES:
        told[name] = str(trust.bundle)
    told["NODE_EXTRA_CA_CERTS"] = str(trust.extra)
    told["NODE_USE_ENV_PROXY"] = "1"  # Node 24 and later
    preload = Path(str(resources.files("mockserver.intercept").joinpath("preload")))
    told["NODE_OPTIONS"] = _joined(environment.get("NODE_OPTIONS"), f'--require "{preload / "preload.cjs"}"')
    told["PYTHONPATH"] = os.pathsep.join([str(preload), *_parts(environment.get("PYTHONPATH"))])
    # For the two preloads, who take it apart at spaces and equals signs.
    told["_UNDERSTUDY_INTERCEPT"] = (
        f"tls={tls_port} plain={plain_port} proxy={urlsplit(proxy).port} offline={offline:d} "
        f"hosts={','.join(hosts)}"
    )
    host, port = urlsplit(proxy).hostname, urlsplit(proxy).port
    java = (
        f"-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port} "
        f"-Djavax.net.ssl.trustStore={trust.java} -Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD}"
    )
    told["JAVA_TOOL_OPTIONS"] = _joined(environment.get("JAVA_TOOL_OPTIONS"), java)
    return told


def hosts_to_intercept(environment: Mapping[str, str], hosts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part the hosts into those to bring here and those that NO_PROXY keeps out."""
    kept_out = _no_proxy(environment)

    def is_out(host: str) -> bool:
        return any(host == name.lstrip(".") or host.endswith("." + name.lstrip(".")) for name in kept_out)

    return [host for host in hosts if not is_out(host)], [host for host in hosts if is_out(host)]


def trusted_before(environment: Mapping[str, str]) -> bytes:
    """The PEM certificates that the child would trust without us."""
    for name in _BUNDLES:
        file = Path(environment.get(name, ""))
        if file.is_file():
            return file.read_bytes()
    return Path(certifi.where()).read_bytes()


def _no_proxy(environment: Mapping[str, str]) -> list[str]:
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return [name.strip() for name in given.split(",") if name.strip()]


def _joined(before: str | None, more: str) -> str:
    return f"{before} {more}" if before else more


def _parts(path: str | None) -> list[str]:
    return [part for part in (path or "").split(os.pathsep) if part]
