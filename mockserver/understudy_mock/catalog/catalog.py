"""The compiled specs: every provider, model and operation, and the document of each provider."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from understudy_mock.catalog.bundle import bundle
from understudy_mock.catalog.compile import compile_operations
from understudy_mock.catalog.load import Document, SpecError, bundled_specs, read_documents
from understudy_mock.catalog.notation import escape
from understudy_mock.domain.model import Model, Operation


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class Catalog:
    """What the specs describe. `documents` are the bundled OpenAPI documents by provider.

    The providers in `at_root` answer at the root of a gateway, each of the others below its name.
    `directories` are the folders that were read beside the shipped ones.
    """

    operations: tuple[Operation, ...]
    documents: Mapping[str, dict[str, Any]]
    at_root: frozenset[str] = frozenset()
    directories: tuple[Path, ...] = ()
    _by_name: dict[tuple[str, str], Operation] = field(init=False)

    def __post_init__(self) -> None:
        by_name = {(operation.provider, operation.id): operation for operation in self.operations}
        object.__setattr__(self, "_by_name", by_name)

    def __repr__(self) -> str:
        return f"<Catalog of {self.summary()}>"

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers."""
        return tuple(self.documents)

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model, in the order of the documents."""
        submitted = (o.model for o in self.operations if o.role == "submit" and o.model is not None)
        return tuple(dict.fromkeys(submitted))

    def mount(self, provider: str) -> str:
        """Return the path below which a provider answers: "" for the root, else `/NAME`."""
        return "" if provider in self.at_root else f"/{provider}"

    def operation(self, provider: str, name: str) -> Operation | None:
        """Return a provider's operation by its operationId; None where there is none."""
        return self._by_name.get((provider, name))

    def declared(self, operation: Operation) -> dict[str, Any]:
        """Return the Operation Object of an operation, as it stands in its provider's document."""
        path_item = self.documents[operation.provider]["paths"][operation.path]
        declared: dict[str, Any] = path_item[operation.method.lower()]
        return declared

    def hosts(self, provider: str) -> tuple[str, ...]:
        """Return the real host names of a provider: of its API, its files, and others that clients call."""
        document = self.documents[provider]
        servers = [urlsplit(server["url"]).hostname or "" for server in document["servers"]]
        return (*servers, *self.media_hosts(provider), *document.get("x-hosts", ()))

    @property
    def every_host(self) -> list[str]:
        """The real host names of all providers."""
        return [host for provider in self.providers for host in self.hosts(provider)]

    def media_hosts(self, provider: str) -> tuple[str, ...]:
        """Return the real host name of a provider's files, if the documentation shows one."""
        host = self.documents[provider].get("x-media-host")
        return (host,) if host else ()

    def owned(self, provider: str) -> tuple[str, ...]:
        """Return the patterns of paths without an operation that a provider answers (`x-owns`)."""
        return tuple(self.documents[provider].get("x-owns", ()))

    def summary(self) -> str:
        """Return the numbers of providers, models, operations and validators, as one line."""
        own = [operation for operation in self.operations if not operation.alias]
        checks = sum(operation.body is not None for operation in own)
        return (
            f"{len(self.providers)} providers, {len(self.models)} models, {len(own)} operations, "
            f"{checks} validators"
        )

    def guesses(self) -> Iterator[tuple[str, str, str]]:
        """List all that is assumed: provider, JSON pointer into its bundled document, reason."""
        for provider, document in self.documents.items():
            yield from ((provider, pointer, reason) for pointer, reason in _assumed(document, ""))


def open_catalog(
    directories: tuple[Path, ...] = (),
    *,
    strict: bool = False,
    worded: Collection[str] | None = None,
    root: str | None = None,
) -> Catalog:
    """Read the bundled specs and those in `directories`. Raises SpecError.

    `worded` are the providers whose answers can be made; others are refused. None refuses none. `root` is the
    one provider that answers at the root; None leaves it to the shipped ones.
    """
    documents = read_documents([bundled_specs(), *directories])
    return replace(build_catalog(documents, strict=strict, worded=worded, root=root), directories=directories)


def build_catalog(
    documents: Iterable[Document],
    *,
    strict: bool = False,
    worded: Collection[str] | None = None,
    root: str | None = None,
) -> Catalog:
    """Compile documents. Raises SpecError."""
    by_provider: dict[str, list[Document]] = {}
    for document in documents:
        if worded is not None and document.provider not in worded:
            message = f"unknown provider {document.provider!r}; known are {', '.join(worded)}"
            raise SpecError(document.file, "/x-provider", message)
        for path in document.data["paths"]:
            if path.startswith("/_mock"):
                raise SpecError(document.file, f"/paths/{escape(path)}", "/_mock belongs to the admin API")
        by_provider.setdefault(document.provider, []).append(document)
    joined = {provider: bundle(provider, own) for provider, own in sorted(by_provider.items())}
    operations: list[Operation] = []
    for provider, whole in joined.items():
        operations += compile_operations(whole, _files(by_provider[provider]), strict=strict)
    if root is not None and root not in by_provider:
        known = ", ".join(sorted(by_provider))
        raise SpecError(f"--provider {root}", "", f"no provider is called {root!r}; known are {known}")
    shipped = bundled_specs()
    ours = {name for name, own in by_provider.items() if any(shipped in one.file.parents for one in own)}
    at_root = frozenset({root} if root is not None else ours or by_provider)
    catalog = Catalog(tuple(operations), joined, at_root)
    _refuse_ambiguous(catalog)
    return catalog


def _files(documents: list[Document]) -> dict[str, str]:
    """Return the file of each operationId. Raises SpecError if one appears twice."""
    files: dict[str, str] = {}
    for document in documents:
        for path, item in document.data["paths"].items():
            for method, operation in item.items():
                name = operation["operationId"]
                if name in files:
                    pointer = f"/paths/{escape(path)}/{method}/operationId"
                    raise SpecError(document.file, pointer, f"{name} is already in {files[name]}")
                files[name] = str(document.file)
    return files


def _refuse_ambiguous(catalog: Catalog) -> None:
    owners: dict[tuple[str, str], str] = {}
    for operation in catalog.operations:
        route = (operation.method, catalog.mount(operation.provider) + operation.path)
        if route in owners:
            message = f"{owners[route]} already has this route"
            raise SpecError(operation.provider, f"/paths/{escape(operation.path)}", message)
        owners[route] = operation.provider


def _assumed(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("x-assumed", "assumed") and isinstance(inner, str):
                yield pointer, inner
            else:
                yield from _assumed(inner, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _assumed(inner, f"{pointer}/{index}")
