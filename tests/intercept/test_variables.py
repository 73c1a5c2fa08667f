"""The environment of a child: everything that it had before, and us."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from understudy_mock.intercept.authority import Authority
from understudy_mock.intercept.trust import trusted_before, write_trust
from understudy_mock.intercept.variables import child_variables, hosts_to_intercept

HOSTS = ("gateway.pixazo.ai", "api.segmind.com")
AUTHORITY = Authority(HOSTS)
PROXY = "http://127.0.0.1:9"


def variables(folder: Path, **environment: str) -> dict[str, str]:
    """The variables of a child whose trust files are in a folder."""
    return child_variables(
        environment,
        PROXY,
        write_trust(folder, AUTHORITY, environment, PROXY),
        HOSTS,
        tls_port=10,
        plain_port=11,
        offline=False,
        notes=folder / "notes",
    )


@pytest.mark.parametrize(
    ("no_proxy", "out"),
    [
        ("", ()),
        ("*", HOSTS),
        ("intra.example.com, *", HOSTS),
        ("GATEWAY.Pixazo.AI", HOSTS[:1]),
        ("*.pixazo.ai", HOSTS[:1]),
        (".segmind.com:443", HOSTS[1:]),
        ("gateway.pixazo.ai:8443", ()),
        ("gateway.pixazo.ai intra.example.com", HOSTS[:1]),
        ("azo.ai,.,*.", ()),
    ],
)
def test_no_proxy_keeps_hosts_out(no_proxy: str, out: tuple[str, ...]) -> None:
    _, left_out = hosts_to_intercept({"NO_PROXY": no_proxy}, HOSTS)
    assert tuple(left_out) == out


def test_a_star_in_no_proxy_stays_alone(tmp_path: Path) -> None:
    assert variables(tmp_path, NO_PROXY="*")["NO_PROXY"] == "*"


def test_java_options_with_spaces_stay_in_one_piece(tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    folder.mkdir()
    options = shlex.split(variables(folder, JAVA_TOOL_OPTIONS="-Xmx1g")["JAVA_TOOL_OPTIONS"])
    assert options[0] == "-Xmx1g"
    assert f"-Djavax.net.ssl.trustStore={folder / 'trust.p12'}" in options


def test_each_bundle_keeps_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "hashed"
    folder.mkdir()
    (folder / "real.pem").write_text("-----BEGIN CERTIFICATE-----\nreal", encoding="utf-8")
    (folder / "0123abcd.0").symlink_to("real.pem")
    (folder / "README").write_text("no certificate", encoding="utf-8")
    for name in ("ssl", "node"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    before = trusted_before(
        {
            "SSL_CERT_FILE": str(tmp_path / "ssl"),
            "REQUESTS_CA_BUNDLE": str(folder),
            "NODE_EXTRA_CA_CERTS": str(tmp_path / "node"),
        }
    )
    assert before["SSL_CERT_FILE"] == before["CURL_CA_BUNDLE"] == b"ssl\n"  # as curl falls back to it
    assert before["REQUESTS_CA_BUNDLE"] == b"-----BEGIN CERTIFICATE-----\nreal\n"
    assert before["NODE_EXTRA_CA_CERTS"] == b"node\n"
    usual = trusted_before({})
    assert usual["SSL_CERT_FILE"].count(b"BEGIN CERTIFICATE") > 50
    assert usual["NODE_EXTRA_CA_CERTS"] == b""


def test_folders_of_certificates_are_not_hidden_by_the_files(tmp_path: Path) -> None:
    """httpx reads SSL_CERT_DIR, and curl both, only while nothing that we set is set."""
    (tmp_path / "0123abcd.0").write_text("-----BEGIN CERTIFICATE-----\nfolder", encoding="utf-8")
    (tmp_path / "all.crt").write_text("-----BEGIN CERTIFICATE-----\nnot hashed", encoding="utf-8")
    folder = b"-----BEGIN CERTIFICATE-----\nfolder\n"
    alone = trusted_before({"SSL_CERT_DIR": f"/nowhere:{tmp_path}"})
    assert alone["SSL_CERT_FILE"].startswith(folder)
    assert alone["CURL_CA_BUNDLE"] == folder
    assert folder not in alone["REQUESTS_CA_BUNDLE"]
    (tmp_path / "own").write_text("own", encoding="utf-8")
    both = trusted_before({"SSL_CERT_DIR": str(tmp_path), "SSL_CERT_FILE": str(tmp_path / "own")})
    assert both["SSL_CERT_FILE"] == b"own\n"  # OpenSSL reads the folder beside it
    assert both["CURL_CA_BUNDLE"] == b"own\n" + folder


def test_a_jvm_keeps_its_users_options(tmp_path: Path) -> None:
    """_JAVA_OPTIONS win over JAVA_TOOL_OPTIONS, which the JVM takes from left to right."""
    java = variables(tmp_path, JAVA_TOOL_OPTIONS="-Da=1", _JAVA_OPTIONS="-Db=2")
    assert java["JAVA_TOOL_OPTIONS"].startswith("-Da=1 -Dhttp.proxyHost=")
    assert java["_JAVA_OPTIONS"] == "-Db=2"


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, ":{}"), ("", "{}"), ("/own", "/own:{}"), (":/own", ":/own:{}")],
)
def test_php_keeps_its_users_folders(tmp_path: Path, before: str | None, after: str) -> None:
    """Not set is the folder that PHP was built with, as an empty entry is; an empty list is none."""
    php = variables(tmp_path, **({} if before is None else {"PHP_INI_SCAN_DIR": before}))
    assert php["PHP_INI_SCAN_DIR"] == after.format(tmp_path / "php")


@pytest.mark.parametrize("by_variable", [True, False])
def test_wget_keeps_its_users_lines_and_certificates(tmp_path: Path, by_variable: bool) -> None:
    (tmp_path / "own.pem").write_text("own", encoding="utf-8")
    own = tmp_path / ("given" if by_variable else ".wgetrc")
    own.write_text("tries = 3\nhttps_proxy = http://other:1\nCA-Certificate = ~/own.pem \n", encoding="utf-8")
    before = {"HOME": str(tmp_path)} | ({"WGETRC": str(own)} if by_variable else {})
    folder = tmp_path / "run"
    folder.mkdir()
    lines = Path(variables(folder, **before)["WGETRC"]).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "tries = 3"
    last = dict(line.split(" = ") for line in lines if " = " in line)  # the last of a name wins
    assert last["https_proxy"] == last["http_proxy"] == PROXY
    assert last["use_proxy"] == "on"
    assert Path(last["ca_certificate"]).read_bytes() == b"own\n" + AUTHORITY.certificate


def test_wget_trusts_this_run_where_its_user_has_no_file(tmp_path: Path) -> None:
    rc = Path(variables(tmp_path, HOME="/nowhere")["WGETRC"])
    assert rc.read_text(encoding="utf-8").startswith(f"\nca_certificate = {tmp_path / 'wget.pem'}\n")
    assert (tmp_path / "wget.pem").read_bytes() == AUTHORITY.certificate
