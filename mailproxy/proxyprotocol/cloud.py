"""
The ids of private connections that AWS, Azure and GCP send in custom TLVs.

The value is what `Header.first` returns: None, where the header has no such TLV, has no id either.
"""

from __future__ import annotations

import re

_AWS_VPC_ENDPOINT_ID = b"\x01"

# The sender of a header chooses the bytes: others than these could forge a line of a log.
_ENDPOINT_ID = re.compile(rb"[A-Za-z0-9._-]{1,255}").fullmatch

_AZURE_PRIVATE_ENDPOINT_LINK_ID = 0x01
_AZURE_SIZE = 5
_GCP_SIZE = 8


def aws_vpc_endpoint_id(value: bytes | None) -> str | None:
    """Return the id in the value of an AWS TLV (0xEA), ``vpce-08d2bf15fac5001c9``; None if it holds no id."""
    if value is None or value[:1] != _AWS_VPC_ENDPOINT_ID or not _ENDPOINT_ID(value[1:]):
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
