"""Host names as DNS has them: ASCII labels (RFC 1123 section 2.1), international ones in their xn-- form (RFC 5890)."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import quoted

MAX_NAME = 253
"""RFC 1035 section 2.3.4 allows 255 bytes on the wire, two of which are not text."""

_LABEL = re.compile(r"(?!-)[0-9A-Za-z-]{1,63}(?<!-)")
_SRV_LABEL = re.compile(r"_?(?!-)[0-9A-Za-z-]{1,62}(?<!-)")
_NEEDS = 'a host name such as "mail.example.org"'
_SRV_NEEDS = 'the name of SRV records such as "_imap._tcp.example.org"'


def host_name(name: str) -> str:
    """Return `name` in lower case and without a final dot, for comparisons; raises `WrongValue`."""
    plain = _dns_name(name, _LABEL)
    if plain.rpartition(".")[2].isdigit():
        raise WrongValue(f"is {quoted(name)}, which is not an IP address, and a host name does not end with a number")
    return plain


def srv_name(name: str) -> str:
    """The same for the name of SRV records, which begins with ``_service._proto`` (RFC 2782)."""
    plain = _dns_name(name, _SRV_LABEL)
    service, _, rest = plain.partition(".")
    proto, _, domain = rest.partition(".")
    if not (service.startswith("_") and proto == "_tcp" and domain):
        raise WrongValue(f"is {quoted(name)}, needs {_SRV_NEEDS}: a service, _tcp and a domain")
    return plain


def _dns_name(name: str, label: re.Pattern[str]) -> str:
    plain = name.removesuffix(".").lower()
    if len(plain) > MAX_NAME:
        raise WrongValue(f"is a name of {len(plain)} characters; a host name has {MAX_NAME} at most")
    if not plain.isascii():
        raise WrongValue(f"is {quoted(name)}, which is not ASCII; {_in_ascii(plain)}")
    for part in plain.split("."):
        if not label.fullmatch(part):
            raise WrongValue(f"is {quoted(name)}, {_what_is_wrong(part)}")
    return plain


def _in_ascii(name: str) -> str:
    try:
        return f"write {quoted(name.encode('idna').decode())}"
    except UnicodeError:
        return "write its xn-- form"


def _what_is_wrong(label: str) -> str:
    if not label:
        return f"which has nothing between two dots; needs {_NEEDS}"
    if len(label) > 63:
        return f"in which a label has {len(label)} characters; at most 63 are allowed"
    return f"in which {quoted(label)} may have only letters, digits and inner hyphens"


def _host_or_address(name: str) -> str:
    try:
        address = ip_address(name)
    except ValueError:
        return host_name(name)
    return _compared(address, name)


def _compared(address: IPv4Address | IPv6Address, name: str) -> str:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise WrongValue(f"is {quoted(name)}; no certificate has an address with a zone")
    return str(address)


HOST_NAME: Kind[str] = Kind((str,), _NEEDS, host_name)
HOST_OR_ADDRESS: Kind[str] = Kind((str,), 'a host name such as "mail.example.org" or an IP address', _host_or_address)
