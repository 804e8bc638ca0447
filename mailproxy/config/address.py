"""
Where to listen and where servers are: ``address:port``, ``[address]:port``, or the path of a UNIX socket.

Addresses to listen on may have HAProxy's short forms and a range of ports. Servers may be host names or the SRV records
of a service.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailproxy.config.hostname import host_name, srv_name
from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.place import (
    Bind,
    InetBind,
    InetServer,
    NamedServer,
    ServerAddress,
    SrvServer,
    SystemdBind,
    UnixBind,
    UnixServer,
)
from mailproxy.config.words import quoted

_BIND = (
    'an address and port such as "0.0.0.0:993" or "[::]:993", the path of a UNIX socket, or "systemd:NAME" for the '
    "sockets that systemd hands over"
)
_LISTEN = 'an address and port such as "127.0.0.1:8404", or the path of a UNIX socket'
_SERVER = (
    'an address or a host name such as "10.0.0.1", "10.0.0.1:10143", "[2001:db8::1]:10143" or "imap.example.org", '
    'a service such as "srv:_imap._tcp.example.org", or the path of a UNIX socket'
)
_NAMED = 'a host name such as "imap.example.org" or "imap.example.org:10143", or "srv:_imap._tcp.example.org"'
_HOST = 'an address without a port such as "10.0.0.1" or "2001:db8::1"'
_NAMESERVER = 'an address such as "10.0.0.2", "10.0.0.2:5353" or "[2001:db8::2]:53"'

_SOCKET = 'the path of a UNIX socket such as "/run/mailproxy/admin.sock"'

_DNS_PORT = 53
_SRV = "srv:"
_SYSTEMD = "systemd:"

MAX_PORTS = 1000
"""The most ports of one range. Each needs a listening socket; more is a mistake such as "143-14500"."""

_MAX_UNIX_PATH = 107
"""sun_path has 108 bytes on Linux, one of them for the NUL at the end."""

_ADDRESS = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]{1,15})?)\]|(?P<v4>[^\[\]:]+))(?::(?P<port>[^:]*))?"
)


_SHORT = re.compile(r"(?P<host>\*?|::):(?P<ports>[^:]*)")
"""HAProxy's ways to write every IPv4 address (``:993``, ``*:993``) and every IPv6 address (``:::993``)."""

_EVERY = {"": "0.0.0.0", "*": "0.0.0.0", "::": "[::]"}

_PREFIXES = {"ipv4@": '"0.0.0.0:993"', "ipv6@": '"[::]:993"', "unix@": 'a path such as "/run/mail.sock"'}
"""HAProxy's prefixes for families, and what to write instead."""


def _binds(text: str) -> tuple[Bind, ...]:
    if text.startswith("/"):
        return (UnixBind(unix_path(text)),)
    if text.startswith(_SYSTEMD):
        return (SystemdBind(_descriptor_name(text)),)
    if "," in text:
        raise WrongValue(f"is {quoted(text)}; write each address as an entry of its own")
    for prefix, instead in _PREFIXES.items():
        if text.startswith(prefix):
            raise WrongValue(f"is {quoted(text)}; {prefix} is HAProxy's, write {instead}")
    if re.fullmatch("[0-9]+", text):
        raise WrongValue(f'is {quoted(text)} without an address; write ":{text}" for every IPv4 address')
    short = _SHORT.fullmatch(text)
    match = _match(f"{_EVERY[short['host']]}:{short['ports']}" if short else text, text, _BIND)
    if match["port"] is None:
        raise WrongValue(f"is {quoted(text)} without a port, needs {_BIND}")
    host = _host(match, text, _BIND)
    return tuple(InetBind(host, port) for port in _ports(match["port"], text))


def _listen(text: str) -> InetBind | UnixBind:
    found = _binds(text)
    if len(found) != 1 or isinstance(found[0], SystemdBind):
        raise WrongValue(f"is {quoted(text)}, needs {_LISTEN}")
    return found[0]


def _descriptor_name(text: str) -> str:
    name = text.removeprefix(_SYSTEMD)
    if not re.fullmatch(r"[!-9;-~]{1,255}", name):
        raise WrongValue(f'is {quoted(text)}, needs the FileDescriptorName of a socket unit, such as "systemd:imaps"')
    return name


def _ports(digits: str, text: str) -> range:
    """Read a port, or a range of them as HAProxy has it: ``143-145``."""
    first, dash, last = digits.partition("-")
    if not (dash and first):
        port = _port(digits, text)
        return range(port, port + 1)
    ports = range(_port(first, text), _port(last, text) + 1)
    if not ports or ports[0] == 0:
        raise WrongValue(f"is {quoted(text)}, in which {digits} is not a range of ports; it goes up, from 1 or more")
    if len(ports) > MAX_PORTS:
        raise WrongValue(f"is {quoted(text)}, a range of {len(ports)} ports; at most {MAX_PORTS} are allowed")
    return ports


def _socket(text: str) -> str:
    if not text.startswith("/"):
        raise WrongValue(f"is {quoted(text)}, needs {_SOCKET}")
    return unix_path(text)


def _server(text: str) -> ServerAddress:
    if text.startswith("/"):
        return UnixServer(unix_path(text))
    if " " in text:
        raise WrongValue(
            f"is {quoted(text)}, needs the address alone: {quoted(text.strip().partition(' ')[0])}; what HAProxy has "
            'behind it are keys of their own, such as check = { type = "mail" }'
        )
    if _is_named(text):
        return _named(text)
    return InetServer(*to_connect_to(text, _SERVER))


def _named(text: str) -> NamedServer | SrvServer:
    if text.startswith(_SRV):
        return SrvServer(srv_name(text.removeprefix(_SRV)))
    if not _is_named(text):
        raise WrongValue(f"is {quoted(text)}, an address: that is one server; needs {_NAMED}")
    name, colon, digits = text.partition(":")
    port = _port(digits, text) if colon else None
    _check_port(port, text)
    return NamedServer(host_name(name), port)


def _is_named(text: str) -> bool:
    """Return whether this was meant as a name: text in brackets, or of digits and dots only, was not."""
    return text.startswith(_SRV) or not re.match(r"\[|[0-9.]*(?::|\Z)|[^:]*:[^:]*:|/", text)


def _nameserver(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    host, port = to_connect_to(text, _NAMESERVER)
    return host, _DNS_PORT if port is None else port


def _bare_host(text: str) -> IPv4Address | IPv6Address:
    try:
        host = ip_address(text)
    except ValueError:
        raise WrongValue(f"is {quoted(text)}, needs {_HOST}") from None
    _check_host(host, text, _HOST)
    return host


def to_connect_to(text: str, needs: str) -> tuple[IPv4Address | IPv6Address, int | None]:
    """Read an address that can be connected to, and its port if there is one; `needs` is for what `WrongValue` says."""
    host, port = _split(text, needs)
    _check_host(host, text, needs)
    _check_port(port, text)
    return host, port


def _check_host(host: IPv4Address | IPv6Address, text: str, needs: str) -> None:
    if host.is_unspecified or host.is_multicast:
        raise WrongValue(f"is {quoted(text)}, which cannot be connected to; needs {needs}")


def _check_port(port: int | None, text: str) -> None:
    if port == 0:
        raise WrongValue(f"is {quoted(text)}: port 0 cannot be connected to, needs one from 1 to 65535")


def _split(text: str, needs: str) -> tuple[IPv4Address | IPv6Address, int | None]:
    match = _match(text, text, needs)
    return _host(match, text, needs), None if match["port"] is None else _port(match["port"], text)


def _match(address: str, text: str, needs: str) -> re.Match[str]:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise WrongValue(f"is {quoted(text)}, needs {needs}{_brackets(text)}")
    return match


def _brackets(text: str) -> str:
    """Return the hint for an IPv6 address without brackets."""
    if text.count(":") < 2 or "[" in text:
        return ""
    host, _, port = text.rpartition(":")
    try:
        IPv6Address(host)
        _port(port, text)
    except ValueError:
        return "; write an IPv6 address in brackets"
    return f'; write an IPv6 address in brackets: "[{host}]:{port}"'


def _host(match: re.Match[str], text: str, needs: str) -> IPv4Address | IPv6Address:
    try:
        host = IPv6Address(match["v6"]) if match["v6"] else IPv4Address(match["v4"])
    except ValueError:
        raise WrongValue(
            f"is {quoted(text)}, in which {quoted(match['v6'] or match['v4'])} is not an IP address; needs {needs}"
        ) from None
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        raise WrongValue(f"is {quoted(text)}, an IPv4 address in IPv6 form; write {host.ipv4_mapped}")
    return host


def _port(digits: str, text: str) -> int:
    if re.fullmatch("[0-9]+-[0-9]+", digits):
        raise WrongValue(f"is {quoted(text)}, in which {digits} is a range of ports; needs one port")
    if not (re.fullmatch("[0-9]{1,5}", digits) and int(digits) <= 65535):
        raise WrongValue(f"is {quoted(text)}, in which {quoted(digits)} is not a port; a port is at most 65535")
    return int(digits)


def unix_path(text: str) -> str:
    """Return the path of a UNIX socket, or raise `WrongValue`."""
    size = len(text.encode())
    if size > _MAX_UNIX_PATH:
        raise WrongValue(f"is a path of {size} bytes; a UNIX socket's path has at most {_MAX_UNIX_PATH}")
    if not text.isprintable():
        raise WrongValue(f"is {quoted(text)}; the path of a UNIX socket must be printable")
    return text


BINDS: Kind[tuple[Bind, ...]] = Kind((str,), _BIND, _binds)
LISTEN: Kind[InetBind | UnixBind] = Kind((str,), _LISTEN, _listen)
SERVER: Kind[ServerAddress] = Kind((str,), _SERVER, _server)
NAMED_SERVER: Kind[NamedServer | SrvServer] = Kind((str,), _NAMED, _named)
NAMESERVER: Kind[tuple[IPv4Address | IPv6Address, int]] = Kind((str,), _NAMESERVER, _nameserver)
HOST: Kind[IPv4Address | IPv6Address] = Kind((str,), _HOST, _bare_host)
SOCKET: Kind[str] = Kind((str,), _SOCKET, _socket)
