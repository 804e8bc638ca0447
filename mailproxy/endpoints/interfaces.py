"""The interface of transports behind `AcceptProxyServerEndpoint`."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress, ITransport
from zope.interface import Attribute

from mailproxy.proxyprotocol import Header


class IProxiedTransport(ITransport):
    """
    A transport that may have begun with a PROXY header.

    Its `getPeer` and `getHost` are the addresses in the header, or the connection's own without a header or if the
    header has no stream addresses (LOCAL, UNSPEC, datagrams). A TLS transport on top of it provides this interface too.
    """

    proxyHeader: Header | None = Attribute("The header that the connection began with; None for a direct client.")

    def getProxyPeer() -> IAddress:
        """Return the real address of the peer: the proxy's, if there was a header."""

    def getProxyHost() -> IAddress:
        """Return the real address on this side, that the peer has connected to."""
