"""A nameserver on loopback, over real UDP and TCP, and a reactor with a clock that a test advances."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import Clock, deferLater
from twisted.names import dns

from mailproxy.names.exchange import Nameserver

REACTOR: Any = reactor


class ClockedReactor:
    """The real reactor's sockets, with a clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)
        REACTOR.addReader(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)
        REACTOR.removeReader(reader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clock if name in ("callLater", "seconds", "getDelayedCalls", "advance") else reactor, name)


async def until(is_there: Callable[[], object]) -> None:
    for _ in range(500):
        if is_there():
            return
        await deferLater(REACTOR, 0.01)
    raise AssertionError("it did not come")


class _Streams(ServerFactory):
    noisy = False

    def __init__(self, controller: LoopbackNameserver) -> None:
        self.controller = controller

    def buildProtocol(self, addr: object) -> dns.DNSProtocol:
        return dns.DNSProtocol(self.controller)


class LoopbackNameserver:
    """Answers from the records of a test, or with the errors that it sets."""

    def __init__(self) -> None:
        self.records: list[dns.RRHeader] = []
        self.code = dns.OK
        self.failing_types: set[int] = set()
        """For which types SERVFAIL is the answer."""
        self.is_silent = False
        self.is_silent_on_tcp = False
        self.tcp_code = dns.OK
        self.disturb: Callable[[dns.Message], Iterable[bytes]] = lambda reply: ()
        """What is sent before each answer over UDP."""
        self.asked: list[tuple[str, str, str]] = []
        """Transport, name and type of every question."""
        self.peers: list[tuple[int, int]] = []
        """Id and port of every question over UDP."""
        self.connections: set[Any] = set()
        self._ports: list[Any] = []
        self.port = self._listen()
        self.address = Nameserver(ip_address("127.0.0.1"), self.port)

    def _listen(self) -> int:
        """Take one port of both protocols: TCP's is the one that others may have."""
        while True:
            self._ports.append(REACTOR.listenTCP(0, _Streams(self), interface="127.0.0.1"))
            port: int = self._ports[-1].getHost().port
            if _is_taken(port):
                continue
            datagrams = dns.DNSDatagramProtocol(self, reactor=REACTOR)
            self._ports.insert(0, REACTOR.listenUDP(port, datagrams, interface="127.0.0.1"))
            return port

    def close(self) -> Deferred[Any]:
        for connection in self.connections:
            connection.transport.abortConnection()
        ports, self._ports = self._ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    def close_tcp(self) -> Deferred[Any]:
        return maybeDeferred(self._ports.pop().stopListening)

    def count(self, type: str) -> int:
        return sum(asked[2] == type for asked in self.asked)

    # What twisted.names' protocols tell their controller.

    def connectionMade(self, protocol: Any) -> None:
        self.connections.add(protocol)

    def connectionLost(self, protocol: Any) -> None:
        self.connections.discard(protocol)

    def messageReceived(self, message: dns.Message, protocol: Any, address: tuple[str, int] | None = None) -> None:
        (query,) = message.queries
        self.asked.append(("udp" if address else "tcp", query.name.name.decode(), dns.QUERY_TYPES[query.type]))
        reply = self.reply(message.id, query, 512 if address else 65535)
        if address is None:
            reply.rCode = reply.rCode or self.tcp_code
            if not self.is_silent_on_tcp:
                protocol.writeMessage(reply)
            return
        self.peers.append((message.id, address[1]))
        for datagram in self.disturb(reply):
            protocol.transport.write(datagram, address)
        if not self.is_silent:
            protocol.writeMessage(reply, address)

    def reply(self, id: int, query: dns.Query, size: int) -> dns.Message:
        reply = dns.Message(id, answer=1, recDes=1, recAv=1, maxSize=size)
        reply.queries = [query]
        reply.rCode = dns.ESERVER if query.type in self.failing_types else self.code
        if reply.rCode == dns.OK:
            here = [record for record in self.records if record.name == query.name]
            reply.answers = [record for record in here if record.type in (query.type, dns.CNAME)]
            if not any(record.name == query.name for record in self.records):
                reply.rCode = dns.ENAME
        return reply


def _is_taken(port: int) -> bool:
    """Whether a UDP port is in use. Twisted would say so as well, and leave a socket unclosed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
