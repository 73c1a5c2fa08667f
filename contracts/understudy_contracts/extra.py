"""Packages that only an extra installs: the error names the extra, not the missing module."""

from __future__ import annotations

from importlib.util import find_spec

_PACKAGES = ("hypothesis", "requests", "schemathesis")


class MissingExtra(ImportError):
    """A package that the plain install does not have."""


def require_check(what: str) -> None:
    """Refuse `what` where the extra `check` is not installed. Raises MissingExtra."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise MissingExtra(f"{what} needs the extra 'check' ({names}): pip install 'understudy-mock[check]'")
