"""The demo's server that executes what comes with STARTTLS."""

from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from mailproxy.demo.vulnerable import VulnerableServer


class Transport(StringTransport):
    """Knows when TLS begins."""

    def startTLS(self, context: Any) -> None:
        self.write(b"<TLS>\r\n")


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def server(transport: Transport) -> VulnerableServer:
    server = VulnerableServer(None)  # type: ignore[arg-type]  # nothing here is encrypted
    server.makeConnection(transport)
    transport.clear()
    return server


def test_starttls_is_offered_and_no_login(server: VulnerableServer, transport: Transport) -> None:
    server.dataReceived(b"a CAPABILITY\r\nb LOGIN alice secret\r\n")
    assert transport.value() == b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na OK\r\nb BAD TLS first\r\n"


def test_injected_command_is_executed_inside_tls(server: VulnerableServer, transport: Transport) -> None:
    server.dataReceived(b"a STARTTLS\r\nb NOOP\r\n")
    assert transport.value() == b"a OK begin TLS\r\n<TLS>\r\nb OK\r\n"


def test_nobody_logs_in_after_tls_either(server: VulnerableServer, transport: Transport) -> None:
    server.dataReceived(b"a STARTTLS\r\n")
    transport.clear()
    server.dataReceived(b"b LOGIN alice secret\r\nc STARTTLS\r\n")
    assert transport.value() == b"b NO nobody logs in here\r\nc NO nobody logs in here\r\n"


def test_literal_ends_the_connection(server: VulnerableServer, transport: Transport) -> None:
    server.dataReceived(b"a LOGIN {5+}\r\n")
    assert (transport.value(), transport.disconnecting) == (b"a BAD no literals\r\n", True)


def test_connection_ends_after_logout(server: VulnerableServer, transport: Transport) -> None:
    server.dataReceived(b"a NOOP\r\nb LOGOUT\r\n")
    assert (transport.value(), transport.disconnecting) == (b"a OK\r\n* BYE\r\nb OK\r\n", True)
