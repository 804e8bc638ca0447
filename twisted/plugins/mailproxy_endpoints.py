"""
What Twisted's endpoint strings learn from mailproxy: `accept-proxy:`, and `send-proxy-v1:` to `send-proxy-v2-ssl-cn:`.

Twisted loads this file for every endpoint string of every program, so the work is imported when one of these is used.
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
        """Make the endpoint: the arguments are those of `mailproxy.endpoints.parsers.accept_proxy`."""
        from mailproxy.endpoints.parsers import accept_proxy, options

        return accept_proxy(reactor, *map(str, args), **options(kwargs))


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
@frozen
class SendProxyParser:
    """Parses `send-proxy-KIND:ENDPOINT`."""

    kind: str

    @property
    def prefix(self) -> str:
        """What the string begins with."""
        return f"send-proxy-{self.kind}"

    def parseStreamClient(self, reactor: IReactorCore, *args: object, **kwargs: object) -> IStreamClientEndpoint:
        """Make the endpoint: the arguments are those of `mailproxy.endpoints.parsers.send_proxy`."""
        from mailproxy.endpoints.parsers import options, send_proxy

        return send_proxy(self.kind, reactor, *map(str, args), **options(kwargs))


acceptProxy = AcceptProxyParser()
sendProxyV1 = SendProxyParser("v1")
sendProxyV2 = SendProxyParser("v2")
sendProxyV2Ssl = SendProxyParser("v2-ssl")
sendProxyV2SslCn = SendProxyParser("v2-ssl-cn")
