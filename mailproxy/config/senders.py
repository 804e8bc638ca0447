"""Senders of PROXY headers to a frontend: networks and UNIX sockets."""

from ipaddress import IPv6Network, ip_network

from mailproxy.config.kind import Kind, Wrong
from mailproxy.config.place import UNIX, Network, Sender
from mailproxy.config.words import quoted

_NETWORK_NEEDS = 'a network such as "10.0.0.0/8" or "2001:db8::/32", or one address'


def _network(text: str) -> Network:
    _, slash, bits = text.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):  # ipaddress accepts masks too, of two kinds
        raise Wrong(f"is {quoted(text)}, in which {quoted(bits)} is no number of bits; needs {_NETWORK_NEEDS}")
    try:
        network = ip_network(text)
    except ValueError:
        raise Wrong(f"is {quoted(text)}, {_what_instead(text)}") from None
    if "%" in text:  # ipaddress accepts a zone here and never compares it
        raise Wrong(f"is {quoted(text)}, needs {_NETWORK_NEEDS}, without a zone")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise Wrong(f"is {quoted(text)}, IPv4 addresses in IPv6 form; write them as IPv4")
    return network


def _what_instead(text: str) -> str:
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return f"needs {_NETWORK_NEEDS}"
    return f"whose address is longer than its /{meant.prefixlen}; did you mean {quoted(str(meant))}?"


NETWORK: Kind[Network] = Kind((str,), _NETWORK_NEEDS, _network)

_NEEDS = f'{NETWORK.needs}, or "{UNIX}" for the clients of UNIX sockets'


def _sender(text: str) -> Sender:
    if text == UNIX:
        return UNIX
    if text.isalpha():
        raise Wrong(f"is {quoted(text)}, needs {_NEEDS}")
    return NETWORK.read(text)


SENDER: Kind[Sender] = Kind((str,), _NEEDS, _sender)


def overlap(one: Sender, other: Sender) -> bool:
    """Tell whether some clients are in both."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.version == other.version and one.overlaps(other)
