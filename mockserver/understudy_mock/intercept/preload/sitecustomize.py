"""Loaded by a Python child at its start: leads connections to the providers' hosts to the gateway.

No proxy is between: urllib3 calls whatever breaks behind one a ProxyError, and then submits again what it
would not submit again in life. Clients that ask the environment for proxies are told, by urllib.request, that
the providers are reached without one. Other hosts are reached as the variables say. What leaves this machine
past the proxy is noted in a file, for the summary. With --offline it is refused and told to the proxy; what
NO_PROXY names is left alone.

A name that must not be asked for in the world gets an address that nobody has (198.18.0.0/16), by which
`connect` knows it again: some clients keep the port that they were asked for, and only take over the address.
Knows nothing of Understudy's own packages, which the child's interpreter (Python 3.6 or later) may not have.
It sees what goes through the class socket.socket, gevent's, and uvloop and aiodns, which open sockets in C.
Where somebody else has replaced the functions of `socket`, the providers stay behind the proxy.
"""

# It loads at every start of an interpreter: no typing, no pathlib, nothing else that is slow to import.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, var-annotated, method-assign"
# ruff: noqa: PTH120, PTH123, UP033

import contextlib
import errno
import functools
import os
import socket
import sys
from itertools import count

_told = dict(part.partition("=")[::2] for part in os.environ.get("_UNDERSTUDY_INTERCEPT", "").split())
_hosts = frozenset(filter(None, _told.get("hosts", "").split(",")))
_offline = _told.get("offline") == "1"
_notes = os.environ.get("_UNDERSTUDY_NOTES", "")
_no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
_exceptions = [entry.strip().lower() for entry in _no_proxy.split(",") if entry.strip()]

_Socket, _connect = socket.socket, socket.socket.connect

_PATIENCE_S = 5
_MOST_NAMES = 60_000
_MOST_NOTED = 1 << 20  # bytes
_BEGUN = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
_numbers = count(1)
_stand_ins = {}  # name: the address that it got here
_names = {}  # address: the name that it was found under
_ours = set()  # functions that lead


def _take_over(module):
    """Lead what is found by a module's getaddrinfo, and opened by its class of sockets."""
    resolve, connect, connect_ex = module.getaddrinfo, module.socket.connect, module.socket.connect_ex

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        name = _name(host)
        if flags & socket.AI_NUMERICHOST or not name or _is_numeric(name):
            return resolve(host, port, family, type, proto, flags)
        if name in _hosts or (_offline and name not in _hosts_file() and not _is_free(name, port)):
            return resolve(_stand_in(name), port, family, type, proto, flags)
        found = resolve(host, port, family, type, proto, flags)
        if len(_names) < _MOST_NAMES:
            for info in found:
                _names[info[4][0]] = name
        return found

    def connect_here(self, address):
        address, where = _led(self, address)
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
            address, where = _led(self, address)
        except ConnectionRefusedError:
            return errno.ECONNREFUSED
        result = connect_ex(self, address)
        if result in _BEGUN:
            _note(where)
        return result

    module.getaddrinfo = getaddrinfo
    module.socket.connect, module.socket.connect_ex = connect_here, connect_ex_here
    _ours.update((getaddrinfo, connect_here))


def _led(sock, address):
    """Tell where a connection is to go, and its name if that is elsewhere. Raises ConnectionRefusedError."""
    inet = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    if not inet or not isinstance(address, tuple) or len(address) < 2:
        return address, None
    led, where = _goal(address[0], address[1])
    if led is None:
        return address, where
    return (led[0] if sock.family == socket.AF_INET else f"::ffff:{led[0]}", led[1]), None


def _goal(host, port):
    """Give the gateway's address for a provider's host, else nothing and, if it is elsewhere, its name.

    Raises ConnectionRefusedError.
    """
    host = _name(host)
    name = _names.get(host, host)
    if name in _hosts:
        return ("127.0.0.1", int(_told["plain" if port == 80 else "tls"])), None
    if _is_here(host):
        return None, None
    where = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    if not _offline or _is_excepted(host, port) or _is_excepted(name, port):
        return None, where
    _tell(where)
    raise ConnectionRefusedError(errno.ECONNREFUSED, f"understudy run --offline refuses {where}")


def _tell(where):
    """Ask the proxy for it: it refuses as well, and counts that. Returns when it has."""
    request = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n"
    with contextlib.suppress(OSError), _Socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        # An OSError is a proxy that ended before the program; then there is no summary any more.
        line.settimeout(_PATIENCE_S)
        _connect(line, ("127.0.0.1", int(_told["proxy"])))
        line.sendall(request.encode("ascii", "replace"))
        line.recv(1)


def _note(where, error=None):
    """Keep a place that was called, or why it was not reached. A file waits for nobody, and outlives us."""
    if not where or not _notes:
        return
    line = f"{where} {error.strerror or error}\n" if error else f"{where}\n"
    with contextlib.suppress(OSError):  # the run ended before the program, and took the file along
        file = os.open(_notes, os.O_WRONLY | os.O_APPEND)
        try:
            if os.fstat(file).st_size < _MOST_NOTED:
                os.write(file, line.encode("ascii", "replace"))
        finally:
            os.close(file)


def _name(host):
    """Write a host as hosts are compared; nothing for what names none."""
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return ""
    try:
        host = host.encode("idna").decode()
    except UnicodeError:
        return ""  # not a host's; whoever is asked for it will say so
    return host.partition("%")[0].rstrip(".").lower()


def _is_numeric(host):
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            return bool(socket.inet_pton(family, host))
    return False


def _is_free(host, port):
    """Tell whether a host is this machine, or NO_PROXY names it."""
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
    """Names that are resolved without a question to anybody; true for those that are this machine."""
    found = {"localhost": True}
    with contextlib.suppress(OSError), open("/etc/hosts", encoding="utf-8", errors="replace") as file:
        for line in file:
            address, *names = line.partition("#")[0].lower().split() or [""]
            here = address.startswith("127.") or address == "::1"
            for name in names:
                found[name] = here and found.get(name, True)
    return found


def _stand_in(name):
    if len(_stand_ins) >= _MOST_NAMES:
        _stand_ins.clear()
    number = next(_numbers) % 65_535
    address = _stand_ins.setdefault(name, f"198.18.{number >> 8}.{number & 255}")
    _names[address] = name
    return address


# -- modules that are changed when, and if, the program imports them


def _change_urllib(module):
    """Name the providers as hosts without a proxy. requests, httpx and aiohttp ask here, too."""
    read = module.getproxies_environment

    def getproxies_environment():
        proxies = read()
        # A connection that is not led must not bypass the proxy: it would reach the provider.
        if {socket.getaddrinfo, socket.socket.connect} <= _ours:
            proxies["no"] = ",".join(filter(None, [proxies.get("no"), *sorted(_hosts)]))
        return proxies

    if module.getproxies is read:  # another one looks into a desktop's settings as well
        module.getproxies = getproxies_environment
    module.getproxies_environment = getproxies_environment


def _change_uvloop(module):
    """Lead what its loops open."""
    connect = module.Loop.create_connection

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        ask = functools.partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        return await self.run_in_executor(None, ask)

    async def create_connection(self, protocol_factory, host=None, port=None, **options):
        where = None
        if host is not None:
            led, where = _goal(host, port)
            if led is not None:
                if options.get("ssl") and options.get("server_hostname") is None:
                    options["server_hostname"] = host
                host, port = led
        try:
            made = await connect(self, protocol_factory, host, port, **options)
        except OSError as error:
            _note(where, error)
            raise
        _note(where)
        return made

    module.Loop.getaddrinfo = getaddrinfo
    module.Loop.create_connection = create_connection


def _change_aiohttp(module):
    """Have names that must not be asked for resolved by `socket` also where there is aiodns."""
    resolve = module.AsyncResolver.resolve

    async def resolve_here(self, host, *more, **options):
        if _offline or _name(host) in _hosts:
            return await module.ThreadedResolver().resolve(host, *more, **options)
        return await resolve(self, host, *more, **options)

    module.AsyncResolver.resolve = resolve_here


_changes = {
    "urllib.request": _change_urllib,
    "uvloop": _change_uvloop,
    "aiohttp.resolver": _change_aiohttp,
    "gevent.socket": _take_over,
}
_looking_for = set()


class _Finder:
    """Leaves finding to the others, and sees to it that a module is changed when it has run."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in _changes or name in _looking_for:
            return None
        _looking_for.add(name)  # another finder of this kind may ask us again
        try:
            finders = [
                finder for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec")
            ]
            found = (finder.find_spec(name, path, target) for finder in finders)
            spec = next(filter(None, found), None)
        finally:
            _looking_for.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    """Runs a module as its own loader does, changes it, and is gone."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _changes[module.__name__](module)


if _told:
    _take_over(socket)
    for _early in sys.modules.keys() & _changes:
        _changes[_early](sys.modules[_early])
    sys.meta_path.insert(0, _Finder)

# From here on this file was never there: a program, or its environment, may have a sitecustomize of its own.
# Where there is none, this import fails as it would without us, and `site` takes that for what it is.
_folder = os.path.dirname(os.path.realpath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != _folder]
sys.path_importer_cache.pop(os.path.dirname(__file__), None)
sys.modules.pop("sitecustomize", None)
import sitecustomize  # type: ignore[import-not-found]  # noqa: E402, F401
