import pytest

from mailproxy.proxyprotocol import Header, TlvType, aws_vpc_endpoint_id, azure_link_id, gcp_psc_connection_id


def test_aws_tlv_has_the_vpc_endpoint_id() -> None:
    assert aws_vpc_endpoint_id(b"\x01vpce-08d2bf15fac5001c9") == "vpce-08d2bf15fac5001c9"


def test_other_aws_values_have_no_endpoint_id() -> None:
    assert [aws_vpc_endpoint_id(value) for value in (b"", b"\x01", b"\x02vpce-1", b"\x01vpce-\xff")] == [None] * 4


@pytest.mark.parametrize("id", [b"vpce-1\n", b"a b", b"\x1b[2J", b"a\r\nb", b'"', b"a=b", b"\0", b"a" * 256])
def test_aws_id_is_one_plain_word(id: bytes) -> None:
    assert aws_vpc_endpoint_id(b"\x01" + id) is None


def test_header_without_the_tlv_has_no_id() -> None:
    value = Header.local().first(TlvType.AWS)
    assert [read(value) for read in (aws_vpc_endpoint_id, azure_link_id, gcp_psc_connection_id)] == [None] * 3


def test_azure_link_id_is_little_endian() -> None:
    assert azure_link_id(bytes.fromhex("01 45230100")) == 0x12345


def test_other_azure_values_have_no_link_id() -> None:
    assert [azure_link_id(value) for value in (b"", bytes(5), b"\x01\0\0\0", b"\x01\0\0\0\0\0")] == [None] * 4


def test_gcp_connection_id_is_big_endian() -> None:
    # From a header that a published service received, and how Google's command line writes this connection's id.
    assert gcp_psc_connection_id(bytes.fromhex("009b34d70a003c64")) == 43686719580552292


def test_other_gcp_values_have_no_connection_id() -> None:
    assert [gcp_psc_connection_id(value) for value in (b"", bytes(7), bytes(9))] == [None] * 3
