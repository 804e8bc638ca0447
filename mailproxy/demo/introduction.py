"""Clients are introduced before they are served: what the PROXY header said of each goes to whoever wants to know."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Protocol, ServerFactory

from mailproxy.proxyprotocol import Header


class Introductions(ServerFactory):
    """Makes a server for each connection, after `tell` has got its header."""

    noisy = False

    def __init__(self, make: Callable[[], IProtocol], tell: Callable[[Header], None]) -> None:
        """Serve with what `make` makes."""
        self._make = make
        self._tell = tell

    def buildProtocol(self, addr: IAddress | None) -> "Introduction":
        """Begin with the introduction."""
        return Introduction(self._make(), self._tell)


class Introduction(Protocol):
    """Tells what the header said as soon as there is a transport to ask, and makes way for the server."""

    transport: Any

    def __init__(self, server: IProtocol, tell: Callable[[Header], None]) -> None:
        """Make way for `server`."""
        self._server = server
        self._tell = tell

    def connectionMade(self) -> None:
        """Introduce the client; the transport is one of `AcceptProxyServerEndpoint`, from which a header must come."""
        self._tell(self.transport.proxyHeader)
        self.transport.protocol = self._server
        self._server.makeConnection(self.transport)
