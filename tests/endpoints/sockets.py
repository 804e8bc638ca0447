"""Twisted's own TCP transports over a pair of sockets, on a reactor whose clock stands still: no test waits for it."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress, IHalfCloseableDescriptor, IProtocol
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from tests.endpoints.protocols import LISTENING, PROXY


class End(Server):
    """One end of the connection. The addresses are pretended."""

    def __init__(self, sock: socket.socket, protocol: IProtocol, host: IPv4Address, peer: IPv4Address, reactor: Any):
        super().__init__(sock, protocol, (peer.host, peer.port), None, 0, reactor)  # type: ignore[arg-type]
        self.repstr = f"<{host.host}>"
        self.host = host

    def getHost(self) -> IAddress:
        return self.host


class ClientEnd(End):
    """The end that has connected: TLS begun here is a client's."""

    _tlsClientDefault = True


class Sockets(MemoryReactorClock):
    """A reactor with one connection, which moves bytes on request."""

    def join(self) -> tuple[End, ClientEnd]:
        """Connect the server and the client that have been given to this reactor's `listenTCP` and `connectTCP`."""
        accepted, connected = socket.socketpair()
        listening, connecting = self.tcpServers[-1][1], self.tcpClients[-1][2]
        server = End(accepted, IProtocol(listening.buildProtocol(PROXY)), LISTENING, PROXY, self)
        client = ClientEnd(connected, IProtocol(connecting.buildProtocol(LISTENING)), PROXY, LISTENING, self)
        server.protocol.makeConnection(server)
        client.protocol.makeConnection(client)
        self.settle()
        return server, client

    def settle(self) -> None:
        """Deliver all bytes in flight."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        due = [call for call in self.calls if call.getTime() <= self.seconds()]
        self.advance(0)
        reading, writing, _ = select.select(self.getReaders(), self.getWriters(), [], 0)
        for descriptor in writing:
            self._do(descriptor, descriptor.doWrite, is_reading=False)
        for descriptor in reading:
            if descriptor in self.readers:
                self._do(descriptor, descriptor.doRead, is_reading=True)
        return bool(due or reading or writing)

    def _do(self, descriptor: End, method: Callable[[], object], *, is_reading: bool) -> None:
        """Do what the real reactors do with the outcome."""
        outcome = method()
        if outcome is None:
            return
        reason = Failure(ConnectionDone() if isinstance(outcome, ConnectionDone) else ConnectionLost())
        self.removeReader(descriptor)
        if is_reading and reason.type is ConnectionDone and IHalfCloseableDescriptor.providedBy(descriptor):
            descriptor.readConnectionLost(reason)
        else:
            self.removeWriter(descriptor)
            descriptor.connectionLost(reason)
