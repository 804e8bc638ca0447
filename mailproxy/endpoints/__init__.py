"""
The PROXY protocol for any Twisted endpoint, transport and protocol.

`AcceptProxyServerEndpoint` reads the header that a connection begins with, `SendProxyClientEndpoint` writes one; both
wrap another endpoint. The strings ``accept-proxy:`` and ``send-proxy-v2-ssl:`` make them wherever Twisted takes a
string. Each has a form for TLS after the header, ``accept-proxy-tls:``. The map, bottom up:

- ``interfaces``: the transport's interface for protocols after a header.
- ``addresses``: Twisted's addresses and those of a header.
- ``arguments``: checks of arguments.
- ``wrapper``: a protocol between a transport and a protocol that neither sees.
- ``proxied_transport``: the transport of a protocol after a header.
- ``hooks``: the functions of the using program that an accepting endpoint calls.
- ``accept``, ``send``: the endpoints, and the factories that they are made of.
- ``announce``: the header for a backend, made from the transport of an accepted client.
- ``certificates``, ``quoting``, ``parsers``: the strings.
"""

from mailproxy.endpoints.accept import NOT_A_PROXY, AcceptProxyFactory, AcceptProxyServerEndpoint
from mailproxy.endpoints.announce import ClientHeader, header_from_transport, transport_facts
from mailproxy.endpoints.hooks import HeaderCheck, RefusalHook
from mailproxy.endpoints.interfaces import IProxiedTransport
from mailproxy.endpoints.send import HeaderMaker, SendProxyClientEndpoint, SendProxyFactory
from mailproxy.proxyprotocol import AcceptPolicy
from mailproxy.tls.facts import TlsFacts

__all__ = [
    "NOT_A_PROXY",
    "AcceptPolicy",
    "AcceptProxyFactory",
    "AcceptProxyServerEndpoint",
    "ClientHeader",
    "HeaderCheck",
    "HeaderMaker",
    "IProxiedTransport",
    "RefusalHook",
    "SendProxyClientEndpoint",
    "SendProxyFactory",
    "TlsFacts",
    "header_from_transport",
    "transport_facts",
]
