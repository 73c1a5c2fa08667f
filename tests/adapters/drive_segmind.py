"""Drive the Python SDK of Segmind, as drive_wavespeed.py does that of WaveSpeed."""

import json
import sys

folder, base_url, file, *actions = sys.argv[1:]
sys.path.insert(0, folder)

import httpx  # noqa: E402
from segmind import SegmindClient  # type: ignore[import-not-found]  # noqa: E402
from segmind.files import Files  # type: ignore[import-not-found]  # noqa: E402

if base_url:
    Files.STORAGE_BASE_URL = base_url  # uploads have a host of their own and no other way to tell it
FILES = httpx.Client()  # one for all: each would read the certificates of the world again
INPUT = {"prompt": "a cat", "width": 64, "height": 64}


def act(action: str) -> object:
    verb, scenario = action.split(":")
    key = f"scenario:{scenario}:{verb}"
    client = SegmindClient(api_key=key, **({"base_url": f"{base_url}/v1"} if base_url else {}))
    if verb == "upload":
        (url,) = client.files.upload(file)["file_urls"]
        return FILES.get(url).content.decode()
    if verb == "sync":
        response = client.run_sync("hunyuan-video", **INPUT)
        return [response.headers["content-type"], response.headers["x-cost"]]
    if verb == "run":
        result = client.run("hunyuan-video", **INPUT)
    else:
        result = client.submit_async("hunyuan-video", **INPUT).wait(interval=0.01)
    return [result["status"], FILES.get(result["video"]["url"]).headers["content-type"]]


for action in actions:
    told: dict[str, object] = {"action": action}
    try:
        told["result"] = act(action)
    except Exception as error:
        told["error"] = (
            f"{type(error).__name__}: {getattr(error, 'status', '')} {getattr(error, 'detail', error)}"
        )
    print(json.dumps(told), flush=True)  # noqa: T201 (this is its answer)
