"""Files that callers bring: as a form, as data URLs, or to a place that a ticket promises them.

They are kept in memory and served to anybody who has the address, as the providers' own storage does.
Nobody looks inside them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
import re
from dataclasses import dataclass, field
from posixpath import splitext
from urllib.parse import quote

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.conditions import CallError, Condition, Detail, Refusal
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.facts import Stored, Ticket, Upload, Uploaded
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.body import invalid, read_valid_body
from understudy_mock.gateway.play import admit, prefer
from understudy_mock.gateway.turns import apart
from understudy_mock.gateway.world import World

_ANY_TYPE = "application/octet-stream"
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST_NAME = 200
MOST_FILES = 100
"""Files of one upload."""

_MOST_PARTS = 100
_MOST_HEADERS = 20
"""Headers of a part of a form; a real one has three."""


@dataclass(frozen=True, slots=True)
class _Brought:
    """A file as it came: its own name, the type it declares, and its bytes, None for one that is to come."""

    name: str
    media_type: str
    content: bytes | None = None
    digest: bytes = b""


async def upload(world: World, operation: Operation, call: Call) -> Answer:
    """Keep the files that the body holds."""
    account = admit(world, operation, call)
    brought = await apart(len(call.body), _brought, operation, call)
    files = [_named(world, operation, call, account, file) for file in brought]
    for file in files:
        world.uploads.put(file)
    return world.provider(operation.provider).answer(Uploaded(files))


async def ticket(world: World, operation: Operation, call: Call) -> Answer:
    """Promise a file a place.

    The body holds `filename` and `size`, and may hold `content_type`.
    """
    account = admit(world, operation, call)
    asked = await apart(len(call.body), read_valid_body, operation, call)
    wanted = _Brought(str(asked["filename"]), str(asked.get("content_type") or ""))
    file = _named(world, operation, call, account, wanted)
    file = msgspec.structs.replace(file, promised=int(asked["size"]))
    world.uploads.put(file)
    operations = world.catalog.operations
    place = next(o.path for o in operations if o.role == "keep" and o.provider == operation.provider)
    url = call.media_origin + re.sub(r"\{[^{}]+\}", file.ticket, place)
    return world.provider(operation.provider).answer(Ticket(file, url))


async def keep(world: World, operation: Operation, call: Call) -> Answer:
    """Keep what is put into a promised place. The ticket in the address stands for the key."""
    promised = world.uploads.promised(call.params[operation.job])
    if promised is None:
        raise Refusal(Condition.NOT_FOUND, Detail(text="upload not found or expired"))
    call.account = promised.account
    prefer(world, operation, call)
    if call.oversize:
        raise Refusal(CallError.BODY_TOO_LARGE)
    if len(call.body) != promised.promised:
        reason = f"has {len(call.body)} bytes, where {promised.promised} were announced"
        raise invalid("", reason)
    tag = (await apart(len(call.body), _digest, call.body)).hex()
    world.uploads.put(msgspec.structs.replace(promised, content=call.body, tag=tag))
    return world.provider(operation.provider).answer(Stored())


def fetch(world: World, upload_id: str, name: str, call: Call) -> Upload:
    """Return an uploaded file with its content; it needs no key. Raises Refusal when there is none (yet)."""
    file = world.uploads.get(upload_id)
    if file is None or file.content is None or file.name != name:
        raise Refusal(Condition.NOT_FOUND)
    call.account = file.account
    return file


def _brought(operation: Operation, call: Call) -> list[_Brought]:
    return _of_form(operation, call) if operation.form else _of_data_urls(operation, call)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16, usedforsecurity=False).digest()


def _named(
    world: World,
    operation: Operation,
    call: Call,
    account: Account,
    file: _Brought,
) -> Upload:
    """Return the upload that a file becomes, with its name, its type and its address."""
    name = _plain_name(file.name)
    media_type = file.media_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(media_type) or media_type == _ANY_TYPE:
        media_type = mimetypes.guess_type(name)[0] or _ANY_TYPE
    asked = f"{name}\0{media_type}\0".encode() + file.digest
    nth = account.nth(hash((operation.id, asked)))
    draw = Draw.of_job(world.settings.seed, account.name, operation.id, asked, nth)
    made = f"{draw.bits('upload', 128):032x}"
    return Upload(
        id=made,
        account=account.name,
        name=name,
        media_type=media_type,
        url=f"{call.media_origin}/media/{made}/{quote(name, safe='')}",
        content=file.content,
        tag=made,
        ticket=f"{draw.bits('ticket', 128):032x}" if file.content is None else "",
    )


def _plain_name(name: str) -> str:
    """Take away folders and what has no place in an address."""
    name = _ODD.sub("", re.split(r"[/\\]", name)[-1]).strip()
    if name.strip(".") == "":
        return "upload"
    if len(name) > _LONGEST_NAME:
        stem, ending = splitext(name)
        name = stem[:_LONGEST_NAME] + ending[:20]
    return name


# -- forms


@dataclass(slots=True)
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content: list[bytes] = field(default_factory=list)


def _of_form(operation: Operation, call: Call) -> list[_Brought]:
    """Read the file of a form."""
    if call.oversize:
        raise Refusal(CallError.BODY_TOO_LARGE)
    for part in _parts(call):
        _, options = parse_options_header(part.headers.get(b"content-disposition", b""))
        if options.get(b"name") == operation.file.encode() and b"filename" in options:
            name = options[b"filename"].decode("utf-8", "replace")
            kind = part.headers.get(b"content-type", b"").decode("latin-1")
            content = b"".join(part.content)
            return [_Brought(name, kind, content, _digest(content))]
    raise invalid(operation.file, "is required", missing=True)


def _parts(call: Call) -> list[_Part]:
    kind, options = parse_options_header(call.headers.get(b"content-type", b""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise invalid("", "is not multipart/form-data")
    parts: list[_Part] = []
    name, value = bytearray(), bytearray()

    def begin() -> None:
        if len(parts) == _MOST_PARTS:
            raise FormParserError("too many parts")
        parts.append(_Part())

    def end_header() -> None:
        if len(parts[-1].headers) == _MOST_HEADERS:
            raise FormParserError("too many headers")
        parts[-1].headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_header_field": lambda data, start, end: name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: value.extend(data[start:end]),
                "on_header_end": end_header,
                "on_part_data": lambda data, start, end: parts[-1].content.append(data[start:end]),
            },
        )
        parser.write(call.body)
        parser.finalize()
    except FormParserError as error:
        raise invalid("", f"is not a form: {error}") from None
    return parts


# -- data URLs


def _of_data_urls(operation: Operation, call: Call) -> list[_Brought]:
    """Read the files that a JSON body holds as data URLs; they have no names of their own."""
    asked = read_valid_body(operation, call)
    if len(asked[operation.file]) > MOST_FILES:
        reason = f"has {len(asked[operation.file])} files; no more than {MOST_FILES} are taken at once"
        raise invalid(operation.file, reason)
    return [_of_data_url(operation, index, text) for index, text in enumerate(asked[operation.file])]


def _of_data_url(operation: Operation, index: int, text: str) -> _Brought:
    comma = text.find(",")
    head = text[: max(comma, 0)].lower()
    try:
        if not head.startswith("data:") or not head.endswith(";base64"):
            raise ValueError("no data URL")
        content = base64.b64decode(text[comma + 1 :], validate=True)
    except (ValueError, binascii.Error):
        reason = f"entry {index} is not a base64 data URL"
        raise invalid(operation.file, reason) from None
    kind = head.removeprefix("data:").partition(";")[0].strip()
    return _Brought(f"asset{mimetypes.guess_extension(kind) or ''}", kind, content, _digest(content))
