"""Where a recorder's calls go, and how addresses in answers are changed so that clients stay with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from understudy_mock.catalog import Catalog
from understudy_mock.har.body import decode
from understudy_mock.har.recognise import Recogniser, named_in

ELSEWHERE = "/_origin/"
"""Under this path stand the origins that answers have named: `/_origin/https/cdn.example/a.mp4`."""

_ADDRESS = re.compile(r'"(https?:(?:\\?/){2}[^"\s]*)"')


@dataclass(frozen=True, slots=True)
class Target:
    """One call's way: the provider, the address there, its path at the provider, and the base it came by."""

    provider: str
    url: str
    path: str
    host: str
    base: str


class Upstreams:
    """The upstream of each provider, by default its real API. `given` are the user's own."""

    def __init__(self, catalog: Catalog, given: Mapping[str, str], recogniser: Recogniser) -> None:
        documents = catalog.documents
        self._real: dict[str, str] = {
            name: str(documents[name]["servers"][0]["url"]).rstrip("/") for name in documents
        }
        self._bases = {**self._real, **{name: url.rstrip("/") for name, url in given.items()}}
        self._hosts = {host: name for name in catalog.providers for host in catalog.hosts(name)}
        self._api_hosts = {urlsplit(url).hostname: name for name, url in self._real.items()}
        self._named: set[tuple[str, str]] = {
            ("https", host) for name in catalog.providers for host in catalog.media_hosts(name)
        }
        self._recogniser = recogniser

    def target(self, method: str, base: str, path: str, query: str) -> Target | None:
        """Return where a call to `base` goes, for instance `http://127.0.0.1:8080`, with an undecoded path.

        None for an origin that no answer has named.
        """
        asked = f"?{query}" if query else ""
        netloc = base.partition("://")[2]
        host = netloc.rpartition(":")[0] if re.search(r":\d+$", netloc) else netloc
        host = host.lower()
        if path.startswith(ELSEWHERE):
            to, _, rest = path.removeprefix(ELSEWHERE).partition("/")
            where, _, rest = rest.partition("/")
            if (to, where) not in self._named:
                return None
            url = f"{to}://{where}/{rest}{asked}"
            owner = self._recogniser.owner_of(url)
            provider = owner.provider if owner is not None else self._hosts.get(host, "")
            return Target(provider, url, f"/{rest}", where, base)
        real = self._hosts.get(host)
        if real is not None and host not in self._api_hosts:
            return Target(real, f"https://{host}{path}{asked}", path, host, base)
        match = self._recogniser.find(method, unquote(path), host if real is not None else "")
        provider = real or match.provider
        if real is None and match.file is not None and self._bases[provider] == self._real[provider]:
            files = self._recogniser.media_host(provider)  # where the provider keeps results under this path
            if files is not None:
                return Target(provider, f"https://{files}{path}{asked}", path, files, base)
        # A provider that answers below its name here does so at its own address.
        path, base = path[len(match.mount) :] or "/", base + match.mount
        return Target(provider, f"{self._bases[provider]}{path}{asked}", path, host if real else "", base)

    def learn(self, provider: str, body: bytes) -> None:
        """Remember the origins of the files that a provider's answer names."""
        for url in named_in(self._recogniser.readers.of(provider), decode(body)):
            self.allow(url)

    def allow(self, url: str) -> None:
        """Let calls go to the origin of an address that an upstream has named."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return
        if parts.netloc:
            self._named.add((parts.scheme, parts.netloc))

    def back(self, url: str, target: Target) -> str:
        """Return an address in an answer so that it leads here again; others stay as they are."""
        for base in dict.fromkeys((self._bases.get(target.provider), self._real.get(target.provider))):
            if base is not None and (url == base or url.startswith((base + "/", base + "?"))):
                return target.base + url[len(base) :]
        try:
            parts = urlsplit(url)
        except ValueError:
            return url
        if (parts.scheme, parts.netloc) not in self._named:
            return url
        if target.host in self._hosts and parts.netloc in self._hosts:
            return url  # interception brings it here under its own name
        rest = url.partition("://")[2][len(parts.netloc) :]
        return f"{target.base}{ELSEWHERE}{parts.scheme}/{parts.netloc}{rest}"

    def forth(self, url: str, target: Target) -> str:
        """Return an address in a request as the provider knows it, where an answer had led it here."""
        if url.startswith(target.base + ELSEWHERE):
            scheme, _, rest = url.removeprefix(target.base + ELSEWHERE).partition("/")
            return f"{scheme}://{rest}"
        if url.startswith(target.base + "/") and target.provider in self._bases:
            return self._bases[target.provider] + url[len(target.base) :]
        return url

    def lead_back(self, body: bytes, target: Target) -> bytes:
        """Change the addresses in an answer's JSON, so that they lead here; nothing else in it changes."""
        return _changed(body, lambda url: self.back(url, target))

    def lead_forth(self, body: bytes, target: Target) -> bytes:
        """Change the addresses in a request's JSON back to those that the provider knows."""
        return _changed(body, lambda url: self.forth(url, target))


def _changed(body: bytes, change: Callable[[str], str]) -> bytes:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body

    def changed(match: re.Match[str]) -> str:
        url = match[1].replace("\\/", "/")
        new = change(url)
        if new == url:
            return match[0]
        return '"' + (new.replace("/", r"\/") if r"\/" in match[1] else new) + '"'

    return _ADDRESS.sub(changed, text).encode()
