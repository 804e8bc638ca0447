r"""
A proxy: it connects every client to a backend, and sends it a PROXY header that says who the client is.

    $ python accept_proxy.py 8143 &
    $ python send_proxy.py tcp:9143 'send-proxy-v2-ssl:tcp\:127.0.0.1\:8143' &
    $ nc -N 127.0.0.1 9143 </dev/null
    * OK 127.0.0.1:51234, no TLS

With ``ssl:9143:privateKey=key.pem:certKey=cert.pem`` instead of ``tcp:9143`` the greeting has the version of TLS.
"""

import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol, serverFromString
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener, ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react
from zope.interface import implementer


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class Front(Protocol):
    """The side of the client."""

    back = None

    def connectionMade(self):
        """Connect the backend, for a client over TLS only when its TLS is negotiated."""
        if not ISSLTransport.providedBy(self.transport):
            self.dial()

    def handshakeCompleted(self):
        """Connect the backend, now that the TLS is negotiated."""
        self.dial()

    def dial(self):
        """Connect the backend for this client; nothing is read meanwhile."""
        self.transport.pauseProducing()
        endpoint = self.factory.backend.forClient(self.transport)
        connecting = connectProtocol(endpoint, Back(self))
        connecting.addErrback(lambda failure: self.transport.loseConnection())

    def dataReceived(self, data):
        """Relay."""
        self.back.transport.write(data)

    def readConnectionLost(self):
        """The client has said all, and may still wait for an answer: close this side of the backend."""
        self.back.finish()

    def writeConnectionLost(self):
        """Nothing depends on this: the backend's end comes in any case."""

    def connectionLost(self, reason):
        """Part."""
        if self.back:
            self.back.part()


class Back(Protocol):
    """The side of the backend."""

    def __init__(self, front):
        """Belong to a client."""
        self.front = front

    def connectionMade(self):
        """Let each side read as fast as the other one takes it."""
        self.front.back = self
        self.transport.registerProducer(self.front.transport, True)
        self.front.transport.registerProducer(self.transport, True)
        self.front.transport.resumeProducing()

    def dataReceived(self, data):
        """Relay."""
        self.front.transport.write(data)

    def connectionLost(self, reason):
        """Part."""
        self.front.transport.unregisterProducer()
        self.front.transport.loseConnection()

    def finish(self):
        """Send no more, but read on; with TLS a connection ends in both directions."""
        self.transport.unregisterProducer()
        if ISSLTransport.providedBy(self.transport):
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def part(self):
        """Close: what was written still goes out."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()


async def main(reactor, front="tcp:9143", back=r"send-proxy-v2-ssl:tcp\:127.0.0.1\:8143"):
    """Listen for clients."""
    factory = Factory.forProtocol(Front)
    factory.backend = clientFromString(reactor, back)
    listening = await serverFromString(reactor, front).listen(factory)
    print("listening on port", listening.getHost().port, flush=True)
    await Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
