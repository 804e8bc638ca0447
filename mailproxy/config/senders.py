"""Senders of PROXY headers to a frontend: networks and UNIX sockets."""

from ipaddress import IPv6Network, ip_address, ip_network

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.place import UNIX, Network, Sender
from mailproxy.config.words import quoted

_NETWORK_NEEDS = 'a network such as "10.0.0.0/8" or "2001:db8::/32", or one address'


def _network(text: str) -> Network:
    _, slash, bits = text.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):  # ipaddress accepts masks too, of two kinds
        raise WrongValue(f"is {quoted(text)}, in which {quoted(bits)} is no number of bits; needs {_NETWORK_NEEDS}")
    try:
        network = ip_network(text)
    except ValueError:
        raise WrongValue(f"is {quoted(text)}, {what_instead(text)}") from None
    if "%" in text:  # ipaddress accepts a zone here and never compares it
        raise WrongValue(f"is {quoted(text)}, needs {_NETWORK_NEEDS}, without a zone")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise WrongValue(f"is {quoted(text)}, IPv4 addresses in IPv6 form; write them as IPv4")
    return network


def what_instead(text: str, needs: str = _NETWORK_NEEDS) -> str:
    """Continue ``is "TEXT", …`` for a text that is not a network: with the networks that it may mean, or `needs`."""
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return f"needs {needs}"
    address = ip_address(text.partition("/")[0])
    part = 8 if meant.version == 4 else 16
    # The shortest prefix that has all bits of the address, and ends at a dot or colon.
    prefixes = (ip_network((address.packed, bits), strict=False) for bits in range(part, meant.max_prefixlen + 1, part))
    longer = next(one for one in prefixes if int(one.network_address) == int(address))
    other = str(longer) if longer.prefixlen < longer.max_prefixlen else str(longer.network_address)
    return f"which has bits beyond the prefix; is it {quoted(str(meant))} or {quoted(other)}?"


NETWORK: Kind[Network] = Kind((str,), _NETWORK_NEEDS, _network)

_NEEDS = f'{NETWORK.needs}, or "{UNIX}" for the clients of UNIX sockets'


def _sender(text: str) -> Sender:
    if text == UNIX:
        return UNIX
    if text.isalpha():
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}")
    return NETWORK.read(text)


SENDER: Kind[Sender] = Kind((str,), _NEEDS, _sender)


def overlap(one: Sender, other: Sender) -> bool:
    """Return whether some clients are in both."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.version == other.version and one.overlaps(other)
