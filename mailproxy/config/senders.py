"""The networks and UNIX sockets that send PROXY headers to a frontend, and which of them have no effect."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from mailproxy.config.kind import Kind, Wrong
from mailproxy.config.model import Backend, Config, Frontend, FrontendTimeouts
from mailproxy.config.place import UNIX, Bind, InetBind, Network, Sender
from mailproxy.config.problems import Problem
from mailproxy.config.words import key_path, quoted

_NETWORK_NEEDS = 'a network such as "10.0.0.0/8" or "2001:db8::/32", or one address'


def _network(text: str) -> Network:
    _, slash, bits = text.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):  # ipaddress takes masks too, of two kinds
        raise Wrong(f"is {quoted(text)}, in which {quoted(bits)} is no number of bits; needs {_NETWORK_NEEDS}")
    try:
        network = ip_network(text)
    except ValueError:
        raise Wrong(f"is {quoted(text)}, {_what_instead(text)}") from None
    if "%" in text:  # ipaddress takes a zone here and never compares it
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

_FAMILIES = {4: "an IPv4 address", 6: "an IPv6 address", UNIX: "a UNIX socket"}

_Family = int | str


def overlap(one: Sender, other: Sender) -> bool:
    """Tell whether there are clients that both stand for."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.version == other.version and one.overlaps(other)


def sender_remarks(config: Config) -> Iterator[Problem]:
    """Find senders that cannot connect, and clients that are all refused."""
    for frontend in config.frontends:
        key = key_path("frontend", frontend.name)
        for name, senders in _lists(frontend):
            yield from _unreachable(key_path(key, name), senders, frontend.bind)
        if frontend.accept_proxy_only:
            yield from _refused(key, frontend)
        yield from _timeouts(key_path(key, "timeout"), frontend)
        if frontend.tls_offloaded_by:
            yield from _offloaded(key_path(key, "tls-offloaded-by"), frontend, config.backends.get(frontend.backend))


def _lists(frontend: Frontend) -> Iterator[tuple[str, tuple[Sender, ...]]]:
    yield "accept-proxy", frontend.accept_proxy
    yield "accept-proxy-optional", frontend.accept_proxy_optional
    yield "tls-offloaded-by", frontend.tls_offloaded_by


def _family(place: Sender | Bind) -> _Family:
    match place:
        case InetBind(host=host):
            return host.version
        case IPv4Network() | IPv6Network():
            return place.version
    return UNIX


def _unreachable(key: str, senders: Iterable[Sender], binds: Iterable[Bind]) -> Iterator[Problem]:
    bound = {_family(bind) for bind in binds}
    first = {_family(sender): sender for sender in reversed(tuple(senders))}
    for family, sender in first.items():
        if family not in bound:
            yield Problem(key, f'has "{sender}", which has no effect: no bind is {_FAMILIES[family]}')


def _refused(key: str, frontend: Frontend) -> Iterator[Problem]:
    senders = {_family(sender) for sender in frontend.accept_proxy + frontend.accept_proxy_optional}
    for bind in frontend.bind:
        if _family(bind) not in senders:
            yield Problem(
                key_path(key, "accept-proxy-only"),
                f"lets nobody in at {bind}: no entry of accept-proxy is {_FAMILIES[_family(bind)]}",
            )


def _timeouts(key: str, frontend: Frontend) -> Iterator[Problem]:
    usual = FrontendTimeouts()
    if frontend.timeout.proxy_header != usual.proxy_header and not (
        frontend.accept_proxy or frontend.accept_proxy_optional
    ):
        yield Problem(key_path(key, "proxy-header"), "has no effect: there is no accept-proxy")
    if frontend.timeout.proxy_header_optional != usual.proxy_header_optional and not frontend.accept_proxy_optional:
        yield Problem(key_path(key, "proxy-header-optional"), "has no effect: there is no accept-proxy-optional")


def _offloaded(key: str, frontend: Frontend, backend: Backend | None) -> Iterator[Problem]:
    if UNIX in frontend.tls_offloaded_by and UNIX not in frontend.accept_proxy + frontend.accept_proxy_optional:
        yield Problem(
            key,
            f'has "{UNIX}", which has no effect without "{UNIX}" in accept-proxy: a client without an address is told '
            "as LOCAL, and no server looks for its TLS there",
        )
    if backend is not None and not backend.tells_ssl:
        yield Problem(
            key,
            f'has no effect: send-proxy = "{backend.send_proxy}" of {key_path("backend", backend.name)} tells no '
            'server of TLS; "v2-ssl" does',
        )
