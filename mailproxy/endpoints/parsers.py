"""The strings that make these endpoints where Twisted takes one, ``accept-proxy:tcp\\\\:143:trusted=10.0.0.0/8``."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.interfaces import IReactorTime

from mailproxy.endpoints.accept import AcceptProxyServerEndpoint
from mailproxy.endpoints.announce import ClientHeader
from mailproxy.endpoints.send import SendProxyClientEndpoint
from mailproxy.proxyprotocol import AcceptPolicy, InetAddress, Strictness
from mailproxy.proxyprotocol.policy import TIMEOUT
from mailproxy.proxyprotocol.strictness import MAX_SIZE

_UNIX = "unix"


def options(parsed: Mapping[str, object]) -> dict[str, str]:
    """
    Return the options of a string as Twisted has parsed it.

    `quoteStringArgument` leaves ``=`` alone, so Twisted takes a wrapped ``tcp\\:143\\:interface=…`` for an option
    of that name. No option of ours has a colon in its name: this is the endpoint.
    """
    return {
        "endpoint" if ":" in name else name: f"{name}={value}" if ":" in name else str(value)
        for name, value in parsed.items()
    }


def accept_proxy(
    reactor: object,
    endpoint: str,
    trusted: str | None = None,
    optional: str | None = None,
    others: str = "direct",
    timeout: str = str(TIMEOUT),
    maxSize: str = str(MAX_SIZE),
    versions: str = "1,2",
    crc32c: str = "optional",
) -> AcceptProxyServerEndpoint:
    """
    Make the endpoint of ``accept-proxy:ENDPOINT``; ValueError says which option is wrong.

    Networks and versions are lists with commas; ``unix`` among the trusted stands for UNIX sockets. With neither
    `trusted` nor `optional` every peer must send a header, as with HAProxy's ``accept-proxy`` on a bind line. `timeout`
    is in seconds, `maxSize` in bytes.
    """
    everybody = trusted is None and optional is None
    names = _listed(trusted or "")
    if not (names or optional or everybody):
        # Of an empty variable in somebody's template nothing is guessed.
        raise ValueError("trusted= names nobody")
    policy = AcceptPolicy(
        trusted=[name for name in names if name != _UNIX],
        optional=_listed(optional or ""),
        refuse_others=_choice("others", others, yes="refused", no="direct"),
        unix=_UNIX in names,
        timeout=float(timeout),
        strictness=Strictness(
            versions=tuple(int(version) for version in _listed(versions)),
            max_size=int(maxSize),
            require_crc32c=_choice("crc32c", crc32c, yes="required", no="optional"),
        ),
        trust_others=everybody,
    )
    return AcceptProxyServerEndpoint(serverFromString(reactor, endpoint), policy, IReactorTime(reactor))


def send_proxy(
    kind: str,
    reactor: object,
    endpoint: str,
    source: str = "",
    destination: str = "",
    profile: str = "generic",
    protocol: str = "tcp",
    options: str = "",
) -> SendProxyClientEndpoint:
    """
    Make the endpoint of ``send-proxy-v2-ssl:ENDPOINT`` and its like; ValueError says which option is wrong.

    `source` and `destination` are what every connection announces; without them see `SendProxyClientEndpoint`.
    `profile`, `protocol` and `options` (with commas) are those of `ClientHeader`.
    """
    maker = ClientHeader(kind, profile, protocol, tuple(_listed(options)))
    wrapped = clientFromString(reactor, endpoint)
    if not source and not destination:
        return SendProxyClientEndpoint(wrapped, maker, maker.budget)
    header = maker.describe(InetAddress.parse(source), InetAddress.parse(destination))
    return SendProxyClientEndpoint(wrapped, header, maker.budget)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _choice(name: str, word: str, *, yes: str, no: str) -> bool:
    if word not in (yes, no):
        raise ValueError(f"{name}={word} is neither {yes} nor {no}")
    return word == yes
