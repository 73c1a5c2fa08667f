"""Find the operation of a request, at a cost that does not grow with the number of models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from msgspec import structs

from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation

_KEPT = re.compile(r"^/media/([0-9a-f]{32})/([^/]+)$")
_FILE = re.compile(r"^/v1/([^/]+)/(output[^/]*)$")
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Found(msgspec.Struct, frozen=True):
    """What a request is for. Without an operation it is for nothing; `allowed` are the methods there are.

    `file` is the job and the name of a result file that is asked for, `kept` the same of an uploaded one.
    `mount` is the path below which the provider answers, and with which the request's path began.
    """

    provider: str
    operation: Operation | None = None
    params: Mapping[str, str] = _NO_PARAMS
    allowed: tuple[str, ...] = ()
    file: tuple[str, str] | None = None
    kept: tuple[str, str] | None = None
    mount: str = ""

    @property
    def is_file(self) -> bool:
        """Whether a file is asked for: files are on another host than the provider's API."""
        return self.file is not None or self.kept is not None


class _Route:
    """One path: what it is for, by method. All of its operations are of one provider."""

    __slots__ = ("allowed", "found", "mount", "names", "provider")

    def __init__(self, provider: str, names: list[str], mount: str) -> None:
        self.provider = provider
        self.names = names
        self.mount = mount
        self.found: dict[str, Found] = {}
        self.allowed: tuple[str, ...] = ()

    def add(self, operation: Operation) -> None:
        """Serve one more method here."""
        self.allowed = (*self.allowed, operation.method)
        operations = [found.operation for found in self.found.values()] + [operation]
        self.found = {
            one.method: Found(self.provider, one, allowed=self.allowed, mount=self.mount)
            for one in operations
            if one is not None
        }

    def of(self, method: str, values: list[str]) -> Found:
        """Return what a request with this method is for. `values` stand where the path has parameters."""
        found = self.found.get(method)
        if found is None:
            found = Found(self.provider, allowed=self.allowed, mount=self.mount)
        if not values:
            return found
        params = dict(zip(self.names, values, strict=True))
        return Found(found.provider, found.operation, params, found.allowed, mount=self.mount)


class _Node:
    """One step of the paths that have parameters."""

    __slots__ = ("inner", "route", "wild")

    def __init__(self) -> None:
        self.inner: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.route: _Route | None = None


class _Paths:
    """The paths that are served at one place, below `mount`."""

    def __init__(self, operations: Iterable[Operation], mount: str = "") -> None:
        self._plain: dict[str, _Route] = {}
        self._tree = _Node()
        self._mount = mount
        for operation in operations:
            self._route(operation).add(operation)

    def find(self, method: str, path: str) -> Found | None:
        """Return what a request is for; None for a path that is not served here."""
        route = self._plain.get(path)
        if route is not None:
            return route.of(method, [])
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
                return None
        return node.route.of(method, values) if node.route is not None else None

    def _route(self, operation: Operation) -> _Route:
        """Return the route of an operation's path, made where there is none yet."""
        names = _PARAMETER.findall(operation.path)
        if not names:
            return self._plain.setdefault(operation.path, _Route(operation.provider, names, self._mount))
        node = self._tree
        for part in operation.path.split("/")[1:]:
            if part.startswith("{"):
                node.wild = node = node.wild or _Node()
            else:
                node = node.inner.setdefault(part, _Node())
        node.route = node.route or _Route(operation.provider, names, self._mount)
        return node.route


class Routes:
    """All routes of all providers, on one port: some at the root, the others each below its name."""

    def __init__(self, catalog: Catalog) -> None:
        names, operations = catalog.providers, catalog.operations
        own = {name: [one for one in operations if one.provider == name] for name in names}
        self._at_hosts = {name: _Paths(own[name]) for name in names}
        self._at_root = _Paths(one for one in operations if one.provider in catalog.at_root)
        self._mounted = {
            name: _Paths(own[name], catalog.mount(name)) for name in names if name not in catalog.at_root
        }
        self._hosts = {host: name for name in names for host in catalog.hosts(name)}
        self._file_hosts = {host: name for name in names for host in catalog.media_hosts(name)}
        self._with_files = {name for name in names if not catalog.media_hosts(name)}
        root = [name for name in names if name in catalog.at_root]
        owned = [(path, name) for name in root for path in catalog.owned(name)]
        self._owned = sorted(owned, key=lambda pair: len(pair[0]), reverse=True)
        self._first = root[0]

    def provider_of_host(self, host: str) -> str | None:
        """Return the provider whose real host this is."""
        return self._hosts.get(host)

    def media_host_of(self, provider: str) -> str | None:
        """Return the real host of a provider's files."""
        return next((host for host, name in self._file_hosts.items() if name == provider), None)

    def find(self, method: str, path: str, host: str) -> Found:
        """Return what a request is for. At a provider's real host only its own routes answer."""
        only = self._hosts.get(host)
        found = (self._at_root if only is None else self._at_hosts[only]).find(method, path)
        if found is not None:
            return found
        has_files = only is None or host in self._file_hosts or only in self._with_files
        found = _file_at(only or self._owner(path), path, has_files)
        if found is None and only is None and self._mounted:
            found = self._find_mounted(method, path)
        return found or Found(only or self._owner(path))

    def _find_mounted(self, method: str, path: str) -> Found | None:
        """Return what a request is for that a provider answers below its name; None for any other."""
        name = path[1:].partition("/")[0]
        paths = self._mounted.get(name)
        if paths is None:
            return None
        inner = path[1 + len(name) :] or "/"
        found = paths.find(method, inner) or _file_at(name, inner, True) or Found(name)
        return found if found.mount else structs.replace(found, mount=f"/{name}")

    def _owner(self, path: str) -> str:
        """Return the provider that a path without an operation would belong to: it words the refusal."""
        return next((provider for pattern, provider in self._owned if _fits(path, pattern)), self._first)


def _file_at(provider: str, path: str, has_files: bool) -> Found | None:
    """Return which file a path leads to: a result (where there are any) or an uploaded one; None for none."""
    if has_files and (file := _FILE.match(path)) is not None:
        return Found(provider, file=(file[1], file[2]), allowed=("GET", "HEAD"))
    if (kept := _KEPT.match(path)) is not None:
        return Found(provider, kept=(kept[1], kept[2]), allowed=("GET", "HEAD"))
    return None


def _fits(path: str, pattern: str) -> bool:
    """Return whether a path is one of those that a pattern of `x-owns` means."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    before, _, name = path.rpartition("/")
    return name != "" and before == pattern.rpartition("/")[0]
