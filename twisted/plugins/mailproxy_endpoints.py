"""
What Twisted's endpoint strings learn from mailproxy: `accept-proxy:` and `send-proxy-v1:` to `send-proxy-v2-ssl-cn:`.

Each has a second form that ends in `-tls:`, for TLS behind the header. Twisted loads this file for every endpoint
string of every program, so the work is imported when one of these is used.
"""

from __future__ import annotations

from attrs import frozen
from twisted.internet.interfaces import (
    IReactorCore,
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IPlugin, IStreamServerEndpointStringParser)
@frozen
class AcceptProxyParser:
    """Parses `accept-proxy:ENDPOINT`."""

    prefix = "accept-proxy"

    def parseStreamServer(self, reactor: IReactorCore, *args: object, **kwargs: object) -> IStreamServerEndpoint:
        """Make the endpoint, see `mailproxy.endpoints.parsers.accept_proxy`."""
        from mailproxy.endpoints.parsers import accept_proxy

        return accept_proxy(reactor, args, kwargs)


@implementer(IPlugin, IStreamServerEndpointStringParser)
@frozen
class AcceptProxyTlsParser:
    """Parses `accept-proxy-tls:ENDPOINT`."""

    prefix = "accept-proxy-tls"

    def parseStreamServer(self, reactor: IReactorCore, *args: object, **kwargs: object) -> IStreamServerEndpoint:
        """Make the endpoint, see `mailproxy.endpoints.parsers.accept_proxy_tls`."""
        from mailproxy.endpoints.parsers import accept_proxy_tls

        return accept_proxy_tls(reactor, args, kwargs)


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
@frozen
class SendProxyParser:
    """Parses `send-proxy-KIND:ENDPOINT` and `send-proxy-KIND-tls:ENDPOINT`."""

    kind: str
    tls: bool = False

    @property
    def prefix(self) -> str:
        """What the string begins with."""
        return f"send-proxy-{self.kind}-tls" if self.tls else f"send-proxy-{self.kind}"

    def parseStreamClient(self, reactor: IReactorCore, *args: object, **kwargs: object) -> IStreamClientEndpoint:
        """Make the endpoint, see `mailproxy.endpoints.parsers.send_proxy`."""
        from mailproxy.endpoints.parsers import send_proxy

        return send_proxy(self.kind, reactor, args, kwargs, tls=self.tls)


acceptProxy = AcceptProxyParser()
acceptProxyTls = AcceptProxyTlsParser()
sendProxyV1 = SendProxyParser("v1")
sendProxyV2 = SendProxyParser("v2")
sendProxyV2Ssl = SendProxyParser("v2-ssl")
sendProxyV2SslCn = SendProxyParser("v2-ssl-cn")
sendProxyV1Tls = SendProxyParser("v1", tls=True)
sendProxyV2Tls = SendProxyParser("v2", tls=True)
sendProxyV2SslTls = SendProxyParser("v2-ssl", tls=True)
sendProxyV2SslCnTls = SendProxyParser("v2-ssl-cn", tls=True)
