from __future__ import annotations

import gc
import weakref
from typing import Any, assert_type, cast

import pytest
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IProtocol, IProtocolFactory, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.test.iosim import FakeAddress
from zope.interface import implementer

from mailproxy.endpoints import (
    AcceptPolicy,
    AcceptProxyFactory,
    AcceptProxyServerEndpoint,
    HeaderCheck,
    IProxiedTransport,
)
from mailproxy.proxyprotocol import Header, HeaderRefused, Strictness, Tlv, UnixAddress, encode
from tests.endpoints.protocols import (
    BELIEVE_PROXY,
    DESTINATION,
    HEADER,
    LISTENING,
    PROXY,
    SOURCE,
    STRANGER,
    TRUST_PROXY,
    Broken,
    Made,
    Recording,
    Unwilling,
)

CLIENT = IPv4Address("TCP", "192.0.2.1", 50000)
SERVER = IPv4Address("TCP", "198.51.100.9", 993)


class Connection:
    """One accepted connection on the endpoint, and its protocol."""

    def __init__(
        self,
        policy: AcceptPolicy = TRUST_PROXY,
        peer: IAddress = PROXY,
        factory: IProtocolFactory | None = None,
        **arguments: Any,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.made = Made()
        endpoint = AcceptProxyServerEndpoint(TCP4ServerEndpoint(self.reactor, 143), policy, self.reactor, **arguments)
        endpoint.listen(factory or self.made)
        self.transport = StringTransport(hostAddress=LISTENING, peerAddress=peer)
        self.built = self.reactor.tcpServers[0][1].buildProtocol(peer)
        if self.built is not None:
            self.built.makeConnection(ITransport(self.transport))

    @property
    def protocol(self) -> IProtocol:
        assert self.built is not None
        return self.built

    @property
    def recording(self) -> Recording:
        (protocol,) = self.made.protocols
        assert isinstance(protocol, Recording)
        return protocol

    def receive(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    @property
    def aborted(self) -> bool:
        return bool(self.transport.disconnected)


class TestTrustedPeer:
    def test_factory_is_not_asked_before_the_header_is_in(self) -> None:
        connection = Connection()
        connection.receive(HEADER[:-1])
        assert connection.made.addresses == []

    def test_factory_is_asked_with_the_clients_address(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        assert connection.made.addresses == [CLIENT]

    def test_addresses_are_the_headers_in_connection_made(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        assert (connection.recording.peer, connection.recording.host) == (CLIENT, SERVER)

    def test_header_may_come_byte_by_byte(self) -> None:
        connection = Connection()
        for byte in HEADER:
            connection.receive(bytes((byte,)))
        assert connection.recording.peer == CLIENT

    def test_header_and_its_tlvs_are_reachable_from_the_transport(self) -> None:
        header = Header.proxy(SOURCE, DESTINATION, (Tlv(0xE1, b"x"),))
        connection = Connection()
        connection.receive(encode(header).data)
        assert assert_type(IProxiedTransport(connection.recording.transport).proxyHeader, Header | None) == header

    def test_real_addresses_are_reachable_too(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        transport = IProxiedTransport(connection.recording.transport)
        assert (transport.getProxyPeer(), transport.getProxyHost()) == (PROXY, LISTENING)

    def test_bytes_behind_the_header_are_delivered(self) -> None:
        connection = Connection()
        connection.receive(HEADER + b"a LOGIN")
        connection.receive(b" alice")
        assert connection.recording.received == b"a LOGIN alice"

    def test_version_1_header_is_taken(self) -> None:
        connection = Connection()
        connection.receive(b"PROXY TCP6 2001:db8::1 2001:db8::9 50000 143\r\nhello")
        assert getattr(connection.recording.peer, "host", None) == "2001:db8::1"
        assert connection.recording.received == b"hello"

    def test_unix_addresses_are_taken(self) -> None:
        connection = Connection()
        connection.receive(encode(Header.proxy(UnixAddress(b"/run/client"), UnixAddress(b""))).data)
        assert (connection.recording.peer, connection.recording.host) == (
            UNIXAddress(b"/run/client"),
            UNIXAddress(None),
        )

    def test_local_keeps_the_real_addresses(self) -> None:
        connection = Connection()
        connection.receive(encode(Header.local()).data)
        assert (connection.recording.peer, connection.recording.host) == (PROXY, LISTENING)

    def test_unknown_keeps_the_real_addresses(self) -> None:
        connection = Connection()
        connection.receive(b"PROXY UNKNOWN\r\n")
        assert connection.recording.peer == PROXY

    def test_timeout_ends_with_the_header(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        assert connection.reactor.getDelayedCalls() == []

    def test_end_of_the_connection_is_the_protocols(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        recording = connection.recording
        connection.protocol.connectionLost(connectionDone)
        assert recording.lost is connectionDone

    def test_writes_reach_the_connection(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        assert connection.recording.transport is not None
        connection.recording.transport.write(b"* OK")
        assert connection.transport.value() == b"* OK"

    def test_connection_is_aborted_if_the_factory_wants_no_protocol(self) -> None:
        connection = Connection(factory=Unwilling())
        connection.receive(HEADER)
        assert connection.aborted


class TestBadHeader:
    def assertRefused(self, connection: Connection, data: bytes, reason: str) -> None:
        with capturedLogs() as events:
            connection.receive(data)
        assert connection.aborted
        assert connection.made.protocols == []
        assert [event["reason"] for event in events] == [reason]

    def test_bytes_that_begin_no_header_are_refused(self) -> None:
        self.assertRefused(Connection(), b"EHLO", "byte 0 is 0x45, no header of version 1 or 2 begins with it")

    @pytest.mark.parametrize(
        ("peer", "shown"),
        [(PROXY, "10.0.0.7:40000"), (UNIXAddress(b"/run/mail"), "unix:/run/mail")],
    )
    def test_peer_is_logged_as_a_person_writes_it(self, peer: Any, shown: str) -> None:
        connection = Connection(AcceptPolicy.everybody(), peer)
        with capturedLogs() as events:
            connection.receive(b"EHLO")
        assert events[0]["peer"] == shown

    def test_malformed_header_is_refused(self) -> None:
        self.assertRefused(
            Connection(), b"PROXY TCP4 banana\r\n", "2 fields after PROXY, TCP4 needs 5 with single spaces between them"
        )

    def test_header_over_the_limit_is_refused(self) -> None:
        policy = evolve(TRUST_PROXY, strictness=Strictness(max_size=52))
        data = encode(Header.proxy(SOURCE, DESTINATION, (Tlv(0xE1, bytes(22)),))).data
        self.assertRefused(Connection(policy), data, "the header has 53 bytes, 52 are accepted")

    def test_transport_that_cannot_abort_is_closed(self) -> None:
        class Pipe(StringTransport):
            """As stdio has it."""

            abortConnection = property()

        transport = Pipe(peerAddress=PROXY)
        protocol = AcceptProxyFactory(Made(), TRUST_PROXY, MemoryReactorClock()).buildProtocol(PROXY)
        assert protocol is not None
        protocol.makeConnection(ITransport(transport))
        protocol.dataReceived(b"EHLO")
        assert transport.disconnecting

    def test_what_still_comes_is_ignored(self) -> None:
        connection = Connection()
        connection.receive(b"EHLO")
        connection.receive(HEADER)
        assert connection.made.protocols == []

    def test_header_that_does_not_come_in_time_is_refused(self) -> None:
        connection = Connection()
        connection.receive(HEADER[:5])
        connection.reactor.advance(4.9)
        assert not connection.aborted
        with capturedLogs() as events:
            connection.reactor.advance(0.1)
        assert connection.aborted
        assert events[0]["reason"] == "only 5 bytes of a PROXY header within 5 s"

    def test_end_within_the_header_is_logged_and_ends_the_timeout(self) -> None:
        connection = Connection()
        connection.receive(HEADER[:20])
        with capturedLogs() as events:
            connection.protocol.connectionLost(connectionDone)
        assert events[0]["reason"] == "the connection ended after 20 bytes of a header that has 28"
        assert connection.reactor.getDelayedCalls() == []

    def test_connection_without_a_byte_is_no_news(self) -> None:
        connection = Connection()
        with capturedLogs() as events:
            connection.protocol.connectionLost(connectionDone)
        assert list(events) == []

    def test_refused_connection_that_ends_is_logged_once(self) -> None:
        connection = Connection()
        connection.receive(b"EHLO")
        with capturedLogs() as events:
            connection.protocol.connectionLost(connectionDone)
        assert list(events) == []


class TestOtherPeer:
    def test_direct_client_is_connected_at_once(self) -> None:
        connection = Connection(peer=STRANGER)
        assert connection.recording.peer == STRANGER
        assert IProxiedTransport(connection.recording.transport).proxyHeader is None

    def test_header_of_a_direct_client_is_not_believed(self) -> None:
        connection = Connection(peer=STRANGER)
        connection.receive(HEADER)
        assert (connection.recording.peer, connection.recording.received) == (STRANGER, HEADER)

    def test_direct_clients_can_be_refused(self) -> None:
        assert Connection(evolve(TRUST_PROXY, refuse_others=True), STRANGER).built is None

    def test_factory_may_refuse_a_direct_client(self) -> None:
        assert Connection(peer=STRANGER, factory=Unwilling()).built is None

    def test_unix_peer_is_direct_unless_trusted(self) -> None:
        assert len(Connection(peer=UNIXAddress(None)).made.protocols) == 1
        assert len(Connection(AcceptPolicy(unix=True), UNIXAddress(None)).made.protocols) == 0

    def test_peer_of_another_kind_is_one_of_the_others(self) -> None:
        assert len(Connection(peer=Pipe()).made.protocols) == 1
        assert Connection(AcceptPolicy(unix=True, refuse_others=True), Pipe()).built is None

    @pytest.mark.parametrize(
        "peer", [STRANGER, IPv4Address("TCP", "pretended", 1), UNIXAddress(None), FakeAddress(), None]
    )
    def test_everybody_has_any_kind_of_address(self, peer: IAddress | None) -> None:
        connection = Connection(AcceptPolicy.everybody(), cast(IAddress, peer))
        connection.receive(HEADER)
        assert connection.recording.peer == CLIENT


@implementer(IAddress)
class Pipe:
    """An address that no header has."""


class TestCheckOfTheHeader:
    """The program's own look at each header."""

    def connection(self, refused: list[tuple[str, object]]) -> Connection:
        def check(header: Header, peer: IAddress) -> None:
            assert peer == PROXY
            if header.first(0xE1) != b"blue":
                raise HeaderRefused("the balancer is not blue")

        return Connection(check=check, on_refusal=lambda reason, peer: refused.append((reason, peer)))

    def test_header_that_passes_the_check_is_taken(self) -> None:
        connection = self.connection([])
        connection.receive(encode(Header.proxy(SOURCE, DESTINATION, (Tlv(0xE1, b"blue"),))).data)
        assert connection.recording.peer == CLIENT

    def test_header_that_the_check_refuses_aborts_the_connection(self) -> None:
        refused: list[tuple[str, object]] = []
        connection = self.connection(refused)
        connection.receive(HEADER)
        assert (connection.aborted, connection.made.protocols) == (True, [])
        assert refused == [("the balancer is not blue", PROXY)]
        assert connection.reactor.getDelayedCalls() == []

    def test_check_that_returns_a_verdict_accepts_nobody(self) -> None:
        async def check() -> None: ...

        unawaited = check()

        def verdict(answer: object) -> HeaderCheck:
            return lambda header, peer: answer  # type: ignore[return-value]

        answers: list[object] = [True, False, Deferred(), unawaited]
        for answer in answers:
            self.assertFails(verdict(answer), "TypeError")
        unawaited.close()

    def test_check_with_a_bug_accepts_nobody(self) -> None:
        def check(header: Header, peer: IAddress) -> None:
            raise KeyError

        self.assertFails(check, "KeyError")

    def assertFails(self, check: HeaderCheck, error: str) -> None:
        refused: list[str] = []
        connection = Connection(check=check, on_refusal=lambda reason, peer: refused.append(reason))
        with capturedLogs() as events:
            connection.receive(HEADER)
            connection.receive(HEADER)
        assert (connection.aborted, connection.made.protocols) == (True, [])
        assert refused == [f"the check of its header failed with {error}"]
        assert [event["log_failure"].type.__name__ for event in events] == [error]
        assert connection.reactor.getDelayedCalls() == []

    def test_connection_without_a_header_has_nothing_to_check(self) -> None:
        def check(header: Header, peer: IAddress) -> None:
            raise AssertionError

        assert len(Connection(peer=STRANGER, check=check).made.protocols) == 1


class TestRefusalHook:
    """It is called for every refusal, and nothing is logged."""

    def refusals(self, policy: AcceptPolicy = TRUST_PROXY, peer: IAddress = PROXY) -> tuple[Connection, list[str]]:
        reasons: list[str] = []

        def refused(reason: str, who: object) -> None:
            assert who == peer
            reasons.append(reason)

        return Connection(policy, peer, on_refusal=refused), reasons

    def test_hook_gets_the_reason_of_a_bad_header(self) -> None:
        connection, reasons = self.refusals()
        with capturedLogs() as events:
            connection.receive(b"EHLO")
        assert reasons == ["byte 0 is 0x45, no header of version 1 or 2 begins with it"]
        assert (connection.aborted, list(events)) == (True, [])

    def test_hook_gets_the_reason_of_a_timeout(self) -> None:
        connection, reasons = self.refusals()
        connection.reactor.advance(5)
        assert reasons == ["only 0 bytes of a PROXY header within 5 s"]

    def test_hook_gets_the_reason_of_an_end_within_the_header(self) -> None:
        connection, reasons = self.refusals()
        connection.receive(HEADER[:20])
        connection.protocol.connectionLost(connectionDone)
        assert reasons == ["the connection ended after 20 bytes of a header that has 28"]

    def test_hook_gets_the_reason_of_a_refused_address(self) -> None:
        _, reasons = self.refusals(evolve(TRUST_PROXY, refuse_others=True), STRANGER)
        assert reasons == ["its address is not allowed to connect"]


class TestArguments:
    """What can work with no connection is refused before there is one."""

    @pytest.mark.parametrize(
        ("policy", "message"),
        [
            (
                AcceptPolicy(),
                "under this policy no peer sends a header: name your proxies, or use AcceptPolicy.everybody",
            ),
            ("10.0.0.0/8", "policy '10.0.0.0/8' is not an AcceptPolicy"),
        ],
    )
    def test_policy_without_headers_is_refused(self, policy: Any, message: str) -> None:
        endpoint = TCP4ServerEndpoint(MemoryReactorClock(), 143)
        with pytest.raises(ValueError, match=message):
            AcceptProxyServerEndpoint(endpoint, policy)
        with pytest.raises(ValueError, match=message):
            AcceptProxyFactory(Made(), policy)

    @pytest.mark.parametrize("endpoint", [None, "tcp:80", TCP4ClientEndpoint(MemoryReactorClock(), "10.0.0.1", 143)])
    def test_what_does_not_listen_is_no_endpoint(self, endpoint: Any) -> None:
        with pytest.raises(ValueError, match="is not a server endpoint; serverFromString makes one from a string"):
            AcceptProxyServerEndpoint(endpoint, TRUST_PROXY)

    @pytest.mark.parametrize("factory", [Protocol, None])
    def test_what_makes_no_protocols_is_no_factory(self, factory: Any) -> None:
        endpoint = AcceptProxyServerEndpoint(TCP4ServerEndpoint(MemoryReactorClock(), 143), TRUST_PROXY)
        for wrap in (lambda: AcceptProxyFactory(factory, TRUST_PROXY), lambda: endpoint.listen(factory)):
            with pytest.raises(ValueError, match=r"is not a factory; Factory.forProtocol\(…\) makes one"):
                wrap()

    @pytest.mark.parametrize(
        ("wrong", "message"), [({"check": 1}, "check 1 cannot"), ({"on_refusal": "x"}, "on_refusal 'x' cannot")]
    )
    def test_hooks_that_cannot_be_called_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            AcceptProxyServerEndpoint(TCP4ServerEndpoint(MemoryReactorClock(), 143), TRUST_PROXY, **wrong)
        with pytest.raises(ValueError, match=message):
            AcceptProxyFactory(Made(), TRUST_PROXY, **wrong)

    def test_none_as_hook_logs_nothing(self) -> None:
        connection = Connection(on_refusal=None)
        with capturedLogs() as events:
            connection.receive(b"EHLO")
        assert (connection.aborted, list(events)) == (True, [])

    def test_factory_counts_on_the_reactor(self) -> None:
        assert AcceptProxyFactory(Made(), AcceptPolicy.everybody()).clock is reactor


class TestOptionalHeader:
    def test_header_is_taken(self) -> None:
        connection = Connection(BELIEVE_PROXY)
        connection.receive(HEADER)
        assert connection.recording.peer == CLIENT

    def test_other_bytes_are_the_clients(self) -> None:
        connection = Connection(BELIEVE_PROXY)
        connection.receive(b"P")
        connection.receive(b"ASS secret")
        assert (connection.recording.peer, connection.recording.received) == (PROXY, b"PASS secret")

    def test_silent_client_is_served_after_the_timeout(self) -> None:
        connection = Connection(BELIEVE_PROXY)
        connection.reactor.advance(5)
        assert connection.recording.peer == PROXY

    def test_begun_header_must_be_finished(self) -> None:
        connection = Connection(BELIEVE_PROXY)
        connection.receive(HEADER[:3])
        connection.reactor.advance(5)
        assert connection.aborted

    def test_malformed_header_is_refused(self) -> None:
        connection = Connection(BELIEVE_PROXY)
        connection.receive(b"PROXY TCP5")
        assert connection.aborted

    def test_factory_that_fails_after_the_timeout_leaves_no_connection_open(self) -> None:
        connection = Connection(BELIEVE_PROXY, factory=Broken())
        with pytest.raises(RuntimeError):
            connection.reactor.advance(5)
        assert connection.aborted


class PausingProtocol(Recording):
    """Receives nothing until the test allows it, like a relay without its other side."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.pause()

    def pause(self) -> None:
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def resume(self) -> None:
        self.transport.resumeProducing()  # type: ignore[union-attr]


class GreedyProtocol(PausingProtocol):
    """Pauses again with the first bytes."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.pause()


class TestBackPressure:
    def paused(self, kind: type[PausingProtocol] = PausingProtocol) -> tuple[Connection, PausingProtocol]:
        made = Made(kind)
        connection = Connection(factory=made)
        connection.receive(HEADER + b"a LOGIN")
        (protocol,) = made.protocols
        assert isinstance(protocol, PausingProtocol)
        return connection, protocol

    def test_paused_transport_delivers_nothing(self) -> None:
        connection, protocol = self.paused()
        assert (connection.transport.producerState, protocol.received) == ("paused", b"")

    def test_bytes_behind_the_header_come_first_when_resumed(self) -> None:
        connection, protocol = self.paused()
        protocol.resume()
        assert (connection.transport.producerState, protocol.received) == ("paused", b"")
        connection.reactor.advance(0)
        assert (connection.transport.producerState, protocol.received) == ("producing", b"a LOGIN")

    def test_bytes_are_not_delivered_if_it_pauses_again_at_once(self) -> None:
        connection, protocol = self.paused()
        protocol.resume()
        protocol.pause()
        connection.reactor.advance(0)
        assert (connection.transport.producerState, protocol.received) == ("paused", b"")

    def test_protocol_may_pause_again_at_their_delivery(self) -> None:
        connection, protocol = self.paused(GreedyProtocol)
        protocol.resume()
        connection.reactor.advance(0)
        assert (connection.transport.producerState, protocol.received) == ("paused", b"a LOGIN")

    def test_later_pauses_are_the_transports(self) -> None:
        connection, protocol = self.paused()
        protocol.resume()
        connection.reactor.advance(0)
        protocol.pause()
        assert connection.transport.producerState == "paused"
        protocol.resume()
        assert connection.transport.producerState == "producing"

    def test_what_comes_while_paused_keeps_its_order(self) -> None:
        connection, protocol = self.paused()
        connection.receive(b" alice")  # as TLS below does, which delivers what it has decrypted
        assert protocol.received == b""
        protocol.resume()
        connection.reactor.advance(0)
        connection.receive(b" secret")
        assert protocol.received == b"a LOGIN alice secret"

    def test_bytes_are_dropped_if_the_connection_is_lost_first(self) -> None:
        connection, protocol = self.paused()
        protocol.resume()
        connection.protocol.connectionLost(connectionDone)
        connection.reactor.advance(0)
        assert (protocol.received, protocol.lost) == (b"", connectionDone)


class TestEndInConnectionMade:
    """A protocol that disconnects at once receives nothing, as on Twisted's transports."""

    @pytest.mark.parametrize("how", ["loseConnection", "abortConnection"])
    def test_bytes_behind_the_header_are_dropped(self, how: str) -> None:
        class Parting(Recording):
            def connectionMade(self) -> None:
                getattr(self.transport, how)()

        made = Made(Parting)
        connection = Connection(factory=made)
        connection.receive(HEADER + b"a LOGIN")
        (protocol,) = made.protocols
        assert isinstance(protocol, Parting)
        assert protocol.received == b""


class TestMemory:
    @pytest.mark.parametrize("peer", [PROXY, STRANGER])
    def test_connection_that_has_ended_leaves_nothing_to_the_collector(self, peer: IPv4Address) -> None:
        connection = Connection(peer=peer)
        if peer is PROXY:
            connection.receive(HEADER)
        wrapper, recording = weakref.ref(connection.protocol), weakref.ref(connection.recording)
        connection.protocol.connectionLost(connectionDone)
        # These would be cycles of the test's own.
        connection.reactor.tcpServers.clear()
        connection.made.protocols.clear()
        gc.disable()
        try:
            del connection
            assert (wrapper(), recording()) == (None, None)
        finally:
            gc.enable()


class TestHandOver:
    def test_protocol_can_be_replaced_as_on_any_transport(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        other = Recording()
        transport = connection.recording.transport
        transport.protocol = other  # type: ignore[union-attr]
        assert transport.protocol is other  # type: ignore[union-attr]
        other.makeConnection(transport)
        connection.receive(b"hello")
        assert (connection.recording.received, other.received) == (b"", b"hello")

    def test_half_close_reaches_a_protocol_that_knows_it(self) -> None:
        @implementer(IHalfCloseableProtocol)
        class HalfCloseable(Recording):
            closed = ""

            def readConnectionLost(self) -> None:
                self.closed += "r"

            def writeConnectionLost(self) -> None:
                self.closed += "w"

        made = Made(HalfCloseable)
        connection = Connection(factory=made)
        assert not IHalfCloseableProtocol.providedBy(connection.protocol)
        connection.receive(HEADER)
        IHalfCloseableProtocol(connection.protocol).readConnectionLost()
        IHalfCloseableProtocol(connection.protocol).writeConnectionLost()
        assert getattr(made.protocols[0], "closed", "") == "rw"

    def test_half_close_is_the_end_for_a_protocol_that_does_not(self) -> None:
        connection = Connection()
        connection.receive(HEADER)
        assert not IHalfCloseableProtocol.providedBy(connection.protocol)
