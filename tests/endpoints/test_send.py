from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IProtocolFactory, ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy.endpoints import ClientHeader, SendProxyClientEndpoint, SendProxyFactory
from mailproxy.endpoints.send import HeaderMaker
from mailproxy.proxyprotocol import Command, Header, InetAddress, Tlv, TlvType, decode, encode
from tests.endpoints.protocols import DESTINATION, HEADER, SOURCE, Made, Recording, Unwilling, result

OURS = IPv4Address("TCP", "10.0.0.7", 41000)
BACKEND = IPv4Address("TCP", "10.0.0.1", 143)
CLIENT = StringTransport(
    hostAddress=IPv4Address("TCP", "198.51.100.9", 993), peerAddress=IPv4Address("TCP", "192.0.2.1", 50000)
)


class Greeting(Recording):
    """Speaks first."""

    def connectionMade(self) -> None:
        super().connectionMade()
        ITransport(self.transport).write(b"EHLO")


class Connection:
    """One connection made with the endpoint, and its outcome."""

    def __init__(
        self, endpoint: SendProxyClientEndpoint, factory: IProtocolFactory, reactor: MemoryReactorClock
    ) -> None:
        self.transport = StringTransport(hostAddress=OURS, peerAddress=BACKEND)
        self.outcome: Deferred[IProtocol] = endpoint.connect(factory)
        self.connecting = reactor.tcpClients[0][2]
        self.built = self.connecting.buildProtocol(BACKEND)
        if self.built is not None:
            self.built.makeConnection(ITransport(self.transport))

    @property
    def protocol(self) -> IProtocol:
        assert self.built is not None
        return self.built


class TestSendProxy:
    @pytest.fixture(autouse=True)
    def _reactor(self) -> None:
        self.reactor = MemoryReactorClock()
        self.made = Made(Greeting)

    def endpoint(self, header: Header | HeaderMaker, budget: int = 536) -> SendProxyClientEndpoint:
        return SendProxyClientEndpoint(TCP4ClientEndpoint(self.reactor, "10.0.0.1", 143), header, budget)

    def connect(self, endpoint: SendProxyClientEndpoint, factory: IProtocolFactory | None = None) -> Connection:
        return Connection(endpoint, factory or self.made, self.reactor)

    def test_header_comes_before_what_the_protocol_writes(self) -> None:
        connection = self.connect(self.endpoint(Header.proxy(SOURCE, DESTINATION)))
        assert connection.transport.value() == HEADER + b"EHLO"

    def test_header_is_one_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        writes: list[bytes] = []
        monkeypatch.setattr(StringTransport, "write", lambda _, data: writes.append(data))
        self.connect(self.endpoint(Header.proxy(SOURCE, DESTINATION)))
        assert writes == [HEADER, b"EHLO"]

    def test_outcome_is_the_factorys_protocol(self) -> None:
        connection = self.connect(self.endpoint(Header.local()))
        assert result(connection.outcome) is self.made.protocols[0]

    def test_addresses_are_the_connections_own(self) -> None:
        self.connect(self.endpoint(Header.proxy(SOURCE, DESTINATION)))
        (protocol,) = self.made.protocols
        assert isinstance(protocol, Greeting)
        assert (protocol.peer, protocol.host) == (BACKEND, OURS)

    def test_data_and_end_are_the_protocols(self) -> None:
        connection = self.connect(self.endpoint(Header.local()))
        connection.protocol.dataReceived(b"220")
        connection.protocol.connectionLost(connectionDone)
        (protocol,) = self.made.protocols
        assert isinstance(protocol, Greeting)
        assert (protocol.received, protocol.lost) == (b"220", connectionDone)

    def test_half_close_reaches_a_protocol_that_knows_it(self) -> None:
        @implementer(IHalfCloseableProtocol)
        class HalfCloseable(Recording):
            def readConnectionLost(self) -> None:
                self.received += b"EOF"

            def writeConnectionLost(self) -> None: ...

        made = Made(HalfCloseable)
        connection = self.connect(self.endpoint(Header.local()), made)
        IHalfCloseableProtocol(connection.protocol).readConnectionLost()
        (protocol,) = made.protocols
        assert isinstance(protocol, HalfCloseable)
        assert protocol.received == b"EOF"

    def test_failed_connection_is_reported(self) -> None:
        outcome = self.endpoint(Header.local()).connect(self.made)
        self.reactor.tcpClients[0][2].clientConnectionFailed(self.reactor.connectors[0], Failure(Refused()))
        assert isinstance(result(outcome), Refused)

    def test_factory_that_wants_no_protocol_fails_the_connection(self) -> None:
        connection = self.connect(self.endpoint(Header.local()), Unwilling())
        assert connection.built is None
        assert isinstance(result(connection.outcome), NoProtocol)

    def test_what_does_not_fit_is_left_out_and_logged(self) -> None:
        header = Header.proxy(SOURCE, DESTINATION, (Tlv(TlvType.ALPN, b"imap"), Tlv(TlvType.NETNS, b"blue")))
        with capturedLogs() as events:
            connection = self.connect(self.endpoint(header, budget=36))
        assert decode(connection.transport.value()).alpn == b"imap"
        assert (events[0]["names"], events[0]["budget"]) == ("NETNS", 36)

    def test_header_that_cannot_be_made_fails_the_connection(self) -> None:
        connection = self.connect(self.endpoint(lambda client: Header.proxy(SOURCE, DESTINATION), budget=20))
        assert isinstance(result(connection.outcome), ValueError)
        assert connection.transport.disconnected
        assert connection.transport.value() == b""

    def test_fixed_header_that_does_not_fit_is_refused_at_once(self) -> None:
        with pytest.raises(ValueError, match="INET headers have at least 28 bytes, 20 are allowed"):
            self.endpoint(Header.proxy(SOURCE, DESTINATION), budget=20)

    def test_what_makes_no_header_is_refused_at_once(self) -> None:
        with pytest.raises(ValueError, match="header b'PROXY' is neither a Header nor a function that makes one"):
            self.endpoint(b"PROXY")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"endpoint": None}, "None is not a client endpoint; clientFromString makes one from a string"),
            ({"tls": "localhost"}, r"tls 'localhost' makes no TLS connections; optionsForClientTLS\('…'\) does"),
            ({"header": lambda client: None, "budget": 5}, "budget 5 is less than the 16 bytes"),
            ({"budget": "536"}, "budget '536' is not a number of bytes"),
        ],
    )
    def test_wrong_types_are_refused_at_once(self, wrong: dict[str, Any], message: str) -> None:
        right = {"endpoint": TCP4ClientEndpoint(self.reactor, "10.0.0.1", 143), "header": Header.local()}
        with pytest.raises(ValueError, match=message):
            SendProxyClientEndpoint(**{**right, **wrong})

    def test_what_makes_no_protocols_is_no_factory(self) -> None:
        with pytest.raises(ValueError, match=r"is not a factory; Factory.forProtocol\(…\) makes one"):
            SendProxyFactory(Recording, Header.local())  # type: ignore[arg-type]

    def test_function_that_returns_no_header_fails_the_connection(self) -> None:
        endpoint = self.endpoint(lambda client: None)  # type: ignore[arg-type, return-value]
        message = "the function for the header has returned None, not a Header"
        with pytest.raises(ValueError, match=message):
            endpoint.forClient(CLIENT)
        assert message in str(result(self.connect(endpoint).outcome))

    def test_budget_is_the_makers(self) -> None:
        endpoint = TCP4ClientEndpoint(self.reactor, "10.0.0.1", 143)
        assert SendProxyClientEndpoint(endpoint, ClientHeader(profile="exim")).budget == 232
        assert SendProxyClientEndpoint(endpoint, ClientHeader(profile="exim")).forClient(CLIENT).budget == 232
        assert SendProxyClientEndpoint(endpoint, Header.local()).budget == 536

    def test_factory_sends_the_header_without_an_endpoint(self) -> None:
        protocol = SendProxyFactory(self.made, Header.proxy(SOURCE, DESTINATION)).buildProtocol(BACKEND)
        transport = StringTransport(hostAddress=OURS, peerAddress=BACKEND)
        assert protocol is not None
        protocol.makeConnection(ITransport(transport))
        assert transport.value() == HEADER + b"EHLO"

    def test_protocol_without_a_header_is_never_connected(self) -> None:
        connection = self.connect(self.endpoint(lambda client: Header.proxy(SOURCE, DESTINATION), budget=20))
        connection.protocol.connectionLost(connectionDone)
        (protocol,) = self.made.protocols
        assert isinstance(protocol, Greeting)
        assert (protocol.peer, protocol.lost) == (None, None)
        assert isinstance(result(connection.outcome), ValueError)

    def test_header_is_made_for_a_client(self) -> None:
        connection = self.connect(self.endpoint(ClientHeader("v2")).forClient(CLIENT))
        assert connection.transport.value() == HEADER + b"EHLO"

    def test_function_may_make_the_header(self) -> None:
        def announce(client: ITransport) -> Header:
            return Header.local((Tlv(0xE1, str(client.getPeer().host).encode()),))  # type: ignore[attr-defined]

        connection = self.connect(self.endpoint(announce).forClient(CLIENT))
        assert decode(connection.transport.value()).first(225) == b"192.0.2.1"

    def test_fixed_header_is_for_every_client(self) -> None:
        endpoint = self.endpoint(Header.local())
        assert endpoint.forClient(CLIENT) is endpoint

    def test_without_a_client_the_program_is_its_own(self) -> None:
        header = decode(self.connect(self.endpoint(ClientHeader("v2"))).transport.value())
        assert (header.command, header.source, header.destination) == (
            Command.PROXY,
            InetAddress.parse("10.0.0.7:41000"),
            InetAddress.parse("10.0.0.1:143"),
        )

    def test_program_is_its_own_client_in_version_1_too(self) -> None:
        connection = self.connect(self.endpoint(ClientHeader("v1")))
        assert connection.transport.value() == b"PROXY TCP4 10.0.0.7 10.0.0.1 41000 143\r\nEHLO"

    def test_client_on_a_unix_socket_is_announced_as_local(self) -> None:
        client = StringTransport(hostAddress=UNIXAddress(b"/run/mail"), peerAddress=UNIXAddress(None))
        connection = self.connect(self.endpoint(ClientHeader("v2")).forClient(client))
        assert connection.transport.value() == encode(Header.local()).data + b"EHLO"

    def test_connection_that_has_ended_leaves_nothing_to_the_collector(self) -> None:
        connection = self.connect(self.endpoint(Header.local()))
        protocol = weakref.ref(self.made.protocols.pop())
        connection.protocol.connectionLost(connectionDone)
        gc.disable()
        try:
            del connection
            self.reactor.tcpClients.clear()
            assert protocol() is None
        finally:
            gc.enable()
