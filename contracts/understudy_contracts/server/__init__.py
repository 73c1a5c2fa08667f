"""Whether a server keeps the documented contract: ours, a stranger's, or the provider's own."""

from understudy_contracts.server.parametrised import suite

__all__ = ["suite"]
