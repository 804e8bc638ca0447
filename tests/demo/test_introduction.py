"""What a demo server knows of its client before it greets."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from mailproxy.demo.inbox import Inbox
from mailproxy.demo.introduction import Introductions
from mailproxy.demo.pop3 import Pop3Server
from mailproxy.endpoints.accept import AcceptProxyFactory
from mailproxy.proxyprotocol import AcceptPolicy, Header, InetAddress, encode

PROXY = IPv4Address("TCP", "127.0.0.1", 50000)
HEADER = Header.proxy(InetAddress(ip_address("192.0.2.7"), 40000), InetAddress(ip_address("192.0.2.1"), 995))


class Front:
    """A connection from the front, in memory."""

    def __init__(self) -> None:
        self.told: list[Header] = []
        factory = Introductions(lambda: Pop3Server(Inbox()), self.told.append)
        policy = AcceptPolicy(trusted=(ip_network("127.0.0.1"),))
        protocol = AcceptProxyFactory(factory, policy, Clock()).buildProtocol(PROXY)
        assert protocol is not None
        self.protocol = protocol
        self.transport = StringTransportWithDisconnection(peerAddress=PROXY)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)


@pytest.fixture
def front() -> Iterator[Front]:
    connection = Front()
    yield connection
    connection.transport.loseConnection()


def test_server_is_silent_before_the_header(front: Front) -> None:
    assert (front.transport.value(), front.told) == (b"", [])


def test_header_is_told_and_the_server_greets(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data)
    assert front.told == [HEADER]
    assert front.transport.value().startswith(b"+OK ")


def test_server_gets_what_the_client_says(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data)
    front.transport.clear()
    front.protocol.dataReceived(b"QUIT\r\n")
    assert front.transport.value() == b"+OK \r\n"
