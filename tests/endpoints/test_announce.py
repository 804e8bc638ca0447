"""The header about a client, over a fake network with real OpenSSL."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
import trustme
from attrs import evolve
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import wrapClientTLS, wrapServerTLS
from twisted.internet.interfaces import ISSLTransport, ITransport
from twisted.internet.testing import StringTransport
from zope.interface import alsoProvides

from mailproxy.endpoints import (
    AcceptProxyServerEndpoint,
    ClientHeader,
    SendProxyClientEndpoint,
    header_from_transport,
    transport_facts,
)
from mailproxy.proxyprotocol import Header, SslTlv, SslType, Tlv, TlvType
from tests.endpoints.network import ClientTls, Network, ServerTls, identity
from tests.endpoints.protocols import DESTINATION, SOURCE, TRUST_PROXY, Made, Recording, result


class Speaking(Recording):
    """Sends a byte, after which the other side's handshake is done."""

    def connectionMade(self) -> None:
        super().connectionMade()
        ITransport(self.transport).write(b"x")


def tls_client(certificate: trustme.LeafCert | None = None, received: Header | None = None) -> ITransport:
    """The transport of an accepted client with TLS, after a header if there was one."""
    return connected(ServerTls(b"imap"), ClientTls(certificate, b"imap"), received)[0]


def connected(tls: ServerTls, with_tls: ClientTls, received: Header | None = None) -> tuple[ITransport, ITransport]:
    """Both transports of a TLS connection."""
    network = Network()
    clock = network.reactor
    below = AcceptProxyServerEndpoint(network.server, TRUST_PROXY, clock) if received else network.server
    client = SendProxyClientEndpoint(network.client, received) if received else network.client
    made = Made()
    outcome, pump = network.connect(
        wrapServerTLS(tls, below, clock), made, wrapClientTLS(with_tls, client, clock), Made(Speaking)
    )
    clock.advance(0)
    pump.flush()
    (protocol,) = made.protocols
    assert cast(Recording, protocol).received == b"x"
    return ITransport(protocol.transport), ITransport(result(outcome).transport)


def ssl(header: Header) -> SslTlv:
    assert header.ssl is not None
    return header.ssl


class TestTlsFacts:
    def test_facts_are_known_without_a_client_certificate(self) -> None:
        facts = transport_facts(tls_client())
        assert facts is not None
        assert (facts.version, facts.server_name, facts.alpn, facts.resumed) == (
            "TLSv1.3",
            "mail.example.test",
            b"imap",
            False,
        )
        assert (facts.client_certificate, facts.verify, facts.client_common_names) == (None, 1, ())
        assert facts.cipher.startswith("TLS_")
        assert facts.group

    def test_facts_name_the_algorithms_of_our_certificate(self) -> None:
        facts = transport_facts(tls_client())
        assert facts is not None
        assert (facts.certificate_key_alg, facts.certificate_sig_alg) == ("EC256", "ecdsa-with-SHA256")

    def test_verified_certificate_has_its_common_names(self) -> None:
        facts = transport_facts(tls_client(identity("alice@example.test", "alice")))
        assert facts is not None
        assert (facts.verify, facts.client_common_names) == (0, ("alice",))
        assert facts.client_certificate

    def test_resumed_session_keeps_its_certificate(self) -> None:
        tls, with_tls = ServerTls(), ClientTls(identity("alice@example.test", "alice"))
        _, client = connected(tls, with_tls)
        with_tls.session = client.getHandle().get_session()  # type: ignore[attr-defined]  # every TLS transport has it
        resumed, _ = connected(tls, with_tls)
        facts = transport_facts(resumed)
        assert facts is not None
        assert (facts.resumed, facts.verify, facts.client_common_names) == (True, 0, ("alice",))

    def test_clear_connection_has_no_facts(self) -> None:
        assert transport_facts(ITransport(StringTransport())) is None

    def test_facts_of_a_connection_that_has_ended_are_an_error(self) -> None:
        class Over(StringTransport):
            def getHandle(self) -> None:
                return None

        transport = Over()
        alsoProvides(transport, ISSLTransport)
        with pytest.raises(ValueError, match="Over has ended"):
            transport_facts(ITransport(transport))

    def test_facts_before_the_end_of_the_handshake_are_an_error(self) -> None:
        network = Network()
        made = Made()
        network.connect(wrapServerTLS(ServerTls(), network.server, network.reactor), made, network.client, Made())
        with pytest.raises(ValueError, match="handshake is not done"):
            transport_facts(ITransport(made.protocols[0].transport))


class TestClientHeader:
    def test_client_without_tls_is_reported_as_such(self) -> None:
        client = StringTransport(
            hostAddress=IPv4Address("TCP", "198.51.100.9", 143), peerAddress=IPv4Address("TCP", "192.0.2.1", 50000)
        )
        header = ClientHeader("v2-ssl")(ITransport(client))
        assert (header.source, header.destination) == (SOURCE, evolve(DESTINATION, port=143))
        assert (int(ssl(header).client), ssl(header).verify) == (0, 1)

    def test_mapped_addresses_are_ipv4(self) -> None:
        client = StringTransport(
            hostAddress=IPv6Address("TCP", "::ffff:198.51.100.9", 993),
            peerAddress=IPv6Address("TCP", "::ffff:192.0.2.1", 50000),
        )
        assert ClientHeader("v2")(ITransport(client)) == Header.proxy(SOURCE, DESTINATION)

    def test_tls_of_a_client_is_reported(self) -> None:
        header = ClientHeader("v2-ssl")(tls_client())
        assert (int(ssl(header).client), ssl(header).version, ssl(header).common_name) == (1, "TLSv1.3", None)

    def test_common_name_of_a_verified_certificate_is_reported(self) -> None:
        header = ClientHeader("v2-ssl-cn")(tls_client(identity("alice@example.test", "alice")))
        assert (ssl(header).has_verified_certificate, ssl(header).common_name) == (True, "alice")

    def test_plain_version_2_says_no_tls(self) -> None:
        assert ClientHeader("v2")(tls_client()).tlvs == ()

    def test_options_add_their_tlvs(self) -> None:
        header = ClientHeader("v2-ssl", proxy_v2_options=("authority", "alpn", "ssl-cipher"))(tls_client())
        assert (header.authority, header.alpn) == ("mail.example.test", b"imap")
        assert ssl(header).cipher

    def test_addresses_of_a_received_header_are_reported(self) -> None:
        header = ClientHeader()(tls_client(received=Header.proxy(SOURCE, DESTINATION)))
        assert (header.source, header.destination) == (SOURCE, DESTINATION)

    def test_received_tlvs_are_passed_on_if_wanted(self) -> None:
        received = Header.proxy(SOURCE, DESTINATION, (Tlv(TlvType.AZURE, b"\1abcd"), Tlv(0xE3, b"x")))
        header = ClientHeader("v2", pass_tlvs=(TlvType.AZURE,))(tls_client(received=received))
        assert header.tlvs == (Tlv(TlvType.AZURE, b"\1abcd"),)

    def test_constant_tlvs_are_added(self) -> None:
        header = ClientHeader("v2", tlvs=(Tlv(0xE1, b"x"),)).describe(SOURCE, DESTINATION)
        assert header == Header.proxy(SOURCE, DESTINATION, (Tlv(0xE1, b"x"),))

    def test_budget_is_the_profiles(self) -> None:
        assert (ClientHeader(profile="exim").budget, ClientHeader(profile="dovecot").budget) == (232, 536)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"send_proxy": "v3"},
            {"profile": "banana"},
            {"proxy_v2_options": ("banana",)},
            {"proxy_v2_options": "banana"},
        ],
    )
    def test_unknown_words_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"banana|v3"):
            ClientHeader(**wrong)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"proxy_v2_options": "alpn"}, r"proxy_v2_options 'alpn' is not a tuple; write \('alpn',\)"),
            ({"pass_tlvs": ("aws",)}, r"pass_tlvs \('aws',\) are not all types of TLVs, numbers from 0 to 255"),
            ({"pass_tlvs": 0xEA}, "pass_tlvs 234 is not a tuple"),
            ({"tlvs": (b"blue",)}, r"tlvs \(b'blue',\) are not all Tlv"),
            ({"protocol": 5}, "protocol 5 is not a name"),
        ],
    )
    def test_wrong_types_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ClientHeader(**wrong)

    def test_lists_become_tuples(self) -> None:
        lists: dict[str, Any] = {"proxy_v2_options": ["alpn"], "tlvs": [Tlv(0xE1, b"x")], "pass_tlvs": [0xEA]}
        tuples: dict[str, Any] = {name: tuple(value) for name, value in lists.items()}
        assert hash(ClientHeader(**lists)) == hash(ClientHeader(**tuples))

    def test_what_has_no_effect_is_refused(self) -> None:
        with pytest.raises(ValueError, match="tlvs and pass_tlvs have no effect with send_proxy 'v1'"):
            ClientHeader("v1", tlvs=(Tlv(0xE1, b"x"),))


CLEAR = StringTransport(
    hostAddress=IPv4Address("TCP", "198.51.100.9", 993), peerAddress=IPv4Address("TCP", "192.0.2.1", 50000)
)


class TestHeaderFromTransport:
    def test_client_without_tls_is_reported_as_such(self) -> None:
        header = header_from_transport(ITransport(CLEAR))
        assert (header.source, header.destination) == (SOURCE, DESTINATION)
        assert (int(ssl(header).client), ssl(header).verify, ssl(header).tlvs) == (0, 1, ())

    def test_tls_of_a_client_is_reported_without_optional_fields(self) -> None:
        header = header_from_transport(tls_client(identity("alice@example.test", "alice")))
        assert (ssl(header).version, ssl(header).cipher, ssl(header).common_name) == ("TLSv1.3", None, None)
        assert ssl(header).has_verified_certificate

    def test_fields_of_the_ssl_tlv_are_added_on_request(self) -> None:
        client = tls_client(identity("alice@example.test", "alice"))
        header = header_from_transport(client, ssl={SslType.CN, SslType.CIPHER})
        assert (ssl(header).common_name, str(ssl(header).cipher)[:4]) == ("alice", "TLS_")

    def test_ssl_tlv_can_be_left_out(self) -> None:
        header = header_from_transport(ITransport(CLEAR), (Tlv(0x30, b"blue"),), ssl=None)
        assert header == Header.proxy(SOURCE, DESTINATION, (Tlv(0x30, b"blue"),))

    def test_version_1_has_addresses_and_takes_no_tlvs(self) -> None:
        assert header_from_transport(ITransport(CLEAR), version=1) == Header.proxy(SOURCE, DESTINATION, version=1)
        with pytest.raises(ValueError, match="version 1 has no TLVs"):
            header_from_transport(ITransport(CLEAR), (Tlv(0x30, b"blue"),), version=1)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"version": 3}, "there is no version 3"),
            ({"ssl": {"cn"}}, r"ssl \{'cn'\} are not fields of the SSL TLV; write them as SslType"),
            ({"ssl": "cn"}, "ssl 'cn' are not fields"),
        ],
    )
    def test_wrong_arguments_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            header_from_transport(ITransport(CLEAR), **wrong)

    def test_client_without_internet_addresses_is_local_or_unknown(self) -> None:
        client = ITransport(StringTransport(hostAddress=UNIXAddress(b"/run/mail"), peerAddress=UNIXAddress(None)))
        assert header_from_transport(client) == Header.local()
        assert header_from_transport(client, version=1) == Header(version=1)

    def test_function_makes_headers_for_an_endpoint(self) -> None:
        endpoint = SendProxyClientEndpoint(Network().client, partial(header_from_transport, ssl=None))
        assert endpoint.forClient(ITransport(CLEAR)).header == Header.proxy(SOURCE, DESTINATION)


def test_certificate_of_another_authority_ends_the_handshake() -> None:
    mallory = identity("mallory", "alice", trustme.CA())
    with pytest.raises(AssertionError):
        tls_client(mallory)
