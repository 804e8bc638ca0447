"""A client's action at a server of the demo, with the client's facts by the socket and by the PROXY header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from attrs import frozen
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from mailproxy.proxyprotocol import Header

ReportAction = Callable[[str], None]
"""Takes a client's action, such as ``alice logs in by IMAP``."""


def ignore_action(what: str) -> None:
    """Ignore a client's action."""


@frozen
class Visit:
    """A client's action at the server called `server`."""

    server: str
    what: str
    peer: IAddress
    """The peer of the server's socket: the proxy."""
    host: IAddress
    """The address of the server's socket."""
    header: Header


class Visits(ServerFactory):
    """
    Makes a server protocol for each connection, and reports the clients' actions.

    It is for `AcceptProxyServerEndpoint` with a policy that refuses clients without a header.
    """

    noisy = False

    def __init__(self, server: str, make: Callable[[ReportAction], Protocol], report: Callable[[Visit], None]) -> None:
        """Serve with the protocols of `make`, for the server called `server`."""
        self._server = server
        self._make = make
        self._report = report
        self._protocols: WeakSet[Protocol] = WeakSet()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Make a protocol; its transport has the header before the first action."""

        def report(what: str) -> None:
            transport: Any = protocol.transport
            visit = Visit(self._server, what, transport.getProxyPeer(), transport.getProxyHost(), transport.proxyHeader)
            self._report(visit)

        protocol = self._make(report)
        self._protocols.add(protocol)
        return protocol

    def abort(self) -> None:
        """Abort every connection, as the end of a killed process does."""
        for protocol in list(self._protocols):
            transport: Any = protocol.transport
            if transport is not None:
                transport.abortConnection()
