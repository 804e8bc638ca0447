"""The header that a backend gets."""

from ipaddress import ip_address

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.announce.header import HeaderPolicy
from mailproxy.announce.left_out import LeftOut
from mailproxy.config.model import CustomTlv
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import (
    Command,
    Header,
    InetAddress,
    SslClient,
    SslTlv,
    SslType,
    Tlv,
    TlvType,
    UnixAddress,
    decode,
    encode,
)
from mailproxy.tls.facts import TlsFacts
from tests.announce.builders import ALICE, TLS13, Settings, policy
from tests.examples import examples

SOURCE, DESTINATION = (bytes((192, 0, 2, 1)), 40000), (bytes((198, 51, 100, 9)), 993)
LOOPBACK = bytes((127, 0, 0, 1))
UNIQUE_ID = b"7F000001:935A_7F000001:520F_6B00F696_0012:3C87"

# What HAProxy sent to a recording backend; the addresses are 127.0.0.1 or ::1, the ports are the last four bytes of
# the address block. Where it says verify 0 without a certificate, we say 1.
SIGNATURE = "0d0a0d0a000d0a515549540a"
PLAIN = SIGNATURE + "2111000c7f0000017f000001c4905209"
CLEAR = SIGNATURE + "211100147f0000017f000001a75a520a 200005 00 00000000"
ALPN = SIGNATURE + "211100257f0000017f000001c1bc520c 010004696d6170 20000f 01 00000000 210007544c5376312e33"
TLS12 = SIGNATURE + "2111001e7f0000017f000001c1c4520c 20000f 01 00000000 210007544c5376312e32"
CN = (
    SIGNATURE + "211100337f0000017f000001ba68520d 200024 07 00000000 210007544c5376312e33"
    "220012616c696365406578616d706c652e74657374"
)
CN_RESUMED = (
    SIGNATURE + "211100337f0000017f000001ba78520d 200024 05 00000000 210007544c5376312e33"
    "220012616c696365406578616d706c652e74657374"
)
ALL = (
    SIGNATURE + "211100bc7f0000017f000001935a520f e10003666f6f 0300045aa97bee 010004696d6170"
    "0200116d61696c2e6578616d706c652e74657374"
    "05002e37463030303030313a393335415f37463030303030313a353230465f36423030463639365f303031323a33433837"
    "200054 07 00000000 210007544c5376312e33 220012616c696365406578616d706c652e74657374"
    "25000752534132303438 24000a5253412d534841323536 230016544c535f4145535f3235365f47434d5f534841333834"
)
EC256 = (
    SIGNATURE + "211100677f0000017f000001ee1e5210 0300046240f158 0200116d61696c2e6578616d706c652e74657374"
    "20003d 01 00000000 210007544c5376312e33 2500054543323536 24000a5253412d534841323536"
    "230016544c535f4145535f3235365f47434d5f534841333834"
)
IPV6 = SIGNATURE + "2121002c000000000000000000000000000000010000000000000000000000000000000191a05212 200005 00 00000000"
UNIX = SIGNATURE + "20000008 200005 00 00000000"

FULL = ("ssl-cipher", "cert-sig", "cert-key", "authority", "alpn", "crc32c", "unique-id")


def verify_1(vector: str) -> str:
    """Return HAProxy's header with our verdict on a client without certificate."""
    return vector.replace(" 00000000", " 00000001")


def built(policy: HeaderPolicy, vector: str, facts: TlsFacts | None, host: bytes = LOOPBACK) -> str:
    """Return our header for the client of a vector."""
    ports = bytes.fromhex(vector)[16 + 2 * len(host) :][:4]
    source, destination = (host, int.from_bytes(ports[:2])), (host, int.from_bytes(ports[2:]))
    return policy.build(source, destination, facts, unique_id=UNIQUE_ID).data.hex()


@pytest.mark.parametrize(
    ("policy", "facts", "vector"),
    [
        pytest.param(policy("v2"), TLS13, PLAIN, id="v2"),
        pytest.param(policy("v2-ssl"), None, verify_1(CLEAR), id="v2-ssl, client without TLS"),
        pytest.param(policy("v2-ssl", "alpn"), TLS13, verify_1(ALPN), id="v2-ssl, TLS 1.3, ALPN"),
        pytest.param(policy("v2-ssl"), evolve(TLS13, version="TLSv1.2"), verify_1(TLS12), id="v2-ssl, TLS 1.2"),
        pytest.param(policy("v2-ssl-cn"), ALICE, CN, id="v2-ssl-cn"),
        pytest.param(policy("v2-ssl-cn"), evolve(ALICE, resumed=True), CN_RESUMED, id="v2-ssl-cn, resumed"),
        pytest.param(policy("v2-ssl-cn", *FULL, tlvs=(Tlv(0xE1, b"foo"),)), ALICE, ALL, id="all options"),
    ],
)
def test_header_is_haproxys(policy: HeaderPolicy, facts: TlsFacts | None, vector: str) -> None:
    assert built(policy, vector, facts) == vector.replace(" ", "")


def test_header_with_checksum_is_haproxys_but_for_verify() -> None:
    facts = evolve(TLS13, certificate_key_alg="EC256")
    ours = built(policy("v2-ssl", "ssl-cipher", "cert-sig", "cert-key", "authority", "crc32c"), EC256, facts)
    expected = verify_1(EC256).replace(" ", "")
    checksum = slice(62, 70)
    assert ours.replace(ours[checksum], "") == expected.replace(expected[checksum], "")
    assert decode(bytes.fromhex(ours)).first(TlvType.CRC32C) == bytes.fromhex(ours[checksum])


def test_header_for_ipv6_is_haproxys() -> None:
    assert built(policy("v2-ssl"), IPV6, None, ip_address("::1").packed) == verify_1(IPV6).replace(" ", "")


def test_header_for_a_unix_client_is_haproxys() -> None:
    header = policy("v2-ssl").build(UnixAddress(b""), UnixAddress(b"/run/imap"), None)
    assert header.data.hex() == verify_1(UNIX).replace(" ", "")


def test_common_name_of_an_unverified_certificate_is_not_reported_unlike_haproxys() -> None:
    facts = evolve(ALICE, client_common_names=("mallory",), verify=18)
    header = policy("v2-ssl-cn").build(SOURCE, DESTINATION, facts)
    assert decode(header.data).tlvs == (SslTlv(SslClient(7), 18, (Tlv(SslType.VERSION, b"TLSv1.3"),)).tlv(),)
    assert header.left_out == (LeftOut("SSL_CN", "the certificate is not verified (verify 18)"),)


def test_send_proxy_none_adds_no_byte() -> None:
    assert policy("none").build(SOURCE, DESTINATION, TLS13).data == b""


@pytest.mark.parametrize(
    ("source", "destination", "line"),
    [
        ("192.0.2.1", "198.51.100.9", b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 993\r\n"),
        ("::ffff:192.0.2.1", "198.51.100.9", b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 993\r\n"),
        ("2001:db8::1", "::9", b"PROXY TCP6 2001:db8::1 ::9 40000 993\r\n"),
        ("192.0.2.1", "2001:db8::9", b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::9 40000 993\r\n"),
    ],
)
def test_v1_is_a_line_of_text(source: str, destination: str, line: bytes) -> None:
    ends = (ip_address(source).packed, 40000), (ip_address(destination).packed, 993)
    assert policy("v1", "authority", tlvs=(Tlv(0xE1, b""),)).build(*ends, TLS13).data == line


def test_v1_of_an_unknown_client_says_so() -> None:
    assert policy("v1").build(None, DESTINATION, TLS13).data == b"PROXY UNKNOWN\r\n"


@pytest.mark.parametrize("profile", ["dovecot", "postfix", "exim", "cyrus"])
def test_nothing_follows_local_where_the_backend_does_not_read_it(profile: str) -> None:
    header = policy("v2-ssl", "crc32c", profile=profile).build(None, DESTINATION, TLS13)
    assert header.data.hex() == SIGNATURE + "20000000"


def test_addresses_of_a_received_header_are_reported() -> None:
    source, destination = InetAddress.parse("[2001:db8::1]:40000"), InetAddress.parse("[2001:db8::9]:993")
    reported = decode(policy().build(source, destination, TLS13).data)
    assert (reported.source, reported.destination) == (source, destination)


def test_received_tlvs_are_passed_on() -> None:
    received = Header.local((Tlv(0xEE, b"\x01\0\0\0\0"), Tlv(0xE3, b"no")))
    reported = decode(policy("v2", pass_tlvs=(0xEE,)).build(SOURCE, DESTINATION, None, received).data)
    assert reported.tlvs == received.tlvs[:1]


def test_tlv_for_one_client_replaces_all_others_of_its_type() -> None:
    set = (CustomTlv(0xE5, b"all"), CustomTlv(0xE6, b"kept"))
    received = Header.local((Tlv(0xE7, b"came in"), Tlv(0xE8, b"kept")))
    header = policy("v2", "authority", tlvs=set, pass_tlvs=(0xE7, 0xE8))
    more = (CustomTlv(0xE5, b"one"), CustomTlv(0xE7, b"ours"), CustomTlv(TlvType.AUTHORITY, b"a.example.test"))
    reported = decode(header.build(SOURCE, DESTINATION, TLS13, received, more=more).data)
    assert {tlv.type: tlv.value for tlv in reported.tlvs} == {
        0xE5: b"one",
        0xE6: b"kept",
        0xE7: b"ours",
        0xE8: b"kept",
        TlvType.AUTHORITY: b"a.example.test",
    }
    assert len(reported.tlvs) == 5


def test_tlv_for_one_client_is_not_in_the_next_header() -> None:
    header = policy("v2")
    header.build(SOURCE, DESTINATION, TLS13, more=(CustomTlv(0xE5, b"one"),))
    assert decode(header.build(SOURCE, DESTINATION, TLS13).data).tlvs == ()


def test_tlv_for_one_client_is_left_out_if_there_is_no_room() -> None:
    header = policy("v2", profile="nginx").build(SOURCE, DESTINATION, TLS13, more=(CustomTlv(0xE5, b"x" * 100),))
    assert header.left_out == (LeftOut("0xE5", "header limit 107", 103, has_no_room=True),)


def test_what_does_not_fit_is_left_out_and_named() -> None:
    facts = evolve(ALICE, client_common_names=("x" * 300,))
    header = policy("v2-ssl-cn", "ssl-cipher", profile="exim").build(SOURCE, DESTINATION, facts)
    ssl = decode(header.data).ssl
    assert ssl is not None
    assert (ssl.common_name, ssl.cipher) == (None, "TLS_AES_256_GCM_SHA384")
    assert header.left_out == (LeftOut("SSL_CN", "header limit 232", 303, has_no_room=True),)


def test_client_certificate_has_room_with_dovecot() -> None:
    facts = evolve(ALICE, client_certificate=bytes(1400))
    header = policy("v2-ssl", "client-cert", profile="dovecot").build(SOURCE, DESTINATION, facts)
    ssl = decode(header.data).ssl
    assert ssl is not None
    assert ssl.client_cert == facts.client_certificate
    assert header.left_out == ()


def test_client_certificate_beyond_dovecots_limit_is_left_out() -> None:
    facts = evolve(ALICE, client_certificate=bytes(1460))
    header = policy("v2-ssl", "client-cert", profile="dovecot").build(SOURCE, DESTINATION, facts)
    assert header.left_out == (LeftOut("SSL_CLIENT_CERT", "header limit 1500", 1463, has_no_room=True),)


def test_header_of_a_usual_client_with_too_much_is_cut_down_too() -> None:
    constants = (Tlv(0xE1, bytes(150)),)
    facts = evolve(TLS13, server_name="a.example." * 20 + "test")
    header = policy("v2-ssl", "authority", profile="exim", tlvs=constants).build(SOURCE, DESTINATION, facts)
    assert header.left_out == (LeftOut("AUTHORITY", "header limit 232", 207, has_no_room=True),)
    assert decode(header.data).all(0xE1) == (constants[0].value,)


def test_constants_that_never_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="proxy-v2-tlvs make a header of 233 bytes, exim takes 232"):
        policy("v2", profile="exim", tlvs=(Tlv(0xE1, bytes(202)),))


def test_left_out_of_one_client_is_not_left_out_of_the_next() -> None:
    shared = policy("v2-ssl", "authority")
    assert shared.build(SOURCE, DESTINATION, evolve(TLS13, server_name="a b")).left_out != ()
    assert shared.build(SOURCE, DESTINATION, TLS13).left_out == ()


names = st.sampled_from(["mail.example.test", "a b", "a" * 63 + ".example"]) | st.text(max_size=8)
tls_facts = st.builds(
    TlsFacts,
    version=st.sampled_from(["TLSv1.2", "TLSv1.3"]),
    cipher=st.sampled_from(["TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"]),
    group=st.none() | st.just("x25519"),
    server_name=st.none() | names,
    alpn=st.none() | st.sampled_from([b"imap", b"smtp"]) | st.binary(min_size=1, max_size=255),
    resumed=st.booleans(),
    certificate_sig_alg=st.none() | st.just("RSA-SHA256"),
    certificate_key_alg=st.none() | st.just("RSA2048"),
    client_certificate=st.none() | st.sampled_from([b"\x30\0", bytes(900), bytes(2000)]),
    client_common_names=st.lists(st.text(min_size=1, max_size=400), max_size=2).map(tuple),
    verify=st.sampled_from([0, 1, 18]),
)
OPTIONS = ["ssl-cipher", "cert-sig", "cert-key", "authority", "alpn", "crc32c", "unique-id", "group", "client-cert"]
backend_settings = st.builds(
    Settings,
    profile=st.sampled_from(sorted(PROFILES)),
    send_proxy=st.sampled_from(["v1", "v2", "v2-ssl", "v2-ssl-cn"]),
    proxy_v2_options=st.frozensets(st.sampled_from(OPTIONS)),
    tlvs=st.lists(st.builds(Tlv, st.sampled_from([0xE1, 0xE2]), st.binary(max_size=40)), max_size=2).map(tuple),
    pass_tlvs=st.sampled_from([(), (0x20,), (0x02, 0x05, 0xE2, 0xE3)]),
)
addresses = (
    st.none()
    | st.just(UnixAddress(b"/run/imap"))
    | st.tuples(st.ip_addresses().map(lambda host: host.packed), st.integers(0, 65535))
)
inner = st.lists(st.builds(Tlv, st.integers(0x21, 0x2F), st.binary(max_size=80)), max_size=3).map(tuple)
tlvs = st.one_of(
    st.builds(Tlv, st.sampled_from([0x01, 0x02, 0x05, 0xE2, 0xE3]), st.binary(max_size=200)),
    st.builds(SslTlv, st.integers(0, 255).map(SslClient), st.integers(0, 3), inner).map(SslTlv.tlv),
)
received_headers = st.none() | st.builds(Header.local, st.lists(tlvs, max_size=4).map(tuple))


class TestAnyClient:
    """What holds for every client and every configuration."""

    @examples(300)
    @given(backend_settings, addresses, addresses, st.none() | tls_facts, received_headers, st.binary(max_size=128))
    def test_header_is_what_is_described_within_the_limit(
        self,
        settings: Settings,
        source: tuple[bytes, int] | UnixAddress | None,
        destination: tuple[bytes, int] | UnixAddress | None,
        facts: TlsFacts | None,
        received: Header | None,
        unique_id: bytes,
    ) -> None:
        policy = HeaderPolicy(settings, "imap")
        limit = PROFILES[settings.profile].limit(client_cert="client-cert" in settings.proxy_v2_options)
        header = policy.build(source, destination, facts, received, unique_id)
        described, left_out = policy.describe(source, destination, facts, received, unique_id)
        encoded = encode(described, budget=limit)
        assert header.data == encoded.data
        assert len(header.data) <= limit
        assert header.left_out[: len(left_out)] == left_out
        assert len(header.left_out) == len(left_out) + len(encoded.left_out)

    @examples(150)
    @given(backend_settings, addresses, addresses, st.none() | tls_facts, st.binary(max_size=128))
    def test_backend_reads_what_was_described(
        self,
        settings: Settings,
        source: tuple[bytes, int] | UnixAddress | None,
        destination: tuple[bytes, int] | UnixAddress | None,
        facts: TlsFacts | None,
        unique_id: bytes,
    ) -> None:
        policy = HeaderPolicy(settings, "imap")
        header = policy.build(source, destination, facts, None, unique_id)
        read = decode(header.data)
        described, left_out = policy.describe(source, destination, facts, None, unique_id)
        assert (read.source, read.destination) == (described.source, described.destination)
        if header.left_out == left_out:
            unsigned = [tlv for tlv in read.tlvs if tlv.type != TlvType.CRC32C]
            assert unsigned == [tlv for tlv in described.tlvs if tlv.type != TlvType.CRC32C]

    @examples(150)
    @given(backend_settings, st.none() | tls_facts)
    def test_header_says_of_tls_and_identity_only_what_is_true(
        self, settings: Settings, facts: TlsFacts | None
    ) -> None:
        read = decode(HeaderPolicy(settings, "imap").build(SOURCE, DESTINATION, facts).data)
        if read.ssl is None:
            return
        assert read.command is Command.PROXY
        assert bool(read.ssl.client & SslClient.SSL) is (facts is not None)
        verified = facts is not None and facts.client_certificate is not None and facts.verify == 0
        assert (read.ssl.verify == 0) is verified
        assert verified or (read.ssl.common_name is None and read.ssl.client_cert is None)
