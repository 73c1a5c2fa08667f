"""Recognise what recorded exchanges were for: provider, operation, account and job, by the catalog.

At a provider's real hosts every call is the provider's. At another host a call is one of a documented
operation: on this machine by its path alone, elsewhere once a submit went to that host, too. Files are
recognised by the answers that named them, since they may lie anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urldefrag, urljoin, urlsplit

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.keys import presented
from understudy_mock.har.body import decode
from understudy_mock.redaction import SECRET_HEADERS
from understudy_mock.web.routes import Found, Routes
from understudy_mock.wording import Readers, Reads, wordings_of

_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")


class Owner(NamedTuple):
    """Whose an address is: what an answer named for a job's file, or for a promised upload."""

    provider: str
    account: str
    job: str
    operation: str = ""


def key_of(operation: Operation | None, entry: JournalEntry) -> str:
    """Return the key that a call shows where the documents of its operation have it, "" for none."""
    query = entry.url.partition("?")[2].partition("#")[0].encode("utf-8", "surrogateescape")
    credentials = operation.credentials if operation is not None else ()
    return presented(credentials, dict(entry.request_headers), query)


@dataclass(frozen=True, slots=True)
class Match:
    """What an address is for. `sure` is False where only its path speaks for it."""

    found: Found
    sure: bool


class Recogniser:
    """Knows the operations, and remembers which addresses answers have named."""

    def __init__(self, catalog: Catalog) -> None:
        self.wordings = wordings_of(catalog)
        self.readers = Readers(self.wordings)
        self._routes = Routes(catalog)
        self.operation = catalog.operation
        self._keeps = {one.provider: one.id for one in catalog.operations if one.role == "keep"}
        self._named: dict[str, Owner] = {}
        self._jobs: dict[str, Owner] = {}

    def match(self, method: str, url: str) -> Match | None:
        """Return what a call is for by its address alone; None for what is no provider's."""
        parts = split(url)
        host = (parts.hostname or "").lower() if parts is not None else ""
        if parts is None or not host or parts.scheme not in ("http", "https") or method == "OPTIONS":
            return None  # a browser's question before the call is none to the provider
        path = unquote(parts.path) if "%2f" not in parts.path.lower() else parts.path
        found = self._routes.find(method, path or "/", host)
        if self._routes.provider_of_host(host) is not None:
            return Match(found, sure=True)
        if found.operation is None and found.file is None and found.kept is None:
            return None
        return Match(found, sure=is_this_machine(host))

    def find(self, method: str, path: str, host: str) -> Found:
        """Return what a path is for; `host` is "" where it says nothing."""
        return self._routes.find(method, path, host)

    def media_host(self, provider: str) -> str | None:
        """Return where a provider keeps its files, as far as the documentation shows."""
        return self._routes.media_host_of(provider)

    def owner_of(self, url: str) -> Owner | None:
        """Return what an answer has named this address for; None where none has."""
        return self._named.get(urldefrag(url)[0])

    def complete(self, entry: JournalEntry) -> JournalEntry:
        """Fill in what an entry lacks of provider, operation, key, account and job, and learn from it."""
        operation = self.operation(entry.provider, entry.operation)
        job, provider = entry.job, entry.provider
        match = None if operation is not None or entry.kind == "delivery" else self._match(entry)
        if match is not None:
            operation, provider = match.operation, provider or match.provider
            job = job or (match.file[0] if match.file is not None else "")
        owner = self.owner_of(entry.url) if operation is None and entry.kind == "call" else None
        if owner is not None:
            operation = self.operation(owner.provider, owner.operation)
            provider, job = owner.provider, job or owner.job
        headers = dict(entry.request_headers)
        key = entry.key or self._key(operation, headers, entry)
        account = entry.account or (account_name(key) if key else "")
        if not job:
            job = self._job(entry, operation)
        if operation is None and job in self._jobs:  # nobody shows a key with a file or a callback
            provider, account = self._jobs[job].provider, entry.account or self._jobs[job].account
        elif owner is not None:
            account = entry.account or owner.account
        entry = msgspec.structs.replace(
            entry,
            provider=provider,
            operation=operation.id if operation is not None else entry.operation,
            key=key,
            account=account,
            job=job,
        )
        self._learn(entry, operation)
        return entry

    def _match(self, entry: JournalEntry) -> Found | None:
        match = self.match(entry.method, entry.url)
        if match is not None and entry.provider and match.found.provider != entry.provider:
            return None
        return match.found if match is not None else None

    def _key(self, operation: Operation | None, headers: Mapping[bytes, bytes], entry: JournalEntry) -> str:
        if entry.kind == "delivery":
            return ""
        if key := key_of(operation, entry):
            return key
        shown = (headers[name] for name in sorted(SECRET_HEADERS) if headers.get(name))
        value = next(shown, b"").decode("latin-1")
        return value.rpartition(" ")[2]

    def _job(self, entry: JournalEntry, operation: Operation | None) -> str:
        """Return the job that a call was about: by its address, its body, or what was answered."""
        if entry.kind == "delivery":
            return self.readers.of(entry.provider).job(decode(entry.request_body))
        if operation is None:
            return ""
        if operation.role in ("status", "result"):
            match = self.match(entry.method, entry.url)
            if match is not None and operation.job in match.found.params:
                return match.found.params[operation.job]
            asked = decode(entry.request_body)
            job = asked.get(operation.job) if isinstance(asked, dict) else None
            return job if isinstance(job, str) else ""
        if operation.role == "submit" and (entry.status < 400 or operation.answers == "media"):
            body = decode(entry.response_body) if entry.status < 400 else None
            return self.readers.of(operation.provider).job(body, headers_of(entry))
        return ""

    def _learn(self, entry: JournalEntry, operation: Operation | None) -> None:
        """Remember the addresses that an exchange names."""
        owner = Owner(entry.provider, entry.account, entry.job)
        if operation is None and entry.kind == "call":
            if 300 <= entry.status < 400 and entry.job:
                for name, value in entry.response_headers:
                    if name == b"location":
                        self._name(urljoin(entry.url, value.decode("latin-1")), owner)
            return
        if operation is not None and operation.role in ("submit", "status", "result") and entry.job:
            self._jobs.setdefault(entry.job, owner)
        body = decode(entry.request_body if entry.kind == "delivery" else entry.response_body)
        reads = self.readers.of(entry.provider)
        for view in reads.of_each(body):
            for url in view.urls:
                self._name(url, owner._replace(job=view.job or entry.job))
        if operation is not None and operation.role == "ticket":
            for url in reads.upload_to(body):
                self._name(url, owner._replace(operation=self._keeps.get(entry.provider, "")))

    def _name(self, url: str, owner: Owner) -> None:
        if url.startswith(("http://", "https://")):
            self._named.setdefault(urldefrag(url)[0], owner)


def split(url: str) -> SplitResult | None:
    """Return the parts of an address; None for what is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


def plain_path(path: str) -> str:
    """Return a path in its usual spelling: `/a/./b/../%63` is `/a/c` (RFC 3986, 6.2.2.2 and 6.2.2.3).

    What is escaped with a reason, a slash for instance, stays escaped.
    """
    path = _ESCAPED.sub(_unescaped, path)
    steps: list[str] = []
    parts = path.split("/")
    if parts[-1] in (".", ".."):
        parts.append("")
    for step in parts:
        if step == "..":
            if len(steps) > 1:
                steps.pop()
        elif step != ".":
            steps.append(step)
    return "/".join(steps)


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if re.fullmatch(r"[A-Za-z0-9\-._~]", character) else match[0]


def is_this_machine(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def headers_of(entry: JournalEntry) -> dict[str, str]:
    """Return the headers of an answer."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in entry.response_headers}


def named_in(reads: Reads, body: Any) -> list[str]:
    """Return the addresses of files that an answer names: results, uploads, and where to upload to."""
    urls = [url for view in reads.of_each(body) for url in view.urls]
    urls += [*reads.uploads(body), *reads.upload_to(body)]
    return [url for url in urls if url.startswith(("http://", "https://"))]
