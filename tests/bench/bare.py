"""What the gateway is measured against: uvicorn as the gateway has it, and an app that says constant bytes.

Started by the bench as `python -m tests.bench.bare ANSWERS`, where ANSWERS is JSON: for GET and for POST
a status and a body. The first line on stdout is the base URL.
"""

from __future__ import annotations

import json
import socket
import sys

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def make_app(answers: dict[str, tuple[int, str]]) -> ASGIApp:
    """Make the app. A request body is read to its end, as anything that takes submits must."""
    made = {method: _messages(status, body.encode()) for method, (status, body) in answers.items()}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            while (await receive()).get("more_body", False):
                pass
        start, end = made[scope["method"]]
        await send(start)
        await send(end)

    return app


def _messages(status: int, body: bytes) -> tuple[Message, Message]:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def main() -> None:
    """Serve until a signal comes."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        make_app(json.loads(sys.argv[1])),
        http="httptools",
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
