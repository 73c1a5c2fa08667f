"""What a child process is told, in the variables that its language's HTTP clients read."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import certifi

from understudy_mock.intercept.authority import JAVA_PASSWORD
from understudy_mock.intercept.exceptions import EVERYTHING, covers, read_exceptions

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Who reads which: SSL_CERT_FILE OpenSSL (Python's ssl, httpx, aiohttp, urllib3, Ruby) and Go;
# REQUESTS_CA_BUNDLE requests; CURL_CA_BUNDLE curl and requests; NODE_EXTRA_CA_CERTS Node, beside its own.
# With each stand those that its readers turn to while it is not set: setting it must not hide them.
_BUNDLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SSL_CERT_FILE": (),
        "REQUESTS_CA_BUNDLE": ("CURL_CA_BUNDLE",),
        "CURL_CA_BUNDLE": ("SSL_CERT_FILE",),
    }
)
_FOLDERS = "SSL_CERT_DIR"
"""OpenSSL's hashed folders. Read beside SSL_CERT_FILE; but httpx takes the file alone, if it is set."""

_EXTRA = "NODE_EXTRA_CA_CERTS"

JAVA_OPTIONS = "JAVA_TOOL_OPTIONS"
"""What every JVM reads before its command line. A user's _JAVA_OPTIONS come after it, and stay."""

PHP_FOLDERS = "PHP_INI_SCAN_DIR"
"""Folders of PHP's .ini files. An empty one is the folder that PHP was built with."""

_WGETRC = "WGETRC"
_WGETS_CERTIFICATES = re.compile(rb"^[ \t]*ca[-_]?certificate[ \t]*=(.*)$", re.IGNORECASE | re.MULTILINE)

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""What `openssl rehash` calls certificates in a folder."""

_SYSTEM_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Trust:
    """Files that hold whom the child may trust: everybody it trusted before, and this run's CA."""

    bundles: Mapping[str, Path]
    """By the variable that names them; `extra` is among them."""
    extra: Path
    java: Path
    php: Path
    """A folder with an .ini file."""
    wget: Path
    """A .wgetrc."""


def child_variables(
    environment: Mapping[str, str],
    proxy: str,
    trust: Trust,
    hosts: Iterable[str],
    *,
    tls_port: int,
    plain_port: int,
    offline: bool,
    notes: Path,
) -> dict[str, str]:
    """Give the child's whole environment.

    `proxy` is the proxy's URL, `tls_port` and `plain_port` where the gateway speaks TLS and does not on
    loopback, `hosts` those it speaks for, `notes` a file for connections that go elsewhere without the proxy.
    What the environment held already is kept, or added to.
    """
    told = dict(environment)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        told[name] = proxy
    exceptions = read_exceptions(environment)
    if EVERYTHING not in exceptions:
        told["NO_PROXY"] = told["no_proxy"] = ",".join([*exceptions, *_LOOPBACK])
    trusting = trust_variables(environment, trust)
    told |= trusting
    told["NODE_USE_ENV_PROXY"] = "1"  # Node 24 and later
    preload = Path(str(resources.files("understudy_mock.intercept").joinpath("preload")))
    told["NODE_OPTIONS"] = _joined(environment.get("NODE_OPTIONS"), f'--require "{preload / "preload.cjs"}"')
    told["PYTHONPATH"] = os.pathsep.join([str(preload), *_parts(environment.get("PYTHONPATH"))])
    # For the two preloads, who take it apart at spaces and equals signs.
    told["_UNDERSTUDY_INTERCEPT"] = (
        f"tls={tls_port} plain={plain_port} proxy={urlsplit(proxy).port} offline={offline:d} "
        f"hosts={','.join(hosts)}"
    )
    told["_UNDERSTUDY_NOTES"] = str(notes)
    host, port = urlsplit(proxy).hostname, urlsplit(proxy).port
    java = {
        "http.proxyHost": host,
        "http.proxyPort": port,
        "https.proxyHost": host,
        "https.proxyPort": port,
    }
    leading = " ".join(f"-D{name}={value}" for name, value in java.items())
    told[JAVA_OPTIONS] = _joined(environment.get(JAVA_OPTIONS), f"{leading} {trusting[JAVA_OPTIONS]}")
    return told


def trust_variables(environment: Mapping[str, str], trust: Trust) -> dict[str, str]:
    """Give the variables that say whom to trust; of Java's options, those that do."""
    told = {name: str(file) for name, file in trust.bundles.items()}
    java = {"javax.net.ssl.trustStore": trust.java, "javax.net.ssl.trustStorePassword": JAVA_PASSWORD}
    told[JAVA_OPTIONS] = " ".join(_quoted(f"-D{name}={value}") for name, value in java.items())
    before = environment.get(PHP_FOLDERS)
    # Not set, it stands for the folder that PHP was built with; empty, for none.
    told[PHP_FOLDERS] = str(trust.php) if before == "" else f"{before or ''}{os.pathsep}{trust.php}"
    told[_WGETRC] = str(trust.wget)
    return told


def php_ini(bundles: Mapping[str, Path]) -> str:
    """Write what PHP's curl and OpenSSL read: the one knows no variable, the other not all versions."""
    return f"curl.cainfo='{bundles['CURL_CA_BUNDLE']}'\nopenssl.cafile='{bundles['SSL_CERT_FILE']}'\n"


def wgetrc(environment: Mapping[str, str], proxy: str, bundle: Path) -> bytes:
    """Write a .wgetrc: the lines of the user's, which wget no longer reads, and ours, which win."""
    ours = {"ca_certificate": bundle, "use_proxy": "on", "https_proxy": proxy, "http_proxy": proxy}
    lines = "".join(f"{name} = {value}\n" for name, value in ours.items())
    return _own_wgetrc(environment) + b"\n" + lines.encode()


def trusted_by_wget(environment: Mapping[str, str]) -> bytes:
    """Give the certificates that the user's .wgetrc adds to the system's."""
    named = _WGETS_CERTIFICATES.findall(_own_wgetrc(environment))
    if not named:
        return b""
    place = os.fsdecode(named[-1].strip())
    return _certificates(str(_home(environment) / place[2:]) if place.startswith("~/") else place)


def _own_wgetrc(environment: Mapping[str, str]) -> bytes:
    try:
        return Path(environment.get(_WGETRC) or _home(environment) / ".wgetrc").read_bytes()
    except OSError:
        return b""  # there is none


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME", "/"))


def hosts_to_intercept(environment: Mapping[str, str], hosts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part the hosts into those to bring here and those that NO_PROXY keeps out."""
    kept_out = read_exceptions(environment)

    def is_out(host: str) -> bool:
        return any(covers(entry, host, 443) for entry in kept_out)

    return [host for host in hosts if not is_out(host)], [host for host in hosts if is_out(host)]


def trusted_before(environment: Mapping[str, str]) -> dict[str, bytes]:
    """By variable, the PEM certificates that its readers would trust without us."""
    folders = b"".join(map(_certificates, _parts(environment.get(_FOLDERS))))
    own = {name: _certificates(environment.get(name)) for name in (*_BUNDLES, _EXTRA)}
    system, python = _system(), _certificates(certifi.where())
    usual = {
        "SSL_CERT_FILE": folders + system + python,
        "REQUESTS_CA_BUNDLE": python,
        "CURL_CA_BUNDLE": folders or system,
    }
    trusted = {_EXTRA: own[_EXTRA]}
    for name, others in _BUNDLES.items():
        trusted[name] = next((own[one] for one in (name, *others) if own[one]), usual[name])
    if own["SSL_CERT_FILE"] and not own["CURL_CA_BUNDLE"]:
        trusted["CURL_CA_BUNDLE"] += folders  # curl reads both, where its own is not set
    return trusted


def unusable_bundles(environment: Mapping[str, str]) -> list[str]:
    """Tell which variables name certificates that are not there, so that others stand in for them."""
    named = {name: environment.get(name) for name in (*_BUNDLES, _EXTRA)}
    return [
        f"{name} names {place}, where no certificates can be read: the command gets "
        + ("none from there" if name == _EXTRA else "the usual ones instead")
        for name, place in named.items()
        if place and not _certificates(place)
    ]


def _system() -> bytes:
    """What the system trusts."""
    own = ssl.get_default_verify_paths().openssl_cafile
    return _certificates(next((file for file in (own, *_SYSTEM_STORES) if Path(file).is_file()), None))


def _certificates(place: str | None) -> bytes:
    """Read a file, or a folder of them; nothing where there is none to be read."""
    if not place:
        return b""
    path = Path(place)
    try:
        files = list(path.iterdir()) if path.is_dir() else [path]
        # OpenSSL takes hashed names alone; where nothing is hashed, somebody else may take them all.
        files = [file for file in files if _HASHED.fullmatch(file.name)] or files
        found = [file.read_bytes() for file in sorted({file.resolve() for file in files}) if file.is_file()]
    except OSError:
        return b""
    if path.is_dir():
        found = [content for content in found if b"-----BEGIN" in content]
    return b"".join(content.rstrip(b"\n") + b"\n" for content in found)


def _joined(before: str | None, more: str) -> str:
    return f"{before} {more}" if before else more


def _quoted(option: str) -> str:
    """Keep an option in one piece for the JVM, which splits at spaces outside quotes."""
    if not any(sign.isspace() for sign in option):
        return option
    return f"'{option}'" if '"' in option else f'"{option}"'


def _parts(path: str | None) -> list[str]:
    return [part for part in (path or "").split(os.pathsep) if part]
