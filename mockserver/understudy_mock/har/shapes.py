"""The parts of HAR 1.2 that are read, and what programs add to them. Nothing else in a file matters.

http://www.softwareishard.com/blog/har-12-spec/; what begins with an underscore is a program's own.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Pair(msgspec.Struct):
    """A header."""

    name: str
    value: str | None = ""


class Param(msgspec.Struct):
    """A field of a form."""

    name: str
    value: str | None = None
    file_name: str | None = msgspec.field(default=None, name="fileName")
    content_type: str | None = msgspec.field(default=None, name="contentType")


class PostData(msgspec.Struct):
    """The body of a request."""

    kind: str | None = msgspec.field(default="", name="mimeType")
    text: str | None = None
    params: list[Param] | None = None
    encoding: str | None = None
    own_encoding: str | None = msgspec.field(default=None, name="_encoding")


class Content(msgspec.Struct):
    """The body of an answer. `file` leads to one that is kept beside the HAR."""

    size: float | None = 0
    kind: str | None = msgspec.field(default="", name="mimeType")
    text: str | None = None
    encoding: str | None = None
    file: str | None = msgspec.field(default=None, name="_file")


class Request(msgspec.Struct):
    """A request."""

    method: str
    url: str
    version: str | None = msgspec.field(default="", name="httpVersion")
    headers: list[Pair] = []
    post_data: PostData | None = msgspec.field(default=None, name="postData")
    size: float | None = msgspec.field(default=-1, name="bodySize")


class Response(msgspec.Struct):
    """An answer; `error` and `failure` say why there is none."""

    status: int | None = 0
    headers: list[Pair] = []
    content: Content | None = None
    redirect: str | None = msgspec.field(default="", name="redirectURL")
    error: str | None = msgspec.field(default=None, name="_error")
    failure: str | None = msgspec.field(default=None, name="_failureText")


class Own(msgspec.Struct):
    """What HAR has no field for, in our own files."""

    kind: Literal["call", "delivery"] = "call"
    account: str = ""
    provider: str = ""
    operation: str = ""
    job: str = ""
    scenario: str = ""
    fault: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()
    connected: int = 0
    connection: int = 0
    process: int = 0
    untimed: bool = False


class RequestHead(msgspec.Struct):
    """As much of a request as shows whose it is."""

    method: str
    url: str


class Head(msgspec.Struct):
    """As much of an entry as shows whose it is. `started` may be anything: it is read if it is an instant."""

    request: RequestHead
    started: Any = msgspec.field(default=None, name="startedDateTime")
    own: Own | None = msgspec.field(default=None, name="_understudy")


class Entry(msgspec.Struct):
    """One exchange."""

    request: Request
    time: float | None = None
    response: Response | None = None
    timings: dict[str, Any] | None = None
    own: Own | None = msgspec.field(default=None, name="_understudy")


class Creator(msgspec.Struct):
    """The program that wrote the file."""

    name: str = ""


class Log(msgspec.Struct):
    """The exchanges of a file, not decoded yet."""

    entries: list[msgspec.Raw]
    version: str | float | None = None
    creator: Creator | None = None


class Har(msgspec.Struct):
    """A file."""

    log: Log
