"""Protocols that write down what happens to them, and the clients and servers of the tests' pretended network."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy.proxyprotocol import AcceptPolicy, Header, InetAddress, encode

PROXY = IPv4Address("TCP", "10.0.0.7", 40000)
STRANGER = IPv4Address("TCP", "203.0.113.66", 40000)
LISTENING = IPv4Address("TCP", "10.0.0.1", 143)

SOURCE = InetAddress.parse("192.0.2.1:50000")
DESTINATION = InetAddress.parse("198.51.100.9:993")
HEADER = encode(Header.proxy(SOURCE, DESTINATION)).data

TRUST_PROXY = AcceptPolicy(trusted=(ip_network("10.0.0.0/8"),))
BELIEVE_PROXY = AcceptPolicy(optional=(ip_network("10.0.0.0/8"),))


class Recording(Protocol):
    """Records its calls."""

    def __init__(self) -> None:
        self.peer: IAddress | None = None
        self.host: IAddress | None = None
        self.received = b""
        self.lost: Failure | None = None
        self.handshakes = 0

    def connectionMade(self) -> None:
        transport = ITransport(self.transport)
        self.peer, self.host = transport.getPeer(), transport.getHost()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


@implementer(IProtocolFactory)
class Made:
    """A factory that keeps the protocols it was asked for, and the addresses it was asked with."""

    def __init__(self, kind: Callable[[], Protocol] = Recording) -> None:
        self.kind = kind
        self.protocols: list[Protocol] = []
        self.addresses: list[IAddress] = []

    def buildProtocol(self, addr: IAddress) -> Protocol | None:
        self.addresses.append(addr)
        self.protocols.append(self.kind())
        return self.protocols[-1]

    def doStart(self) -> None: ...

    def doStop(self) -> None: ...


class Unwilling(Made):
    """Wants no connection."""

    def buildProtocol(self, addr: IAddress) -> None:
        return None


class Broken(Made):
    """Has a bug."""

    def buildProtocol(self, addr: IAddress) -> Protocol:
        raise RuntimeError("a bug")


def result(deferred: Deferred[Any]) -> Any:
    """What a Deferred has fired with; a failure's exception."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    (outcome,) = results
    return outcome.value if isinstance(outcome, Failure) else outcome
