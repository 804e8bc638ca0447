"""The lines of a demo server about its clients."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from mailproxy.demo.inbox import Inbox
from mailproxy.demo.pop3 import Pop3Server
from mailproxy.demo.visit import Visit, Visits
from mailproxy.endpoints.accept import AcceptProxyFactory
from mailproxy.proxyprotocol import AcceptPolicy, Header, InetAddress, encode

PROXY = IPv4Address("TCP", "127.0.0.1", 50000)
SERVER = IPv4Address("TCP", "127.0.0.11", 11110)
HEADER = Header.proxy(InetAddress(ip_address("192.0.2.7"), 40000), InetAddress(ip_address("192.0.2.1"), 995))


class Front:
    """A connection from the front, in memory."""

    def __init__(self) -> None:
        self.reported: list[Visit] = []
        self.visits = Visits("d1", lambda report: Pop3Server(Inbox(), report), self.reported.append)
        policy = AcceptPolicy(trusted=(ip_network("127.0.0.1"),))
        protocol = AcceptProxyFactory(self.visits, policy, Clock()).buildProtocol(PROXY)
        assert protocol is not None
        self.protocol = protocol
        self.transport = StringTransportWithDisconnection(hostAddress=SERVER, peerAddress=PROXY)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)


@pytest.fixture
def front() -> Iterator[Front]:
    connection = Front()
    yield connection
    if connection.transport.connected:
        connection.transport.loseConnection()


def test_server_is_silent_before_the_header(front: Front) -> None:
    assert (front.transport.value(), front.reported) == (b"", [])


def test_server_greets_after_the_header(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data)
    assert front.transport.value().startswith(b"+OK ")


def test_connection_alone_is_not_reported(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data)
    assert front.reported == []


def test_login_is_reported_with_both_truths(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data + b"USER alice\r\nPASS secret\r\n")
    assert front.reported == [Visit("d1", "alice logs in by POP3", PROXY, SERVER, HEADER)]


def test_refused_login_is_not_reported(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data + b"USER alice\r\nPASS wrong\r\n")
    assert front.reported == []


def test_abort_cuts_the_connection(front: Front) -> None:
    front.protocol.dataReceived(encode(HEADER).data)
    front.visits.abort()
    assert front.transport.disconnecting or not front.transport.connected
