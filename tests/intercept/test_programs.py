"""Programs whose https:// addresses are hard-coded, unmodified: submit, poll, download."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.installed import node, sdk
from tests.intercept.running import PYTHON, slow, understudy_run

pytestmark = pytest.mark.e2e

SUBMIT = "https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request"

PYTHON_PROGRAM = """
import json, sys
{client}
key = {{"Ocp-Apim-Subscription-Key": "any-key"}}
submit = {{**key, "Content-Type": "application/json"}}
accepted = call("POST", "SUBMIT", submit, json.dumps({{"prompt": "a cat"}}))
polling = json.loads(accepted[1])["polling_url"]
job = {{"status": ""}}
while job["status"] not in ("COMPLETED", "FAILED", "ERROR"):
    job = json.loads(call("GET", polling, key, None)[1])
url = job["output"]["media_url"][0]
kind, body = call("GET", url, {{}}, None)
told = {{"polling": polling, "status": job["status"], "url": url, "type": kind, "size": len(body)}}
print(json.dumps(told))
""".replace("SUBMIT", SUBMIT)

CLIENTS = {
    "requests": """
import requests
def call(method, url, headers, body):
    answer = requests.request(method, url, headers=headers, data=body, timeout=10)
    answer.raise_for_status()
    return answer.headers["content-type"], answer.content
""",
    "urllib3": """
import urllib3, os
pool = urllib3.PoolManager(ca_certs=os.environ["SSL_CERT_FILE"])
def call(method, url, headers, body):
    answer = pool.request(method, url, headers=headers, body=body, timeout=10)
    assert answer.status < 300, answer.data
    return answer.headers["content-type"], answer.data
""",
    "httpx": """
import httpx
def call(method, url, headers, body):
    answer = httpx.request(method, url, headers=headers, content=body).raise_for_status()
    return answer.headers["content-type"], answer.content
""",
    "urllib": """
from urllib.request import Request, urlopen
def call(method, url, headers, body):
    with urlopen(Request(url, body and body.encode(), headers, method=method), timeout=10) as answer:
        return answer.headers["content-type"], answer.read()
""",
}

CURL_PROGRAM = f"""
set -eu
key='Ocp-Apim-Subscription-Key: any-key'
read_field() {{ sed -n "s|.*\\"$1\\":\\[*\\"\\([^\\"]*\\)\\".*|\\1|p"; }}
polling=$(curl -sSf '{SUBMIT}' -H "$key" -H 'Content-Type: application/json' -d '{{"prompt": "a cat"}}' |
  read_field polling_url)
status=
while [ "$status" != COMPLETED ]; do
  job=$(curl -sSf "$polling" -H "$key")
  status=$(printf %s "$job" | read_field status)
done
url=$(printf %s "$job" | read_field media_url)
kind=$(curl -sSf -o out.mp4 -w '%{{content_type}}' "$url")
printf '{{"polling": "%s", "status": "%s", "url": "%s", "type": "%s", "size": %d}}\\n' \\
  "$polling" "$status" "$url" "$kind" "$(wc -c < out.mp4)"
"""

NODE_PROGRAM = f"""
const key = {{ 'Ocp-Apim-Subscription-Key': 'any-key' }};
const body = JSON.stringify({{ prompt: 'a cat' }});
(async () => {{
  const submit = {{ method: 'POST', headers: {{ ...key, 'Content-Type': 'application/json' }}, body }};
  const {{ polling_url: polling }} = await (await fetch('{SUBMIT}', submit)).json();
  let job = {{}};
  while (job.status !== 'COMPLETED') job = await (await fetch(polling, {{ headers: key }})).json();
  const url = job.output.media_url[0];
  const file = await fetch(url);
  const size = (await file.arrayBuffer()).byteLength;
  const type = file.headers.get('content-type');
  console.log(JSON.stringify({{ polling, status: job.status, url, type, size }}));
}})();
"""


PHP_PROGRAM = f"""<?php
function call($url, $headers, $body) {{
    $line = curl_init($url);
    curl_setopt_array($line, [CURLOPT_RETURNTRANSFER => true, CURLOPT_HTTPHEADER => $headers]);
    if ($body !== null) curl_setopt($line, CURLOPT_POSTFIELDS, $body);
    $said = curl_exec($line);
    if ($said === false) {{ fwrite(STDERR, curl_error($line)); exit(1); }}
    return [curl_getinfo($line, CURLINFO_CONTENT_TYPE), $said];
}}
$key = ['Ocp-Apim-Subscription-Key: any-key'];
$submit = [...$key, 'Content-Type: application/json'];
$polling = json_decode(call('{SUBMIT}', $submit, '{{"prompt": "a cat"}}')[1])->polling_url;
do $job = json_decode(call($polling, $key, null)[1]); while ($job->status !== 'COMPLETED');
$url = $job->output->media_url[0];
[$type, $file] = call($url, [], null);
$told = ['polling' => $polling, 'status' => $job->status, 'url' => $url, 'type' => $type];
echo json_encode([...$told, 'size' => strlen($file)]);
"""

WGET_PROGRAM = f"""
set -eu
key='Ocp-Apim-Subscription-Key: any-key'
read_field() {{ sed -n "s|.*\\"$1\\":\\[*\\"\\([^\\"]*\\)\\".*|\\1|p"; }}
polling=$(wget -nv -O - '{SUBMIT}' --header "$key" --header 'Content-Type: application/json' \\
  --post-data '{{"prompt": "a cat"}}' | read_field polling_url)
status=
while [ "$status" != COMPLETED ]; do
  job=$(wget -nv -O - "$polling" --header "$key")
  status=$(printf %s "$job" | read_field status)
done
url=$(printf %s "$job" | read_field media_url)
kind=$(wget -nv -S -O out.mp4 "$url" 2>&1 | sed -n 's|.*[Cc]ontent-[Tt]ype: *||p')
printf '{{"polling": "%s", "status": "%s", "url": "%s", "type": "%s", "size": %d}}\\n' \\
  "$polling" "$status" "$url" "$kind" "$(wc -c < out.mp4)"
"""


def judge(cwd: Path, *command: str) -> None:
    """Run it and hold it to what it would have met in life."""
    done = understudy_run(cwd, *command, options=("--offline", "--journal-har", "journal.har"))
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["polling"].startswith("https://gateway.pixazo.ai/v2/requests/status/")
    assert (told["status"], told["type"]) == ("COMPLETED", "video/mp4")
    assert told["url"].startswith("https://")
    assert told["url"].endswith("/output.mp4")
    assert told["size"] > 500
    entries = json.loads((cwd / "journal.har").read_bytes())["log"]["entries"]
    first, *polls, last = [entry["_understudy"].get("operation", "file") for entry in entries]
    assert (first, set(polls), last) == ("submit-hunyuan-video", {"get-request-status"}, "file")
    summary = done.stderr.decode()
    assert f"understudy: 1 job (pixazo 1), {len(entries)} calls" in summary
    assert "elsewhere" not in summary
    assert "refused" not in summary


@pytest.mark.parametrize("client", ["requests", "urllib3", "httpx", slow("urllib")])
def test_a_python_program_needs_no_change(tmp_path: Path, client: str) -> None:
    others = str(sdk("wavespeed-2.0.5")) if client in ("requests", "urllib3") else ""
    imports = f"sys.path.insert(0, {others!r})\n{CLIENTS[client]}" if others else CLIENTS[client]
    (tmp_path / "program.py").write_text(PYTHON_PROGRAM.format(client=imports), encoding="utf-8")
    judge(tmp_path, PYTHON, "program.py")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_curl_script_needs_no_change(tmp_path: Path) -> None:
    (tmp_path / "program.sh").write_text(CURL_PROGRAM, encoding="utf-8")
    judge(tmp_path, "sh", "program.sh")


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
def test_a_wget_script_needs_no_change(tmp_path: Path) -> None:
    (tmp_path / "program.sh").write_text(WGET_PROGRAM, encoding="utf-8")
    judge(tmp_path, "sh", "program.sh")


@pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")
def test_a_php_program_needs_no_change(tmp_path: Path) -> None:
    if b"curl" not in subprocess.run(["php", "-m"], capture_output=True, check=True).stdout.split():
        pytest.skip("PHP's curl extension is not installed")
    (tmp_path / "program.php").write_text(PHP_PROGRAM, encoding="utf-8")
    judge(tmp_path, "php", "program.php")


def test_a_node_program_needs_no_change(tmp_path: Path) -> None:
    (tmp_path / "program.js").write_text(NODE_PROGRAM, encoding="utf-8")
    judge(tmp_path, node(), "program.js")
