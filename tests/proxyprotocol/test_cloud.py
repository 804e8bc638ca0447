from mailproxy.proxyprotocol import aws_vpc_endpoint_id, azure_link_id


def test_aws_vpc_endpoint_id() -> None:
    assert aws_vpc_endpoint_id(b"\x01vpce-08d2bf15fac5001c9") == "vpce-08d2bf15fac5001c9"


def test_other_aws_values_have_no_endpoint_id() -> None:
    assert [aws_vpc_endpoint_id(value) for value in (b"", b"\x01", b"\x02vpce-1", b"\x01vpce-\xff")] == [None] * 4


def test_azure_link_id_is_little_endian() -> None:
    assert azure_link_id(bytes.fromhex("01 45230100")) == 0x12345


def test_other_azure_values_have_no_link_id() -> None:
    assert [azure_link_id(value) for value in (b"", bytes(5), b"\x01\0\0\0", b"\x01\0\0\0\0\0")] == [None] * 4
