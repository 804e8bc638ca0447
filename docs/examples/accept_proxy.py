r"""
A server behind a proxy: it greets every client by the address that the PROXY header has, and says whether it is on TLS.

    $ python accept_proxy.py 8143 &
    $ printf 'PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\n' | nc -N 127.0.0.1 8143
    * OK 192.0.2.1:40000, no TLS
"""

import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react

from mailproxy.endpoints import AcceptPolicy, AcceptProxyServerEndpoint, IProxiedTransport
from mailproxy.proxyprotocol import SslClient, Strictness


class Greeter(Protocol):
    """Greets and parts."""

    def connectionMade(self):
        """Greet: the header is in, or this client is a direct one."""
        client = self.transport.getPeer()
        header = IProxiedTransport(self.transport).proxyHeader
        ssl = header.ssl if header else None
        tls = ssl.version if ssl and ssl.client & SslClient.SSL else "no TLS"
        self.transport.write(f"* OK {client.host}:{client.port}, {tls}\r\n".encode())
        self.transport.loseConnection()


async def main(reactor, port="8143"):
    """Listen for proxies on this machine, and only for them."""
    addressed = Strictness(accept_unspec=False)  # the header of a client has its IP address, not a UNIX path for one
    policy = AcceptPolicy(trusted=["127.0.0.0/8"], refuse_others=True, timeout=10, strictness=addressed)
    endpoint = AcceptProxyServerEndpoint(TCP4ServerEndpoint(reactor, int(port)), policy)
    listening = await endpoint.listen(Factory.forProtocol(Greeter))
    print("listening on port", listening.getHost().port, flush=True)
    await Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
