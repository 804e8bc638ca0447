"""Both endpoints over the kernel's sockets, made from strings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol, quoteStringArgument, serverFromString
from twisted.internet.interfaces import IAddress, IListeningPort, ISSLTransport, ITCPTransport, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from mailproxy.endpoints import IProxiedTransport
from mailproxy.proxyprotocol import Header, encode
from tests.endpoints.network import ClientTls, ServerTls
from tests.endpoints.protocols import DESTINATION, SOURCE

CLIENT = IPv4Address("TCP", "192.0.2.1", 50000)


class Greeter(Protocol):
    """Sends the client's address, and disconnects after its goodbye."""

    received = b""

    def connectionMade(self) -> None:
        client: Any = IProxiedTransport(self.transport).getPeer()
        self.transport.write(f"hello {getattr(client, 'host', client)}".encode())  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self.received == b"goodbye":
            self.transport.write(b", goodbye")  # type: ignore[union-attr]
            self.transport.loseConnection()  # type: ignore[union-attr]


class SecuringGreeter(Greeter):
    """Greets after it has begun TLS on its own."""

    def connectionMade(self) -> None:
        ITLSTransport(self.transport).startTLS(ServerTls())
        assert ISSLTransport.providedBy(self.transport)
        super().connectionMade()


class Caller(Protocol):
    """Sends a goodbye and collects the answer."""

    def __init__(self) -> None:
        self.received = b""
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(b"goodbye")  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(self.received)


class SecuringCaller(Caller):
    """Starts TLS itself before it sends anything."""

    def connectionMade(self) -> None:
        ITLSTransport(self.transport).startTLS(ClientTls())
        assert ISSLTransport.providedBy(self.transport)
        super().connectionMade()


class LoopbackTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        # Servers of other tests may have left their timeouts in this reactor: trial would take them for ours.
        for call in reactor.getDelayedCalls():
            call.cancel()

    async def listen(self, text: str, greeter: Callable[[], Protocol] = Greeter) -> IAddress:
        factory = Factory.forProtocol(greeter)
        port: IListeningPort = await serverFromString(reactor, text).listen(factory)
        self.addCleanup(port.stopListening)
        return port.getHost()

    def socket_path(self) -> str:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return str(Path(folder) / "socket")

    async def call(self, text: str, caller: Caller | None = None) -> bytes:
        protocol = cast(Caller, await connectProtocol(clientFromString(reactor, text), caller or Caller()))
        return await protocol.done

    async def listen_tcp(self, interface: str, greeter: Callable[[], Protocol] = Greeter) -> int:
        host = await self.listen(rf"accept-proxy:tcp\:0\:interface={interface}:trusted=127.0.0.0/8,\:\:1", greeter)
        assert isinstance(host, (IPv4Address, IPv6Address))
        return host.port

    async def test_client_is_announced_over_ipv4(self) -> None:
        port = await self.listen_tcp("127.0.0.1")
        received = await self.call(
            rf"send-proxy-v2:tcp\:127.0.0.1\:{port}:source=192.0.2.1\:50000:destination=198.51.100.9\:993"
        )
        assert received == b"hello 192.0.2.1, goodbye"

    async def test_client_is_announced_over_ipv6(self) -> None:
        port = await self.listen_tcp(r"\\\:\\\:1")
        endpoint = quoteStringArgument(rf"tcp:host=\:\:1:port={port}")
        addresses = r"source=[2001\:db8\:\:1]\:50000:destination=[2001\:db8\:\:9]\:993"
        assert await self.call(f"send-proxy-v1:{endpoint}:{addresses}") == b"hello 2001:db8::1, goodbye"

    async def test_program_may_announce_its_own_address(self) -> None:
        port = await self.listen_tcp("127.0.0.1")
        assert await self.call(rf"send-proxy-v2-ssl:tcp\:127.0.0.1\:{port}") == b"hello 127.0.0.1, goodbye"

    async def test_client_is_announced_over_a_unix_socket(self) -> None:
        path = self.socket_path()
        await self.listen(rf"accept-proxy:unix\:{path}:trusted=unix")
        received = await self.call(rf"send-proxy-v2:unix\:{path}:source=192.0.2.1\:50000:destination=198.51.100.9\:993")
        assert received == b"hello 192.0.2.1, goodbye"

    async def test_unix_program_that_is_its_own_client_is_local(self) -> None:
        path = self.socket_path()
        await self.listen(rf"accept-proxy:unix\:{path}:trusted=unix")
        assert await self.call(rf"send-proxy-v2:unix\:{path}") == f"hello {UNIXAddress(None)}, goodbye".encode()

    async def test_protocols_may_begin_tls_behind_the_header(self) -> None:
        port = await self.listen_tcp("127.0.0.1", SecuringGreeter)
        received = await self.call(rf"send-proxy-v2:tcp\:127.0.0.1\:{port}", SecuringCaller())
        assert received == b"hello 127.0.0.1, goodbye"

    async def test_header_may_come_in_pieces(self) -> None:
        class Slow(Caller):
            def connectionMade(self) -> None:
                ITCPTransport(self.transport).setTcpNoDelay(True)
                self.send(encode(Header.proxy(SOURCE, DESTINATION)).data + b"goodbye")

            def send(self, rest: bytes) -> None:
                self.transport.write(rest[:5])  # type: ignore[union-attr]
                if rest[5:]:
                    reactor.callLater(0.001, self.send, rest[5:])

        port = await self.listen_tcp("127.0.0.1")
        assert await self.call(rf"tcp:127.0.0.1:{port}", Slow()) == b"hello 192.0.2.1, goodbye"

    async def test_bad_header_is_reset(self) -> None:
        port = await self.listen_tcp("127.0.0.1")
        assert await self.call(rf"tcp:127.0.0.1:{port}") == b""
