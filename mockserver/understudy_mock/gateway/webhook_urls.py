"""Read the webhook of a submit and refuse the addresses that can be refused at once."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from understudy_mock.domain.call import Call
from understudy_mock.domain.conditions import CallError, Detail, Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.domain.webhook import Mode, Receiver
from understudy_mock.gateway.inbox import inbox_at, is_near, own_inbox
from understudy_mock.gateway.world import World

_MODE = b"x-webhook-mode"


def read_receiver(
    world: World, operation: Operation, call: Call, *, allow_http: bool = False
) -> Receiver | None:
    """Return where callbacks go; None when none are asked for. Raises Refusal for an address not allowed.

    `allow_http` lets an `http://` address pass whatever the settings say of those.
    """
    name, url = asked_address(operation, call.headers.get(b"x-webhook-url", b""), call.query)
    if not url:
        return None
    if problem := problem_of(world, url, call.origin, allow_http=allow_http):
        raise Refusal(CallError.WEBHOOK_URL, Detail(text=f"{name} {problem}"))
    return receiver_at(url, call.origin, _mode(call) if operation.webhook_header else "terminal")


def receiver_at(url: str, origin: str, mode: Mode = "terminal") -> Receiver:
    """Return the receiver at an address in which `problem_of` has found nothing wrong."""
    return Receiver(url, mode, own_inbox(url, origin))


def asked_address(operation: Operation, header: bytes, query: bytes) -> tuple[str, str]:
    """Return what holds the webhook's address, and the address; "" where none is asked for."""
    if operation.webhook_header:
        return "X-Webhook-URL", header.decode("latin-1").strip()
    name = operation.webhook_query
    if not name or not query:
        return name, ""
    given = parse_qsl(query.decode("latin-1"))
    return name, next((value for key, value in given if key == name), "").strip()


def problem_of(world: World, url: str, origin: str, *, allow_http: bool) -> str:
    """Return what is wrong with an address, "" when nothing is.

    `origin` is how whoever gives it called this gateway, whose own inboxes are always allowed.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host or any(c <= " " for c in url):
        return "must be an absolute https:// URL"
    if not url.isascii():
        return "must be ASCII: escape other characters (RFC 3986)"
    if own_inbox(url, origin):
        return ""
    allow_http |= is_near(host) and inbox_at(parts.path) != ""
    if parts.scheme == "http" and not (allow_http or world.settings.allow_http_webhooks):
        return "must use https://"
    try:
        address = ip_address(host)
    except ValueError:
        return ""  # a name: where it leads is known only when the callback is sent
    allowed = (name.lower() for name in world.settings.allow_webhook_hosts)
    if address.is_loopback or host in allowed:
        return ""
    return "must not leave this machine; start the gateway with --allow-webhook-host to allow it"


def _mode(call: Call) -> Mode:
    mode = call.headers.get(_MODE, b"").decode("latin-1").strip().lower()
    if mode not in ("", "terminal", "sync"):
        call.warnings.append(f"X-Webhook-Mode {mode[:40]!r} is not documented; read as terminal")
    return "sync" if mode == "sync" else "terminal"
