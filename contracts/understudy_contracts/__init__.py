"""The contract between a provider and its clients, and the suites that hold either side to it.

`explore` searches for the provider behaviour that breaks a client, and needs the extra `check`; `suite` makes
the promises of a provider tests of a server. Both are imported when they are asked for: pytest imports this
package at every start.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy_contracts.search.function import explore
    from understudy_contracts.server.parametrised import suite

__all__ = ["explore", "suite"]


def __getattr__(name: str) -> Any:
    if name == "explore":
        from understudy_contracts.search.function import explore

        return explore
    if name == "suite":
        from understudy_contracts.server.parametrised import suite

        return suite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
