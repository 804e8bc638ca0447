"""
The ids of private connections that AWS, Azure and GCP send in custom TLVs.

The value is what `Header.first` returns: None, where the header has no such TLV, has no id either.
"""

from __future__ import annotations

_AWS_VPC_ENDPOINT_ID = 0x01
_AZURE_PRIVATE_ENDPOINT_LINK_ID = 0x01
_AZURE_SIZE = 5
_GCP_SIZE = 8


def aws_vpc_endpoint_id(value: bytes | None) -> str | None:
    """Return the id in the value of an AWS TLV (0xEA), ``vpce-08d2bf15fac5001c9``; None if it holds no id."""
    if value is None or len(value) < 2 or value[0] != _AWS_VPC_ENDPOINT_ID or not value.isascii():
        return None
    return value[1:].decode("ascii")


def azure_link_id(value: bytes | None) -> int | None:
    """Return the link id in the value of an Azure TLV (0xEE), a 32-bit little-endian number; None if it holds none."""
    if value is None or len(value) != _AZURE_SIZE or value[0] != _AZURE_PRIVATE_ENDPOINT_LINK_ID:
        return None
    return int.from_bytes(value[1:], "little")


def gcp_psc_connection_id(value: bytes | None) -> int | None:
    """
    Return the Private Service Connect connection id in the value of a GCP TLV (0xE0); None if it holds none.

    It is a 64-bit big-endian number, the ``pscConnectionId`` of the consumer's forwarding rule (Google's "About
    published services", PROXY protocol).
    """
    return None if value is None or len(value) != _GCP_SIZE else int.from_bytes(value)
