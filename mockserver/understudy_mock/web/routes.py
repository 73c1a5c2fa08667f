"""Find the operation of a request, at a cost that does not grow with the number of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation

_KEPT = re.compile(r"^/media/([0-9a-f]{32})/([^/]+)$")
_FILE = re.compile(r"^/v1/([^/]+)/(output[^/]*)$")
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Found(msgspec.Struct, frozen=True):
    """What a request is for. Without an operation it is for nothing; `allowed` are the methods there are.

    `file` is the job and the name of a result file that is asked for, `kept` the same of an uploaded one.
    """

    provider: str
    operation: Operation | None = None
    params: Mapping[str, str] = _NO_PARAMS
    allowed: tuple[str, ...] = ()
    file: tuple[str, str] | None = None
    kept: tuple[str, str] | None = None

    @property
    def is_file(self) -> bool:
        """Whether a file is asked for: files are on another host than the provider's API."""
        return self.file is not None or self.kept is not None


class _Route:
    """One path: what it is for, by method. All of its operations are of one provider."""

    __slots__ = ("allowed", "found", "names", "provider")

    def __init__(self, provider: str, names: list[str]) -> None:
        self.provider = provider
        self.names = names
        self.found: dict[str, Found] = {}
        self.allowed: tuple[str, ...] = ()

    def add(self, operation: Operation) -> None:
        """Serve one more method here."""
        self.allowed = (*self.allowed, operation.method)
        self.found[operation.method] = Found(self.provider, operation)
        self.found = {
            method: Found(self.provider, found.operation, allowed=self.allowed)
            for method, found in self.found.items()
        }

    def of(self, method: str) -> Found:
        """Return what a request with this method is for."""
        return self.found.get(method) or Found(self.provider, allowed=self.allowed)


class _Node:
    """One step of the paths that have parameters."""

    __slots__ = ("inner", "route", "wild")

    def __init__(self) -> None:
        self.inner: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.route: _Route | None = None


class Routes:
    """All routes of all providers, on one port."""

    def __init__(self, catalog: Catalog) -> None:
        self._plain: dict[str, _Route] = {}
        self._tree = _Node()
        for operation in catalog.operations:
            self._route(operation).add(operation)
        self._hosts = {host: name for name in catalog.providers for host in catalog.hosts(name)}
        self._file_hosts = {host: name for name in catalog.providers for host in catalog.media_hosts(name)}
        self._with_files = {name for name in catalog.providers if not catalog.media_hosts(name)}
        owned = [(path, name) for name in catalog.providers for path in catalog.owned(name)]
        self._owned = sorted(owned, key=lambda pair: len(pair[0]), reverse=True)
        self._first = catalog.providers[0]

    def provider_of_host(self, host: str) -> str | None:
        """Return the provider whose real host this is."""
        return self._hosts.get(host)

    def media_host_of(self, provider: str) -> str | None:
        """Return the real host of a provider's files."""
        return next((host for host, name in self._file_hosts.items() if name == provider), None)

    def find(self, method: str, path: str, host: str) -> Found:
        """Return what a request is for. At a provider's real host only its own routes answer."""
        only = self._hosts.get(host)
        route, values = self._plain.get(path), None
        if route is None:
            route, values = self._walk(path)
        if route is not None and (only is None or route.provider == only):
            found = route.of(method)
            if not values:
                return found
            params = dict(zip(route.names, values, strict=True))
            return Found(found.provider, found.operation, params, found.allowed)
        file = _FILE.match(path)
        if file is not None and (only is None or host in self._file_hosts or only in self._with_files):
            return Found(only or self._owner(path), file=(file[1], file[2]), allowed=("GET", "HEAD"))
        kept = _KEPT.match(path)
        if kept is not None:
            return Found(only or self._owner(path), kept=(kept[1], kept[2]), allowed=("GET", "HEAD"))
        return Found(only or self._owner(path))

    def _route(self, operation: Operation) -> _Route:
        """Return the route of an operation's path, made where there is none yet."""
        names = _PARAMETER.findall(operation.path)
        if not names:
            return self._plain.setdefault(operation.path, _Route(operation.provider, names))
        node = self._tree
        for part in operation.path.split("/")[1:]:
            if part.startswith("{"):
                node.wild = node = node.wild or _Node()
            else:
                node = node.inner.setdefault(part, _Node())
        node.route = node.route or _Route(operation.provider, names)
        return node.route

    def _walk(self, path: str) -> tuple[_Route | None, list[str]]:
        values = []
        node = self._tree
        for part in path.split("/")[1:]:
            inner = node.inner.get(part)
            if inner is not None:
                node = inner
            elif node.wild is not None and part:
                node = node.wild
                values.append(part)
            else:
                return None, values
        return node.route, values

    def _owner(self, path: str) -> str:
        """Return the provider that a path without an operation would belong to: it words the refusal."""
        return next((provider for pattern, provider in self._owned if _fits(path, pattern)), self._first)


def _fits(path: str, pattern: str) -> bool:
    """Return whether a path is one of those that a pattern of `x-owns` means."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    before, _, name = path.rpartition("/")
    return name != "" and before == pattern.rpartition("/")[0]
