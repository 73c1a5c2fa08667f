"""The only reader of `specs/`.

`load` reads and checks documents, `bundle` joins those of a provider, `compile` makes operations of them, and
`catalog` holds the result.
"""

from understudy_mock.catalog.catalog import Catalog, open_catalog
from understudy_mock.catalog.load import SpecError

__all__ = ["Catalog", "SpecError", "open_catalog"]
