import pytest

from mailproxy.proxyprotocol import Header, SslClient, SslTlv, SslType, Tlv, UnixAddress, encode
from mailproxy.proxyprotocol.explain import Field, explain
from tests.proxyprotocol.vectors import ALL_OPTIONS, AWS_HEALTH_CHECK, IPV6, PLAIN, TLS12


def meanings(data: bytes) -> list[str]:
    return [field.meaning for field in explain(data).fields]


def test_header_is_explained_field_by_field() -> None:
    assert str(explain(PLAIN)) == (
        "    0  0d0a0d0a 000d0a51 5549540a           signature of version 2\n"
        "   12  21                                   version 2, command PROXY\n"
        "   13  11                                   family INET, transport STREAM\n"
        "   14  000c                                 12 bytes follow, the header has 28\n"
        "   16  7f000001                             source address 127.0.0.1\n"
        "   20  7f000001                             destination address 127.0.0.1\n"
        "   24  c490                                 source port 50320\n"
        "   26  5209                                 destination port 21001"
    )


def test_fields_cover_every_byte_once() -> None:
    assert b"".join(field.data for field in explain(ALL_OPTIONS).fields) == ALL_OPTIONS


def test_offsets_are_where_the_bytes_are() -> None:
    assert all(ALL_OPTIONS[field.offset :].startswith(field.data) for field in explain(ALL_OPTIONS).fields)


def test_fields_of_tls_are_explained() -> None:
    assert meanings(TLS12)[8:] == [
        "TLV SSL, 15 bytes",
        "client: SSL",
        "verify 0: a certificate was verified, if there was one",
        "TLV SSL_VERSION, 7 bytes",
        '"TLSv1.2"',
    ]


def test_ipv6_addresses_are_explained() -> None:
    assert "source address ::1" in meanings(IPV6)


def test_unix_addresses_are_explained() -> None:
    header = Header.proxy(UnixAddress(b"/run/a"), UnixAddress(b"/run/b"))
    assert meanings(encode(header).data)[4:] == ["source address unix:/run/a", "destination address unix:/run/b"]


def test_values_of_known_tlvs_are_explained() -> None:
    tlvs = (
        Tlv(0xEE, bytes.fromhex("01 45230100")),
        Tlv(0xEA, b"\x01vpce-1"),
        Tlv(0xE0, (43).to_bytes(8)),
        Tlv(0xE1, b"\xff"),
        Tlv(0x04, b"\0"),
        Tlv(0xE2, b"\x1b[2J"),
    )
    values = meanings(encode(Header.local(tlvs), crc32c=True).data)[5::2]
    assert values == [
        "checksum of the whole header",
        "private endpoint link 74565",
        "VPC endpoint vpce-1",
        "Private Service Connect connection 43",
        "binary",
        "padding, ignored",
        "binary",
    ]


def test_unverified_certificate_is_explained() -> None:
    value = SslTlv(SslClient(0), 1, (Tlv(SslType.CN, b"mallory"),))
    assert meanings(encode(Header.local((value.tlv(),))).data)[5:7] == [
        "client: no TLS",
        "verify 1: no certificate was verified",
    ]


def test_addresses_of_local_are_ignored() -> None:
    data = bytes.fromhex("0d0a0d0a 000d0a51 5549540a 20 11 000c 7f000001 7f000001 0001 0002")
    assert meanings(data)[4] == "ignored, LOCAL: source address 127.0.0.1"


@pytest.mark.parametrize("last", [b"\0", b"\1"], ids=["good", "wrong checksum"])
def test_local_header_may_lack_the_addresses_of_its_family(last: bytes) -> None:
    assert meanings(AWS_HEALTH_CHECK[:-1] + last)[2:] == [
        "family INET, transport STREAM",
        "84 bytes follow, the header has 100",
        "TLV CRC32C, 4 bytes",
        "checksum of the whole header",
        "TLV NOOP, 74 bytes",
        "padding, ignored",
    ]


def test_broken_header_is_explained_up_to_the_error() -> None:
    explanation = explain(PLAIN[:14] + b"\0\x10" + PLAIN[16:] + bytes.fromhex("ea 000a 01"))
    assert explanation.fields[-2] == Field(28, b"\xea\0\x0a", "TLV AWS, 10 bytes, 1 remain")
    assert str(explanation.error) == "TLV 0xEA says 10 bytes, 1 remain in the header"


def test_truncated_header_is_explained_up_to_its_end() -> None:
    explanation = explain(PLAIN[:22])
    assert explanation.fields[-1].meaning == "source address 127.0.0.1"
    assert "22 bytes of a header that has 28" in str(explanation.error)


def test_truncated_ports_are_not_explained() -> None:
    assert meanings(PLAIN[:25])[-1] == "destination address 127.0.0.1"


def test_unknown_command_and_family_are_explained() -> None:
    assert meanings(PLAIN[:12] + b"\x2f\x77") == [
        "signature of version 2",
        "version 2, command 15, which is unknown",
        "family 7, transport 7: which the format does not have",
    ]


def test_truncated_tlv_is_named() -> None:
    assert meanings(PLAIN[:14] + b"\0\x0d" + PLAIN[16:] + b"\x01")[-1] == "truncated TLV"


def test_beginning_of_a_signature_is_named() -> None:
    assert explain(b"\r\n\r\nEHLO").fields == (Field(0, b"\r\n\r\n", "beginning of a version 2 signature"),)


def test_bytes_that_begin_no_header_have_no_fields() -> None:
    explanation = explain(b"GET / HTTP/1.1")
    assert (explanation.fields, explanation.header) == ((), None)


def test_what_follows_is_the_connections() -> None:
    assert str(explain(PLAIN + b"hello")).endswith("\n5 bytes follow the header: they belong to the connection")


def test_line_of_version_1_is_explained() -> None:
    assert meanings(b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\n") == [
        "signature of version 1",
        'protocol "TCP4"',
        'source address "192.0.2.1"',
        'destination address "198.51.100.9"',
        'source port "40000"',
        'destination port "143"',
        "end of the header",
    ]


def test_field_beyond_the_last_is_named() -> None:
    assert meanings(b"PROXY TCP4 a b 1 2 3\r\n")[-2] == 'too much "3"'


def test_what_follows_unknown_is_ignored() -> None:
    assert meanings(b"PROXY UNKNOWN a b\r\n")[1:3] == ['protocol "UNKNOWN"', 'ignored "a b"']


def test_long_values_take_several_lines() -> None:
    assert str(Field(16, bytes(18), "addresses")) == (
        "   16  00000000 00000000 00000000 00000000  addresses\n   32  0000"
    )
