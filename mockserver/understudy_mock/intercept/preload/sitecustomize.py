"""A Python child loads this at its start. It redirects connections to the providers' hosts to the gateway.

There is no proxy between: urllib3 reports every error behind a proxy as ProxyError, and then repeats submits
that it would not repeat otherwise. Clients that read proxies from the environment learn from urllib.request
that the providers are called without one. Other hosts are called as the variables say. A connection that
leaves this machine past the proxy is noted in a file, for the summary. With --offline it is refused and
reported to the proxy. Hosts in NO_PROXY are left alone.

A host name that must not be looked up gets an address that nobody has (198.18.0.0/16). `connect` recognises
the name by it, because some clients take over only the address, and keep their own port.
This file imports nothing else of Understudy, which the interpreter (Python 3.6 or later) may not have.
It covers connections through the class socket.socket and gevent's, and those of uvloop and aiodns, which open
sockets in C. If another package has replaced the functions of `socket`, the providers stay behind the proxy.
"""

# Every start of an interpreter loads it: no typing, no pathlib, nothing else that is slow to import.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, var-annotated, method-assign"
# ruff: noqa: PTH120, PTH123, UP033

import contextlib
import errno
import functools
import os
import socket
import sys
from itertools import count

_settings = dict(part.partition("=")[::2] for part in os.environ.get("_UNDERSTUDY_INTERCEPT", "").split())
_hosts = frozenset(filter(None, _settings.get("hosts", "").split(",")))
_offline = _settings.get("offline") == "1"
_notes = os.environ.get("_UNDERSTUDY_NOTES", "")
_no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
_exceptions = [entry.strip().lower() for entry in _no_proxy.split(",") if entry.strip()]

_Socket, _connect = socket.socket, socket.socket.connect

_PATIENCE_S = 5
_MOST_NAMES = 60_000
_MOST_NOTED = 1 << 20  # bytes
_BEGUN = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
_numbers = count(1)
_fake_addresses = {}  # by name
_names = {}  # by address
_patched = set()  # functions of ours


def _patch_sockets(module):
    """Redirect the connections of a module: replace its getaddrinfo, and `connect` of its socket class."""
    resolve, connect, connect_ex = module.getaddrinfo, module.socket.connect, module.socket.connect_ex

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        name = _name(host)
        if flags & socket.AI_NUMERICHOST or not name or _is_numeric(name):
            return resolve(host, port, family, type, proto, flags)
        if name in _hosts or (_offline and name not in _hosts_file() and not _is_free(name, port)):
            return resolve(_fake_address(name), port, family, type, proto, flags)
        addresses = resolve(host, port, family, type, proto, flags)
        if len(_names) < _MOST_NAMES:
            for info in addresses:
                _names[info[4][0]] = name
        return addresses

    def connect_here(self, address):
        address, where = _redirect(self, address)
        try:
            connect(self, address)
        except BlockingIOError:
            _note(where)
            raise
        except OSError as error:
            if error.errno != errno.EISCONN:
                _note(where, error)
            raise
        _note(where)

    def connect_ex_here(self, address):
        try:
            address, where = _redirect(self, address)
        except ConnectionRefusedError:
            return errno.ECONNREFUSED
        result = connect_ex(self, address)
        if result in _BEGUN:
            _note(where)
        return result

    module.getaddrinfo = getaddrinfo
    module.socket.connect, module.socket.connect_ex = connect_here, connect_ex_here
    _patched.update((getaddrinfo, connect_here))


def _redirect(sock, address):
    """Return where a connection shall go, and `host:port` if it leaves. Raises ConnectionRefusedError."""
    inet = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    if not inet or not isinstance(address, tuple) or len(address) < 2:
        return address, None
    gateway, where = _goal(address[0], address[1])
    if gateway is None:
        return address, where
    return (gateway[0] if sock.family == socket.AF_INET else f"::ffff:{gateway[0]}", gateway[1]), None


def _goal(host, port):
    """Return the gateway's address for a provider's host, else None; and `host:port` if the call leaves.

    Raises ConnectionRefusedError.
    """
    host = _name(host)
    name = _names.get(host, host)
    if name in _hosts:
        return ("127.0.0.1", int(_settings["plain" if port == 80 else "tls"])), None
    if _is_here(host):
        return None, None
    where = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    if not _offline or _is_excepted(host, port) or _is_excepted(name, port):
        return None, where
    _report(where)
    raise ConnectionRefusedError(errno.ECONNREFUSED, f"understudy run --offline refuses {where}")


def _report(where):
    """Ask the proxy for a place, which it refuses and counts. Return afterwards."""
    request = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n"
    with contextlib.suppress(OSError), _Socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        # OSError: the proxy ended before the program, so there is no summary.
        line.settimeout(_PATIENCE_S)
        _connect(line, ("127.0.0.1", int(_settings["proxy"])))
        line.sendall(request.encode("ascii", "replace"))
        line.recv(1)


def _note(where, error=None):
    """Note a place that was called, or why it was not reached. The file outlives this process."""
    if not where or not _notes:
        return
    line = f"{where} {error.strerror or error}\n" if error else f"{where}\n"
    with contextlib.suppress(OSError):  # the run ended before the program, and removed the file
        file = os.open(_notes, os.O_WRONLY | os.O_APPEND)
        try:
            if os.fstat(file).st_size < _MOST_NOTED:
                os.write(file, line.encode("ascii", "replace"))
        finally:
            os.close(file)


def _name(host):
    """Return a host in the form for comparison, "" if it is none."""
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return ""
    try:
        host = host.encode("idna").decode()
    except UnicodeError:
        return ""  # no host name; the resolver will say so
    return host.partition("%")[0].rstrip(".").lower()


def _is_numeric(host):
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            return bool(socket.inet_pton(family, host))
    return False


def _is_free(host, port):
    """Return whether a host is this machine, or in NO_PROXY."""
    return _is_here(host) or _is_excepted(host, port)


def _is_here(host):
    if _is_numeric(host):
        return host.startswith(("127.", "::ffff:127.")) or host in ("0.0.0.0", "::", "::1")
    return host in ("", "localhost") or host.endswith(".localhost") or _hosts_file().get(host, False)


def _is_excepted(host, port):
    for entry in _exceptions:
        name, _, only = (entry, "", "") if entry.count(":") > 1 else entry.partition(":")
        name = name[1:] if name.startswith("*.") else name
        name = name.lstrip(".")
        if entry == "*":
            return True
        if not name or (only and only != str(port)):
            continue
        if host == name or host.endswith("." + name) or ("/" in name and _is_within(host, name)):
            return True
    return False


def _is_within(host, network):
    from ipaddress import ip_address, ip_network  # slow to import, and rarely needed

    with contextlib.suppress(ValueError):
        return ip_address(host) in ip_network(network, strict=False)
    return False


@functools.lru_cache(maxsize=None)
def _hosts_file():
    """Return the names that need no look-up, with True for those of this machine."""
    names_here = {"localhost": True}
    with contextlib.suppress(OSError), open("/etc/hosts", encoding="utf-8", errors="replace") as file:
        for line in file:
            address, *names = line.partition("#")[0].lower().split() or [""]
            here = address.startswith("127.") or address == "::1"
            for name in names:
                names_here[name] = here and names_here.get(name, True)
    return names_here


def _fake_address(name):
    if len(_fake_addresses) >= _MOST_NAMES:
        _fake_addresses.clear()
    number = next(_numbers) % 65_535
    address = _fake_addresses.setdefault(name, f"198.18.{number >> 8}.{number & 255}")
    _names[address] = name
    return address


# -- modules that are patched when, and if, the program imports them


def _patch_urllib(module):
    """Make the providers hosts without a proxy. requests, httpx and aiohttp read them here, too."""
    read = module.getproxies_environment

    def getproxies_environment():
        proxies = read()
        # Without our redirection a connection must not bypass the proxy: it would reach the provider.
        if {socket.getaddrinfo, socket.socket.connect} <= _patched:
            proxies["no"] = ",".join(filter(None, [proxies.get("no"), *sorted(_hosts)]))
        return proxies

    if module.getproxies is read:  # another one also reads the desktop's settings
        module.getproxies = getproxies_environment
    module.getproxies_environment = getproxies_environment


def _patch_uvloop(module):
    """Redirect the connections of uvloop's loops."""
    connect = module.Loop.create_connection

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        ask = functools.partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        return await self.run_in_executor(None, ask)

    async def create_connection(self, protocol_factory, host=None, port=None, **options):
        where = None
        if host is not None:
            gateway, where = _goal(host, port)
            if gateway is not None:
                if options.get("ssl") and options.get("server_hostname") is None:
                    options["server_hostname"] = host
                host, port = gateway
        try:
            made = await connect(self, protocol_factory, host, port, **options)
        except OSError as error:
            _note(where, error)
            raise
        _note(where)
        return made

    module.Loop.getaddrinfo = getaddrinfo
    module.Loop.create_connection = create_connection


def _patch_aiohttp(module):
    """Resolve names that must not be looked up by `socket`, even with aiodns."""
    resolve = module.AsyncResolver.resolve

    async def resolve_here(self, host, *more, **options):
        if _offline or _name(host) in _hosts:
            return await module.ThreadedResolver().resolve(host, *more, **options)
        return await resolve(self, host, *more, **options)

    module.AsyncResolver.resolve = resolve_here


_patches = {
    "urllib.request": _patch_urllib,
    "uvloop": _patch_uvloop,
    "aiohttp.resolver": _patch_aiohttp,
    "gevent.socket": _patch_sockets,
}
_searched = set()


class _Finder:
    """Lets the other finders find a module, and patches it after its import."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in _patches or name in _searched:
            return None
        _searched.add(name)  # another finder like this may ask us again
        try:
            finders = [
                finder for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec")
            ]
            specs = (finder.find_spec(name, path, target) for finder in finders)
            spec = next(filter(None, specs), None)
        finally:
            _searched.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    """Runs a module as its own loader does, patches it, and restores that loader."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _patches[module.__name__](module)


if _settings:
    _patch_sockets(socket)
    for _early in sys.modules.keys() & _patches:
        _patches[_early](sys.modules[_early])
    sys.meta_path.insert(0, _Finder)

# Now hide this file: the program, or its environment, may have a sitecustomize of its own. If there is none,
# this import fails as it would without us, and `site` handles that.
_folder = os.path.dirname(os.path.realpath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != _folder]
sys.path_importer_cache.pop(os.path.dirname(__file__), None)
sys.modules.pop("sitecustomize", None)
import sitecustomize  # type: ignore[import-not-found]  # noqa: E402, F401
