"""Drive the Python SDK of WaveSpeed: argv is its folder, the base URL or "", a file to upload, and actions.

Prints one JSON line an action: what the SDK returned, or what it raised. Run by itself, never imported.
"""

import contextlib
import io
import json
import sys

folder, base_url, file, *actions = sys.argv[1:]
sys.path.insert(0, folder)

import requests  # noqa: E402
from wavespeed import Client  # type: ignore[import-not-found]  # noqa: E402

MODEL = "wavespeed-ai/hunyuan-video/i2v"
INPUT = {"image": "https://example.com/cat.jpg", "prompt": "a cat"}


def act(action: str) -> object:
    verb, scenario = action.split(":")
    key = f"scenario:{scenario}:{verb}"
    client = Client(api_key=key, retry_interval=0.01, **({"base_url": base_url} if base_url else {}))
    if verb == "upload":
        url = client.upload(file)
        return requests.get(url, timeout=10).text
    outputs = client.run(MODEL, INPUT, poll_interval=0.01, enable_sync_mode=verb == "sync")["outputs"]
    return [requests.get(url, timeout=10).headers["content-type"] for url in outputs]


for action in actions:
    told: dict[str, object] = {"action": action}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            told["result"] = act(action)
        except Exception as error:
            told["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(told), flush=True)  # noqa: T201 (this is its answer)
