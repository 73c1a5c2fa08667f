"""Read the key of a call where the spec says it stands, and find its account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from understudy_mock.domain.call import Call
from understudy_mock.domain.conditions import Condition, Refusal
from understudy_mock.domain.model import Credential
from understudy_mock.gateway.accounts import Account
from understudy_mock.gateway.world import World

_LONGEST_KEY = 1024


def authenticate(world: World, credentials: tuple[Credential, ...], call: Call) -> Account:
    """Return the account of a call. Raises Refusal when there is no key, or one that is not known."""
    key = presented(credentials, call.headers, call.query)
    call.key = key
    if not key:
        raise Refusal(Condition.MISSING_KEY)
    known = world.settings.api_keys
    if (known and key not in known) or len(key) > _LONGEST_KEY:
        raise Refusal(Condition.INVALID_KEY)
    account = world.accounts.of(key)
    call.account = account.name
    if account.quirks:
        call.quirks = account.quirks
    return account


def presented(credentials: Iterable[Credential], headers: Mapping[bytes, bytes], query: bytes) -> str:
    """Return the first key that is there, "" for none. latin-1 gives each byte of a header a character."""
    for credential in credentials:
        if credential.place == "query":
            wanted = credential.name.decode()
            found = parse_qsl(query.decode("latin-1")) if query else []
            key = next((value for name, value in found if name == wanted), "")
        else:
            key = headers.get(credential.name, b"").decode("latin-1").strip()
            if credential.place == "bearer":
                scheme, _, key = key.partition(" ")
                key = key.strip() if scheme.lower() == "bearer" else ""
        if key:
            return key
    return ""
