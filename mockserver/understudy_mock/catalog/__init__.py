"""The only reader of `specs/`: finds the documents, refuses what it does not understand, compiles the rest.

`load` reads and checks, `compile` makes operations, `catalog` holds them and makes the bundled documents.
"""

from understudy_mock.catalog.catalog import Catalog, open_catalog
from understudy_mock.catalog.load import SpecError

__all__ = ["Catalog", "SpecError", "open_catalog"]
