"""Files that make a program trust this run's CA beside every CA that it trusted before.

Each language finds its file by a variable. `write_trust` returns the variables of all of them.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi

from understudy_mock.intercept.authority import JAVA_PASSWORD, Authority

# Who reads which: SSL_CERT_FILE OpenSSL (Python's ssl, httpx, aiohttp, urllib3, Ruby) and Go;
# REQUESTS_CA_BUNDLE requests; CURL_CA_BUNDLE curl and requests; NODE_EXTRA_CA_CERTS Node, beside its own.
# The values are variables that its readers use while it is not set: setting it must not hide them.
_BUNDLES: Mapping[str, tuple[str, ...]] = {
    "SSL_CERT_FILE": (),
    "REQUESTS_CA_BUNDLE": ("CURL_CA_BUNDLE",),
    "CURL_CA_BUNDLE": ("SSL_CERT_FILE",),
}
_FOLDERS = "SSL_CERT_DIR"
"""OpenSSL's hashed folders. OpenSSL reads them beside SSL_CERT_FILE, httpx only without SSL_CERT_FILE."""

_EXTRA = "NODE_EXTRA_CA_CERTS"

JAVA_OPTIONS = "JAVA_TOOL_OPTIONS"
"""Every JVM reads these before its command line. A user's _JAVA_OPTIONS come later, and stay."""

_PHP_FOLDERS = "PHP_INI_SCAN_DIR"
"""Folders of PHP's .ini files. An empty entry is the folder that PHP was built with."""

_WGETRC = "WGETRC"
_WGET_CERTIFICATES = re.compile(rb"^[ \t]*ca[-_]?certificate[ \t]*=(.*)$", re.IGNORECASE | re.MULTILINE)

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""File names that `openssl rehash` gives to certificates in a folder."""

_SYSTEM_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def write_trust(
    folder: Path, authority: Authority, environment: Mapping[str, str], proxy: str
) -> dict[str, str]:
    """Write the files of all languages into a folder, and return the variables that name them.

    `proxy` is the proxy's URL, which goes into wget's file. Java's variable has only the options about trust.
    """
    before = trusted_before(environment)
    bundles = {name: folder / f"{name.lower()}.pem" for name in before}
    for name, file in bundles.items():
        file.write_bytes(before[name] + authority.certificate)
    store = folder / "trust.p12"
    authority.write_java_truststore(store, b"".join(before.values()))
    return {
        **{name: str(file) for name, file in bundles.items()},
        JAVA_OPTIONS: java_options(
            {"javax.net.ssl.trustStore": store, "javax.net.ssl.trustStorePassword": JAVA_PASSWORD}
        ),
        _PHP_FOLDERS: _write_php(folder / "php", bundles, environment.get(_PHP_FOLDERS)),
        _WGETRC: _write_wget(folder, authority, environment, proxy),
    }


def java_options(properties: Mapping[str, object]) -> str:
    """Return Java's options for some properties. The JVM splits them at spaces outside quotes."""
    return " ".join(_quoted(f"-D{name}={value}") for name, value in properties.items())


def _quoted(option: str) -> str:
    if not any(sign.isspace() for sign in option):
        return option
    return f"'{option}'" if '"' in option else f'"{option}"'


def _write_php(folder: Path, bundles: Mapping[str, Path], before: str | None) -> str:
    # PHP's curl reads no variable, and not every version of its OpenSSL does.
    folder.mkdir()
    ini = f"curl.cainfo='{bundles['CURL_CA_BUNDLE']}'\nopenssl.cafile='{bundles['SSL_CERT_FILE']}'\n"
    (folder / "understudy.ini").write_text(ini, encoding="utf-8")
    # A variable that is not set means the folder that PHP was built with; an empty one means no folder.
    return str(folder) if before == "" else f"{before or ''}{os.pathsep}{folder}"


def _write_wget(folder: Path, authority: Authority, environment: Mapping[str, str], proxy: str) -> str:
    # wget then does not read the user's own .wgetrc, so its lines come first in ours; later lines win.
    home = Path(environment.get("HOME", "/"))
    try:
        own = Path(environment.get(_WGETRC) or home / ".wgetrc").read_bytes()
    except OSError:
        own = b""  # there is none
    named = _WGET_CERTIFICATES.findall(own)
    place = os.fsdecode(named[-1].strip()) if named else ""
    trusted = _certificates(str(home / place[2:]) if place.startswith("~/") else place)
    bundle, rc = folder / "wget.pem", folder / "wgetrc"
    bundle.write_bytes(trusted + authority.certificate)
    ours = {"ca_certificate": bundle, "use_proxy": "on", "https_proxy": proxy, "http_proxy": proxy}
    rc.write_bytes(own + b"\n" + "".join(f"{name} = {value}\n" for name, value in ours.items()).encode())
    return str(rc)


def trusted_before(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return, by variable, the PEM certificates that its readers would trust without us."""
    folders = b"".join(map(_certificates, path_entries(environment.get(_FOLDERS))))
    own = {name: _certificates(environment.get(name)) for name in (*_BUNDLES, _EXTRA)}
    system, python = _system(), _certificates(certifi.where())
    usual = {
        "SSL_CERT_FILE": folders + system + python,
        "REQUESTS_CA_BUNDLE": python,
        "CURL_CA_BUNDLE": folders or system,
    }
    trusted = {_EXTRA: own[_EXTRA]}
    for name, others in _BUNDLES.items():
        trusted[name] = next((own[other] for other in (name, *others) if own[other]), usual[name])
    if own["SSL_CERT_FILE"] and not own["CURL_CA_BUNDLE"]:
        trusted["CURL_CA_BUNDLE"] += folders  # curl reads both if its own variable is not set
    return trusted


def unusable_bundles(environment: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable whose certificates cannot be read and are replaced by others."""
    named = {name: environment.get(name) for name in (*_BUNDLES, _EXTRA)}
    return [
        f"no certificate can be read from {place}, which {name} names: the command gets "
        + ("none from there" if name == _EXTRA else "the usual ones instead")
        for name, place in named.items()
        if place and not _certificates(place)
    ]


def path_entries(path: str | None) -> list[str]:
    """Return the entries of a variable like PATH, without empty ones."""
    return [entry for entry in (path or "").split(os.pathsep) if entry]


def _system() -> bytes:
    own = ssl.get_default_verify_paths().openssl_cafile
    return _certificates(next((file for file in (own, *_SYSTEM_STORES) if Path(file).is_file()), None))


def _certificates(place: str | None) -> bytes:
    """Read a file of certificates, or a folder of such files; b"" if it cannot be read."""
    if not place:
        return b""
    path = Path(place)
    try:
        files = list(path.iterdir()) if path.is_dir() else [path]
        # OpenSSL reads only hashed names; without any, other readers may read all files.
        files = [file for file in files if _HASHED.fullmatch(file.name)] or files
        contents = [
            file.read_bytes() for file in sorted({file.resolve() for file in files}) if file.is_file()
        ]
    except OSError:
        return b""
    if path.is_dir():
        contents = [content for content in contents if b"-----BEGIN" in content]
    return b"".join(content.rstrip(b"\n") + b"\n" for content in contents)
