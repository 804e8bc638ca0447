"""What two clouds put into the custom range of TLVs: AWS's VPC endpoint id and Azure's Private Link id."""

from __future__ import annotations

_AWS_VPC_ENDPOINT_ID = 0x01
_AZURE_PRIVATE_ENDPOINT_LINK_ID = 0x01
_AZURE_SIZE = 5


def aws_vpc_endpoint_id(value: bytes) -> str | None:
    """Return the id in the value of an AWS TLV (0xEA), ``vpce-08d2bf15fac5001c9``; None if it holds no id."""
    if len(value) < 2 or value[0] != _AWS_VPC_ENDPOINT_ID or not value.isascii():
        return None
    return value[1:].decode("ascii")


def azure_link_id(value: bytes) -> int | None:
    """Return the link id in the value of an Azure TLV (0xEE), a 32-bit little-endian number; None if it holds none."""
    if len(value) != _AZURE_SIZE or value[0] != _AZURE_PRIVATE_ENDPOINT_LINK_ID:
        return None
    return int.from_bytes(value[1:], "little")
