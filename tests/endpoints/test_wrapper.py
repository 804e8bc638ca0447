"""What sits between a transport and a protocol, seen from both."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    ISSLTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from mailproxy.endpoints.wrapper import WrappedTransport, Wrapper, abort
from tests.endpoints.protocols import Recording


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class Listening(Recording):
    """Records handshakes and half-closes."""

    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []

    def handshakeCompleted(self) -> None:
        self.handshakes += 1

    def readConnectionLost(self) -> None:
        self.halves.append("read")

    def writeConnectionLost(self) -> None:
        self.halves.append("write")


class Nested:
    """A wrapper on a transport, with a protocol above."""

    def __init__(self, above: Recording | None = None) -> None:
        self.below = StringTransport()
        self.wrapper = Wrapper()
        self.wrapper.makeConnection(self.below)
        self.transport = WrappedTransport(self.wrapper)
        self.above = above or Recording()

    def connect(self) -> Nested:
        self.wrapper.connectWrapped(self.above, self.transport)
        return self


def test_protocol_above_gets_what_arrives() -> None:
    nested = Nested().connect()
    nested.wrapper.dataReceived(b"hello")
    assert nested.above.received == b"hello"


def test_nothing_arrives_where_no_protocol_is_yet() -> None:
    nested = Nested()
    nested.wrapper.dataReceived(b"lost")
    assert nested.connect().above.received == b""


def test_protocol_above_has_the_addresses_of_the_transport_below() -> None:
    nested = Nested().connect()
    assert (nested.above.peer, nested.above.host) == (nested.below.getPeer(), nested.below.getHost())


def test_end_is_reported_once_and_the_protocol_is_let_go() -> None:
    nested = Nested().connect()
    reason = Failure(ConnectionDone())
    nested.wrapper.connectionLost(reason)
    assert nested.above.lost is reason
    assert nested.wrapper.wrappedProtocol is None
    nested.above.lost = None
    nested.wrapper.connectionLost(reason)
    assert nested.above.lost is None


@pytest.mark.parametrize("is_connected", [True, False])
def test_handshake_is_reported_when_it_comes_or_when_the_protocol_comes(is_connected: bool) -> None:
    nested = Nested(Listening())
    if is_connected:
        nested.connect()
    nested.wrapper.handshakeCompleted()
    if not is_connected:
        nested.connect()
    assert nested.above.handshakes == 1


def test_handshake_is_not_reported_to_who_does_not_listen() -> None:
    nested = Nested().connect()
    nested.wrapper.handshakeCompleted()
    assert nested.above.handshakes == 0


def test_half_closes_are_for_a_protocol_that_knows_them() -> None:
    above = Listening()
    half = IHalfCloseableProtocol(Nested(above).connect().wrapper)
    half.readConnectionLost()
    half.writeConnectionLost()
    assert above.halves == ["read", "write"]


def test_wrapper_knows_no_half_closes_where_its_protocol_does_not() -> None:
    assert IHalfCloseableProtocol(Nested().connect().wrapper, None) is None


def test_halves_of_a_connection_are_passed_on() -> None:
    above = Listening()
    wrapper = Nested(above).connect().wrapper
    wrapper.readConnectionLost()
    wrapper.writeConnectionLost()
    assert above.halves == ["read", "write"]


def test_log_names_the_protocol_above() -> None:
    nested = Nested()
    assert ILoggingContext.providedBy(nested.wrapper)
    assert nested.wrapper.logPrefix() == "Wrapper"
    assert nested.connect().wrapper.logPrefix() == "Recording"


def test_transport_is_the_one_below_in_all_else() -> None:
    nested = Nested()
    nested.transport.write(b"hello")
    assert nested.below.value() == b"hello"
    assert nested.transport.io is nested.below.io
    nested.transport.loseConnection()
    assert nested.below.disconnecting


def test_transport_provides_what_the_one_below_provides_at_the_time() -> None:
    nested = Nested()
    assert ITransport.providedBy(nested.transport)
    assert not ISSLTransport.providedBy(nested.transport)
    alsoProvides(nested.below, ISSLTransport)
    assert ISSLTransport.providedBy(nested.transport)


def test_protocol_of_the_transport_can_be_replaced() -> None:
    nested = Nested().connect()
    assert nested.transport.protocol is nested.above
    other = Recording()
    nested.transport.protocol = other
    nested.wrapper.dataReceived(b"hello")
    assert (other.received, nested.above.received) == (b"hello", b"")


@pytest.mark.parametrize("receiver", [None, Protocol()])
def test_tls_begins_below_and_its_receiver_is_called(receiver: Protocol | None) -> None:
    class Below(StringTransport):
        protocol = Protocol()
        asked: tuple[object, bool] | None = None

        def startTLS(self, factory: Any, normal: bool = True) -> Any:
            self.asked = factory, normal
            return receiver

    wrapper, below, factory = Wrapper(), Below(), object()
    wrapper.makeConnection(below)
    found = WrappedTransport(wrapper).startTLS(factory, normal=False)  # type: ignore[arg-type]  # passed on alone
    assert below.asked == (factory, False)
    assert found is (receiver or below.protocol)


def test_abort_ends_a_connection_now() -> None:
    transport = StringTransport()
    abort(transport)
    assert transport.disconnected


def test_transport_that_cannot_abort_ends_as_soon_as_it_can() -> None:
    class Plain:
        is_lost = False

        def loseConnection(self) -> None:
            self.is_lost = True

    transport: Any = Plain()
    abort(transport)
    assert transport.is_lost
